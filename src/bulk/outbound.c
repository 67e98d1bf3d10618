/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages, the sender's side: announced, granted, sent in chunks. Everything here is the
 * helm's.
 *
 * A message passes through these lists of its peer:
 *
 *   asked    announced, its grant has not come
 *   active   prepaid or granted: its chunks are being sent
 *   unacked  from the announcement until its place in the stream is acknowledged. So a message
 *            whose chunks are all sent, and whose memory is the poster's again, may be in here
 *            only: the receiver may still say that not all of it came. A reply is never in here,
 *            because the receiver of a reply tells whoever waits for it.
 *
 * If MPI does not send a chunk the message is broken. No more chunks of it are started, and the
 * receiver is told which ones do not come (FY_OP_LOST). It cancels their receives, and confirms
 * that by a second grant, with a status. Until then the tags of the lost chunks stay in use,
 * because receives with these tags may still be posted. The poster's future ends at once, with
 * MPI's text. If the receiver finds that a chunk did not come as it should, the same second grant
 * ends the future. In both cases the message keeps its place in the order, which is acknowledged.
 */
#include "bulk/outbound.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/turns.h"
#include "future/future.h"
#include "bulk/bulk.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/credit.h"
#include "link/pending.h"
#include "link/release.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/record.h"
#include "link/link.h"
#include "bulk/pair.h"

/* A message of up to so many bytes that is not prepaid asks for a larger window. */
#define PREPAID_WISH (1u << 20)
/* On one host each part of a message of up to so many bytes is one chunk: a chunk costs 2 us beside
 * its copy, and the copy of so much takes 0.4 ms. */
#define BRIEF (4u << 20)

static void append(struct fy_outbound **first, struct fy_outbound **last, struct fy_outbound *x)
{
	x->next = NULL;
	fy_list_append(*first, *last, x);
}

/* Find a message that is active, or whose place in the stream is not acknowledged. */
static struct fy_outbound *find(struct fy_channel *ch, uint64_t xid)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	for (struct fy_outbound *x = outs->active; x; x = x->next)
		if (x->xid == xid)
			return x;
	for (struct fy_outbound *x = outs->unacked; x; x = x->unacked_next)
		if (x->xid == xid)
			return x;
	return NULL;
}

static struct fy_outbound *take_asked(struct fy_channel *ch, uint64_t xid)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	struct fy_outbound **at = &outs->ungranted, *before = NULL;
	while (*at && (*at)->xid != xid) {
		before = *at;
		at = &before->next;
	}
	struct fy_outbound *x = *at;
	if (!x)
		return NULL;
	*at = x->next;
	if (outs->ungranted_last == x)
		outs->ungranted_last = before;
	return x;
}

static void give_turn(struct fy_channel *ch, struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	x->admitted = true;
	fy_turns_take(&outs->turns, &x->flow);
	append(&outs->active, &outs->active_last, x);
}

static void put_lengths(char *to, const ferry_message *m, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t n = fy_chunk_part_length(m, from + i);
		memcpy(to + 8 * i, &n, sizeof n);
	}
}

/* May the message be prepaid? It has to fit into half of the unspent credit, and its chunks' tags
 * must not be those of any unfinished chunk. Of messages without a turn the first in `ungranted`
 * has the lowest numbers. */
static bool may_prepay(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	uint64_t low = outs->ungranted ? outs->ungranted->flow.at.number : x->flow.at.number;
	return x->kind != FY_KIND_REPLY && x->n_parts <= FY_LENGTHS_RECORD &&
	       x->total <= (ch->credit.limit - ch->credit.spent) / 2 &&
	       fy_turns_single(bulk, &outs->turns, low, x->flow.end);
}

static bool write_announcement(struct fy_bulk *bulk, struct fy_outbound *x, struct fy_record *r,
                               uint32_t word, uint32_t stream)
{
	struct fy_channel *ch = x->ch;
	bool prepaid = may_prepay(bulk, ch, x);
	uint32_t count = fy_bodies_lengths(x->n_parts);
	struct fy_announce a = { .xid = x->xid,
		                 .total = x->total,
		                 .first_chunk = x->flow.at.number,
		                 .n_parts = x->n_parts,
		                 .chunk_bytes = (uint32_t)x->chunk_bytes,
		                 .flags = prepaid ? FY_ANNOUNCE_PREPAID : 0 };
	*r = (struct fy_record){ word, x->message->op, (uint32_t)ch->rank, stream };
	if (word & FY_EXT)
		fy_record_set_ext(r, x->call_id);
	memcpy(fy_record_data(r), &a, sizeof a);
	put_lengths(fy_record_data(r) + sizeof a, x->message, 0, count);
	x->lengths_sent = count;
	if (prepaid)
		ch->credit.spent += x->total;
	else if (x->kind != FY_KIND_REPLY && x->total <= PREPAID_WISH && !ch->credit.hungry_told)
		ch->credit.hungry = true;
	return prepaid;
}

static size_t chunk_bytes(const struct fy_bulk *bulk, uint64_t total)
{
	return bulk->link->port->all_local && total <= BRIEF && BRIEF <= bulk->link->port->chunk_max
	               ? BRIEF
	               : bulk->chunk_bytes;
}

static struct fy_outbound *outbound_create(struct fy_bulk *bulk, struct fy_channel *ch,
                                           ferry_message *m, uint32_t kind, uint32_t stream,
                                           uint64_t call_id)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	struct fy_outbound *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	uint64_t total = fy_message_total(m);
	*x = (struct fy_outbound){ .ch = ch,
		                   .message = m,
		                   .xid = outs->next_xid,
		                   .total = total,
		                   .call_id = call_id,
		                   .kind = kind,
		                   .stream = stream & FY_STREAM,
		                   .n_parts = (uint32_t)m->n_attachments + 1,
		                   .chunk_bytes = chunk_bytes(bulk, total),
		                   .place = fy_channel_place(ch),
		                   .lengths_place = fy_channel_place(ch),
		                   .acked = true };
	x->flow.at.number = outs->next_chunk;
	x->flow.end = outs->next_chunk + fy_chunk_count_all(m, x->n_parts, x->chunk_bytes);
	return x;
}

static void join_stream(struct fy_bulk *bulk, struct fy_stream_out *s, struct fy_outbound *x,
                        ferry_future *future, uint32_t stream)
{
	fy_stream_out_count(s);
	x->stream_number = s->sent;
	x->acked = false;
	fy_list_join(fy_pair_out(x->ch)->unacked, fy_pair_out(x->ch)->unacked_last, x, x,
	             unacked_next);
	if (!future)
		return;
	future->id = s->sent;
	fy_pending_await(bulk->link, future,
	                 stream & FY_TAGGED ? stream
	                                    : stream | fy_record_tag(bulk->link->counts.colour));
	fy_list_append(s->first, s->last, future);
}

/* Lengths that do not fit into the announcement follow in control records. */
static void send_lengths(struct fy_bulk *bulk, struct fy_outbound *x)
{
	while (x->lengths_sent < x->n_parts) {
		uint32_t count = fy_bodies_lengths(x->n_parts - x->lengths_sent), n = 8 + 8 * count;
		struct fy_record *r = fy_channel_reserve(bulk->link, x->ch, fy_record_size(n));
		if (!r)
			return;
		*r = (struct fy_record){ FY_KIND_CONTROL | n, FY_OP_LENGTHS, (uint32_t)x->ch->rank,
			                 0 };
		memcpy(fy_record_data(r), &x->xid, sizeof x->xid);
		put_lengths(fy_record_data(r) + 8, x->message, x->lengths_sent, count);
		x->lengths_place = fy_channel_place(x->ch);
		fy_channel_commit(bulk->link, x->ch, fy_record_size(n));
		x->lengths_sent += count;
	}
}

/* The message is announced: put it into the lists. */
static void keep_outbound(struct fy_bulk *bulk, struct fy_outbound *x, bool prepaid)
{
	struct fy_channel *ch = x->ch;
	fy_pair_out(ch)->next_xid++;
	fy_pair_out(ch)->next_chunk = x->flow.end;
	bulk->n_out++;
	if (prepaid) {
		give_turn(ch, x);
	} else {
		append(&fy_pair_out(ch)->ungranted, &fy_pair_out(ch)->ungranted_last, x);
		bulk->link->stats.grants_waited++;
	}
	send_lengths(bulk, x);
	fy_pair_out(ch)->n_lengths_behind += x->lengths_sent < x->n_parts;
}

static uint32_t announcement_body(const ferry_message *m)
{
	return (uint32_t)sizeof(struct fy_announce) +
	       8 * fy_bodies_lengths((uint32_t)m->n_attachments + 1);
}

bool fy_outbound_admits(struct fy_bulk *bulk, struct fy_channel *ch, const ferry_message *m)
{
	return fy_credit_admits(bulk->link, ch, fy_record_size(FY_EXT | announcement_body(m)));
}

bool fy_outbound_announce(struct fy_bulk *bulk, struct fy_channel *ch, ferry_message *m,
                          uint32_t kind, uint32_t stream, uint64_t call_id, ferry_future *future)
{
	bool reply = kind == FY_KIND_REPLY;
	uint32_t word = kind | FY_LARGE | (call_id ? FY_EXT : 0) | (reply ? 0 : FY_HELD) |
	                announcement_body(m);
	uint32_t size = fy_record_size(word);
	if (!reply && !fy_credit_admits(bulk->link, ch, size))
		return false;
	struct fy_record *r = fy_channel_reserve(bulk->link, ch, size);
	struct fy_stream_out *s =
		r && !reply ? fy_stream_out_find(bulk->link, ch, stream & FY_STREAM, true) : NULL;
	bool counted = reply || (s && fy_stream_out_reserve(ch, s));
	struct fy_outbound *x =
		r && counted ? outbound_create(bulk, ch, m, kind, stream, call_id) : NULL;
	if (!x && s)
		fy_stream_out_settle(bulk->link, ch, s);
	if (!x)
		return false;
	fy_channel_commit(bulk->link, ch, size);
	if (!reply)
		fy_credit_spend(ch, size);
	bool prepaid = write_announcement(bulk, x, r, word, stream);
	if (s)
		join_stream(bulk, s, x, future, stream);
	keep_outbound(bulk, x, prepaid);
	return true;
}

static void lengths_behind(struct fy_bulk *bulk, struct fy_channel *ch, struct fy_outbound *list)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	for (struct fy_outbound *x = list; x && outs->n_lengths_behind; x = x->next)
		if (x->lengths_sent < x->n_parts) {
			send_lengths(bulk, x);
			outs->n_lengths_behind -= x->lengths_sent == x->n_parts;
		}
}

/* End the future with the reason why the message does not arrive. Its place in the stream is
 * acknowledged later. */
static void fail(struct fy_bulk *bulk, struct fy_outbound *x, int status, const char *why)
{
	if (x->failed)
		return;
	x->failed = true;
	bulk->link->stats.refused++;
	if (x->kind == FY_KIND_CALL) {
		ferry_future *future = fy_call_close(bulk->link, x->call_id, x->ch->rank);
		if (future)
			fy_future_complete(future, status, why);
	} else if (x->kind == FY_KIND_POST) {
		fy_stream_out_fail(bulk->link, x->ch, x->stream, x->stream_number, status, why);
	}
}

static void not_sent(struct fy_bulk *bulk, struct fy_outbound *x, const char *text)
{
	char why[256];
	snprintf(why, sizeof why, "MPI did not send a part of it: %s",
	         text && *text ? text : "it said no more");
	x->broken = x->lost_owed = true;
	fail(bulk, x, FERRY_EMPI, why);
}

static void tell_lost(struct fy_bulk *bulk, struct fy_outbound *x)
{
	struct fy_lost lost = { x->xid, x->flow.at.number, x->lost, FERRY_EMPI };
	uint32_t size = fy_record_size(sizeof lost);
	struct fy_record *r = fy_channel_reserve(bulk->link, x->ch, size);
	if (!r)
		return;
	*r = (struct fy_record){ FY_KIND_CONTROL | (uint32_t)sizeof lost, FY_OP_LOST,
		                 (uint32_t)x->ch->rank, 0 };
	memcpy(fy_record_data(r), &lost, sizeof lost);
	fy_channel_commit(bulk->link, x->ch, size);
	x->lost_owed = false;
}

/* Start the next chunk. Returns its bytes; 0: there is none, or not now. */
static size_t start_chunk(struct fy_bulk *bulk, struct fy_outbound *x)
{
	size_t n = fy_flow_next(x->message, x->n_parts, x->chunk_bytes, &x->flow);
	struct fy_chunk *c = n && fy_turns_tag_free(bulk, &fy_pair_out(x->ch)->turns, &x->flow)
	                             ? fy_chunk_get(bulk)
	                             : NULL;
	if (!c)
		return 0;
	const char *data = fy_chunk_part(x->message, x->flow.at.part) + x->flow.at.offset;
	if (bulk->link->port->ops->send(bulk->link->port, x->ch->rank,
	                                fy_chunk_tag(bulk, x->flow.at.number), data, n,
	                                &c->request) != 0) {
		fy_chunk_put(bulk, c);
		if (fy_flow_start_failed(bulk, &x->flow))
			not_sent(bulk, x, bulk->link->port->ops->error(bulk->link->port));
		return 0;
	}
	fy_flow_start(bulk, &x->flow, c, n);
	bulk->link->stats.bytes_sent += n;
	return n;
}

static void test_flight(struct fy_bulk *bulk, struct fy_outbound *x)
{
	struct fy_chunk *c;
	while ((c = fy_flow_done(bulk, &x->flow))) {
		if (c->request.status) {
			x->lost |= 1u << (x->flow.at.number - 1 - c->number);
			fy_flow_keep_tag(&x->flow, c->number);
			not_sent(bulk, x, bulk->link->port->ops->error(bulk->link->port));
		}
		fy_chunk_put(bulk, c);
	}
}

/* Give the memory back to the poster. */
static void give_back(struct fy_bulk *bulk, struct fy_outbound *x)
{
	ferry_message *m = x->message;
	x->message = NULL;
	if (m && x->kind == FY_KIND_REPLY)
		fy_release_message(bulk->link, m);
	else if (m)
		fy_release_body(bulk->link, x->ch->rank, m);
}

/* True: the whole message is sent, or will never be. */
static bool step_one(struct fy_bulk *bulk, struct fy_outbound *x, size_t *budget)
{
	size_t n;
	test_flight(bulk, x);
	while (!x->ch->gone && !x->broken && *budget && x->flow.n_flight < FY_CHUNKS_MAX &&
	       (n = start_chunk(bulk, x)) != 0) {
		*budget -= n < *budget ? n : *budget;
		bulk->link->worked = true;
	}
	if (x->ch->gone)
		return !x->flow.n_flight;
	if (!x->broken && fy_flow_next(x->message, x->n_parts, x->chunk_bytes, &x->flow))
		return false;
	if (x->lost_owed)
		tell_lost(bulk, x);
	if (x->flow.n_flight || x->lengths_sent < x->n_parts)
		return false;
	give_back(bulk, x);
	return !x->broken || x->confirmed; /* a broken one waits for the receiver's second grant */
}

/* The transfer is over, and has left `active`. */
static void end_outbound(struct fy_bulk *bulk, struct fy_outbound *x)
{
	struct fy_channel *ch = x->ch;
	fy_pair_out(ch)->n_lengths_behind -= x->lengths_sent < x->n_parts;
	bulk->n_out--;
	fy_turns_leave(&fy_pair_out(ch)->turns, &x->flow);
	give_back(bulk, x);
	x->over = true;
	if (x->acked)
		free(x);
}

/* A channel's transfers take turns. In the next step those that were not looked at come first, then
 * those that started no chunk, then those that did. */
static void step_channel(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	struct fy_outbound *turn[2] = { NULL, NULL }, *turn_last[2] = { NULL, NULL }, *over = NULL,
			   *x;
	size_t budget = FY_CHUNKS_MAX * bulk->chunk_bytes;
	for (unsigned active = FY_ACTIVE_MAX; active && (x = outs->active); active--) {
		size_t before = budget;
		outs->active = x->next;
		bool done = step_one(bulk, x, &budget);
		if (done) {
			x->next = over;
			over = x;
		} else {
			append(&turn[budget < before], &turn_last[budget < before], x);
		}
	}
	if (!outs->active)
		outs->active_last = NULL;
	for (int i = 0; i < 2; i++)
		if (turn[i]) {
			fy_list_join(outs->active, outs->active_last, turn[i], turn_last[i], next);
		}
	while ((x = over)) {
		over = x->next;
		end_outbound(bulk, x);
	}
}

void fy_outbound_step(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	if (outs->n_lengths_behind) {
		lengths_behind(bulk, ch, outs->ungranted);
		lengths_behind(bulk, ch, outs->active);
	}
	if (outs->active)
		step_channel(bulk, ch);
}

/* A second grant. Either the receiver says that not all of the message came, or it answers our
 * FY_OP_LOST. */
static void not_received(struct fy_bulk *bulk, struct fy_channel *ch, uint64_t xid, int status)
{
	struct fy_outbound *x = find(ch, xid);
	if (!x || x->failed != x->broken) {
		bulk->link->stats.malformed++; /* of no message of ours, or a third grant */
		return;
	}
	fail(bulk, x, status,
	     status == FERRY_ENOMEM ? "the receiver had no memory for it"
	                            : "the receiver did not get all of it");
	x->confirmed = x->broken;
}

void fy_outbound_granted(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_grant *g)
{
	int status = g->status > 0 ? FERRY_EDECODE : g->status;
	struct fy_outbound *x = take_asked(ch, g->xid);
	if (x && !status) {
		give_turn(ch, x);
	} else if (x) {
		fail(bulk, x, status, "the receiver had no memory for it or does not admit it");
		end_outbound(bulk, x);
	} else if (status) {
		not_received(bulk, ch, g->xid, status);
	} else {
		bulk->link->stats.malformed++;
	}
}

/* Take `x` out of `unacked`. `before`: the one before it in the list, or NULL. */
static void leave_unacked(struct fy_channel *ch, struct fy_outbound *before, struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	*(before ? &before->unacked_next : &outs->unacked) = x->unacked_next;
	if (outs->unacked_last == x)
		outs->unacked_last = before;
	x->acked = true;
	if (x->over)
		free(x);
}

static void leave_all_unacked(struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	while (outs->unacked)
		leave_unacked(ch, NULL, outs->unacked);
}

void fy_outbound_acked(struct fy_channel *ch, uint32_t stream, uint32_t upto)
{
	struct fy_outbound *before = NULL, *next;
	for (struct fy_outbound *x = fy_pair_out(ch)->unacked; x; x = next) {
		next = x->unacked_next;
		if (x->stream != stream) {
			before = x;
			continue;
		}
		if ((int32_t)(x->stream_number - upto) > 0)
			break;
		leave_unacked(ch, before, x);
	}
}

static bool is_refused(uint64_t place, const struct fy_refused *r)
{
	return place >> 32 == r->seq && (uint32_t)place >= r->index;
}

/* Was the message announced before the refused records, and may some of its lengths be in them? */
static bool lacks_lengths(const struct fy_outbound *x, const struct fy_refused *r)
{
	uint32_t first = (uint32_t)(x->place >> 32), last = (uint32_t)(x->lengths_place >> 32);
	if (x->lengths_place == x->place || (int32_t)(first - r->seq) > 0 ||
	    (int32_t)(last - r->seq) < 0)
		return false;
	return last != r->seq || is_refused(x->lengths_place, r);
}

/* Messages announced in refused records lose their places in their streams. True: chunks of one of
 * them are on the way, and nobody receives them. */
static bool leave_streams(struct fy_channel *ch, const struct fy_refused *r)
{
	bool stray = false;
	struct fy_outbound *before = NULL, *next;
	for (struct fy_outbound *x = fy_pair_out(ch)->unacked; x; x = next) {
		next = x->unacked_next;
		if (!is_refused(x->place, r)) {
			before = x;
			continue;
		}
		stray |= x->admitted && x->total;
		leave_unacked(ch, before, x);
	}
	return stray;
}

bool fy_outbound_refused(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_refused *r)
{
	bool stray = leave_streams(ch, r);
	for (struct fy_outbound *x = fy_pair_out(ch)->ungranted, *next; x; x = next) {
		next = x->next;
		if (is_refused(x->place, r)) {
			take_asked(ch, x->xid);
			fail(bulk, x, r->status, "the receiver could not read its announcement");
			end_outbound(bulk, x);
		} else {
			stray |= lacks_lengths(x, r);
		}
	}
	return !stray;
}

/* The peer is gone. Chunks that MPI has stay until it is done with them. */
void fy_outbound_gone(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	leave_all_unacked(ch);
	while (outs->ungranted) {
		struct fy_outbound *x = outs->ungranted;
		outs->ungranted = x->next;
		end_outbound(bulk, x);
	}
	outs->ungranted_last = NULL;
}

static void free_list(struct fy_bulk *bulk, struct fy_outbound **list)
{
	while (*list) {
		struct fy_outbound *x = *list;
		*list = x->next;
		if (x->flow.n_flight)
			bulk->link->stats.kept++;
		else if (x->message)
			ferry_message_release(x->message);
		free(x);
	}
}

void fy_outbound_free_all(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	leave_all_unacked(ch);
	free_list(bulk, &outs->active);
	free_list(bulk, &outs->ungranted);
}
