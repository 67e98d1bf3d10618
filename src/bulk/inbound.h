/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_INBOUND_H
#define FY_BULK_INBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "bulk/flow.h"
#include "bulk/turns.h"

struct fy_channel;
struct fy_held;
struct fy_lost;
struct fy_bulk;
struct fy_record;

/* What its announcement said. */
struct fy_announced {
	uint64_t xid, total, call_id;
	uint32_t kind, stream, op, n_parts;
	uint8_t colour;
};

/* The sender broke off: chunks end before number `at`, without those in `lost`. */
struct fy_cut {
	bool seen;
	uint32_t lost; /* bit i is at - 1 - i */
	uint64_t at;
	int status;
};

/* A prepaid message finds no memory. */
struct fy_shortage {
	int64_t since;     /* when that was first so; 0: never */
	uint64_t tried_at; /* the step in which it was last so */
	/* what of its memory there is, while some is missing */
	ferry_message *draft;
};

/* What a large message needs, and what it holds of which budget. */
struct fy_inbound_bytes {
	uint64_t needs;  /* of the budget, once its lengths are known */
	uint64_t charge; /* what its place holds of the credit, until the message does */
	uint64_t large;  /* what it takes of its budget while it lands */
};

/* Large messages from that peer, and the grants that are owed. */
struct fy_inbounds {
	struct fy_inbound *first; /* announced, not complete */
	uint64_t next_xid;        /* the lowest that the next announcement may have */
	uint64_t prepaid;         /* bytes of those among them that are prepaid */
	/* the first lacks lengths: it and all behind it, oldest first */
	struct fy_inbound *parked, *parked_last;
	uint64_t lengths_bytes; /* bytes of lengths of messages that have no memory yet */
	unsigned n_stalled;     /* granted messages of which nothing came for long */
	struct fy_turns turns;
	struct fy_inbound *grants_owed, *grants_last;
};

struct fy_inbound {
	struct fy_inbound *next;               /* parked, waiting for a grant, or landing */
	struct fy_inbound *ch_next, **ch_here; /* in its channel; what points to it */
	struct fy_inbound *grant_next;
	/* it is on its channel's list of grants: not to be freed before that left */
	bool grant_owed;
	bool refused; /* nothing of it comes (any more): freed once the sender knows why */
	bool prepaid, dead;
	bool chunk_asked; /* in this step, for a chunk */
	struct fy_cut cut;
	bool stalled; /* nothing came for long: what it holds does not count against other ranks */
	struct fy_channel *ch;
	struct fy_shortage shortage;
	bool sunk; /* it never will: its bytes go nowhere (sink.c) */
	/* of how many attachments the program was asked where they land: once each */
	uint32_t asked_for;
	ferry_message *message; /* once there is memory */
	struct fy_held *held;   /* its place in the stream; NULL for replies */
	struct fy_announced announced;
	struct fy_inbound_bytes bytes;
	uint32_t lengths_known;
	uint64_t *lengths; /* until there is memory */
	size_t chunk_bytes;
	int64_t moved_at; /* when it was granted, or a chunk came */
	int status;
	struct fy_flow flow;
};

/* An announcement came. 0, 1: no memory now, again later; FERRY_EDECODE. */
int fy_inbound_arrived(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r);
int fy_inbound_lengths(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r);
int fy_inbound_lost(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_lost *lost);

void fy_inbound_free(struct fy_bulk *bulk, struct fy_inbound *in);
/* The message will not come: its place in the stream, or its call, ends here. */
void fy_inbound_refuse(struct fy_bulk *bulk, struct fy_inbound *in, int status);
/* Nothing of that peer is believed or received any more, from now on: fy_channel_break. */
void fy_inbound_break(struct fy_bulk *bulk, struct fy_channel *ch, int status, const char *text);
void fy_inbound_gone(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_inbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch);
int fy_inbound_share(const struct fy_inbound *in);
void fy_inbound_drop_lengths(struct fy_inbound *in);
void fy_inbound_append(struct fy_inbound **first, struct fy_inbound **last, struct fy_inbound *in);

#endif
