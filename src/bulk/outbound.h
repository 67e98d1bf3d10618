/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_OUTBOUND_H
#define FY_BULK_OUTBOUND_H

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

/* Large messages to that peer. */
struct fy_outbounds {
	/* large messages that wait for a grant, oldest first */
	struct fy_outbound *ungranted, *ungranted_last;
	struct fy_outbound *active, *active_last; /* under way */
	/* those whose place in their stream is not acknowledged, in the order of their places */
	struct fy_outbound *unacked, *unacked_last;
	struct fy_turns turns;
	unsigned n_lengths_behind; /* large messages whose lengths did not all find memory yet */
	uint64_t next_xid, next_chunk;
};

struct fy_outbound {
	struct fy_outbound *next; /* in its channel, until it is over */
	struct fy_outbound
		*unacked_next; /* likewise, until its place in the stream is acknowledged */
	struct fy_channel *ch;
	ferry_message *message; /* a reference; NULL: all is sent */
	uint64_t xid, total, call_id;
	uint32_t kind, stream, stream_number, n_parts, lengths_sent;
	/* of its announcement and of its last lengths: fy_channel_place */
	uint64_t place, lengths_place;
	size_t chunk_bytes;
	struct fy_flow flow;
	bool admitted;  /* prepaid or granted: its chunks go */
	bool broken;    /* a chunk was not sent: no more are started */
	bool lost_owed; /* and the receiver is to be told */
	/* which of the last ones that were started: bit i is flow.at.number - 1 - i */
	uint32_t lost;
	bool failed;    /* its future, if there is one, has ended badly */
	bool acked;     /* the receiver has dealt with its place in the stream; or it has none */
	bool confirmed; /* the receiver has dealt with what is lost */
	bool over;      /* it has left its channel but for `unacked` */
};

/* Announce and start. False: no room now. `stream` may have a tag. */
bool fy_outbound_announce(struct fy_bulk *bulk, struct fy_channel *ch, ferry_message *message,
                          uint32_t kind, uint32_t stream, uint64_t call_id, ferry_future *future);
/* Is there room for the announcement of this message? */
bool fy_outbound_admits(struct fy_bulk *bulk, struct fy_channel *ch, const ferry_message *message);
void fy_outbound_granted(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_grant *g);
/* Everything of that stream up to the number `upto` is dealt with over there. */
void fy_outbound_acked(struct fy_channel *ch, uint32_t stream, uint32_t upto);
/* What is announced in records that were not believed ends with that status. False: some of its
 * data is on the way, or some of its lengths are missing, so that nothing behind it can be told
 * any more. */
bool fy_outbound_refused(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_refused *r);
void fy_outbound_step(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_outbound_gone(struct fy_bulk *bulk, struct fy_channel *ch);
void fy_outbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch);

#endif
