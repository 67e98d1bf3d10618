/* SPDX-License-Identifier: Apache-2.0 */
/* Executors, as the rest of the library sees them. Any thread. See ferry.h and executor.c. */
#pragma once

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
	uint32_t refs; /* atomic add by all holders */
	uint32_t gate; /* submitters inside, and GATE_CLOSED: atomic add and or by all */
	/* 1: destroyed from inside. Set by that thread (release), swapped to 0 by whoever ends the
	 * executor; read by its threads (acquire) */
	uint32_t ending;
	struct fy_backlog backlog;

	/* pool */
	unsigned threads; /* constant once the pool is made */
	uint32_t blocked; /* threads that wait inside of a task: atomic add by them */
	pthread_t *ids;   /* touched only by the thread that creates, then the one that destroys */

	/* strand */
	ferry_executor *pool;
	struct fy_task turn;
	pthread_mutex_t turn_lock; /* taken by whatever runs its tasks: a turn, or destroy */

	/* queue */
	/* compared, never dereferenced. Cleared at the engine's close under queues_lock (release),
	 * read under it and by threads that wait for a task (relaxed) */
	ferry *engine;
	uint32_t running;   /* futex: runs under way: atomic add */
	uint32_t fd_word;   /* FD_LOCK, FD_AGAIN: compare-and-swap by submitters and runners */
	uint32_t fd_plus_1; /* 0: nobody asked for a descriptor yet. Swapped in under FD_LOCK */
	bool fd_readable;   /* under FD_LOCK */
	ferry_executor *next_queue, **link; /* under queues_lock */
};
void fy_executor_gate_close(ferry_executor *executor);
void fy_executor_run_as(const ferry_executor *executor, struct fy_task *task, bool discarding);
ferry_executor *fy_executor_create(enum fy_executor_kind kind);
int fy_executor_check_open(ferry *engine);
unsigned fy_executor_runs_here(const ferry_executor *queue);

/* Queue a task. Never blocks, cannot fail, allocates nothing. Tasks of one thread stay in order as
 * far as ferry.h says. `where` is not FERRY_INLINE. The task may run and be freed before this
 * returns. */
void fy_executor_submit(ferry_executor *where, struct fy_task *task);
/* One reference more or less. A registered handler has one. */
void fy_executor_retain(ferry_executor *where);
void fy_executor_release(ferry_executor *where);
/* May a callback be given to it? FERRY_OK, or FERRY_EINVAL with a sentence: not to FERRY_ANYWHERE,
 * which is for handlers only. No function here takes that one. */
int fy_executor_check_callback(const char *function, const ferry_executor *where);
/* Is the calling thread running a task of this executor right now? */
bool fy_executor_inside(const ferry_executor *where);
/* Is the calling thread running a task of any executor? */
bool fy_executor_is_running(void);
/* Asked by a task that runs: was its executor destroyed before the task was queued? Then the task
 * must only clean up, and run no code of the program. */
bool fy_executor_discarding(void);
/* Is the calling thread running a task of `where`, and is there no other thread that could run the
 * next one? `where` may be destroyed, with a reference left. */
bool fy_executor_alone_inside(const ferry_executor *where);
