/* SPDX-License-Identifier: Apache-2.0 */
/* A flow: the chunks of one message on one side. Everything here is the helm's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/bulk.h"
#include "port/port.h"
#include "link/link.h"

#define FY_CHUNKS_MAX 4u    /* chunks in flight for one transfer; a peer may have up to 32 */
#define FY_CHUNKS_SHORT 16u /* where they are short: see announce.c */
#define FY_ACTIVE_MAX 16u   /* at most so many transfers are looked at in a step */
/* After so long a port that does not start a chunk will not start it any more. */
#define FY_CHUNK_RETRY_MAX FERRY_S(1)

struct fy_cursor {
	uint32_t part;
	size_t offset;
	uint64_t number;
};

struct fy_flow {
	struct fy_cursor at; /* the next chunk */
	uint64_t end;        /* behind the last chunk's number; larger while lengths are missing */
	/* in the list of turns, in the order in which tags are used; turn_here NULL: it has no
	 * turn */
	struct fy_flow *turn_next, **turn_here;
	struct fy_chunk *flight, *flight_last; /* under way, oldest first */
	unsigned n_flight;
	/* the tags of chunks from number `kept_from` on stay in use, though some of these are over:
	 * their receives may still be posted */
	bool keeps_tags;
	uint64_t kept_from;
	uint32_t sum; /* with the option checksum: of the chunks so far (wire/bodies.h) */
	/* when (ns) the port first did not start the next chunk, or 0 */
	int64_t chunk_fails_since;
};

/* How many chunks of so many bytes. */
static inline unsigned fy_flow_chunks(const struct fy_bulk *bulk, size_t chunk_bytes)
{
	return chunk_bytes < bulk->chunk_bytes ? FY_CHUNKS_SHORT : FY_CHUNKS_MAX;
}

/* The next chunk was started as `c`. */
void fy_flow_start(struct fy_bulk *bulk, struct fy_flow *flow, struct fy_chunk *c, size_t nbytes);
/* The port did not start the next chunk. True: it has not for too long. */
bool fy_flow_start_failed(struct fy_bulk *bulk, struct fy_flow *flow);
/* A chunk was not sent: its tag stays in use until the receiver says otherwise. */
void fy_flow_keep_tag(struct fy_flow *flow, uint64_t number);

/* The length of the next chunk in bytes; 0: there is none. Moves on over parts that are done. */
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

/* Take out the oldest chunk, if it is done. NULL: it is not, or there is none. */
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
