/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "bulk/flow.h"
#include "bulk/turns.h"

struct fy_channel;
struct fy_grant;
struct fy_bulk;
struct fy_refused;

/* Large messages to one peer. */
struct fy_outbounds {
	/* they wait for a grant, oldest first */
	struct fy_outbound *ungranted, *ungranted_last;
	struct fy_outbound *active, *active_last; /* their chunks are being sent */
	/* their places in their streams are not acknowledged; in the order of the places */
	struct fy_outbound *unacked, *unacked_last;
	struct fy_turns turns;
	unsigned n_lengths_behind; /* messages of which not all lengths are put yet */
	uint64_t next_xid, next_chunk;
};

struct fy_outbound {
	struct fy_outbound *next;         /* in `ungranted` or `active` */
	struct fy_outbound *unacked_next; /* in `unacked` */
	struct fy_channel *ch;
	ferry_message *message; /* a reference; NULL: all is sent, or will not be */
	uint64_t xid, total, call_id;
	uint32_t kind, stream, stream_number, n_parts, lengths_sent;
	/* the places (fy_channel_place) of its announcement and of its last lengths */
	uint64_t place, lengths_place;
	size_t chunk_bytes;
	struct fy_flow flow;
	bool admitted;  /* prepaid or granted: its chunks may be sent */
	bool broken;    /* a chunk was not sent: no more are started */
	bool lost_owed; /* the receiver has to be told that (FY_OP_LOST) */
	/* which of the chunks started last were not sent: bit i is flow.at.number - 1 - i */
	uint32_t lost;
	bool sum_owed;  /* the receiver has to be told the checksum (FY_OP_SUM) */
	bool failed;    /* its future, if there is one, has failed */
	bool acked;     /* its place in the stream is acknowledged, or it has none */
	bool confirmed; /* the receiver has answered the FY_OP_LOST */
	bool over;      /* it is in no list but `unacked` */
};

/* It is prepaid or granted: its chunks are sent when its turn comes. */
void fy_outbound_give_turn(struct fy_outbound *x);
void fy_outbound_granted(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_grant *g);
/* The receiver has dealt with all of that stream up to the running number `upto`. */
void fy_outbound_acked(struct fy_bulk *bulk, struct fy_channel *ch, uint32_t stream, uint32_t upto);
/* Fail the messages that are announced in refused records. False: the peer has to be given up,
 * because chunks of one of them are on the way, or some lengths of an earlier message are
 * missing. */
bool fy_outbound_refused(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_refused *r);
void fy_outbound_step(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_outbound_gone(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_outbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch);
