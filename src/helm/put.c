/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a record of a lane into its channel, in the form of the wire, or failing it. Only the
 * holder of the helm may call.
 */
#include "helm/put.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/announce.h"
#include "future/future.h"
#include "helm/progress.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/credit.h"
#include "link/failure.h"
#include "link/fold.h"
#include "link/pending.h"
#include "link/release.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/counter.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

static uint64_t lane_pointer(const struct fy_record *r)
{
	uint64_t pointer;
	memcpy(&pointer, fy_record_data(r), sizeof pointer);
	return pointer;
}

static ferry_message *message_of(const struct fy_record *r)
{
	return r->size_flags & FY_LARGE ? (ferry_message *)(uintptr_t)lane_pointer(r) : NULL;
}

/* Fail a record of a lane, which will not be sent. */
void fy_put_fail(struct fy_progress *p, const struct fy_record *r, int status, const char *detail)
{
	if (r->op == FY_OP_START) {
		p->starts->ops->fail(p->starts, fy_record_data(r), fy_put_future_of(r), status,
		                     detail);
		return;
	}
	ferry_future *future = fy_put_future_of(r);
	ferry_counter *counter = fy_put_counter_of(r);
	ferry_message *message = message_of(r);
	struct fy_channel *ch =
		r->rank < (uint32_t)p->link.engine->size ? p->link.channels[r->rank] : NULL;
	bool given_up = status == FERRY_ECANCELED || status == FERRY_ETIMEDOUT;
	if (ch && !given_up)
		fy_failure_note(ch, r->stream & FY_STREAM, status, detail);
	if (future)
		fy_future_complete(future, status, detail);
	if (counter)
		fy_counter_add_done(counter, 1, status, detail);
	if (message)
		fy_release_body(&p->link, (int)r->rank, message);
}

/* What is to be written on the wire: a record with its body, or a message. */
struct outgoing {
	uint32_t kind, op, stream, nbytes, flags;
	const void *body;       /* of a record */
	ferry_message *message; /* or NULL */
	ferry_future *future;
	ferry_counter *counter;
};

static void await_stream(struct fy_progress *p, struct fy_stream_out *s, const struct outgoing *o)
{
	ferry_future *future = o->future;
	future->id = s->sent;
	fy_pending_await(&p->link, future, fy_put_tagged(p, o->stream), o->op);
	fy_list_append(s->first, s->last, future);
}

static void count_in_stream(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_out *s,
                            const struct outgoing *o)
{
	uint64_t seq = fy_channel_place(ch) >> 32;
	fy_counted_add(&p->link, &s->counted, o->counter, seq << 32 | s->sent, 1,
	               fy_put_tagged(p, o->stream));
}

/* Whoever is to hear that the post is accepted. */
static void note_awaited(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_out *s,
                         const struct outgoing *o)
{
	if (o->counter && s)
		count_in_stream(p, ch, s, o);
	else if (o->counter)
		fy_put_count(p, ch, o->counter, 1, o->stream);
	else if (o->future && s)
		await_stream(p, s, o);
	else if (o->future)
		fy_put_await(p, ch, o->future, o->stream, o->op);
}

static bool lacks_slot(const struct fy_progress *p, const struct outgoing *o)
{
	return o->kind == FY_KIND_CALL && p->link.calls.open >= p->link.calls.max;
}

/* It is about to be put: a call has a slot, *id_p, and a future is not cancelled any more. */
static inline enum fy_put depart(struct fy_progress *p, struct fy_channel *ch,
                                 const struct outgoing *o, uint64_t *id_p)
{
	struct fy_called called = { o->op, ch->rank };
	*id_p = o->kind == FY_KIND_CALL ? fy_call_open(&p->link, o->future, called) : 0;
	if (o->kind == FY_KIND_CALL && !*id_p)
		return FY_PUT_NO_ROOM;
	if (!o->future || fy_future_depart(o->future))
		return FY_PUT_DONE;
	if (*id_p)
		fy_call_close(&p->link, *id_p, ch->rank);
	return FY_PUT_CANCELLED;
}

static enum fy_put put_inline(struct fy_progress *p, struct fy_channel *ch,
                              const struct outgoing *o)
{
	uint32_t flags = o->kind | o->flags | (o->kind == FY_KIND_CALL ? FY_EXT : 0) | o->nbytes;
	uint32_t size = fy_record_size(flags);
	if (!fy_credit_admits(&p->link, ch, size) || lacks_slot(p, o))
		return FY_PUT_NO_ROOM;
	struct fy_record *r = fy_channel_reserve(&p->link, ch, size);
	struct fy_stream_out *s = fy_stream_out_find(&p->link, ch, o->stream & FY_STREAM, false);
	if (!r || (s && !fy_stream_out_reserve(ch, s)) ||
	    (o->counter && !fy_counted_reserve(&p->link.counted)))
		return FY_PUT_NO_ROOM;
	uint64_t id;
	enum fy_put departed = depart(p, ch, o, &id);
	if (departed != FY_PUT_DONE)
		return departed;
	if (s) {
		flags |= FY_HELD;
		fy_stream_out_count(s);
	}
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ flags, o->op, (uint32_t)ch->rank, o->stream };
	if (id)
		fy_record_set_ext(r, id);
	else
		note_awaited(p, ch, s, o);
	if (o->message)
		fy_fold_write(o->message, fy_record_data(r));
	else if (o->nbytes)
		/* The body of a record. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
		memcpy(fy_record_data(r), o->body, o->nbytes);
	fy_channel_commit(ch, size);
	fy_credit_spend(ch, size);
	fy_channel_issued_as(&p->link, ch, o->stream);
	return FY_PUT_DONE;
}

static enum fy_put put_message(struct fy_progress *p, struct fy_channel *ch, struct outgoing *o)
{
	size_t folded = fy_fold_size(o->message);
	enum fy_put done;
	if (folded <= FY_FOLD_MAX) {
		o->nbytes = (uint32_t)folded;
		o->flags = o->message->n_attachments ? FY_ATTACHED : 0;
		done = put_inline(p, ch, o);
		if (done == FY_PUT_DONE)
			fy_release_body(&p->link, ch->rank, o->message);
		return done;
	}
	if (lacks_slot(p, o) || !fy_announce_admits(&p->bulk, ch, o->message))
		/* checked before it departs, because until then it can be cancelled */
		return FY_PUT_NO_ROOM;
	uint64_t id;
	done = depart(p, ch, o, &id);
	if (done != FY_PUT_DONE)
		return done;
	if (fy_announce_put(&p->bulk, ch, o->message, o->kind, o->stream, id, id ? NULL : o->future,
	                    o->counter)) {
		fy_channel_issued_as(&p->link, ch, o->stream);
		return FY_PUT_DONE;
	}
	if (id)
		fy_call_close(&p->link, id, ch->rank);
	return FY_PUT_NO_ROOM;
}

/* Put a record of a lane into the channel, with `stream` instead of its own. */
enum fy_put fy_put_record(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                          uint32_t stream)
{
	ferry_future *future = fy_put_future_of(r);
	if (ch->gone) {
		fy_put_fail(p, r, ch->gone, "that rank is gone");
		return FY_PUT_DONE;
	}
	struct outgoing o = { .kind = fy_record_kind(r),
		              .op = r->op,
		              .stream = stream,
		              .future = future,
		              .counter = fy_put_counter_of(r),
		              .message = message_of(r) };
	if (!o.message) {
		o.nbytes = fy_record_body(r);
		o.body = fy_record_data(r);
	}
	enum fy_put done = o.message ? put_message(p, ch, &o) : put_inline(p, ch, &o);
	if (done != FY_PUT_CANCELLED)
		return done;
	/* it was cancelled or timed out before it left: it is not sent */
	fy_put_fail(p, r, FERRY_ECANCELED, NULL);
	return FY_PUT_DONE;
}
