/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes: posting by any thread, draining by the holder of the helm. lanes.h has the order.
 *
 * The next ticket is also how many records there were ever, published or about to be. As many were
 * started if all that was published is with MPI: so a holder with nothing to take need not go
 * round, and a flush need not wait.
 */
#include "preload/lanes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "preload/next.h"
#include "preload/slot.h"

static struct {
	/* the next ticket: atomic add by all who post; read by the holder of the helm and by
	 * flushes (acquire) */
	FY_ALIGNED uint64_t ticket;
	/* how many records were started. Written by the holder of the helm (release), read by all
	 * (acquire) */
	FY_ALIGNED uint64_t started;
	fy_inbox arrived;              /* new lanes: put in by their threads */
	struct fy_preload_lane *first; /* the holder's */
} lanes;

/* ---- a thread's side ----------------------------------------------------------------------- */

struct fy_preload_lane *fy_preload_lanes_new(void)
{
	struct fy_preload_lane *lane = aligned_alloc(FY_CACHE_LINE, sizeof *lane);
	if (!lane)
		return NULL;
	memset(lane, 0, offsetof(struct fy_preload_lane, posts));
	fy_inbox_put(&lanes.arrived, &lane->entry);
	return lane;
}

void fy_preload_lanes_leave(struct fy_preload_lane *lane)
{
	fy_store_release_32(&lane->left, 1);
}

bool fy_preload_lanes_post(struct fy_preload_lane *lane, const struct fy_preload_start *start,
                           struct fy_preload_slot *slot)
{
	if (lane->tail - lane->head_seen >= FY_PRELOAD_POSTS) {
		lane->head_seen = fy_load_acquire_64(&lane->head);
		if (lane->tail - lane->head_seen >= FY_PRELOAD_POSTS)
			return false;
	}
	struct fy_preload_post *post = &lane->posts[lane->tail % FY_PRELOAD_POSTS];
	post->start = *start;
	post->slot = slot;
	post->ticket = fy_add_64(&lanes.ticket, 1);
	fy_swap_64(&lane->tail, lane->tail + 1); /* it costs less than a store and a fence */
	return true;
}

bool fy_preload_lanes_any(void)
{
	return fy_load_acquire_64(&lanes.started) != fy_load_acquire_64(&lanes.ticket);
}

/* ---- the holder's side --------------------------------------------------------------------- */

static void take_arrived(void)
{
	if (!fy_inbox_any(&lanes.arrived))
		return;
	fy_inbox_each (entry, fy_inbox_take(&lanes.arrived)) {
		struct fy_preload_lane *lane =
			fy_container_of(entry, struct fy_preload_lane, entry);
		lane->next = lanes.first;
		lanes.first = lane;
	}
}

static void free_left(void)
{
	struct fy_preload_lane **at = &lanes.first, *lane;
	while ((lane = *at)) {
		if (fy_load_acquire_32(&lane->left) &&
		    fy_load_acquire_64(&lane->tail) == lane->head) {
			*at = lane->next;
			free(lane);
		} else {
			at = &lane->next;
		}
	}
}

static const struct fy_preload_post *post_at(const struct fy_preload_lane *lane, uint64_t position)
{
	return &lane->posts[position % FY_PRELOAD_POSTS];
}

/* Read all tails. True: a thread has ended. */
static bool go_round(void)
{
	bool left = false;
	take_arrived();
	for (struct fy_preload_lane *lane = lanes.first; lane; lane = lane->next) {
		left |= fy_load_relaxed_32(&lane->left);
		lane->seen = fy_load_acquire_64(&lane->tail);
	}
	return left;
}

/* The lane whose first record has the lowest ticket, below `limit`. */
static struct fy_preload_lane *find_lowest(uint64_t limit)
{
	struct fy_preload_lane *found = NULL;
	for (struct fy_preload_lane *lane = lanes.first; lane; lane = lane->next)
		if (lane->head != lane->seen && post_at(lane, lane->head)->ticket < limit) {
			found = lane;
			limit = post_at(lane, lane->head)->ticket;
		}
	return found;
}

static void start(struct fy_preload_lane *lane)
{
	struct fy_preload_post *post = &lane->posts[lane->head % FY_PRELOAD_POSTS];
	struct fy_preload_slot *slot = post->slot;
	slot->code = fy_preload_start(&post->start, &slot->native);
	slot->state = FY_SLOT_STARTED;
	if (slot->code != MPI_SUCCESS) {
		MPI_Request none = MPI_REQUEST_NULL;
		int flag;
		fy_next.Test(&none, &flag, &slot->status); /* an empty one */
		slot->state = FY_SLOT_OVER;
	}
	fy_store_release_64(&lane->head, lane->head + 1);
	fy_store_release_64(&lanes.started, lanes.started + 1);
}

bool fy_preload_lanes_drain(void)
{
	uint64_t before = lanes.started, end = fy_load_acquire_64(&lanes.ticket);
	struct fy_preload_lane *lane;
	if (before == end)
		return false;
	bool left = go_round();
	while ((lane = find_lowest(end)))
		start(lane);
	if (left)
		free_left();
	return lanes.started != before;
}

uint64_t fy_preload_lanes_started(void)
{
	return lanes.started;
}
