/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Since when something has been open: since the first sample that saw it. Operations have numbers
 * that grow, so a few pairs of a number and a time suffice for a queue of them; calls end in any
 * order, so each slot has its time. The helm's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "link/call.h"

#define FY_SEEN_MARKS 8u

/* A queue. A mark says: up to this number all were there at that time. */
struct fy_seen {
	unsigned n;
	struct {
		uint64_t upto;
		int64_t at;
	} marks[FY_SEEN_MARKS]; /* the oldest first */
};

/* At `now` the queue has operations with the numbers from `first` to `last`. Returns since when the
 * first one was there. */
int64_t fy_seen_queue(struct fy_seen *seen, uint64_t first, uint64_t last, int64_t now);

/* One thing, by its address. */
struct fy_seen_once {
	const void *what; /* only compared */
	int64_t at;
};
int64_t fy_seen_thing(struct fy_seen_once *once, const void *what, int64_t now);

struct fy_seen_call {
	uint32_t generation;
	int64_t at;
};
struct fy_seen_calls {
	struct fy_seen_call *slots;
	uint32_t n;
};
/* Since when that slot's call has been open. Without memory: since now. */
int64_t fy_seen_call(struct fy_seen_calls *seen, const struct fy_calls *calls, uint32_t slot,
                     int64_t now);
void fy_seen_free(struct fy_seen_calls *seen);
