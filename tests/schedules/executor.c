/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors (future/executor.c, backlog.c, queue.c, pool.c, strand.c): what is queued against the
 * end. Each task runs once, or is discarded, and nobody waits for ever.
 */
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "future/executor.h"
#include "future/hooks.h"
#include "future/task.h"
#include "schedules/schedule.h"

enum { TASKS = 2 };

static char engine_memory;
static ferry *const engine = (ferry *)(void *)&engine_memory;
static ferry_executor *executor, *pool;
static struct fy_task tasks[TASKS];
static unsigned runs[TASKS], discards[TASKS]; /* of each; nobody else's while it runs */
static uint32_t ended;                        /* the executor was destroyed: atomic */

static void run_task(struct fy_task *task)
{
	unsigned i = (unsigned)(task - tasks);
	if (fy_executor_discarding())
		discards[i]++;
	else
		runs[i]++;
}

static void begin(void)
{
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i].run = run_task;
}

static void begin_queue(void)
{
	begin();
	SCHEDULE_CHECK(ferry_queue_create(engine, &executor) == FERRY_OK);
}

static void begin_pool(void)
{
	begin();
	SCHEDULE_CHECK(ferry_workers_create(engine, 1, &executor) == FERRY_OK);
}

static void begin_strand(void)
{
	begin();
	SCHEDULE_CHECK(ferry_workers_create(engine, 1, &pool) == FERRY_OK);
	SCHEDULE_CHECK(ferry_strand_create(pool, &executor) == FERRY_OK);
}

static void submit(unsigned i)
{
	fy_executor_submit(executor, &tasks[i]);
	fy_executor_release(executor);
}

static void submits_first(void)
{
	submit(0);
}

static void submits_second(void)
{
	submit(1);
}

/* The references of threads that submit, as registered handlers have them. */
static void retain(unsigned count)
{
	while (count--)
		fy_executor_retain(executor);
}

static void begin_queue_one(void)
{
	begin_queue();
	retain(2);
}

static void begin_queue_two(void)
{
	begin_queue();
	retain(3);
}

static void begin_pool_two(void)
{
	begin_pool();
	retain(2);
}

static void begin_strand_one(void)
{
	begin_strand();
	retain(1);
}

static void runs_until_end(void)
{
	int status;
	while ((status = ferry_executor_run(executor, 0, FERRY_FOREVER)) >= 0)
		;
	SCHEDULE_CHECK(status == FERRY_ESTOPPED);
	fy_executor_release(executor);
}

/* One run, with a descriptor that has to say whether tasks are left. */
static void runs_once(void)
{
	SCHEDULE_CHECK(ferry_executor_run(executor, 0, 0) >= 0);
	fy_executor_release(executor);
}

static void destroys(void)
{
	ferry_executor_destroy(executor);
	fy_store_release_32(&ended, 1);
}

static void destroys_both(void)
{
	ferry_executor_destroy(executor);
	ferry_executor_destroy(pool);
	fy_store_release_32(&ended, 1);
}

static void end_with(unsigned count)
{
	SCHEDULE_CHECK(ended);
	for (unsigned i = 0; i < count; i++)
		SCHEDULE_CHECK(runs[i] + discards[i] == 1);
}

static void end_one(void)
{
	end_with(1);
}

static void end_two(void)
{
	end_with(2);
}

static const struct schedule_case cases[] = {
	{ .name = "queue",
	  .begin = begin_queue_one,
	  .threads = { submits_first, runs_until_end, destroys },
	  .end = end_one,
	  .mistakes = { { "gate_enter", "add", SCHEDULE_SPLIT },
	                { "fy_backlog_sleep", "add", SCHEDULE_LATE },
	                { "run_begins", "add", SCHEDULE_LEFT_OUT } } },
	{ .name = "queue-two",
	  .begin = begin_queue_two,
	  .threads = { submits_first, submits_second, runs_once, destroys },
	  .end = end_two,
	  .preemptions = 2,
	  .mistakes = { { "fy_backlog_push", "add", SCHEDULE_SPLIT } } },
	{ .name = "pool",
	  .begin = begin_pool_two,
	  .threads = { submits_first, submits_second, destroys },
	  .end = end_two,
	  .preemptions = 2,
	  .mistakes = { { "fy_backlog_stop", "add", SCHEDULE_SPLIT } } },
	{ .name = "strand",
	  .begin = begin_strand_one,
	  .threads = { submits_first, destroys_both },
	  .end = end_one,
	  .preemptions = 2,
	  .mistakes = { { "fy_executor_gate_close", "or", SCHEDULE_LATE } } },
};

int main(void)
{
	return schedule_main(cases, sizeof cases / sizeof cases[0]);
}
