/* SPDX-License-Identifier: Apache-2.0 */
/* Which records of a batch are in the timeline, and what is written of them. Only the holder of the
 * helm. */
#include "trace/records.h"

#include <stddef.h>
#include <string.h>

#include "ferry.h"
#include "trace/trace.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

/* A walk over the records of a batch: the index of the next record, and that of the next post that
 * is in the timeline, if a post is there. */
struct record_walk {
	uint32_t index, next;
};

/* A number below `every` that looks like chance. */
static uint32_t first_of(const struct fy_trace *t, uint32_t seq)
{
	uint32_t mixed = (seq ^ seq >> 15) * 0x9E3779B1u;
	mixed = (mixed ^ mixed >> 13) * 0x85EBCA6Bu;
	return (uint32_t)((uint64_t)(mixed ^ mixed >> 16) * t->every >> 32);
}

static bool takes_call(const struct fy_trace *t, uint64_t id)
{
	uint64_t mixed = (id ^ id >> 31) * 0x9E3779B97F4A7C15u;
	mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9u;
	return (mixed >> 32) * t->every >> 32 == 0;
}

static struct record_walk walk_from(const struct fy_trace *t, uint32_t seq, uint32_t index)
{
	struct record_walk w = { index, first_of(t, seq) };
	if (w.next < index)
		w.next += (index - w.next + t->every - 1) / t->every * t->every;
	return w;
}

static bool is_the_programs(const struct fy_record *r)
{
	return r->op < FERRY_OP_RESERVED || fy_bodies_is_routine(r->op);
}

/* Is it in the timeline as a post, a call or a reply, if posts have their `turn`? */
static bool is_in(const struct fy_trace *t, const struct fy_record *r, bool turn)
{
	uint32_t kind = fy_record_kind(r);
	if (kind == FY_KIND_POST)
		return (turn || r->size_flags & FY_LARGE) && is_the_programs(r);
	return (kind == FY_KIND_CALL || kind == FY_KIND_REPLY) && r->size_flags & FY_EXT &&
	       takes_call(t, fy_record_ext(r));
}

static bool is_large(const struct fy_record *r)
{
	return r->size_flags & FY_LARGE && fy_record_kind(r) != FY_KIND_CONTROL;
}

/* Is anything of the next record in the timeline? */
static bool takes(const struct fy_trace *t, struct record_walk *w, const struct fy_record *r)
{
	bool turn = w->index++ == w->next;
	if (turn)
		w->next += t->every;
	return is_in(t, r, turn) || is_large(r);
}

/* How many bytes it has, of a large message all of it. */
static uint64_t bytes_of(const struct fy_record *r, struct fy_announce *a)
{
	if (!(r->size_flags & FY_LARGE) || fy_record_body(r) < sizeof *a)
		return fy_record_body(r);
	memcpy(a, fy_record_data(r), sizeof *a);
	return a->total;
}

static void put_leaving(struct fy_trace *t, int64_t now, int rank, const struct fy_record *r,
                        uint64_t place)
{
	struct fy_announce a = { 0 };
	uint32_t kind = fy_record_kind(r);
	bool post = kind == FY_KIND_POST, call = kind == FY_KIND_CALL;
	struct fy_trace_says says = { .kind = post   ? FY_TRACE_POST
		                              : call ? FY_TRACE_CALL
		                                     : FY_TRACE_REPLY,
		                      .flags = is_large(r) ? FY_TRACE_LARGE : 0,
		                      .peer = rank,
		                      .op = r->op,
		                      .id = place,
		                      .extra = post ? 0 : fy_record_ext(r),
		                      .nbytes = bytes_of(r, &a) };
	if (is_in(t, r, true) && (post || call))
		fy_trace_put_of_lane(t, now, r->stream & FY_STREAM, &says);
	else if (is_in(t, r, true))
		fy_trace_put(t, now, &says);
	if (!is_large(r))
		return;
	says.kind = FY_TRACE_ANNOUNCED;
	says.id = a.xid;
	fy_trace_put(t, now, &says);
}

/* The clock is read before the batch is sent: so nothing of it comes before it left. */
void fy_trace_records_leaves(struct fy_trace *t, int rank, const char *bytes, uint32_t nbytes,
                             int64_t opened)
{
	const struct fy_batch_header *h = fy_header_of(bytes);
	struct record_walk w = walk_from(t, h->seq, 0);
	int64_t now = 0;
	if (w.next == 0) {
		now = fy_trace_now(t);
		fy_trace_put(t, now,
		             &(struct fy_trace_says){ .kind = FY_TRACE_SENT,
		                                      .peer = rank,
		                                      .op = h->nrecords,
		                                      .id = h->seq,
		                                      .extra = (uint64_t)(now - opened),
		                                      .nbytes = nbytes });
	}
	for (uint32_t at = sizeof *h; at < nbytes;) {
		const struct fy_record *r = fy_record_at(bytes + at);
		uint32_t index = w.index;
		if (takes(t, &w, r)) {
			now = now ? now : fy_trace_now(t);
			put_leaving(t, now, rank, r, fy_trace_place_of(h->seq, index));
		}
		at += fy_record_size(r->size_flags);
	}
}

void fy_trace_records_came(struct fy_trace *t, int rank, const char *bytes)
{
	const struct fy_batch_header *h = fy_header_of(bytes);
	if (first_of(t, h->seq) == 0)
		fy_trace_put(t, fy_trace_now(t),
		             &(struct fy_trace_says){ .kind = FY_TRACE_CAME,
		                                      .peer = rank,
		                                      .op = h->nrecords,
		                                      .id = h->seq,
		                                      .extra = h->accepted });
}

/* A record that is not all there is not in the timeline: whoever takes it says that it is
 * malformed. */
uint32_t fy_trace_records_next(const struct fy_trace *t, uint32_t seq, uint32_t index,
                               const char *bytes, uint32_t at, uint32_t nbytes)
{
	struct record_walk w = walk_from(t, seq, index);
	while (nbytes - at >= sizeof(struct fy_record)) {
		const struct fy_record *r = fy_record_at(bytes + at);
		uint32_t size = fy_record_size(r->size_flags);
		if (size > nbytes - at)
			break;
		if (takes(t, &w, r))
			return at;
		at += size;
	}
	return nbytes;
}

void fy_trace_records_record_begin(struct fy_trace *t, uint32_t seq, uint32_t index,
                                   const struct fy_record *r)
{
	t->current = is_in(t, r, true) ? fy_trace_place_of(seq, index) : 0;
	t->ran = false;
}

static void put_expected(struct fy_trace *t, int rank, const struct fy_record *r)
{
	struct fy_announce a = { 0 };
	uint64_t nbytes = bytes_of(r, &a);
	fy_trace_put(t, fy_trace_now(t),
	             &(struct fy_trace_says){ .kind = FY_TRACE_EXPECTED,
	                                      .peer = rank,
	                                      .op = r->op,
	                                      .id = a.xid,
	                                      .nbytes = nbytes });
}

/* A large message arrives when all of it is here, and not now. */
void fy_trace_records_record_end(struct fy_trace *t, int rank, const struct fy_record *r,
                                 bool taken)
{
	uint64_t place = t->current;
	bool reply = fy_record_kind(r) == FY_KIND_REPLY, failed = reply && r->size_flags & FY_ERROR;
	t->current = 0;
	if (taken && is_large(r))
		put_expected(t, rank, r);
	else if (taken && place && !t->ran)
		fy_trace_put(t, fy_trace_now(t),
		             &(struct fy_trace_says){
				     .kind = reply ? FY_TRACE_COMPLETED : FY_TRACE_ARRIVED,
				     .flags = failed ? FY_TRACE_FAILED : 0,
				     .peer = rank,
				     .op = r->op,
				     .id = place,
				     .extra = r->size_flags & FY_EXT ? fy_record_ext(r) : 0,
				     .nbytes = fy_record_body(r) });
}

static struct fy_trace_says says_large(const struct fy_trace_large *l, uint8_t kind)
{
	return (struct fy_trace_says){ .kind = kind,
		                       .flags = l->failed ? FY_TRACE_FAILED : 0,
		                       .peer = l->peer,
		                       .op = l->op,
		                       .id = l->xid,
		                       .nbytes = l->nbytes };
}

void fy_trace_records_large_departed(struct fy_trace *t, const struct fy_trace_large *l)
{
	struct fy_trace_says says = says_large(l, FY_TRACE_DEPARTED);
	fy_trace_put(t, fy_trace_now(t), &says);
}

/* The message has arrived, or its call is complete, now. */
void fy_trace_records_large_landed(struct fy_trace *t, const struct fy_trace_large *l)
{
	int64_t now = fy_trace_now(t);
	struct fy_trace_says says = says_large(l, FY_TRACE_LANDED);
	fy_trace_put(t, now, &says);
	if (!l->place)
		return;
	says.kind = l->reply ? FY_TRACE_COMPLETED : FY_TRACE_ARRIVED;
	says.flags = FY_TRACE_LARGE;
	says.id = l->place;
	says.extra = l->call_id;
	fy_trace_put(t, now, &says);
}
