/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of the real code: the sources of the core, compiled so that each atomic operation, each
 * lock, and each sleep and wake-up is a step at which another thread may go on. One thread runs at
 * a time. A case is run with every schedule that has at most some preemptions (3): a preemption
 * takes the processor from a thread that could go on; what is chosen when a thread sleeps, ends or
 * yields costs nothing. Only steps at words that more than one thread uses, and one writes, are
 * places for a preemption, because between two of these no other thread can see a difference.
 *
 * What is an error: a check of the case that fails; nobody can go on; a wait that only its timeout
 * ends (a lost wake-up); no end after very many steps; memory that is touched after it was freed,
 * freed twice or never. An error is told with its schedule, as "CASE STEP>THREAD,...": at that step
 * that thread goes on.
 *
 *     FERRY_SCHEDULE='CASE 17>1,40>0' tests/schedules/NAME.t    that schedule, step by step
 *     FERRY_PREEMPTIONS=4 tests/schedules/NAME.t                more of them
 *     FERRY_CASE=CASE tests/schedules/NAME.t                    one case
 *
 * Each case has mistakes, which are made while it runs, without another build: the operation of
 * that name in that function is late, is not atomic, or is left out. Each has to be found, and
 * found again by its schedule.
 */
#ifndef SCHEDULES_SCHEDULE_H
#define SCHEDULES_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_THREADS 4 /* of a case */
#define SCHEDULE_MISTAKES 3

struct schedule_mistake {
	const char *function, *operation; /* load, store, swap, add, or, cas; NULL: no mistake */
	enum {
		SCHEDULE_LATE,  /* what it writes is seen only behind the thread's next step */
		SCHEDULE_SPLIT, /* it reads, and writes a step later */
		SCHEDULE_LEFT_OUT
	} how;
};

struct schedule_case {
	const char *name;
	void (*begin)(void); /* alone, before the threads */
	void (*threads[SCHEDULE_THREADS])(void);
	void (*end)(void); /* alone, when all have ended */
	/* a wait that takes longer, and ends by its timeout, was not woken. 0: none may end so */
	int64_t longest;
	bool early;                /* a wait that has a timeout may end by it at any moment */
	unsigned preemptions;      /* 0: 3. Of fewer make stress makes 3 */
	void (*tick)(int64_t now); /* or NULL: time goes on */
	struct schedule_mistake mistakes[SCHEDULE_MISTAKES];
};

/* All cases, and all mistakes of each; returns what main does. */
int schedule_main(const struct schedule_case *cases, unsigned count);

void schedule_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define SCHEDULE_CHECK(condition) \
	((condition) ? (void)0 : schedule_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

/* In ns, of the time that goes on only when threads wait. */
int64_t schedule_now(void);

#endif
