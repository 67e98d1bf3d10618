/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: a complete message goes to its handler, here or on an executor, or to the mailbox. Only
 * the holder of the helm may call.
 */
#include "helm/deliver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "future/executor.h"
#include "future/task.h"
#include "helm/handlers.h"
#include "helm/inline.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "link/stream_in.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tasks.h"
#include "wire/bodies.h"

/* Deliver a message that was deferred, in a later step. */
static void run_deferred(struct fy_task *task)
{
	ferry_message *m = fy_container_of(task, ferry_message, task);
	struct fy_progress *p = fy_progress_of(m->engine);
	struct fy_handler *h = fy_handlers_find(p, m->op);
	if (h && !h->where && fy_program_may_run()) {
		fy_inline_handle(p, h, m);
		return;
	}
	fy_deliver_message(p, m); /* the handler has changed */
}

void fy_deliver_message(struct fy_progress *p, ferry_message *m)
{
	struct fy_handler *h = fy_handlers_find(p, m->op);
	struct fy_channel *ch = p->link.channels[m->source];
	if (!h) {
		m->mail.arrived = p->link.now;
		fy_channel_done(&p->link, ch, fy_message_colour(m->flags), 1);
		fy_mailbox_push(&p->link.engine->mailbox, m);
	} else if (!fy_program_may_run()) {
		fy_inline_drop(p, m);
	} else if (h->where) {
		m->handler = h;
		p->handlers.given++;
		ch->counts.given++;
		m->task.run = fy_handler_run;
		fy_add_32(&h->refs, 1);
		fy_executor_submit(h->where, &m->task);
	} else if (fy_inline_may(&p->inside, &p->link, h) && !p->link.tasks.first &&
	           fy_inline_ready(p)) {
		fy_inline_handle(p, h, m);
	} else {
		m->task.run = run_deferred;
		fy_tasks_defer(&p->link.tasks, &m->task);
		p->inside.n_left++;
	}
}

static void deliver_held(struct fy_progress *p, struct fy_channel *ch, struct fy_stream_in *s)
{
	while (s->first && s->first->ready) {
		struct fy_held *held = s->first;
		fy_list_drop(s->first, s->last);
		if (!held->message) {
			fy_channel_done(&p->link, ch, held->colour, 1);
		} else if (held->message->op == FY_OP_FLUSH) {
			fy_channel_done(&p->link, ch, held->colour, 1);
			ferry_message_release(held->message);
		} else {
			fy_deliver_message(p, held->message);
		}
		free(held);
		fy_stream_in_owe_ack(&p->link, ch, s);
		p->link.worked = true;
	}
}

void fy_deliver_released(struct fy_progress *p)
{
	struct fy_released *released = &p->link.released;
	struct fy_stream_in *s;
	while ((s = released->first)) {
		fy_list_drop_by(released->first, released->last, released_next);
		s->is_released = false;
		if (!s->ch->gone)
			deliver_held(p, s->ch, s);
	}
}
