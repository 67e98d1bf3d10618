/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for a post: its record's place in the lane, and the share of a long body in send_memory. The
 * posting thread takes it, or waits for it.
 */
#include "app/reserve.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "app/post.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/pool.h"
#include "helm/drive.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/lane.h"
#include "shared/room.h"
#include "shared/thread.h"

/* While the engine closes handlers may post, application threads may not. */
int fy_reserve_check_open(ferry *e)
{
	uint32_t phase = fy_load_acquire_32(&e->phase);
	if (fy_likely(phase == FY_OPEN))
		return FERRY_OK;
	if (phase == FY_CLOSING && (fy_thread_on_progress(e) || fy_thread_in_handler(e)))
		return FERRY_OK;
	return fy_fail(FERRY_ESTOPPED, "the engine is being closed");
}

static bool may_wait(ferry *e, int64_t timeout)
{
	return timeout != 0 && !(e->options.flags & FERRY_NONBLOCK) &&
	       !fy_thread_must_not_wait(NULL) && !fy_pool_last_runner();
}

struct fy_wanted {
	ferry *engine;
	struct fy_lane *lane;
	int rank;
	uint32_t size;
	size_t body; /* how many bytes of send_memory it needs */
	/* send_memory is taken, room or not: other posters may wait for what a handler posts */
	bool always;
};

/* 0: posts to the rank pass; 1: they wait; 2: the rank is gone. FERRY_NONE is the helm itself, for
 * which only the lane needs room. */
static uint8_t fullness(const ferry *e, int rank)
{
	return rank == FERRY_NONE ? 0 : fy_load_acquire_8(&e->full[rank]);
}

static bool body_waits(const struct fy_wanted *r)
{
	return r->body && !r->always && fy_room_bodies_full(&r->engine->room, r->rank);
}

/* The rank's channel has too many records queued, or send_memory has no room. */
static bool must_wait(const struct fy_wanted *r)
{
	uint8_t full = fullness(r->engine, r->rank);
	return full == 1 || (full == 0 && body_waits(r));
}

static bool has_room(const void *arg)
{
	const struct fy_wanted *r = arg;
	return !must_wait(r) && fy_lane_reserve(r->lane, r->size);
}

/* Take the body's share of send_memory, if there is room. */
static bool claim_body(const struct fy_wanted *r)
{
	ferry *e = r->engine;
	uint64_t unsent;
	if (!r->body)
		return true;
	do {
		unsent = fy_load_acquire_64(&e->room.bodies);
		if (!r->always && fy_room_bodies_full_at(&e->room, r->rank, unsent))
			return false;
	} while (!fy_cas_64(&e->room.bodies, unsent, unsent + r->body));
	fy_add_32(&e->room.bodies_to[r->rank], fy_room_body_units(r->body));
	return true;
}

/* The body was not posted. Posters that wait for room are woken here, because the helm does not
 * know of this body. */
void fy_reserve_give_back(ferry *e, int rank, size_t body)
{
	fy_room_bodies_lower(&e->room, rank, body);
	fy_room_tell(&e->room);
}

/* The word that ends a wait for room: for application threads once the engine begins to close, for
 * handlers once it has stopped. */
static const uint32_t *stop_word(const ferry *e)
{
	return fy_thread_in_handler(e) ? &e->end.stopped : &e->phase;
}

static void await_channel(const struct fy_wanted *r, ferry *e, int64_t until)
{
	fy_add_32(&e->room.waiters, 1);
	uint32_t seen = fy_load_acquire_32(&e->room.word);
	fy_fence_full();
	if (must_wait(r) && !fy_load_acquire_32(stop_word(e)))
		fy_futex_wait(&e->room.word, seen, until, false);
	fy_sub_32(&e->room.waiters, 1);
}

static void await_room(const struct fy_wanted *r, ferry *e, int64_t until)
{
	r->lane->habit.waited_for_room = true;
	if (!fy_habit_others_come_first(r->lane, e))
		fy_drive_wait(e, has_room, r, until);
	if (has_room(r))
		return;
	struct fy_wait wait = { .kind = FY_WAITS_ROOM,
		                .op = FERRY_ANY_OP,
		                .peer = r->rank == FERRY_NONE ? FY_WAITS_NOBODY : r->rank,
		                .engine = e,
		                .until = until };
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &wait);
	if (must_wait(r))
		await_channel(r, e, until);
	else
		fy_lane_await_room(r->lane, r->size, until, stop_word(e));
	fy_waiting_end(&place);
}

static int no_room(const struct fy_wanted *r)
{
	if (r->rank == FERRY_NONE)
		return fy_fail(FERRY_EAGAIN, "no room in this thread's lane for another start now");
	if (body_waits(r))
		return fy_fail(FERRY_EAGAIN,
		               "no room for another long body to rank %d now: %llu bytes of such "
		               "bodies are not sent yet, and options.send_memory is %zu",
		               r->rank,
		               (unsigned long long)fy_load_acquire_64(&r->engine->room.bodies),
		               r->engine->options.send_memory);
	return fy_fail(FERRY_EAGAIN, "no room for another message to rank %d now", r->rank);
}

/* Reserve the record's place in the lane, and `body` bytes of send_memory. 0, or why there is no
 * room. */
int fy_reserve(const struct fy_post *o, uint32_t size, size_t body, struct fy_record **record_p)
{
	ferry *e = o->engine;
	bool handler = body && (fy_thread_on_progress(e) || fy_thread_in_handler(e));
	struct fy_wanted room = { e, o->lane, o->rank, size, body, handler };
	int64_t until = 0;
	bool counted = false, entered = false;
	int status;
	while ((status = fy_reserve_check_open(e)) == FERRY_OK) {
		uint8_t full = fullness(e, o->rank);
		if (full == 2) {
			status = fy_fail(FERRY_EPEER, "rank %d is gone", o->rank);
			break;
		}
		if (full == 0 && (*record_p = fy_lane_reserve(o->lane, size)) && claim_body(&room))
			break;
		if (!counted) {
			counted = true;
			fy_add_64(&e->pressure.lane_full, 1);
			until = fy_timeout_in(o->timeout);
			entered = fy_engine_enter(e);
			fy_pool_blocking(true);
		}
		if (!may_wait(e, o->timeout) || fy_clock_now() >= until) {
			status = no_room(&room);
			break;
		}
		if (entered)
			await_room(&room, e, until);
	}
	if (counted)
		fy_pool_blocking(false);
	if (entered)
		fy_engine_leave(e);
	return status;
}
