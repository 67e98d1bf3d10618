/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of large messages share; bulk.c has the notes. All of it is the helm's. */
#ifndef FY_BULK_FLOW_H
#define FY_BULK_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/bulk.h"
#include "port/port.h"
#include "link/link.h"

#define FY_CHUNKS_MAX 4u  /* in flight for one transfer; a peer may have up to 32 */
#define FY_ACTIVE_MAX 16u /* transfers that one step looks after */
/* a port that refuses a chunk for so long will not take it any more */
#define FY_CHUNK_RETRY_MAX FERRY_S(1)

struct fy_cursor {
	uint32_t part;
	size_t offset;
	uint64_t number;
};

/* The chunks of one message on one side: which comes next, and which are under way,
 * oldest first. */
struct fy_flow {
	struct fy_cursor at;
	uint64_t end; /* behind its last number; more than that while lengths are missing */
	/* in the order in which tags are used; NULL: it has no turn (yet) */
	struct fy_flow *turn_next, **turn_here;
	struct fy_chunk *flight, *flight_last;
	unsigned n_flight;
	/* of chunks that are over, from this number on: their receives may still be posted */
	bool keeps_tags;
	uint64_t kept_from;
	/* when the port began to refuse its next chunk; 0: it does not */
	int64_t chunk_fails_since;
};

/* Its next chunk was started as `c`. */
void fy_flow_start(struct fy_bulk *bulk, struct fy_flow *flow, struct fy_chunk *c, size_t nbytes);
/* The port has refused the next chunk: for too long? */
bool fy_flow_start_failed(struct fy_bulk *bulk, struct fy_flow *flow);
/* A chunk was not sent: its tag is not free until the receiver says so. */
void fy_flow_keep_tag(struct fy_flow *flow, uint64_t number);

/* The length of the next chunk, or 0: there is none. Moves on over parts that are done. */
static inline size_t fy_flow_next(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes,
                                  struct fy_flow *flow)
{
	struct fy_cursor *at = &flow->at;
	while (at->part < n_parts && at->offset == fy_chunk_part_length(m, at->part)) {
		at->part++;
		at->offset = 0;
	}
	if (at->part == n_parts)
		return 0;
	size_t left = fy_chunk_part_length(m, at->part) - at->offset;
	return left < chunk_bytes ? left : chunk_bytes;
}

/* The oldest chunk, if it is done: it is taken out. */
static inline struct fy_chunk *fy_flow_done(struct fy_bulk *bulk, struct fy_flow *flow)
{
	struct fy_chunk *c = flow->flight;
	if (!c || !bulk->link->port->ops->test(bulk->link->port, &c->request))
		return NULL;
	fy_list_drop(flow->flight, flow->flight_last);
	flow->n_flight--;
	bulk->n_chunks--;
	bulk->link->worked = true;
	return c;
}
uint64_t fy_flow_lowest(const struct fy_flow *flow);

#endif
