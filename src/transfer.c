/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages: announced by a record in a batch, so that they keep their
 * place in the order; their bytes travel as MPI messages of their own, from the
 * poster's memory into memory that the receiver allocates, in chunks.
 *
 * A message whose bytes fit into half of the unspent credit is prepaid: its chunks follow at once. Any
 * other waits until the receiver grants it, first come first served, out of a
 * budget: one share for requests, one for replies, so that a reply never waits
 * for a request. A message larger than the share goes alone.
 *
 * Chunks carry no header. Both sides number them alike (fy_announce.first_chunk, then
 * one number a chunk, part by part), and the number gives the tag, so that
 * nothing depends on the order in which MPI matches or completes.
 *
 * Turns: a step starts some chunks' worth of sends in each channel and one chunk's worth of
 * receives in all, each time of the next transfer. On one host it is mostly the start
 * of a receive that copies (the send was there before it), so that one chunk is the
 * longest time that a small message waits, and transfers that began together end together. What a network
 * takes and brings by itself meanwhile has up to CHUNKS_MAX chunks a transfer to do. While small messages keep
 * coming, a third of the time is the transfers'.
 *
 * What a peer says is believed as far as it can be checked: an announcement costs it credit
 * until its message is freed, prepaid ones cannot be more than its window, and
 * what does not add up is refused in its place in the order.
 */
#include "block.h"
#include "log.h"
#include "progress.h"
#include "status.h"

#include <stdlib.h>

#define CHUNKS_MAX 4u       /* in flight for one transfer */
#define ACTIVE_MAX 16u      /* transfers that one step looks after */
#define CHUNK_MIN 4096u     /* no peer may cut finer */
#define WAY 2
#define WAY_MAX FERRY_US(500) /* a chunk that took longer waited for something else */
#define PREPAID_WISH (1u << 20) /* up to here a message that is not prepaid asks for a larger window */

struct fy_chunk {
	fy_request request;
	struct fy_chunk *next;
	size_t nbytes;
};

/* Where a transfer stands: the next chunk of either side. */
struct cursor {
	uint32_t part;
	size_t offset;
	uint64_t number;
};

struct fy_outbound {
	struct fy_outbound *next;   /* in its channel */
	struct fy_channel *ch;
	ferry_message *message;     /* a reference */
	uint64_t xid, total, call_id;
	uint32_t kind, stream, stream_number, n_parts, lengths_sent;
	size_t chunk_bytes;
	bool granted;
	bool failed;                /* MPI said that a chunk was not sent */
	struct cursor at;
	struct fy_chunk *flight, *flight_last;
	unsigned n_flight;
};

struct fy_inbound {
	struct fy_inbound *next;    /* waiting for a grant, or landing */
	struct fy_inbound *ch_next, **ch_here; /* in its channel; what points to it */
	struct fy_inbound *grant_next;
	bool grant_owed;            /* it is on its channel's list of grants: not to be freed before that left */
	struct fy_channel *ch;
	ferry_message *message;     /* once there is memory */
	struct fy_held *held;       /* its place in the stream; NULL for replies */
	uint64_t xid, total, call_id;
	uint64_t charge;            /* what its place holds of the credit, until the message does */
	uint32_t kind, stream, op, n_parts, lengths_known;
	uint64_t *lengths;
	size_t chunk_bytes;
	bool prepaid, dead;
	int status;
	struct cursor at;
	struct fy_chunk *flight, *flight_last;
	unsigned n_flight;
};

/* ---- chunks ---------------------------------------------------------------------- */

static struct fy_chunk *chunk_get(struct fy_progress *p)
{
	struct fy_chunk *c = p->chunks;
	if (!c)
		return calloc(1, sizeof *c);
	p->chunks = c->next;
	c->next = NULL;
	return c;
}

static void chunk_put(struct fy_progress *p, struct fy_chunk *c)
{
	c->next = p->chunks;
	p->chunks = c;
}

static int chunk_tag(const struct fy_progress *p, uint64_t number)
{
	return 1 + (int)(number % (uint64_t)p->tag_span);
}

static uint64_t chunks_of(uint64_t nbytes, size_t chunk_bytes)
{
	return (nbytes + chunk_bytes - 1) / chunk_bytes;
}

static size_t part_length(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->nbytes : m->attachments[part - 1].nbytes;
}

static char *part_data(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->body : m->attachments[part - 1].data;
}

/* The next chunk at the cursor, or 0: there is none. Moves on over parts that are done. */
static size_t next_chunk(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes, struct cursor *at)
{
	while (at->part < n_parts && at->offset == part_length(m, at->part)) {
		at->part++;
		at->offset = 0;
	}
	if (at->part == n_parts)
		return 0;
	size_t left = part_length(m, at->part) - at->offset;
	return left < chunk_bytes ? left : chunk_bytes;
}

static void append_chunk(struct fy_chunk **first, struct fy_chunk **last, struct fy_chunk *c)
{
	c->next = NULL;
	*(*last ? &(*last)->next : first) = c;
	*last = c;
}

/* ---- sending ------------------------------------------------------------------------ */

static uint32_t announced_lengths(uint32_t n_parts)
{
	return n_parts < FY_LENGTHS_RECORD ? n_parts : FY_LENGTHS_RECORD;
}

static void put_lengths(char *to, const ferry_message *m, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t n = part_length(m, from + i);
		memcpy(to + 8 * i, &n, sizeof n);
	}
}

static uint64_t all_chunks(const struct fy_outbound *x)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < x->n_parts; i++)
		n += chunks_of(part_length(x->message, i), x->chunk_bytes);
	return n;
}

static void write_announcement(struct fy_channel *ch, struct fy_outbound *x, struct fy_record *r, uint32_t word)
{
	bool prepaid = x->kind != FY_KIND_REPLY && x->total <= (ch->limit - ch->spent) / 2;
	uint32_t count = announced_lengths(x->n_parts);
	struct fy_announce a = { .xid = x->xid, .total = x->total, .first_chunk = x->at.number, .n_parts = x->n_parts,
		                 .chunk_bytes = (uint32_t)x->chunk_bytes, .flags = prepaid ? FY_ANNOUNCE_PREPAID : 0 };
	*r = (struct fy_record){ word, x->message->op, (uint32_t)ch->rank, x->stream };
	if (word & FY_EXT)
		fy_record_set_ext(r, x->call_id);
	memcpy(fy_record_data(r), &a, sizeof a);
	put_lengths(fy_record_data(r) + sizeof a, x->message, 0, count);
	x->lengths_sent = count;
	x->granted = prepaid;
	if (prepaid)
		ch->spent += x->total;
	else if (x->kind != FY_KIND_REPLY && x->total <= PREPAID_WISH && !ch->hungry_told)
		ch->hungry = true;
}

static struct fy_outbound *outbound_create(struct fy_progress *p, struct fy_channel *ch, ferry_message *m,
                                           uint32_t kind, uint32_t stream, uint64_t call_id)
{
	struct fy_outbound *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	*x = (struct fy_outbound){ .ch = ch, .message = m, .xid = ch->next_xid, .total = fy_message_total(m),
		                   .call_id = call_id, .kind = kind, .stream = stream,
		                   .n_parts = (uint32_t)m->n_attachments + 1, .chunk_bytes = p->chunk_bytes };
	x->at.number = ch->next_chunk;
	return x;
}

static void join_stream(struct fy_stream_out *s, struct fy_outbound *x, ferry_future *future)
{
	x->stream_number = ++s->sent;
	s->outstanding++;
	if (!future)
		return;
	future->id = s->sent;
	future->extra = (void *)(uintptr_t)x->stream;
	future->next = NULL;
	*(s->last ? &s->last->next : &s->first) = future;
	s->last = future;
}

static void append_outbound(struct fy_outbound **first, struct fy_outbound **last, struct fy_outbound *x)
{
	x->next = NULL;
	*(*last ? &(*last)->next : first) = x;
	*last = x;
}

/* More lengths than one record carries follow as control. */
static void send_lengths(struct fy_progress *p, struct fy_outbound *x)
{
	while (x->lengths_sent < x->n_parts) {
		uint32_t count = announced_lengths(x->n_parts - x->lengths_sent), n = 8 + 8 * count;
		struct fy_record *r = fy_channel_reserve(p, x->ch, fy_record_size(n));
		if (!r)
			return;
		*r = (struct fy_record){ FY_KIND_CONTROL | n, FY_OP_LENGTHS, (uint32_t)x->ch->rank, 0 };
		memcpy(fy_record_data(r), &x->xid, sizeof x->xid);
		put_lengths(fy_record_data(r) + 8, x->message, x->lengths_sent, count);
		fy_channel_commit(p, x->ch, fy_record_size(n));
		x->lengths_sent += count;
	}
}

/* It is announced: from now on it is the channel's. */
static void keep_outbound(struct fy_progress *p, struct fy_channel *ch, struct fy_outbound *x)
{
	ch->next_xid++;
	ch->next_chunk += all_chunks(x);
	p->n_out++;
	if (x->granted) {
		append_outbound(&ch->out, &ch->out_last, x);
	} else {
		append_outbound(&ch->asked, &ch->asked_last, x);
		p->stats.grants_waited++;
	}
	send_lengths(p, x);
	ch->n_lengths_behind += x->lengths_sent < x->n_parts;
}

static uint32_t announcement_size(const ferry_message *m, uint32_t flags)
{
	uint32_t body = (uint32_t)sizeof(struct fy_announce) + 8 * announced_lengths((uint32_t)m->n_attachments + 1);
	return fy_record_size(flags | body);
}

bool fy_transfer_admits(struct fy_progress *p, struct fy_channel *ch, const ferry_message *m)
{
	return fy_channel_admits(p, ch, announcement_size(m, FY_EXT));
}

bool fy_transfer_announce(struct fy_progress *p, struct fy_channel *ch, ferry_message *m, uint32_t kind,
                          uint32_t stream, uint64_t call_id, ferry_future *future)
{
	bool reply = kind == FY_KIND_REPLY;
	uint32_t body = (uint32_t)sizeof(struct fy_announce) + 8 * announced_lengths((uint32_t)m->n_attachments + 1);
	uint32_t word = kind | FY_LARGE | (call_id ? FY_EXT : 0) | (reply ? 0 : FY_HELD) | body;
	uint32_t size = fy_record_size(word);
	if (!reply && !fy_channel_admits(p, ch, size))
		return false;
	struct fy_record *r = fy_channel_reserve(p, ch, size);
	struct fy_stream_out *s = r && !reply ? fy_channel_stream_out(p, ch, stream, true) : NULL;
	struct fy_outbound *x = r && (s || reply) ? outbound_create(p, ch, m, kind, stream, call_id) : NULL;
	if (!x)
		return false;
	fy_channel_commit(p, ch, size);
	if (!reply)
		fy_channel_spend(ch, size);
	write_announcement(ch, x, r, word);
	if (s)
		join_stream(s, x, future);
	keep_outbound(p, ch, x);
	return true;
}

/* How many bytes were started; 0: none now. */
static size_t start_chunk(struct fy_progress *p, struct fy_outbound *x)
{
	size_t n = next_chunk(x->message, x->n_parts, x->chunk_bytes, &x->at);
	struct fy_chunk *c = n ? chunk_get(p) : NULL;
	if (!c)
		return 0;
	const char *data = part_data(x->message, x->at.part) + x->at.offset;
	if (p->port->ops->send(p->port, x->ch->rank, chunk_tag(p, x->at.number), data, n, &c->request) != 0) {
		chunk_put(p, c);
		return 0;
	}
	append_chunk(&x->flight, &x->flight_last, c);
	x->n_flight++;
	x->at.offset += n;
	x->at.number++;
	p->stats.bytes_sent += n;
	return n;
}

static void test_outbound(struct fy_progress *p, struct fy_outbound *x)
{
	while (x->flight && p->port->ops->test(p->port, &x->flight->request)) {
		struct fy_chunk *c = x->flight;
		x->flight = c->next;
		if (!x->flight)
			x->flight_last = NULL;
		x->n_flight--;
		x->failed |= c->request.status != 0;
		chunk_put(p, c);
		p->worked = true;
	}
}

/* True when all of it is sent: the poster's memory is free again. */
static bool step_outbound(struct fy_progress *p, struct fy_outbound *x, size_t *budget)
{
	size_t n;
	test_outbound(p, x);
	while (!x->ch->gone && *budget && x->n_flight < CHUNKS_MAX && (n = start_chunk(p, x)) != 0) {
		*budget -= n < *budget ? n : *budget;
		p->worked = true;
	}
	return !x->n_flight && (x->ch->gone || !next_chunk(x->message, x->n_parts, x->chunk_bytes, &x->at));
}

static void drop_outbound(struct fy_progress *p, struct fy_outbound *x)
{
	x->ch->n_lengths_behind -= x->lengths_sent < x->n_parts;
	p->n_out--;
	fy_transfer_release(p, x->message);
	free(x);
}

static void lengths_behind(struct fy_progress *p, struct fy_channel *ch, struct fy_outbound *list)
{
	for (struct fy_outbound *x = list; x && ch->n_lengths_behind; x = x->next)
		if (x->lengths_sent < x->n_parts) {
			send_lengths(p, x);
			ch->n_lengths_behind -= x->lengths_sent == x->n_parts;
		}
}

/* A channel's transfers take turns. Next time those come first that were not looked at, then those that
 * started nothing, and last those that did. */
static void step_channel_out(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_outbound *turn[2] = { NULL, NULL }, *turn_last[2] = { NULL, NULL }, *x;
	size_t budget = CHUNKS_MAX * p->chunk_bytes;
	bool failed = false;
	for (unsigned active = ACTIVE_MAX; active && (x = ch->out); active--) {
		size_t before = budget;
		ch->out = x->next;
		bool over = step_outbound(p, x, &budget);
		failed |= x->failed;
		if (over)
			drop_outbound(p, x);
		else
			append_outbound(&turn[budget < before], &turn_last[budget < before], x);
	}
	if (!ch->out)
		ch->out_last = NULL;
	for (int i = 0; i < 2; i++)
		if (turn[i]) {
			*(ch->out_last ? &ch->out_last->next : &ch->out) = turn[i];
			ch->out_last = turn_last[i];
		}
	if (failed)
		fy_channel_gone(p, ch, FERRY_EMPI, "MPI did not send a part of a large message");
}

static void refused_outbound(struct fy_progress *p, struct fy_outbound *x, int status)
{
	const char *why = "the receiver had no memory for it or does not admit it";
	if (x->kind == FY_KIND_CALL) {
		ferry_future *future = fy_call_close(p, x->call_id, x->ch->rank);
		if (future)
			fy_future_complete(future, status, why);
	} else if (x->kind == FY_KIND_POST) {
		fy_channel_stream_fail(p, x->ch, x->stream, x->stream_number, status, why);
	}
	p->stats.refused++;
}

static struct fy_outbound *take_asked(struct fy_channel *ch, uint64_t xid)
{
	struct fy_outbound **at = &ch->asked, *before = NULL;
	while (*at && (*at)->xid != xid) {
		before = *at;
		at = &before->next;
	}
	struct fy_outbound *x = *at;
	if (!x)
		return NULL;
	*at = x->next;
	if (ch->asked_last == x)
		ch->asked_last = before;
	return x;
}

void fy_transfer_granted(struct fy_progress *p, struct fy_channel *ch, const struct fy_grant *g)
{
	struct fy_outbound *x = take_asked(ch, g->xid);
	if (!x) {
		p->stats.malformed++;
		return;
	}
	if (g->status == 0) {
		x->granted = true;
		append_outbound(&ch->out, &ch->out_last, x);
		return;
	}
	refused_outbound(p, x, g->status < 0 ? g->status : FERRY_EDECODE);
	drop_outbound(p, x);
}

/* ---- receiving: announcements ------------------------------------------------------------ */

#define SHARES 3
#define NEEDS_NONE 2

static int share_of(const struct fy_inbound *in)
{
	return in->kind == FY_KIND_REPLY;
}

static int queue_of(const struct fy_inbound *in)
{
	return in->prepaid || in->status ? NEEDS_NONE : share_of(in);
}

static void inbound_link(struct fy_channel *ch, struct fy_inbound *in)
{
	in->ch_next = ch->in;
	in->ch_here = &ch->in;
	if (ch->in)
		ch->in->ch_here = &in->ch_next;
	ch->in = in;
	if (in->prepaid)
		ch->prepaid_in += in->total;
}

static void inbound_unlink(struct fy_inbound *in)
{
	*in->ch_here = in->ch_next;
	if (in->ch_next)
		in->ch_next->ch_here = in->ch_here;
	if (in->prepaid)
		in->ch->prepaid_in -= in->total;
}

static void inbound_free(struct fy_progress *p, struct fy_inbound *in)
{
	inbound_unlink(in);
	if (in->charge)
		fy_channel_returned(p, in->ch, in->charge);
	free(in->lengths);
	free(in);
}

static void queue_for_grant(struct fy_progress *p, struct fy_inbound *in)
{
	int queue = queue_of(in);
	in->next = NULL;
	*(p->waiting_last[queue] ? &p->waiting_last[queue]->next : &p->waiting[queue]) = in;
	p->waiting_last[queue] = in;
}

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

static int take_lengths(struct fy_inbound *in, const char *from, uint32_t count)
{
	if (count > in->n_parts - in->lengths_known)
		return FERRY_EDECODE;
	uint64_t *lengths = realloc(in->lengths, 8 * ((size_t)in->lengths_known + count));
	if (!lengths)
		return FERRY_ENOMEM;
	in->lengths = lengths;
	memcpy(lengths + in->lengths_known, from, 8 * (size_t)count);
	in->lengths_known += count;
	return in->lengths_known < in->n_parts || lengths_add_up(in) ? FERRY_OK : FERRY_EDECODE;
}

/* The place in the stream is taken: what cannot be read is refused there. */
static void lengths_unreadable(struct fy_inbound *in, int status)
{
	in->status = status;
	in->lengths_known = in->n_parts;
}

/* Prepaid can only be what the peer's window has room for. */
static bool announce_ok(const struct fy_progress *p, const struct fy_channel *ch, const struct fy_record *r,
                        struct fy_announce *a)
{
	uint32_t n = fy_record_body(r);
	if (n < sizeof *a)
		return false;
	memcpy(a, fy_record_data(r), sizeof *a);
	if (a->flags & FY_ANNOUNCE_PREPAID && (fy_record_kind(r) == FY_KIND_REPLY || a->total > ch->window ||
	                                       ch->prepaid_in > ch->window - a->total))
		return false;
	return a->n_parts && a->xid >= ch->next_xid_in && a->chunk_bytes >= CHUNK_MIN &&
	       a->chunk_bytes <= p->port->chunk_max && n == sizeof *a + 8 * announced_lengths(a->n_parts);
}

static struct fy_inbound *inbound_create(struct fy_channel *ch, const struct fy_record *r, const struct fy_announce *a)
{
	struct fy_inbound *in = calloc(1, sizeof *in);
	if (!in)
		return NULL;
	*in = (struct fy_inbound){ .ch = ch, .xid = a->xid, .total = a->total, .kind = fy_record_kind(r),
		                   .call_id = r->size_flags & FY_EXT ? fy_record_ext(r) : 0, .stream = r->stream,
		                   .op = r->op, .n_parts = a->n_parts, .chunk_bytes = a->chunk_bytes,
		                   .prepaid = a->flags & FY_ANNOUNCE_PREPAID };
	in->at.number = a->first_chunk;
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
	in->held = reply ? NULL : fy_dispatch_hold(p, ch, r->stream, NULL);
	if (!reply && !in->held) {
		free(in);
		return FERRY_ENOMEM;
	}
	if (!reply) {
		in->charge = FY_MESSAGE_CHARGE + (in->prepaid ? in->total : 0);
		ch->held += in->charge;
	}
	ch->next_xid_in = a.xid + 1;
	p->announcements++;
	inbound_link(ch, in);
	int status = take_lengths(in, fy_record_data(r) + sizeof a, announced_lengths(a.n_parts));
	if (status)
		lengths_unreadable(in, status);
	/* Its turn is that of its announcement, also when more lengths are to come: one that overtook it could
	 * take the memory that it needs and then wait behind it in their stream. */
	queue_for_grant(p, in);
	return FERRY_OK;
}

int fy_transfer_lengths(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r)
{
	uint32_t n = fy_record_body(r);
	uint64_t xid;
	(void)p;
	if (n < 16 || n % 8)
		return FERRY_EDECODE;
	memcpy(&xid, fy_record_data(r), sizeof xid);
	struct fy_inbound *in = ch->in;
	while (in && in->xid != xid)
		in = in->ch_next;
	if (!in || in->lengths_known == in->n_parts)
		return FERRY_EDECODE;
	int status = take_lengths(in, fy_record_data(r) + 8, n / 8 - 1);
	if (status == FERRY_EDECODE)
		lengths_unreadable(in, status);
	return status == FERRY_ENOMEM ? status : FERRY_OK;
}

/* ---- receiving: memory and grants ---------------------------------------------------------- */

static void *land(struct fy_progress *p, struct fy_inbound *in, uint32_t part, bool *owned)
{
	struct fy_memory_handler *h = p->memory_handlers;
	*owned = true;
	while (h && h->op != in->op)
		h = h->next;
	if (h && in->kind != FY_KIND_REPLY) {
		ferry *before = fy_engine_enter_inline(p->engine);
		void *there = h->fn(p->engine, in->ch->rank, in->op, part - 1, in->lengths[part], h->arg);
		fy_engine_leave_inline(before);
		*owned = !there;
		if (there)
			return there;
	}
	return fy_block_get(p, in->lengths[part]);
}

static bool land_attachments(struct fy_progress *p, struct fy_inbound *in, ferry_message *m)
{
	m->large = m->nbytes;
	for (uint32_t i = 1; i < in->n_parts; i++) {
		struct fy_attachment *a = &m->attachments[i - 1];
		a->data = land(p, in, i, &a->owned);
		a->nbytes = in->lengths[i];
		if (!a->data)
			return false;
		m->large += a->owned ? a->nbytes : 0;
	}
	return true;
}

static int make_room(struct fy_progress *p, struct fy_inbound *in)
{
	ferry_message *m = fy_message_new(p->engine, in->op, in->lengths[0]);
	if (!m)
		return FERRY_ENOMEM;
	m->flags = FY_MESSAGE_RECEIVED;
	m->source = in->ch->rank;
	if (fy_message_room_for(m, in->n_parts - 1) || !land_attachments(p, in, m)) {
		m->large = 0;
		fy_message_free(m);
		return FERRY_ENOMEM;
	}
	if (in->kind == FY_KIND_CALL) {
		m->flags |= FY_MESSAGE_CALL;
		m->call_id = in->call_id;
	}
	m->account = in->kind == FY_KIND_REPLY ? NULL : in->ch->account;
	m->charge = in->charge;
	in->charge = 0;
	if (in->prepaid || in->kind == FY_KIND_REPLY)
		m->large = 0; /* paid from the credit; or the program's, which holds the call's future */
	in->message = m;
	return FERRY_OK;
}

static void owe_grant(struct fy_progress *p, struct fy_inbound *in)
{
	in->grant_next = NULL;
	in->grant_owed = true;
	*(in->ch->grants_owed ? &in->ch->grants_last->grant_next : &in->ch->grants_owed) = in;
	in->ch->grants_last = in;
	fy_channel_mark(p, in->ch);
}

/* The message will not come: its place in the stream, or its call, ends here. */
static void refuse(struct fy_progress *p, struct fy_inbound *in, int status)
{
	in->status = status;
	p->stats.refused++;
	if (in->held)
		in->held->ready = true;
	else {
		ferry_future *future = fy_call_close(p, in->call_id, in->ch->rank);
		p->done++;
		if (future)
			fy_future_complete(future, status, "the reply could not be received");
	}
}

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

/* One that waits: is it its turn, and is there room in the budget? */
static bool fits(const struct fy_progress *p, const struct fy_inbound *in)
{
	int share = share_of(in);
	return in->prepaid || in->status || p->large_used[share] == 0 ||
	       p->large_used[share] + in->total <= p->large_cap[share];
}

static void release_stream(struct fy_progress *p, struct fy_channel *ch, uint32_t stream)
{
	for (struct fy_stream_in *s = ch->streams_in; s; s = s->next)
		if (s->stream == stream) {
			fy_dispatch_release_held(p, ch, s);
			return;
		}
}

static void append_landing(struct fy_progress *p, struct fy_inbound *in)
{
	in->next = NULL;
	*(p->landing_last ? &p->landing_last->next : &p->landing) = in;
	p->landing_last = in;
}

/* Kept blocks are within the budget: what messages use of it they cannot have. */
static void keep_no_more(struct fy_progress *p)
{
	uint64_t used = p->large_used[0] + p->large_used[1], cap = p->large_cap[0];
	fy_block_trim(p, used < cap ? cap - used : 0);
}

/* False: what is prepaid has to be taken from MPI, and there is no memory for it now. */
static bool grant(struct fy_progress *p, struct fy_inbound *in)
{
	int status = admitted(p, in);
	if (!status)
		status = make_room(p, in);
	if (status == FERRY_ENOMEM && in->prepaid)
		return false;
	if (status) {
		refuse(p, in, status);
		release_stream(p, in->ch, in->stream);
	} else {
		if (!in->prepaid)
			p->large_used[share_of(in)] += in->kind == FY_KIND_REPLY ? in->total : in->message->large;
		append_landing(p, in);
		keep_no_more(p);
	}
	if (!in->prepaid)
		owe_grant(p, in);
	else if (status) /* lengths that lie, with data behind them: nothing of that peer can be believed */
		fy_channel_gone(p, in->ch, status, "a large message that was announced wrongly");
	return true;
}

static bool grant_first(struct fy_progress *p, int queue)
{
	struct fy_inbound *in = p->waiting[queue];
	bool known = in->lengths_known == in->n_parts || in->dead;
	if (!known || !fits(p, in) || (!p->user_code && p->memory_handlers && in->kind != FY_KIND_REPLY))
		return false; /* asking the program where it lands is user code */
	p->waiting[queue] = in->next;
	if (!in->next)
		p->waiting_last[queue] = NULL;
	if (in->dead) {
		inbound_free(p, in);
		return true;
	}
	if (grant(p, in)) {
		p->worked = true;
		return true;
	}
	in->next = p->waiting[queue];
	p->waiting[queue] = in;
	if (!in->next)
		p->waiting_last[queue] = in;
	return false;
}

static void grant_waiting(struct fy_progress *p)
{
	uint64_t returned = fy_load_acquire_64(&p->engine->large_returned);
	p->large_used[0] -= returned - p->large_seen;
	p->large_seen = returned;
	for (int queue = 0; queue < SHARES; queue++)
		while (p->waiting[queue] && grant_first(p, queue))
			;
}

bool fy_transfer_put_grants(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->grants_owed) {
		struct fy_inbound *in = ch->grants_owed;
		struct fy_grant g = { in->xid, in->status, 0 };
		uint32_t size = fy_record_size(sizeof g);
		struct fy_record *r = fy_channel_reserve(p, ch, size);
		if (!r)
			return false;
		*r = (struct fy_record){ FY_KIND_CONTROL | (uint32_t)sizeof g, FY_OP_GRANT, (uint32_t)ch->rank, 0 };
		memcpy(fy_record_data(r), &g, sizeof g);
		fy_channel_commit(p, ch, size);
		ch->grants_owed = in->grant_next;
		in->grant_owed = false;
		if (in->status)
			inbound_free(p, in);
	}
	return true;
}

/* ---- receiving: data -------------------------------------------------------------------------- */

/* How many bytes were asked for; 0: there is nothing to ask for, or not now. */
static size_t post_chunk(struct fy_progress *p, struct fy_inbound *in)
{
	size_t n = next_chunk(in->message, in->n_parts, in->chunk_bytes, &in->at);
	struct fy_chunk *c = n ? chunk_get(p) : NULL;
	if (!c)
		return 0;
	char *data = part_data(in->message, in->at.part) + in->at.offset;
	if (p->port->ops->recv(p->port, in->ch->rank, chunk_tag(p, in->at.number), data, n, &c->request) != 0) {
		chunk_put(p, c);
		return 0;
	}
	c->nbytes = n;
	append_chunk(&in->flight, &in->flight_last, c);
	in->n_flight++;
	in->at.offset += n;
	in->at.number++;
	p->landing_bytes += n;
	return n;
}

static void test_inbound(struct fy_progress *p, struct fy_inbound *in)
{
	while (in->flight && p->port->ops->test(p->port, &in->flight->request)) {
		struct fy_chunk *c = in->flight;
		in->flight = c->next;
		if (!in->flight)
			in->flight_last = NULL;
		in->n_flight--;
		if (!in->dead && (c->request.status || c->request.nbytes != c->nbytes))
			in->status = c->request.status ? c->request.status : FERRY_EDECODE;
		p->stats.bytes_received += c->request.nbytes;
		p->landing_bytes -= c->nbytes;
		chunk_put(p, c);
		p->worked = true;
	}
}

/* All of it is here (or will never be). */
static void inbound_done(struct fy_progress *p, struct fy_inbound *in)
{
	struct fy_channel *ch = in->ch;
	ferry_message *m = in->message;
	if (in->kind == FY_KIND_REPLY)
		p->large_used[1] -= in->total;
	if (in->dead) {
		ferry_message_release(m);
	} else if (in->status) {
		m->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(m);
		refuse(p, in, in->status);
		release_stream(p, ch, in->stream);
	} else if (in->held) {
		in->held->message = m;
		in->held->ready = true;
		release_stream(p, ch, in->stream);
	} else {
		fy_dispatch_reply(p, ch->rank, in->call_id, m);
	}
	inbound_free(p, in);
}

/* One chunk a transfer may always be asked for, more while not too much is: what was asked for
 * of several may come, and be copied, at once. */
static bool step_inbound(struct fy_progress *p, struct fy_inbound *in, size_t *budget)
{
	size_t n, before = *budget;
	test_inbound(p, in);
	while (!in->dead && *budget && in->n_flight < CHUNKS_MAX &&
	       (!in->n_flight || p->landing_bytes < CHUNKS_MAX * p->chunk_bytes) && (n = post_chunk(p, in)) != 0)
		*budget -= n < *budget ? n : *budget;
	if (*budget < before)
		test_inbound(p, in); /* what was there before is often done at once */
	return !in->n_flight && !in->grant_owed && (in->dead || !next_chunk(in->message, in->n_parts, in->chunk_bytes, &in->at));
}

static uint64_t small_records(const struct fy_progress *p)
{
	return p->stats.delivered - p->announcements;
}

/* Where asking for a chunk copies it, small messages wait meanwhile. If any came since the last one, they get WAY times
 * as long as that took before the next one: then most of an exchange of small messages finds the engine free. */
static bool make_way(const struct fy_progress *p)
{
	return p->now - p->landed_at < WAY * p->landing_took && small_records(p) != p->small_seen;
}

static void note_landing(struct fy_progress *p)
{
	p->landed_at = p->port->ops->now(p->port);
	p->landing_took = p->landed_at - p->now < WAY_MAX ? p->landed_at - p->now : WAY_MAX;
	p->small_seen = small_records(p);
}

/* They take turns as those do that are sent. */
static void step_landing(struct fy_progress *p)
{
	struct fy_inbound *done = NULL, *turn[2] = { NULL, NULL }, **last[2] = { &turn[0], &turn[1] }, *in;
	size_t budget = make_way(p) ? 0 : p->chunk_bytes, whole = budget;
	for (unsigned active = ACTIVE_MAX; active && (in = p->landing); active--) {
		size_t before = budget;
		p->landing = in->next;
		if (step_inbound(p, in, &budget)) {
			in->next = done;
			done = in;
			continue;
		}
		in->next = NULL;
		*last[budget < before] = in;
		last[budget < before] = &in->next;
	}
	if (budget < whole)
		note_landing(p);
	if (!p->landing)
		p->landing_last = NULL;
	for (int i = 0; i < 2; i++)
		while ((in = turn[i])) {
			turn[i] = in->next;
			append_landing(p, in);
		}
	while (done) {
		in = done;
		done = in->next;
		inbound_done(p, in);
	}
}

bool fy_transfer_step(struct fy_progress *p)
{
	if (p->waiting[0] || p->waiting[1] || p->waiting[2] || p->landing)
		grant_waiting(p);
	if (p->landing)
		step_landing(p);
	if (p->n_out)
		for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
			if (ch->n_lengths_behind) {
				lengths_behind(p, ch, ch->asked);
				lengths_behind(p, ch, ch->out);
			}
			if (ch->out)
				step_channel_out(p, ch);
		}
	fy_block_step(p);
	return p->n_out || p->landing;
}

static void release_later(struct fy_task *task)
{
	fy_message_free((ferry_message *)(void *)((char *)task - offsetof(ferry_message, task)));
}

void fy_transfer_release(struct fy_progress *p, ferry_message *m)
{
	if (m->flags & FY_MESSAGE_RECEIVED) { /* passed on: no user code to run, and a request is owed its answer */
		ferry_message_release(m);
		return;
	}
	if (fy_add_32(&m->refs, (uint32_t)-1) != 1)
		return;
	if (p->user_code || !m->n_attachments) {
		ferry *before = fy_engine_enter_inline(p->engine);
		fy_message_free(m);
		fy_engine_leave_inline(before);
		return;
	}
	m->task.run = release_later;
	fy_dispatch_defer(p, &m->task);
}

/* ---- the end -------------------------------------------------------------------------------------- */

bool fy_transfer_quiet(const struct fy_progress *p)
{
	return !p->n_out && !p->landing && !p->waiting[0] && !p->waiting[1] && !p->waiting[2];
}

bool fy_transfer_blocked(const struct fy_progress *p)
{
	return p->waiting[0] != NULL;
}

/* What is under way to or from a peer that is gone. Sends belong to MPI until
 * it is done with them; receives are cancelled. */
void fy_transfer_channel_gone(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->asked) {
		struct fy_outbound *x = ch->asked;
		ch->asked = x->next;
		drop_outbound(p, x);
	}
	ch->asked_last = NULL;
	for (struct fy_inbound *in = ch->in; in; in = in->ch_next) {
		in->dead = true;
		for (struct fy_chunk *c = in->flight; c; c = c->next)
			p->port->ops->cancel(p->port, &c->request);
	}
	for (struct fy_inbound *in = ch->grants_owed; in; in = in->grant_next)
		in->grant_owed = false;
	ch->grants_owed = ch->grants_last = NULL;
}

static void free_inbound(struct fy_progress *p, struct fy_inbound *in)
{
	if (in->message) {
		in->message->flags &= ~FY_MESSAGE_CALL;
		if (!in->n_flight)
			ferry_message_release(in->message);
	}
	inbound_free(p, in);
}

static void free_outbound(struct fy_progress *p, struct fy_outbound **list)
{
	while (*list) {
		struct fy_outbound *x = *list;
		*list = x->next;
		if (x->n_flight)
			p->stats.kept++;
		else
			ferry_message_release(x->message);
		free(x);
	}
}

/* At the very end. Messages that MPI may still read or write are left alone. */
void fy_transfer_free(struct fy_progress *p)
{
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		while (ch->in)
			free_inbound(p, ch->in);
		free_outbound(p, &ch->out);
		free_outbound(p, &ch->asked);
	}
	while (p->chunks) {
		struct fy_chunk *c = p->chunks;
		p->chunks = c->next;
		free(c);
	}
}
