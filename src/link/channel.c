/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: the open batch towards one peer, and sending. Records are put into the open batch. It
 * leaves at the end of the step, or earlier when it is full, so it grows only while the loop has
 * more to add or MPI is busy. Only the holder of the helm may call.
 */
#include "link/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "link/link.h"
#include "link/batch.h"
#include "link/counted.h"
#include "link/credit.h"
#include "link/errors.h"
#include "link/failure.h"
#include "link/pending.h"
#include "link/probe.h"
#include "link/stream_in.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/wake.h"
#include "trace/records.h"
#include "wire/bodies.h"
#include "wire/checksum.h"
#include "wire/header.h"

#define FLIGHT_MAX 8u /* batches of one channel that MPI has */

#define ACK_AGE_MAX 8u /* steps that an owed acknowledgement waits while there is other work */
/* After so long a port that does not start a send will not start it any more. */
#define SEND_RETRY_MAX FERRY_S(1)

void fy_channel_mark(struct fy_link *link, struct fy_channel *ch)
{
	if (ch->on_dirty)
		return;
	ch->on_dirty = true;
	ch->dirty_next = link->dirty;
	link->dirty = ch;
}

void fy_channel_owe(struct fy_link *link, struct fy_channel *ch)
{
	ch->control_owed = true;
	fy_channel_mark(link, ch);
}

void fy_channel_break(struct fy_link *link, struct fy_channel *ch, int status, const char *text)
{
	if (ch->gone)
		return;
	ch->gone = status;
	fy_errors_note(link, status, ch->rank, text);
	ch->fast_end = NULL; /* so that the drain looks at `gone` before each record */
	ch->gone_why = strdup(text);
	ch->broken_next = link->broken;
	link->broken = ch;
}

void fy_channel_damaged(struct fy_link *link, struct fy_channel *ch, const char *what)
{
	char why[128];
	snprintf(why, sizeof why, "%s from rank %d was damaged on its way: its checksum is wrong",
	         what, ch->rank);
	link->stats.malformed++;
	fy_log_at(link->engine->log, FERRY_LOG_ERROR,
	          "%s. Nothing of it is used, and the two ranks are gone for each other: look at "
	          "the memory and the network of these two hosts",
	          why);
	fy_channel_break(link, ch, FERRY_EDECODE, why);
}

static void open_fill_back(struct fy_channel *ch)
{
	ch->open->fill = (uint32_t)(ch->fill - ch->open->bytes);
	ch->open->nrecords = ch->nrecords;
	ch->open->spent = ch->credit.spent;
}

void fy_channel_ask(struct fy_link *link, struct fy_channel *ch)
{
	if (ch->gone || ch->bye.owed || !fy_channel_reserve(link, ch, 0))
		return;
	ch->open->flags |= FY_BATCH_WANTS_ACK;
	ch->credit.limit_owed = true; /* so that the batch leaves even without a record */
}

/* The last batch for now is the one that asks whether posts that count were accepted: the answer is
 * for all before it, too. */
static void close_last(struct fy_channel *ch)
{
	if (ch->counted.first)
		ch->open->flags |= FY_BATCH_WANTS_ACK;
	ch->count_owed = false;
	fy_channel_close_batch(ch);
}

/* The open batch takes no more records. It waits for its turn to be sent. */
void fy_channel_close_batch(struct fy_channel *ch)
{
	struct fy_batch *b = ch->open;
	open_fill_back(ch);
	ch->open = NULL;
	ch->fill = ch->fast_end = NULL;
	ch->fast_records = 0;
	b->next = NULL;
	fy_list_append(ch->out.ready, ch->out.ready_last, b);
	ch->out.n_ready++;
}

struct fy_record *fy_channel_reserve_slow(struct fy_link *link, struct fy_channel *ch,
                                          uint32_t size)
{
	if (ch->open && size > (size_t)(fy_channel_open_end(ch) - ch->fill)) {
		fy_channel_close_batch(ch);
		fy_channel_send_full(link, ch);
	}
	if (!ch->open) {
		ch->open = fy_batch_get(link);
		if (!ch->open)
			return NULL;
		ch->fill = ch->open->bytes + ch->open->fill;
		ch->nrecords = 0;
		ch->fast_end = NULL;
		ch->fast_records = 0;
	}
	fy_channel_mark(link, ch);
	return fy_record_at(ch->fill);
}

/* Is a batch owed, even one without records? */
static bool owes_header(struct fy_link *link, struct fy_channel *ch)
{
	bool in_a_hurry = !link->worked || ch->in.ack_age >= ACK_AGE_MAX;
	if (ch->in.ack_owed && !in_a_hurry)
		ch->in.ack_age++;
	return (ch->in.ack_owed && in_a_hurry) || ch->credit.limit_owed ||
	       (ch->bye.owed && !ch->bye.sent) || ch->credit.hungry || ch->count_owed;
}

static void stamp(struct fy_channel *ch, struct fy_batch *b)
{
	struct fy_batch_header *h = fy_header_of(b->bytes);
	bool last = ch->bye.owed && !ch->out.ready->next && !ch->open && !ch->has_queue &&
	            !ch->control_owed;
	*h = (struct fy_batch_header){
		.magic = FY_WIRE_MAGIC,
		.version = FY_WIRE_VERSION,
		.flags = (uint16_t)(b->flags | (ch->credit.hungry ? FY_BATCH_HUNGRY : 0) |
		                    (last ? FY_BATCH_GOODBYE : 0)),
		.seq = ch->out.seq,
		.nrecords = b->nrecords,
		/* a batch with refused records is accepted only when that was said */
		.accepted = (ch->in.n_refused ? ch->in.refused[0].seq : ch->in.seq) - 1,
		.limit = fy_credit_limit(ch),
		/* without what later batches have spent, or credit would come back for batches
		 * that have not arrived */
		.spent = b->spent,
	};
}

static void stamped_and_gone(struct fy_channel *ch, const struct fy_batch *b)
{
	const struct fy_batch_header *h = fy_header_of(b->bytes);
	ch->out.seq++;
	if (h->limit > ch->credit.limit_sent) /* a hungry peer is told of any credit, once */
		ch->credit.peer_hungry = false;
	ch->credit.limit_sent = h->limit;
	ch->credit.hungry_told |= ch->credit.hungry;
	ch->credit.limit_owed = ch->in.ack_owed = ch->credit.hungry = false;
	ch->in.ack_age = 0;
	if (h->flags & FY_BATCH_GOODBYE)
		ch->bye.sent = true;
}

/* The send was not started, so the batch has not used its number. It is tried again for a while. */
static void send_not_started(struct fy_link *link, struct fy_channel *ch)
{
	char why[256];
	if (!ch->out.failed_starts++)
		ch->out.start_fails_since = link->now;
	else if (link->now - ch->out.start_fails_since > SEND_RETRY_MAX) {
		snprintf(why, sizeof why, "MPI takes no batch to rank %d any more: %s", ch->rank,
		         link->port->ops->error(link->port));
		fy_channel_break(link, ch, FERRY_EMPI, why);
	}
}

static bool send_first_ready(struct fy_link *link, struct fy_channel *ch)
{
	struct fy_batch *b = ch->out.ready;
	stamp(ch, b);
	if (fy_unlikely(link->options->checksum))
		fy_checksum_put(b->bytes, b->fill);
	if (fy_unlikely(link->trace) && !ch->out.failed_starts)
		fy_trace_records_leaves(link->trace, ch->rank, b->bytes, b->fill, b->opened);
	if (link->port->ops->send(link->port, ch->rank, FY_TAG_BATCH, b->bytes, b->fill,
	                          &b->request) != 0) {
		send_not_started(link, ch);
		return false;
	}
	stamped_and_gone(ch, b);
	ch->out.failed_starts = 0;
	fy_list_drop(ch->out.ready, ch->out.ready_last);
	ch->out.n_ready--;
	b->next = NULL;
	fy_list_append(ch->out.flight, ch->out.flight_last, b);
	ch->out.n_flight++;
	link->n_flying++;
	link->stats.batches_sent++;
	link->stats.bytes_sent += b->fill;
	if (fy_unlikely(link->noted.probe.armed))
		fy_probe_sent(link, ch, b);
	return true;
}

/* The batch's number will be missing at the receiver, and later batches wait for it there. So the
 * peer is given up: at the end of the step, because a record may be being put just now. */
static void not_sent(struct fy_link *link, struct fy_channel *ch, struct fy_batch *b)
{
	const char *text = link->port->ops->error(link->port);
	snprintf(b->bytes, FY_BATCH_BYTES, "MPI did not send a batch to rank %d: %s", ch->rank,
	         text && *text ? text : "it said no more");
	ch->out.unsent = b;
	link->stats.mpi_errors++;
	fy_errors_note(link, FERRY_EMPI, ch->rank, b->bytes);
	fy_log_at(link->engine->log, FERRY_LOG_ERROR,
	          "%s. That rank is given up: look there and at MPI's own output", b->bytes);
}

/* Test batches in flight, the oldest first, because MPI completes them nearly in this order. */
void fy_channel_test_flight(struct fy_link *link, struct fy_channel *ch)
{
	bool any = false;
	while (ch->out.flight && link->port->ops->test(link->port, &ch->out.flight->request)) {
		struct fy_batch *b = ch->out.flight;
		fy_list_drop(ch->out.flight, ch->out.flight_last);
		ch->out.n_flight--;
		any = link->worked = true;
		if (b->request.status && !ch->out.unsent) {
			not_sent(link, ch, b);
			continue; /* it counts as flying until the peer is given up */
		}
		link->n_flying--;
		fy_batch_put(link, b);
	}
	if (any && ch->doorbell) /* a batch may have left only now, after the peer looked */
		fy_wake_ring(ch->doorbell);
}

/* A batch is full: send it now instead of at the end of the step. */
void fy_channel_send_full(struct fy_link *link, struct fy_channel *ch)
{
	if (ch->out.n_flight >= FLIGHT_MAX)
		fy_channel_test_flight(link, ch);
	while (ch->out.ready && ch->out.n_flight < FLIGHT_MAX && !ch->out.failed_starts &&
	       send_first_ready(link, ch))
		;
}

bool fy_channel_send(struct fy_link *link, struct fy_channel *ch)
{
	bool sent = false;
	if (!ch->open && !ch->out.ready && owes_header(link, ch) && ch->out.n_flight < FLIGHT_MAX)
		fy_channel_reserve(link, ch, 0);
	while (!ch->gone && ch->out.n_flight < FLIGHT_MAX) {
		if (!ch->out.ready && ch->open && (ch->nrecords || owes_header(link, ch)))
			close_last(ch);
		if (!ch->out.ready || !send_first_ready(link, ch))
			break;
		sent = true;
	}
	if (sent && ch->doorbell)
		fy_wake_ring(ch->doorbell);
	return !ch->out.ready && !(ch->open && ch->nrecords) && !ch->in.ack_owed &&
	       !ch->credit.limit_owed && !ch->credit.hungry && !(ch->bye.owed && !ch->bye.sent) &&
	       !ch->control_owed && !ch->count_owed;
}

void fy_channel_new_colour(struct fy_link *link)
{
	fy_link_each (ch, link) {
		if (ch->open && ch->nrecords)
			close_last(ch);
		else if (ch->open)
			ch->open->flags = (ch->open->flags & ~FY_BATCH_COLOUR) |
			                  (link->counts.colour ? FY_BATCH_COLOUR : 0);
	}
}

static void channel_free(struct fy_link *link, struct fy_channel *ch)
{
	const char *why = "the engine was closed before the receiver confirmed it";
	if (ch->open)
		fy_channel_close_batch(ch);
	fy_batch_drop_all(link, &ch->out.ready);
	/* These are posts of callbacks after the last count. They are on their way, but their
	 * acceptance may not come back. */
	fy_pending_fail(link, ch, &ch->pending.first, &ch->pending.last, FERRY_ESTOPPED, why);
	fy_counted_fail_all(link, ch, &ch->counted, FERRY_ESTOPPED, why);
	fy_stream_out_fail_all(link, ch, FERRY_ESTOPPED, why);
	while (ch->out.flight) {
		/* only after an unclean end: MPI may still read the batch, so it is not freed */
		link->stats.kept++;
		ch->out.flight = ch->out.flight->next;
	}
	while (ch->failures.first) {
		struct fy_failure *f = ch->failures.first;
		ch->failures.first = f->next;
		free(f->detail);
		free(f);
	}
	while (ch->streams_in) {
		struct fy_stream_in *s = ch->streams_in;
		ch->streams_in = s->next;
		while (s->first) {
			struct fy_held *held = s->first;
			s->first = held->next;
			if (held->message)
				ferry_message_release(held->message);
			free(held);
		}
		free(s);
	}
	free(ch->gone_why);
	free(ch);
}

void fy_channel_free_all(struct fy_link *link)
{
	while (link->all) {
		struct fy_channel *ch = link->all;
		link->all = ch->all_next;
		channel_free(link, ch);
	}
	fy_counted_free(link);
	while (link->pool.first) {
		struct fy_batch *b = link->pool.first;
		link->pool.first = b->next;
		free(b);
	}
}
