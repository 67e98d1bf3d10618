/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm of the preload layer (src/preload/helm.c): does a record ever stay in a lane with nobody
 * at the helm, and does a waiter ever sleep for ever?
 *
 * Three threads. Each posts, or waits for something that MPI has at some moment; one may do one after
 * the other. One may want the helm itself, and what another one waits for comes only then. Memory is consistent; where the code has a full fence, that is what makes it so.
 *
 * A waiter is awake at first: it takes the helm if that is free. Then it lies down, at any moment.
 * Naps are not here, as who naps is awake.
 *
 * Seeded mistakes, which have to be found: -DBUG=1: who gives the helm back does not look again; 2:
 * who has posted to a held helm does not try it once more; 3: nor does a waiter that lies down; 4: a
 * holder that has finished gives the helm back although all waiters are asleep; 5: who gets the helm
 * once it is a waiter does not look whether its wait has ended meanwhile; 6: a holder that waits does
 * not let a thread have the helm that wants it itself; 7: who gives the helm back because one is
 * awake does not look whether it still is; 8: a waiter whose wait the holder ends counts as awake
 * until its thread runs.
 */
#ifndef BUG
#define BUG 0
#endif
#define N 3
#define BIT(i) (1 << (i))

#define AWAKE 0
#define ASLEEP 1
#define HAS_ENDED 2
#define HAS_HELM 3
#define IS_OVER(i) (word[i] >= HAS_ENDED)

bool taken;         /* helm.taken */
byte lanes;         /* records, a bit for each thread */
byte arrived, list; /* helm.arrived; helm.first and on: a bit for each waiter */
byte itself;        /* waiters without a poll */
byte awake;         /* helm.awake */
byte word[N];       /* of the waiter of each thread */
bool there[N];      /* MPI has what this thread waits for */
bool holds, held;   /* thread 2 wants the helm itself, and had it */
byte finished;

#define DRAIN lanes = 0
#define TAKE_ARRIVED atomic { list = list | arrived; arrived = 0 }

/* take */
inline try() {
	atomic {
		got = !taken;
		taken = true
	}
}

/* look_for_other, for one that is there */
inline look_for(i) {
	was_awake = false;
	atomic {
		if
		:: (list & BIT(i)) && there[i] && !(itself & BIT(i)) ->
			list = list & ~BIT(i);
			was_awake = word[i] == AWAKE;
			word[i] = HAS_ENDED
		:: else
		fi
	};
	if
	:: was_awake && BUG != 8 -> atomic { awake--; was_awake = false }
	:: else -> was_awake = false
	fi
}

/* hand_over: to any of them */
inline hand_over() {
	atomic {
		if
		:: list & BIT(0) -> list = list & ~BIT(0); word[0] = HAS_HELM
		:: list & BIT(1) -> list = list & ~BIT(1); word[1] = HAS_HELM
		:: list & BIT(2) -> list = list & ~BIT(2); word[2] = HAS_HELM
		fi
	}
}

/* fy_preload_helm_give */
inline give() {
	do
	:: true ->
		TAKE_ARRIVED;
		DRAIN;
		look_for(0);
		look_for(1);
		look_for(2);
		others = list != 0 && BUG != 4;
		if
		:: others -> others = false; hand_over(); break /* in turn, or because one has to have it */
		:: !others || !((list & itself) || awake == 0) ->
			taken = false;
			if
			:: (BUG != 1 && (lanes || arrived)) || (BUG != 7 && others && awake == 0) ->
				try();
				if
				:: !got -> others = false; break
				:: else -> atomic { got = false; others = false; DRAIN }
				fi
			:: else -> others = false; break
			fi
		fi
	od
}

/* look_up, with the helm: what it gives back is given in rest, which comes to the same */
inline leave() {
	if
	:: word[me] == HAS_ENDED && BUG != 5 -> gives = true
	:: else ->
		TAKE_ARRIVED;
		assert(list & BIT(me));
		list = list & ~BIT(me);
		word[me] = HAS_HELM
	fi
}

/* rest */
inline rest() {
	gives = false;
	counts = true;
	if
	:: IS_OVER(me)
	:: atomic { !taken -> taken = true }; leave()
	:: atomic { word[me] == AWAKE -> word[me] = ASLEEP };
		awake--;
		counts = false;
		got = false;
		if
		:: BUG != 3 -> try()
		:: else
		fi;
		if
		:: got -> leave()
		:: else -> IS_OVER(me)
		fi
	fi;
	if
	:: gives -> gives = false; give()
	:: else
	fi;
	if
	:: word[me] == HAS_HELM && counts -> atomic { awake--; counts = false }
	:: else -> counts = false
	fi
}

/* fy_preload_post, behind its first try */
inline post() {
	lanes = lanes | BIT(me);
	if
	:: BUG == 2
	:: else ->
		try();
		if
		:: got -> DRAIN; give()
		:: else
		fi
	fi
}

/* take_turns, in drive */
inline take_turns() {
	word[me] = AWAKE;
	awake++;
	list = list | BIT(me);
	atomic {
		assert(list & itself & BIT(2));
		list = list & ~BIT(2);
		word[2] = HAS_HELM
	};
	rest()
}

/* drive */
inline drive() {
	do
	:: TAKE_ARRIVED;
		DRAIN;
		if
		:: there[me] -> give(); break
		:: !there[me] && BUG != 6 && (list & itself) ->
			take_turns();
			if
			:: word[me] == HAS_ENDED -> break
			:: else
			fi
		:: else ->
			look_for(0);
			look_for(1);
			look_for(2);
			/* until something changes: a look in vain is none */
			(there[me] || lanes || arrived || ((list & 1) && there[0]) ||
			 ((list & 2) && there[1]) || ((list & 4) && there[2] && !(itself & 4)) ||
			 (BUG != 6 && (list & itself)))
		fi
	od
}

/* become_waiter */
inline become_waiter() {
	word[me] = AWAKE;
	awake++;
	atomic { arrived = arrived | BIT(me) };
	rest()
}

/* fy_preload_helm_wait */
inline wait() {
	try();
	if
	:: got
	:: else -> become_waiter(); got = word[me] == HAS_HELM
	fi;
	if
	:: got -> got = false; drive()
	:: else
	fi
}

/* fy_preload_helm_hold, and fy_preload_helm_give behind it */
inline hold() {
	holds = true;
	try();
	if
	:: got
	:: else ->
		itself = itself | BIT(me);
		become_waiter();
		assert(word[me] == HAS_HELM)
	fi;
	itself = itself & ~BIT(me);
	TAKE_ARRIVED;
	DRAIN;
	held = true;
	give()
}

proctype thread(byte me)
{
	bool got, others, was_awake, gives, counts;
	if
	:: me == 2 -> hold()
	:: post()
	:: wait()
	:: me == 0 -> post(); wait()
	fi;
	atomic {
		finished++;
		assert(finished < N || (lanes == 0 && arrived == 0 && list == 0 && awake == 0 && !taken))
	}
}

/* MPI: what each waits for comes, at any time. */
proctype mpi()
{
	(!holds || held);
	there[0] = true;
	there[1] = true;
	there[2] = true
}

init
{
	atomic {
		run mpi();
		run thread(0);
		run thread(1);
		run thread(2)
	}
}
