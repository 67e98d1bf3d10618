/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program that the holder of the helm runs: inline handlers and callbacks. Where it
 * may not (a thread that waits drives the engine), messages for inline handlers become tasks,
 * which the progress thread runs in order before anything that comes later.
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
#include "shared/handler.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "shared/tasks.h"
#include "shared/thread.h"
#include "wire/header.h"

bool fy_inline_ready(struct fy_progress *p)
{
	if (!p->inside.view)
		p->inside.view = calloc(1, sizeof *p->inside.view);
	if (!p->inside.reserve)
		p->inside.reserve = malloc(FY_BATCH_BYTES);
	return p->inside.view && p->inside.reserve;
}

/* The view is kept beyond its handler: it gets memory of its own. Where there is none, the
 * block that was laid aside for this serves, and dispatch waits until there is another. */
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
	p->inside.view = NULL; /* a new one is made before the next message */
}

/* False: the process ends, and it was not called. Who looked before may have looked before exit
 * began, which waits for nobody who is not inside: so it is looked at again. */
bool fy_inline_call(struct fy_progress *p, struct fy_handler *h, ferry_message *m, unsigned colour)
{
	ferry *before = fy_thread_begin(FY_INLINE, p->link.engine);
	bool may = fy_program_may_run();
	if (may) {
		fy_store_relaxed_32(&p->link.engine->end.inside, h->op);
		FY_PROGRAM("a handler", &h->op, h->fn(p->link.engine, m, h->arg));
		fy_store_relaxed_32(&p->link.engine->end.inside, FY_INSIDE_NOTHING);
		p->link.stats.handled++;
		p->link.counts.done[colour]++;
	}
	fy_thread_end(FY_INLINE, before);
	return may;
}

/* The process ends: no handler is called any more. */
void fy_inline_drop(struct fy_progress *p, ferry_message *m)
{
	p->link.stats.dropped++;
	p->link.counts.done[fy_message_colour(m->flags)]++;
	ferry_message_release(m);
}

/* One that is a message of its own. */
void fy_inline_handle(struct fy_progress *p, struct fy_handler *h, ferry_message *m)
{
	unsigned colour = fy_message_colour(m->flags);
	uint32_t before = fy_inline_begin_colour(&p->inside, &p->link, colour);
	if (fy_inline_call(p, h, m, colour))
		fy_handler_after(m);
	else
		fy_inline_drop(p, m);
	fy_inline_end_colour(&p->inside, &p->link, before);
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
