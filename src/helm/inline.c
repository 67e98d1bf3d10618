/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline handlers and callbacks, which the holder of the helm runs. A borrower may not run them:
 * then messages for inline handlers become tasks. The progress thread runs these in order, before
 * anything that comes later.
 *
 * Handlers of FERRY_ANYWHERE are inline handlers that a borrower may run, too, if it waits (a post
 * does not). It runs them only while there is no task, so that none overtakes a message that is
 * left for the progress thread; else they become tasks as well. A borrower that does not wait
 * leaves the batch in its buffer, where its next wait finds it, or the progress thread.
 *
 * Only the holder of the helm may call.
 */
#include "helm/inline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "future/task.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/inside.h"
#include "shared/handler.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "shared/tasks.h"
#include "shared/thread.h"
#include "trace/trace.h"
#include "wire/header.h"

bool fy_inline_ready(struct fy_progress *p)
{
	if (!p->inside.view)
		p->inside.view = calloc(1, sizeof *p->inside.view);
	if (!p->inside.reserve)
		p->inside.reserve = malloc(FY_BATCH_BYTES);
	return p->inside.view && p->inside.reserve;
}

/* The thread may be inside of a handler that an executor runs: what it posts has the colour of that
 * one's message, and what the guest posts has not. A guest that registers a handler may call that
 * one, which is then within the same visit. */
void fy_inline_begin_visit(struct fy_progress *p, struct fy_program_host *host)
{
	host->visited = !p->link.user_code && !fy_thread_on_progress(NULL);
	if (fy_likely(!host->visited))
		return;
	fy_thread_tag_posts(p->link.engine, 0);
	fy_program_host_begin(host, p->inside.signals);
}

void fy_inline_end_visit(struct fy_progress *p, const struct fy_program_host *host)
{
	if (fy_likely(!host->visited))
		return;
	fy_program_host_end(host);
	fy_thread_tag_posts(p->link.engine, fy_handler_tag_here(p->link.engine));
}

/* The view outlives its handler: give it memory of its own. If there is none it gets the reserve,
 * and no handler is called until there is another reserve. */
void fy_inline_keep_view(ferry_message *view)
{
	struct fy_progress *p = fy_progress_of(view->engine);
	char *body = view->nbytes ? malloc(view->nbytes) : NULL;
	if (!body && view->nbytes) {
		body = p->inside.reserve;
		p->inside.reserve = NULL;
	}
	if (view->nbytes)
		memcpy(body, view->body, view->nbytes);
	view->body = body;
	view->flags &= ~FY_MESSAGE_VIEW;
	struct fy_channel *ch = p->link.channels[view->source];
	view->holds.account = ch->credit.account;
	view->holds.charge = view->nbytes + FY_MESSAGE_CHARGE;
	ch->credit.unreturned += view->holds.charge;
	fy_tally_keep(p->link.engine, view);
	fy_engine_retain(view->engine);
	p->inside.view = NULL; /* a new view is made before the next message */
}

/* Is the message in the timeline? Then its handler begins now. */
static uint64_t trace_begin(struct fy_trace *t, const ferry_message *m)
{
	uint64_t place = m->flags & FY_MESSAGE_VIEW ? t->current : m->traced;
	if (!place)
		return 0;
	t->ran = true;
	fy_trace_put(t, t->ended ? t->ended : fy_trace_now(t),
	             &(struct fy_trace_says){ .kind = FY_TRACE_BEGIN,
	                                      .peer = m->source,
	                                      .op = m->op,
	                                      .id = place,
	                                      .extra = m->answer.call_id,
	                                      .nbytes = fy_message_total(m) });
	return place;
}

static void trace_end(struct fy_trace *t, uint64_t place, uint32_t op)
{
	if (!place)
		return;
	int64_t now = fy_trace_now(t);
	if (t->current) /* more records of its batch may follow at once */
		t->ended = now;
	fy_trace_put(t, now,
	             &(struct fy_trace_says){ .kind = FY_TRACE_END, .op = op, .id = place });
}

/* Call a handler. False: the process ends, and it was not called. Callers have looked before, but
 * perhaps before exit began; exit waits only for threads that are inside, so look again inside. */
bool fy_inline_call(struct fy_progress *p, struct fy_handler *h, ferry_message *m, unsigned colour)
{
	ferry *before = fy_thread_begin(FY_INLINE, p->link.engine);
	bool may = fy_program_may_run();
	if (may) {
		fy_store_relaxed_32(&p->link.engine->end.inside, h->op);
		struct fy_trace *trace = p->link.trace;
		uint64_t place = fy_unlikely(trace) ? trace_begin(trace, m) : 0;
		FY_PROGRAM("a handler", &h->op, h->fn(p->link.engine, m, h->arg));
		if (fy_unlikely(trace))
			trace_end(trace, place, h->op);
		fy_store_relaxed_32(&p->link.engine->end.inside, FY_INSIDE_NOTHING);
		p->link.stats.handled++;
		fy_channel_done(&p->link, p->link.channels[m->source], colour, 1);
	}
	fy_thread_end(FY_INLINE, before);
	return may;
}

/* Drop a message, because the process ends and no handler is called any more. */
void fy_inline_drop(struct fy_progress *p, ferry_message *m)
{
	p->link.stats.dropped++;
	fy_channel_done(&p->link, p->link.channels[m->source], fy_message_colour(m->flags), 1);
	ferry_message_release(m);
}

/* Call the handler of a message that is not a view. */
void fy_inline_handle(struct fy_progress *p, struct fy_handler *h, ferry_message *m)
{
	unsigned colour = fy_message_colour(m->flags);
	struct fy_program_host host;
	fy_inline_begin_visit(p, &host);
	uint32_t before = fy_inline_begin_colour(&p->inside, &p->link, colour);
	if (fy_inline_call(p, h, m, colour))
		fy_handler_after(m);
	else
		fy_inline_drop(p, m);
	fy_inline_end_colour(&p->inside, &p->link, before);
	fy_inline_end_visit(p, &host);
}

bool fy_inline_run_tasks(struct fy_progress *p)
{
	bool any = false;
	if (fy_inbox_any(&p->link.engine->inboxes.tasks))
		fy_inbox_each (entry, fy_inbox_take_in_order(&p->link.engine->inboxes.tasks))
			fy_tasks_defer(&p->link.tasks,
			               fy_container_of(entry, struct fy_task, entry));
	if (!p->link.user_code)
		return false;
	while (p->link.tasks.first && fy_inline_ready(p)) {
		struct fy_task *task = p->link.tasks.first;
		fy_list_drop(p->link.tasks.first, p->link.tasks.last);
		ferry *before = fy_thread_begin(FY_INLINE, p->link.engine);
		fy_store_relaxed_32(&p->link.engine->end.inside, FY_INSIDE_CALLBACK);
		task->run(task);
		fy_store_relaxed_32(&p->link.engine->end.inside, FY_INSIDE_NOTHING);
		fy_thread_end(FY_INLINE, before);
		any = p->link.worked = true;
	}
	if (!p->link.tasks.first)
		p->inside.n_left = 0;
	return any;
}
