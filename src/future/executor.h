/* SPDX-License-Identifier: Apache-2.0 */
/* Executors, as the rest of the library sees them. See ferry.h and executor.c. */
#ifndef FY_FUTURE_EXECUTOR_H
#define FY_FUTURE_EXECUTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "future/backlog.h"
#include "future/task.h"

#define FY_EXECUTOR_SPINS 64

enum fy_executor_kind { FY_EXECUTOR_POOL, FY_EXECUTOR_STRAND, FY_EXECUTOR_QUEUE };

struct ferry_executor {
	enum fy_executor_kind kind;
	uint32_t refs;   /* atomic add by all holders */
	uint32_t gate;   /* submitters inside, and GATE_CLOSED: atomic add and or by all */
	uint32_t ending; /* 1: destroyed from inside; swapped to 0 by whoever ends it */
	struct fy_backlog backlog;

	/* pool */
	unsigned threads; /* constant once the pool is made */
	uint32_t blocked; /* threads that wait: atomic add by them */
	pthread_t *ids;   /* the creator's and destroyer's */

	/* strand */
	ferry_executor *pool;
	struct fy_task turn;
	pthread_mutex_t turn_lock; /* held by who runs its tasks: a turn, or destroy */

	/* queue */
	/* compared, never looked into. Cleared at its close under queues_lock (release), read there
	 * and by who waits (relaxed) */
	ferry *engine;
	uint32_t running;   /* futex: runs under way: atomic add */
	uint32_t fd_word;   /* FD_LOCK, FD_AGAIN: compare-and-swap by who submits and runs */
	uint32_t fd_plus_1; /* 0: nobody asked for a descriptor yet. Swapped in under FD_LOCK */
	bool fd_readable;   /* under FD_LOCK */
	ferry_executor *next_queue, **link; /* under queues_lock */
};
void fy_executor_gate_close(ferry_executor *executor);
void fy_executor_run_as(const ferry_executor *executor, struct fy_task *task, bool discarding);
ferry_executor *fy_executor_create(enum fy_executor_kind kind);
int fy_executor_check_open(ferry *engine);
unsigned fy_executor_runs_here(const ferry_executor *queue);

/* Queue a task. Any thread; never blocks, cannot fail, allocates nothing; order of submission by
 * one thread is kept as far as ferry.h says. `where` is not FERRY_INLINE. The task may run and be
 * freed before this returns. */
void fy_executor_submit(ferry_executor *where, struct fy_task *task);
/* One reference more or less; a handler registration holds one. */
void fy_executor_retain(ferry_executor *where);
void fy_executor_release(ferry_executor *where);
/* Is the calling thread running a task of this executor right now? */
bool fy_executor_inside(const ferry_executor *where);
/* Is the calling thread running a task of any executor? */
bool fy_executor_is_running(void);
/* While a task runs: was its executor destroyed before the task was queued? Then it must only clean
 * up and run none of the program's code. */
bool fy_executor_discarding(void);
/* Is the calling thread running a task of `where`, and could no other thread run the next one?
 * `where` may be gone. */
bool fy_executor_alone_inside(const ferry_executor *where);

#endif
