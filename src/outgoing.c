/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From lanes to channels.
 *
 * The drain takes what is in the lanes and puts it into channels. It does not
 * stop for long at a channel that has no room: the record moves to that channel's
 * queue, in the same form as in the lane, and engine->full tells posters to
 * stay away. So a slow rank holds up only what is meant for it.
 */
#include "progress.h"
#include "status.h"

#include <stdlib.h>

/* of one lane at a time, so that one thread does not starve the others */
#define TURN_BYTES FY_BATCH_BYTES
#define DRAIN_BYTES FY_LANE_BYTES     /* of all of them in one step, */
#define DRAIN_BESIDE (2 * TURN_BYTES) /* and beside floods while answers matter */
/* so long after one was waited for: the next call mostly follows at once */
#define ANSWERS_MATTER FERRY_MS(1)
/* likewise after a producer slept, which fills its lane for some 0.1 ms */
#define FLOOD_LASTS FERRY_MS(1)
/* of one flood before the next: then its producer is woken (lane.c) */
#define FLOOD_SHARE (FY_LANE_BYTES / 2)
#define QUEUE_BLOCK 32768u

/* ---- long bodies -------------------------------------------------------------- */

void fy_outgoing_release(struct fy_progress *p, int rank, ferry_message *m)
{
	size_t held = fy_message_held(m);
	fy_transfer_release(p, m);
	if (!held)
		return;
	fy_bodies_lower(p->engine, rank, held);
	p->freed += held;
	p->worked = true; /* so that there is a next step, which tells at the latest */
}

/* All that wait get up for it: not at every body, but when there is room for some, and when it gets
 * no more. */
#define FREED_SHARE 8

void fy_outgoing_tell_freed(struct fy_progress *p)
{
	bool more = p->freed != p->freed_seen;
	p->freed_seen = p->freed;
	if (more && p->freed < p->options->send_memory / FREED_SHARE)
		return;
	p->freed = p->freed_seen = 0;
	fy_room_tell(p->engine);
}

/* ---- one record ------------------------------------------------------------- */

static uint64_t lane_pointer(const struct fy_record *r)
{
	uint64_t pointer;
	memcpy(&pointer, fy_record_data(r), sizeof pointer);
	return pointer;
}

static ferry_future *future_of(const struct fy_record *r)
{
	return r->size_flags & FY_EXT ? (ferry_future *)(uintptr_t)fy_record_ext(r) : NULL;
}

static ferry_message *message_of(const struct fy_record *r)
{
	return r->size_flags & FY_LARGE ? (ferry_message *)(uintptr_t)lane_pointer(r) : NULL;
}

/* A record in lane form that will never be sent. */
void fy_outgoing_fail_record(struct fy_progress *p, const struct fy_record *r, int status,
                             const char *detail)
{
	if (r->op == FY_OP_START) {
		p->port->ops->starts->fail(p, r, status, detail);
		return;
	}
	ferry_future *future = future_of(r);
	ferry_message *message = message_of(r);
	struct fy_channel *ch = r->rank < (uint32_t)p->engine->size ? p->channels[r->rank] : NULL;
	bool given_up = status == FERRY_ECANCELED || status == FERRY_ETIMEDOUT;
	if (ch && !given_up)
		fy_channel_note_failure(ch, r->stream & FY_STREAM, status, detail);
	if (future)
		fy_future_complete(future, status, detail);
	if (message)
		fy_outgoing_release(p, (int)r->rank, message);
}

/* The stream of a record, with its colour; `tag` is that of its place, for one without, or 0. */
static uint32_t stream_of(const struct fy_record *r, uint32_t tag)
{
	return r->stream & FY_TAGGED ? r->stream : r->stream | tag;
}

/* The same, with a tag in any case. */
static uint32_t tagged(const struct fy_progress *p, uint32_t stream)
{
	return stream & FY_TAGGED ? stream : stream | fy_tag(p->colour);
}

/* Remember that this post's future waits for the acceptance of the batch that
 * the record is in; its place is the one that the next commit takes. */
static inline __attribute__((always_inline)) void await_acceptance(struct fy_progress *p,
                                                                   struct fy_channel *ch,
                                                                   ferry_future *future,
                                                                   uint32_t stream)
{
	future->id = fy_channel_place(ch);
	fy_channel_await(p, future, tagged(p, stream));
	*(ch->pending_last ? &ch->pending_last->next : &ch->pending) = future;
	ch->pending_last = future;
	ch->open->flags |= FY_BATCH_WANTS_ACK;
	p->n_pending++;
}

static void await_stream(struct fy_progress *p, struct fy_stream_out *s, ferry_future *future,
                         uint32_t stream)
{
	future->id = s->sent;
	fy_channel_await(p, future, tagged(p, stream));
	*(s->last ? &s->last->next : &s->first) = future;
	s->last = future;
}

/* What is to be written: the form on the wire of a record or a message. */
struct outgoing {
	uint32_t kind, op, stream, nbytes, flags;
	const void *body; /* or: */
	ferry_message *message;
	ferry_future *future;
};

enum put { PUT_DONE, PUT_NO_ROOM, PUT_CANCELLED };

static enum put put_inline(struct fy_progress *p, struct fy_channel *ch, const struct outgoing *o)
{
	uint32_t flags = o->kind | o->flags | (o->kind == FY_KIND_CALL ? FY_EXT : 0) | o->nbytes;
	uint32_t size = fy_record_size(flags);
	if (!fy_channel_admits(p, ch, size) ||
	    (o->kind == FY_KIND_CALL && p->calls_open >= p->calls_max))
		return PUT_NO_ROOM;
	struct fy_record *r = fy_channel_reserve(p, ch, size);
	struct fy_stream_out *s = fy_channel_stream_out(p, ch, o->stream & FY_STREAM, false);
	if (!r || (s && !fy_channel_stream_room(ch, s)))
		return PUT_NO_ROOM;
	uint64_t id = o->kind == FY_KIND_CALL ? fy_call_open(p, o->future, ch->rank) : 0;
	if (o->kind == FY_KIND_CALL && !id)
		return PUT_NO_ROOM;
	if (o->future && !fy_future_depart(o->future)) {
		if (id)
			fy_call_close(p, id, ch->rank);
		return PUT_CANCELLED;
	}
	if (s) {
		flags |= FY_HELD;
		fy_channel_stream_count(s);
	}
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ flags, o->op, (uint32_t)ch->rank, o->stream };
	if (id)
		fy_record_set_ext(r, id);
	else if (o->future && s)
		await_stream(p, s, o->future, o->stream);
	else if (o->future)
		await_acceptance(p, ch, o->future, o->stream);
	if (o->message)
		fy_message_fold(o->message, fy_record_data(r));
	else if (o->nbytes)
		/* A body, then. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
		memcpy(fy_record_data(r), o->body, o->nbytes);
	fy_channel_commit(p, ch, size);
	fy_channel_spend(ch, size);
	p->issued[fy_tag_colour(o->stream, p->colour)]++;
	return PUT_DONE;
}

static enum put put_message(struct fy_progress *p, struct fy_channel *ch, struct outgoing *o)
{
	size_t folded = fy_message_folded_size(o->message);
	enum put done;
	if (folded <= FY_FOLD_MAX) {
		o->nbytes = (uint32_t)folded;
		o->flags = o->message->n_attachments ? FY_ATTACHED : 0;
		done = put_inline(p, ch, o);
		if (done == PUT_DONE)
			fy_outgoing_release(p, ch->rank, o->message);
		return done;
	}
	if ((o->kind == FY_KIND_CALL && p->calls_open >= p->calls_max) ||
	    !fy_transfer_admits(p, ch, o->message))
		/* before it departs: until then a cancel keeps it from being sent */
		return PUT_NO_ROOM;
	uint64_t id = o->kind == FY_KIND_CALL ? fy_call_open(p, o->future, ch->rank) : 0;
	if (o->kind == FY_KIND_CALL && !id)
		return PUT_NO_ROOM;
	if (o->future && !fy_future_depart(o->future)) {
		if (id)
			fy_call_close(p, id, ch->rank);
		return PUT_CANCELLED;
	}
	if (fy_transfer_announce(p, ch, o->message, o->kind, o->stream, id,
	                         id ? NULL : o->future)) {
		p->issued[fy_tag_colour(o->stream, p->colour)]++;
		return PUT_DONE;
	}
	if (id)
		fy_call_close(p, id, ch->rank);
	return PUT_NO_ROOM;
}

/* A record in lane form into the channel; `stream` instead of its own. */
static enum put put(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                    uint32_t stream)
{
	ferry_future *future = future_of(r);
	if (ch->gone) {
		fy_outgoing_fail_record(p, r, ch->gone, "that rank is gone");
		return PUT_DONE;
	}
	struct outgoing o = { .kind = fy_record_kind(r),
		              .op = r->op,
		              .stream = stream,
		              .future = future,
		              .message = message_of(r) };
	if (!o.message) {
		o.nbytes = fy_record_body(r);
		o.body = fy_record_data(r);
	}
	enum put done = o.message ? put_message(p, ch, &o) : put_inline(p, ch, &o);
	if (done != PUT_CANCELLED)
		return done;
	/* cancelled or timed out while it waited: it is not sent */
	fy_outgoing_fail_record(p, r, FERRY_ECANCELED, NULL);
	return PUT_DONE;
}

/* ---- queues of channels ------------------------------------------------------ */

static void raise_full(struct fy_progress *p, struct fy_channel *ch)
{
	if (ch->full)
		return;
	ch->full = true;
	fy_store_release_8(&p->engine->full[ch->rank], 1);
}

static void lower_full(struct fy_progress *p, struct fy_channel *ch)
{
	if (!ch->full)
		return;
	ch->full = false;
	fy_store_release_8(&p->engine->full[ch->rank], 0);
	fy_room_tell(p->engine);
}

static struct fy_queued *queue_block(struct fy_channel *ch, uint32_t size)
{
	struct fy_queued *q = ch->queue_last;
	if (q && q->room - q->to >= size)
		return q;
	q = aligned_alloc(FY_CACHE_LINE, sizeof *q + QUEUE_BLOCK + FY_CACHE_LINE);
	if (!q)
		return NULL;
	q->next = NULL;
	q->from = q->to = 0;
	q->room = QUEUE_BLOCK;
	*(ch->queue_last ? &ch->queue_last->next : &ch->queue) = q;
	ch->queue_last = q;
	return q;
}

/* False: no memory, or send_memory is used up; the record stays in its lane. */
static bool enqueue(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                    uint32_t size, uint32_t stream, bool always)
{
	if (!always && p->queued_bytes + size > p->options->send_memory)
		return false;
	struct fy_queued *q = queue_block(ch, size);
	if (!q)
		return false;
	raise_full(p, ch); /* lowered when the queue is empty again: not before there is one */
	struct fy_record *copy = memcpy(q->bytes + q->to, r, size);
	copy->stream = tagged(p, stream); /* it loses the place that told */
	p->queued_of[fy_tag_colour(copy->stream, 0)]++;
	q->to += size;
	ch->queued += size;
	ch->fast_end = NULL;
	p->queued_bytes += size;
	p->stats.channel_full++;
	if (!ch->on_queued) {
		ch->on_queued = true;
		ch->queued_next = p->queued;
		p->queued = ch;
	}
	return true;
}

static void empty_queue(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->queue) {
		struct fy_queued *q = ch->queue;
		while (q->from < q->to) {
			const struct fy_record *r =
				(const struct fy_record *)(const void *)(q->bytes + q->from);
			uint32_t size = fy_record_size(r->size_flags);
			unsigned colour = fy_tag_colour(r->stream, 0);
			if (put(p, ch, r, r->stream) == PUT_NO_ROOM)
				return;
			p->queued_of[colour]--;
			q->from += size;
			ch->queued -= size;
			p->queued_bytes -= size;
			p->worked = true;
		}
		ch->queue = q->next;
		if (!ch->queue)
			ch->queue_last = NULL;
		free(q);
	}
}

/* Channels whose queue is waiting for credit or for room in flight. */
void fy_outgoing_queues(struct fy_progress *p)
{
	struct fy_channel **at = &p->queued;
	while (*at) {
		struct fy_channel *ch = *at;
		empty_queue(p, ch);
		if (ch->queue) {
			at = &ch->queued_next;
			continue;
		}
		*at = ch->queued_next;
		ch->on_queued = false;
		if (!ch->gone)
			lower_full(p, ch);
	}
}

/* ---- lanes ---------------------------------------------------------------------- */

/* Records to the helm itself. False: no memory now. */
static bool flush_all(struct fy_progress *p, const struct fy_record *r, uint32_t stream);

/* A channel without room for a moment only (its receiver has not been scheduled, say) leaves the
 * record in the lane: moving it would cost a copy and hold up nobody less. One that stays so
 * (FY_STALL_MAX) is slow, and what is meant for it gets out of the others' way. */
static bool stalled_for_long(struct fy_progress *p, struct fy_channel *ch)
{
	if (!ch->stalled_since)
		ch->stalled_since = p->now;
	return p->now - ch->stalled_since >= FY_STALL_MAX;
}

/* Whatever is not a plain post with room. False: it must stay in the lane. */
static bool take_slow(struct fy_progress *p, const struct fy_record *r, uint32_t size, uint32_t tag)
{
	uint32_t stream = stream_of(r, tag);
	if (r->op == FY_OP_FLUSH_ALL)
		return flush_all(p, r, stream);
	if (r->op == FY_OP_START)
		return p->port->ops->starts->take(p, r);
	struct fy_channel *ch = fy_channel_get(p, (int)r->rank);
	if (!ch)
		return false;
	if (fy_record_kind(r) == FY_KIND_CALL)
		p->stats.calls++;
	else
		p->stats.posts++;
	if (!ch->queue && put(p, ch, r, stream) == PUT_DONE) {
		ch->stalled_since = 0;
		return true;
	}
	if ((ch->queue || stalled_for_long(p, ch)) && enqueue(p, ch, r, size, stream, false))
		return true;
	if (fy_record_kind(r) == FY_KIND_CALL)
		p->stats.calls--;
	else
		p->stats.posts--;
	return false;
}

/* Plain records that were put one behind the other, some of them with a tag, or all to get one. */
static void count_coloured(struct fy_progress *p, char *at, uint32_t n, uint32_t tag)
{
	for (; n; n--) {
		struct fy_record *r = (struct fy_record *)(void *)at;
		r->stream = stream_of(r, tag);
		p->issued[fy_tag_colour(r->stream, p->colour)]++;
		at += fy_record_size(r->size_flags);
	}
}

/*
 * The hot loop: plain posts to one rank, one copy each, as long as the channel has room. Returns
 * how far it came.
 */
static uint64_t drain_plain(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                            uint64_t end, uint32_t tag)
{
	uint32_t rank = fy_lane_at(lane, head)->rank;
	struct fy_channel *ch = p->channels[rank];
	if (!ch || !ch->fast_end)
		return head;
	char *fill = ch->fill, *fast_end = ch->fast_end;
	uint32_t n = 0, most = ch->fast_records, tags = tag;
	while (head < end && n < most) {
		const struct fy_record *r = fy_lane_at(lane, head);
		uint32_t word = r->size_flags,
			 size = fy_pad8((uint32_t)sizeof *r + (word & FY_BODY_MAX));
		if (word >> 24 != FY_PLAIN_POST || r->rank != rank ||
		    size > (size_t)(fast_end - fill))
			break;
		fy_record_copy(fill, r, size);
		tags |= r->stream;
		fill += size;
		head += size;
		n++;
	}
	ch->spent += (uint64_t)(fill - ch->fill) + (uint64_t)n * FY_MESSAGE_CHARGE;
	if (fy_unlikely(tags & FY_TAGGED))
		count_coloured(p, ch->fill, n, tag);
	else
		p->issued[p->colour] += n;
	ch->fill = fill;
	ch->nrecords += n;
	ch->fast_records -= n;
	p->stats.posts += n;
	return head;
}

/* One post with a future, or call, into a channel that has room for it. False: the long way sees
 * why not. */
static bool put_awaited(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                        uint32_t size, uint32_t stream)
{
	bool call = r->size_flags >> 24 == FY_PLAIN_CALL;
	ferry_future *future = (ferry_future *)(uintptr_t)fy_record_ext(r);
	struct fy_record *to = (struct fy_record *)(void *)ch->fill;
	uint32_t wire = call ? size : size - 8;
	uint64_t id = 0;
	if (wire > (size_t)(ch->fast_end - ch->fill))
		return false;
	if (call && (p->calls_open >= p->calls_max || !(id = fy_call_open(p, future, ch->rank))))
		return false;
	if (!fy_future_depart(future)) {
		if (call)
			fy_call_close(p, id, ch->rank);
		return false;
	}
	if (call) {
		fy_record_copy(to, r, size);
		to->stream = stream;
		fy_record_set_ext(to, id);
		p->stats.calls++;
	} else {
		*to = (struct fy_record){ r->size_flags & ~FY_EXT, r->op, r->rank, stream };
		fy_record_copy(to + 1, (const char *)(r + 1) + 8, size - 8 - (uint32_t)sizeof *r);
		await_acceptance(p, ch, future, stream);
		p->stats.posts++;
	}
	ch->fill += wire;
	ch->nrecords++;
	ch->fast_records--;
	ch->spent += wire + FY_MESSAGE_CHARGE;
	p->issued[fy_tag_colour(stream, p->colour)]++;
	return true;
}

/* Likewise for what has a future, as long as the channel has room. */
static uint64_t drain_awaited(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                              uint64_t end, uint32_t tag)
{
	const struct fy_record *r = fy_lane_at(lane, head);
	if (r->op >= FERRY_OP_RESERVED)
		return head;
	uint32_t rank = r->rank;
	struct fy_channel *ch = p->channels[rank];
	while (head < end && ch && ch->fast_end && ch->fast_records) {
		r = fy_lane_at(lane, head);
		uint32_t form = r->size_flags >> 24, size = fy_record_size(r->size_flags);
		if ((form != FY_AWAITED_POST && form != FY_PLAIN_CALL) || r->rank != rank ||
		    r->op >= FERRY_OP_RESERVED || !put_awaited(p, ch, r, size, stream_of(r, tag)))
			break;
		head += size;
	}
	return head;
}

static uint64_t drain_frequent(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                               uint64_t end, uint32_t tag)
{
	uint32_t form = fy_lane_at(lane, head)->size_flags >> 24;
	if (form == FY_PLAIN_POST)
		return drain_plain(p, lane, head, end, tag);
	if (form == FY_AWAITED_POST || form == FY_PLAIN_CALL)
		return drain_awaited(p, lane, head, end, tag);
	return head;
}

/* One lane's turn. Returns how many bytes it took. */
static uint64_t drain_lane(struct fy_progress *p, struct fy_lane *lane)
{
	uint64_t head = lane->head, end = lane->tail_seen, start = head;
	uint32_t tag = 0;
	if (fy_unlikely((int64_t)(lane->fence_mark - head) > 0)) {
		/* up to there it is of the colour before */
		tag = fy_tag(p->colour ^ 1);
		end = lane->fence_mark;
	}
	lane->stuck = false;
	if (end - head > TURN_BYTES)
		end = head + TURN_BYTES;
	while (head < end) {
		const struct fy_record *r = fy_lane_at(lane, head);
		if (r->size_flags == FY_KIND_PAD) {
			head = (head | (FY_LANE_BYTES - 1)) + 1;
			continue;
		}
		uint64_t taken = drain_frequent(p, lane, head, end, tag);
		if (taken != head) {
			head = taken;
			continue;
		}
		uint32_t size = fy_record_size(r->size_flags);
		if (!take_slow(p, r, size, tag)) {
			p->drain_broke_off = lane->stuck = true;
			break;
		}
		head += size;
	}
	if (head != start) {
		fy_lane_consume(lane, head);
		p->worked = true;
	}
	return head - start;
}

static bool flush_one(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                      ferry_future *future)
{
	struct {
		struct fy_record r;
		uint64_t future;
	} marker = { { FY_KIND_POST | FY_EXT, FY_OP_FLUSH, (uint32_t)ch->rank, stream },
		     (uint64_t)(uintptr_t)future };
	if (!ch->queue && put(p, ch, &marker.r, stream) == PUT_DONE)
		return true;
	return enqueue(p, ch, &marker.r, sizeof marker, stream, true);
}

/* What counts down while every channel is flushed. */
struct flush_count {
	uint32_t open;
	int status;
	char *detail; /* of the first failure, malloc'd or NULL */
	ferry_future *whole;
	struct fy_channel *next; /* that has no marker yet */
};

static void flushed_one(ferry_future *future, int status, void *arg)
{
	struct flush_count *count = arg;
	if (status && !count->status) {
		count->status = status;
		count->detail = strdup(fy_future_why(future));
	}
	if (--count->open)
		return;
	const char *unknown = count->status ? "a post before this flush failed" : NULL;
	fy_future_complete(count->whole, count->status, count->detail ? count->detail : unknown);
	free(count->detail);
	free(count);
}

static bool flush_channel(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                          struct flush_count *count)
{
	ferry_future *future = fy_future_create(p->engine, FY_FUTURE_IS_FLUSH);
	if (!future)
		return false;
	bool put = flush_one(p, ch, stream, future);
	if (put) {
		count->open++;
		ferry_future_then(future, FERRY_INLINE, flushed_one, count);
	} else {
		ferry_future_release(future); /* the engine's */
	}
	ferry_future_release(future);
	return put;
}

/* That of this flush: while it is not through, its future knows it. NULL: no memory. */
static struct flush_count *count_of(struct fy_progress *p, ferry_future *whole)
{
	struct flush_count *count = whole->extra;
	if (count || !(count = calloc(1, sizeof *count)))
		return count;
	*count = (struct flush_count){ .open = 1, .whole = whole, .next = p->all };
	whole->extra = count;
	return count;
}

/* One marker to each peer that was ever talked to. Where one finds no memory the record stays in
 * its lane, and the next step goes on there. */
static bool flush_all(struct fy_progress *p, const struct fy_record *r, uint32_t stream)
{
	struct flush_count *count = count_of(p, future_of(r));
	if (!count)
		return false;
	for (; count->next; count->next = count->next->all_next)
		if (!flush_channel(p, count->next, stream, count))
			return false;
	count->whole->extra = NULL;
	flushed_one(NULL, 0, count);
	return true;
}

/* Lanes that became active since the last step join the list. */
static void list_lane(struct fy_progress *p, struct fy_lane *lane)
{
	lane->next = p->lanes;
	p->lanes = lane;
	if (lane->known)
		return;
	lane->known = 1;
	lane->all_next = p->all_lanes;
	p->all_lanes = lane;
}

void fy_outgoing_list_lanes(struct fy_progress *p)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->lanes);
	while (entry) {
		struct fy_lane *lane =
			(struct fy_lane *)(void *)((char *)entry - offsetof(struct fy_lane, entry));
		entry = CK_STACK_NEXT(entry);
		list_lane(p, lane);
	}
}

/* A lane that was idle for some sleeps leaves the list, so that the loop does not
 * look at it; its thread lists it again with its next post. */
#define IDLE_SLEEPS 8u

void fy_outgoing_delist(struct fy_progress *p)
{
	for (struct fy_lane **at = &p->lanes; *at;) {
		struct fy_lane *lane = *at;
		if (++lane->idle_sleeps < IDLE_SLEEPS) {
			at = &lane->next;
			continue;
		}
		*at = lane->next;
		lane->next = p->delisted;
		p->delisted = lane;
		fy_store_release_32(&lane->listed, 0);
	}
}

/* Behind the barrier: what was posted meanwhile is seen here, or its poster saw `listed` at 0. */
bool fy_outgoing_relist(struct fy_progress *p)
{
	bool any = false;
	while (p->delisted) {
		struct fy_lane *lane = p->delisted;
		p->delisted = lane->next;
		if (!fy_lane_has_work(lane) && !fy_load_acquire_32(&lane->left))
			continue;
		if (fy_swap_32(&lane->listed, 1) == 0) {
			list_lane(p, lane);
			any = true;
		}
	}
	return any;
}

static bool has_more(struct fy_progress *p, bool stuck_ones)
{
	if (fy_load_relaxed_ptr(&p->engine->lanes.head) ||
	    fy_load_relaxed_ptr(&p->engine->replies.head) || p->replies)
		return true;
	for (struct fy_lane *lane = p->lanes; lane; lane = lane->next)
		if ((stuck_ones || !lane->stuck) && fy_lane_has_work(lane))
			return true;
	return false;
}

bool fy_outgoing_has_work(struct fy_progress *p)
{
	return has_more(p, true);
}

bool fy_outgoing_has_input(struct fy_progress *p)
{
	return has_more(p, false);
}

/* Its thread has left. That thread may still be about to look whether the engine has stopped
 * (fy_engine_lane_left): `gone` tells it that the engine's reference is given back. */
static void forget_lane(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane **at = &p->all_lanes;
	while (*at != lane)
		at = &(*at)->all_next;
	*at = lane->all_next;
	fy_store_release_32(&lane->gone, 1);
	fy_lane_release(lane);
}

/* Under shortage nobody is always first: the lane that found no room begins the next step. */
static void turn_to(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane *first = p->lanes, *before = first, *last = lane;
	if (!lane || first == lane)
		return;
	while (before->next != lane)
		before = before->next;
	while (last->next)
		last = last->next;
	p->lanes = lane;
	before->next = NULL;
	last->next = first;
}

/* Has a thread waited for an answer lately? Then floods give way, see drain_round. */
static bool answers_matter(struct fy_progress *p)
{
	if (p->calls_open || p->n_pending)
		p->awaited_at = p->now;
	return p->awaited_at && p->now - p->awaited_at < ANSWERS_MATTER;
}

/* Its producer sleeps for want of room, or did lately. */
static bool floods(struct fy_progress *p, struct fy_lane *lane)
{
	if (fy_load_relaxed_32(&lane->waiting)) {
		lane->flooded_at = p->now;
		p->flooded = true;
	}
	return lane->flooded_at && p->now - lane->flooded_at < FLOOD_LASTS;
}

/* To the end of the list, not only behind where it begins: turn_to may move that back. */
static void move_last(struct fy_progress *p, struct fy_lane *lane)
{
	struct fy_lane **at = &p->lanes;
	while (*at != lane)
		at = &(*at)->next;
	*at = lane->next;
	lane->next = NULL;
	while (*at)
		at = &(*at)->next;
	*at = lane;
}

/* Of floods that give way one at a time is drained; after its share come the others. */
static void share_out(struct fy_progress *p, struct fy_lane *drained, uint64_t bytes)
{
	drained->share += bytes;
	if (drained->share < FLOOD_SHARE)
		return;
	drained->share = 0;
	move_last(p, drained);
}

/*
 * Each lane has a turn. But while answers matter only one flood has, and the others' lanes stay
 * full and their producers asleep: in front of a thread whose answer has come there are one or
 * two that want the same processor, and not all of them. (Else they get up together, which costs
 * fewer switches.) Returns how many bytes left them; *refused_p: the first from which nothing
 * could leave.
 */
static uint64_t drain_round(struct fy_progress *p, bool give_way, struct fy_lane **refused_p)
{
	struct fy_lane *drained = NULL;
	uint64_t all = 0, its = 0;
	for (struct fy_lane **at = &p->lanes; *at;) {
		struct fy_lane *lane = *at;
		/* `left` first: what the exiting thread posted before is then seen. */
		bool left = fy_load_acquire_32(&lane->left), work = fy_lane_has_work(lane);
		if (!work && left) {
			*at = lane->next;
			forget_lane(p, lane);
			continue;
		}
		at = &lane->next;
		if (!work)
			continue;
		lane->idle_sleeps = 0;
		bool flood = floods(p, lane) && give_way;
		if (flood && drained) {
			lane->stuck = false; /* for all we know */
			continue;
		}
		uint64_t moved = drain_lane(p, lane);
		if (!moved && !*refused_p)
			*refused_p = lane;
		if (moved && flood) {
			drained = lane;
			its = moved;
		}
		all += moved;
	}
	if (drained)
		share_out(p, drained, its);
	return all;
}

void fy_outgoing_drain(struct fy_progress *p)
{
	struct fy_lane *refused = NULL;
	uint64_t all = 0, moved;
	/* an agreement waits for the floods, too */
	bool give_way = !p->agree.kind && answers_matter(p);
	p->drain_broke_off = p->flooded = false;
	if (fy_load_relaxed_ptr(&p->engine->lanes.head))
		fy_outgoing_list_lanes(p);
	do {
		moved = drain_round(p, give_way, &refused);
		all += moved;
	} while (moved && !p->drain_broke_off &&
	         all < (give_way && p->flooded ? DRAIN_BESIDE : DRAIN_BYTES));
	turn_to(p, refused);
}

/* ---- replies --------------------------------------------------------------------- */

bool fy_outgoing_reply_bytes(struct fy_progress *p, int rank, uint64_t call_id,
                             const struct fy_reply_error *error, const void *body, uint32_t nbytes,
                             uint32_t tag)
{
	struct fy_channel *ch = fy_channel_get(p, rank);
	if (ch && (ch->gone || p->byes))
		return true; /* nobody is there to take it */
	uint32_t head = error ? (uint32_t)sizeof *error : 0;
	uint32_t word = FY_KIND_REPLY | FY_EXT | (error ? FY_ERROR : 0) | (head + nbytes),
		 size = fy_record_size(word);
	struct fy_record *r = ch ? fy_channel_reserve(p, ch, size) : NULL;
	if (!r)
		return false;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, 0, (uint32_t)rank, tag };
	fy_record_set_ext(r, call_id);
	if (head)
		memcpy(fy_record_data(r), error, head);
	if (nbytes)
		memcpy(fy_record_data(r) + head, body, nbytes);
	fy_channel_commit(p, ch, size);
	p->issued[fy_tag_colour(tag, p->colour)]++;
	return true;
}

static bool put_reply_folded(struct fy_progress *p, struct fy_channel *ch,
                             const ferry_message *request, size_t folded)
{
	const ferry_message *m = request->answer;
	uint32_t word =
		FY_KIND_REPLY | FY_EXT | (m->n_attachments ? FY_ATTACHED : 0) | (uint32_t)folded;
	uint32_t size = fy_record_size(word);
	struct fy_record *r = fy_channel_reserve(p, ch, size);
	if (!r)
		return false;
	fy_record_clear_end(r, size);
	*r = (struct fy_record){ word, m->op, (uint32_t)ch->rank, request->answer_tag };
	fy_record_set_ext(r, request->call_id);
	fy_message_fold(m, fy_record_data(r));
	fy_channel_commit(p, ch, size);
	p->issued[fy_tag_colour(request->answer_tag, p->colour)]++;
	return true;
}

static bool put_answer(struct fy_progress *p, struct fy_channel *ch, ferry_message *request)
{
	ferry_message *m = request->answer;
	struct fy_reply_error error = { request->answer_status, request->answer_ferrys };
	if (ch->gone || p->byes)
		return true;
	if (error.status || !m)
		return fy_outgoing_reply_bytes(p, ch->rank, request->call_id,
		                               error.status ? &error : NULL, m ? m->body : NULL,
		                               m ? (uint32_t)m->nbytes : 0, request->answer_tag);
	size_t folded = fy_message_folded_size(m);
	if (folded <= FY_REPLY_ROOM)
		return put_reply_folded(p, ch, request, folded);
	if (!fy_transfer_announce(p, ch, m, FY_KIND_REPLY, request->answer_tag, request->call_id,
	                          NULL))
		return false;
	request->answer = NULL; /* its reference went over */
	p->issued[fy_tag_colour(request->answer_tag, p->colour)]++;
	return true;
}

/* Small replies go into the batch, in the room that the call reserved at its caller. Takes the
 * request's reference over when it returns true. */
bool fy_outgoing_reply(struct fy_progress *p, ferry_message *request)
{
	struct fy_channel *ch = fy_channel_get(p, request->source);
	if (!ch || !put_answer(p, ch, request))
		return false;
	if (request->answer)
		ferry_message_release(request->answer);
	request->answer = NULL;
	ferry_message_release(request);
	return true;
}

/* Replies from other threads, in the order of their arrival. */
static void collect_replies(struct fy_progress *p)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->replies);
	ferry_message *first = NULL, *last = NULL;
	while (entry) { /* the stack gives the newest first */
		ferry_message *m =
			(ferry_message *)(void *)((char *)entry - offsetof(ferry_message, entry));
		entry = CK_STACK_NEXT(entry);
		m->answer_tag = tagged(p, m->answer_tag);
		p->replies_of[fy_tag_colour(m->answer_tag, 0)]++;
		m->next = first;
		first = m;
		last = last ? last : m;
	}
	if (!first)
		return;
	*(p->replies_last ? &p->replies_last->next : &p->replies) = first;
	p->replies_last = last;
}

bool fy_outgoing_replies(struct fy_progress *p)
{
	if (fy_load_relaxed_ptr(&p->engine->replies.head))
		collect_replies(p);
	while (p->replies) {
		ferry_message *m = p->replies, *next = m->next;
		unsigned colour = fy_tag_colour(m->answer_tag, 0);
		if (!fy_outgoing_reply(p, m))
			return false;
		p->replies_of[colour]--;
		p->worked = true;
		p->replies = next;
		if (!next)
			p->replies_last = NULL;
	}
	return true;
}

/* ---- for agreements and the end --------------------------------------------------- */

void fy_outgoing_mark_lanes(struct fy_progress *p)
{
	fy_outgoing_list_lanes(p);
	for (struct fy_lane *lane = p->lanes; lane; lane = lane->next)
		lane->owed = fy_load_acquire_64(&lane->tail);
}

void fy_outgoing_new_colour(struct fy_progress *p)
{
	collect_replies(p); /* of the colour up to now */
	for (struct fy_lane *lane = p->lanes; lane; lane = lane->next)
		lane->fence_mark = lane->owed;
	p->colour ^= 1;
	fy_channel_new_colour(p);
}

/* What was posted before the agreement began, and by handlers of that colour that had returned, has
 * left its lane. */
static bool lanes_are_drained(struct fy_progress *p, unsigned colour)
{
	fy_outgoing_list_lanes(p);
	for (struct fy_lane *lane = p->lanes; lane; lane = lane->next)
		if ((int64_t)(lane->head - lane->owed) < 0 ||
		    (int64_t)(lane->head - fy_load_acquire_64(&lane->handler_end[colour])) < 0)
			return false;
	return true;
}

bool fy_outgoing_has_left(struct fy_progress *p, unsigned colour)
{
	collect_replies(p);
	return !p->queued_of[colour] && !p->replies_of[colour] && !p->awaited_of[colour] &&
	       lanes_are_drained(p, colour);
}

/* Has everything that was posted before the mark left for its peer? */
bool fy_outgoing_quiet(struct fy_progress *p)
{
	if (p->drain_broke_off || p->queued || p->replies ||
	    fy_load_relaxed_ptr(&p->engine->replies.head))
		return false;
	return !fy_load_relaxed_ptr(&p->engine->lanes.head) && lanes_are_drained(p, 0) &&
	       lanes_are_drained(p, 1);
}

static void abandon_lane(struct fy_progress *p, struct fy_lane *lane, int status)
{
	uint64_t head = lane->head;
	fy_lane_has_work(lane);
	while (head < lane->tail_seen) {
		const struct fy_record *r = fy_lane_at(lane, head);
		if (r->size_flags == FY_KIND_PAD) {
			head = (head | (FY_LANE_BYTES - 1)) + 1;
			continue;
		}
		head += fy_record_size(r->size_flags);
		fy_outgoing_fail_record(p, r, status, "the engine stopped before it was sent");
	}
	fy_lane_consume(lane, head);
}

/* What is left in lanes at the very end, after an unclean close. */
void fy_outgoing_abandon(struct fy_progress *p, int status)
{
	fy_outgoing_list_lanes(p);
	while (p->all_lanes) {
		struct fy_lane *lane = p->all_lanes;
		abandon_lane(p, lane, status);
		p->all_lanes = lane->all_next;
		fy_store_release_32(&lane->gone, 1);
		fy_lane_nudge(lane);
		fy_lane_release(lane);
	}
	p->lanes = NULL;
	while (p->replies) {
		ferry_message *m = p->replies;
		p->replies = m->next;
		ferry_message_release(m);
	}
	p->replies_last = NULL;
}
