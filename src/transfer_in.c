/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages, the receiver's side until they land: announcements, lengths, memory, grants.
 *
 * An announcement waits for its lengths *parked* in its channel, and what the same peer announced
 * behind it waits there too: one that overtook it could take the memory that it needs and then wait
 * behind it in their stream. Then it goes to one of three queues, which are served first come first
 * served: requests, replies, and what needs no grant. So a peer that never sends its lengths holds
 * up itself alone.
 *
 * Only the first of a queue is looked at: a large one gets its turn because smaller ones do not
 * pass it. One exception: a peer of whose granted chunks none came for STALLED holds nobody else
 * up. What it was granted does not count meanwhile, and it is granted nothing more. So such a peer
 * costs a budget's worth of memory once, or one message that is larger.
 *
 * What is prepaid needs no grant, and its data is on the way: without memory it waits, and
 * others pass it. After SHORT_LAST its data is thrown away (transfer_sink.c), and its sender
 * hears FERRY_ENOMEM.
 *
 * What a peer says is believed as far as it can be checked: an announcement costs it credit until
 * its message is freed, prepaid ones cannot be more than its window, its lengths may take
 * LENGTHS_SHARE of the memory, and what does not add up is refused in its place in the order.
 */
#include "block.h"
#include "program.h"
#include "report.h"
#include "status.h"
#include "transfer.h"

#include <stdlib.h>

#define CHUNK_MIN 4096u /* no peer may cut finer */
#define LENGTHS_MIN (1u << 20)
#define LENGTHS_SHARE 16u

/* what is prepaid waits for memory so long, then it is taken and thrown away */
#define SHORT_LAST FERRY_S(1)

#define QUEUES 3
#define NEEDS_NONE 2

int fy_inbound_share(const struct fy_inbound *in)
{
	return in->kind == FY_KIND_REPLY;
}

/* ---- in the channel ----------------------------------------------------------------------- */

static void link_inbound(struct fy_channel *ch, struct fy_inbound *in)
{
	in->ch_next = ch->in;
	in->ch_here = &ch->in;
	if (ch->in)
		ch->in->ch_here = &in->ch_next;
	ch->in = in;
	if (in->prepaid)
		ch->prepaid_in += in->total;
}

static void unlink_inbound(struct fy_inbound *in)
{
	*in->ch_here = in->ch_next;
	if (in->ch_next)
		in->ch_next->ch_here = in->ch_here;
	if (in->prepaid)
		in->ch->prepaid_in -= in->total;
}

static struct fy_inbound *find(struct fy_channel *ch, uint64_t xid)
{
	struct fy_inbound *in = ch->in;
	while (in && in->xid != xid)
		in = in->ch_next;
	return in;
}

static void drop_lengths(struct fy_inbound *in)
{
	if (in->lengths)
		in->ch->lengths_held -= 8 * (uint64_t)in->lengths_known;
	free(in->lengths);
	in->lengths = NULL;
}

void fy_inbound_free(struct fy_progress *p, struct fy_inbound *in)
{
	unlink_inbound(in);
	drop_lengths(in);
	if (in->draft)
		fy_message_free(in->draft);
	fy_turns_leave(&in->ch->turns_in, &in->flow);
	if (in->charge)
		fy_channel_returned(p, in->ch, in->charge);
	free(in);
}

/* ---- queues ------------------------------------------------------------ */

static void append(struct fy_inbound **first, struct fy_inbound **last, struct fy_inbound *in)
{
	in->next = NULL;
	*(*last ? &(*last)->next : first) = in;
	*last = in;
}

/* What its parts take of the budget. They are at least their bytes, and of those is `total`: a sum
 * that is less has overflowed. */
static uint64_t room_for(const struct fy_progress *p, const struct fy_inbound *in)
{
	uint64_t room = 0;
	for (uint32_t i = 0; i < in->n_parts; i++)
		room += fy_block_room(p->engine, in->lengths[i]);
	return room < in->total ? UINT64_MAX : room;
}

static void queue_for_grant(struct fy_progress *p, struct fy_inbound *in)
{
	int queue = in->prepaid || in->status ? NEEDS_NONE : fy_inbound_share(in);
	in->needs = in->status || in->dead ? 0 : room_for(p, in);
	append(&p->waiting[queue], &p->waiting_last[queue], in);
}

/* Those go on whose lengths are known, up to the first that still waits for some. */
static void unpark(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_inbound *in;
	while ((in = ch->parked) && (in->lengths_known == in->n_parts || in->dead)) {
		ch->parked = in->next;
		if (!ch->parked)
			ch->parked_last = NULL;
		p->n_parked--;
		queue_for_grant(p, in);
	}
}

static void park(struct fy_progress *p, struct fy_inbound *in)
{
	append(&in->ch->parked, &in->ch->parked_last, in);
	p->n_parked++;
	unpark(p, in->ch);
}

/* ---- announcements ----------------------------------------------------- */

/* All lengths are here: do they add up? */
static bool lengths_add_up(const struct fy_inbound *in)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < in->n_parts; i++) {
		if (in->lengths[i] > in->total - sum)
			return false;
		sum += in->lengths[i];
	}
	return sum == in->total;
}

static uint64_t lengths_max(const struct fy_progress *p)
{
	uint64_t share = p->options->receive_memory / LENGTHS_SHARE;
	return share > LENGTHS_MIN ? share : LENGTHS_MIN;
}

/* The place in the stream is taken: what cannot be read is refused there. More lengths are
 * only counted. */
static void unreadable(struct fy_inbound *in, int status)
{
	drop_lengths(in);
	in->status = status;
}

/* Room for more of them. The first have theirs with the announcement, which cost credit: what is
 * prepaid has no more. */
static bool grow_lengths(struct fy_progress *p, struct fy_inbound *in, uint64_t nbytes)
{
	if (!in->lengths_known)
		return true;
	bool may = in->ch->lengths_held + nbytes <= lengths_max(p);
	uint64_t *lengths =
		may ? realloc(in->lengths, 8 * (size_t)in->lengths_known + nbytes) : NULL;
	if (lengths)
		in->lengths = lengths;
	return lengths;
}

static void keep_lengths(struct fy_progress *p, struct fy_inbound *in, const char *from,
                         uint32_t count)
{
	uint64_t nbytes = 8 * (uint64_t)count;
	if (!grow_lengths(p, in, nbytes)) {
		unreadable(in, FERRY_ENOMEM);
		return;
	}
	in->ch->lengths_held += nbytes;
	memcpy(in->lengths + in->lengths_known, from, nbytes);
}

static void take_lengths(struct fy_progress *p, struct fy_inbound *in, const char *from,
                         uint32_t count)
{
	if (count > in->n_parts - in->lengths_known) {
		unreadable(in, FERRY_EDECODE);
		in->lengths_known = in->n_parts;
		return;
	}
	if (!in->status)
		keep_lengths(p, in, from, count);
	in->lengths_known += count;
	if (!in->status && in->lengths_known == in->n_parts && !lengths_add_up(in))
		unreadable(in, FERRY_EDECODE);
}

/* Prepaid can only be what the peer's window has room for. */
static bool announce_ok(const struct fy_progress *p, const struct fy_channel *ch,
                        const struct fy_record *r, struct fy_announce *a)
{
	uint32_t n = fy_record_body(r);
	if (n < sizeof *a)
		return false;
	memcpy(a, fy_record_data(r), sizeof *a);
	if (a->flags & FY_ANNOUNCE_PREPAID &&
	    (fy_record_kind(r) == FY_KIND_REPLY || a->total > ch->window ||
	     ch->prepaid_in > ch->window - a->total))
		return false;
	return a->n_parts && a->xid >= ch->next_xid_in && a->chunk_bytes >= CHUNK_MIN &&
	       a->chunk_bytes <= p->port->chunk_max &&
	       n == sizeof *a + 8 * fy_lengths_in_record(a->n_parts);
}

static struct fy_inbound *inbound_create(struct fy_channel *ch, const struct fy_record *r,
                                         const struct fy_announce *a)
{
	struct fy_inbound *in = calloc(1, sizeof *in);
	uint64_t *lengths = in ? malloc(8 * (size_t)fy_lengths_in_record(a->n_parts)) : NULL;
	if (!lengths) {
		free(in);
		return NULL;
	}
	*in = (struct fy_inbound){ .ch = ch,
		                   .lengths = lengths,
		                   .xid = a->xid,
		                   .total = a->total,
		                   .kind = fy_record_kind(r),
		                   .call_id = r->size_flags & FY_EXT ? fy_record_ext(r) : 0,
		                   .stream = r->stream & FY_STREAM,
		                   .op = r->op,
		                   .n_parts = a->n_parts,
		                   .chunk_bytes = a->chunk_bytes,
		                   .prepaid = a->flags & FY_ANNOUNCE_PREPAID };
	in->flow.at.number = a->first_chunk;
	in->flow.end = a->first_chunk + a->total / a->chunk_bytes + a->n_parts;
	return in;
}

int fy_transfer_arrived(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r)
{
	struct fy_announce a;
	bool reply = fy_record_kind(r) == FY_KIND_REPLY;
	if (!announce_ok(p, ch, r, &a))
		return FERRY_EDECODE;
	struct fy_inbound *in = inbound_create(ch, r, &a);
	if (!in)
		return FERRY_ENOMEM;
	in->colour = (uint8_t)fy_arrived_colour(p, r);
	in->held = reply ? NULL : fy_dispatch_hold(p, ch, in->stream, in->colour, NULL);
	if (!reply && !in->held) {
		free(in->lengths);
		free(in);
		return FERRY_ENOMEM;
	}
	if (!reply) {
		in->charge = FY_MESSAGE_CHARGE + (in->prepaid ? in->total : 0);
		ch->held += in->charge;
	}
	ch->next_xid_in = a.xid + 1;
	p->announcements++;
	link_inbound(ch, in);
	if (in->prepaid)
		fy_turns_take(&ch->turns_in, &in->flow);
	take_lengths(p, in, fy_record_data(r) + sizeof a, fy_lengths_in_record(a.n_parts));
	park(p, in);
	return FERRY_OK;
}

int fy_transfer_lengths(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r)
{
	uint32_t n = fy_record_body(r);
	uint64_t xid;
	if (n < 16 || n % 8)
		return FERRY_EDECODE;
	memcpy(&xid, fy_record_data(r), sizeof xid);
	struct fy_inbound *in = find(ch, xid);
	if (!in || in->lengths_known == in->n_parts)
		return FERRY_EDECODE;
	take_lengths(p, in, fy_record_data(r) + 8, n / 8 - 1);
	unpark(p, ch);
	return FERRY_OK;
}

/* ---- memory ------------------------------------------------------------ */

/* Where the program wants an attachment, if it was not asked before; else NULL. */
static void *ask_where(struct fy_progress *p, struct fy_inbound *in, uint32_t part)
{
	struct fy_memory_handler *h = p->memory_handlers;
	if (part <= in->asked_for)
		return NULL;
	in->asked_for = part;
	while (h && h->op != in->op)
		h = h->next;
	if (!h || in->kind == FY_KIND_REPLY)
		return NULL;
	ferry *before = fy_engine_begin(FY_INLINE, p->engine);
	void *there = NULL;
	if (fy_program_may_run())
		FY_PROGRAM("a memory function", &in->op,
		           there = h->fn(p->engine, in->ch->rank, in->op, part - 1,
		                         in->lengths[part], h->arg));
	fy_engine_end(FY_INLINE, before);
	return there;
}

/* An attachment has a length and an owner when it has memory, not before. `beside`: what the
 * message has by now. */
static bool land(struct fy_progress *p, struct fy_inbound *in, uint32_t part, uint64_t beside,
                 struct fy_attachment *a)
{
	void *there = ask_where(p, in, part),
	     *data = there ? there : fy_block_get(p, in->lengths[part], beside);
	if (!data)
		return false;
	*a = (struct fy_attachment){ .data = data, .nbytes = in->lengths[part], .owned = !there };
	return true;
}

static bool land_attachments(struct fy_progress *p, struct fy_inbound *in, ferry_message *m)
{
	uint64_t large = fy_block_room(p->engine, m->nbytes);
	for (uint32_t i = 1; i < in->n_parts; i++) {
		struct fy_attachment *a = &m->attachments[i - 1];
		if (!a->data && !land(p, in, i, large, a))
			return false;
		large += a->owned ? fy_block_room(p->engine, a->nbytes) : 0;
	}
	m->large = large;
	return true;
}

/* A long body is a block. */
static ferry_message *new_message(struct fy_progress *p, uint32_t op, size_t nbytes)
{
	ferry_message *m = fy_message_new(p->engine, op, nbytes < FY_BLOCK_MIN ? nbytes : 0);
	if (!m || nbytes < FY_BLOCK_MIN)
		return m;
	m->body = fy_block_get(p, nbytes, 0);
	if (!m->body) {
		fy_message_free(m);
		return NULL;
	}
	m->nbytes = m->body_room = nbytes;
	m->flags = FY_MESSAGE_BLOCK;
	return m;
}

/* The message, its attachments without memory: the one that there is, or a new one. */
static ferry_message *draft(struct fy_progress *p, struct fy_inbound *in)
{
	ferry_message *m = in->draft;
	in->draft = NULL;
	if (m || !(m = new_message(p, in->op, in->lengths[0])))
		return m;
	m->flags |= FY_MESSAGE_RECEIVED | fy_message_coloured(in->colour);
	m->source = in->ch->rank;
	if (!fy_message_room_for(m, in->n_parts - 1))
		return m;
	fy_message_free(m);
	return NULL;
}

/* The message is here: what its place held of the credit is its own now, and its chunks
 * may come. */
static void take_over(struct fy_progress *p, struct fy_inbound *in, ferry_message *m)
{
	m->account = in->kind == FY_KIND_REPLY ? NULL : in->ch->account;
	m->charge = in->charge;
	if (in->kind != FY_KIND_REPLY)
		fy_report_kept(p, m);
	in->charge = 0;
	in->message = m;
	in->flow.end = in->flow.at.number + fy_chunk_count_all(m, in->n_parts, in->chunk_bytes);
	drop_lengths(in);
}

/* What there is of its memory is kept only where the rest is tried for again. */
static int make_room(struct fy_progress *p, struct fy_inbound *in)
{
	ferry_message *m = draft(p, in);
	if (!m)
		return FERRY_ENOMEM;
	if (!land_attachments(p, in, m)) {
		if (in->prepaid)
			in->draft = m;
		else
			fy_message_free(m);
		return FERRY_ENOMEM;
	}
	if (in->kind == FY_KIND_CALL) {
		m->flags |= FY_MESSAGE_CALL;
		m->call_id = in->call_id;
	}
	take_over(p, in, m);
	in->large = in->prepaid ? 0 : m->large;
	if (in->prepaid || in->kind == FY_KIND_REPLY)
		/* paid from the credit; or the program's, which holds the call's future */
		m->large = 0;
	return FERRY_OK;
}

/* What is prepaid waited long enough: its bytes are taken and forgotten. This message has lengths,
 * and no memory. False: not even that. */
static bool sink(struct fy_progress *p, struct fy_inbound *in)
{
	if (in->draft)
		fy_message_free(in->draft);
	in->draft = NULL;
	ferry_message *m = fy_sink_open(p) ? fy_message_new(p->engine, in->op, 0) : NULL;
	if (!m)
		return false;
	if (fy_message_room_for(m, in->n_parts - 1)) {
		fy_message_free(m);
		return false;
	}
	m->nbytes = in->lengths[0];
	for (uint32_t i = 1; i < in->n_parts; i++)
		m->attachments[i - 1].nbytes = in->lengths[i];
	in->sunk = true;
	in->status = FERRY_ENOMEM;
	take_over(p, in, m);
	return true;
}

/* ---- refusing ---------------------------------------------------------- */

void fy_inbound_owe_grant(struct fy_progress *p, struct fy_inbound *in)
{
	in->grant_next = NULL;
	in->grant_owed = true;
	*(in->ch->grants_owed ? &in->ch->grants_last->grant_next : &in->ch->grants_owed) = in;
	in->ch->grants_last = in;
	fy_channel_mark(p, in->ch);
}

void fy_inbound_release_stream(struct fy_progress *p, struct fy_channel *ch, uint32_t stream)
{
	for (struct fy_stream_in *s = ch->streams_in; s; s = s->next)
		if (s->stream == stream) {
			fy_dispatch_release_held(p, ch, s);
			return;
		}
}

void fy_inbound_refuse(struct fy_progress *p, struct fy_inbound *in, int status)
{
	in->status = status;
	in->refused = true;
	fy_turns_leave(&in->ch->turns_in, &in->flow);
	p->stats.refused++;
	if (in->held) {
		in->held->ready = true;
		in->held = NULL;
		fy_inbound_release_stream(p, in->ch, in->stream);
	} else if (in->kind == FY_KIND_REPLY) {
		ferry_future *future = fy_call_close(p, in->call_id, in->ch->rank);
		p->done[in->colour]++;
		if (future)
			fy_future_complete(future, status, "the reply could not be received");
	}
}

/* ---- grants ------------------------------------------------------------ */

static int admitted(struct fy_progress *p, const struct fy_inbound *in)
{
	if (in->status)
		return in->status;
	if (in->total > p->options->message_max && !in->prepaid)
		return FERRY_ETOOBIG;
	if (in->kind == FY_KIND_REPLY && !fy_call_peek(p, in->call_id, in->ch->rank))
		return FERRY_ECANCELED; /* nobody waits for it any more */
	return FERRY_OK;
}

/* Is there room in the budget? */
static bool fits(const struct fy_progress *p, const struct fy_inbound *in)
{
	int share = fy_inbound_share(in);
	uint64_t used = p->large_used[share] - p->large_stalled[share], cap = p->large_cap[share];
	return in->prepaid || in->status || used == 0 ||
	       (in->needs <= cap && used <= cap - in->needs);
}

/* What is prepaid has to be taken from MPI, and there is no memory for it. Is that so for
 * too long? */
static bool waits_in_vain(struct fy_progress *p, struct fy_inbound *in)
{
	in->tried_at = p->stats.steps;
	if (!in->short_since)
		in->short_since = p->now;
	return p->now - in->short_since >= SHORT_LAST;
}

/* False: it waits for memory. */
static bool grant(struct fy_progress *p, struct fy_inbound *in)
{
	int status = admitted(p, in);
	if (!status)
		status = make_room(p, in);
	if (status == FERRY_ENOMEM && in->prepaid && !in->status) {
		if (!waits_in_vain(p, in) || !sink(p, in))
			return false;
		status = FERRY_OK;
	}
	if (status) {
		fy_inbound_refuse(p, in, status);
		if (in->prepaid) { /* with data behind it: nothing of that peer can be believed */
			fy_channel_gone(p, in->ch, status,
			                "a large message that was announced wrongly");
			fy_inbound_free(p, in);
			return true;
		}
	} else {
		p->large_used[fy_inbound_share(in)] += in->large;
		fy_landing_add(p, in);
	}
	if (!in->prepaid)
		fy_inbound_owe_grant(p, in);
	return true;
}

/* Those of peers that let us wait are passed, and what is prepaid and found no memory in
 * this step. */
static bool is_passed(const struct fy_progress *p, int queue, const struct fy_inbound *in)
{
	return !in->dead &&
	       (queue == NEEDS_NONE ? in->tried_at == p->stats.steps : in->ch->n_stalled != 0);
}

/* The first that waits and is not passed. `before` is what stands before it. */
static struct fy_inbound *first_of(struct fy_progress *p, int queue, struct fy_inbound **before)
{
	struct fy_inbound *in = p->waiting[queue];
	*before = NULL;
	while (in && is_passed(p, queue, in)) {
		*before = in;
		in = in->next;
	}
	return in;
}

static void put_in_queue(struct fy_progress *p, int queue, struct fy_inbound *before,
                         struct fy_inbound *in)
{
	struct fy_inbound **at = before ? &before->next : &p->waiting[queue];
	in->next = *at;
	*at = in;
	if (!in->next)
		p->waiting_last[queue] = in;
}

static void take_out_of_queue(struct fy_progress *p, int queue, struct fy_inbound *before,
                              struct fy_inbound *in)
{
	*(before ? &before->next : &p->waiting[queue]) = in->next;
	if (!in->next)
		p->waiting_last[queue] = before;
}

static bool grant_first(struct fy_progress *p, int queue)
{
	struct fy_inbound *before, *in = first_of(p, queue, &before);
	if (!in || (!in->dead && !fits(p, in)))
		return false;
	if (!p->user_code && p->memory_handlers && in->kind != FY_KIND_REPLY) {
		p->code_due = true;
		return false; /* asking the program where it lands is user code */
	}
	take_out_of_queue(p, queue, before, in);
	if (in->dead) {
		fy_inbound_free(p, in);
		return true;
	}
	if (grant(p, in)) {
		p->worked = true;
		return true;
	}
	put_in_queue(p, queue, before, in);
	return true; /* those behind it may find some */
}

void fy_inbound_granting(struct fy_progress *p)
{
	uint64_t returned = fy_load_acquire_64(&p->engine->large_returned);
	p->large_used[0] -= returned - p->large_seen;
	p->large_seen = returned;
	for (int queue = 0; queue < QUEUES; queue++)
		while (p->waiting[queue] && grant_first(p, queue))
			;
}

bool fy_transfer_put_grants(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->grants_owed) {
		struct fy_inbound *in = ch->grants_owed;
		struct fy_grant g = { in->xid, in->refused ? in->status : FERRY_OK, 0 };
		uint32_t size = fy_record_size(sizeof g);
		struct fy_record *r = fy_channel_reserve(p, ch, size);
		if (!r)
			return false;
		*r = (struct fy_record){ FY_KIND_CONTROL | (uint32_t)sizeof g, FY_OP_GRANT,
			                 (uint32_t)ch->rank, 0 };
		memcpy(fy_record_data(r), &g, sizeof g);
		fy_channel_commit(p, ch, size);
		ch->grants_owed = in->grant_next;
		in->grant_owed = false;
		if (in->refused)
			fy_inbound_free(p, in);
	}
	return true;
}

/* ---- what the sender says does not come -------------------------------- */

/* It is not here (any more): the sender waits for an answer all the same. One at a time. */
static int answer_lost(struct fy_progress *p, struct fy_channel *ch, const struct fy_lost *lost)
{
	if (lost->xid >= ch->next_xid_in)
		return FERRY_EDECODE;
	struct fy_inbound *in = ch->grants_owed ? NULL : calloc(1, sizeof *in);
	if (!in)
		return FERRY_ENOMEM; /* again later */
	*in = (struct fy_inbound){
		.ch = ch, .xid = lost->xid, .refused = true, .status = FERRY_EMPI
	};
	link_inbound(ch, in);
	fy_inbound_owe_grant(p, in);
	return FERRY_OK;
}

int fy_transfer_lost(struct fy_progress *p, struct fy_channel *ch, const struct fy_lost *lost)
{
	struct fy_inbound *in = find(ch, lost->xid);
	if (!in)
		return answer_lost(p, ch, lost);
	if (in->cut && in->cut_at != lost->started)
		return FERRY_EDECODE; /* it had broken off elsewhere */
	if (!in->cut)
		in->cut_status = lost->status < 0 ? lost->status : FERRY_EDECODE;
	in->cut = true;
	in->cut_at = lost->started;
	in->lost |= lost->which;
	if (in->message)
		fy_landing_cancel_lost(p, in);
	return FERRY_OK;
}

/* ---- the end ----------------------------------------------------------- */

/* Receives are cancelled; what waits ends when its turn comes. */
void fy_inbound_gone(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->grants_owed) {
		struct fy_inbound *in = ch->grants_owed;
		ch->grants_owed = in->grant_next;
		in->grant_owed = false;
		if (in->refused)
			fy_inbound_free(p, in);
	}
	ch->grants_last = NULL;
	for (struct fy_inbound *in = ch->in; in; in = in->ch_next) {
		in->dead = true;
		for (struct fy_chunk *c = in->flow.flight; c; c = c->next)
			p->port->ops->cancel(p->port, &c->request);
	}
	unpark(p, ch);
}

void fy_inbound_free_all(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->in) {
		struct fy_inbound *in = ch->in;
		if (in->message) {
			in->message->flags &= ~FY_MESSAGE_CALL;
			if (!in->flow.n_flight)
				ferry_message_release(in->message);
		}
		fy_inbound_free(p, in);
	}
}
