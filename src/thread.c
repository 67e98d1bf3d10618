/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread is to the engines of its process: whether it runs inline user
 * code, a handler of an executor or a step just now, and the lanes through which it posts.
 */
#include <sched.h>

#include "engine.h"
#include "program.h"

/* ---- this thread ------------------------------------------------------------------- */

static _Thread_local ferry *doing[FY_DOINGS] __attribute__((tls_model("initial-exec")));
static _Thread_local struct fy_wakes *wakes_meanwhile __attribute__((tls_model("initial-exec")));

/* Who waits for what completed before inline user code is not kept waiting by it. */
ferry *fy_engine_begin(enum fy_doing what, ferry *engine)
{
	ferry *before = doing[what];
	if (what == FY_INLINE && !before) {
		wakes_meanwhile = fy_wakes_collect(NULL);
		fy_program_enter();
	}
	doing[what] = engine;
	return before;
}

void fy_engine_end(enum fy_doing what, ferry *before)
{
	if (what == FY_INLINE && !before) {
		fy_program_leave();
		fy_wakes = wakes_meanwhile;
	}
	doing[what] = before;
}

bool fy_engine_is_stepping(const ferry *engine)
{
	return engine && doing[FY_STEPPING] == engine;
}

bool fy_engine_in_handler(const ferry *engine)
{
	return doing[FY_HANDLING] == engine;
}

bool fy_engine_on_progress(const ferry *engine)
{
	return doing[FY_INLINE] && (!engine || doing[FY_INLINE] == engine);
}

/* ---- lanes --------------------------------------------------------------------------- */

_Thread_local struct fy_recent fy_recent __attribute__((tls_model("initial-exec")));
static _Thread_local struct fy_lane *my_lanes __attribute__((tls_model("initial-exec")));
static pthread_key_t leaving_key;
static pthread_once_t leaving_once = PTHREAD_ONCE_INIT;

void fy_engine_list_lane(ferry *engine, struct fy_lane *lane)
{
	if (fy_swap_32(&lane->listed, 1) == 0)
		ck_stack_push_upmc(&engine->lanes, &lane->entry);
}

void fy_engine_lane_orphaned(ferry *engine, struct fy_lane *lane)
{
	while (!fy_load_acquire_32(&engine->abandoned) && !fy_load_acquire_32(&lane->gone))
		sched_yield();
	if (fy_load_acquire_32(&lane->gone))
		return;
	fy_store_release_32(&lane->gone, 1);
	fy_lane_release(lane); /* the engine's reference */
}

void fy_engine_lane_leaves(ferry *engine, struct fy_lane *lane)
{
	fy_store_release_32(&lane->left, 1);
	fy_engine_list_lane(engine, lane);
}

void fy_engine_lane_left(ferry *engine, struct fy_lane *lane)
{
	if (fy_wake_look(&engine->wake) == FY_WAKE_STOPPED)
		fy_engine_lane_orphaned(engine, lane);
	else
		fy_engine_notify(engine);
}

/* The thread exits: its lanes are given back; the helm frees each once it is empty. */
static void leave(void *unused)
{
	(void)unused;
	while (my_lanes) {
		struct fy_lane *lane = my_lanes;
		my_lanes = lane->thread_next;
		if (!fy_load_acquire_32(&lane->gone)) {
			fy_engine_lane_leaves(lane->engine, lane);
			fy_engine_lane_left(lane->engine, lane);
		}
		fy_lane_release(lane);
	}
	fy_recent = (struct fy_recent){ 0 };
}

static void leaving_create(void)
{
	pthread_key_create(&leaving_key, leave);
}

struct fy_lane *fy_engine_lane_create(ferry *engine)
{
	if (!fy_engine_try_retain(engine))
		return NULL;
	uint32_t stream = fy_add_32(&engine->next_stream, 1) & FY_STREAM;
	struct fy_lane *lane = fy_lane_create(engine, engine->serial, stream | fy_tag_here(engine));
	if (lane)
		lane->waits_seen = fy_load_relaxed_64(&engine->waits);
	else
		fy_engine_release(engine);
	return lane;
}

/* Lanes of engines that were closed meanwhile are forgotten on the way. */
static struct fy_lane *find_my_lane(uint64_t serial)
{
	struct fy_lane *found = NULL;
	for (struct fy_lane **at = &my_lanes; *at;) {
		struct fy_lane *lane = *at;
		if (fy_load_acquire_32(&lane->gone)) {
			*at = lane->thread_next;
			if (fy_recent.lane == lane)
				fy_recent = (struct fy_recent){ 0 };
			fy_lane_release(lane);
			continue;
		}
		if (lane->serial == serial)
			found = lane;
		at = &lane->thread_next;
	}
	return found;
}

void fy_engine_forget_lanes(void)
{
	find_my_lane(0);
}

struct fy_lane *fy_engine_lane(ferry *engine)
{
	if (fy_recent.serial == engine->serial)
		return fy_recent.lane;
	struct fy_lane *lane = find_my_lane(engine->serial);
	if (!lane) {
		pthread_once(&leaving_once, leaving_create);
		lane = fy_engine_lane_create(engine);
		if (!lane)
			return NULL;
		pthread_setspecific(leaving_key, lane);
		lane->thread_next = my_lanes;
		my_lanes = lane;
	}
	fy_recent = (struct fy_recent){ engine->serial, lane };
	return lane;
}

/* ---- tags ---------------------------------------------------------------------------- */

uint32_t fy_lane_tag_posts(struct fy_lane *lane, uint32_t tag)
{
	uint32_t before = lane->stream & ~FY_STREAM;
	if (before) /* what a handler posted has to leave before the handler's message is done */
		fy_store_release_64(&lane->handler_end[fy_tag_colour(before, 0)], lane->tail);
	lane->stream = (lane->stream & FY_STREAM) | tag;
	return before;
}

uint32_t fy_engine_tag_posts(ferry *engine, uint32_t tag)
{
	struct fy_lane *lane =
		fy_recent.serial == engine->serial ? fy_recent.lane : find_my_lane(engine->serial);
	/* a lane that is made later asks fy_tag_here */
	return lane ? fy_lane_tag_posts(lane, tag) : 0;
}
