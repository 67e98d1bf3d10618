/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_QUEUED_H
#define FY_HELM_QUEUED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"

struct fy_channel;
struct fy_progress;
struct fy_record;

/* Records that wait for room in the channel. */
struct fy_queue {
	struct fy_queued *first, *last;
	size_t bytes;          /* bytes in it */
	int64_t no_room_since; /* when a record first found no room, since one last did; 0: none */
	bool full_raised;      /* engine->full is raised */
	bool listed;           /* on progress->queues */
	struct fy_channel *next;
};

/* Channels whose records wait in a queue. */
struct fy_queues {
	struct fy_channel *first; /* channels with records in their queue */
	size_t bytes;
	uint64_t of[2]; /* records in queues of channels, */
};

struct fy_queued { /* records in lane form that wait in a channel */
	struct fy_queued *next;
	uint32_t from, to, capacity;
	FY_ALIGNED char bytes[];
};
void fy_queued_fail(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail);
bool fy_queued_add(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                   uint32_t size, uint32_t stream, bool always);
void fy_queued_step(struct fy_progress *p);

#endif
