/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calling thread's lane of an engine: made at its first post, given back when it exits. Any
 * thread of the application.
 */
#include "app/own_lane.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/seats.h"
#include "shared/thread.h"
#include "shared/wake.h"
#include "trace/trace.h"
#include "wire/record.h"

static pthread_key_t leaving_key;
static pthread_once_t leaving_once = PTHREAD_ONCE_INIT;

void fy_own_lane_list(ferry *engine, struct fy_lane *lane)
{
	if (fy_swap_32(&lane->listed, 1) == 0)
		fy_inbox_put(&engine->inboxes.lanes, &lane->entry);
}

void fy_own_lane_orphaned(ferry *engine, struct fy_lane *lane)
{
	while (!fy_load_acquire_32(&engine->end.abandoned) &&
	       !fy_load_acquire_32(&lane->life.let_go))
		sched_yield();
	if (fy_load_acquire_32(&lane->life.let_go))
		return;
	fy_store_release_32(&lane->life.let_go, 1);
	fy_lane_release(lane); /* the engine's reference */
}

void fy_own_lane_leaves(ferry *engine, struct fy_lane *lane)
{
	fy_store_release_32(&lane->life.left, 1);
	fy_own_lane_list(engine, lane);
}

void fy_own_lane_left(ferry *engine, struct fy_lane *lane)
{
	if (fy_wake_look(&engine->wake) == FY_WAKE_STOPPED)
		fy_own_lane_orphaned(engine, lane);
	else
		fy_engine_notify(engine);
}

/* The thread exits and gives its lanes back. The helm frees each one once it is empty. */
static void leave(void *unused)
{
	(void)unused;
	while (fy_thread_lanes) {
		struct fy_lane *lane = fy_thread_lanes;
		fy_thread_lanes = lane->thread_next;
		if (!fy_load_acquire_32(&lane->life.let_go)) {
			fy_own_lane_leaves(lane->engine, lane);
			fy_own_lane_left(lane->engine, lane);
		}
		fy_lane_release(lane);
	}
	fy_thread_recent = (struct fy_thread_recent){ 0 };
}

static void leaving_create(void)
{
	pthread_key_create(&leaving_key, leave);
}

struct fy_lane *fy_own_lane_create(ferry *engine)
{
	if (!fy_engine_try_retain(engine))
		return NULL;
	uint32_t stream = fy_add_32(&engine->numbers.stream, 1) & FY_STREAM;
	struct fy_lane *lane =
		fy_lane_create(engine, engine->serial, stream | fy_handler_tag_here(engine));
	if (!lane) {
		fy_engine_release(engine);
		return NULL;
	}
	if (engine->helm_side.trace)
		fy_trace_lane(engine->helm_side.trace, stream);
	lane->seat = fy_seats_take(&engine->numbers.seats);
	lane->habit.waits_seen = fy_load_relaxed_64(&engine->pressure.waits);
	return lane;
}

struct fy_lane *fy_own_lane(ferry *engine)
{
	if (fy_thread_recent.serial == engine->serial)
		return fy_thread_recent.lane;
	struct fy_lane *lane = fy_thread_find_lane(engine->serial);
	if (!lane) {
		pthread_once(&leaving_once, leaving_create);
		lane = fy_own_lane_create(engine);
		if (!lane)
			return NULL;
		pthread_setspecific(leaving_key, lane);
		lane->thread_next = fy_thread_lanes;
		fy_thread_lanes = lane;
	}
	fy_thread_recent = (struct fy_thread_recent){ engine->serial, lane };
	return lane;
}
