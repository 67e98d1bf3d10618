/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step looks at everything, in this order: inboxes, receives and their dispatch, lanes,
 * transfers, sends, timers, inline callbacks. The progress thread is a loop around it (loop.c);
 * tests run the whole engine step by step. Only the holder of the helm may call.
 */
#include "helm/step.h"

#include <stdbool.h>

#include "ferry.h"
#include "base/order.h"
#include "base/program.h"
#include "future/waiters.h"
#include "bulk/blocks.h"
#include "bulk/bulk.h"
#include "helm/agree.h"
#include "helm/arrivals.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/deliver.h"
#include "helm/drain.h"
#include "helm/gaps.h"
#include "helm/inline.h"
#include "helm/lanes.h"
#include "helm/lookout.h"
#include "helm/mail.h"
#include "helm/progress.h"
#include "helm/queued.h"
#include "helm/replies.h"
#include "helm/rooms.h"
#include "helm/sample.h"
#include "helm/sends.h"
#include "helm/timer.h"
#include "link/credit.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "shared/thread.h"
#include "trace/trace.h"

/* Threads that got an answer are woken before what the floods posted is drained. */
static void wake_before_floods(struct fy_progress *p)
{
	if (p->drain.a_lane_floods && p->link.waiters.count && p->policy->drain.answers_first)
		fy_waiters_wake_all(&p->link.waiters);
}

/* Batches leave before chunks are copied, so that announcements and replies do not wait for
 * that. */
static void send_before_chunks(struct fy_progress *p)
{
	if (p->link.dirty && (p->bulk.n_out || p->bulk.landing.first) &&
	    p->policy->drain.answers_first)
		fy_sends_all(p);
}

/* What other threads and other ranks have for this one. */
static void take_in(struct fy_progress *p)
{
	const ferry *engine = p->link.engine;
	if (fy_load_relaxed_ptr(&engine->inboxes.commands.head) || p->commands.first)
		fy_command_step(p);
	if (fy_load_relaxed_ptr(&engine->inboxes.accounts.head))
		fy_credit_collect(&p->link);
	if (fy_load_relaxed_ptr(&engine->inboxes.tasks.head) || p->link.tasks.first)
		fy_inline_run_tasks(p);
	fy_arrivals_look(p);
	if (p->arrivals.n_undispatched)
		fy_arrivals_paused(p);
	if (fy_unlikely(p->gaps.n_failed))
		fy_gaps_look(p);
	if (fy_load_relaxed_64(&engine->mailbox.bytes))
		fy_mail_look(p);
}

/* What this rank has for others: replies, posts, large messages, operations of the program. */
static void put_out(struct fy_progress *p)
{
	wake_before_floods(p);
	fy_replies_step(p);
	if (p->queues.first)
		fy_queued_step(p);
	/* A post that races with the close must not follow the goodbye: it fails at the end. */
	if (!p->close.byes)
		fy_drain_step(p);
	send_before_chunks(p);
	fy_bulk_step(&p->bulk);
	if (p->link.released.first)
		fy_deliver_released(p);
	/* what handlers gave back just now is within the budget, too */
	if (fy_load_relaxed_64(&p->link.engine->told.block_bytes))
		fy_blocks_step(&p->bulk);
	if (p->starts && p->starts->under_way &&
	    p->starts->ops->step(p->starts, !p->link.worked, p->link.user_code)) {
		p->link.worked = true;
		p->pace.rung_at = 0;
	}
}

/* What is done now and then. */
static void look_around(struct fy_progress *p)
{
	if (p->link.now >= p->lookout.look_at)
		fy_lookout_step(p);
	if (p->link.now >= p->sample.due_at)
		fy_sample_step(p);
	p->due_at = p->lookout.look_at < p->sample.due_at ? p->lookout.look_at : p->sample.due_at;
}

/* What follows from all of that; then it is sent. */
static void finish(struct fy_progress *p)
{
	fy_agree_step(p);
	if (p->close.begun)
		fy_close_step(p);
	if (fy_unlikely(p->link.now >= p->due_at))
		look_around(p);
	if (p->timers.n)
		fy_timer_run(p);
	if (p->link.freed)
		fy_rooms_tell_freed(p);
	if (p->rooms.first)
		fy_rooms_step(p);
	if (p->link.dirty)
		fy_sends_all(p);
	fy_sends_test(p);
	if (fy_load_relaxed_ptr(&p->link.engine->inboxes.tasks.head) || p->link.tasks.first)
		fy_inline_run_tasks(p);
}

bool fy_step_send(struct fy_progress *p)
{
	struct fy_link *link = &p->link;
	if (p->close.byes || p->queues.first || !fy_lanes_have_input(p))
		return false;
	ferry *before = fy_thread_begin(FY_STEPPING, link->engine);
	link->worked = false;
	link->user_code = p->inside.guest = false;
	link->now = link->port->ops->now(link->port);
	struct fy_waiters *waiters_before = fy_waiters_wake_and_use(&link->waiters);
	fy_drain_step(p);
	if (link->dirty)
		fy_sends_all(p);
	fy_waiters_wake_and_use(waiters_before);
	fy_thread_end(FY_STEPPING, before);
	link->worked_at = link->now;
	if (fy_unlikely(link->trace))
		fy_trace_step(link->trace, link->now, true);
	return true;
}

static bool step(struct fy_progress *p, bool user_code, bool guest)
{
	struct fy_link *link = &p->link;
	int64_t now = link->port->ops->now(link->port);
	if (fy_unlikely(now - link->now >= FY_SAMPLE_LONG) && link->worked)
		fy_sample_long_step(p, now);
	link->worked = false;
	link->user_code = user_code;
	p->inside.guest = guest;
	p->inside.left = false;
	link->now = now;
	fy_store_relaxed_64(&link->stats.steps, link->stats.steps + 1);
	ferry *before = fy_thread_begin(FY_STEPPING, link->engine);
	struct fy_waiters *waiters_before = fy_waiters_wake_and_use(&link->waiters);
	FY_PROGRAM_BEGIN("an inline handler", &fy_program_no_op);
	take_in(p);
	put_out(p);
	finish(p);
	FY_PROGRAM_END;
	fy_waiters_wake_and_use(waiters_before); /* whose futures completed in this step */
	fy_thread_end(FY_STEPPING, before);
	if (link->worked)
		link->worked_at = link->now;
	if (fy_unlikely(link->trace))
		fy_trace_step(link->trace, link->now, link->worked);
	return link->worked;
}

bool fy_step_once(struct fy_progress *p, bool user_code)
{
	return step(p, user_code, false);
}

bool fy_step_as_guest(struct fy_progress *p)
{
	return step(p, false, true);
}

/* Look, between two steps, only at what MPI has to be asked for. */
bool fy_step_look(struct fy_progress *p)
{
	ferry *before = fy_thread_begin(FY_STEPPING, p->link.engine);
	p->link.worked = false;
	p->link.user_code = p->inside.guest = false;
	p->link.now = p->link.port->ops->now(p->link.port);
	struct fy_waiters *waiters_before = fy_waiters_wake_and_use(&p->link.waiters);
	fy_sends_test(p);
	fy_arrivals_look(p);
	fy_waiters_wake_and_use(waiters_before);
	fy_thread_end(FY_STEPPING, before);
	if (fy_unlikely(p->link.trace))
		fy_trace_step(p->link.trace, p->link.now, p->link.worked);
	return p->link.worked;
}

bool fy_step_has_input(struct fy_progress *p, bool user_code)
{
	ferry *e = p->link.engine;
	if (fy_load_relaxed_ptr(&e->inboxes.commands.head) ||
	    fy_load_relaxed_ptr(&e->inboxes.accounts.head) ||
	    fy_load_relaxed_ptr(&e->inboxes.tasks.head))
		return true;
	return (user_code && (p->link.tasks.first || p->inside.left)) || p->link.broken ||
	       p->close.stopped || fy_lanes_have_input(p);
}
