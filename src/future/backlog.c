/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backlog of an executor: the tasks that wait to run. Any thread. Submitters push tasks without
 * a lock; runners take them out under a mutex. executor.c has the argument why neither side can
 * miss the other.
 */
#include "future/backlog.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "future/task.h"

#define IDLE(load) ((uint32_t)((load) >> 32) & 0x7FFFFFFFu)
#define ONE_IDLE ((uint64_t)1 << 32)
#define STOPPED ((uint64_t)1 << 63)

void fy_backlog_init(struct fy_backlog *backlog)
{
	fy_inbox_init(&backlog->inbox);
	pthread_mutex_init(&backlog->runners, NULL);
}

/* Take one sleeper off the idle count. */
static bool take_idle(struct fy_backlog *backlog)
{
	uint64_t load;

	do {
		load = fy_load_relaxed_64(&backlog->load);
		if (IDLE(load) == 0)
			return false;
	} while (!fy_cas_64(&backlog->load, load, load - ONE_IDLE));
	return true;
}

static bool wake_one(struct fy_backlog *backlog)
{
	if (!take_idle(backlog))
		return false;
	fy_add_32(&backlog->permits, 1);
	fy_futex_wake(&backlog->permits, 1, false);
	return true;
}

/* Returns how many tasks were counted before this one. */
uint32_t fy_backlog_push(struct fy_backlog *backlog, struct fy_task *task)
{
	uint64_t load;

	fy_inbox_put(&backlog->inbox, &task->entry);
	load = fy_add_64(&backlog->load, 1);
	if (IDLE(load) > 0)
		wake_one(backlog);
	return FY_BACKLOG_COUNT(load);
}

uint32_t fy_backlog_count(const struct fy_backlog *backlog)
{
	return FY_BACKLOG_COUNT(fy_load_acquire_64(&backlog->load));
}

/* Stopped and empty. One load looks at both, because a task may come between two loads. */
bool fy_backlog_over(const struct fy_backlog *backlog)
{
	uint64_t load = fy_load_acquire_64(&backlog->load);

	return (load & STOPPED) && FY_BACKLOG_COUNT(load) == 0;
}

bool fy_backlog_stopped(const struct fy_backlog *backlog)
{
	return (fy_load_acquire_64(&backlog->load) & STOPPED) != 0;
}

static void refill(struct fy_backlog *backlog)
{
	fy_inbox_each (entry, fy_inbox_take(&backlog->inbox)) {
		struct fy_task *task = fy_container_of(entry, struct fy_task, entry);
		task->next = backlog->first;
		backlog->first = task;
	}
}

/* The oldest task, or NULL. `off`: 1 to count it off now, 0 when the caller does that later. */
struct fy_task *fy_backlog_take(struct fy_backlog *backlog, uint64_t off)
{
	struct fy_task *task = NULL;

	pthread_mutex_lock(&backlog->runners);
	if (fy_backlog_count(backlog) > 0) {
		if (!backlog->first)
			refill(backlog);
		task = backlog->first;
		backlog->first = task->next;
		fy_sub_64(&backlog->load, off);
	}
	pthread_mutex_unlock(&backlog->runners);
	return task;
}

/* Sleep until there is a permit, and take it. False: the time is up. */
static bool take_permit(struct fy_backlog *backlog, int64_t until)
{
	for (;;) {
		uint32_t permits = fy_load_relaxed_32(&backlog->permits);
		if (permits > 0 && fy_cas_32(&backlog->permits, permits, permits - 1))
			return true;
		if (permits > 0)
			continue;
		if (until != INT64_MAX && fy_clock_now() >= until)
			return false;
		fy_futex_wait(&backlog->permits, 0, until, false);
	}
}

/* Sleep until there may be something to run, the backlog is stopped, or the time is up. */
void fy_backlog_sleep(struct fy_backlog *backlog, int64_t until)
{
	uint64_t load = fy_add_64(&backlog->load, ONE_IDLE);

	if (FY_BACKLOG_COUNT(load) == 0 && !(load & STOPPED) && take_permit(backlog, until))
		return;
	/* We are no longer in the idle count: whoever took us off gives us a permit. */
	if (!take_idle(backlog))
		take_permit(backlog, INT64_MAX);
}

void fy_backlog_stop(struct fy_backlog *backlog)
{
	fy_add_64(&backlog->load, STOPPED);
	while (wake_one(backlog))
		;
}
