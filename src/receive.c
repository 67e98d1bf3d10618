/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers and the mailbox, as the program sees them; fence, room, statistics. */
#include <stdio.h>
#include <stdlib.h>

#include "executor.h"
#include "options.h"
#include "progress.h"
#include "status.h"

/* ---- handlers ------------------------------------------------------------------------ */

struct registration {
	struct fy_command command;
	struct fy_handler *handler; /* NULL: unregister */
	struct fy_handler *old;
	uint32_t op;
};

static bool set_handler(struct fy_progress *p, struct fy_command *c)
{
	struct registration *r = c->arg;
	return fy_dispatch_set_handler(p, r->handler, r->op, &r->old);
}

/* Nothing of the old handler runs or will run: messages that wait in its executor will find it
 * closed, those that are being handled on other threads are waited for. Inline ones ended before
 * the command ran. */
static void await_idle(struct fy_handler *old)
{
	if (!old)
		return;
	uint32_t mine = fy_handler_runs_here(old), running;
	while (old->where && (running = fy_load_acquire_32(&old->running)) > mine)
		fy_futex_wait(&old->running, running, INT64_MAX, false);
	fy_handler_release(old);
}

static struct fy_handler *handler_create(uint32_t op, ferry_executor *where, ferry_handler_fn *fn,
                                         void *arg)
{
	struct fy_handler *h = calloc(1, sizeof *h);
	if (!h)
		return NULL;
	*h = (struct fy_handler){ .op = op, .where = where, .fn = fn, .arg = arg, .refs = 1 };
	if (where)
		fy_executor_retain(where);
	return h;
}

int ferry_handle(ferry *engine, uint32_t op, ferry_executor *where, ferry_handler_fn *fn, void *arg)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_handle needs an engine");
	if (op >= FERRY_OP_RESERVED)
		return fy_fail(FERRY_EINVAL, "op %#x is reserved: the program's ops are below %#x",
		               op, FERRY_OP_RESERVED);
	struct registration r = { .op = op };
	r.command.run = set_handler;
	r.command.arg = &r;
	if (fn && !(r.handler = handler_create(op, where, fn, arg)))
		return fy_fail(FERRY_ENOMEM, "no memory for a handler");
	int status = fy_engine_command(engine, &r.command);
	if (status && r.handler)
		fy_handler_release(r.handler);
	await_idle(r.old);
	return status;
}

struct memory_registration {
	struct fy_command command;
	uint32_t op;
	ferry_memory_fn *fn;
	void *arg;
};

static bool set_memory(struct fy_progress *p, struct fy_command *c)
{
	struct memory_registration *r = c->arg;
	c->status = fy_dispatch_set_memory(p, r->op, r->fn, r->arg);
	return true;
}

int ferry_handle_memory(ferry *engine, uint32_t op, ferry_memory_fn *fn, void *arg)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_handle_memory needs an engine");
	if (op >= FERRY_OP_RESERVED)
		return fy_fail(FERRY_EINVAL, "op %#x is reserved: the program's ops are below %#x",
		               op, FERRY_OP_RESERVED);
	struct memory_registration r = { .op = op, .fn = fn, .arg = arg };
	r.command.run = set_memory;
	r.command.arg = &r;
	return fy_engine_command(engine, &r.command);
}

/* ---- the mailbox ------------------------------------------------------------------------ */

struct reader {
	ferry *engine;
	uint32_t seen;
};

static bool has_news(const void *arg)
{
	const struct reader *r = arg;
	return fy_load_acquire_32(&r->engine->mailbox.news) != r->seen;
}

/* Unread messages alone fill the budget and nobody else reads: what is asked for can never come. */
static bool hopeless(ferry *e, uint32_t op)
{
	struct fy_mailbox *box = &e->mailbox;
	return fy_load_acquire_64(&box->bytes) >= e->options.receive_memory / 4 * 3 &&
	       box->all.first && fy_load_acquire_32(&e->ferry_recv_threads) == 1 &&
	       op != FERRY_ANY_OP;
}

static int fail_hopeless(ferry *e)
{
	char ops[160] = "";
	size_t at = 0;
	uint32_t last = FERRY_ANY_OP;
	for (ferry_message *m = e->mailbox.all.first; m && at < sizeof ops - 16; m = m->next)
		if (m->op != last) {
			at += (size_t)snprintf(ops + at, sizeof ops - at, "%s%#x", at ? ", " : "",
			                       m->op);
			last = m->op;
		}
	return fy_fail(FERRY_EDEADLK,
	               "unread messages fill the receive budget (ops %s): read those first", ops);
}

static void sleep_for_news(ferry *e, struct reader *r, int64_t until)
{
	fy_add_32(&e->mailbox.readers, 1);
	fy_engine_help(e, has_news, r, until);
	if (!has_news(r))
		fy_futex_wait(&e->mailbox.news, r->seen, until, false);
	fy_add_32(&e->mailbox.readers, (uint32_t)-1);
}

static int receive(ferry *e, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	struct fy_mailbox *box = &e->mailbox;
	struct reader r = { .engine = e };
	int64_t until = fy_until(fy_now(), timeout);
	bool must_drive = e->options.flags & FERRY_NO_THREAD;
	for (;;) {
		r.seen = fy_load_acquire_32(&box->news);
		pthread_mutex_lock(&box->lock);
		fy_mailbox_sort(box);
		struct fy_mail_pattern *pattern = fy_mailbox_ask(box, source, op, fy_now());
		ferry_message *m = fy_mailbox_take(box, source, op);
		int status = m ? FERRY_OK : hopeless(e, op) ? fail_hopeless(e) : FERRY_PENDING;
		bool wait = status == FERRY_PENDING && fy_now() < until;
		if (wait && pattern)
			pattern->waiting++;
		pthread_mutex_unlock(&box->lock);
		if (m)
			*message_p = m;
		if (!wait && !(status == FERRY_PENDING && must_drive))
			return status;
		if (fy_load_acquire_32(&e->phase) == FY_STOPPED)
			return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
		must_drive = false;
		sleep_for_news(e, &r, wait ? until : fy_now() + 1);
		if (wait && pattern) {
			pthread_mutex_lock(&box->lock);
			pattern->waiting--;
			pattern->asked = fy_now();
			pthread_mutex_unlock(&box->lock);
		}
	}
}

int fy_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	if (!engine || !message_p || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL, "ferry_recv needs an engine, a timeout >= 0 or "
		                             "FERRY_FOREVER, and a place for the message");
	if (source != FERRY_ANY && (source < 0 || source >= engine->size))
		return fy_fail(FERRY_EINVAL, "source %d: this job has ranks 0 to %d, or FERRY_ANY",
		               source, engine->size - 1);
	if (timeout && fy_engine_on_progress(engine))
		return fy_fail(
			FERRY_EDEADLK,
			"ferry_recv would wait for the progress thread, which is running this");
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	fy_add_32(&engine->ferry_recv_threads, 1);
	int status = receive(engine, source, op, timeout, message_p);
	fy_add_32(&engine->ferry_recv_threads, (uint32_t)-1);
	fy_engine_leave(engine);
	return status;
}

int ferry_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	if (op >= FERRY_OP_RESERVED && op != FERRY_ANY_OP)
		return fy_fail(FERRY_EINVAL, "op %#x is reserved: the program's ops are below %#x",
		               op, FERRY_OP_RESERVED);
	return fy_recv(engine, source, op, timeout, message_p);
}

/* ---- fence -------------------------------------------------------------------------------- */

struct fence {
	ferry_future *future;
	char why[200]; /* it cannot begin */
};

static bool join_fence(struct fy_progress *p, struct fy_command *c)
{
	struct fence *fence = c->arg;
	if (p->agree.kind) {
		c->patient = true;
		return false;
	}
	if (p->gone_since || p->closing)
		c->status = p->gone_since ? fy_fail(FERRY_EPEER,
		                                    "a rank is gone: a fence cannot end any more")
		                          : fy_fail(FERRY_ESTOPPED, "the engine is being closed");
	else
		c->status = fy_agree_refuses_fence(p);
	if (c->status) { /* the sentence is in the helm's thread */
		snprintf(fence->why, sizeof fence->why, "%s", ferry_last_error());
		return true;
	}
	fy_agree_join(p, FY_AGREE_FENCE);
	p->agree.waiter = fence->future;
	return true;
}

static int begin_fence(ferry *e, ferry_future **future_p)
{
	struct fence fence = { .future = fy_future_create(e, FY_FUTURE_NO_CANCEL),
		               .why = "the engine is being closed" };
	if (!fence.future)
		return fy_fail(FERRY_ENOMEM, "no memory for a fence");
	struct fy_command c = { .run = join_fence, .arg = &fence };
	int status = fy_engine_command(e, &c);
	if (status) {
		ferry_future_release(fence.future);
		ferry_future_release(fence.future);
		return fy_fail(status, "%s", fence.why);
	}
	*future_p = fence.future;
	return FERRY_OK;
}

/* The fence that has not ended yet, if there is one, is this thread's until give_fence. */
static int claim_fence(ferry *e, ferry_future **future_p)
{
	pthread_mutex_lock(&e->aside);
	bool busy = e->fencing, stopped = fy_load_acquire_32(&e->phase) == FY_STOPPED;
	if (!busy && !stopped) {
		e->fencing = true;
		*future_p = e->fence;
		e->fence = NULL;
	}
	pthread_mutex_unlock(&e->aside);
	if (stopped)
		return fy_fail(FERRY_ESTOPPED, "the engine was closed");
	return busy ? fy_fail(FERRY_EINVAL,
	                      "another thread of this rank is in ferry_fence: one at a time")
	            : FERRY_OK;
}

/* `future`: of a fence that goes on, or NULL. Close has looked for the last time once the engine
 * has stopped. */
static void give_fence(ferry *e, ferry_future *future)
{
	pthread_mutex_lock(&e->aside);
	if (fy_load_acquire_32(&e->phase) != FY_STOPPED) {
		e->fence = future;
		future = NULL;
	}
	e->fencing = false;
	pthread_mutex_unlock(&e->aside);
	ferry_future_release(future);
}

int ferry_fence(ferry *e, int64_t timeout)
{
	if (!e || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL,
		               "ferry_fence needs an engine and a timeout >= 0 or FERRY_FOREVER");
	if (fy_engine_on_progress(e) || fy_engine_in_handler(e))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_fence would wait for the handler or callback that calls it");
	ferry_future *future = NULL;
	int64_t until = fy_until(fy_now(), timeout);
	int status = claim_fence(e, &future);
	if (status)
		return status;
	if (!future)
		status = begin_fence(e, &future);
	if (status == FERRY_OK)
		status = fy_future_wait_until(future, until);
	if (future && status != FERRY_PENDING) {
		if (status < 0)
			fy_fail(status, "%s", ferry_future_detail(future));
		ferry_future_release(future);
		future = NULL;
	}
	give_fence(e, future);
	return status;
}

/* ---- room ----------------------------------------------------------------------------------- */

static bool add_room(struct fy_progress *p, struct fy_command *c)
{
	ferry_future *future = c->arg;
	future->next = p->rooms;
	p->rooms = future;
	return true;
}

int ferry_room(ferry *engine, int rank, ferry_future **future_p)
{
	if (!engine || !future_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_room needs an engine and a place for the future");
	if (rank < 0 || rank >= engine->size)
		return fy_fail(FERRY_EINVAL, "rank %d: this job has ranks 0 to %d", rank,
		               engine->size - 1);
	ferry_future *future = fy_future_create(engine, 0);
	if (!future)
		return fy_fail(FERRY_ENOMEM, "no memory for a future");
	future->id = (uint64_t)rank;
	struct fy_command c = { .run = add_room, .arg = future };
	int status = fy_engine_command(engine, &c);
	if (status) {
		ferry_future_release(future);
		ferry_future_release(future);
		return status;
	}
	*future_p = future;
	return FERRY_OK;
}

/* ---- what there is to know --------------------------------------------- */

static bool copy_stats(struct fy_progress *p, struct fy_command *c)
{
	ferry_stats *s = c->arg;
	*s = p->stats;
	s->memory_held = fy_channel_held(p);
	return true;
}

int ferry_stats_read(const ferry *engine, ferry_stats *stats)
{
	if (!engine || !stats || stats->size < sizeof stats->size)
		return fy_fail(FERRY_EINVAL, "ferry_stats_read needs an engine and statistics made "
		                             "with FERRY_STATS_INIT");
	ferry *e = (ferry *)(uintptr_t)engine;
	ferry_stats now;
	struct fy_command c = { .run = copy_stats, .arg = &now };
	if (fy_engine_command(e, &c) != FERRY_OK)
		return fy_fail(FERRY_ESTOPPED,
		               "the engine has stopped: read the counters before it is closed");
	now.lane_full = fy_load_acquire_64(&e->lane_full);
	now.lends = fy_load_acquire_64(&e->lends);
	now.wakes = fy_load_acquire_64(&e->wake.wakes);
	now.handled += fy_engine_handled(e);
	size_t size = stats->size < sizeof now ? stats->size : sizeof now;
	memcpy(stats, &now, size);
	stats->size = size;
	return FERRY_OK;
}

int ferry_rank(const ferry *engine)
{
	return engine ? engine->rank : fy_fail(FERRY_EINVAL, "ferry_rank needs an engine");
}

int ferry_size(const ferry *engine)
{
	return engine ? engine->size : fy_fail(FERRY_EINVAL, "ferry_size needs an engine");
}

int ferry_status(const ferry *engine)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_status needs an engine");
	if (fy_load_acquire_32(&engine->phase) != FY_STOPPED)
		return FERRY_OK;
	if (engine->status)
		return fy_fail(engine->status, "the engine has stopped: %s",
		               ferry_strerror(engine->status));
	return fy_fail(FERRY_ESTOPPED, "the engine was closed");
}

int ferry_options_resolved(const ferry *engine, ferry_options *options)
{
	if (!engine || !options)
		return fy_fail(FERRY_EINVAL, "ferry_options_resolved needs an engine and options "
		                             "made with FERRY_OPTIONS_INIT");
	ferry *e = (ferry *)(uintptr_t)engine; /* only counted in and out */
	if (!fy_engine_enter(e))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int status = fy_options_report(&engine->options, options);
	fy_engine_leave(e);
	return status;
}
