/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the preload layer's lanes (src/preload/lanes.c): is a record ever started before one
 * that it knows of?
 *
 * Three threads post one record each, and each but the first does so once the one before has told
 * it by ordinary memory. The holder of the helm goes round the lanes in any order. Memory is
 * consistent: tickets and tails are read and written with orders that make it look so to a thread
 * that was told.
 *
 * Seeded mistakes, which have to be found: -DBUG=1: the next ticket is no limit; 2: it is read
 * behind the tails; 3: a ticket is taken once the record is published and others were told.
 */
#ifndef BUG
#define BUG 0
#endif
#define N 3
#define NONE 99

byte next = 1;     /* lanes.ticket */
byte ticket[N];    /* of the record of each lane */
bool tail[N];      /* the record is published */
bool told[N + 1];  /* thread i - 1 has told thread i */
bool started[N];

/* fy_lanes_post */
proctype thread(byte i)
{
	told[i];
	if
	:: BUG != 3 -> atomic { ticket[i] = next; next++ }
	:: else
	fi;
	tail[i] = true;
	told[i + 1] = true;
	if
	:: BUG == 3 -> atomic { ticket[i] = next; next++ }
	:: else
	fi
}

bool seen[N];
byte end, i, k, lowest;

/* go_round */
inline go_round() {
	if
	:: seen[0] = tail[0]; seen[1] = tail[1]; seen[2] = tail[2]
	:: seen[2] = tail[2]; seen[1] = tail[1]; seen[0] = tail[0]
	:: seen[1] = tail[1]; seen[2] = tail[2]; seen[0] = tail[0]
	fi
}

/* start, and find_lowest */
inline start_all(limit) {
	atomic {
		do
		:: true ->
			lowest = NONE;
			k = N;
			i = 0;
			do
			:: i < N ->
				if
				:: seen[i] && !started[i] && ticket[i] < limit && ticket[i] < lowest ->
					lowest = ticket[i];
					k = i
				:: else
				fi;
				i++
			:: else -> break
			od;
			if
			:: k == N -> break
			:: else ->
				started[k] = true;
				assert(k == 0 || started[k - 1]);
				assert(k < 2 || started[0])
			fi
		od
	}
}

/* fy_lanes_drain, again and again */
active proctype helm()
{
	do
	:: started[0] && started[1] && started[2] -> break
	:: else ->
		end = next;
		go_round();
		if
		:: BUG == 1 -> end = NONE
		:: BUG == 2 -> end = next
		:: else
		fi;
		start_all(end)
	od
}

init
{
	told[0] = true;
	run thread(0);
	run thread(1);
	run thread(2)
}
