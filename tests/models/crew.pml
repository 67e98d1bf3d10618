/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crew (src/helm/crew.c): are two committed crews of one number equal or without a common
 * member, and is a later one with a common member a subset?
 *
 * Time is left out: whatever a timeout may do here may happen at any moment. So any rank may begin
 * any ballot of its own, go on without any rank that has answered, and fall silent for ever. What
 * was once said can be heard at any time, many times, or never. A set is a byte, a bit a rank.
 *
 * Seeded mistakes, which have to be found: -DBUG=1 makes a crew smaller under the number that it
 * has; 2: a coordinator goes by its own last crew alone; 3: an old ballot is accepted after a new
 * one was promised; 4: all but one acceptance are enough.
 */
#ifndef BUG
#define BUG 0
#endif
#define N 3
#ifndef BALLOTS
#define BALLOTS 3 /* ballot b is of rank (b - 1) % N */
#endif
#define ALL 7

#define OWNER(b) (((b) - 1) % N)
#define BIT(r) (1 << (r))
#define WITHIN(a, b) (((a) & (b)) == (a))

mtype = { idle, asking, proposing };

typedef crew_of { byte number, ballot, members };

/* ranks */
mtype phase[N] = idle;
byte mine[N], promised[N];
bool stopped[N];
crew_of now[N], accepted[N];
/* what was said, by ballot */
bool asked[BALLOTS + 1], proposed[BALLOTS + 1], committed[BALLOTS + 1];
byte answers[BALLOTS + 1], accepts[BALLOTS + 1];
typedef shown { crew_of crew[N] };
shown shows[BALLOTS + 1]; /* the last crew in the answer of each rank */
crew_of proposal[BALLOTS + 1];

#define COPY(to, from) \
	to.number = from.number; to.ballot = from.ballot; to.members = from.members

/* A crew that all its members have accepted, beside all others. */
inline check(b) {
	i = 1;
	do
	:: i <= BALLOTS && committed[i] && i != b ->
		if
		:: !(proposal[i].members & proposal[b].members)
		:: else ->
			if
			:: proposal[i].number == proposal[b].number ->
				assert(proposal[i].members == proposal[b].members)
			:: proposal[i].number < proposal[b].number ->
				assert(WITHIN(proposal[b].members, proposal[i].members))
			:: proposal[i].number > proposal[b].number ->
				assert(WITHIN(proposal[i].members, proposal[b].members))
			fi
		fi;
		i++
	:: i <= BALLOTS && !(committed[i] && i != b) -> i++
	:: i > BALLOTS -> break
	od
}

/* That crew is committed: rank r has it, or is left out. */
inline take(r, b) {
	if
	:: !(proposal[b].members & BIT(r)) -> stopped[r] = true
	:: else ->
		COPY(now[r], proposal[b]);
		if
		:: promised[r] < b -> promised[r] = b
		:: else
		fi;
		if
		:: accepted[r].ballot <= b -> COPY(accepted[r], proposal[b])
		:: else
		fi
	fi;
	phase[r] = idle
}

/* The best crew that rank r's own and the answers in `heard` show. */
inline find_best(r, b) {
	COPY(best, accepted[r]);
	i = 0;
	do
	:: i < N ->
		if
		:: BUG != 2 && (heard & BIT(i)) && shows[b].crew[i].ballot > best.ballot ->
			COPY(best, shows[b].crew[i])
		:: else
		fi;
		i++
	:: i == N -> break
	od
}

inline decide(r, b) {
	find_best(r, b);
	set = (heard | BIT(r)) & best.members & keep;
	if
	:: set == best.members -> number = best.number
	:: set != best.members && BUG == 1 && best.number > now[r].number -> number = best.number
	:: else -> number = best.number + 1
	fi;
	if
	:: set == 0 || number == now[r].number -> phase[r] = idle
	:: else ->
		proposal[b].number = number;
		proposal[b].ballot = b;
		proposal[b].members = set;
		proposed[b] = true;
		phase[r] = proposing;
		if
		:: set & BIT(r) ->
			COPY(accepted[r], proposal[b]);
			accepts[b] = accepts[b] | BIT(r)
		:: else
		fi
	fi;
	set = 0; number = 0; best.number = 0; best.ballot = 0; best.members = 0
}

/* Have all members accepted? */
#define ALL_ACCEPT(b) (WITHIN(proposal[b].members, accepts[b]) || (BUG == 4 && \
	WITHIN(proposal[b].members & (proposal[b].members - 1), accepts[b])))

proctype rank(byte r) {
	byte b, i, heard, keep, set, number;
	crew_of best;
	do
	:: atomic { !stopped[r] -> /* begin a ballot */
		select(b : 1 .. BALLOTS);
		if
		:: OWNER(b) == r && !asked[b] && b > promised[r] ->
			asked[b] = true; mine[r] = b; promised[r] = b; phase[r] = asking
		:: else
		fi; b = 0 }
	:: atomic { !stopped[r] -> /* answer */
		select(b : 1 .. BALLOTS);
		if
		:: asked[b] && OWNER(b) != r && b >= promised[r] && !(answers[b] & BIT(r)) &&
		   (now[r].members & BIT(OWNER(b))) ->
			if
			:: b > promised[r] -> phase[r] = idle
			:: else
			fi;
			promised[r] = b;
			answers[b] = answers[b] | BIT(r);
			COPY(shows[b].crew[r], accepted[r])
		:: else
		fi; b = 0 }
	:: atomic { !stopped[r] && phase[r] == asking -> /* go on with some */
		select(heard : 0 .. ALL);
		select(keep : 1 .. ALL);
		heard = heard & answers[mine[r]];
		decide(r, mine[r]);
		heard = 0; keep = 0; i = 0 }
	:: atomic { !stopped[r] -> /* accept */
		select(b : 1 .. BALLOTS);
		if
		:: proposed[b] && (proposal[b].members & BIT(r)) && OWNER(b) != r &&
		   (b >= promised[r] || BUG == 3) && proposal[b].number >= now[r].number &&
		   (now[r].members & BIT(OWNER(b))) ->
			if
			:: b > promised[r] -> phase[r] = idle
			:: else
			fi;
			promised[r] = b;
			COPY(accepted[r], proposal[b]);
			accepts[b] = accepts[b] | BIT(r)
		:: else
		fi; b = 0 }
	:: atomic { !stopped[r] && phase[r] == proposing && ALL_ACCEPT(mine[r]) -> /* commit */
		b = mine[r];
		committed[b] = true;
		check(b);
		if
		:: proposal[b].number > now[r].number -> take(r, b)
		:: else -> phase[r] = idle
		fi; b = 0; i = 0 }
	:: atomic { !stopped[r] -> /* hear of it, or have it shown as the crew of an answer */
		select(b : 1 .. BALLOTS);
		if
		:: committed[b] && proposal[b].number > now[r].number -> take(r, b)
		:: else
		fi; b = 0 }
	:: stopped[r] -> break
	od
}

init {
	atomic {
		byte r = 0;
		do
		:: r < N -> now[r].members = ALL; accepted[r].members = ALL; run rank(r); r++
		:: r == N -> break
		od
	}
}
