/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"

struct fy_channel;
struct fy_progress;
struct fy_record;

/* A channel's queue. */
struct fy_queue {
	struct fy_queued *first, *last;
	size_t bytes;          /* of its records */
	uint64_t n;            /* records */
	int64_t no_room_since; /* since when (ns) the channel has had no room; 0: it has */
	bool full_raised;      /* engine->full of the rank is 1 */
	int64_t full_since;    /* when (ns) that was set */
	int64_t full_for;      /* ns altogether, before that */
	bool listed;           /* on progress->queues */
	struct fy_channel *next;
};

/* All channels that have a queue. */
struct fy_queues {
	struct fy_channel *first;
	size_t bytes;   /* of all records in queues */
	uint64_t of[2]; /* how many these are, by colour */
};

struct fy_queued { /* a piece of a queue, with records in the form of a lane */
	struct fy_queued *next;
	uint32_t from, to, capacity;
	FY_ALIGNED char bytes[];
};
void fy_queued_fail(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail);
bool fy_queued_add(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                   uint32_t size, uint32_t stream, bool always);
void fy_queued_step(struct fy_progress *p);
