/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors: pools of worker threads, strands over them, and queues that the program runs itself.
 * Any thread.
 *
 * The backlog. Submitters push onto a lock-free stack; that never blocks, however many push and
 * whichever of them is preempted. A runner empties the stack in one step and turns it round, under
 * a mutex that only runners share. One word counts both the queued tasks and the threads that sleep
 * for one. So one atomic add counts a task and tells the submitter whether to wake a sleeper:
 * neither side can miss the other.
 *
 * The count may lag behind the stack (a task is pushed and not yet counted). It never runs ahead of
 * the stack, and no more tasks are taken out than are counted.
 *
 * Sleeping. A thread adds itself to the word's idle count and sleeps for a permit. It ends its
 * sleep in one of two ways. It takes itself off the idle count (the time is up, or there was work
 * after all). Or a submitter has taken it off, and given a permit instead. So each submission wakes
 * at most one sleeper, and no sleeper is counted twice.
 *
 * The gate. A submitter pushes between gate_enter and gate_leave. Destroying closes the gate and
 * waits for the submitters inside, a few instructions each. A task that comes later is discarded:
 * it runs with fy_executor_discarding() true, and only cleans up. Once the gate is closed and the
 * remaining tasks have run, nothing of the executor runs any more.
 *
 * A strand is a backlog whose `turn` is queued in its pool while the strand has tasks. The
 * submission that makes the strand's count 1 queues the turn. The turn counts a task off only after
 * the task has run, so no other submission queues the turn meanwhile.
 *
 * References: the program's until destroy; one for each worker thread, each queued turn and each
 * run; and those of callbacks and handlers that will submit.
 */
#include "future/executor.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/program.h"
#include "future/backlog.h"
#include "future/hooks.h"
#include "future/pool.h"
#include "future/queue.h"
#include "future/strand.h"
#include "future/task.h"

#define GATE_CLOSED 1u
#define GATE_ONE 2u

/* The executors whose tasks this thread is running, innermost first. */
struct frame {
	const ferry_executor *executor;
	struct frame *up;
	bool discards; /* the task is only thrown away */
};
static _Thread_local struct frame *frames;

static void gate_leave(ferry_executor *executor)
{
	fy_sub_32(&executor->gate, GATE_ONE);
}

static bool gate_enter(ferry_executor *executor)
{
	/* The load comes first, so that latecomers do not keep fy_executor_gate_close waiting. */
	if (fy_load_relaxed_32(&executor->gate) & GATE_CLOSED)
		return false;
	if (!(fy_add_32(&executor->gate, GATE_ONE) & GATE_CLOSED))
		return true;
	gate_leave(executor);
	return false;
}

void fy_executor_gate_close(ferry_executor *executor)
{
	fy_or_32(&executor->gate, GATE_CLOSED);
	for (unsigned tries = 0; fy_load_acquire_32(&executor->gate) != GATE_CLOSED; tries++) {
		if (tries < FY_EXECUTOR_SPINS)
			fy_pause();
		else
			sched_yield();
	}
}

void fy_executor_run_as(const ferry_executor *executor, struct fy_task *task, bool discarding)
{
	struct frame frame = { .executor = executor, .up = frames, .discards = discarding };

	frames = &frame;
	fy_program_enter();
	task->run(task);
	fy_program_leave();
	frames = frame.up;
}

bool fy_executor_discarding(void)
{
	return frames && frames->discards;
}

bool fy_executor_is_running(void)
{
	return frames != NULL;
}

bool fy_executor_inside(const ferry_executor *where)
{
	for (const struct frame *frame = frames; frame && where; frame = frame->up)
		if (frame->executor == where)
			return true;
	return false;
}

bool fy_executor_alone_inside(const ferry_executor *where)
{
	bool inside = fy_executor_inside(where);

	if (where->kind == FY_EXECUTOR_STRAND) /* or in another strand, of a pool of one */
		return inside || fy_executor_alone_inside(where->pool);
	return inside && where->kind == FY_EXECUTOR_POOL && where->threads == 1;
}

ferry_executor *fy_executor_create(enum fy_executor_kind kind)
{
	ferry_executor *executor = calloc(1, sizeof *executor);

	if (!executor)
		return NULL;
	executor->kind = kind;
	executor->refs = 1;
	fy_backlog_init(&executor->backlog);
	pthread_mutex_init(&executor->turn_lock, NULL);
	return executor;
}

void fy_executor_retain(ferry_executor *where)
{
	if (where != FERRY_INLINE)
		fy_add_32(&where->refs, 1);
}

void fy_executor_release(ferry_executor *where)
{
	if (where == FERRY_INLINE || fy_sub_32(&where->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&where->backlog.runners);
	pthread_mutex_destroy(&where->turn_lock);
	fy_executor_release(where->pool);
	free(where->ids);
	free(where);
}

void fy_executor_submit(ferry_executor *where, struct fy_task *task)
{
	ferry_executor *pool = NULL;

	if (!gate_enter(where)) {
		fy_executor_run_as(NULL, task, true);
		return;
	}
	bool first = fy_backlog_push(&where->backlog, task) == 0;
	if (where->kind == FY_EXECUTOR_QUEUE) {
		fy_future_queue_submitted(where);
	} else if (where->kind == FY_EXECUTOR_STRAND && first) {
		fy_executor_retain(where); /* the turn's */
		pool = where->pool;
	}
	gate_leave(where);
	/* Outside the gate: if the pool is destroyed this runs the turn, which discards tasks. */
	if (pool)
		fy_executor_submit(pool, &where->turn);
}

/* The hook is NULL in unit tests of this folder, which have no engine. */
int fy_executor_check_open(ferry *engine)
{
	if (fy_future_hooks.stopped && fy_future_hooks.stopped(engine))
		return fy_fail(FERRY_ESTOPPED, "an executor cannot be made: the engine was closed");
	return FERRY_OK;
}

int fy_executor_check_callback(const char *function, const ferry_executor *where)
{
	if (where != FERRY_ANYWHERE)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL,
	               "%s: FERRY_ANYWHERE is for handlers (ferry_handle); give a callback to "
	               "FERRY_INLINE or to an executor",
	               function);
}

unsigned fy_executor_runs_here(const ferry_executor *queue)
{
	unsigned runs = 0;

	for (const struct frame *frame = frames; frame; frame = frame->up)
		runs += frame->executor == queue;
	return runs;
}

/* ---------------------------------------------------------------------------- */

void ferry_executor_destroy(ferry_executor *executor)
{
	int cancel;

	if (executor == FERRY_INLINE || executor == FERRY_ANYWHERE)
		return;
	cancel = fy_cancel_later();
	if (executor->kind == FY_EXECUTOR_POOL)
		fy_pool_destroy(executor);
	else if (executor->kind == FY_EXECUTOR_STRAND)
		fy_strand_destroy(executor);
	else
		fy_future_queue_destroy(executor);
	fy_cancel_as(cancel);
}
