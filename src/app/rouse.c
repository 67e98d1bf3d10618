/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress thread sleeps, and something was posted: wake that thread, drive, or leave the post
 * to the poster's wait (shared/habit.c decides). Any thread.
 */
#include "app/rouse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/drive.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/lane.h"
#include "shared/thread.h"
#include "shared/wake.h"

static bool is_empty(const void *arg)
{
	const struct fy_lane *lane = arg;
	return fy_load_acquire_64(&lane->head) == lane->tail;
}

/* Drive until the post has left, or until the engine can be left to this thread's next wait. False:
 * the progress thread has to be woken for it. */
static bool drive_quickly(ferry *e, struct fy_lane *lane, const ferry_future *future,
                          enum fy_after_post how)
{
	bool seen_to = false;
	lane->quick = 0;
	if (!fy_engine_enter(e))
		return false;
	if (how == FY_POST_DRIVES)
		fy_drive_until(e, is_empty, lane, 0);
	else
		seen_to = fy_drive_steer(e, is_empty, lane);
	fy_engine_leave(e);
	if (seen_to)
		fy_habit_left(lane, future);
	return seen_to || is_empty(lane);
}

/* Of so many calls that are left to the wait one is timed. Each post is: it says less about a
 * wait. */
#define LEFT_LOOKED_AT 8
#define LEFT_TOGETHER 8

/* A few posts behind one that was left to the wait are left, too. */
static bool goes_with_the_last(const ferry *e, struct fy_lane *lane, const ferry_future *future)
{
	bool goes = lane->habit.behind && lane->habit.behind < LEFT_TOGETHER &&
	            fy_load_acquire_32(&e->at_helm.napping);
	lane->habit.behind = goes ? lane->habit.behind + 1 : 0;
	if (goes && lane->habit.left_for)
		lane->habit.left_for = future;
	return goes;
}

void fy_rouse(ferry *e, struct fy_lane *lane, const ferry_future *future)
{
	if (goes_with_the_last(e, lane, future))
		return;
	bool awaited = future, at_once = lane->habit.at_once[awaited], has_waited = lane->quick;
	struct fy_habit_signals s = { .slow = lane->habit.slow,
		                      .at_once = at_once,
		                      .napping = fy_load_acquire_32(&e->at_helm.napping),
		                      .quick = has_waited && (awaited || at_once),
		                      .may_drive =
		                              e->at_helm.lendable && !fy_thread_on_progress(NULL) };
	enum fy_after_post how = fy_habit_after_post(&e->policy, &s);
	if (how == FY_POST_LEAVES) {
		lane->quick = 0;
		lane->habit.behind = 1;
		if (!awaited || lane->habit.n_left++ % LEFT_LOOKED_AT == 0)
			fy_habit_left(lane, future);
		return;
	}
	if (how == FY_POST_WAKES && has_waited && !awaited)
		fy_habit_left(lane, NULL);
	if (how == FY_POST_WAKES || !drive_quickly(e, lane, future, how))
		fy_wake_up(&e->wake);
}
