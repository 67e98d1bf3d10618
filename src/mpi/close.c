/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_close over MPI, and what it says while it waits. Only the thread that closes, except for
 * what the helm says on its behalf.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/order.h"
#include "base/waiting.h"
#include "engine/life.h"
#include "future/queue.h"
#include "helm/ask.h"
#include "helm/command.h"
#include "helm/drive.h"
#include "helm/errands.h"
#include "mpi/life.h"
#include "mpi/open.h"
#include "mpi/says.h"
#include "shared/engine.h"
#include "shared/inside.h"
#include "shared/room.h"
#include "shared/thread.h"

/*
 * The thread in ferry_close says what the close waits for: after a while, and then after twice as
 * long each time. It asks the helm to write the text. If the helm does not do that within
 * HELM_COMES, the close waits for the helm itself, and the thread says so. While the thread runs
 * code of the program from a queue, the helm says the text.
 */
#define HELM_COMES FERRY_MS(200)

struct says {
	ferry *engine;
	struct fy_command command; /* writes `text` */
	bool asked;                /* the helm has the command */
	struct fy_mpi_says call;
	char text[FY_ERRANDS_LINE];
};

static bool report(struct fy_progress *p, struct fy_command *c)
{
	(void)p;
	struct says *s = c->arg;
	fy_errands_report_close(s->engine, s->text, sizeof s->text);
	return true;
}

/* The holder of the helm does not come back: say where it is. */
static void say_stuck(struct says *s)
{
	ferry *e = s->engine;
	uint32_t inside = fy_load_relaxed_32(&e->end.inside);
	char text[160];
	if (inside == FY_INSIDE_END)
		snprintf(text, sizeof text,
		         "the end of the engine; %llu threads are inside other calls of it",
		         (unsigned long long)fy_load_acquire_64(&e->guests));
	else if (inside == FY_INSIDE_CALLBACK)
		snprintf(text, sizeof text,
		         "the progress thread, which does not return from an inline callback");
	else if (inside == FY_INSIDE_NOTHING)
		snprintf(text, sizeof text, "the progress thread, which does not come back");
	else
		snprintf(text, sizeof text,
		         "the progress thread, which does not return from the inline handler of op "
		         "%#x",
		         inside);
	fy_mpi_says_now(&s->call, text);
}

static void say_now(struct says *s)
{
	ferry *e = s->engine;
	if (!s->asked) {
		s->command = (struct fy_command){ .run = report, .arg = s };
		s->asked = true;
		fy_ask_begin(e, &s->command);
	}
	fy_futex_wait(&s->command.done, 0, fy_clock_now() + HELM_COMES, false);
	if (fy_load_acquire_32(&e->end.closed))
		return;
	s->asked = !fy_load_acquire_32(&s->command.done);
	if (!s->asked && s->command.status == FERRY_OK)
		fy_mpi_says_now(&s->call, s->text);
	else
		say_stuck(s);
}

/* For an engine without a progress thread. Called with the helm. */
static void say_alone(void *arg)
{
	struct says *s = arg;
	if (!fy_mpi_says_is_due(&s->call))
		return;
	fy_errands_report_close(s->engine, s->text, sizeof s->text);
	fy_mpi_says_now(&s->call, s->text);
}

/* Called by the helm in each step: speaks if the thread in ferry_close has not returned from the
 * queues that it runs. */
static void say_beside(void *arg)
{
	struct says *s = arg;
	int64_t since = (int64_t)fy_load_relaxed_64(&s->engine->end.draining);
	if (!since || fy_clock_now() - since < HELM_COMES || !fy_mpi_says_is_due(&s->call))
		return;
	int n = snprintf(s->text, sizeof s->text,
	                 "code from a queue, which ferry_close runs as no other thread does; ");
	fy_errands_report_close(s->engine, s->text + n, sizeof s->text - (size_t)n);
	fy_mpi_says_now(&s->call, s->text);
}

static bool begin_close(struct fy_progress *p, struct fy_command *c)
{
	return fy_errands_begin_close(p, c, c->arg ? say_beside : NULL, c->arg);
}

/*
 * A rank is gone, the helm has close_timeout to end, and then LEAVE_AFTER more. If it does not come
 * back from a handler or from MPI until then, ferry_close returns without it. The engine, its
 * thread and what the helm may still look at are left behind on purpose.
 */
#define LEAVE_AFTER FERRY_S(3)
#define PING_AGAIN FERRY_S(1)

struct closing {
	ferry *engine;
	struct says says, beside;
	struct fy_command begin, ping;
	int64_t called_at, pinged_at; /* ns; 0: the helm was not asked yet whether it comes back */
	bool may_leave;
	struct closing *next;
};
static struct closing *left_behind; /* under fy_mpi_open_lock: memory that stays reachable */

static bool answer_ping(struct fy_progress *p, struct fy_command *c)
{
	(void)p;
	(void)c;
	return true;
}

/* On one host the others see that a handler runs, and wait. */
static bool is_excused(ferry *e)
{
	uint32_t inside = fy_load_relaxed_32(&e->end.inside);
	return !e->end.apart && inside != FY_INSIDE_NOTHING && inside != FY_INSIDE_END;
}

/* Since when (ns) a rank is gone, as far as this thread can know; 0: none is. The helm tells of
 * other ranks. If it does not come back itself for peer_timeout, this rank is gone for the
 * others. */
static int64_t gone_since(struct closing *c, int64_t now)
{
	ferry *e = c->engine;
	int64_t told = (int64_t)fy_load_acquire_64(&e->end.gone_at), silence = now - c->pinged_at;
	if (told || e->size == 1 || e->options.peer_timeout == FERRY_NONE)
		return told;
	if (c->pinged_at && !fy_load_acquire_32(&c->ping.done)) {
		if (silence < e->options.peer_timeout || is_excused(e))
			return 0;
		return now - silence + e->options.peer_timeout;
	}
	if (now - c->called_at < PING_AGAIN || silence < PING_AGAIN)
		return 0;
	c->ping = (struct fy_command){ .run = answer_ping };
	c->pinged_at = now;
	fy_ask_begin(e, &c->ping);
	return 0;
}

static bool is_to_be_left(struct closing *c)
{
	int64_t now = fy_clock_now(), patience = c->engine->options.close_timeout;
	int64_t since = c->may_leave && patience != FERRY_NONE ? gone_since(c, now) : 0;
	if (!since)
		return false;
	if (since < c->called_at)
		since = c->called_at;
	return now - since - patience >= LEAVE_AFTER;
}

static int leave_behind(struct closing *c)
{
	c->next = left_behind;
	left_behind = c;
	fy_store_relaxed_32(&c->engine->end.left, 1);
	fy_engine_set_stopped(c->engine);
	return fy_fail(FERRY_EPEER,
	               "a rank is gone, and the progress thread does not come back: it is left "
	               "behind with the engine's memory; leave by _exit or MPI_Abort");
}

/* Wait for opens and closes of other threads, however long they take. */
static void lock_patiently(struct says *s)
{
	struct timespec until;
	do {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (fy_mpi_says_is_due(&s->call))
			fy_mpi_says_now(&s->call, "another ferry_open or ferry_close of this "
			                          "process, which is not over");
	} while (pthread_mutex_timedlock(&fy_mpi_open_lock, &until) != 0);
}

static int finish_alone(ferry *e, struct says *says)
{
	fy_drive_close(e, say_alone, says);
	e->end.status = fy_life_destroy(e);
	fy_mpi_says_alone(&says->call);
	int finished = fy_mpi_life_finish_if_last();
	fy_mpi_says_alone(NULL);
	return finished;
}

/* False: the engine is to be left behind. */
static bool wait_closed(struct closing *c)
{
	ferry *e = c->engine;
	struct says *says = &c->says;
	while (!fy_load_acquire_32(&e->end.closed)) {
		if (is_to_be_left(c))
			return false;
		fy_store_relaxed_64(&e->end.draining, (uint64_t)fy_clock_now());
		fy_future_queue_engine_closing(e); /* runs queues that nobody else runs */
		fy_store_relaxed_64(&e->end.draining, 0);
		fy_futex_wait(&e->end.closed, 0, fy_drive_close_look(e, says->call.since), false);
		if (fy_mpi_says_is_due(&says->call))
			say_now(says);
	}
	return true;
}

/* `finished`: the status of finalizing MPI, with its sentence as the last error. A failure of the
 * engine itself comes first. */
static int close_result(const ferry *e, int finished)
{
	if (!e->end.status)
		return finished;
	return fy_fail(
		e->end.status, "%s",
		e->end.text[0]
			? e->end.text
			: "a rank is gone: leave by _exit or MPI_Abort, MPI was left as it is");
}

/* The engine has ended: what is left of it is released. */
static int release(struct closing *c, int finished)
{
	int status = close_result(c->engine, finished);
	fy_engine_close_log(c->engine);
	fy_engine_release(c->engine);
	return status;
}

/* The same, as others see it. */
static bool wait_seen(struct closing *c)
{
	struct fy_wait wait = { .kind = FY_WAITS_CLOSE,
		                .op = FERRY_ANY_OP,
		                .peer = FERRY_ALL,
		                .engine = c->engine,
		                .until = INT64_MAX };
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &wait);
	bool closed = wait_closed(c);
	fy_waiting_end(&place);
	return closed;
}

/* False: the engine is to be left behind. */
static bool close_beside(struct closing *c, int *finished_p)
{
	if (!wait_seen(c))
		return false;
	if (!(c->engine->options.flags & FERRY_KEEP_MPI))
		*finished_p = fy_mpi_life_wait_finished(&c->says.call);
	return true;
}

/* With fy_mpi_open_lock, once lock_patiently has it. True: `c` was left behind. */
static bool close_locked(struct closing *c, int *status_p)
{
	ferry *e = c->engine;
	bool alone = e->options.flags & FERRY_NO_THREAD, left = false;
	int finished = FERRY_OK;
	lock_patiently(&c->says);
	/* The command is done, or failed, before the engine is closed. */
	c->begin = (struct fy_command){ .run = begin_close, .arg = alone ? NULL : &c->beside };
	if (fy_engine_enter(e)) {
		fy_ask_begin(e, &c->begin);
		fy_engine_leave(e);
	}
	if (alone)
		finished = finish_alone(e, &c->says);
	else
		left = !close_beside(c, &finished);
	*status_p = left ? leave_behind(c) : release(c, finished);
	pthread_mutex_unlock(&fy_mpi_open_lock);
	return left;
}

static int close_engine(ferry *e)
{
	if (fy_thread_must_not_wait(NULL) || fy_thread_in_handler(e))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_close would wait for the handler or callback that calls it");
	if (!fy_cas_32(&e->end.let_go, 0, 1))
		return fy_fail(FERRY_EINVAL, "this engine is being closed, or was closed, already");
	fy_cas_32(&e->phase, FY_OPEN, FY_CLOSING); /* or it has stopped by itself */
	fy_room_tell(&e->room);
	fy_engine_notify(e);
	/* On the stack only for want of memory: then nothing can be left behind. */
	struct closing here, *own = malloc(sizeof *own), *c = own ? own : &here;
	*c = (struct closing){ .engine = e, .called_at = fy_clock_now(), .may_leave = own };
	c->says.engine = e;
	fy_mpi_says_begin(&c->says.call, "ferry_close", e->log, e->rank);
	c->beside = c->says;
	int status;
	if (!close_locked(c, &status))
		free(own);
	fy_thread_forget_lanes();
	return status;
}

int ferry_close(ferry *e)
{
	if (!e)
		return FERRY_OK;
	int cancel = fy_cancel_later();
	int status = close_engine(e);
	fy_cancel_as(cancel);
	return status;
}
