/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "bulk/flow.h"
#include "bulk/turns.h"

struct fy_channel;
struct fy_held;
struct fy_lost;
struct fy_sum;
struct fy_bulk;
struct fy_record;

/* What the announcement said. */
struct fy_announced {
	uint64_t xid, total, call_id;
	uint32_t kind, stream, op, n_parts;
	uint8_t colour;
	uint64_t traced; /* the place of its record in the timeline, or 0 */
};

/* The sender broke off (FY_OP_LOST): no chunk from number `at` on comes, and those in `lost` do not
 * come either. */
struct fy_cut {
	bool seen;     /* it did */
	uint32_t lost; /* bit i: chunk at - 1 - i */
	uint64_t at;
	int status;
};

/* The checksum that the sender told (FY_OP_SUM). */
struct fy_told_sum {
	bool here;
	uint32_t sum;
};

/* There is no memory for a prepaid message. */
struct fy_shortage {
	int64_t since;     /* when (ns) that was first so; 0: never */
	uint64_t tried_at; /* the step in which memory was last tried for */
	/* the message with a part of its memory, while the rest is missing */
	ferry_message *draft;
};

/* How many bytes a large message takes, and of which limit. */
struct fy_inbound_bytes {
	uint64_t needs;  /* of the budget, once its lengths are known */
	uint64_t charge; /* of the credit, until the message itself is charged */
	uint64_t large;  /* of the budget, while it lands */
};

/* Large messages from one peer, and the grants that it is owed. */
struct fy_inbounds {
	struct fy_inbound *first; /* announced, not complete */
	uint64_t next_xid;        /* the lowest that the next announcement may have */
	uint64_t prepaid;         /* bytes of the prepaid ones among them */
	/* announcements from the first that lacks lengths on, oldest first */
	struct fy_inbound *parked, *parked_last;
	uint64_t lengths_bytes; /* bytes of lengths of messages that have no memory yet */
	unsigned n_stalled;     /* stalled transfers */
	struct fy_turns turns;
	struct fy_inbound *grants_owed, *grants_last;
};

struct fy_inbound {
	struct fy_inbound *next;               /* parked, waiting for a grant, or landing */
	struct fy_inbound *ch_next, **ch_here; /* in its peer's list; what points to it there */
	struct fy_inbound *grant_next;
	/* it is on its peer's list of grants, and is not freed before the grant is told */
	bool grant_owed;
	bool refused; /* nothing of it comes any more: freed once the sender was told why */
	bool prepaid, dead;
	bool chunk_asked; /* a chunk of it was asked for in this step */
	bool timed;       /* it counts for the speed of the wire */
	struct fy_cut cut;
	struct fy_told_sum told;
	bool stalled; /* its memory does not count in the budget */
	struct fy_channel *ch;
	struct fy_shortage shortage;
	bool sunk; /* it gets no memory: its bytes are thrown away (sink.c) */
	/* for how many attachments the program was asked where they land: once each */
	uint32_t asked_for;
	ferry_message *message; /* once there is memory */
	struct fy_held *held;   /* its place in the stream; NULL for replies */
	struct fy_announced announced;
	struct fy_inbound_bytes bytes;
	uint32_t lengths_known;
	uint64_t *lengths; /* until there is memory */
	size_t chunk_bytes;
	int64_t moved_at; /* when (ns) it was granted, or its last chunk came */
	int status;
	struct fy_flow flow;
};

/* An announcement came. 0; FERRY_ENOMEM: no memory now, call again later; FERRY_EDECODE. */
int fy_inbound_arrived(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r);
int fy_inbound_lengths(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r);
int fy_inbound_lost(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_lost *lost);
int fy_inbound_summed(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_sum *sum);

void fy_inbound_free(struct fy_bulk *bulk, struct fy_inbound *in);
/* The message will not come: end its place in the stream, or its call, with `status`. */
void fy_inbound_refuse(struct fy_bulk *bulk, struct fy_inbound *in, int status);
/* Give the peer up (fy_channel_break), and receive no large message of it any more. */
void fy_inbound_break(struct fy_bulk *bulk, struct fy_channel *ch, int status, const char *text);
void fy_inbound_gone(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_inbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch);
int fy_inbound_share(const struct fy_inbound *in);
void fy_inbound_drop_lengths(struct fy_inbound *in);
void fy_inbound_append(struct fy_inbound **first, struct fy_inbound **last, struct fy_inbound *in);
