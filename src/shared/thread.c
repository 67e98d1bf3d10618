/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread is to the engines of its process: what it does for them just now (inline user code,
 * a handler of an executor, a step), and the lanes through which it posts. Each thread sees its own
 * state only.
 */
#include "shared/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "base/program.h"
#include "base/listener.h"
#include "future/waiters.h"
#include "shared/engine.h"
#include "shared/lane.h"

static FY_THREAD_LOCAL ferry *doing[FY_DOINGS];
static FY_THREAD_LOCAL struct fy_waiters *waiters_meanwhile;

/* Before inline user code begins this wakes the threads whose futures are done. */
ferry *fy_thread_begin(enum fy_doing what, ferry *engine)
{
	ferry *before = doing[what];
	if (what == FY_INLINE && !before) {
		waiters_meanwhile = fy_waiters_wake_and_use(NULL);
		fy_program_enter();
	}
	doing[what] = engine;
	return before;
}

void fy_thread_end(enum fy_doing what, ferry *before)
{
	if (what == FY_INLINE && !before) {
		fy_program_leave();
		fy_waiters_here = waiters_meanwhile;
	}
	doing[what] = before;
}

bool fy_thread_is_stepping(const ferry *engine)
{
	return engine && doing[FY_STEPPING] == engine;
}

bool fy_thread_in_handler(const ferry *engine)
{
	return doing[FY_HANDLING] == engine;
}

bool fy_thread_on_progress(const ferry *engine)
{
	return doing[FY_INLINE] && (!engine || doing[FY_INLINE] == engine);
}

bool fy_thread_must_not_wait(const ferry *engine)
{
	return fy_thread_on_progress(engine) || fy_listener_is_inside();
}

FY_THREAD_LOCAL struct fy_thread_recent fy_thread_recent;
FY_THREAD_LOCAL struct fy_lane *fy_thread_lanes;

/* On the way it forgets lanes of engines that have closed. */
struct fy_lane *fy_thread_find_lane(uint64_t serial)
{
	struct fy_lane *found = NULL;
	for (struct fy_lane **at = &fy_thread_lanes; *at;) {
		struct fy_lane *lane = *at;
		if (fy_load_acquire_32(&lane->life.let_go)) {
			*at = lane->thread_next;
			if (fy_thread_recent.lane == lane)
				fy_thread_recent = (struct fy_thread_recent){ 0 };
			fy_lane_release(lane);
			continue;
		}
		if (lane->serial == serial)
			found = lane;
		at = &lane->thread_next;
	}
	return found;
}

void fy_thread_forget_lanes(void)
{
	fy_thread_find_lane(0);
}

uint32_t fy_thread_tag_posts(ferry *engine, uint32_t tag)
{
	struct fy_lane *lane = fy_thread_recent.serial == engine->serial
	                               ? fy_thread_recent.lane
	                               : fy_thread_find_lane(engine->serial);
	/* a lane that is created later takes its tag from fy_handler_tag_here */
	return lane ? fy_lane_tag_posts(lane, tag) : 0;
}

void fy_thread_release_engine(ferry *e)
{
	struct fy_lane *lane = fy_thread_recent.serial == e->serial ? fy_thread_recent.lane : NULL;
	if (lane)
		fy_lane_release_engine(lane);
	else
		fy_engine_release(e);
}
