/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: what this rank keeps for one peer. Records are put into the open
 * batch; a batch leaves at the end of the step, or earlier when it is full, so
 * that it grows only while the loop has more to add or MPI is busy.
 *
 * Credit: every request spends its bytes and what it would cost the receiver to keep
 * it (FY_MESSAGE_CHARGE), every batch with requests FY_BATCH_CHARGE. The
 * receiver allows spending up to `limit`:
 *
 *     limit = what the peer had spent at the last batch dispatched here
 *             - what is still held of it + the pair's window
 *
 * so the limit only grows, and memory held for a peer stays within its window. Replies
 * and control spend nothing: they are bounded by the calls that are open, and by being one
 * word a kind.
 */
#include "log.h"
#include "progress.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>

#define FLIGHT_MAX 8u /* batches of one channel that MPI has */
/* Of small records so many batches are lent: a flood of them, thousands, makes nothing faster by
 * being longer, and what comes behind it waits for all of it. */
#define SMALL_BATCHES 32u
/* full ones that wait behind them, before requests stay in their lanes' queue */
#define READY_MAX 2u
#define POOL_MAX 64u
#define ACK_AGE_MAX 8u /* steps that an owed acknowledgement waits while there is other work */
/* a port that refuses sends for so long will not take them any more */
#define REFUSALS_LAST FERRY_S(1)

/* ---- life ---------------------------------------------------------------- */

static struct fy_account *account_create(struct fy_progress *p, int rank)
{
	struct fy_account *account = calloc(1, sizeof *account);
	if (!account)
		return NULL;
	account->rank = rank;
	account->next = p->engine->account_list;
	p->engine->account_list = account;
	return account;
}

struct fy_channel *fy_channel_open(struct fy_progress *p, int rank)
{
	struct fy_channel *ch = calloc(1, sizeof *ch);
	if (!ch)
		return NULL;
	ch->account = account_create(p, rank);
	if (!ch->account) {
		free(ch);
		return NULL;
	}
	ch->rank = rank;
	ch->seq_out = ch->seq_in = p->first_seq;
	ch->limit = ch->window = ch->limit_sent = p->credit_first;
	ch->doorbell = rank == p->engine->rank ? NULL : p->port->ops->doorbell(p->port, rank);
	ch->next_xid = 1;
	ch->all_next = p->all;
	p->all = ch;
	p->channels[rank] = ch;
	return ch;
}

static struct fy_batch *batch_get(struct fy_progress *p)
{
	struct fy_batch *b = p->pool;
	if (b) {
		p->pool = b->next;
		p->n_pool--;
	} else if (!(b = aligned_alloc(FY_CACHE_LINE, sizeof *b))) {
		return NULL;
	}
	b->next = NULL;
	b->fill = sizeof(struct fy_batch_header);
	b->nrecords = 0;
	b->flags = p->colour ? FY_BATCH_COLOUR : 0;
	b->charged = false;
	return b;
}

static void batch_put(struct fy_progress *p, struct fy_batch *b)
{
	if (p->n_pool >= POOL_MAX) {
		free(b);
		return;
	}
	b->next = p->pool;
	p->pool = b;
	p->n_pool++;
}

static void batches_drop(struct fy_progress *p, struct fy_batch **list)
{
	while (*list) {
		struct fy_batch *b = *list;
		*list = b->next;
		batch_put(p, b);
	}
}

/* ---- the open batch ------------------------------------------------------- */

void fy_channel_mark(struct fy_progress *p, struct fy_channel *ch)
{
	if (ch->on_dirty)
		return;
	ch->on_dirty = true;
	ch->dirty_next = p->dirty;
	p->dirty = ch;
}

static void open_fill_back(struct fy_channel *ch)
{
	ch->open->fill = (uint32_t)(ch->fill - ch->open->bytes);
	ch->open->nrecords = ch->nrecords;
	ch->open->spent = ch->spent;
}

void fy_channel_ask(struct fy_progress *p, struct fy_channel *ch)
{
	if (ch->gone || ch->bye_owed || !fy_channel_reserve(p, ch, 0))
		return;
	ch->open->flags |= FY_BATCH_WANTS_ACK;
	ch->limit_owed = true; /* also without a record */
}

/* The open batch takes no more: it waits for its turn to be sent. */
static void close_open(struct fy_channel *ch)
{
	struct fy_batch *b = ch->open;
	open_fill_back(ch);
	ch->open = NULL;
	ch->fill = ch->fast_end = NULL;
	ch->fast_records = 0;
	b->next = NULL;
	*(ch->ready_last ? &ch->ready_last->next : &ch->ready) = b;
	ch->ready_last = b;
	ch->n_ready++;
}

static char *open_end(const struct fy_channel *ch)
{
	return ch->open->bytes + FY_BATCH_BYTES;
}

static void send_full(struct fy_progress *p, struct fy_channel *ch);

struct fy_record *fy_channel_reserve_slow(struct fy_progress *p, struct fy_channel *ch,
                                          uint32_t size)
{
	if (ch->open && size > (size_t)(open_end(ch) - ch->fill)) {
		close_open(ch);
		send_full(p, ch);
	}
	if (!ch->open) {
		ch->open = batch_get(p);
		if (!ch->open)
			return NULL;
		ch->fill = ch->open->bytes + ch->open->fill;
		ch->nrecords = 0;
		ch->fast_end = NULL;
		ch->fast_records = 0;
	}
	fy_channel_mark(p, ch);
	return (struct fy_record *)(void *)ch->fill;
}

bool fy_channel_admits(struct fy_progress *p, struct fy_channel *ch, uint32_t size)
{
	bool fits = ch->open && size <= (size_t)(open_end(ch) - ch->fill);
	if (!fits && ch->n_ready >= READY_MAX) {
		send_full(p, ch);
		if (ch->n_ready >= READY_MAX)
			return false;
	}
	uint64_t cost = (uint64_t)size + FY_MESSAGE_CHARGE +
	                (fits && ch->open->charged ? 0 : FY_BATCH_CHARGE);
	if (ch->spent + cost <= ch->limit)
		return true;
	if (!ch->hungry && !ch->hungry_told) {
		ch->hungry = true;
		p->stats.credit_out++;
		fy_channel_mark(p, ch);
	}
	return false;
}

/* Pay for the request that is about to be committed, and see how many plain
 * ones may follow without another look. */
void fy_channel_spend(struct fy_channel *ch, uint32_t size)
{
	ch->spent += (uint64_t)size + FY_MESSAGE_CHARGE;
	if (!ch->open->charged) {
		ch->open->charged = true;
		ch->spent += FY_BATCH_CHARGE;
	}
	uint64_t left = ch->limit - ch->spent, bytes = (uint64_t)(open_end(ch) - ch->fill);
	bool fast = !ch->queue && !ch->streams_out && !ch->gone && left > bytes;
	ch->fast_records = fast ? (uint32_t)((left - bytes) / FY_MESSAGE_CHARGE) : 0;
	ch->fast_end = fast ? open_end(ch) : NULL;
}

/* ---- control: one pending word a kind ------------------------------------- */

static bool put_control(struct fy_progress *p, struct fy_channel *ch, uint32_t op, const void *body,
                        uint32_t nbytes)
{
	uint32_t size = fy_record_size(nbytes);
	struct fy_record *r = fy_channel_reserve(p, ch, size);
	if (!r)
		return false;
	*r = (struct fy_record){ FY_KIND_CONTROL | nbytes, op, (uint32_t)ch->rank, 0 };
	memcpy(r + 1, body, nbytes);
	fy_channel_commit(p, ch, size);
	return true;
}

static bool put_stream_acks(struct fy_progress *p, struct fy_channel *ch)
{
	for (struct fy_stream_in **at = &ch->streams_in; *at;) {
		struct fy_stream_in *s = *at;
		struct fy_ack_stream ack = { s->stream, s->owed };
		if (s->owed && !put_control(p, ch, FY_OP_ACK_STREAM, &ack, sizeof ack))
			return false;
		s->owed = 0;
		if (s->first) {
			at = &s->next;
		} else {
			/* nothing waits in it: its number starts anew with the next
			 * large message */
			*at = s->next;
			free(s);
		}
	}
	ch->stream_ack_owed = false;
	return true;
}

/* All credit but a first window's worth goes back. It is spent with the record that says so. */
static void put_give(struct fy_progress *p, struct fy_channel *ch)
{
	uint64_t unused = ch->limit - ch->spent, amount = unused - p->credit_first;
	bool more = !ch->queue && unused > p->credit_first;
	ch->give_owed = more && !put_control(p, ch, FY_OP_GIVE, &amount, sizeof amount);
	if (!more || ch->give_owed)
		return;
	ch->spent += amount;
	ch->fast_end = NULL;
}

static void put_controls(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->n_refused && put_control(p, ch, FY_OP_REFUSED, &ch->refused[ch->n_refused - 1],
	                                    sizeof ch->refused[0]))
		ch->n_refused--;
	/* before acknowledgements of what came behind: they count what is left */
	if (ch->n_refused)
		return;
	/* Before the acknowledgements of streams: a refusal takes its future out before the count
	 * completes the rest. */
	if (ch->grants_owed && !fy_transfer_put_grants(p, ch))
		return;
	if (ch->stream_ack_owed && !put_stream_acks(p, ch))
		return;
	if (ch->news_owed) /* before what says that all have joined */
		ch->news_owed = !put_control(p, ch, FY_OP_AGREE_NEWS, &ch->news, sizeof ch->news);
	if (ch->up_owed)
		ch->up_owed = !put_control(p, ch, FY_OP_AGREE_UP, &ch->up, sizeof ch->up);
	if (ch->down_owed)
		ch->down_owed = !put_control(p, ch, FY_OP_AGREE_DOWN, &ch->down, sizeof ch->down);
	uint64_t zero = 0;
	if (ch->recall_owed)
		ch->recall_owed = !put_control(p, ch, FY_OP_RECALL, &zero, sizeof zero);
	if (ch->give_owed)
		put_give(p, ch);
}

/* What put_controls found no memory for. Whoever owes something new in a channel adds it here, or
 * it is forgotten. */
static bool owes_control(const struct fy_channel *ch)
{
	return ch->n_refused || ch->grants_owed || ch->stream_ack_owed || ch->news_owed ||
	       ch->up_owed || ch->down_owed || ch->recall_owed || ch->give_owed;
}

/* Is a batch owed even though no record is in it? */
static bool owes_header(struct fy_progress *p, struct fy_channel *ch)
{
	bool in_a_hurry = !p->worked || ch->ack_age >= ACK_AGE_MAX;
	if (ch->ack_owed && !in_a_hurry)
		ch->ack_age++;
	return (ch->ack_owed && in_a_hurry) || ch->limit_owed || (ch->bye_owed && !ch->bye_sent) ||
	       ch->hungry;
}

/* ---- sending --------------------------------------------------------------- */

static void stamp(struct fy_progress *p, struct fy_channel *ch, struct fy_batch *b)
{
	struct fy_batch_header *h = (struct fy_batch_header *)(void *)b->bytes;
	bool last =
		ch->bye_owed && !ch->ready->next && !ch->open && !ch->queue && !owes_control(ch);
	*h = (struct fy_batch_header){
		.magic = FY_WIRE_MAGIC,
		.version = FY_WIRE_VERSION,
		.flags = (uint16_t)(b->flags | (ch->hungry ? FY_BATCH_HUNGRY : 0) |
		                    (last ? FY_BATCH_GOODBYE : 0)),
		.seq = ch->seq_out,
		.nrecords = b->nrecords,
		/* a refusal goes first */
		.accepted = (ch->n_refused ? ch->refused[0].seq : ch->seq_in) - 1,
		.limit = fy_channel_limit(ch),
		/* not what later batches have spent: credit would come back for what is not
		 * there yet */
		.spent = b->spent,
	};
	(void)p;
}

static void stamped_and_gone(struct fy_channel *ch, const struct fy_batch *b)
{
	const struct fy_batch_header *h = (const struct fy_batch_header *)(const void *)b->bytes;
	ch->seq_out++;
	if (h->limit > ch->limit_sent) /* until then the smallest room is worth telling */
		ch->peer_hungry = false;
	ch->limit_sent = h->limit;
	ch->hungry_told |= ch->hungry;
	ch->limit_owed = ch->ack_owed = ch->hungry = false;
	ch->ack_age = 0;
	if (h->flags & FY_BATCH_GOODBYE)
		ch->bye_sent = true;
}

/* Nothing was started, so no number was given away: the same batch is tried again, for a while. */
static void send_refused(struct fy_progress *p, struct fy_channel *ch)
{
	char why[256];
	if (!ch->refusals++)
		ch->refused_since = p->now;
	else if (p->now - ch->refused_since > REFUSALS_LAST) {
		snprintf(why, sizeof why, "MPI takes no batch to rank %d any more: %s", ch->rank,
		         p->port->ops->error(p->port));
		fy_channel_gone(p, ch, FERRY_EMPI, why);
	}
}

static bool send_first_ready(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_batch *b = ch->ready;
	stamp(p, ch, b);
	if (p->port->ops->send(p->port, ch->rank, FY_TAG_BATCH, b->bytes, b->fill, &b->request) !=
	    0) {
		send_refused(p, ch);
		return false;
	}
	stamped_and_gone(ch, b);
	ch->refusals = 0;
	ch->ready = b->next;
	if (!ch->ready)
		ch->ready_last = NULL;
	ch->n_ready--;
	b->next = NULL;
	*(ch->flight_last ? &ch->flight_last->next : &ch->flight) = b;
	ch->flight_last = b;
	ch->n_flight++;
	p->n_flying++;
	p->stats.batches_sent++;
	p->stats.bytes_sent += b->fill;
	return true;
}

/* Its number is missing over there, and what comes later waits for it: the peer is gone for us. Not
 * at once, for somebody may be about to put a record: at the end of the step, when nobody is in the
 * middle of anything. */
static void not_sent(struct fy_progress *p, struct fy_channel *ch, struct fy_batch *b)
{
	const char *text = p->port->ops->error(p->port);
	snprintf(b->bytes, FY_BATCH_BYTES, "MPI did not send a batch to rank %d: %s", ch->rank,
	         text && *text ? text : "it said no more");
	ch->unsent = b;
	p->stats.mpi_errors++;
	fy_log(p->engine->log, "%s", b->bytes);
}

static void give_up(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_batch *b = ch->unsent;
	ch->unsent = NULL;
	p->n_flying--;
	fy_channel_gone(p, ch, FERRY_EMPI, b->bytes);
	batch_put(p, b);
}

/* Oldest first: MPI completes them nearly in this order. */
static void test_flight(struct fy_progress *p, struct fy_channel *ch)
{
	bool any = false;
	while (ch->flight && p->port->ops->test(p->port, &ch->flight->request)) {
		struct fy_batch *b = ch->flight;
		ch->flight = b->next;
		if (!ch->flight)
			ch->flight_last = NULL;
		ch->n_flight--;
		any = p->worked = true;
		if (b->request.status && !ch->unsent) {
			not_sent(p, ch, b);
			continue; /* it counts as flying until it has been dealt with */
		}
		p->n_flying--;
		batch_put(p, b);
	}
	if (any && ch->doorbell) /* it may have left only now, after the peer looked */
		fy_wake_ring(ch->doorbell);
}

/* A batch is full: it does not wait for the end of the step. */
static void send_full(struct fy_progress *p, struct fy_channel *ch)
{
	if (ch->n_flight >= FLIGHT_MAX)
		test_flight(p, ch);
	while (ch->ready && ch->n_flight < FLIGHT_MAX && !ch->refusals && send_first_ready(p, ch))
		;
}

/* What is ready leaves; the open batch too, when there is a place for it. True when
 * nothing is left to be sent. */
static bool channel_send(struct fy_progress *p, struct fy_channel *ch)
{
	bool sent = false;
	put_controls(p, ch);
	if (!ch->open && !ch->ready && owes_header(p, ch) && ch->n_flight < FLIGHT_MAX)
		fy_channel_reserve(p, ch, 0);
	while (!ch->gone && ch->n_flight < FLIGHT_MAX) {
		if (!ch->ready && ch->open && (ch->nrecords || owes_header(p, ch)))
			close_open(ch);
		if (!ch->ready || !send_first_ready(p, ch))
			break;
		sent = true;
	}
	if (sent && ch->doorbell)
		fy_wake_ring(ch->doorbell);
	return !ch->ready && !(ch->open && ch->nrecords) && !ch->ack_owed && !ch->limit_owed &&
	       !ch->hungry && !(ch->bye_owed && !ch->bye_sent) && !owes_control(ch);
}

void fy_channel_send_all(struct fy_progress *p)
{
	struct fy_channel *ch = p->dirty;
	p->dirty = NULL;
	while (ch) {
		struct fy_channel *next = ch->dirty_next;
		ch->on_dirty = false;
		if (!channel_send(p, ch) && !ch->gone)
			fy_channel_mark(p, ch);
		ch = next;
	}
}

static void test_telling(struct fy_progress *p)
{
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		if (ch->telling && p->port->ops->test(p->port, &ch->tell)) {
			ch->telling = false;
			p->n_telling--;
		}
}

void fy_channel_test_sends(struct fy_progress *p)
{
	if (fy_unlikely(p->n_telling))
		test_telling(p);
	if (!p->n_flying)
		return;
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		if (ch->flight)
			test_flight(p, ch);
		if (ch->unsent)
			give_up(p, ch);
	}
}

/* ---- what the peer says ---------------------------------------------------- */

void fy_channel_new_colour(struct fy_progress *p)
{
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		if (ch->open && ch->nrecords)
			close_open(ch);
		else if (ch->open)
			ch->open->flags = (ch->open->flags & ~FY_BATCH_COLOUR) |
			                  (p->colour ? FY_BATCH_COLOUR : 0);
	}
}

/* A flush tells the first failure before it, if somebody still waits for it; otherwise the next
 * one does. */
static void complete_flush(struct fy_channel *ch, ferry_future *f, int status, const char *detail)
{
	char *why = NULL;
	if (fy_future_claim(f)) {
		int failure = fy_channel_take_failure(ch, (uint32_t)(uintptr_t)f->extra & FY_STREAM,
		                                      &why);
		if (status) {
			free(why);
			why = detail ? strdup(detail) : NULL;
		}
		f->detail = why;
		fy_future_finish(f, status ? status : failure);
	}
	ferry_future_release(f);
}

/* A flush, or a post that failed. */
static __attribute__((noinline)) void complete_seldom(struct fy_channel *ch, ferry_future *f,
                                                      int status, const char *detail)
{
	if (f->flags & FY_FUTURE_IS_FLUSH) {
		complete_flush(ch, f, status, detail);
		return;
	}
	fy_channel_note_failure(ch, (uint32_t)(uintptr_t)f->extra & FY_STREAM, status, detail);
	fy_future_complete(f, status, detail);
}

static inline void complete_post(struct fy_progress *p, struct fy_channel *ch, ferry_future *f,
                                 int status, const char *detail)
{
	p->awaited_of[fy_tag_bit((uint32_t)(uintptr_t)f->extra)]--;
	if (fy_likely(!status && !(f->flags & FY_FUTURE_IS_FLUSH)))
		fy_future_complete(f, FERRY_OK, NULL);
	else
		complete_seldom(ch, f, status, detail);
}

static ferry_future *pop(ferry_future **first, ferry_future **last)
{
	ferry_future *f = *first;
	*first = f->next;
	if (!*first)
		*last = NULL;
	f->next = NULL;
	return f;
}

void fy_channel_accepted(struct fy_progress *p, struct fy_channel *ch,
                         const struct fy_batch_header *h)
{
	while (ch->pending && (int32_t)((uint32_t)(ch->pending->id >> 32) - h->accepted) <= 0) {
		p->n_pending--;
		complete_post(p, ch, pop(&ch->pending, &ch->pending_last), 0, NULL);
		p->worked = true;
	}
	if (h->limit > ch->limit) {
		ch->limit = h->limit;
		ch->hungry_told = false;
		ch->fast_end = NULL; /* recounted at the next request */
	}
}

/* ---- streams whose records are counted --------------------------------------- */

bool fy_channel_stream_room(struct fy_channel *ch, struct fy_stream_out *s)
{
	struct fy_run *run = s->runs_last;
	uint64_t place = fy_channel_place(ch);
	uint32_t seq = (uint32_t)(place >> 32), index = (uint32_t)place;
	if (run && run->count && run->seq == seq && run->index + run->count == index)
		return true;
	if (!run || run->count) { /* else it was for a record that was not put after all */
		run = calloc(1, sizeof *run);
		if (!run)
			return false;
		*(s->runs_last ? &s->runs_last->next : &s->runs) = run;
		s->runs_last = run;
	}
	*run = (struct fy_run){ .seq = seq, .index = index, .number = s->sent + 1 };
	return true;
}

static void drop_first_run(struct fy_stream_out *s)
{
	struct fy_run *run = s->runs;
	s->runs = run->next;
	if (!s->runs)
		s->runs_last = NULL;
	free(run);
}

/* An acknowledgement has no names: it means the oldest of those that are still counted. */
static void runs_acked(struct fy_stream_out *s, uint32_t count)
{
	for (struct fy_run *run; (run = s->runs) != NULL; drop_first_run(s)) {
		uint32_t n = count < run->count ? count : run->count;
		count -= n;
		run->index += n;
		run->number += n;
		run->count -= n;
		if (run->count)
			break;
	}
	s->acked = s->runs ? s->runs->number - 1 : s->sent;
}

static void stream_free(struct fy_progress *p, struct fy_stream_out *s)
{
	while (s->runs)
		drop_first_run(s);
	p->n_streams--;
	free(s);
}

void fy_channel_stream_settle(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_out *s)
{
	struct fy_stream_out **at = &ch->streams_out;
	if (s->outstanding)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	stream_free(p, s);
}

/* ---- refused ------------------------------------------------------------------ */

static const char unread[] = "the receiver could not read the batch";

/* Those of a list with an id from `first` on, so many, end badly. How many there were. */
static unsigned refuse_futures(struct fy_progress *p, struct fy_channel *ch, ferry_future **list,
                               ferry_future **last, uint64_t first, uint64_t count, int status)
{
	ferry_future **at = list, *before = NULL, *f;
	unsigned n = 0;
	while ((f = *at)) {
		if (f->id - first >= count) {
			before = f;
			at = &f->next;
			continue;
		}
		*at = f->next;
		if (*last == f)
			*last = before;
		complete_post(p, ch, f, status, unread);
		n++;
	}
	return n;
}

/* FY_HELD records among them leave the count: acknowledgements are for the others. */
static void refuse_held(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_out *s,
                        const struct fy_refused *r)
{
	struct fy_run *before = NULL, *next;
	for (struct fy_run *run = s->runs; run; run = next) {
		uint32_t kept = r->index > run->index ? r->index - run->index : 0;
		next = run->next;
		if (run->seq != r->seq || kept >= run->count) {
			before = run;
			continue;
		}
		uint32_t number = run->number + kept, count = run->count - kept;
		s->outstanding -= count;
		run->count = kept;
		if (kept) {
			before = run;
		} else {
			*(before ? &before->next : &s->runs) = next;
			if (!next)
				s->runs_last = before;
			free(run);
		}
		for (; count; count--, number++) /* which may wrap */
			refuse_futures(p, ch, &s->first, &s->last, number, 1, r->status);
	}
	runs_acked(s, 0);
}

/* The records of a batch from an index on were malformed. */
void fy_channel_refused(struct fy_progress *p, struct fy_channel *ch,
                        const struct fy_refused *refused)
{
	struct fy_refused r = *refused;
	if (r.status >= 0)
		r.status = FERRY_EDECODE;
	p->stats.refused++;
	p->tainted = true;
	p->n_pending -= refuse_futures(p, ch, &ch->pending, &ch->pending_last,
	                               (uint64_t)r.seq << 32 | r.index,
	                               UINT64_C(0x100000000) - r.index, r.status);
	bool whole = fy_transfer_refused(p, ch, &r);
	for (struct fy_stream_out *s = ch->streams_out, *next; s; s = next) {
		next = s->next;
		refuse_held(p, ch, s, &r);
		fy_channel_stream_settle(p, ch, s);
	}
	fy_call_fail(p, ch->rank, r.status, unread);
	fy_channel_note_failure(ch, UINT32_MAX, r.status, unread);
	if (!whole)
		fy_channel_gone(
			p, ch, r.status,
			"the receiver could not read what it was to know of a large message");
}

struct fy_stream_out *fy_channel_stream_out(struct fy_progress *p, struct fy_channel *ch,
                                            uint32_t stream, bool create)
{
	struct fy_stream_out *s = ch->streams_out;
	while (s && s->stream != stream)
		s = s->next;
	if (s || !create)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->stream = stream;
	s->next = ch->streams_out;
	ch->streams_out = s;
	ch->fast_end = NULL;
	p->n_streams++;
	return s;
}

void fy_channel_stream_acked(struct fy_progress *p, struct fy_channel *ch,
                             const struct fy_ack_stream *ack)
{
	struct fy_stream_out *s = fy_channel_stream_out(p, ch, ack->stream, false);
	if (!s || ack->count > s->outstanding) {
		p->stats.malformed++;
		return;
	}
	runs_acked(s, ack->count);
	s->outstanding -= ack->count;
	fy_transfer_acked(s);
	while (s->first && (int32_t)((uint32_t)s->first->id - s->acked) <= 0)
		complete_post(p, ch, pop(&s->first, &s->last), 0, NULL);
	fy_channel_stream_settle(p, ch, s);
}

void fy_channel_stream_fail(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                            uint32_t number, int status, const char *detail)
{
	struct fy_stream_out *s = fy_channel_stream_out(p, ch, stream, false);
	ferry_future *before = NULL;
	for (ferry_future *f = s ? s->first : NULL; f; before = f, f = f->next) {
		if ((uint32_t)f->id != number)
			continue;
		*(before ? &before->next : &s->first) = f->next;
		if (s->last == f)
			s->last = before;
		complete_post(p, ch, f, status, detail);
		return;
	}
	fy_channel_note_failure(ch, stream, status, detail);
}

/* ---- failures --------------------------------------------------------------- */

void fy_channel_note_failure(struct fy_channel *ch, uint32_t stream, int status, const char *detail)
{
	for (struct fy_failure *f = ch->failures; f; f = f->next)
		if (f->stream == stream)
			return;
	struct fy_failure *f = malloc(sizeof *f);
	if (!f) {
		ch->failure_unnoted = status;
		return;
	}
	*f = (struct fy_failure){ ch->failures, stream, status, detail ? strdup(detail) : NULL };
	ch->failures = f;
}

/* UINT32_MAX stands for every stream. */
int fy_channel_take_failure(struct fy_channel *ch, uint32_t stream, char **detail_p)
{
	if (ch->gone)
		return ch->gone;
	for (struct fy_failure **at = &ch->failures; *at; at = &(*at)->next) {
		struct fy_failure *f = *at;
		if (f->stream != stream && f->stream != UINT32_MAX)
			continue;
		int status = f->status;
		*detail_p = f->detail;
		*at = f->next;
		free(f);
		return status;
	}
	int status = ch->failure_unnoted;
	ch->failure_unnoted = 0;
	return status;
}

static void fail_futures(struct fy_progress *p, struct fy_channel *ch, ferry_future **first,
                         ferry_future **last, int status, const char *detail)
{
	while (*first)
		complete_post(p, ch, pop(first, last), status, detail);
}

static void fail_streams(struct fy_progress *p, struct fy_channel *ch, int status,
                         const char *detail)
{
	while (ch->streams_out) {
		struct fy_stream_out *s = ch->streams_out;
		ch->streams_out = s->next;
		fail_futures(p, ch, &s->first, &s->last, status, detail);
		s->acked = s->sent;
		fy_transfer_acked(s);
		stream_free(p, s);
	}
}

static void fail_queue(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail)
{
	while (ch->queue) {
		struct fy_queued *q = ch->queue;
		ch->queue = q->next;
		while (q->from < q->to) {
			const struct fy_record *r =
				(const struct fy_record *)(const void *)(q->bytes + q->from);
			q->from += fy_record_size(r->size_flags);
			p->queued_of[fy_tag_colour(r->stream, 0)]--;
			fy_outgoing_fail_record(p, r, status, detail);
		}
		free(q);
	}
	ch->queue_last = NULL;
	p->queued_bytes -= ch->queued;
	ch->queued = 0;
}

/*
 * The peer is told, so that it does not wait for ever for what will not come: by a batch without a
 * number, because the numbers before it may never arrive. One for all: the bytes are the same.
 */
static void tell_gone(struct fy_progress *p, struct fy_channel *ch)
{
	static const struct fy_batch_header words = { .magic = FY_WIRE_MAGIC,
		                                      .version = FY_WIRE_VERSION,
		                                      .flags = FY_BATCH_GAVE_UP };
	if (ch->told || ch->bye_sent || ch->rank == p->engine->rank)
		return;
	ch->told = true;
	if (p->port->ops->send(p->port, ch->rank, FY_TAG_BATCH, &words, sizeof words, &ch->tell) !=
	    0)
		return;
	ch->telling = true;
	p->n_telling++;
	if (ch->doorbell)
		fy_wake_ring(ch->doorbell);
}

void fy_channel_given_up(struct fy_progress *p, struct fy_channel *ch)
{
	ch->told = true;
	fy_channel_gone(p, ch, FERRY_EPEER,
	                "that rank has given us up, or closes because a rank is gone");
}

/* Everything that waits for this peer ends with `status`; what MPI still reads
 * is left to it. Posters that come later are refused (engine->full is 2). */
void fy_channel_gone(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail)
{
	if (ch->gone)
		return;
	ch->gone = status;
	if (!p->gone_since)
		p->gone_since = p->now;
	fy_store_release_8(&p->engine->full[ch->rank], 2);
	if (ch->open)
		close_open(ch);
	batches_drop(p, &ch->ready);
	ch->ready_last = NULL;
	ch->n_ready = 0;
	for (ferry_future *f = ch->pending; f; f = f->next)
		p->n_pending--;
	fail_futures(p, ch, &ch->pending, &ch->pending_last, status, detail);
	fail_streams(p, ch, status, detail);
	fail_queue(p, ch, status, detail);
	fy_transfer_channel_gone(p, ch);
	fy_agree_give_up(p);
	fy_call_fail(p, ch->rank, status, detail);
	tell_gone(p, ch);
	fy_add_32(&p->engine->room, 1);
	fy_futex_wake(&p->engine->room, 1 << 30, false);
}

/* ---- credit, the receiver's side --------------------------------------------- */

uint64_t fy_channel_limit(const struct fy_channel *ch)
{
	uint64_t now = ch->spent_in + ch->window - ch->held;
	return now > ch->limit_sent ? now : ch->limit_sent;
}

/* A peer waits for credit, and there is none to give until something is read. */
bool fy_channel_starved(const struct fy_progress *p)
{
	for (const struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		if (ch->peer_hungry && fy_channel_limit(ch) == ch->limit_sent)
			return true;
	return false;
}

uint64_t fy_channel_held(const struct fy_progress *p)
{
	uint64_t held =
		p->large_used[0] - (fy_load_acquire_64(&p->engine->large_returned) - p->large_seen);
	for (const struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		held += ch->held - (fy_load_acquire_64(&ch->account->returned) - ch->account->seen);
	return held;
}

static void owe_limit(struct fy_progress *p, struct fy_channel *ch)
{
	uint64_t more = fy_channel_limit(ch) - ch->limit_sent;
	if (more == 0 || ch->gone || ch->bye_sent || (!ch->peer_hungry && more < ch->window / 4))
		return;
	ch->limit_owed = true;
	fy_channel_mark(p, ch);
}

void fy_channel_returned(struct fy_progress *p, struct fy_channel *ch, uint64_t bytes)
{
	ch->held -= bytes;
	owe_limit(p, ch);
}

/* A peer that uses its window gets a larger one, from the pool. When the pool
 * is empty, peers that do not use theirs are asked for it. */
void fy_channel_grow_window(struct fy_progress *p, struct fy_channel *ch, bool hungry,
                            uint64_t charged)
{
	bool busy = hungry || ch->spent_in + ch->window - ch->limit_sent >= ch->window / 2;
	uint64_t most = p->window_max;
	if (charged && most > SMALL_BATCHES * charged)
		most = SMALL_BATCHES * charged;
	if (busy && ch->window < most) {
		uint64_t more = ch->window;
		if (more > most - ch->window)
			more = most - ch->window;
		if (more > p->credit_pool)
			more = p->credit_pool;
		ch->window += more;
		p->credit_pool -= more;
		if (!more && hungry)
			for (struct fy_channel *other = p->all; other; other = other->all_next)
				if (other != ch && other->window > 2 * p->credit_first &&
				    !other->recall_owed && !other->gone) {
					other->recall_owed = true;
					fy_channel_mark(p, other);
				}
	}
	ch->peer_hungry |= hungry;
	owe_limit(p, ch);
}

/* The peer asks for credit that we do not use: all but a first window's worth. */
void fy_channel_recalled(struct fy_progress *p, struct fy_channel *ch)
{
	ch->give_owed = true;
	fy_channel_mark(p, ch);
}

/* What a peer gives back was counted as spent: the window shrinks by as much. */
void fy_channel_given(struct fy_progress *p, struct fy_channel *ch, uint64_t amount)
{
	if (amount > ch->window - p->credit_first || ch->window < p->credit_first) {
		p->stats.malformed++;
		return;
	}
	ch->window -= amount;
	p->credit_pool += amount;
}

/* ---- the end ----------------------------------------------------------------- */

static void channel_free(struct fy_progress *p, struct fy_channel *ch)
{
	const char *why = "the engine was closed before the receiver confirmed it";
	if (ch->open)
		close_open(ch);
	batches_drop(p, &ch->ready);
	/* What callbacks posted after the last count: on its way, but its acceptance may not
	 * come back. */
	fail_futures(p, ch, &ch->pending, &ch->pending_last, FERRY_ESTOPPED, why);
	fail_streams(p, ch, FERRY_ESTOPPED, why);
	while (ch->flight) {
		/* only after an unclean end: MPI may still read it, so it is left alone */
		p->stats.kept++;
		ch->flight = ch->flight->next;
	}
	while (ch->failures) {
		struct fy_failure *f = ch->failures;
		ch->failures = f->next;
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
	free(ch);
}

void fy_channel_free_all(struct fy_progress *p)
{
	while (p->all) {
		struct fy_channel *ch = p->all;
		p->all = ch->all_next;
		channel_free(p, ch);
	}
	while (p->pool) {
		struct fy_batch *b = p->pool;
		p->pool = b->next;
		free(b);
	}
}
