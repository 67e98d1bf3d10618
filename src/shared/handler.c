/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler that an executor runs: its references, its end, and the tag of what its thread posts
 * meanwhile. Any thread; the tables of handlers are the helm's (helm/handlers.h).
 */
#include "shared/handler.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "future/executor.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "trace/trace.h"
#include "wire/bodies.h"
#include "wire/record.h"

void fy_handler_release(struct fy_handler *h)
{
	if (fy_sub_32(&h->refs, 1) != 1)
		return;
	fy_executor_release(h->where);
	free(h);
}

/* After a handler returned: a request that it neither answered nor retained gets an empty reply;
 * then the engine's reference is dropped. */
void fy_handler_after(ferry_message *m)
{
	bool unanswered = m->flags & FY_MESSAGE_CALL && !fy_load_relaxed_32(&m->retained);
	/* the empty reply takes our reference with it */
	if (!unanswered || !fy_message_answer_for(m, 0))
		ferry_message_release(m);
}

/* The handlers that executors run on this thread, innermost first. */
struct handling {
	const struct fy_handler *handler;
	const ferry *engine;
	uint32_t tag; /* of what the handler posts: it has the colour of the handler's message */
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

uint32_t fy_handler_tag_here(const ferry *engine)
{
	if (fy_thread_on_progress(engine))
		return *engine->helm_side.inline_tag;
	for (const struct handling *at = handlings; at; at = at->up)
		if (at->engine == engine)
			return at->tag;
	return 0;
}

static void trace_begin(struct fy_trace *t, const ferry_message *m)
{
	fy_trace_put_aside(t, fy_trace_now(t),
	                   &(struct fy_trace_says){ .kind = FY_TRACE_BEGIN,
	                                            .peer = m->source,
	                                            .op = m->op,
	                                            .id = m->traced,
	                                            .extra = m->answer.call_id,
	                                            .nbytes = fy_message_total(m) });
}

static void trace_end(struct fy_trace *t, uint64_t place, uint32_t op)
{
	fy_trace_put_aside(t, fy_trace_now(t),
	                   &(struct fy_trace_says){ .kind = FY_TRACE_END, .op = op, .id = place });
}

static void handle_here(ferry *engine, struct fy_handler *h, ferry_message *m)
{
	struct handling here = { h, engine, fy_record_tag(fy_message_colour(m->flags)), handlings };
	ferry *before = fy_thread_begin(FY_HANDLING, engine);
	handlings = &here;
	uint32_t tag = fy_thread_tag_posts(engine, here.tag);
	uint64_t traced = m->traced;
	if (fy_unlikely(traced))
		trace_begin(engine->helm_side.trace, m);
	FY_PROGRAM("a handler", &h->op, h->fn(engine, m, h->arg));
	if (fy_unlikely(traced))
		trace_end(engine->helm_side.trace, traced, h->op);
	fy_handler_after(m);
	handlings = here.up;
	fy_thread_tag_posts(engine, tag);
	fy_thread_end(FY_HANDLING, before);
}

/* The message was not handled: it goes back to the mailbox. It is dropped if the process ends (the
 * release then answers a request), or if the engine has stopped, as nobody reads the mailbox
 * then. */
static void hand_back(ferry *engine, ferry_message *m)
{
	if (!fy_program_may_run() || m->op == FY_OP_GONE) {
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
	fy_store_release_32(&engine->mailbox.rescan, 1);
	fy_engine_leave(engine);
}

/* What an executor runs. */
void fy_handler_run(struct fy_task *task)
{
	ferry_message *m = fy_container_of(task, ferry_message, task);
	struct fy_handler *h = m->handler;
	ferry *engine = m->engine;
	struct fy_account *account = m->holds.account; /* which lives as long as the engine */
	unsigned colour = fy_message_colour(m->flags);
	fy_engine_retain(engine);
	m->handler = NULL;
	/* A read-modify-write, then the load of `closed`. Unregistering sets `closed` by a
	 * read-modify-write, then loads `running`. So one of the two sees the other. */
	fy_add_32(&h->running, 1);
	if (fy_load_acquire_32(&h->closed) || fy_executor_discarding() || !fy_program_may_run()) {
		hand_back(engine, m);
	} else {
		handle_here(engine, h, m);
	}
	/* After what it posted. In this order, so that the helm, which reads them the other way
	 * round, never takes this message for one of another rank. */
	fy_add_64(&account->handled[colour], 1);
	fy_add_64(&engine->told.handled_elsewhere[colour], 1);
	fy_sub_32(&h->running, 1);
	if (fy_load_acquire_32(&h->closed))
		fy_futex_wake(&h->running, INT_MAX, false);
	fy_handler_release(h);
	if (!fy_engine_has_stopped(engine))
		fy_engine_notify(engine);
	fy_engine_release(engine);
}
