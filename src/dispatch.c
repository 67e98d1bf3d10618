/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in: receives, their order, and what is done with each record.
 *
 * Batches of a pair are numbered and dispatched in that order; one that
 * completes early keeps its receive buffer until its turn. Nothing that comes
 * from the wire is used before it was checked against the bytes that are there.
 *
 * Inline handlers see the bytes in the receive buffer. What outlives the
 * dispatch is copied. When there is no memory for that the batch is *paused*:
 * it keeps its buffer and its place, and goes on at a later step, so nothing
 * is lost and credit holds the sender back meanwhile.
 *
 * Where the holder of the helm may not run user code (a thread that waits
 * drives the engine), messages for inline handlers become tasks, which the
 * progress thread runs in order before anything that comes later.
 */
#include "communication.h"
#include "executor.h"
#include "log.h"
#include "program.h"
#include "progress.h"
#include "report.h"
#include "status.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_AHEAD 2u /* receives that are tested behind one that is not complete, */
/* every so many steps: each test that fails makes MPI look at all of its network */
#define LOOK_AHEAD_STEPS 4u
#define LOOK_ALL_STEPS 64u /* every so many steps all of them are */
#define SMALL_RECORDS 8u   /* a batch with more than these is one of small records */
#define LEFT_MAX 8u        /* messages that a borrower of the helm copies for the progress thread */
#define ANSWERS_WAIT 4u    /* receives, the one of the call among them, before its answer leaves */
#define EARLY_MAX 65536    /* a batch that is further ahead than this is not one of ours */
/* a number that is missing at two looks, so far apart, was in a receive that failed */
#define GAP_TIME FERRY_MS(250)

/* ---- receives -------------------------------------------------------------------- */

static void post_receive(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = NULL;
	slot->begun = slot->bad = false;
	if (p->port->ops->recv(p->port, FY_PORT_ANY, FY_TAG_BATCH, slot->buffer, FY_BATCH_BYTES,
	                       &slot->request) != 0) {
		fy_log(p->engine->log, "a receive could not be posted: %s",
		       p->port->ops->error(p->port));
		slot->next = p->unposted; /* the others go on */
		p->unposted = slot;
		return;
	}
	*(p->slots_last ? &p->slots_last->next : &p->slots) = slot;
	p->slots_last = slot;
	p->n_posted++;
}

static bool slot_create(struct fy_slot *slot)
{
	slot->buffer = aligned_alloc(FY_CACHE_LINE, FY_BATCH_BYTES);
	return slot->buffer != NULL;
}

int fy_dispatch_open(struct fy_progress *p)
{
	unsigned wanted = 8u * (unsigned)p->engine->size;
	/* They are filled in turn: more of them stay in no cache. */
	p->n_slots = wanted < 16 ? 16 : wanted > 32 ? 32 : wanted;
	p->slot_all = calloc(p->n_slots, sizeof *p->slot_all);
	p->view = calloc(1, sizeof *p->view);
	p->reserve = malloc(FY_BATCH_BYTES);
	if (!p->slot_all || !p->view || !p->reserve)
		return FERRY_ENOMEM;
	for (unsigned i = 0; i < p->n_slots; i++)
		if (!slot_create(&p->slot_all[i]))
			return FERRY_ENOMEM;
	return FERRY_OK;
}

static void post_again(struct fy_progress *p)
{
	struct fy_slot *slot = p->unposted;
	p->unposted = NULL;
	while (slot) {
		struct fy_slot *next = slot->next;
		post_receive(p, slot);
		slot = next;
	}
}

void fy_dispatch_begin(struct fy_progress *p)
{
	for (unsigned i = 0; i < p->n_slots; i++)
		post_receive(p, &p->slot_all[i]);
}

/* Most receives are held back by batches that came early or are paused: post another. */
static void post_more(struct fy_progress *p)
{
	struct fy_slot *slot = calloc(1, sizeof *slot);
	if (!slot)
		return;
	if (!slot_create(slot)) {
		free(slot);
		return;
	}
	post_receive(p, slot);
	struct fy_slot **list = &p->extra_slots;
	slot->extra_next = *list;
	*list = slot;
}

/* ---- what is needed before user code may run or a message be kept ------------------- */

static bool ready_for_handlers(struct fy_progress *p)
{
	if (!p->view)
		p->view = calloc(1, sizeof *p->view);
	if (!p->reserve)
		p->reserve = malloc(FY_BATCH_BYTES);
	return p->view && p->reserve;
}

/* The view is kept beyond its handler: it gets memory of its own. Where there is none, the
 * block that was laid aside for this serves, and dispatch waits until there is another. */
void fy_message_keep_view(ferry_message *view)
{
	struct fy_progress *p = view->engine->progress;
	char *body = view->nbytes ? malloc(view->nbytes) : NULL;
	if (!body && view->nbytes) {
		body = p->reserve;
		p->reserve = NULL;
	}
	if (view->nbytes)
		memcpy(body, view->body, view->nbytes);
	view->body = body;
	view->flags &= ~FY_MESSAGE_VIEW;
	struct fy_channel *ch = p->channels[view->source];
	view->account = ch->account;
	view->charge = view->nbytes + FY_MESSAGE_CHARGE;
	ch->held += view->charge;
	fy_report_kept(p, view);
	fy_engine_retain(view->engine);
	p->view = NULL; /* a new one is made before the next message */
}

bool fy_message_reply_in_place(ferry_message *view, const void *body, size_t nbytes)
{
	struct fy_progress *p = view->engine->progress;
	return nbytes <= FY_REPLY_ROOM &&
	       fy_outgoing_reply_bytes(p, view->source, view->call_id, NULL, body, (uint32_t)nbytes,
	                               p->tag);
}

static ferry_message *keep_record(struct fy_progress *p, struct fy_channel *ch,
                                  const struct fy_record *r, uint64_t call_id, int *status_p)
{
	ferry_message *m = NULL;
	uint32_t n = fy_record_body(r);
	if (r->size_flags & FY_ATTACHED) {
		*status_p = fy_message_unfold(p->engine, r->op, fy_record_data(r), n, &m);
		if (*status_p)
			return NULL;
	} else {
		m = fy_message_new(p->engine, r->op, n);
		*status_p = m ? 0 : FERRY_ENOMEM;
		if (!m)
			return NULL;
		if (n)
			memcpy(m->body, fy_record_data(r), n);
	}
	m->flags = FY_MESSAGE_RECEIVED | (call_id ? FY_MESSAGE_CALL : 0) |
	           fy_message_coloured(fy_arrived_colour(p, r));
	m->source = ch->rank;
	m->call_id = call_id;
	return m;
}

static void charge(struct fy_progress *p, struct fy_channel *ch, ferry_message *m)
{
	fy_report_kept(p, m);
	m->account = ch->account;
	m->charge = fy_message_total(m) + FY_MESSAGE_CHARGE;
	ch->held += m->charge;
}

/* ---- handlers ------------------------------------------------------------------------ */

static struct fy_handler **handler_place(struct fy_progress *p, uint32_t op)
{
	if (op < FY_OPS_DIRECT)
		return &p->direct[op];
	struct fy_handler **at = &p->hashed[(op * 2654435761u) >> 26];
	while (*at && (*at)->op != op)
		at = &(*at)->next;
	return at;
}

struct fy_handler *fy_dispatch_handler(const struct fy_progress *p, uint32_t op)
{
	return *handler_place((struct fy_progress *)(uintptr_t)p, op);
}

void fy_handler_release(struct fy_handler *h)
{
	if (fy_add_32(&h->refs, (uint32_t)-1) != 1)
		return;
	if (h->where)
		fy_executor_release(h->where);
	free(h);
}

/* After a handler returned: a request that it neither answered nor kept gets an
 * empty reply; then the engine's reference goes. */
static void after_handler(ferry_message *m)
{
	bool unanswered = m->flags & FY_MESSAGE_CALL && !fy_load_relaxed_32(&m->retained);
	/* else our reference goes with the answer */
	if (!unanswered || !fy_message_answer_for(m, 0))
		ferry_message_release(m);
}

/* The handlers that executors run on this thread, innermost first. */
struct handling {
	const struct fy_handler *handler;
	const ferry *engine;
	uint32_t tag; /* of what it posts: the colour of its message */
	struct handling *up;
};
static _Thread_local struct handling *handlings;

uint32_t fy_handler_runs_here(const struct fy_handler *h)
{
	uint32_t runs = 0;
	for (const struct handling *at = handlings; at; at = at->up)
		runs += at->handler == h;
	return runs;
}

uint32_t fy_tag_here(const ferry *engine)
{
	if (fy_engine_on_progress(engine))
		return engine->progress->tag;
	for (const struct handling *at = handlings; at; at = at->up)
		if (at->engine == engine)
			return at->tag;
	return 0;
}

static void handle_here(ferry *engine, struct fy_handler *h, ferry_message *m)
{
	struct handling here = { h, engine, fy_tag(fy_message_colour(m->flags)), handlings };
	ferry *before = fy_engine_begin(FY_HANDLING, engine);
	handlings = &here;
	uint32_t tag = fy_engine_tag_posts(engine, here.tag);
	FY_PROGRAM("a handler", &h->op, h->fn(engine, m, h->arg));
	after_handler(m);
	handlings = here.up;
	fy_engine_tag_posts(engine, tag);
	fy_engine_end(FY_HANDLING, before);
}

/* It was not handled: back to the mailbox, where nobody reads any more once the engine has stopped.
 * Nor is anything handled once the process ends; then the release answers for a request. */
static void hand_back(ferry *engine, ferry_message *m)
{
	if (!fy_program_may_run()) {
		ferry_message_release(m);
		return;
	}
	if (!fy_engine_enter(engine)) {
		m->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(m);
		return;
	}
	m->flags |= FY_MESSAGE_RETURNED;
	fy_mailbox_push(&engine->mailbox, m);
	fy_store_release_32(&engine->mail_rescan, 1);
	fy_engine_leave(engine);
}

/* In an executor. */
static void run_in_executor(struct fy_task *task)
{
	ferry_message *m = (ferry_message *)(void *)((char *)task - offsetof(ferry_message, task));
	struct fy_handler *h = m->handler;
	ferry *engine = m->engine;
	unsigned colour = fy_message_colour(m->flags);
	fy_engine_retain(engine);
	m->handler = NULL;
	/* Read-modify-write, then the look at `closed`; unregistering sets that by one, then looks
	 * at `running`: one of the two sees the other. */
	fy_add_32(&h->running, 1);
	if (fy_load_acquire_32(&h->closed) || fy_executor_discarding() || !fy_program_may_run()) {
		hand_back(engine, m);
	} else {
		handle_here(engine, h, m);
	}
	fy_add_64(&engine->handled_elsewhere[colour], 1); /* after what it posted is told */
	fy_add_32(&h->running, (uint32_t)-1);
	if (fy_load_acquire_32(&h->closed))
		fy_futex_wake(&h->running, INT_MAX, false);
	fy_handler_release(h);
	if (fy_load_acquire_32(&engine->phase) != FY_STOPPED)
		fy_engine_notify(engine);
	fy_engine_release(engine);
}

/* What inline handlers post from here on is of that colour. Returns what end_colour is given. */
static uint32_t begin_colour(struct fy_progress *p, unsigned colour)
{
	uint32_t before = p->tag;
	p->tag = colour == p->colour ? 0 : fy_tag(colour);
	if (fy_unlikely(p->tag != before))
		fy_engine_tag_posts(p->engine, p->tag);
	return before;
}

static void end_colour(struct fy_progress *p, uint32_t before)
{
	if (fy_unlikely(p->tag != before))
		fy_engine_tag_posts(p->engine, before);
	p->tag = before;
}

/* False: the process ends, and it was not called. Who looked before may have looked before exit
 * began, which waits for nobody who is not inside: so it is looked at again. */
static bool call_inline(struct fy_progress *p, struct fy_handler *h, ferry_message *m,
                        unsigned colour)
{
	ferry *before = fy_engine_begin(FY_INLINE, p->engine);
	bool may = fy_program_may_run();
	if (may) {
		fy_store_relaxed_32(&p->engine->inside, h->op);
		FY_PROGRAM("a handler", &h->op, h->fn(p->engine, m, h->arg));
		fy_store_relaxed_32(&p->engine->inside, FY_INSIDE_NOTHING);
		p->stats.handled++;
		p->done[colour]++;
	}
	fy_engine_end(FY_INLINE, before);
	return may;
}

/* The process ends: no handler is called any more. */
static void drop_unhandled(struct fy_progress *p, ferry_message *m)
{
	p->stats.dropped++;
	p->done[fy_message_colour(m->flags)]++;
	ferry_message_release(m);
}

/* One that is a message of its own. */
static void handle_inline(struct fy_progress *p, struct fy_handler *h, ferry_message *m)
{
	unsigned colour = fy_message_colour(m->flags);
	uint32_t before = begin_colour(p, colour);
	if (call_inline(p, h, m, colour))
		after_handler(m);
	else
		drop_unhandled(p, m);
	end_colour(p, before);
}

/* Deferred: by the progress thread, in a later step. */
static void run_deferred(struct fy_task *task)
{
	ferry_message *m = (ferry_message *)(void *)((char *)task - offsetof(ferry_message, task));
	struct fy_progress *p = m->engine->progress;
	struct fy_handler *h = fy_dispatch_handler(p, m->op);
	if (h && !h->where && fy_program_may_run()) {
		handle_inline(p, h, m);
		return;
	}
	fy_dispatch_message(p, p->channels[m->source], m); /* the handler changed meanwhile */
}

void fy_dispatch_defer(struct fy_progress *p, struct fy_task *task)
{
	task->next = NULL;
	*(p->tasks_last ? &p->tasks_last->next : &p->tasks) = task;
	p->tasks_last = task;
}

void fy_dispatch_message(struct fy_progress *p, struct fy_channel *ch, ferry_message *m)
{
	struct fy_handler *h = fy_dispatch_handler(p, m->op);
	(void)ch;
	if (!h) {
		m->arrived = p->now;
		p->done[fy_message_colour(m->flags)]++;
		fy_mailbox_push(&p->engine->mailbox, m);
	} else if (!fy_program_may_run()) {
		drop_unhandled(p, m);
	} else if (h->where) {
		m->handler = h;
		p->given++;
		m->task.run = run_in_executor;
		fy_add_32(&h->refs, 1);
		fy_executor_submit(h->where, &m->task);
	} else if (p->user_code && !p->tasks && ready_for_handlers(p)) {
		handle_inline(p, h, m);
	} else {
		m->task.run = run_deferred;
		fy_dispatch_defer(p, &m->task);
		p->n_left++;
	}
}

bool fy_dispatch_run_tasks(struct fy_progress *p)
{
	bool any = false;
	ck_stack_entry_t *entry = NULL;
	if (fy_load_relaxed_ptr(&p->engine->tasks.head))
		entry = ck_stack_batch_pop_upmc(&p->engine->tasks);
	struct fy_task *first = NULL;
	while (entry) {
		struct fy_task *task =
			(struct fy_task *)(void *)((char *)entry - offsetof(struct fy_task, entry));
		entry = CK_STACK_NEXT(entry);
		task->next = first;
		first = task;
	}
	while (first) {
		struct fy_task *task = first;
		first = first->next;
		fy_dispatch_defer(p, task);
	}
	if (!p->user_code)
		return false;
	while (p->tasks && ready_for_handlers(p)) {
		struct fy_task *task = p->tasks;
		p->tasks = task->next;
		if (!p->tasks)
			p->tasks_last = NULL;
		ferry *before = fy_engine_begin(FY_INLINE, p->engine);
		fy_store_relaxed_32(&p->engine->inside, FY_INSIDE_CALLBACK);
		task->run(task);
		fy_store_relaxed_32(&p->engine->inside, FY_INSIDE_NOTHING);
		fy_engine_end(FY_INLINE, before);
		any = p->worked = true;
	}
	if (!p->tasks)
		p->n_left = 0;
	return any;
}

/* ---- one record ------------------------------------------------------------------------ */

enum taken { TAKEN, PAUSED, MALFORMED };

static enum taken as_kept(int status)
{
	return status == FERRY_ENOMEM ? PAUSED : status ? MALFORMED : TAKEN;
}

/* The handler of a call has returned, and the view is still one. */
static void answer_empty(struct fy_progress *p, struct fy_channel *ch, ferry_message *view)
{
	static const struct fy_reply_error no_memory = { FERRY_ENOMEM, 1 };
	bool failed = view->answered == FY_ANSWER_FAILED;
	if (fy_outgoing_reply_bytes(p, ch->rank, view->call_id, failed ? &no_memory : NULL, NULL, 0,
	                            p->tag))
		return;
	fy_message_keep_view(view); /* no memory for that: it waits its turn */
	after_handler(view);
}

/* A post or a call that can be delivered now. */
static enum taken deliver(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                          uint64_t call_id)
{
	struct fy_handler *h =
		r->op < FY_OPS_DIRECT ? p->direct[r->op] : fy_dispatch_handler(p, r->op);
	unsigned colour = fy_arrived_colour(p, r);
	if (fy_likely(h && !h->where && p->user_code && !p->tasks &&
	              !(r->size_flags & FY_ATTACHED) && fy_program_may_run())) {
		if (!ready_for_handlers(p))
			return PAUSED;
		ferry_message *view = p->view;
		fy_message_view(view, p->engine, r->op, ch->rank, fy_record_data(r),
		                fy_record_body(r), call_id);
		uint32_t before = begin_colour(p, colour);
		bool called = call_inline(p, h, view, colour);
		if (fy_unlikely(!(view->flags & FY_MESSAGE_VIEW)))
			after_handler(view);
		else if (called && call_id && view->answered != FY_ANSWERED)
			answer_empty(p, ch, view);
		end_colour(p, before);
		return called ? TAKEN : PAUSED; /* then it is dropped as what comes later */
	}
	if (r->op == FY_OP_FLUSH) {
		p->done[colour]++;
		return TAKEN;
	}
	/* A few are copied, so that a reply behind them is seen; of many the batch waits as
	 * it is. */
	if (h && !h->where && !p->user_code && p->n_left >= LEFT_MAX)
		return PAUSED;
	int status;
	ferry_message *m = keep_record(p, ch, r, call_id, &status);
	if (m) {
		charge(p, ch, m);
		fy_dispatch_message(p, ch, m);
	}
	return as_kept(status);
}

static struct fy_stream_in *stream_in(struct fy_progress *p, struct fy_channel *ch, uint32_t stream)
{
	(void)p;
	struct fy_stream_in *s = ch->streams_in;
	while (s && s->stream != stream)
		s = s->next;
	if (s)
		return s;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->stream = stream;
	s->next = ch->streams_in;
	ch->streams_in = s;
	return s;
}

struct fy_held *fy_dispatch_hold(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                                 unsigned colour, ferry_message *m)
{
	struct fy_stream_in *s = stream_in(p, ch, stream);
	struct fy_held *held = s ? calloc(1, sizeof *held) : NULL;
	if (!held)
		return NULL;
	held->message = m;
	held->colour = (uint8_t)colour;
	*(s->last ? &s->last->next : &s->first) = held;
	s->last = held;
	return held;
}

static void owe_stream_ack(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_in *s)
{
	s->owed++;
	ch->stream_ack_owed = true;
	fy_channel_mark(p, ch);
}

/* A record of a stream in which something large is, or was a moment ago, under way. */
static enum taken deliver_held(struct fy_progress *p, struct fy_channel *ch,
                               const struct fy_record *r, uint64_t call_id)
{
	uint32_t stream = r->stream & FY_STREAM;
	struct fy_stream_in *s = stream_in(p, ch, stream);
	if (!s)
		return PAUSED;
	if (!s->first) {
		enum taken t = deliver(p, ch, r, call_id);
		if (t == TAKEN)
			owe_stream_ack(p, ch, s);
		return t;
	}
	int status;
	ferry_message *m = keep_record(p, ch, r, call_id, &status);
	if (!m)
		return as_kept(status);
	struct fy_held *held = fy_dispatch_hold(p, ch, stream, fy_arrived_colour(p, r), m);
	if (!held) {
		/* it is not answered now: the record is looked at again */
		m->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(m);
		return PAUSED;
	}
	charge(p, ch, m);
	held->ready = true;
	return TAKEN;
}

void fy_dispatch_release_held(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_in *s)
{
	while (s->first && s->first->ready) {
		struct fy_held *held = s->first;
		s->first = held->next;
		if (!s->first)
			s->last = NULL;
		if (!held->message)
			p->done[held->colour]++;
		else if (held->message->op == FY_OP_FLUSH) {
			p->done[held->colour]++;
			ferry_message_release(held->message);
		} else {
			fy_dispatch_message(p, ch, held->message);
		}
		free(held);
		owe_stream_ack(p, ch, s);
		p->worked = true;
	}
}

/* ---- replies ----------------------------------------------------------------------------- */

void fy_dispatch_reply(struct fy_progress *p, int rank, uint64_t call_id, ferry_message *reply,
                       unsigned colour)
{
	ferry_future *future = fy_call_close(p, call_id, rank);
	p->done[colour]++;
	if (future && fy_future_complete_reply(future, reply))
		return;
	p->stats.late_replies++;
	if (!future)
		ferry_message_release(reply);
}

static enum taken reply_error(struct fy_progress *p, struct fy_channel *ch,
                              const struct fy_record *r)
{
	struct fy_reply_error error;
	if (fy_record_body(r) < sizeof error)
		return MALFORMED;
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
	ferry_future *future = fy_call_close(p, fy_record_ext(r), ch->rank);
	p->done[fy_arrived_colour(p, r)]++;
	int status = error.ferrys && error.status < 0 ? error.status : FERRY_EREMOTE;
	if (!future || !fy_future_complete(future, status, detail))
		p->stats.late_replies++;
	return TAKEN;
}

static enum taken take_reply(struct fy_progress *p, struct fy_channel *ch,
                             const struct fy_record *r)
{
	if (!(r->size_flags & FY_EXT))
		return MALFORMED;
	if (r->size_flags & FY_LARGE)
		return as_kept(fy_transfer_arrived(p, ch, r));
	if (r->size_flags & FY_ERROR)
		return reply_error(p, ch, r);
	ferry_future *future = fy_call_peek(p, fy_record_ext(r), ch->rank);
	if (!future) {
		p->stats.late_replies++;
		p->done[fy_arrived_colour(p, r)]++;
		return TAKEN;
	}
	int status = 0;
	ferry_message *m = r->size_flags & FY_ATTACHED ? NULL : future->reply;
	if (!m)
		m = keep_record(p, ch, r, 0, &status);
	else if (!fy_message_fill(m, r->op, ch->rank, fy_record_data(r), fy_record_body(r)))
		return PAUSED;
	if (m)
		fy_dispatch_reply(p, ch->rank, fy_record_ext(r), m, fy_arrived_colour(p, r));
	return as_kept(status);
}

/* ---- control ------------------------------------------------------------------------------ */

static enum taken take_control(struct fy_progress *p, struct fy_channel *ch,
                               const struct fy_record *r)
{
	uint32_t n = fy_record_body(r);
	union {
		struct fy_ack_stream ack;
		struct fy_refused refused;
		struct fy_grant grant;
		struct fy_agree_word agree;
		struct fy_agree_news news;
		struct fy_lost lost;
		uint64_t amount;
	} body;
	memset(&body, 0, sizeof body);
	memcpy(&body, fy_record_data(r), n < sizeof body ? n : sizeof body);
	if (r->op == FY_OP_ACK_STREAM && n == sizeof body.ack)
		fy_channel_stream_acked(p, ch, &body.ack);
	else if (r->op == FY_OP_REFUSED && n == sizeof body.refused)
		fy_channel_refused(p, ch, &body.refused);
	else if (r->op == FY_OP_GRANT && n == sizeof body.grant)
		fy_transfer_granted(p, ch, &body.grant);
	else if (r->op == FY_OP_LENGTHS)
		return as_kept(fy_transfer_lengths(p, ch, r));
	else if (r->op == FY_OP_LOST && n == sizeof body.lost)
		return as_kept(fy_transfer_lost(p, ch, &body.lost));
	else if (r->op == FY_OP_AGREE_UP && n == sizeof body.agree)
		fy_agree_up(p, ch, &body.agree);
	else if (r->op == FY_OP_AGREE_DOWN && n == sizeof body.agree)
		fy_agree_down(p, ch, &body.agree);
	else if (r->op == FY_OP_AGREE_NEWS && n == sizeof body.news)
		fy_agree_hear(p, ch, &body.news);
	else if (r->op == FY_OP_RECALL && n == sizeof body.amount)
		fy_channel_recalled(p, ch);
	else if (r->op == FY_OP_GIVE && n == sizeof body.amount)
		fy_channel_given(p, ch, body.amount);
	else
		return MALFORMED;
	return TAKEN;
}

/* The program's, a flush, or one of the routines of ferry_msgpack.h, which are posts. */
static bool is_op(uint32_t op, bool call)
{
	return op < FERRY_OP_RESERVED ||
	       (!call && (op == FY_OP_FLUSH || (op >= FY_OP_OBJECT && op <= FY_OP_COMPLEX)));
}

/* Large ones have their parts elsewhere; only replies say no; and only requests are held. */
static bool flags_fit(uint32_t word, uint32_t kind)
{
	if (kind == FY_KIND_CONTROL)
		return !(word & (FY_EXT | FY_LARGE | FY_HELD | FY_ERROR | FY_ATTACHED));
	if (word & FY_LARGE && word & (FY_ERROR | FY_ATTACHED))
		return false;
	return kind == FY_KIND_REPLY ? !(word & FY_HELD) && !(word & FY_ERROR && word & FY_ATTACHED)
	                             : !(word & FY_ERROR);
}

static enum taken take_record(struct fy_progress *p, struct fy_channel *ch,
                              const struct fy_record *r)
{
	uint32_t kind = fy_record_kind(r);
	if (!flags_fit(r->size_flags, kind))
		return MALFORMED;
	if (kind == FY_KIND_CONTROL)
		return take_control(p, ch, r);
	if (kind == FY_KIND_REPLY)
		return take_reply(p, ch, r);
	bool call = kind == FY_KIND_CALL;
	if ((!call && kind != FY_KIND_POST) || call != !!(r->size_flags & FY_EXT) ||
	    !is_op(r->op, call))
		return MALFORMED;
	uint64_t call_id = call ? fy_record_ext(r) : 0;
	if (call && !call_id)
		return MALFORMED;
	if (r->size_flags & FY_LARGE)
		return as_kept(fy_transfer_arrived(p, ch, r));
	if (r->size_flags & FY_HELD)
		return deliver_held(p, ch, r, call_id);
	return deliver(p, ch, r, call_id);
}

/* ---- one batch ------------------------------------------------------------------------------ */

static void owe_refused(struct fy_progress *p, struct fy_channel *ch, uint32_t seq, uint32_t index)
{
	p->stats.malformed++;
	p->tainted = true;
	fy_log(p->engine->log, "a malformed batch from rank %d (number %u, record %u)", ch->rank,
	       seq, index);
	if (ch->n_refused == FY_REFUSED_MAX) {
		fy_channel_gone(p, ch, FERRY_EPEER, "too many batches of that rank were malformed");
		return;
	}
	ch->refused[ch->n_refused++] = (struct fy_refused){ seq, index, FERRY_EDECODE, 0 };
	fy_channel_mark(p, ch);
	fy_call_fail(p, ch->rank, FERRY_EDECODE,
	             "a batch of that rank could not be read: the reply may have been in it");
}

/* A thread that runs no code of the program does not begin to. */
static bool is_for_inline(const struct fy_progress *p, const struct fy_record *r)
{
	return r->op < FY_OPS_DIRECT && p->direct[r->op] && !p->direct[r->op]->where;
}

/*
 * The hot loop: plain posts and calls for inline handlers, one after the other, seen in
 * place through one view. Stops at anything else, which the long way takes. That a handler does
 * not return is noticed by the step: a guard in here costs ten instructions a message.
 */
static void dispatch_requests(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	uint32_t me = (uint32_t)p->engine->rank, n = 0;
	const char *at = slot->buffer + slot->offset, *end = slot->buffer + slot->request.nbytes;
	if (!p->user_code || !is_for_inline(p, (const struct fy_record *)(const void *)at) ||
	    !ready_for_handlers(p))
		return;
	ferry *engine = p->engine, *before = fy_engine_begin(FY_INLINE, engine);
	uint32_t tag_before = begin_colour(p, p->batch_colour);
	ferry_message *view = p->view;
	fy_message_view(view, engine, 0, ch->rank, NULL, 0, 0);
	while (end - at >= (ptrdiff_t)sizeof(struct fy_record) && !p->tasks &&
	       fy_program_may_run()) {
		const struct fy_record *r = (const struct fy_record *)(const void *)at;
		uint32_t word = r->size_flags, size = fy_record_size(word);
		bool call = word >> 24 == FY_PLAIN_CALL;
		if ((word >> 24 != FY_PLAIN_POST && !call) || r->op >= FY_OPS_DIRECT ||
		    size > (size_t)(end - at) || (r->rank ^ me) | (r->stream & FY_TAGGED))
			break;
		struct fy_handler *h = p->direct[r->op];
		if (!h || h->where)
			break;
		if (call) {
			view->call_id = fy_record_ext(r);
			if (!view->call_id)
				break;
			view->flags |= FY_MESSAGE_CALL;
			view->answered = FY_UNANSWERED;
		}
		view->op = r->op;
		view->body = fy_record_data(r);
		view->nbytes = word & FY_BODY_MAX;
		fy_store_relaxed_32(&engine->inside, r->op);
		h->fn(engine, view, h->arg);
		at += size;
		n++;
		if (fy_unlikely(!(view->flags & FY_MESSAGE_VIEW))) {
			after_handler(view);
			break;
		}
		if (call) {
			if (view->answered != FY_ANSWERED)
				answer_empty(p, ch, view);
			if (fy_unlikely(!p->view))
				break;
			view->flags &= ~FY_MESSAGE_CALL;
		}
	}
	end_colour(p, tag_before);
	fy_store_relaxed_32(&engine->inside, FY_INSIDE_NOTHING);
	fy_engine_end(FY_INLINE, before);
	slot->offset = (uint32_t)(at - slot->buffer);
	slot->index += n;
	p->done[p->batch_colour] += n;
	p->stats.handled += n;
	p->stats.delivered += n;
}

/*
 * Likewise: short replies to calls that are open, each into the message that its call came with.
 */
static void dispatch_replies(struct fy_progress *p, const struct fy_channel *ch,
                             struct fy_slot *slot)
{
	uint32_t end = (uint32_t)slot->request.nbytes, me = (uint32_t)p->engine->rank;
	while (slot->offset + sizeof(struct fy_record) <= end) {
		const struct fy_record *r =
			(const struct fy_record *)(const void *)(slot->buffer + slot->offset);
		uint32_t word = r->size_flags, size = fy_record_size(word);
		if (word >> 24 != FY_PLAIN_REPLY || (word & FY_BODY_MAX) > FY_MESSAGE_SMALL ||
		    size > end - slot->offset || r->rank != me)
			return;
		struct fy_call *call = fy_call_find(p, fy_record_ext(r), ch->rank);
		ferry_message *reply = call ? call->future->reply : NULL;
		if (!reply)
			return;
		/* Small: it cannot fail. */
		fy_message_fill(reply, r->op, ch->rank, fy_record_data(r), word & FY_BODY_MAX);
		if (!fy_future_complete_reply(fy_call_close_found(p, call), reply))
			p->stats.late_replies++;
		p->done[fy_arrived_colour(p, r)]++;
		p->stats.delivered++;
		slot->offset += size;
		slot->index++;
	}
}

/* What comes in numbers. */
static void dispatch_plain(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_record *r =
		(const struct fy_record *)(const void *)(slot->buffer + slot->offset);
	uint32_t form = slot->offset + sizeof *r <= slot->request.nbytes ? r->size_flags >> 24 : 0;
	if (form == FY_PLAIN_POST || form == FY_PLAIN_CALL)
		dispatch_requests(p, ch, slot);
	else if (form == FY_PLAIN_REPLY)
		dispatch_replies(p, ch, slot);
}

/* The records of a batch, from where a pause left it. False: paused. */
static bool dispatch_records(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	uint32_t end = (uint32_t)slot->request.nbytes, me = (uint32_t)p->engine->rank;
	p->batch_colour = h->flags & FY_BATCH_COLOUR ? 1 : 0;
	for (;;) {
		dispatch_plain(p, ch, slot);
		if (slot->offset >= end)
			return true;
		const struct fy_record *r =
			(const struct fy_record *)(const void *)(slot->buffer + slot->offset);
		uint32_t left = end - slot->offset;
		uint32_t size = left >= sizeof *r ? fy_record_size(r->size_flags) : UINT32_MAX;
		enum taken t = size <= left && r->rank == me ? take_record(p, ch, r) : MALFORMED;
		if (t == PAUSED)
			return false;
		if (t == MALFORMED) {
			owe_refused(p, ch, slot->seq, slot->index);
			return true;
		}
		if (ch->gone) /* by what it said */
			return true;
		slot->offset += size;
		slot->index++;
		p->stats.delivered += fy_record_kind(r) != FY_KIND_CONTROL;
	}
}

/* Does what is left of a batch refuse something? */
static bool refuses_more(const struct fy_slot *slot)
{
	uint32_t at = slot->offset, end = (uint32_t)slot->request.nbytes;
	while (end - at >= sizeof(struct fy_record)) {
		const struct fy_record *r =
			(const struct fy_record *)(const void *)(slot->buffer + at);
		uint32_t size = fy_record_size(r->size_flags);
		if (size > end - at ||
		    (fy_record_kind(r) == FY_KIND_CONTROL && r->op == FY_OP_REFUSED))
			return true;
		at += size;
	}
	return false;
}

static bool dispatch_batch(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	if (fy_unlikely(slot->bad)) {
		owe_refused(p, ch, ch->seq_in++, 0);
		return true;
	}
	if (!slot->begun) {
		slot->begun = true;
		slot->offset = sizeof *h;
		slot->index = 0;
	}
	uint64_t announcements = p->announcements;
	if (!dispatch_records(p, ch, slot)) {
		/* An acknowledgement of a stream may have been among them, which counts what came
		 * after that. */
		if (!refuses_more(slot))
			fy_channel_accepted(p, ch, h);
		return false;
	}
	/* behind the records: what one of them refuses is not accepted */
	fy_channel_accepted(p, ch, h);
	ch->seq_in++;
	if (h->spent > ch->spent_in && h->spent <= ch->limit_sent + ch->window)
		ch->spent_in = h->spent;
	if (h->flags & FY_BATCH_GOODBYE)
		ch->bye_seen = true;
	/* Who asks without our goodbye may have lost it: only what comes behind it shows that. */
	bool lost_bye = !h->nrecords && !(h->flags & FY_BATCH_GOODBYE) &&
	                (int32_t)(ch->seq_out - 1 - h->accepted) > 0;
	if (h->flags & FY_BATCH_WANTS_ACK && (!ch->bye_sent || lost_bye)) {
		ch->ack_owed = true;
		fy_channel_mark(p, ch);
	}
	bool small = slot->index > SMALL_RECORDS && p->announcements == announcements;
	uint64_t charged =
		slot->request.nbytes + (uint64_t)slot->index * FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	fy_channel_grow_window(p, ch, h->flags & FY_BATCH_HUNGRY, small ? charged : 0);
	p->stats.batches_received++;
	p->stats.bytes_received += slot->request.nbytes;
	return true;
}

/* Batches that waited for this moment, in order. */
static void dispatch_early(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->early && ch->early->seq == ch->seq_in) {
		struct fy_slot *slot = ch->early;
		if (!dispatch_batch(p, ch, slot))
			return;
		ch->early = slot->next;
		p->n_early--;
		post_receive(p, slot);
		p->worked = true;
	}
}

/* False: there is one of that number already. */
static bool keep_early(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	struct fy_slot **at = &ch->early;
	while (*at && (int32_t)((*at)->seq - slot->seq) < 0)
		at = &(*at)->next;
	if (*at && (*at)->seq == slot->seq)
		return false;
	slot->next = *at;
	*at = slot;
	p->n_early++;
	return true;
}

/* Is the next batch here, and waits in the middle? Then nothing else is that one. */
static bool is_paused(const struct fy_channel *ch)
{
	return ch->early && ch->early->seq == ch->seq_in;
}

/* The first that is not here. */
static uint32_t next_number(const struct fy_channel *ch)
{
	uint32_t seq = ch->seq_in;
	for (const struct fy_slot *slot = ch->early; slot && slot->seq == seq; slot = slot->next)
		seq++;
	return seq;
}

static bool header_ok(const struct fy_slot *slot)
{
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	return slot->request.nbytes >= sizeof *h && h->magic == FY_WIRE_MAGIC &&
	       h->version == FY_WIRE_VERSION;
}

static void keep_homeless(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = p->homeless;
	p->homeless = slot;
	p->n_early++;
}

/* ---- batches that do not come ------------------------------------------ */

/*
 * MPI ended a receive with an error. What it says of such a receive is not to be believed, so
 * nobody knows whether a message was in it, or whose. If one was, its number is missing. To see
 * that a later one has to come: so every rank is asked for a batch, and then for gaps is looked
 * again and again.
 */
static void receive_failed(struct fy_progress *p, const struct fy_slot *slot)
{
	unsigned n = ++p->n_failed;
	p->stats.mpi_errors++;
	if ((n & (n - 1)) == 0)
		fy_log(p->engine->log,
		       "MPI ended a receive with an error (%u so far), which is posted again: %s",
		       n,
		       slot->request.status == FERRY_ETRUNC ? "what came was too long"
		                                            : p->port->ops->error(p->port));
	if (n > 1 && p->now < p->gaps_at)
		return; /* they were asked a moment ago */
	p->gaps_at = p->now + GAP_TIME;
	for (int rank = 0; rank < p->engine->size; rank++) {
		struct fy_channel *ch = fy_channel_get(p, rank);
		if (ch)
			fy_channel_ask(p, ch);
	}
}

static bool is_missing(const struct fy_channel *ch)
{
	return ch->early && ch->early->seq != ch->seq_in;
}

void fy_dispatch_look_for_gaps(struct fy_progress *p)
{
	if (p->now < p->gaps_at)
		return;
	p->gaps_at = p->now + GAP_TIME;
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		if (ch->gone)
			continue;
		/* Behind a goodbye nothing comes: that it does not come itself is seen by
		 * the time. */
		bool bye = p->byes && ch->bye_sent && !ch->bye_seen && !ch->early;
		bool again = ch->gap && ch->gap_at == ch->seq_in;
		ch->gap = bye || is_missing(ch);
		ch->gap_at = ch->seq_in;
		if (again && bye)
			ch->bye_seen = p->worked = true;
		else if (again && ch->gap)
			fy_channel_gone(p, ch, FERRY_EMPI,
			                "a batch of that rank did not come: MPI ended a receive "
			                "with an error");
	}
}

/* A receive is complete. True: its buffer is free again. */
static bool arrived(struct fy_progress *p, struct fy_slot *slot)
{
	if (fy_unlikely(slot->request.status)) {
		receive_failed(p, slot);
		return true;
	}
	struct fy_channel *ch = fy_channel_get(p, slot->request.source);
	if (!ch) {
		keep_homeless(p, slot);
		return false;
	}
	if (ch->gone)
		return true;
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	bool ok = header_ok(slot);
	if (ok && h->flags & FY_BATCH_GAVE_UP) {
		fy_channel_given_up(p, ch);
		return true;
	}
	int32_t ahead = ok ? (int32_t)(h->seq - ch->seq_in) : -1;
	slot->begun = false;
	/* its sender counted it, so it takes the place of the next one */
	slot->bad = ahead < 0 || ahead > EARLY_MAX;
	slot->seq = slot->bad ? next_number(ch) : h->seq;
	if (slot->seq == ch->seq_in && !is_paused(ch) && dispatch_batch(p, ch, slot)) {
		dispatch_early(p, ch);
		return true;
	}
	if (keep_early(p, ch, slot))
		return false;
	p->stats.malformed++;
	return true;
}

static void unlink_posted(struct fy_progress *p, struct fy_slot **at, struct fy_slot *before)
{
	struct fy_slot *slot = *at;
	*at = slot->next;
	if (p->slots_last == slot)
		p->slots_last = before;
	p->n_posted--;
}

/* The oldest receives first: MPI matches in the order of posting. */
bool fy_dispatch_receives(struct fy_progress *p)
{
	unsigned misses = 0, answers = 0;
	uint64_t issued = p->issued[0] + p->issued[1];
	unsigned allowed = p->stats.steps % LOOK_ALL_STEPS == 0     ? p->n_slots
	                   : p->stats.steps % LOOK_AHEAD_STEPS == 0 ? LOOK_AHEAD
	                                                            : 0;
	bool any = false;
	if (fy_unlikely(p->unposted) && !p->finished)
		post_again(p);
	struct fy_slot **at = &p->slots, *before = NULL;
	for (unsigned n = p->n_posted; *at && n && misses <= allowed; n--) {
		struct fy_slot *slot = *at;
		if (!p->port->ops->test(p->port, &slot->request)) {
			misses++;
			before = slot;
			at = &slot->next;
			continue;
		}
		unlink_posted(p, at, before);
		any = true;
		p->rung_at = 0;
		if (p->finished || slot->request.status == FERRY_ECANCELED)
			continue;
		uint64_t announcements = p->announcements;
		if (arrived(p, slot))
			post_receive(p, slot);
		if (p->landing || p->announcements != announcements)
			/* the next look may copy a chunk: answers to this batch leave before */
			break;
		if (p->issued[0] + p->issued[1] != issued && ++answers >= ANSWERS_WAIT)
			break;
		at = &p->slots; /* the list has changed */
		before = NULL;
		misses = 0;
	}
	if (p->n_posted < p->n_slots / 4 && !p->unposted && !p->finished)
		post_more(p);
	p->worked |= any;
	return any;
}

static void find_homes(struct fy_progress *p)
{
	struct fy_slot *list = p->homeless, *slot;
	p->homeless = NULL;
	while ((slot = list)) {
		list = slot->next;
		p->n_early--;
		if (arrived(p, slot))
			post_receive(p, slot);
	}
}

/* Paused batches try again. */
void fy_dispatch_paused(struct fy_progress *p)
{
	if (p->homeless)
		find_homes(p);
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		if (ch->early)
			dispatch_early(p, ch);
}

/* ---- registering ------------------------------------------------------- */

/* It was done, and is to be handled after all: as if it had been posted again. What comes back from
 * an executor has been under way all the time. */
static void out_of_the_mailbox(struct fy_progress *p, ferry_message *m)
{
	if (m->flags & FY_MESSAGE_RETURNED) {
		p->done[fy_message_colour(m->flags)]--;
	} else {
		p->issued[p->colour]++;
		m->flags = (m->flags & ~FY_MESSAGE_COLOUR) | fy_message_coloured(p->colour);
	}
	m->flags &= ~FY_MESSAGE_RETURNED;
}

bool fy_dispatch_set_handler(struct fy_progress *p, struct fy_handler *handler, uint32_t op,
                             struct fy_handler **old_p)
{
	if (handler && !fy_mailbox_try(&p->engine->mailbox))
		return false;
	struct fy_handler **at = handler_place(p, op), *old = *at;
	if (old) {
		*at = old->next;
		fy_swap_32(&old->closed, 1);
	}
	if (old_p)
		*old_p = old; /* the table's reference */
	if (!handler)
		return true;
	at = handler_place(p, op);
	handler->next = *at;
	*at = handler;
	ferry_message *m;
	struct fy_mail_list mine = { 0 };
	while ((m = fy_mailbox_take(&p->engine->mailbox, FERRY_ANY, op))) {
		m->next = NULL;
		*(mine.last ? &mine.last->next : &mine.first) = m;
		mine.last = m;
	}
	fy_mailbox_unlock(&p->engine->mailbox);
	while ((m = mine.first)) {
		mine.first = m->next;
		out_of_the_mailbox(p, m);
		fy_dispatch_message(p, p->channels[m->source], m);
	}
	return true;
}

int fy_dispatch_set_memory(struct fy_progress *p, uint32_t op, ferry_memory_fn *fn, void *arg)
{
	struct fy_memory_handler **at = &p->memory_handlers;
	while (*at && (*at)->op != op)
		at = &(*at)->next;
	if (!fn) {
		struct fy_memory_handler *old = *at;
		if (old) {
			*at = old->next;
			free(old);
		}
		return FERRY_OK;
	}
	if (!*at && !(*at = calloc(1, sizeof **at)))
		return FERRY_ENOMEM;
	(*at)->op = op;
	(*at)->fn = fn;
	(*at)->arg = arg;
	return FERRY_OK;
}

/* ---- the mailbox, from the helm's side --------------------------------- */

static void no_handler(struct fy_progress *p, ferry_message *m)
{
	fy_report_untaken(p, m);
	fy_mailbox_remove(&p->engine->mailbox, m);
	if (!fy_message_answer_for(m, FERRY_ENOHANDLER))
		ferry_message_release(m);
}

/* Handlers that came while their messages were on the way back from an executor. */
static void rescan(struct fy_progress *p)
{
	fy_store_release_32(&p->engine->mail_rescan, 0);
	for (ferry_message *m = p->engine->mailbox.all.first, *next; m; m = next) {
		next = m->next;
		if (!fy_dispatch_handler(p, m->op)) {
			m->flags &= ~FY_MESSAGE_RETURNED; /* for a reader, as any */
			continue;
		}
		fy_mailbox_remove(&p->engine->mailbox, m);
		out_of_the_mailbox(p, m);
		fy_dispatch_message(p, p->channels[m->source], m);
	}
}

/* Calls that outlived their grace are answered, and posts told of; seldom, and only when nobody
 * reads just now. */
void fy_dispatch_mail(struct fy_progress *p)
{
	struct fy_mailbox *box = &p->engine->mailbox;
	bool again = fy_load_acquire_32(&p->engine->mail_rescan);
	int64_t grace = p->options->handler_grace;
	if (!again && (grace == FERRY_NONE || p->now - p->mail_checked < grace / 8))
		return;
	if (fy_load_acquire_64(&box->bytes) == 0 || !fy_mailbox_try(box))
		return;
	p->mail_checked = p->now;
	if (again)
		rescan(p);
	for (ferry_message *m = box->all.first, *next; m && grace != FERRY_NONE; m = next) {
		next = m->next;
		if (p->now - m->arrived < grace)
			continue;
		if (!(m->flags & FY_MESSAGE_CALL)) {
			if (m->tally && !m->tally->told && !fy_mailbox_known(box, m))
				fy_report_untaken(p, m);
		} else if (!fy_mailbox_wanted(box, m, m->arrived)) {
			no_handler(p, m);
		}
	}
	fy_mailbox_unlock(box);
}

/* Nobody will read them any more. */
void fy_dispatch_drop_mail(struct fy_progress *p)
{
	struct fy_mailbox *box = &p->engine->mailbox;
	if (fy_load_acquire_64(&box->bytes) == 0 || fy_load_acquire_32(&box->readers) ||
	    !fy_mailbox_try(box))
		return;
	while (box->all.first) {
		ferry_message *m = box->all.first;
		fy_mailbox_remove(box, m);
		p->stats.dropped++;
		fy_report_dropped(&p->unread, m);
		ferry_message_release(m);
	}
	fy_mailbox_unlock(box);
}

/* ---- the end ----------------------------------------------------------- */

/* Every posted receive is cancelled; the loop goes on until none is left. */
void fy_dispatch_close(struct fy_progress *p)
{
	for (struct fy_slot *slot = p->slots; slot; slot = slot->next)
		p->port->ops->cancel(p->port, &slot->request);
}

static void free_handlers(struct fy_handler **at)
{
	while (*at) {
		struct fy_handler *h = *at;
		*at = h->next;
		fy_store_release_32(&h->closed, 1);
		fy_handler_release(h);
	}
}

void fy_dispatch_free(struct fy_progress *p)
{
	for (unsigned i = 0; i < FY_OPS_DIRECT; i++)
		free_handlers(&p->direct[i]);
	for (unsigned i = 0; i < FY_OPS_HASHED; i++)
		free_handlers(&p->hashed[i]);
	while (p->memory_handlers)
		fy_dispatch_set_memory(p, p->memory_handlers->op, NULL, NULL);
	for (unsigned i = 0; p->clean && p->slot_all && i < p->n_slots; i++)
		free(p->slot_all[i].buffer);
	while (p->clean && p->extra_slots) {
		struct fy_slot *slot = p->extra_slots;
		p->extra_slots = slot->extra_next;
		free(slot->buffer);
		free(slot);
	}
	if (p->clean) /* otherwise MPI may still write there */
		free(p->slot_all);
	free(p->view);
	free(p->reserve);
}
