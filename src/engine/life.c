/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and ending an engine, over any port. Only the thread that opens or ends it may call; no
 * other file knows all parts of an engine. An open has two parts. In the first a rank does all that
 * can fail on it alone, and tells the others. In the second it waits for their verdict.
 */
#include "engine/life.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "app/hooks.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/options.h"
#include "base/order.h"
#include "base/program.h"
#include "bulk/blocks.h"
#include "bulk/bulk.h"
#include "engine/share.h"
#include "engine/statistics.h"
#include "future/future.h"
#include "future/queue.h"
#include "helm/command.h"
#include "helm/inline.h"
#include "helm/lanes.h"
#include "helm/lookout.h"
#include "helm/pace.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "helm/replies.h"
#include "helm/report.h"
#include "helm/timer.h"
#include "helm/words.h"
#include "link/channel.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/block.h"
#include "shared/counter.h"
#include "shared/engine.h"
#include "shared/inside.h"
#include "shared/policy_table.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/room.h"
#include "shared/shell.h"
#include "shared/wake.h"
#include "trace/trace.h"

#define CHUNK_HERE ((size_t)512 << 10) /* bytes of a chunk where all ranks are on one host */
#define CHUNK_WIRE ((size_t)256 << 10) /* elsewhere: what is behind a chunk waits longer there */
#define PEER_TIMEOUT FERRY_S(60)       /* where every rank has a progress thread */

static uint64_t next_serial; /* atomic add */

/* Leaves out `phase`, which stays FY_STOPPED until the engine works, and `guests`. */
static void shell_init(ferry *e, const fy_port *port)
{
	memset(e, 0, offsetof(ferry, phase));
	memset(&e->status, 0, offsetof(ferry, guests) - offsetof(ferry, status));
	e->serial = fy_add_64(&next_serial, 1) + 1;
	e->rank = port->rank;
	e->size = port->size;
	fy_store_release_32(&e->refs, 1);
	e->end.inside = FY_INSIDE_NOTHING;
	fy_wake_init(&e->wake);
	fy_inbox_init(&e->inboxes.lanes);
	fy_inbox_init(&e->inboxes.commands);
	fy_inbox_init(&e->inboxes.replies);
	fy_inbox_init(&e->inboxes.tasks);
	fy_inbox_init(&e->inboxes.accounts);
	fy_inbox_init(&e->inboxes.blocks);
	fy_mailbox_init(&e->mailbox);
	pthread_mutex_init(&e->aside.lock, NULL);
}

/* For an engine that was never used. */
static void progress_free(struct fy_progress *p)
{
	if (p->starts)
		p->starts->ops->free(p->starts);
	p->close.clean = true;
	fy_lookout_free(p);
	fy_receives_free(p);
	free(p->link.channels);
	free(p);
}

static struct fy_progress *progress_create(ferry *e, fy_port *port, uint32_t first_seq)
{
	struct fy_progress *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->bulk.link = &p->link;
	struct fy_link *link = &p->link;
	link->channels = calloc((size_t)port->size, sizeof *link->channels);
	link->engine = e;
	link->port = port;
	link->options = &e->options;
	e->helm_side.deferred = &link->tasks;
	e->helm_side.inline_tag = &p->inside.tag;
	e->helm_side.keep_view = fy_inline_keep_view;
	e->helm_side.send_answer = fy_replies_send;
	p->inside.signals = fy_program_mask_to_take();
	fy_pace_begin(p);
	link->first_seq = first_seq;
	p->bulk.tag_span = port->tag_max - 1;
	p->bulk.chunk_bytes = port->all_local ? CHUNK_HERE : CHUNK_WIRE;
	if (p->bulk.chunk_bytes > port->chunk_max)
		p->bulk.chunk_bytes = port->chunk_max;
	link->now = port->ops->now(port);
	link->stats.size = sizeof link->stats;
	fy_share_memory(p, &e->options);
	fy_sample_begin(p);
	if (link->channels && fy_receives_open(p) == FERRY_OK && fy_lookout_open(p) == FERRY_OK)
		return p;
	progress_free(p);
	return NULL;
}

/* The open failed. No other thread has seen this engine. */
static void discard(ferry *e)
{
	if (e->progress)
		progress_free(e->progress);
	e->progress = NULL;
	fy_engine_close_log(e);
	fy_engine_set_stopped(e);
	e->shelf.is_unseen = true;
	fy_engine_release(e);
}

/* A timeline that cannot be written is no reason not to work. */
static void open_trace(ferry *e, fy_port *port, uint32_t first_seq)
{
	char why[FY_TRACE_WHY];
	struct fy_trace_place place = { .directory = e->options.trace,
		                        .nbytes = e->options.trace_memory,
		                        .rank = port->rank,
		                        .size = port->size,
		                        .every = (uint64_t)e->options.trace_every,
		                        .first_seq = first_seq };
	if (!e->options.trace)
		return;
	e->helm_side.trace = fy_trace_open(&place, port->ops->now, port, why);
	fy_progress_of(e)->link.trace = e->helm_side.trace;
	if (!e->helm_side.trace)
		fy_log_say(e->log, port->rank, "%s", why);
}

static int furnish(ferry *e, fy_port *port, uint32_t first_seq)
{
	int status = fy_policy_table_resolve(&e->policy);
	if (!status)
		status = fy_log_open(e->options.log, port->rank, &e->log);
	if (status)
		return status;
	fy_log_set_level(e->log, e->options.log_level);
	e->full = calloc((size_t)port->size, 1);
	e->room.bodies_to = calloc((size_t)port->size, sizeof *e->room.bodies_to);
	e->room.limit = e->options.send_memory;
	if (e->full && e->room.bodies_to)
		e->progress = progress_create(e, port, first_seq);
	if (!e->progress)
		return fy_fail(FERRY_ENOMEM, "no memory for an engine");
	open_trace(e, port, first_seq);
	return FERRY_OK;
}

static int engine_new(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p)
{
	fy_app_hooks_set();
	ferry *e = fy_shell_get();
	if (!e)
		return fy_fail(FERRY_ENOMEM, "no memory for an engine");
	shell_init(e, port);
	e->options = *resolved;
	memset(resolved, 0, sizeof *resolved);
	uint32_t *bell = port->ops->doorbell(port, port->rank);
	if (bell)
		fy_wake_share(&e->wake, bell);
	e->at_helm.lendable =
		port->lendable && e->options.lend && !(e->options.flags & FERRY_NO_THREAD);
	int status = furnish(e, port, first_seq);
	if (status)
		discard(e);
	else
		*engine_p = e;
	return status;
}

/* Note a failure for the other ranks. The first one counts. */
static void note(struct fy_opening *o, int status)
{
	if (!status || o->status)
		return;
	o->status = status;
	snprintf(o->text, sizeof o->text, "%s", ferry_last_error());
}

/* The starts become the engine's. `e` NULL: the open failed, free them. */
static void own_starts(ferry *e, struct fy_starts *starts)
{
	if (!starts)
		return;
	if (!e) {
		starts->ops->free(starts);
		return;
	}
	struct fy_progress *p = fy_progress_of(e);
	starts->engine = e;
	starts->stopped = &p->close.stopped;
	p->starts = starts;
}

/* Called even if something failed before, so that no rank waits for this one. */
void fy_life_prepare(struct fy_opening *o, fy_port *port, struct fy_starts *starts,
                     ferry_options *resolved, uint32_t first_seq, int status)
{
	*o = (struct fy_opening){ .port = port };
	note(o, status);
	int differs = fy_share_agree(port, first_seq);
	note(o, differs);
	o->known = differs == FERRY_ENOTSUP;
	if (!o->known)
		note(o, fy_share_agree_checksum(port, resolved->checksum));
	if (!o->status)
		note(o, engine_new(port, resolved, first_seq, &o->engine));
	own_starts(o->engine, starts);
	port->attended = !o->engine || !(o->engine->options.flags & FERRY_NO_THREAD);
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

/* How long a silent rank is waited for. A program that steps the engine itself may take its time:
 * where there is one the default is for ever. */
static void look_out(ferry *e, const fy_port *port)
{
	if (!e->options.peer_timeout)
		e->options.peer_timeout = port->attended ? PEER_TIMEOUT : FERRY_NONE;
	fy_lookout_begin(fy_progress_of(e), e->options.peer_timeout, e->options.quorum);
}

static void log_open(ferry *e, const fy_port *port)
{
	fy_log(e->log, "the engine is open: rank %d of %d, %d on this host, ferry %s over %s",
	       e->rank, e->size, port->ranks_here > 0 ? port->ranks_here : 1, ferry_version(),
	       port->ops->name);
	fy_options_log(e->log, &e->options);
}

static void log_close(ferry *e, int status)
{
	const ferry_stats *s = &e->totals.last;
	fy_log(e->log,
	       "the engine is closed (%s): %" PRIu64 " posts, %" PRIu64 " calls, %" PRIu64
	       " delivered, %" PRIu64 " batches sent, %" PRIu64 " received",
	       ferry_strname(status), s->posts, s->calls, s->delivered, s->batches_sent,
	       s->batches_received);
}

int fy_life_settle(struct fy_opening *o, ferry **engine_p)
{
	char text[FY_SENTENCE] = "";
	int rank = o->port->rank;
	int status = o->known ? o->status : o->port->ops->settle(o->port, text, &rank);
	if (!status)
		status = o->status; /* it did not reach the others, and still counts here */
	if (status)
		return fail_opening(o, status, rank, text);
	look_out(o->engine, o->port);
	fy_receives_begin(fy_progress_of(o->engine));
	log_open(o->engine, o->port);
	fy_options_warn(o->engine->log, o->engine->rank);
	fy_policy_table_warn(o->engine->log, o->engine->rank);
	fy_store_release_32(&o->engine->phase, FY_OPEN);
	*engine_p = o->engine;
	return FERRY_OK;
}

int fy_life_create(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p)
{
	struct fy_opening opening;
	fy_life_prepare(&opening, port, NULL, resolved, first_seq, FERRY_OK);
	return fy_life_settle(&opening, engine_p);
}

static void fail_commands(ferry *e)
{
	fy_command_fail_all(fy_progress_of(e), FERRY_ESTOPPED);
	fy_inbox_each (entry, fy_inbox_take(&e->inboxes.commands)) {
		struct fy_command *c = fy_container_of(entry, struct fy_command, entry);
		c->status = FERRY_ESTOPPED;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
}

static void nudge_everybody(ferry *e)
{
	fy_room_tell(&e->room);
	fy_mailbox_nudge(&e->mailbox);
	for (struct fy_lane *lane = fy_progress_of(e)->lanes.all; lane; lane = lane->all_next)
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

/* Drop a fence that timed out and that no call resumed. */
static void drop_fence(ferry *e)
{
	pthread_mutex_lock(&e->aside.lock);
	ferry_future *f = e->aside.fence;
	e->aside.fence = NULL;
	pthread_mutex_unlock(&e->aside.lock);
	ferry_future_release(f);
}

/* Counted as left behind, too. */
static void fail_promises(ferry *e)
{
	struct fy_left *left = &fy_progress_of(e)->close.left;
	for (;;) {
		pthread_mutex_lock(&e->aside.lock);
		ferry_future *f = e->aside.promises;
		if (f)
			ferry_future_retain(f);
		pthread_mutex_unlock(&e->aside.lock);
		if (!f)
			return;
		fy_left_add(left, FY_LEFT_PROMISES, FERRY_ANY_OP, FERRY_ANY, 1);
		fy_future_complete(f, FERRY_ESTOPPED,
		                   "the engine was closed before the promise was fulfilled");
	}
}

static void run_last_tasks(struct fy_progress *p)
{
	p->link.user_code = true;
	while (p->link.tasks.first || fy_inbox_any(&p->link.engine->inboxes.tasks))
		if (!fy_inline_run_tasks(p))
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
		fy_report_dropped(&p->mail.unread, m);
		ferry_message_release(m);
		p->link.stats.dropped++;
	}
	pthread_mutex_unlock(&e->mailbox.lock);
}

static void drop_late_answers(ferry *e)
{
	fy_inbox_each (entry, fy_inbox_take(&e->inboxes.replies)) {
		ferry_message *m = fy_container_of(entry, ferry_message, entry);
		ferry_message_release(m);
	}
}

int fy_life_destroy(ferry *e)
{
	struct fy_progress *p = fy_progress_of(e);
	struct fy_statistics statistics;
	int status = p->close.clean ? FERRY_OK : e->status;
	fy_engine_set_stopped(e);
	fy_store_relaxed_32(&e->end.inside, FY_INSIDE_END);
	fy_wake_stop(&e->wake);
	fy_lanes_abandon(p, FERRY_ESTOPPED); /* for posts that raced with the close */
	fy_store_release_32(&e->end.abandoned, 1);
	wait_for_guests(e);
	fy_wake_part(&e->wake);
	drop_fence(e);
	fail_promises(e);
	fy_future_queue_engine_closing(e);
	run_last_tasks(p);
	drop_mail(e, p);
	fy_left_messages(p);
	fy_report_say_dropped(e, &p->mail.unread);
	fy_trace_end(e->helm_side.trace);
	drop_late_answers(e);
	while (p->rooms.first) {
		ferry_future *f = p->rooms.first;
		p->rooms.first = f->next;
		fy_future_complete(f, FERRY_ESTOPPED, NULL);
	}
	fy_timer_free(p);
	fy_statistics_begin(&statistics, e);
	fy_lookout_free(p);
	if (p->starts)
		p->link.stats.kept += p->starts->ops->abandon(p->starts);
	run_last_tasks(p);
	if (p->starts)
		p->starts->ops->free(p->starts);
	fy_bulk_free(&p->bulk, p->close.clean);
	fy_receives_free(p);
	fy_words_free(p, p->close.clean);
	fy_channel_free_all(&p->link);
	fy_counter_fail_targets(e);
	e->totals.last = p->link.stats;
	fy_sample_end(p);
	fy_statistics_end(&statistics, e, p->link.port);
	const struct fy_port_ops *ops = p->link.port->ops;
	int closed = ops->close(p->link.port, p->close.clean);
	if (closed && status == FERRY_OK) {
		status = closed;
		snprintf(e->end.text, sizeof e->end.text, "%s", ops->error(p->link.port));
	}
	fy_blocks_free(&p->bulk);
	fy_block_free_all(e);
	free(p->link.calls.slots);
	free(p->link.channels);
	free(p);
	e->progress = NULL;
	for (int i = 0; i < FY_ENGINE_SLOTS; i++)
		if (e->aside.slots[i] && e->aside.slot_free[i])
			e->aside.slot_free[i](e->aside.slots[i]);
	memset(e->aside.slots, 0, sizeof e->aside.slots);
	fy_future_queue_engine_closed(e);
	log_close(e, status);
	return status;
}
