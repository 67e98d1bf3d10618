/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter of many posts, as posters, the helm and those who wait share it. counter.c has the
 * invariants, app/counter.c what programs call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "shared/seats.h"

/* What the threads of one seat (seats.h) have posted, on a line of its own. */
struct fy_counter_part {
	/* written by the thread that has the seat (relaxed), before it publishes the record; read
	 * by any thread (relaxed). Who saw a record as done sees it counted here, because the helm
	 * read the record behind it, and adds to `done` with release */
	FY_ALIGNED uint64_t posted;
};

/* Those who wait for a number, and those who are called at one. */
struct fy_counter_targets {
	/* by number, the lowest first: future->id is the number, future->next the next one. Each
	 * with a reference. Under the gate */
	ferry_future *first;
	/* the first one's number, or UINT64_MAX: written under the gate (relaxed), before an atomic
	 * step on `done`; read by the helm behind such a step */
	uint64_t lowest;
	/* the gate: 0: open; 1: a thread is inside; 2: the same, and it looks again before it
	 * leaves. Compare and swap by threads that wait, and by the helm, which never waits */
	uint32_t gate;
	/* in the engine's list of counters with targets: under aside.lock */
	bool listed;
	ferry_counter *next, **at;
};

struct ferry_counter {
	/* What posters read. */
	FY_ALIGNED ferry *engine; /* constant; a reference */
	/* written once, by the first poster of such a seat (compare and swap); read by posters
	 * (acquire). The last one, of lanes without a seat, stays NULL */
	struct fy_counter_part *blocks[FY_SEAT_BLOCKS + 1];
	/* What the helm writes. */
	/* posts that are done, and the bits below. Atomic steps by the helm, by threads that wait
	 * and by the one that releases the counter; read by any thread (acquire) */
	FY_ALIGNED uint64_t done;
	/* the status of the first post that failed, or 0: written once by the helm (release),
	 * before that post is done; read by any thread (acquire) */
	uint32_t failed;
	char *why; /* malloc'd or NULL; written before `failed` */
	/* What is seldom used. */
	/* posts that are counted in no part: atomic add by posters without a seat, or without
	 * memory for a part; read by any thread */
	FY_ALIGNED uint64_t posted_apart;
	/* how many were posted when the counter was released: written before FY_COUNTER_RELEASED is
	 * set */
	uint64_t final;
	struct fy_counter_targets targets;
};

/* Bits of `done`. */
#define FY_COUNTER_WATCHED UINT64_C(1) /* there are targets: the helm looks at the lowest */
#define FY_COUNTER_BUSY UINT64_C(2)    /* the helm does; it alone sets and clears this */
#define FY_COUNTER_RELEASED UINT64_C(4)
#define FY_COUNTER_ONE UINT64_C(8) /* one post */

static inline uint64_t fy_counter_done(const ferry_counter *counter)
{
	return fy_load_acquire_64(&counter->done) / FY_COUNTER_ONE;
}

/* NULL: no memory. The caller has a reference of the engine, which becomes the counter's. */
ferry_counter *fy_counter_new(ferry *engine);
/* For the program: it has no more to do with the counter. */
void fy_counter_release(ferry_counter *counter);
/* How many have been posted: all whose call returned before, as far as the caller could know. */
uint64_t fy_counter_posted(const ferry_counter *counter);
/* Fail with what the first post that failed did, or FERRY_OK. */
int fy_counter_outcome(const ferry_counter *counter);

/* The same as fy_counter_count, where there is no part for this seat yet. */
void fy_counter_count_slow(ferry_counter *counter, const struct fy_seat *seat, int64_t n);

/* For the thread of the lane with this seat: it posts one more, or (n is -1) did not after all. */
static inline void fy_counter_count(ferry_counter *counter, const struct fy_seat *seat, int64_t n)
{
	struct fy_counter_part *parts =
		(struct fy_counter_part *)fy_load_acquire_ptr(&counter->blocks[seat->block]);
	if (fy_unlikely(!parts)) {
		fy_counter_count_slow(counter, seat, n);
		return;
	}
	struct fy_counter_part *part = parts + seat->index;
	fy_store_relaxed_64(&part->posted, part->posted + (uint64_t)n);
}

/* The holder of the helm: `n` more posts are done, delivered or failed. `status`: 0, or why they
 * failed. `detail` is copied, and may be NULL. The counter may be freed by that. */
void fy_counter_add_done(ferry_counter *counter, uint64_t n, int status, const char *detail);

/* Complete `target`, of which a reference is given, when so many are done. FERRY_ESTOPPED: the
 * engine has stopped, and the reference is still the caller's. */
int fy_counter_add_target(ferry_counter *counter, uint64_t value, ferry_future *target);
/* Take it out again, if it is not complete, and drop that reference. */
void fy_counter_drop_target(ferry_counter *counter, ferry_future *target);
/* The engine ends: complete all targets of its counters. */
void fy_counter_fail_targets(ferry *engine);
