/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch: the records of a batch, one after the other. Nothing that comes from the wire is used
 * before it is checked against the bytes that are there. Inline handlers see the bytes in the
 * receive buffer; what outlives the dispatch is copied. Only the holder of the helm may call.
 */
#include "helm/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ferry.h"
#include "base/order.h"
#include "base/program.h"
#include "bulk/inbound.h"
#include "future/future.h"
#include "helm/controls.h"
#include "helm/deliver.h"
#include "helm/gone.h"
#include "helm/handlers.h"
#include "helm/inline.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "helm/replies.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/fold.h"
#include "link/credit.h"
#include "link/errors.h"
#include "link/link.h"
#include "link/pending.h"
#include "link/probe.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/inside.h"
#include "shared/handler.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "shared/thread.h"
#include "trace/records.h"
#include "trace/trace.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

static ferry_message *keep_record(struct fy_progress *p, struct fy_channel *ch,
                                  const struct fy_record *r, uint64_t call_id, int *status_p)
{
	ferry_message *m = NULL;
	uint32_t n = fy_record_body(r);
	if (r->size_flags & FY_ATTACHED) {
		*status_p = fy_fold_read(p->link.engine, r->op, fy_record_data(r), n, &m);
		if (*status_p)
			return NULL;
	} else {
		m = fy_message_new(p->link.engine, r->op, n);
		*status_p = m ? 0 : FERRY_ENOMEM;
		if (!m)
			return NULL;
		if (n)
			memcpy(m->body, fy_record_data(r), n);
	}
	m->flags = FY_MESSAGE_RECEIVED | (call_id ? FY_MESSAGE_CALL : 0) |
	           fy_message_coloured(fy_link_arrived_colour(&p->link, r));
	m->source = ch->rank;
	m->answer.call_id = call_id;
	if (fy_unlikely(p->link.trace))
		m->traced = p->link.trace->current;
	return m;
}

static void charge(struct fy_progress *p, struct fy_channel *ch, ferry_message *m)
{
	fy_tally_keep(p->link.engine, m);
	m->holds.account = ch->credit.account;
	m->holds.charge = fy_message_total(m) + FY_MESSAGE_CHARGE;
	ch->credit.unreturned += m->holds.charge;
}

/* The handler of a call has returned without having answered or retained it. */
static void answer_empty(struct fy_progress *p, struct fy_channel *ch, ferry_message *view)
{
	static const struct fy_reply_error no_memory = { FERRY_ENOMEM, 1 };
	bool failed = view->answered == FY_ANSWER_FAILED;
	if (fy_replies_put_bytes(p, ch->rank, view->answer.call_id, failed ? &no_memory : NULL,
	                         NULL, 0, p->inside.tag))
		return;
	fy_inline_keep_view(view); /* no memory for the reply now: it waits its turn */
	fy_handler_after(view);
}

/* A borrower that may not run the handler copies a few messages, so that it sees a reply behind
 * them. With more it leaves the batch as it is. It also does this if all that is missing is that it
 * waits. */
static bool stays_in_batch(struct fy_progress *p, const struct fy_handler *h)
{
	if (h->where || p->link.user_code)
		return false;
	bool waits = h->anywhere && !p->inside.guest && !p->link.tasks.first;
	p->inside.left |= waits;
	return waits || p->inside.n_left >= p->policy->look.left_max;
}

/* A post or a call that can be delivered now. */
static enum fy_taken deliver(struct fy_progress *p, struct fy_channel *ch,
                             const struct fy_record *r, uint64_t call_id)
{
	struct fy_handler *h =
		r->op < FY_OPS_DIRECT ? p->handlers.direct[r->op] : fy_handlers_find(p, r->op);
	unsigned colour = fy_link_arrived_colour(&p->link, r);
	if (fy_likely(h && fy_inline_may(&p->inside, &p->link, h) && !p->link.tasks.first &&
	              !(r->size_flags & FY_ATTACHED) && fy_program_may_run())) {
		if (!fy_inline_ready(p))
			return FY_PAUSED;
		struct fy_program_host host;
		fy_inline_begin_visit(p, &host);
		ferry_message *view = p->inside.view;
		fy_message_view(view, p->link.engine, r->op, ch->rank, fy_record_data(r),
		                fy_record_body(r), call_id);
		uint32_t before = fy_inline_begin_colour(&p->inside, &p->link, colour);
		bool called = fy_inline_call(p, h, view, colour);
		if (fy_unlikely(!(view->flags & FY_MESSAGE_VIEW)))
			fy_handler_after(view);
		else if (called && call_id && view->answered != FY_ANSWERED)
			answer_empty(p, ch, view);
		fy_inline_end_colour(&p->inside, &p->link, before);
		fy_inline_end_visit(p, &host);
		return called ? FY_TAKEN : FY_PAUSED; /* if the process ends it is dropped later */
	}
	if (r->op == FY_OP_FLUSH) {
		fy_channel_done(&p->link, ch, colour, 1);
		return FY_TAKEN;
	}
	if (h && stays_in_batch(p, h))
		return FY_PAUSED;
	int status;
	ferry_message *m = keep_record(p, ch, r, call_id, &status);
	if (m) {
		charge(p, ch, m);
		fy_deliver_message(p, m);
	}
	return fy_controls_as_kept(status);
}

/* A record of a stream in which a large message is under way, or just was. */
static enum fy_taken deliver_held(struct fy_progress *p, struct fy_channel *ch,
                                  const struct fy_record *r, uint64_t call_id)
{
	uint32_t stream = r->stream & FY_STREAM;
	struct fy_stream_in *s = fy_stream_in_find(ch, stream);
	if (!s)
		return FY_PAUSED;
	if (!s->first) {
		enum fy_taken t = deliver(p, ch, r, call_id);
		if (t == FY_TAKEN)
			fy_stream_in_owe_ack(&p->link, ch, s);
		return t;
	}
	int status;
	ferry_message *m = keep_record(p, ch, r, call_id, &status);
	if (!m)
		return fy_controls_as_kept(status);
	struct fy_held *held =
		fy_stream_in_hold(ch, stream, fy_link_arrived_colour(&p->link, r), m);
	if (!held) {
		/* without this the release would answer it, but the record is taken again later */
		m->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(m);
		return FY_PAUSED;
	}
	charge(p, ch, m);
	held->ready = true;
	return FY_TAKEN;
}

static enum fy_taken reply_error(struct fy_progress *p, struct fy_channel *ch,
                                 const struct fy_record *r)
{
	struct fy_reply_error error;
	if (fy_record_body(r) < sizeof error)
		return FY_MALFORMED;
	memcpy(&error, fy_record_data(r), sizeof error);
	int n = (int)(fy_record_body(r) - sizeof error);
	const char *text = fy_record_data(r) + sizeof error;
	char detail[1200];
	if (!error.ferrys)
		snprintf(detail, sizeof detail, "status %d: %.*s", error.status, n, text);
	else if (error.status == FERRY_ENOHANDLER)
		snprintf(detail, sizeof detail,
		         "rank %d has no handler for this op and nobody there reads it", ch->rank);
	else if (error.status == FERRY_ENOMEM)
		snprintf(detail, sizeof detail, "rank %d had no memory for its reply", ch->rank);
	else
		snprintf(detail, sizeof detail, "rank %d released the request unanswered",
		         ch->rank);
	ferry_future *future = fy_call_close(&p->link, fy_record_ext(r), ch->rank);
	fy_channel_done(&p->link, ch, fy_link_arrived_colour(&p->link, r), 1);
	int status = error.ferrys && error.status < 0 ? error.status : FERRY_EREMOTE;
	fy_errors_note(&p->link, status, ch->rank, detail);
	if (!future || !fy_future_complete(future, status, detail))
		p->link.stats.late_replies++;
	return FY_TAKEN;
}

static enum fy_taken take_reply(struct fy_progress *p, struct fy_channel *ch,
                                const struct fy_record *r)
{
	if (!(r->size_flags & FY_EXT))
		return FY_MALFORMED;
	if (r->size_flags & FY_LARGE)
		return fy_controls_as_kept(fy_inbound_arrived(&p->bulk, ch, r));
	if (r->size_flags & FY_ERROR)
		return reply_error(p, ch, r);
	ferry_future *future = fy_call_peek(&p->link.calls, fy_record_ext(r), ch->rank);
	if (!future) {
		p->link.stats.late_replies++;
		fy_channel_done(&p->link, ch, fy_link_arrived_colour(&p->link, r), 1);
		return FY_TAKEN;
	}
	int status = 0;
	ferry_message *m = r->size_flags & FY_ATTACHED ? NULL : future->reply;
	if (!m)
		m = keep_record(p, ch, r, 0, &status);
	else if (!fy_message_fill(m, r->op, ch->rank, fy_record_data(r), fy_record_body(r)))
		return FY_PAUSED;
	if (m)
		fy_call_reply(&p->link, ch->rank, fy_record_ext(r), m,
		              fy_link_arrived_colour(&p->link, r));
	return fy_controls_as_kept(status);
}

/* Is it an op of the program, or of a post of the library: a flush, a routine of
 * ferry_msgpack.h? */
static bool is_op(uint32_t op, bool call)
{
	return op < FERRY_OP_RESERVED || (!call && (op == FY_OP_FLUSH || fy_bodies_is_routine(op)));
}

/* Do the flags fit together? A large message has its parts elsewhere; only replies are errors; only
 * requests are held. */
static bool flags_fit(uint32_t word, uint32_t kind)
{
	if (kind == FY_KIND_CONTROL)
		return !(word & (FY_EXT | FY_LARGE | FY_HELD | FY_ERROR | FY_ATTACHED));
	if (word & FY_LARGE && word & (FY_ERROR | FY_ATTACHED))
		return false;
	return kind == FY_KIND_REPLY ? !(word & FY_HELD) && !(word & FY_ERROR && word & FY_ATTACHED)
	                             : !(word & FY_ERROR);
}

static enum fy_taken take_record(struct fy_progress *p, struct fy_channel *ch,
                                 const struct fy_record *r)
{
	uint32_t kind = fy_record_kind(r);
	if (!flags_fit(r->size_flags, kind))
		return FY_MALFORMED;
	if (kind == FY_KIND_CONTROL)
		return fy_controls_take(p, ch, r);
	if (kind == FY_KIND_REPLY)
		return take_reply(p, ch, r);
	bool call = kind == FY_KIND_CALL;
	if ((!call && kind != FY_KIND_POST) || call != !!(r->size_flags & FY_EXT) ||
	    !is_op(r->op, call))
		return FY_MALFORMED;
	uint64_t call_id = call ? fy_record_ext(r) : 0;
	if (call && !call_id)
		return FY_MALFORMED;
	if (r->size_flags & FY_LARGE)
		return fy_controls_as_kept(fy_inbound_arrived(&p->bulk, ch, r));
	if (r->size_flags & FY_HELD)
		return deliver_held(p, ch, r, call_id);
	return deliver(p, ch, r, call_id);
}

/* The next record of a batch. Is it for a handler with a small op that may run here, now? */
static bool next_may_run(struct fy_progress *p, const struct fy_slot *slot)
{
	const struct fy_record *r = fy_record_at(slot->buffer + slot->offset);
	return r->op < FY_OPS_DIRECT && p->handlers.direct[r->op] &&
	       fy_inline_may(&p->inside, &p->link, p->handlers.direct[r->op]) && fy_inline_ready(p);
}

/*
 * The hot loop: plain posts and calls for inline handlers, one after the other, seen in place
 * through one view. It stops at any other record, which take_record takes. The guard against
 * handlers that do not return is around the whole step: in here it would cost ten instructions a
 * message. For the same reason it is compiled twice: `guest` is constant.
 */
static inline __attribute__((always_inline)) void
run_requests(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot, bool guest)
{
	uint32_t me = (uint32_t)p->link.engine->rank, n = 0;
	const char *at = slot->buffer + slot->offset, *end = slot->buffer + slot->request.nbytes;
	ferry *engine = p->link.engine, *before = fy_thread_begin(FY_INLINE, engine);
	uint32_t tag_before =
		fy_inline_begin_colour(&p->inside, &p->link, p->link.counts.batch_colour);
	ferry_message *view = p->inside.view;
	fy_message_view(view, engine, 0, ch->rank, NULL, 0, 0);
	while (end - at >= (ptrdiff_t)sizeof(struct fy_record) && !p->link.tasks.first &&
	       fy_program_may_run()) {
		const struct fy_record *r = fy_record_at(at);
		uint32_t word = r->size_flags, size = fy_record_size(word);
		bool call = word >> 24 == FY_PLAIN_CALL;
		if ((word >> 24 != FY_PLAIN_POST && !call) || r->op >= FY_OPS_DIRECT ||
		    size > (size_t)(end - at) || (r->rank ^ me) | (r->stream & FY_TAGGED))
			break;
		struct fy_handler *h = p->handlers.direct[r->op];
		if (!h || h->where || (guest && !h->anywhere))
			break;
		if (call) {
			view->answer.call_id = fy_record_ext(r);
			if (!view->answer.call_id)
				break;
			view->flags |= FY_MESSAGE_CALL;
			view->answered = FY_UNANSWERED;
		}
		view->op = r->op;
		view->body = fy_record_data(r);
		view->nbytes = word & FY_BODY_MAX;
		fy_store_relaxed_32(&engine->end.inside, r->op);
		h->fn(engine, view, h->arg);
		at += size;
		n++;
		if (fy_unlikely(!(view->flags & FY_MESSAGE_VIEW))) {
			fy_handler_after(view);
			break;
		}
		if (call) {
			if (view->answered != FY_ANSWERED)
				answer_empty(p, ch, view);
			if (fy_unlikely(!p->inside.view))
				break;
			view->flags &= ~FY_MESSAGE_CALL;
		}
	}
	fy_inline_end_colour(&p->inside, &p->link, tag_before);
	fy_store_relaxed_32(&engine->end.inside, FY_INSIDE_NOTHING);
	fy_thread_end(FY_INLINE, before);
	slot->offset = (uint32_t)(at - slot->buffer);
	slot->index += n;
	fy_channel_done(&p->link, ch, p->link.counts.batch_colour, n);
	p->link.stats.handled += n;
	p->link.stats.delivered += n;
}

static void dispatch_requests(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	if (!next_may_run(p, slot))
		return;
	if (fy_likely(p->link.user_code)) {
		run_requests(p, ch, slot, false);
	} else if (!p->link.tasks.first) {
		struct fy_program_host host;
		fy_inline_begin_visit(p, &host);
		run_requests(p, ch, slot, true);
		fy_inline_end_visit(p, &host);
	}
}

/*
 * Another hot loop: short replies to open calls, each into the blank message of its call.
 */
static void dispatch_replies(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	uint32_t end = (uint32_t)slot->request.nbytes, me = (uint32_t)p->link.engine->rank;
	while (slot->offset + sizeof(struct fy_record) <= end) {
		const struct fy_record *r = fy_record_at(slot->buffer + slot->offset);
		uint32_t word = r->size_flags, size = fy_record_size(word);
		if (word >> 24 != FY_PLAIN_REPLY || (word & FY_BODY_MAX) > FY_MESSAGE_SMALL ||
		    size > end - slot->offset || r->rank != me)
			return;
		struct fy_call *call = fy_call_find(&p->link.calls, fy_record_ext(r), ch->rank);
		ferry_message *reply = call ? call->future->reply : NULL;
		if (!reply)
			return;
		/* cannot fail, because the reply is small */
		fy_message_fill(reply, r->op, ch->rank, fy_record_data(r), word & FY_BODY_MAX);
		if (!fy_future_complete_reply(fy_call_close_found(&p->link, call), reply))
			p->link.stats.late_replies++;
		fy_channel_done(&p->link, ch, fy_link_arrived_colour(&p->link, r), 1);
		p->link.stats.delivered++;
		slot->offset += size;
		slot->index++;
	}
}

/* Frequent kinds of records. */
static void dispatch_plain(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_record *r = fy_record_at(slot->buffer + slot->offset);
	uint32_t form = slot->offset + sizeof *r <= slot->request.nbytes ? r->size_flags >> 24 : 0;
	if (form == FY_PLAIN_POST || form == FY_PLAIN_CALL)
		dispatch_requests(p, ch, slot);
	else if (form == FY_PLAIN_REPLY)
		dispatch_replies(p, ch, slot);
}

/* Take the next record, whatever it is. FY_MALFORMED: the rest of the batch is not taken. */
static inline enum fy_taken take_next(struct fy_progress *p, struct fy_channel *ch,
                                      struct fy_slot *slot)
{
	const struct fy_record *r = fy_record_at(slot->buffer + slot->offset);
	uint32_t left = (uint32_t)slot->request.nbytes - slot->offset;
	uint32_t me = (uint32_t)p->link.engine->rank;
	uint32_t size = left >= sizeof *r ? fy_record_size(r->size_flags) : UINT32_MAX;
	enum fy_taken t = size <= left && r->rank == me ? take_record(p, ch, r) : FY_MALFORMED;
	if (t == FY_PAUSED)
		return FY_PAUSED;
	if (t == FY_MALFORMED) {
		fy_gone_refuse_batch(p, ch, slot->seq, slot->index);
		return FY_MALFORMED;
	}
	if (ch->gone) /* because of this record */
		return FY_MALFORMED;
	slot->offset += size;
	slot->index++;
	p->link.stats.delivered += fy_record_kind(r) != FY_KIND_CONTROL;
	return FY_TAKEN;
}

/* The same, for a probe. Only inline handlers count that ran. */
static enum fy_taken take_timed(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	fy_port *port = p->link.port;
	uint64_t handled = p->link.stats.handled;
	int64_t begun = port->ops->now(port);
	enum fy_taken t = take_next(p, ch, slot);
	p->link.noted.probe.handler_armed = false;
	if (p->link.stats.handled != handled)
		fy_probe_note(&p->link.noted.probe, FY_MONITOR_HANDLER,
		              port->ops->now(port) - begun);
	return t;
}

/* Dispatch the records of a batch, from where a pause left it. False: it is paused. */
static bool dispatch_records(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	p->link.counts.batch_colour = h->flags & FY_BATCH_COLOUR ? 1 : 0;
	bool timed = p->link.noted.probe.handler_armed;
	for (;; timed = false) {
		if (fy_likely(!timed))
			dispatch_plain(p, ch, slot);
		if (slot->offset >= slot->request.nbytes)
			return true;
		enum fy_taken t =
			fy_unlikely(timed) ? take_timed(p, ch, slot) : take_next(p, ch, slot);
		if (t != FY_TAKEN)
			return t == FY_MALFORMED;
	}
}

/* The next record is in the timeline. */
static enum fy_taken take_traced(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_record *r = fy_record_at(slot->buffer + slot->offset);
	fy_trace_records_record_begin(p->link.trace, slot->seq, slot->index, r);
	enum fy_taken t = take_next(p, ch, slot);
	fy_trace_records_record_end(p->link.trace, ch->rank, r, t == FY_TAKEN);
	return t;
}

/* Dispatch the records up to that offset as ever, as if the batch ended there. False: it is paused,
 * or its rest is not taken; *done_p says which. */
static bool dispatch_up_to(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot,
                           uint32_t stop, bool *done_p)
{
	size_t whole = slot->request.nbytes;
	p->link.trace->ended = 0;
	slot->request.nbytes = stop;
	*done_p = dispatch_records(p, ch, slot);
	slot->request.nbytes = whole;
	return *done_p && slot->offset == stop;
}

/* With a timeline: what is in it is taken record by record. */
static bool dispatch_traced(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	uint32_t whole = (uint32_t)slot->request.nbytes;
	struct fy_trace *trace = p->link.trace;
	bool done = true;
	trace->ended = 0;
	p->link.counts.batch_colour = fy_header_of(slot->buffer)->flags & FY_BATCH_COLOUR ? 1 : 0;
	while (slot->offset < whole) {
		uint32_t stop = fy_trace_records_next(trace, slot->seq, slot->index, slot->buffer,
		                                      slot->offset, whole);
		if (stop != slot->offset && !dispatch_up_to(p, ch, slot, stop, &done))
			break;
		if (stop == whole)
			break;
		enum fy_taken t = take_traced(p, ch, slot);
		done = t != FY_PAUSED;
		if (t != FY_TAKEN)
			break;
	}
	trace->ended = 0;
	return done;
}

/* Is there a FY_OP_REFUSED in the rest of a batch? */
static bool refuses_more(const struct fy_slot *slot)
{
	uint32_t at = slot->offset, end = (uint32_t)slot->request.nbytes;
	while (end - at >= sizeof(struct fy_record)) {
		const struct fy_record *r = fy_record_at(slot->buffer + at);
		uint32_t size = fy_record_size(r->size_flags);
		if (size > end - at ||
		    (fy_record_kind(r) == FY_KIND_CONTROL && r->op == FY_OP_REFUSED))
			return true;
		at += size;
	}
	return false;
}

bool fy_dispatch_batch(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	if (fy_unlikely(slot->bad)) {
		fy_gone_refuse_batch(p, ch, ch->in.seq++, 0);
		return true;
	}
	if (!slot->begun) {
		slot->begun = true;
		slot->offset = sizeof *h;
		slot->index = 0;
		if (fy_unlikely(p->link.trace))
			fy_trace_records_came(p->link.trace, ch->rank, slot->buffer);
	}
	uint64_t announcements = p->bulk.announcements;
	bool traced = fy_unlikely(p->link.trace);
	if (!(traced ? dispatch_traced(p, ch, slot) : dispatch_records(p, ch, slot))) {
		/* Accept now, because an acknowledgement of a stream may have been among the
		 * records before: it counts records behind those that the header accepts. */
		if (!refuses_more(slot))
			fy_pending_accepted(&p->link, ch, h);
		return false;
	}
	/* after the records, because what one of them refuses is not accepted */
	fy_pending_accepted(&p->link, ch, h);
	if (fy_unlikely(p->link.noted.probe.ch == ch))
		fy_probe_answered(&p->link, h);
	ch->in.seq++;
	if (h->spent > ch->credit.spent_in && h->spent <= ch->credit.limit_sent + ch->credit.window)
		ch->credit.spent_in = h->spent;
	if (h->flags & FY_BATCH_GOODBYE)
		ch->bye.seen = true;
	/* A peer that asks and has not seen our goodbye may have lost it. It finds out only by a
	 * batch behind the goodbye. */
	bool lost_bye = !h->nrecords && !(h->flags & FY_BATCH_GOODBYE) &&
	                (int32_t)(ch->out.seq - 1 - h->accepted) > 0;
	if (h->flags & FY_BATCH_WANTS_ACK && (!ch->bye.sent || lost_bye)) {
		ch->in.ack_owed = true;
		fy_channel_mark(&p->link, ch);
	}
	bool small = slot->index > p->policy->look.small_records &&
	             p->bulk.announcements == announcements;
	uint64_t charged =
		slot->request.nbytes + (uint64_t)slot->index * FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	fy_credit_grow_window(&p->link, ch, h->flags & FY_BATCH_HUNGRY, small ? charged : 0);
	p->link.stats.batches_received++;
	p->link.stats.bytes_received += slot->request.nbytes;
	return true;
}
