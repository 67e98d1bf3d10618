/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulk/blocks.h"
#include "bulk/grants.h"
#include "bulk/landing.h"
#include "bulk/sink.h"
#include "bulk/speed.h"

struct fy_chunk;
struct fy_memory_handler;
struct fy_channel;

/* All that bulk/ has and knows; the helm's. */
struct fy_bulk {
	struct fy_link *link;
	uint64_t stalls;        /* how often a transfer became stalled */
	unsigned n_parked;      /* parked announcements, in all channels */
	uint64_t announcements; /* how many came */
	unsigned n_out;         /* outbound transfers under way, in all channels */
	unsigned n_chunks;      /* chunks that MPI has, both ways */
	size_t chunk_bytes;
	/* no message was granted, because the program has to be asked where it lands, and user code
	 * may not run now */
	bool code_due;
	struct fy_chunk *chunks; /* free ones */
	struct fy_blocks blocks; /* kept memory (bulk/blocks.c) */
	int64_t wanted_at;       /* when (ns) a step last found fy_bulk_is_wanted; 0: never, or all
	                          * ranks are on this host */
	int tag_span;            /* tags of chunks: from 1 to this, the same on all ranks */
	struct fy_memory_handler *memory_handlers;
	struct fy_budget budget;
	struct fy_grant_queues grant_queue;
	struct fy_landing landing;
	struct fy_sink sink;
	struct fy_speed speed_in, speed_out;
};

/* Bytes of large messages that are coming, or came and are not freed. */
uint64_t fy_bulk_holds(const struct fy_bulk *bulk);
void fy_bulk_step(struct fy_bulk *bulk);
bool fy_bulk_is_quiet(const struct fy_bulk *bulk);
/* Is any large message under way, or not acknowledged by another host? */
bool fy_bulk_is_wanted(const struct fy_bulk *bulk);
void fy_bulk_gone(struct fy_bulk *bulk, struct fy_channel *ch);
bool fy_bulk_lacks_budget(const struct fy_bulk *bulk);
/* At the very end. `clean`: MPI has nothing under way any more. */
void fy_bulk_free(struct fy_bulk *bulk, bool clean);
