/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errands: what threads of the application have the helm do for them. An errand is a command with
 * its arguments. A thread fills it in and asks (ask.h); only the holder of the helm runs it.
 */
#include "helm/errands.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "base/fail.h"
#include "bulk/blocks.h"
#include "bulk/bulk.h"
#include "bulk/memory.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/ask.h"
#include "helm/lookout.h"
#include "helm/mail.h"
#include "helm/news.h"
#include "helm/notes.h"
#include "helm/progress.h"
#include "helm/report.h"
#include "helm/timer.h"
#include "shared/message.h"

bool fy_errands_add_deadline(struct fy_progress *p, struct fy_command *c)
{
	struct fy_errand_deadline *d = c->arg;
	c->status = fy_timer_add(p, d->when, d->future);
	if (c->status == 0)
		ferry_future_retain(d->future);
	return true;
}

bool fy_errands_set_handler(struct fy_progress *p, struct fy_command *c)
{
	struct fy_errand_handler *r = c->arg;
	return fy_mail_set_handler(p, r->handler, r->op, &r->old);
}

bool fy_errands_watch_peers(struct fy_progress *p, struct fy_command *c)
{
	const struct fy_errand_handler *r = c->arg;
	if (!fy_errands_set_handler(p, c))
		return false;
	if (r->handler)
		fy_notes_begin(p);
	return true;
}

bool fy_errands_name_peer(struct fy_progress *p, struct fy_command *c)
{
	const struct fy_errand_peer *peer = c->arg;
	c->status = fy_lookout_name(p, peer->rank, peer->why);
	return true;
}

static bool run_abort(struct fy_progress *p, struct fy_command *c)
{
	fy_close_abort(p, (int)(intptr_t)c->arg, "the program called ferry_abort");
	return true;
}

void fy_errands_abort(ferry *engine, int status)
{
	struct fy_command *c = &fy_progress_of(engine)->close.abort;
	*c = (struct fy_command){ .run = run_abort, .arg = (void *)(intptr_t)status };
	fy_ask_begin(engine, c);
}

const char *fy_errands_read_note(const ferry_message *note, int *status_p)
{
	const struct fy_note *body = (const struct fy_note *)(const void *)note->body;
	*status_p = body->status;
	return body->why;
}

bool fy_errands_set_memory(struct fy_progress *p, struct fy_command *c)
{
	struct fy_errand_memory *r = c->arg;
	c->status = fy_memory_set(&p->bulk, r->op, r->fn, r->arg);
	return true;
}

bool fy_errands_join_fence(struct fy_progress *p, struct fy_command *c)
{
	struct fy_errand_fence *fence = c->arg;
	if (p->agree.kind) {
		c->patient = true;
		return false;
	}
	if (p->close.begun)
		c->status = fy_fail(FERRY_ESTOPPED, "the engine is being closed");
	else if (p->losses.since && !p->lookout.on)
		c->status = fy_fail(FERRY_EPEER,
		                    "a rank is gone, and without the option peer_timeout no "
		                    "fence can end any more");
	else
		c->status = fy_news_refuse_fence(p);
	if (c->status) { /* the sentence is the last error of this thread, not of the asking one */
		snprintf(fence->why, sizeof fence->why, "%s", ferry_last_error());
		return true;
	}
	fy_agree_join(p, FY_AGREE_FENCE);
	p->agree.waiter = fence->future;
	return true;
}

bool fy_errands_add_room(struct fy_progress *p, struct fy_command *c)
{
	ferry_future *future = c->arg;
	future->next = p->rooms.first;
	p->rooms.first = future;
	return true;
}

void *fy_errands_get_block(ferry *engine, size_t nbytes, uint64_t beside)
{
	return fy_blocks_get(&fy_progress_of(engine)->bulk, nbytes, beside);
}

void fy_errands_report_close(ferry *engine, char *line, size_t nbytes)
{
	fy_report_close(fy_progress_of(engine), line, nbytes);
}

bool fy_errands_begin_close(struct fy_progress *p, struct fy_command *c, void (*look)(void *arg),
                            void *arg)
{
	if (!p->close.called_at)
		p->close.called_at = p->link.now;
	if (p->agree.kind && p->link.now < fy_close_late_at(p)) {
		c->patient = true; /* a fence that is going on ends first */
		return false;
	}
	if (p->agree.kind)
		fy_agree_complete(&p->agree, FERRY_ESTOPPED, "the engine is being closed");
	p->close.look_arg = arg;
	p->close.look = look;
	fy_close_begin(p);
	c->status = FERRY_OK;
	return true;
}
