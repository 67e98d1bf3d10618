/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages that have memory: their chunks are received into it. Everything here is the
 * helm's.
 *
 * A step posts receives of one chunk's worth in all, each time of the next transfer. So transfers
 * that began together end together. On one host the copy usually happens inside the call that posts
 * the receive, because the send is already there. A small message therefore waits for at most one
 * chunk's copy, or as many bytes of several messages (for up to 4 MiB of a message that is sent as
 * one chunk). While small messages keep coming the transfers get a third of the time.
 *
 * A message of which a chunk failed, or was longer or shorter than announced, is not delivered. Its
 * other chunks are on their way, so they are received. Then its memory is freed, its place in the
 * order becomes empty, and a second grant tells the sender. That grant goes before the
 * acknowledgement of the place.
 */
#include "bulk/landing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/crc32c.h"
#include "base/list.h"
#include "base/order.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/grants.h"
#include "bulk/inbound.h"
#include "bulk/speed.h"
#include "bulk/turns.h"
#include "bulk/bulk.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/message.h"
#include "trace/records.h"
#include "wire/record.h"
#include "link/link.h"
#include "bulk/pair.h"

#define WAY 2
#define WAY_MAX FERRY_US(500) /* a copy that took longer was interrupted by something else */
/* A granted transfer is stalled when no chunk of it came for so long. */
#define STALLED FERRY_S(1)

void fy_landing_add(struct fy_bulk *bulk, struct fy_inbound *in)
{
	in->next = NULL;
	fy_list_append(bulk->landing.first, bulk->landing.last, in);
	in->moved_at = bulk->link->now;
	in->timed = fy_speed_counts(bulk, in->ch, in->announced.total);
	if (in->timed)
		fy_speed_begin(&bulk->speed_in, bulk->link->now);
	if (!in->prepaid)
		fy_turns_take(&fy_pair_in(in->ch)->turns, &in->flow);
}

/* ---- stalled transfers ------------------------------------------------------------------ */

static void look_for_stall(struct fy_bulk *bulk, struct fy_inbound *in)
{
	if (in->stalled || in->prepaid || !in->flow.n_flight ||
	    bulk->link->now - in->moved_at < STALLED)
		return;
	in->stalled = true;
	fy_pair_in(in->ch)->n_stalled++;
	bulk->stalls++;
	bulk->budget.stalled[fy_inbound_share(in)] += in->bytes.large;
}

/* A chunk came, or the transfer ends: its memory counts in the budget again. */
static void unstall(struct fy_bulk *bulk, struct fy_inbound *in)
{
	in->moved_at = bulk->link->now;
	if (!in->stalled)
		return;
	in->stalled = false;
	fy_pair_in(in->ch)->n_stalled--;
	bulk->budget.stalled[fy_inbound_share(in)] -= in->bytes.large;
}

/* ---- chunks that do not come ------------------------------------------- */

static bool is_cut(const struct fy_inbound *in, uint64_t number)
{
	return in->cut.seen && (int64_t)(number - in->cut.at) >= 0;
}

static bool is_lost(const struct fy_inbound *in, uint64_t number)
{
	uint64_t behind = in->cut.at - 1 - number;
	return is_cut(in, number) || (in->cut.seen && behind < 32 && in->cut.lost >> behind & 1);
}

void fy_landing_cancel_lost(struct fy_bulk *bulk, struct fy_inbound *in)
{
	for (struct fy_chunk *c = in->flow.flight; c; c = c->next)
		if (!c->lost && is_lost(in, c->number)) {
			c->lost = true;
			bulk->link->port->ops->cancel(bulk->link->port, &c->request);
		}
}

/* Move to the next chunk that comes. Returns its bytes, or 0: there is none. */
static size_t next_chunk(struct fy_inbound *in)
{
	size_t n;
	while ((n = fy_flow_next(in->message, in->announced.n_parts, in->chunk_bytes, &in->flow)) !=
	               0 &&
	       in->cut.seen) {
		if (is_cut(in, in->flow.at.number))
			return 0;
		if (!is_lost(in, in->flow.at.number))
			return n;
		in->flow.at.offset += n;
		in->flow.at.number++;
	}
	return n;
}

/* ---- receives ---------------------------------------------------------- */

/* Post a receive for the next chunk. Returns its bytes; 0: there is none, or not now. */
static size_t post_chunk(struct fy_bulk *bulk, struct fy_inbound *in)
{
	struct fy_flow *flow = &in->flow;
	size_t n = next_chunk(in);
	bool may = n && !(in->sunk && bulk->sink.used) &&
	           fy_turns_tag_free(bulk, &fy_pair_in(in->ch)->turns, flow);
	struct fy_chunk *c = may ? fy_chunk_get(bulk) : NULL;
	if (!c)
		return 0;
	char *data = in->sunk ? bulk->sink.space
	                      : fy_chunk_part(in->message, flow->at.part) + flow->at.offset;
	if (bulk->link->port->ops->recv(bulk->link->port, in->ch->rank,
	                                fy_chunk_tag(bulk, flow->at.number), data, n,
	                                &c->request) != 0) {
		fy_chunk_put(bulk, c);
		if (fy_flow_start_failed(bulk, flow))
			fy_inbound_break(
				bulk, in->ch, FERRY_EMPI,
				"MPI did not take a receive for a part of a large message");
		return 0;
	}
	fy_flow_start(bulk, flow, c, n);
	c->data = data;
	bulk->sink.used |= in->sunk;
	bulk->landing.bytes += n;
	return n;
}

/* Has nothing been missing so far? */
static bool may_be_whole(const struct fy_inbound *in)
{
	return !in->dead && !in->status && !in->cut.seen;
}

static void test_flight(struct fy_bulk *bulk, struct fy_inbound *in)
{
	struct fy_chunk *c;
	while ((c = fy_flow_done(bulk, &in->flow))) {
		if (!in->dead && !c->lost && !in->status &&
		    (c->request.status || c->request.nbytes != c->nbytes))
			in->status = c->request.status ? c->request.status : FERRY_EDECODE;
		if (fy_unlikely(bulk->link->options->checksum) && may_be_whole(in))
			in->flow.sum = fy_crc32c(in->flow.sum, c->data, c->nbytes);
		bulk->link->stats.bytes_received += c->request.nbytes;
		bulk->landing.bytes -= c->nbytes;
		if (in->timed)
			fy_speed_moved(&bulk->speed_in, bulk->link->now, c->request.nbytes);
		if (in->sunk)
			bulk->sink.used = false;
		fy_chunk_put(bulk, c);
		unstall(bulk, in);
	}
}

/* Post receives for a transfer. One chunk may always be asked for; more only while few bytes are,
 * because chunks of several transfers may come, and be copied, at once. */
static void ask(struct fy_bulk *bulk, struct fy_inbound *in, size_t *budget)
{
	size_t n, before = *budget;
	while (!in->dead && *budget && in->flow.n_flight < fy_flow_chunks(bulk, in->chunk_bytes) &&
	       (!in->flow.n_flight || bulk->landing.bytes < FY_CHUNKS_MAX * bulk->chunk_bytes) &&
	       (n = post_chunk(bulk, in)) != 0)
		*budget -= n < *budget ? n : *budget;
	in->chunk_asked = *budget < before;
}

/* A message that came as a whole waits for its checksum. */
static bool lacks_sum(const struct fy_bulk *bulk, const struct fy_inbound *in)
{
	return fy_unlikely(bulk->link->options->checksum) && !in->told.here && may_be_whole(in);
}

static bool is_over(const struct fy_bulk *bulk, struct fy_inbound *in)
{
	return !in->flow.n_flight && !in->grant_owed &&
	       (in->dead || (!next_chunk(in) && !lacks_sum(bulk, in)));
}

/* ---- over -------------------------------------------------------------- */

/* The message is not complete: free its memory, and end it. */
static void incomplete(struct fy_bulk *bulk, struct fy_inbound *in)
{
	in->message->flags &= ~FY_MESSAGE_CALL; /* its call fails at the caller */
	ferry_message_release(in->message);
	in->message = NULL;
	if (in->dead) {
		fy_inbound_free(bulk, in);
		return;
	}
	fy_inbound_refuse(bulk, in, in->cut.seen ? in->cut.status : in->status);
	if (in->announced.kind == FY_KIND_REPLY && !in->cut.seen)
		fy_inbound_free(bulk, in); /* its call has failed here; its sender need not know */
	else
		fy_grants_owe(bulk, in);
}

static void note_complete(struct fy_trace *t, const struct fy_inbound *in)
{
	const struct fy_announced *a = &in->announced;
	fy_trace_records_large_landed(t,
	                              &(struct fy_trace_large){ .peer = in->ch->rank,
	                                                        .xid = a->xid,
	                                                        .nbytes = a->total,
	                                                        .op = a->op,
	                                                        .reply = a->kind == FY_KIND_REPLY,
	                                                        .place = a->traced,
	                                                        .call_id = a->call_id });
	in->message->traced = a->traced;
}

static void complete(struct fy_bulk *bulk, struct fy_inbound *in)
{
	struct fy_channel *ch = in->ch;
	if (bulk->link->trace)
		note_complete(bulk->link->trace, in);
	if (in->held) {
		in->held->message = in->message;
		in->held->ready = true;
		fy_stream_in_release(bulk->link, ch, in->announced.stream);
	} else {
		fy_call_reply(bulk->link, ch->rank, in->announced.call_id, in->message,
		              in->announced.colour);
	}
	fy_inbound_free(bulk, in);
}

static void end_landing(struct fy_bulk *bulk, struct fy_inbound *in)
{
	unstall(bulk, in);
	if (in->timed)
		fy_speed_end(&bulk->speed_in, bulk->link->now);
	if (in->announced.kind == FY_KIND_REPLY)
		bulk->budget.used[1] -= in->bytes.large;
	if (in->told.here && may_be_whole(in) && in->told.sum != in->flow.sum) {
		fy_channel_damaged(bulk->link, in->ch, "a large message");
		fy_inbound_gone(bulk, in->ch);
	}
	if (!may_be_whole(in))
		incomplete(bulk, in);
	else
		complete(bulk, in);
}

/* ---- turns ------------------------------------------------------------- */

static uint64_t small_records(const struct fy_bulk *bulk)
{
	return bulk->link->stats.delivered - bulk->announcements;
}

/* If small messages arrived since the last chunk, pause chunks for WAY times the duration of that
 * chunk's copy, so that small exchanges mostly find the engine idle. */
static bool make_way(const struct fy_bulk *bulk)
{
	return bulk->link->now - bulk->landing.landed_at < WAY * bulk->landing.took &&
	       small_records(bulk) != bulk->landing.small_seen;
}

static void note_landing(struct fy_bulk *bulk)
{
	bulk->landing.landed_at = bulk->link->port->ops->now(bulk->link->port);
	bulk->landing.took = bulk->landing.landed_at - bulk->link->now < WAY_MAX
	                             ? bulk->landing.landed_at - bulk->link->now
	                             : WAY_MAX;
	bulk->landing.small_seen = small_records(bulk);
}

/* On one host a receive mostly copies its chunk at once. On the wire it only lets the data come. */
static size_t a_step(const struct fy_bulk *bulk)
{
	return (bulk->link->port->all_local ? 1 : FY_CHUNKS_MAX) * bulk->chunk_bytes;
}

struct turns {
	struct fy_inbound *first[2], **last[2];
};

static void append(struct turns *turns, int which, struct fy_inbound *in)
{
	in->next = NULL;
	*turns->last[which] = in;
	turns->last[which] = &in->next;
}

/* Put the transfers in `turns` behind those that are in the list. */
static void put_back(struct fy_bulk *bulk, struct turns *turns)
{
	for (int i = 0; i < 2; i++)
		for (struct fy_inbound *in = turns->first[i], *next; in; in = next) {
			next = in->next;
			in->next = NULL;
			fy_list_append(bulk->landing.first, bulk->landing.last, in);
		}
}

/* Transfers take turns, as in outbound.c. All receives of the step are posted before the second
 * test, so that MPI copies all their chunks in one call. */
void fy_landing_step(struct fy_bulk *bulk)
{
	struct turns turns = { { NULL, NULL }, { &turns.first[0], &turns.first[1] } };
	size_t budget = make_way(bulk) ? 0 : a_step(bulk), whole = budget;
	unsigned active = 0;
	struct fy_inbound *in;
	for (in = bulk->landing.first; in && active < FY_ACTIVE_MAX; in = in->next, active++) {
		test_flight(bulk, in);
		ask(bulk, in, &budget);
	}
	for (; active && (in = bulk->landing.first); active--) {
		fy_list_drop(bulk->landing.first, bulk->landing.last);
		if (in->chunk_asked)
			test_flight(bulk, in); /* a receive whose send is there is often done */
		look_for_stall(bulk, in);
		if (is_over(bulk, in))
			end_landing(bulk, in);
		else
			append(&turns, in->chunk_asked, in);
	}
	if (budget < whole)
		note_landing(bulk);
	put_back(bulk, &turns);
}
