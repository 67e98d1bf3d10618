/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strands: tasks that run one after the other, on whichever thread of a pool is free. Any thread.
 */
#include "future/strand.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/order.h"
#include "future/backlog.h"
#include "future/executor.h"
#include "future/task.h"

#define TURN_TASKS 16 /* after so many tasks a strand gives the thread to others */

/* Run at most `max` tasks, under turn_lock. True: there are more. */
static bool strand_run(ferry_executor *strand, unsigned max, bool discarding)
{
	while (fy_backlog_count(&strand->backlog) > 0) {
		if (max-- == 0)
			return true;
		fy_executor_run_as(strand, fy_backlog_take(&strand->backlog, 0), discarding);
		/* Counted off only now: once the count is 0 the next submission queues the turn. */
		if (FY_BACKLOG_COUNT(fy_sub_64(&strand->backlog.load, 1)) == 1)
			return false;
	}
	return false;
}

/* The strand was destroyed by one of its tasks. The last turn ends it when no task is left. */
static void strand_end(ferry_executor *strand)
{
	fy_executor_gate_close(strand);
	if (fy_backlog_count(&strand->backlog) == 0 && fy_swap_32(&strand->ending, 0))
		fy_executor_release(strand);
}

static void strand_turn(struct fy_task *task)
{
	ferry_executor *strand = fy_container_of(task, ferry_executor, turn);
	bool discarding = fy_executor_discarding(), more;

	pthread_mutex_lock(&strand->turn_lock);
	more = strand_run(strand, discarding ? UINT_MAX : TURN_TASKS, discarding);
	if (!more && fy_load_acquire_32(&strand->ending))
		strand_end(strand);
	pthread_mutex_unlock(&strand->turn_lock);
	/* No need for the pool's gate: this thread is the pool's, and looks for tasks once more
	 * before it ends. */
	if (more)
		fy_backlog_push(&strand->pool->backlog, &strand->turn);
	else
		fy_executor_release(strand);
}

int ferry_strand_create(ferry_executor *pool, ferry_executor **executor_p)
{
	ferry_executor *strand;

	if (!pool || pool == FERRY_ANYWHERE || !executor_p || pool->kind != FY_EXECUTOR_POOL)
		return fy_fail(FERRY_EINVAL, "ferry_strand_create needs a pool of "
		                             "ferry_workers_create and a place for the executor");
	strand = fy_executor_create(FY_EXECUTOR_STRAND);
	if (!strand)
		return fy_fail(FERRY_ENOMEM, "no memory for a strand");
	fy_executor_retain(pool);
	strand->pool = pool;
	strand->turn.run = strand_turn;
	*executor_p = strand;
	return FERRY_OK;
}

/* Runs the remaining tasks on this thread, which may be the pool's last free one. */
void fy_strand_destroy(ferry_executor *strand)
{
	if (fy_executor_inside(strand)) {
		fy_store_release_32(&strand->ending, 1);
		fy_executor_gate_close(strand);
		return;
	}
	fy_executor_gate_close(strand);
	pthread_mutex_lock(&strand->turn_lock);
	while (strand_run(strand, UINT_MAX, false))
		;
	pthread_mutex_unlock(&strand->turn_lock);
	fy_executor_release(strand);
}
