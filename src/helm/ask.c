/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread asks the helm to do something, and waits until it is done. Any thread. In inline code
 * the thread has the helm, and does it at once.
 */
#include "helm/ask.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/order.h"
#include "base/waiting.h"
#include "helm/command.h"
#include "helm/drive.h"
#include "helm/progress.h"
#include "helm/replies.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/header.h"

static bool command_done(const void *arg)
{
	return fy_load_acquire_32(&((const struct fy_command *)arg)->done);
}

/* The text of a failure, if any, is the last error of the thread that ran the command, so another
 * one is made here. */
static int command_outcome(const struct fy_command *c)
{
	if (fy_likely(c->status >= 0))
		return c->status;
	return fy_fail(c->status, "the engine did not take it: %s", ferry_strerror(c->status));
}

void fy_ask_begin(ferry *engine, struct fy_command *c)
{
	fy_inbox_put(&engine->inboxes.commands, &c->entry);
	fy_engine_notify(engine);
}

/* Within a fence this is its beginning. */
static __attribute__((noinline)) void sleep_on(ferry *engine, struct fy_command *c)
{
	struct fy_waiting_name name = fy_waiting_named();
	struct fy_wait wait = { .kind = name.kind == FY_WAITS_NOT ? FY_WAITS_HELM : name.kind,
		                .op = FERRY_ANY_OP,
		                .peer = name.kind == FY_WAITS_NOT ? FY_WAITS_NOBODY : name.peer,
		                .engine = engine,
		                .until = INT64_MAX };
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &wait);
	while (!command_done(c))
		fy_futex_wait(&c->done, 0, INT64_MAX, false);
	fy_waiting_end(&place);
}

int fy_ask(ferry *engine, fy_command_fn *run, void *arg)
{
	struct fy_command c = { .run = run, .arg = arg };
	if (fy_thread_on_progress(engine)) {
		while (!run(fy_progress_of(engine), &c))
			sched_yield();
		return command_outcome(&c);
	}
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	fy_ask_begin(engine, &c);
	fy_drive_help(engine, command_done, &c, INT64_MAX);
	if (!command_done(&c))
		sleep_on(engine, &c);
	fy_engine_leave(engine);
	return command_outcome(&c);
}

bool fy_ask_reply_in_place(ferry_message *view, const void *body, size_t nbytes)
{
	struct fy_progress *p = fy_progress_of(view->engine);
	return nbytes <= FY_REPLY_ROOM &&
	       fy_replies_put_bytes(p, view->source, view->answer.call_id, NULL, body,
	                            (uint32_t)nbytes, p->inside.tag);
}
