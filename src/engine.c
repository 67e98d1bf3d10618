/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: its making and its end.
 *
 * The memory of struct ferry is never given back to the system: closed engines go to the end of a
 * list and are used again when SHELLS_REST others have come behind them. So a thread that holds the
 * pointer of an engine that another thread closed a moment ago (a future does, while it is pending)
 * looks at valid memory, finds the phase FY_STOPPED, and goes away. What such a thread looks at is
 * not written meanwhile either: `phase`, `refs`, `guests` and the two mutexes stay as they are
 * until the struct is used again.
 *
 * What belongs to a struct (its arrays, the texts of its options) goes with the last reference.
 * There is one of the engine's, until close is over; one a lane, so that posts need none of their
 * own; one a message. Whoever has neither takes one by fy_engine_try_retain, which fails when the
 * last one is gone, or is counted as a guest meanwhile.
 */
#define _GNU_SOURCE
#include "engine.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "block.h"
#include "executor.h"
#include "hooks.h"
#include "log.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "status.h"

#define CREDIT_FIRST 16384u            /* each pair of ranks starts with room for one small batch */
#define WINDOW_MAX (16u << 20)         /* and gets no more than this */
#define CHUNK_HERE ((size_t)512 << 10) /* of a large message, where all ranks are on one host; */
#define CHUNK_WIRE ((size_t)256 << 10) /* else a chunk holds up for longer what is behind it */
#define CALLS_SHARE 8                  /* an eighth of receive_memory is for replies */

/* 0.9 MB; how many other engines are closed before a struct is used again */
#define SHELLS_REST 256u

static pthread_mutex_t shells_lock = PTHREAD_MUTEX_INITIALIZER;
/* under shells_lock: closed engines, the oldest first */
static ferry *shells, **shells_end = &shells;
static unsigned n_shells;    /* likewise */
static ferry *unseen;        /* likewise: of opens that failed, which no thread has ever had */
static uint64_t next_serial; /* atomic add */

/* ---- making ------------------------------------------------------------ */

/* One that has rested or needs no rest, or NULL. */
static ferry *shell_take(void)
{
	pthread_mutex_lock(&shells_lock);
	ferry *e = unseen ? unseen : n_shells > SHELLS_REST ? shells : NULL;
	if (unseen) {
		unseen = e->next_shell;
	} else if (e) {
		shells = e->next_shell; /* never the last one */
		n_shells--;
	}
	pthread_mutex_unlock(&shells_lock);
	if (e) {
		pthread_mutex_destroy(&e->aside);
		pthread_mutex_destroy(&e->mailbox.lock);
	}
	return e;
}

static void shell_rest(ferry *e)
{
	e->next_shell = NULL;
	pthread_mutex_lock(&shells_lock);
	*shells_end = e;
	shells_end = &e->next_shell;
	n_shells++;
	pthread_mutex_unlock(&shells_lock);
}

static void shell_put_unseen(ferry *e)
{
	pthread_mutex_lock(&shells_lock);
	e->next_shell = unseen;
	unseen = e;
	pthread_mutex_unlock(&shells_lock);
}

static ferry *shell_get(void)
{
	ferry *e = shell_take();
	if (!e) {
		e = aligned_alloc(FY_CACHE_LINE, sizeof *e);
		if (e)
			*e = (ferry){ .phase = FY_STOPPED };
	}
	return e;
}

/* The phase stays FY_STOPPED until the engine works. */
static void shell_init(ferry *e, const fy_port *port)
{
	memset(e, 0, offsetof(ferry, phase));
	memset(&e->status, 0, offsetof(ferry, guests) - offsetof(ferry, status));
	e->serial = fy_add_64(&next_serial, 1) + 1;
	e->rank = port->rank;
	e->size = port->size;
	fy_store_release_32(&e->refs, 1);
	e->inside = FY_INSIDE_NOTHING;
	fy_wake_init(&e->wake);
	ck_stack_init(&e->lanes);
	ck_stack_init(&e->commands);
	ck_stack_init(&e->replies);
	ck_stack_init(&e->tasks);
	ck_stack_init(&e->accounts);
	ck_stack_init(&e->blocks);
	fy_mailbox_init(&e->mailbox);
	pthread_mutex_init(&e->aside, NULL);
}

struct handshake {
	uint32_t magic, version, batch_bytes, first_seq, credit_first, fold_max, reply_room,
		tag_span;
};

/* Ranks that were built or configured so that they would not understand each other are told so. */
static int agree_on_limits(fy_port *port, uint32_t first_seq)
{
	struct handshake mine = { FY_WIRE_MAGIC,  FY_WIRE_VERSION,
		                  FY_BATCH_BYTES, first_seq,
		                  CREDIT_FIRST,   FY_FOLD_MAX,
		                  FY_REPLY_ROOM,  (uint32_t)port->tag_max - 1 };
	struct handshake theirs = mine;
	int rank = 0, status = port->ops->agree(port, &mine, &theirs, sizeof mine, &rank);
	if (status == FERRY_OK)
		return FERRY_OK;
	if (status != FERRY_ENOTSUP)
		return fy_fail(status, "the ranks could not compare their limits: %s",
		               port->ops->error(port));
	if (mine.version != theirs.version)
		return fy_fail(FERRY_ENOTSUP,
		               "rank %d speaks version %u of the wire format, rank 0 version %u",
		               rank, mine.version, theirs.version);
	return fy_fail(
		FERRY_ENOTSUP,
		"rank %d was built with other limits than rank 0: use the same build on all ranks",
		rank);
}

static void share_memory(struct fy_progress *p, const ferry_options *o)
{
	uint64_t half = o->receive_memory / 2;
	uint64_t first = (uint64_t)CREDIT_FIRST * (uint64_t)p->engine->size;
	p->credit_first = CREDIT_FIRST;
	p->credit_pool = half > first ? half - first : 0;
	p->window_max = half / 4 < WINDOW_MAX ? half / 4 : WINDOW_MAX;
	p->large_cap[0] = o->receive_memory / 8 * 3;
	p->large_cap[1] = o->receive_memory / CALLS_SHARE;
	p->calls_max = (uint32_t)(o->receive_memory / CALLS_SHARE / FY_REPLY_ROOM);
}

/* Of an engine that nobody has used. */
static void progress_free(struct fy_progress *p)
{
	p->clean = true;
	fy_dispatch_free(p);
	free(p->channels);
	free(p);
}

static struct fy_progress *progress_create(ferry *e, fy_port *port, uint32_t first_seq)
{
	struct fy_progress *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->channels = calloc((size_t)port->size, sizeof *p->channels);
	p->engine = e;
	p->port = port;
	p->options = &e->options;
	fy_progress_set_patience(p);
	p->first_seq = first_seq;
	p->tag_span = port->tag_max - 1;
	p->chunk_bytes = port->all_local ? CHUNK_HERE : CHUNK_WIRE;
	if (p->chunk_bytes > port->chunk_max)
		p->chunk_bytes = port->chunk_max;
	p->now = port->ops->now(port);
	p->stats.size = sizeof p->stats;
	share_memory(p, &e->options);
	if (p->channels && fy_dispatch_open(p) == FERRY_OK)
		return p;
	progress_free(p);
	return NULL;
}

/* The engine that was prepared will not be: nothing of it has been seen by others. */
static void discard(ferry *e)
{
	if (e->progress)
		progress_free(e->progress);
	e->progress = NULL;
	fy_engine_close_log(e);
	fy_engine_set_stopped(e);
	e->is_unseen = true;
	fy_engine_release(e);
}

static int furnish(ferry *e, fy_port *port, uint32_t first_seq)
{
	int status = fy_log_open(e->options.log, port->rank, &e->log);
	if (status)
		return status;
	e->full = calloc((size_t)port->size, 1);
	e->bodies_to = calloc((size_t)port->size, sizeof *e->bodies_to);
	if (e->full && e->bodies_to)
		e->progress = progress_create(e, port, first_seq);
	return e->progress ? FERRY_OK : fy_fail(FERRY_ENOMEM, "no memory for an engine");
}

static int engine_new(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p)
{
	fy_hooks_set();
	ferry *e = shell_get();
	if (!e)
		return fy_fail(FERRY_ENOMEM, "no memory for an engine");
	shell_init(e, port);
	e->options = *resolved;
	memset(resolved, 0, sizeof *resolved);
	uint32_t *bell = port->ops->doorbell(port, port->rank);
	if (bell)
		fy_wake_share(&e->wake, bell);
	e->lendable = port->lendable && e->options.lend && !(e->options.flags & FERRY_NO_THREAD);
	int status = furnish(e, port, first_seq);
	if (status)
		discard(e);
	else
		*engine_p = e;
	return status;
}

/* What fails first is what is told. */
static void note(struct fy_opening *o, int status)
{
	if (!status || o->status)
		return;
	o->status = status;
	snprintf(o->text, sizeof o->text, "%s", ferry_last_error());
}

/* Also with what failed before, so that no rank waits for this one. */
void fy_engine_prepare(struct fy_opening *o, fy_port *port, ferry_options *resolved,
                       uint32_t first_seq, int status)
{
	*o = (struct fy_opening){ .port = port };
	note(o, status);
	int differs = agree_on_limits(port, first_seq);
	note(o, differs);
	o->known = differs == FERRY_ENOTSUP;
	if (!o->status)
		note(o, engine_new(port, resolved, first_seq, &o->engine));
	if (!o->known)
		port->ops->offer(port, o->status, o->text);
}

/* A rank that failed in the same way keeps its own sentence. */
static int fail_opening(struct fy_opening *o, int status, int rank, const char *text)
{
	if (o->engine)
		discard(o->engine);
	o->engine = NULL;
	if (o->status == status)
		return fy_fail(status, "%s", o->text);
	return rank == o->port->rank ? fy_fail(status, "%s", text)
	                             : fy_fail(status, "rank %d: %s", rank, text);
}

int fy_engine_settle(struct fy_opening *o, ferry **engine_p)
{
	char text[FY_SENTENCE] = "";
	int rank = o->port->rank;
	int status = o->known ? o->status : o->port->ops->settle(o->port, text, &rank);
	if (!status)
		status = o->status; /* a verdict that does not know of this rank is none */
	if (status)
		return fail_opening(o, status, rank, text);
	fy_dispatch_begin(o->engine->progress);
	fy_options_warn(o->engine);
	fy_store_release_32(&o->engine->phase, FY_OPEN);
	*engine_p = o->engine;
	return FERRY_OK;
}

int fy_engine_create(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p)
{
	struct fy_opening opening;
	fy_engine_prepare(&opening, port, resolved, first_seq, FERRY_OK);
	return fy_engine_settle(&opening, engine_p);
}

/* ---- the end ----------------------------------------------------------- */

static void fail_commands(ferry *e)
{
	fy_progress_fail_commands(e->progress, FERRY_ESTOPPED);
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&e->commands);
	while (entry) {
		struct fy_command *c =
			(struct fy_command *)(void *)((char *)entry -
		                                      offsetof(struct fy_command, entry));
		entry = CK_STACK_NEXT(entry);
		c->status = FERRY_ESTOPPED;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
}

static void nudge_everybody(ferry *e)
{
	fy_add_32(&e->room, 1);
	fy_futex_wake(&e->room, INT_MAX, false);
	fy_mailbox_nudge(&e->mailbox);
	for (struct fy_lane *lane = e->progress->all_lanes; lane; lane = lane->all_next)
		fy_lane_nudge(lane);
}

static void wait_for_guests(ferry *e)
{
	while (fy_load_acquire_64(&e->guests)) {
		fail_commands(e);
		nudge_everybody(e);
		sched_yield();
	}
	fail_commands(e);
}

/* One that nobody came back for. */
static void drop_fence(ferry *e)
{
	pthread_mutex_lock(&e->aside);
	ferry_future *f = e->fence;
	e->fence = NULL;
	pthread_mutex_unlock(&e->aside);
	ferry_future_release(f);
}

static void fail_promises(ferry *e)
{
	for (;;) {
		pthread_mutex_lock(&e->aside);
		ferry_future *f = e->promises;
		if (f)
			ferry_future_retain(f);
		pthread_mutex_unlock(&e->aside);
		if (!f)
			return;
		fy_future_complete(f, FERRY_ESTOPPED,
		                   "the engine was closed before the promise was fulfilled");
	}
}

static void run_last_tasks(struct fy_progress *p)
{
	p->user_code = true;
	while (p->tasks || fy_load_relaxed_ptr(&p->engine->tasks.head))
		if (!fy_dispatch_run_tasks(p))
			break;
}

static void drop_mail(ferry *e, struct fy_progress *p)
{
	pthread_mutex_lock(&e->mailbox.lock);
	fy_mailbox_sort(&e->mailbox);
	while (e->mailbox.all.first) {
		ferry_message *m = e->mailbox.all.first;
		fy_mailbox_remove(&e->mailbox, m);
		m->flags &= ~FY_MESSAGE_CALL;
		fy_report_dropped(&p->unread, m);
		ferry_message_release(m);
		p->stats.dropped++;
	}
	pthread_mutex_unlock(&e->mailbox.lock);
}

static void drop_late_answers(ferry *e)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&e->replies);
	while (entry) {
		ferry_message *m =
			(ferry_message *)(void *)((char *)entry - offsetof(ferry_message, entry));
		entry = CK_STACK_NEXT(entry);
		ferry_message_release(m);
	}
}

void fy_engine_set_stopped(ferry *e)
{
	fy_store_release_32(&e->phase, FY_STOPPED);
	fy_store_release_32(&e->stopped, 1);
}

/* Not by fy_engine_destroy: who closes says what for, beside it. */
void fy_engine_close_log(ferry *e)
{
	fy_log_close(e->log);
	e->log = NULL;
}

int fy_engine_destroy(ferry *e)
{
	struct fy_progress *p = e->progress;
	int status = p->clean ? FERRY_OK : e->status;
	fy_engine_set_stopped(e);
	fy_store_relaxed_32(&e->inside, FY_INSIDE_END);
	fy_wake_stop(&e->wake);
	fy_outgoing_abandon(p, FERRY_ESTOPPED); /* posts that raced with the close */
	fy_store_release_32(&e->abandoned, 1);
	wait_for_guests(e);
	fy_wake_part(&e->wake);
	drop_fence(e);
	fail_promises(e);
	fy_executor_engine_closing(e);
	run_last_tasks(p);
	drop_mail(e, p);
	fy_report_say_dropped(e, &p->unread);
	drop_late_answers(e);
	while (p->rooms) {
		ferry_future *f = p->rooms;
		p->rooms = f->next;
		fy_future_complete(f, FERRY_ESTOPPED, NULL);
	}
	fy_timer_free(p);
	if (p->starts)
		p->port->ops->starts->abandon(p);
	run_last_tasks(p);
	if (p->starts)
		p->port->ops->starts->free(p);
	fy_transfer_free(p);
	fy_dispatch_free(p);
	fy_channel_free_all(p);
	e->last_stats = p->stats;
	const struct fy_port_ops *ops = p->port->ops;
	int closed = ops->close(p->port, p->clean);
	if (closed && status == FERRY_OK) {
		status = closed;
		snprintf(e->close_text, sizeof e->close_text, "%s", ops->error(p->port));
	}
	fy_block_free_all(e);
	free(p->calls);
	free(p->channels);
	free(p);
	e->progress = NULL;
	for (int i = 0; i < FY_ENGINE_SLOTS; i++)
		if (e->slots[i] && e->slot_free[i])
			e->slot_free[i](e->slots[i]);
	memset(e->slots, 0, sizeof e->slots);
	fy_executor_engine_closed(e);
	return status;
}

void fy_engine_retain(ferry *e)
{
	fy_add_32(&e->refs, 1);
}

bool fy_engine_try_retain(ferry *e)
{
	uint32_t refs;
	do {
		refs = fy_load_relaxed_32(&e->refs);
		if (refs == 0)
			return false;
	} while (!fy_cas_32(&e->refs, refs, refs + 1));
	return true;
}

/* Whose messages are that are made when their engine is gone. */
static ferry ended = {
	.phase = FY_STOPPED,
	.refs = 1,
	.stopped = 1,
	.abandoned = 1,
	.closed = 1,
	.options = { .message_max = SIZE_MAX, .out_of_band = SIZE_MAX, .decode_memory = 4096 }
};

ferry *fy_engine_retain_or_ended(ferry *e)
{
	if (fy_engine_try_retain(e))
		return e;
	fy_engine_retain(&ended);
	return &ended;
}

void fy_engine_release(ferry *e)
{
	if (fy_add_32(&e->refs, (uint32_t)-1) != 1)
		return;
	fy_block_free_all(e);
	fy_report_free(e);
	fy_engine_close_log(e);
	free(e->full);
	free(e->bodies_to);
	e->full = NULL;
	e->bodies_to = NULL;
	fy_options_free(&e->options);
	while (e->account_list) {
		struct fy_account *a = e->account_list;
		e->account_list = a->next;
		free(a);
	}
	if (e->is_unseen)
		shell_put_unseen(e);
	else
		shell_rest(e);
}

#define REFS_AT_ONCE 64u

void fy_engine_retain_near(struct fy_lane *lane)
{
	if (!lane->engine_refs) {
		fy_add_32(&lane->engine->refs, REFS_AT_ONCE);
		lane->engine_refs = REFS_AT_ONCE;
	}
	lane->engine_refs--;
}

void fy_engine_release_near(ferry *e)
{
	struct fy_lane *lane = fy_recent.serial == e->serial ? fy_recent.lane : NULL;
	if (!lane) {
		fy_engine_release(e);
		return;
	}
	if (++lane->engine_refs < 4 * REFS_AT_ONCE)
		return;
	fy_add_32(&e->refs, -(lane->engine_refs - REFS_AT_ONCE)); /* some are left: not the last */
	lane->engine_refs = REFS_AT_ONCE;
}

void fy_engine_return_refs(struct fy_lane *lane)
{
	fy_add_32(&lane->engine->refs, -lane->engine_refs);
	lane->engine_refs = 0;
	fy_engine_release(lane->engine);
}

/* ---- slots ------------------------------------------------------------- */

void **fy_engine_slot(ferry *e, void (*free_fn)(void *slot))
{
	int i = 0;
	pthread_mutex_lock(&e->aside);
	while (i < FY_ENGINE_SLOTS && e->slot_free[i] && e->slot_free[i] != free_fn)
		i++;
	if (i < FY_ENGINE_SLOTS)
		e->slot_free[i] = free_fn;
	pthread_mutex_unlock(&e->aside);
	return i < FY_ENGINE_SLOTS ? &e->slots[i] : NULL;
}

/* ---- answers ----------------------------------------------------------- */

void fy_message_send_answer(ferry_message *request)
{
	ferry *e = request->engine;
	request->answer_tag = fy_tag_here(e);
	if (fy_engine_on_progress(e) && fy_outgoing_reply(e->progress, request))
		return;
	if (!fy_engine_enter(e)) { /* nobody will be told any more */
		request->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(request);
		return;
	}
	ck_stack_push_upmc(&e->replies, &request->entry);
	fy_engine_notify(e);
	fy_engine_leave(e);
}
