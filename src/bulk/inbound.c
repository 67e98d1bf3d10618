/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages, the receiver's side until they wait for a grant: announcements and lengths. Only
 * the holder of the helm may call.
 *
 * An announcement whose lengths are not all here is *parked* in its channel, and so are those that
 * the same peer announced behind it. One that overtook it could take the memory that it needs, and
 * then wait behind it in their stream. So a peer that never sends its lengths holds up only itself.
 *
 * What a peer says is believed as far as it can be checked. An announcement costs the peer credit
 * until its message is freed. Its prepaid messages together cannot be larger than its window. Its
 * lengths may take one LENGTHS_SHARE-th of receive_memory. A message whose lengths do not add up is
 * refused in its place in the order.
 */
#include "bulk/inbound.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/grants.h"
#include "bulk/landing.h"
#include "bulk/turns.h"
#include "future/future.h"
#include "bulk/bulk.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/credit.h"
#include "link/link.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/message.h"
#include "trace/trace.h"
#include "wire/bodies.h"
#include "wire/record.h"
#include "bulk/pair.h"

#define CHUNK_MIN 4096u /* bytes; a peer may not use smaller chunks */
#define LENGTHS_MIN (1u << 20)
#define LENGTHS_SHARE 16u

int fy_inbound_share(const struct fy_inbound *in)
{
	return in->announced.kind == FY_KIND_REPLY;
}

static void link_inbound(struct fy_channel *ch, struct fy_inbound *in)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	in->ch_next = ins->first;
	in->ch_here = &ins->first;
	if (ins->first)
		ins->first->ch_here = &in->ch_next;
	ins->first = in;
	if (in->prepaid)
		ins->prepaid += in->announced.total;
}

static void unlink_inbound(struct fy_inbound *in)
{
	*in->ch_here = in->ch_next;
	if (in->ch_next)
		in->ch_next->ch_here = in->ch_here;
	if (in->prepaid)
		fy_pair_in(in->ch)->prepaid -= in->announced.total;
}

static struct fy_inbound *find(struct fy_channel *ch, uint64_t xid)
{
	struct fy_inbound *in = fy_pair_in(ch)->first;
	while (in && in->announced.xid != xid)
		in = in->ch_next;
	return in;
}

void fy_inbound_drop_lengths(struct fy_inbound *in)
{
	if (in->lengths)
		fy_pair_in(in->ch)->lengths_bytes -= 8 * (uint64_t)in->lengths_known;
	free(in->lengths);
	in->lengths = NULL;
}

void fy_inbound_free(struct fy_bulk *bulk, struct fy_inbound *in)
{
	unlink_inbound(in);
	fy_inbound_drop_lengths(in);
	if (in->shortage.draft)
		fy_message_free(in->shortage.draft);
	fy_turns_leave(&fy_pair_in(in->ch)->turns, &in->flow);
	if (in->bytes.charge)
		fy_credit_returned(bulk->link, in->ch, in->bytes.charge);
	free(in);
}

void fy_inbound_append(struct fy_inbound **first, struct fy_inbound **last, struct fy_inbound *in)
{
	in->next = NULL;
	fy_list_append(*first, *last, in);
}

/* Announcements whose lengths are all known go on, up to the first that still lacks some. */
static void unpark(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	struct fy_inbound *in;
	while ((in = ins->parked) && (in->lengths_known == in->announced.n_parts || in->dead)) {
		fy_list_drop(ins->parked, ins->parked_last);
		bulk->n_parked--;
		fy_grants_wait(bulk, in);
	}
}

static void park(struct fy_bulk *bulk, struct fy_inbound *in)
{
	fy_inbound_append(&fy_pair_in(in->ch)->parked, &fy_pair_in(in->ch)->parked_last, in);
	bulk->n_parked++;
	unpark(bulk, in->ch);
}

/* All lengths are here. Do they add up to the total? */
static bool lengths_add_up(const struct fy_inbound *in)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < in->announced.n_parts; i++) {
		if (in->lengths[i] > in->announced.total - sum)
			return false;
		sum += in->lengths[i];
	}
	return sum == in->announced.total;
}

static uint64_t lengths_max(const struct fy_bulk *bulk)
{
	uint64_t share = bulk->link->options->receive_memory / LENGTHS_SHARE;
	return share > LENGTHS_MIN ? share : LENGTHS_MIN;
}

/* The message has its place in the stream already, and will be refused there. Further lengths are
 * only counted. */
static void unreadable(struct fy_inbound *in, int status)
{
	fy_inbound_drop_lengths(in);
	in->status = status;
}

/* Memory for more lengths. Those in the announcement have theirs, and a prepaid message has no
 * others. */
static bool grow_lengths(struct fy_bulk *bulk, struct fy_inbound *in, uint64_t nbytes)
{
	if (!in->lengths_known)
		return true;
	bool may = fy_pair_in(in->ch)->lengths_bytes + nbytes <= lengths_max(bulk);
	uint64_t *lengths =
		may ? realloc(in->lengths, 8 * (size_t)in->lengths_known + nbytes) : NULL;
	if (lengths)
		in->lengths = lengths;
	return lengths;
}

static void keep_lengths(struct fy_bulk *bulk, struct fy_inbound *in, const char *from,
                         uint32_t count)
{
	uint64_t nbytes = 8 * (uint64_t)count;
	if (!grow_lengths(bulk, in, nbytes)) {
		unreadable(in, FERRY_ENOMEM);
		return;
	}
	fy_pair_in(in->ch)->lengths_bytes += nbytes;
	memcpy(in->lengths + in->lengths_known, from, nbytes);
}

static void take_lengths(struct fy_bulk *bulk, struct fy_inbound *in, const char *from,
                         uint32_t count)
{
	if (count > in->announced.n_parts - in->lengths_known) {
		unreadable(in, FERRY_EDECODE);
		in->lengths_known = in->announced.n_parts;
		return;
	}
	if (!in->status)
		keep_lengths(bulk, in, from, count);
	in->lengths_known += count;
	if (!in->status && in->lengths_known == in->announced.n_parts && !lengths_add_up(in))
		unreadable(in, FERRY_EDECODE);
}

/* Is the announcement valid? Prepaid messages have to fit into the peer's window. */
static bool announce_ok(const struct fy_bulk *bulk, const struct fy_channel *ch,
                        const struct fy_record *r, struct fy_announce *a)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	uint32_t n = fy_record_body(r);
	if (n < sizeof *a)
		return false;
	memcpy(a, fy_record_data(r), sizeof *a);
	if (a->flags & FY_ANNOUNCE_PREPAID &&
	    (fy_record_kind(r) == FY_KIND_REPLY || a->total > ch->credit.window ||
	     ins->prepaid > ch->credit.window - a->total))
		return false;
	return a->n_parts && a->xid >= ins->next_xid && a->chunk_bytes >= CHUNK_MIN &&
	       a->chunk_bytes <= bulk->link->port->chunk_max &&
	       n == sizeof *a + 8 * fy_bodies_lengths(a->n_parts);
}

static struct fy_inbound *inbound_create(struct fy_channel *ch, const struct fy_record *r,
                                         const struct fy_announce *a)
{
	struct fy_inbound *in = calloc(1, sizeof *in);
	uint64_t *lengths = in ? malloc(8 * (size_t)fy_bodies_lengths(a->n_parts)) : NULL;
	if (!lengths) {
		free(in);
		return NULL;
	}
	*in = (struct fy_inbound){
		.ch = ch,
		.lengths = lengths,
		.announced = { .xid = a->xid,
		               .total = a->total,
		               .kind = fy_record_kind(r),
		               .call_id = r->size_flags & FY_EXT ? fy_record_ext(r) : 0,
		               .stream = r->stream & FY_STREAM,
		               .op = r->op,
		               .n_parts = a->n_parts },
		.chunk_bytes = a->chunk_bytes,
		.prepaid = a->flags & FY_ANNOUNCE_PREPAID,
	};
	in->flow.at.number = a->first_chunk;
	in->flow.end = a->first_chunk + a->total / a->chunk_bytes + a->n_parts;
	return in;
}

int fy_inbound_arrived(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	struct fy_announce a;
	bool reply = fy_record_kind(r) == FY_KIND_REPLY;
	if (!announce_ok(bulk, ch, r, &a))
		return FERRY_EDECODE;
	struct fy_inbound *in = inbound_create(ch, r, &a);
	if (!in)
		return FERRY_ENOMEM;
	in->announced.colour = (uint8_t)fy_link_arrived_colour(bulk->link, r);
	in->announced.traced = bulk->link->trace ? bulk->link->trace->current : 0;
	in->held = reply ? NULL
	                 : fy_stream_in_hold(ch, in->announced.stream, in->announced.colour, NULL);
	if (!reply && !in->held) {
		free(in->lengths);
		free(in);
		return FERRY_ENOMEM;
	}
	if (!reply) {
		in->bytes.charge = FY_MESSAGE_CHARGE + (in->prepaid ? in->announced.total : 0);
		ch->credit.unreturned += in->bytes.charge;
	}
	ins->next_xid = a.xid + 1;
	bulk->announcements++;
	link_inbound(ch, in);
	if (in->prepaid)
		fy_turns_take(&ins->turns, &in->flow);
	take_lengths(bulk, in, fy_record_data(r) + sizeof a, fy_bodies_lengths(a.n_parts));
	park(bulk, in);
	return FERRY_OK;
}

int fy_inbound_lengths(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_record *r)
{
	uint32_t n = fy_record_body(r);
	uint64_t xid;
	if (n < 16 || n % 8)
		return FERRY_EDECODE;
	memcpy(&xid, fy_record_data(r), sizeof xid);
	struct fy_inbound *in = find(ch, xid);
	if (!in || in->lengths_known == in->announced.n_parts)
		return FERRY_EDECODE;
	take_lengths(bulk, in, fy_record_data(r) + 8, n / 8 - 1);
	unpark(bulk, ch);
	return FERRY_OK;
}

void fy_inbound_refuse(struct fy_bulk *bulk, struct fy_inbound *in, int status)
{
	in->status = status;
	in->refused = true;
	fy_turns_leave(&fy_pair_in(in->ch)->turns, &in->flow);
	bulk->link->stats.refused++;
	if (in->held) {
		in->held->ready = true;
		in->held = NULL;
		fy_stream_in_release(bulk->link, in->ch, in->announced.stream);
	} else if (in->announced.kind == FY_KIND_REPLY) {
		ferry_future *future =
			fy_call_close(bulk->link, in->announced.call_id, in->ch->rank);
		fy_channel_done(bulk->link, in->ch, in->announced.colour, 1);
		if (future)
			fy_future_complete(future, status, "the reply could not be received");
	}
}

/* The message of this FY_OP_LOST is not here, or not any more, but its sender waits for an answer.
 * One such answer at a time. */
static int answer_lost(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_lost *lost)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	if (lost->xid >= ins->next_xid)
		return FERRY_EDECODE;
	struct fy_inbound *in = ins->grants_owed ? NULL : calloc(1, sizeof *in);
	if (!in)
		return FERRY_ENOMEM; /* the record is read again later */
	*in = (struct fy_inbound){
		.ch = ch, .announced.xid = lost->xid, .refused = true, .status = FERRY_EMPI
	};
	link_inbound(ch, in);
	fy_grants_owe(bulk, in);
	return FERRY_OK;
}

int fy_inbound_lost(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_lost *lost)
{
	struct fy_inbound *in = find(ch, lost->xid);
	if (!in)
		return answer_lost(bulk, ch, lost);
	if (in->cut.seen && in->cut.at != lost->started)
		return FERRY_EDECODE; /* before, it had broken off elsewhere */
	if (!in->cut.seen)
		in->cut.status = lost->status < 0 ? lost->status : FERRY_EDECODE;
	in->cut.seen = true;
	in->cut.at = lost->started;
	in->cut.lost |= lost->which;
	if (in->message)
		fy_landing_cancel_lost(bulk, in);
	return FERRY_OK;
}

/* A message that was refused or failed here may be over before its sum comes. */
int fy_inbound_summed(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_sum *sum)
{
	struct fy_inbound *in = find(ch, sum->xid);
	if (!bulk->link->options->checksum || sum->xid >= fy_pair_in(ch)->next_xid)
		return FERRY_EDECODE;
	if (in)
		in->told = (struct fy_told_sum){ true, sum->sum };
	return FERRY_OK;
}

/* Cancel all receives from that peer. Messages that wait end when their turn comes. */
void fy_inbound_gone(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	while (ins->grants_owed)
		fy_grants_told(bulk, ins->grants_owed);
	for (struct fy_inbound *in = ins->first; in; in = in->ch_next) {
		if (in->dead)
			continue;
		in->dead = true;
		for (struct fy_chunk *c = in->flow.flight; c; c = c->next)
			bulk->link->port->ops->cancel(bulk->link->port, &c->request);
	}
	unpark(bulk, ch);
}

void fy_inbound_break(struct fy_bulk *bulk, struct fy_channel *ch, int status, const char *text)
{
	fy_channel_break(bulk->link, ch, status, text);
	fy_inbound_gone(bulk, ch);
}

void fy_inbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	while (ins->first) {
		struct fy_inbound *in = ins->first;
		if (in->message) {
			in->message->flags &= ~FY_MESSAGE_CALL;
			if (!in->flow.n_flight)
				ferry_message_release(in->message);
		}
		fy_inbound_free(bulk, in);
	}
}
