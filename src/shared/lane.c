/* SPDX-License-Identifier: Apache-2.0 */
/* The lane, through which one thread hands records to the helm. lane.h has the protocol. */
#include "shared/lane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/seats.h"
#include "wire/record.h"

struct fy_lane *fy_lane_create(struct ferry *engine, uint64_t serial, uint32_t stream)
{
	struct fy_lane *lane = aligned_alloc(FY_CACHE_LINE, sizeof *lane);
	if (!lane)
		return NULL;
	memset(lane, 0, sizeof *lane);
	lane->ring = aligned_alloc(FY_CACHE_LINE, FY_LANE_BYTES + FY_CACHE_LINE);
	if (!lane->ring) {
		free(lane);
		return NULL;
	}
	lane->engine = engine;
	lane->serial = serial;
	lane->stream = stream;
	lane->life.refs = 2;
	return lane;
}

#define REFS_AT_ONCE (FY_LANE_REFS_MAX / 4)

void fy_lane_retain_engine(struct fy_lane *lane)
{
	if (!lane->engine_refs) {
		fy_add_32(&lane->engine->refs, REFS_AT_ONCE);
		lane->engine_refs = REFS_AT_ONCE;
	}
	lane->engine_refs--;
}

void fy_lane_return_some(struct fy_lane *lane)
{
	fy_sub_32(&lane->engine->refs, lane->engine_refs - REFS_AT_ONCE);
	lane->engine_refs = REFS_AT_ONCE;
}

static void return_engine(struct fy_lane *lane)
{
	fy_sub_32(&lane->engine->refs, lane->engine_refs);
	lane->engine_refs = 0;
	fy_seats_give(&lane->engine->numbers.seats, &lane->seat);
	fy_engine_release(lane->engine);
}

void fy_lane_release(struct fy_lane *lane)
{
	if (fy_sub_32(&lane->life.refs, 1) != 1)
		return;
	if (lane->engine)
		return_engine(lane);
	free(lane->ring);
	free(lane);
}

/* The tail is at a place where the record would wrap, or the ring looks full. */
struct fy_record *fy_lane_reserve_slow(struct fy_lane *lane, uint32_t size)
{
	uint32_t at = (uint32_t)lane->tail & (FY_LANE_BYTES - 1);
	uint32_t pad = at + size > FY_LANE_BYTES ? FY_LANE_BYTES - at : 0;
	lane->head_seen = fy_load_acquire_64(&lane->head);
	if (lane->tail + pad + size - lane->head_seen > FY_LANE_BYTES)
		return NULL;
	if (pad) {
		/* Sizes are multiples of 8, so at least 8 bytes are left before the end. Only the
		 * first word of a PAD is read. */
		fy_lane_at(lane, lane->tail)->size_flags = FY_KIND_PAD;
		fy_lane_publish(lane, pad);
	}
	return fy_lane_at(lane, lane->tail);
}

void fy_lane_nudge(struct fy_lane *lane)
{
	fy_add_32(&lane->sleep.word, 1);
	fy_futex_wake(&lane->sleep.word, 1, false);
}

void fy_lane_consume(struct fy_lane *lane, uint64_t head)
{
	fy_store_release_64(&lane->head, head);
	/* No fence between that store and this load: lane.h says what the producer does instead. */
	if (fy_unlikely(fy_load_relaxed_32(&lane->sleep.wants_room)) &&
	    lane->tail_seen - head <= FY_LANE_NUDGE && fy_swap_32(&lane->sleep.wants_room, 0))
		fy_lane_nudge(lane);
}

static bool has_room(struct fy_lane *lane, uint32_t size)
{
	uint64_t used = lane->tail - fy_load_acquire_64(&lane->head);
	return FY_LANE_BYTES - used >= size + FY_LANE_ROOM;
}

bool fy_lane_await_room(struct fy_lane *lane, uint32_t size, int64_t until, const uint32_t *stop)
{
	bool room;
	for (int64_t since = 0;;) {
		uint32_t seen = fy_load_acquire_32(&lane->sleep.word);
		bool fresh = !fy_swap_32(&lane->sleep.wants_room, 1); /* a full fence */
		int64_t now = fy_clock_now();
		if ((room = has_room(lane, size)) || fy_load_acquire_32(stop) || now >= until)
			break;
		if (fresh)
			since = now;
		/* The helm's store of `head` may not have been visible when we looked. By the
		 * second look it is, or the helm sees `wants_room`. */
		int64_t look =
			now - since < FY_LANE_LOOK_AGAIN ? since + FY_LANE_LOOK_AGAIN : INT64_MAX;
		fy_futex_wait(&lane->sleep.word, seen, look < until ? look : until, false);
	}
	fy_store_relaxed_32(&lane->sleep.wants_room, 0); /* nobody sleeps here any more */
	return room;
}

uint32_t fy_lane_tag_posts(struct fy_lane *lane, uint32_t tag)
{
	uint32_t before = lane->stream & ~FY_STREAM;
	if (before) /* what a handler posted has to leave before its message counts as done */
		fy_store_release_64(&lane->handler_end[fy_record_tag_colour(before, 0)],
		                    lane->tail);
	lane->stream = (lane->stream & FY_STREAM) | tag;
	return before;
}
