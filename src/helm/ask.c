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
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/inbox.h"
#include "base/order.h"
#include "base/listener.h"
#include "base/waiting.h"
#include "helm/command.h"
#include "helm/drive.h"
#include "helm/loop.h"
#include "helm/progress.h"
#include "helm/replies.h"
#include "helm/sample.h"
#include "shared/engine.h"
#include "shared/inside.h"
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
	if (fy_listener_is_inside())
		return fy_fail(FERRY_EDEADLK,
		               "this would wait for the progress thread, which may be the one that "
		               "is inside of the function of ferry_log_to");
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

/* ---- the counters -------------------------------------------------------------------------- */

#define STATS_SLICE FERRY_MS(1)
#define STATS_MOST FERRY_MS(100)
#define STATS_INSIDE 2u /* slices in which code of the program does not return */

struct stats_wanted {
	const struct fy_shown *shown;
	uint32_t begun; /* before it was asked for */
};

static bool stats_are_there(const void *arg)
{
	const struct stats_wanted *w = arg;
	return (int32_t)(fy_load_acquire_32(&w->shown->over) - w->begun) > 0;
}

/* One command serves all threads that ask: each waits for one that begins after it asked. */
static void ask_for_stats(ferry *engine, struct stats_wanted *w)
{
	struct fy_shown *shown = &engine->totals.shown;
	*w = (struct stats_wanted){ shown, fy_load_acquire_32(&shown->begun) };
	if (fy_cas_32(&shown->asked, 0, 1))
		fy_ask_begin(engine, &fy_progress_of(engine)->sample.publish);
}

/* Wait, but not for a handler that blocks. */
static void await_stats(ferry *engine, const struct stats_wanted *w)
{
	struct fy_shown *shown = &engine->totals.shown;
	int64_t now = fy_clock_now(), end = now + STATS_MOST;
	for (unsigned blocked = 0; now < end && blocked < STATS_INSIDE; now = fy_clock_now()) {
		uint64_t steps = fy_load_relaxed_64(fy_loop_steps(engine));
		uint32_t over = fy_load_acquire_32(&shown->over);
		fy_drive_help(engine, stats_are_there, w, now + STATS_SLICE);
		if (stats_are_there(w) || fy_engine_has_stopped(engine))
			return;
		fy_futex_wait(&shown->over, over, STATS_SLICE, false);
		bool inside = fy_load_relaxed_32(&engine->end.inside) != FY_INSIDE_NOTHING;
		bool stood = fy_load_relaxed_64(fy_loop_steps(engine)) == steps;
		blocked = inside && stood ? blocked + 1 : 0;
	}
}

void fy_ask_stats(ferry *engine, ferry_stats *stats)
{
	struct stats_wanted w;
	if (fy_thread_on_progress(engine)) {
		fy_sample_stats(fy_progress_of(engine), stats);
		return;
	}
	ask_for_stats(engine, &w);
	await_stats(engine, &w);
	fy_shown_read(&engine->totals.shown, stats);
}

bool fy_ask_reply_in_place(ferry_message *view, const void *body, size_t nbytes)
{
	struct fy_progress *p = fy_progress_of(view->engine);
	return nbytes <= FY_REPLY_ROOM &&
	       fy_replies_put_bytes(p, view->source, view->answer.call_id, NULL, body,
	                            (uint32_t)nbytes, p->inside.tag);
}
