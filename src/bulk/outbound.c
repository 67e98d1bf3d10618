/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages, the sender's side: granted, and sent in chunks. announce.c announces them. Only
 * the holder of the helm may call.
 *
 * A message passes through these lists of its peer:
 *
 *   ungranted  announced, its grant has not come
 *   active     prepaid or granted: its chunks are being sent
 *   unacked    from the announcement until its place in the stream is acknowledged. So a message
 *              whose chunks are all sent, and whose memory is the poster's again, may be in here
 *              only: the receiver may still say that not all of it came. A reply is never in here,
 *              because the receiver of a reply tells whoever waits for it.
 *
 * If the send of a chunk cannot be started, later steps try again, for FY_CHUNK_RETRY_MAX (1 s).
 * After that, or at once if a send fails that was started, the message is broken. No more chunks of
 * it are started, and the receiver is told which ones do not come (FY_OP_LOST). It cancels their
 * receives, and confirms that by a second grant, with a status. Until then the tags of the lost
 * chunks stay in use, because receives with these tags may still be posted. The poster's future
 * ends at once, with MPI's text. If the receiver finds that a chunk did not come as it should, the
 * same second grant ends the future. In both cases the message keeps its place in the order, which
 * is acknowledged.
 */
#include "bulk/outbound.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/crc32c.h"
#include "base/list.h"
#include "base/order.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/speed.h"
#include "bulk/turns.h"
#include "future/future.h"
#include "bulk/bulk.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/control.h"
#include "link/release.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/message.h"
#include "trace/records.h"
#include "wire/bodies.h"
#include "wire/record.h"
#include "link/link.h"
#include "bulk/pair.h"

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

void fy_outbound_give_turn(struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(x->ch);
	x->admitted = true;
	fy_turns_take(&outs->turns, &x->flow);
	append(&outs->active, &outs->active_last, x);
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
	x->lost_owed = !fy_control_put(bulk->link, x->ch, FY_OP_LOST, &lost, sizeof lost);
}

/* All chunks are started. */
static void tell_sum(struct fy_bulk *bulk, struct fy_outbound *x)
{
	struct fy_sum sum = { x->xid, x->flow.sum, 0 };
	x->sum_owed = !fy_control_put(bulk->link, x->ch, FY_OP_SUM, &sum, sizeof sum);
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
	if (fy_unlikely(x->sum_owed))
		x->flow.sum = fy_crc32c(x->flow.sum, data, n);
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
	while (!x->ch->gone && !x->broken && *budget &&
	       x->flow.n_flight < fy_flow_chunks(bulk, x->chunk_bytes) &&
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
	if (x->sum_owed && !x->broken)
		tell_sum(bulk, x);
	if (x->flow.n_flight || x->lengths_sent < x->n_parts || (x->sum_owed && !x->broken))
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
	if (bulk->link->trace)
		fy_trace_records_large_departed(bulk->link->trace,
		                                &(struct fy_trace_large){ .peer = ch->rank,
		                                                          .xid = x->xid,
		                                                          .nbytes = x->total,
		                                                          .failed = x->failed });
	x->over = true;
	if (x->acked)
		free(x);
}

/* A channel's transfers take turns. In the next step those that were not looked at come first, then
 * those that started no chunk, then those that did. */
void fy_outbound_step(struct fy_bulk *bulk, struct fy_channel *ch)
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
		fy_outbound_give_turn(x);
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
static void leave_unacked(struct fy_bulk *bulk, struct fy_channel *ch, struct fy_outbound *before,
                          struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	if (fy_speed_counts(bulk, ch, x->total))
		fy_speed_end(&bulk->speed_out, bulk->link->now);
	*(before ? &before->unacked_next : &outs->unacked) = x->unacked_next;
	if (outs->unacked_last == x)
		outs->unacked_last = before;
	x->acked = true;
	if (x->over)
		free(x);
}

static void leave_all_unacked(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	while (outs->unacked)
		leave_unacked(bulk, ch, NULL, outs->unacked);
}

void fy_outbound_acked(struct fy_bulk *bulk, struct fy_channel *ch, uint32_t stream, uint32_t upto)
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
		if (!x->failed && fy_speed_counts(bulk, ch, x->total))
			fy_speed_moved(&bulk->speed_out, bulk->link->now, x->total);
		leave_unacked(bulk, ch, before, x);
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
static bool leave_streams(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_refused *r)
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
		leave_unacked(bulk, ch, before, x);
	}
	return stray;
}

bool fy_outbound_refused(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_refused *r)
{
	bool stray = leave_streams(bulk, ch, r);
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
	leave_all_unacked(bulk, ch);
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
	leave_all_unacked(bulk, ch);
	free_list(bulk, &outs->active);
	free_list(bulk, &outs->ungranted);
}
