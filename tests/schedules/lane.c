/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes (shared/lane.c, app/own_lane.c, app/post.c, helm/lanes.c): two threads post and exit while
 * the helm drains, takes idle lanes off its list, and sleeps; and a thread that waits for room.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "app/own_lane.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/order.h"
#include "helm/lanes.h"
#include "helm/progress.h"
#include "schedules/schedule.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/policy_table.h"
#include "shared/wake.h"
#include "wire/record.h"

enum { POSTS = 2, OP = 7 };

static struct fy_policy policy; /* resolved once */
static ferry *engine;
static unsigned posters; /* of this case */

/* ---- posts ----------------------------------------------------------------------------- */

/* What a post and the list of lanes need of an engine. */
static void make_engine(unsigned threads)
{
	struct fy_progress *p = calloc(1, sizeof *p);
	engine = aligned_alloc(FY_CACHE_LINE, sizeof *engine);
	memset(engine, 0, sizeof *engine);
	engine->serial = 1;
	engine->size = 1;
	engine->refs = 1;
	engine->full = calloc(1, 1);
	engine->options.message_max = 4096;
	engine->policy = policy;
	engine->progress = p;
	fy_wake_init(&engine->wake);
	fy_inbox_init(&engine->inboxes.lanes);
	p->link.engine = engine;
	posters = threads;
}

static void begin_one(void)
{
	make_engine(1);
}

static void begin_two(void)
{
	make_engine(2);
}

static void end_posts(void)
{
	SCHEDULE_CHECK(engine->refs == 1); /* no lane is left */
	free(engine->progress);
	free(engine->full);
	free(engine);
}

static uint32_t taken; /* futex: records that the helm took */

static void post(uint32_t number)
{
	SCHEDULE_CHECK(ferry_post(engine, 0, OP, &number, sizeof number, NULL) == FERRY_OK);
}

static void posts_one(void)
{
	post(0);
}

/* What is posted is taken, also if this thread does nothing more. */
static void posts(void)
{
	uint32_t seen;
	for (uint32_t number = 0; number < POSTS; number++) {
		post(number);
		while ((seen = fy_load_acquire_32(&taken)) != number + 1)
			fy_futex_wait(&taken, seen, INT64_MAX, false);
	}
}

/* The records of a lane come in order, and whole. */
static bool take(struct fy_lane *lane)
{
	uint64_t head = lane->head;
	if (!fy_lane_has_work(lane))
		return false;
	while (head != lane->tail_seen) {
		const struct fy_record *r = fy_lane_at(lane, head);
		uint32_t number;
		memcpy(&number, fy_record_data(r), sizeof number);
		SCHEDULE_CHECK(r->op == OP && fy_record_body(r) == sizeof number);
		SCHEDULE_CHECK(number == lane->turn.share); /* the helm's, free for use here */
		lane->turn.share++;
		fy_add_32(&taken, 1);
		head += fy_record_size(r->size_flags);
	}
	fy_lane_consume(lane, head);
	fy_futex_wake(&taken, 1, false);
	return true;
}

static void forget(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane **at = &p->lanes.active;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	fy_lanes_forget(p, lane);
	posters--;
}

static bool drain(struct fy_progress *p)
{
	bool any = false;
	fy_lanes_list(p);
	for (struct fy_lane *lane = p->lanes.active, *next; lane; lane = next) {
		next = lane->next;
		bool left = fy_load_acquire_32(&lane->life.left); /* before the look */
		any |= take(lane);
		if (left)
			forget(p, lane);
	}
	return any;
}

/* As helm/loop.c sleeps. */
static void drains(void)
{
	struct fy_progress *p = engine->progress;
	while (posters) {
		if (drain(p))
			continue;
		fy_lanes_delist(p);
		fy_wake_announce(&engine->wake, false);
		bool input = fy_lanes_relist(p);
		if (drain(p) || input || !posters)
			fy_wake_stay(&engine->wake);
		else
			fy_wake_sleep(&engine->wake, FERRY_S(60));
	}
}

static void end_one(void)
{
	SCHEDULE_CHECK(taken == POSTS);
	end_posts();
}

static void end_two(void)
{
	SCHEDULE_CHECK(taken == 2);
	end_posts();
}

/* ---- room ------------------------------------------------------------------------------- */

enum { BODY = 4000, TURNS = 2 };
static struct fy_lane *lane;
static uint32_t stop;
static bool had_room;

static bool put(void)
{
	uint32_t word = FY_KIND_POST | BODY, size = fy_record_size(word);
	struct fy_record *r = fy_lane_reserve(lane, size);
	if (!r)
		return false;
	*r = (struct fy_record){ word, OP, 0, 0 };
	fy_lane_publish(lane, size);
	return true;
}

static void begin_full(void)
{
	lane = fy_lane_create(NULL, 1, 0);
	while (put())
		;
}

static void waits_for_room(void)
{
	had_room = fy_lane_await_room(lane, fy_record_size(FY_KIND_POST | BODY), INT64_MAX, &stop);
	SCHEDULE_CHECK(!had_room || put());
}

/* A quarter of the ring at a time. */
static void consumes(void)
{
	for (unsigned i = 0; i < TURNS; i++) {
		fy_lane_has_work(lane);
		uint64_t head = lane->head;
		for (unsigned n = 0; n < 8 && head != lane->tail_seen; n++) {
			const struct fy_record *r = fy_lane_at(lane, head);
			head += r->size_flags == FY_KIND_PAD ? lane->tail_seen - head
			                                     : fy_record_size(r->size_flags);
		}
		fy_lane_consume(lane, head);
	}
}

/* As a close does: the lane's thread has to look again. */
static void stops(void)
{
	fy_store_release_32(&stop, 1);
	fy_lane_nudge(lane);
}

static void end_room(void)
{
	SCHEDULE_CHECK(had_room || stop);
	fy_lane_release(lane);
	fy_lane_release(lane);
}

static const struct schedule_case cases[] = {
	{ .name = "post",
	  .begin = begin_one,
	  .threads = { posts, drains },
	  .end = end_one,
	  .mistakes = { { "fy_lane_publish", "store", SCHEDULE_LATE },
	                { "fy_own_lane_list", "swap", SCHEDULE_LEFT_OUT },
	                { "fy_lanes_relist", "swap", SCHEDULE_LEFT_OUT } } },
	{ .name = "post-two",
	  .begin = begin_two,
	  .threads = { posts_one, posts_one, drains },
	  .end = end_two,
	  .preemptions = 2,
	  .mistakes = { { "ck_stack_push_upmc", "cas", SCHEDULE_SPLIT },
	                { "fy_lane_release", "add", SCHEDULE_SPLIT } } },
	{ .name = "room",
	  .begin = begin_full,
	  .threads = { waits_for_room, consumes },
	  .end = end_room,
	  .mistakes = { { "fy_lane_await_room", "swap", SCHEDULE_LATE },
	                { "fy_lane_consume", "store", SCHEDULE_LATE } } },
	{ .name = "room-stop",
	  .begin = begin_full,
	  .threads = { waits_for_room, stops },
	  .end = end_room,
	  .mistakes = { { "fy_lane_nudge", "add", SCHEDULE_LEFT_OUT } } },
};

int main(void)
{
	if (fy_policy_table_resolve(&policy) != FERRY_OK)
		return 1;
	return schedule_main(cases, sizeof cases / sizeof cases[0]);
}
