/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures (src/future/future.c, wait.c): is each decided once, seen whole, waited for and called
 * back for without a loss, and freed once, behind everybody's last touch?
 *
 * The engine completes an operation, with a success or a failure, or it tries a probe and may give
 * its claim back. A timer expires. Of the program one thread cancels, one waits, with or without a
 * timeout, and one registers a callback, which an executor runs. Each has a reference and gives it
 * back. The state word is a variable for each of its bits and one for the references; one `atomic`
 * is one read-modify-write of that word.
 *
 * Seeded mistakes, which have to be found: -DBUG=1: a deadline that comes too late does not give its
 * reference back; 2: a claim is a load and a store, so that a completion and a cancel both win; 3: a
 * waiter looks at DONE before it sets WAITED; 4: a registration looks at DONE before it sets THEN.
 */
#ifndef BUG
#define BUG 0
#endif
#define OK 1
#define FAILED 2
#define CANCELED 3
#define TIMED_OUT 4

bool claimed, done, waited, then; /* state: FY_FUTURE_CLAIMED, ... */
byte refs = 5;                    /* the engine's, the timer's, three of the program */
byte status;
bool probe;                       /* flags: FY_FUTURE_IS_PROBE */
bool freed;
bool asleep;                      /* the waiter is inside of the kernel's wait */
bool queued, ran;                 /* the callback */
byte winner;                      /* who decided */

#define TOUCH assert(!freed)

/* ferry_future_release: who has the only reference needs no atomic step */
inline release() {
	atomic { TOUCH; only = (refs == 1) };
	if
	:: only
	:: else -> atomic { TOUCH; only = (refs == 1); refs-- }
	fi;
	if
	:: only -> atomic { TOUCH; freed = true } /* destroy */
	:: else
	fi;
	only = false
}

/* claim */
inline claim() {
	if
	:: BUG != 2 -> atomic { TOUCH; won = !claimed; claimed = true }
	:: else -> atomic { TOUCH; won = !claimed }; claimed = true
	fi
}

inline announce() {
	if
	:: woke -> asleep = false; woke = false /* wake_waiters: by the address, which may be freed */
	:: else
	fi;
	if
	:: calls -> atomic { TOUCH; assert(!queued); queued = true; calls = false }
	:: else
	fi
}

/* finish */
inline finish(value) {
	atomic { TOUCH; assert(winner == 0); winner = value };
	status = value;
	atomic { TOUCH; done = true; woke = waited; calls = then };
	announce()
}

/* succeed. The compare and swap that works is one step with the load before it. */
inline succeed() {
	atomic {
		TOUCH;
		won = !claimed;
		if
		:: won ->
			assert(winner == 0);
			winner = OK; status = OK; /* it was set when the future was made */
			claimed = true; done = true; woke = waited; calls = then;
			drop = !then;
			only = (drop && refs == 1);
			refs = (drop -> refs - 1 : refs)
		:: else
		fi
	};
	if
	:: won && !drop -> announce(); release()
	:: won && only -> atomic { TOUCH; freed = true; woke = false; only = false }
	:: won && drop && !only -> announce()
	:: else -> release() /* fy_future_complete */
	fi;
	drop = false
}

proctype engine() {
	bool won, drop, only, woke, calls;
	if
	:: !probe -> succeed()
	:: !probe -> /* fy_future_complete, with a failure */
		claim();
		if
		:: won -> finish(FAILED)
		:: else
		fi;
		release()
	:: probe -> /* starts of MPI: until it matches */
		do
		:: true ->
			claim();
			if
			:: !won -> break
			:: won -> finish(OK); break
			:: won -> atomic { TOUCH; claimed = false } /* fy_future_unclaim */
			fi
		od;
		release()
	fi
}

/* abandon, with claim_for_good */
inline abandon(value) {
	do
	:: true ->
		claim();
		if
		:: won -> finish(value); break
		:: else ->
			TOUCH;
			if
			:: !probe || done -> break
			:: else
			fi
		fi
	od
}

/* fy_future_expire, by fy_timer_run */
proctype timer() {
	bool won, only, woke, calls;
	abandon(TIMED_OUT);
	if
	:: won || BUG != 1 -> release()
	:: else
	fi
}

/* ferry_future_cancel */
proctype canceller() {
	bool won, only, woke, calls;
	if
	:: abandon(CANCELED)
	:: true
	fi;
	release()
}

/* sleep_until */
proctype waiter() {
	bool seen, only;
	do
	:: true ->
		if
		:: BUG != 3 -> atomic { TOUCH; waited = true; seen = done }
		:: else -> atomic { TOUCH; seen = done }
		fi;
		if
		:: seen -> assert(winner != 0 && status == winner); break
		:: else
		fi;
		/* fy_futex_wait: any change of the word ends it */
		if
		:: BUG == 3 -> atomic { waited = true; asleep = true }
		:: else -> atomic { TOUCH; asleep = !done }
		fi;
		!asleep
	:: asleep = false; break /* its time was over */
	od;
	release()
}

/* ferry_future_then, then_at_once */
proctype registrar() {
	bool only, calls;
	atomic { TOUCH; refs++ };
	if
	:: BUG != 4 -> atomic { TOUCH; then = true; calls = done }
	:: else -> atomic { TOUCH; calls = done }; then = true
	fi;
	if
	:: calls -> atomic { TOUCH; assert(!queued); queued = true; calls = false }
	:: else
	fi;
	release()
}

/* then_run */
proctype executor() {
	bool only;
	queued;
	atomic { TOUCH; assert(done && status == winner && !ran); ran = true };
	release()
}

init {
	atomic {
		if
		:: probe = true
		:: probe = false
		fi;
		run engine(); run timer(); run canceller(); run waiter(); run registrar();
		run executor()
	};
	_nr_pr == 1 -> assert(freed && refs <= 1 && ran && status == winner)
}
