/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm (src/helm/helm.c, drive.c, loop.c): is the engine ever left asleep, with nobody who
 * looks at it?
 *
 * A progress thread and two threads of the application. Each of these may post once, and may then
 * wait for it, which drives. Whatever the policy or a look at MPI decides goes either way here. Memory is consistent, and to
 * announce, to stay and to wake up are one step each: wake.pml has what is inside of them.
 *
 * Naps end by themselves. Long sleeps do not, so that a wake-up that only the time makes good is
 * found. A run may only stop when all was taken, and the progress thread's sleep is announced.
 *
 * Seeded mistakes, which have to be found: -DBUG=1: the last driver does not look at `asleep`; 2:
 * it leaves a long sleep as if that were a nap; 3: a driver that was not the last one when it
 * counted itself out does not look again once it has given the helm; 4: a post is left to the wait
 * while the progress thread sleeps long.
 */
#ifndef BUG
#define BUG 0
#endif
#define THREADS 2

bool held;            /* at_helm.word */
bool asleep, napping; /* at_helm.asleep, at_helm.napping */
byte drivers;         /* at_helm.drivers */
bool lent;            /* totals.lends has grown since the progress thread loaded it */
bool own;             /* wake.own */
bool woken;           /* *wake.word has changed since the progress thread announced */
byte posted;          /* the lanes with work, a bit each */
byte finished;        /* how many threads have ended */

/* helm/helm.c: fy_helm_try, or fy_helm_take where nothing else can be done; fy_helm_give */
#define TAKE atomic { !held -> held = true }
#define GIVE held = false

/* helm/step.c: fy_step_once, as far as it matters here. found: it did something */
#define STEP atomic { found = (posted != 0); posted = 0 }

/* shared/wake.c: fy_wake_up, fy_wake_announce and fy_wake_announce_here, fy_wake_stay */
#define WAKE_UP atomic { woken = woken || own; own = false }
#define ANNOUNCE own = true
#define STAY own = false

/* helm/drive.c */

/* may_leave_to_wait: does the progress thread nap, if it sleeps? */
inline look_whether_it_naps() {
	if
	:: !asleep -> naps = true
	:: else -> naps = (napping || BUG == 2)
	fi
}

/* leave */
inline leave_it() {
	if
	:: ANNOUNCE /* fy_wake_announce_here */
	:: if
	   :: asleep -> ANNOUNCE
	   :: else
	   fi
	fi;
	GIVE
}

/* hand_back */
inline hand_back() {
	if
	:: !asleep || BUG == 1 -> GIVE
	:: else ->
		ANNOUNCE;
		atomic { more = !napping; STEP };
		GIVE;
		if
		:: more || found -> WAKE_UP
		:: else
		fi;
		more = false; found = false
	fi
}

/* give, of the last driver */
inline give_last() {
	look_whether_it_naps();
	if
	:: naps -> naps = false; leave_it() /* nothing wants a look before the nap ends */
	:: naps = false; hand_back()
	fi
}

/* give, of another driver */
inline give_on() {
	if
	:: GIVE
	:: hand_back() /* there is user code to run */
	fi
}

#define COUNT_OUT atomic { drivers--; last = (drivers == 0) }

/* give_if_free */
inline give_if_free() {
	if
	:: TAKE; give_last()
	:: held
	fi
}

/* drive_beside, with take_turns */
inline drive() {
	drivers++;
	do
	:: COUNT_OUT; /* stop_driving: it is ready, or has tried often enough */
		if
		:: last -> give_if_free()
		:: else
		fi;
		break
	:: TAKE;
		atomic { lent = true; STAY }; /* count_lend, drive_on */
		STEP;
		found = false;
		if
		:: COUNT_OUT; /* take_turn */
			if
			:: last -> give_last()
			:: else ->
				give_on();
				if
				:: drivers == 0 && BUG != 3 -> give_if_free()
				:: else
				fi
			fi;
			break
		:: GIVE /* FY_DRIVE_LEND */
		fi
	od;
	last = false
}

/* fy_drive_steer */
inline steer() {
	drivers++;
	if
	:: TAKE;
		atomic { lent = true; STAY };
		STEP;
		found = false;
		look_whether_it_naps();
		if
		:: left = naps
		:: skip /* it is not ready */
		fi;
		naps = false;
		GIVE
	:: held
	fi;
	COUNT_OUT; /* stop_driving */
	if
	:: last && !left -> give_if_free()
	:: else
	fi;
	last = false
}

/* app/rouse.c: fy_rouse. What FY_POST_DRIVES does is in `thread`. */
inline rouse() {
	if
	:: WAKE_UP
	:: napping || BUG == 4 /* FY_POST_LEAVES */
	:: steers;
		steer(); /* FY_POST_STEERS */
		if
		:: !left && posted & mine -> WAKE_UP
		:: else
		fi;
		left = false
	:: !steers -> quick = true /* FY_POST_DRIVES */
	fi
}

proctype thread(byte mine; bool steers) {
	bool last, naps, more, found, left, quick;
	if
	:: posted = posted | mine; /* app/post.c: publish */
		if
		:: own -> rouse()
		:: else
		fi
	:: true
	fi;
	if
	:: drive() /* its wait, or FY_POST_DRIVES */
	:: !quick
	fi;
	if
	:: quick && posted & mine -> WAKE_UP
	:: else
	fi;
	atomic { finished++; quick = false }
}

/* helm/loop.c: come_back. Ends with the helm. */
inline come_back() {
	do
	:: TAKE;
		if
		:: drivers == 0 -> break
		:: else ->
			STEP;
			if
			:: found -> driven = true; found = false; break
			:: else -> GIVE
			fi
		fi
	:: held;
		/* fy_helm_stand_by */
		napping = true;
		asleep = true;
		if
		:: drivers != 0 -> driven = true; asleep = false /* the nap is over */
		:: else -> asleep = false; TAKE; break
		fi
	od;
	if
	:: driven -> STAY
	:: else
	fi
}

/* helm/loop.c: sleep_a_while */
inline sleep_a_while() {
	atomic { nap = !napped; napping = nap };
	asleep = true;
	atomic { ANNOUNCE; woken = false };
	STEP;
	if
	:: found -> STAY; asleep = false; found = false
	:: else ->
		lent = false;
		GIVE;
		if /* fy_wake_sleep */
		:: nap
		:: woken
		:: !nap && own && finished == THREADS && posted == 0 -> goto over
		fi;
		STAY;
		asleep = false;
		come_back();
		napped = !driven && !lent;
		driven = false
	fi;
	nap = false
}

/* helm/loop.c: fy_loop_run */
active proctype progress() {
	bool found, nap, napped, driven;
	TAKE;
	do
	:: STEP;
		if
		:: found -> napped = false; found = false
		:: !found -> /* let_others */
			GIVE;
			come_back();
			driven = false
		:: !found && drivers == 0 -> sleep_a_while()
		fi
	od;
over:	skip
}

init {
	atomic { run thread(1, true); run thread(2, false) }
}
