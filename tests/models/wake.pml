/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep and wake (src/shared/lane.h, wake.h, src/helm/lanes.c, loop.c): does a long sleep ever last
 * while there is work, and does a thread that posts touch the wake word after it was unmapped?
 *
 * A thread of the application that posts, a rank of the same host that sends, and the progress
 * thread. Stores of the first two wait in a store buffer before others see them, which is all that
 * x86 reorders; a locked instruction or a fence empties it. The progress thread has none: a store
 * that it makes late is the same as a look that it takes early (mistake 1). Where membarrier(2)
 * works its barrier empties the buffer of this process's threads, else these fence themselves: both
 * are tried. The wake word is two bits: is it odd, and has it changed since it was loaded?
 *
 * Naps end by themselves, long sleeps do not. The engine may stop before any step.
 *
 * Seeded mistakes, which have to be found: -DBUG=1: no second look; 2: a long sleep is announced
 * with a fence of the sleeper only, and posters do not fence; 3: the other rank does not fence
 * before it looks at the word; 4: lanes are delisted where posters fence, which they do only behind
 * their look at `listed`; 5: who wakes does not count itself in `wakers`.
 */
#ifndef BUG
#define BUG 0
#endif
#define POSTS 2

bool giver_fences;            /* wake.giver_fences: there is no membarrier */
byte tail, own_tail;          /* lane.tail: what others see, and with the store buffer */
bool mail, own_mail;          /* the other rank's message, likewise */
byte head;                    /* lane.head */
bool mail_seen;               /* the message was received */
bool listed, inbox;           /* lane.listed, inboxes.lanes */
byte own;                     /* wake.own */
bool odd;                     /* *wake.word: somebody sleeps */
bool changed[2];              /* it has changed since SLEEPER or RANK loaded it */
bool in_futex;                /* the progress thread is inside of the kernel's wait */
byte wakers;                  /* wake.wakers */
bool abandoned, unmapped;     /* end.abandoned; fy_wake_part was called */
byte late;                    /* posts whose thread was told that the engine has stopped */
byte finished;

#define SLEEPER 0
#define RANK 1
#define STOPPED 2

#define DRAIN tail = own_tail
#define BARRIER_EVERYWHERE \
	if \
	:: !giver_fences && BUG != 2 -> DRAIN \
	:: else \
	fi

active proctype store_buffers() {
end:	do
	:: atomic { tail != own_tail -> tail++ }
	:: atomic { mail != own_mail -> mail = own_mail }
	od
}

inline word_becomes(value) {
	atomic { assert(!unmapped); odd = value; changed[SLEEPER] = true; changed[RANK] = true }
}

inline wake_up() { /* fy_wake_up */
	atomic {
		DRAIN;
		if
		:: BUG != 5 -> wakers++
		:: else
		fi
	};
	atomic { woke = (own == 1); own = (own == 1 -> 0 : own) };
	if
	:: woke ->
		woke = false;
		word_becomes(false); /* end_sleep */
		in_futex = false /* fy_futex_wake */
	:: else
	fi;
	if
	:: BUG != 5 -> wakers--
	:: else
	fi
}

proctype poster() {
	bool woke;
	byte sleeper;
	do
	:: own_tail + late < POSTS ->
		own_tail++; /* fy_lane_publish: into the store buffer */
		if /* publish */
		:: !listed ->
			atomic { /* fy_own_lane_list: a swap */
				DRAIN;
				inbox = inbox || !listed;
				listed = true
			}
		:: listed
		fi;
		if /* fy_wake_look */
		:: giver_fences -> DRAIN
		:: else
		fi;
		sleeper = own;
		if
		:: sleeper == 0
		:: sleeper == 1 -> wake_up() /* fy_rouse */
		:: sleeper == STOPPED -> /* posted_too_late */
			abandoned;
			atomic {
				late = late + POSTS - head; /* it posts no more */
				own_tail = head; tail = head
			}
		fi;
		sleeper = 0
	:: else -> break
	od;
	finished++
}

proctype rank() {
	bool seen;
	if
	:: own_mail = true; /* a batch is handed to MPI */
		if /* fy_wake_ring */
		:: BUG != 3 -> mail = own_mail
		:: else
		fi;
		atomic { seen = odd; changed[RANK] = false };
		if
		:: seen ->
			atomic {
				if
				:: !changed[RANK] -> odd = false; changed[SLEEPER] = true; seen = true
				:: else -> seen = false
				fi;
				mail = own_mail
			};
			if
			:: seen -> in_futex = false
			:: else
			fi
		:: else
		fi
	:: true
	fi;
	seen = false;
	finished++
}

/* helm/step.c: fy_step_once; it ORs into `found` what it did */
inline step() {
	if
	:: inbox -> inbox = false; active_lane = true /* fy_lanes_list */
	:: else
	fi;
	if
	:: active_lane -> atomic { found = found || tail != head; head = tail } /* fy_drain_step */
	:: else
	fi;
	atomic { found = found || mail != mail_seen; mail_seen = mail } /* fy_arrivals_look */
}

inline stay() { /* fy_wake_stay */
	atomic { own = (own == 1 -> 0 : own) };
	if
	:: odd -> word_becomes(false)
	:: else
	fi
}

inline sleep_a_while() { /* helm/loop.c */
	if /* fy_lanes_delist */
	:: !nap && active_lane && (!giver_fences || BUG == 4) ->
		active_lane = false; delisted = true; listed = false
	:: else
	fi;
	if /* fy_wake_announce */
	:: !odd -> word_becomes(true)
	:: else
	fi;
	own = 1;
	if
	:: !nap -> BARRIER_EVERYWHERE
	:: else
	fi;
	if /* fy_lanes_relist */
	:: delisted && tail != head ->
		atomic { active_lane = !listed; found = found || !listed; listed = true }
	:: else
	fi;
	delisted = false;
	if
	:: BUG != 1 -> step()
	:: else
	fi;
	if
	:: found || inbox
	:: else -> /* fy_wake_sleep */
		atomic { sees = odd; changed[SLEEPER] = false };
		if
		:: sees ->
			in_futex = !changed[SLEEPER];
			if
			:: !in_futex
			:: nap -> in_futex = false /* the time is over */
			:: in_futex && finished == 2 && head == own_tail && mail_seen == own_mail ->
				in_futex = false /* all is done: a close will wake it */
			fi;
			sees = false
		:: else
		fi
	fi;
	stay();
	found = false
}

proctype progress() {
	bool active_lane, delisted, found, nap, sees;
	do
	:: true -> step(); found = false; nap = true; sleep_a_while()
	:: true -> step(); found = false; nap = false; sleep_a_while()
	:: break
	od;
	/* fy_life_destroy, fy_wake_stop */
	own = STOPPED;
	BARRIER_EVERYWHERE;
	wakers == 0;
	/* fy_lanes_abandon */
	head = tail;
	abandoned = true;
	unmapped = true; /* fy_wake_part, and the port */
	finished == 2;
	assert(head == own_tail)
}

init {
	atomic {
		if
		:: giver_fences = true
		:: giver_fences = false
		fi;
		run poster(); run rank(); run progress()
	}
}
