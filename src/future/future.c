/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures: what happened to an operation, once. Any thread.
 *
 * 1. Exactly one thread turns CLAIMED on. That thread alone writes status and detail, then turns
 *    DONE on (and REPLIED, where there is a reply). A thread that sees DONE (acquire) sees status
 *    and detail, and they do not change any more. Only the reply is moved out, once (REPLY_TAKEN).
 * 2. DONE is turned on by an atomic or. Its old value tells the completer who waits: WAITED (a
 *    thread sleeps on the state word), THEN (a callback is registered), WATCHED (see watch.h). Each
 *    of these three bits is turned on by an atomic or as well. Its old value tells the waiting side
 *    whether DONE came first. So exactly one of the two sides sees the other.
 * 3. After fy_future_finish the completer touches the future only under a reference of its own.
 * 4. A callback's place in its executor's queue is in the future. The future keeps a reference of
 *    itself, and one of the executor, until the callback has run. Code of the program never runs
 *    inside ferry_future_then, nor under a lock.
 * 5. The engine pointer is for hooks only, see hooks.h.
 *
 * tests/models/future.pml has 1 to 4 as a model.
 *
 * Memory comes from a cache of the calling thread (base/cache.h).
 *
 * The functions that wait are no cancellation points: a thread that was asked to cancel finishes
 * its wait first.
 */
#include "future/future.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/cache.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "base/timeout.h"
#include "future/waiters.h"
#include "future/compose.h"
#include "future/executor.h"
#include "future/hooks.h"
#include "future/task.h"
#include "future/watch.h"

#define BITS_TO_ANNOUNCE (FY_FUTURE_WAITED | FY_FUTURE_THEN | FY_FUTURE_WATCHED)

_Static_assert(offsetof(ferry_future, links) == FY_CACHE_LINE,
               "what the helm writes is one line of the cache");

/* Field by field, because clearing the whole struct takes longer. The callback's fields are not
 * read before they are written. */
static void init(ferry_future *future, ferry *engine, uint32_t flags)
{
	future->state = 2 * FY_FUTURE_REF;
	future->status = FERRY_OK;
	future->flags = flags;
	future->engine = engine;
	future->reply = NULL;
	future->detail = NULL;
	future->id = 0;
	future->next = NULL;
	future->extra = NULL;
	future->links = NULL;
	future->extra_free = NULL;
}

ferry_future *fy_future_create(ferry *engine, uint32_t flags)
{
	ferry_future *future = fy_cache_take(FY_CACHE_FUTURES, sizeof *future);

	if (!future)
		future = fy_cache_new(sizeof *future);
	if (future)
		init(future, engine, flags);
	return future;
}

void fy_future_give_back(ferry_future *future)
{
	fy_cache_give(FY_CACHE_FUTURES, future, sizeof *future);
}

static void destroy(ferry_future *future)
{
	const uint32_t moved = FY_FUTURE_REPLIED | FY_FUTURE_REPLY_TAKEN;

	if (future->reply && (fy_load_relaxed_32(&future->state) & moved) != moved &&
	    fy_future_hooks.message_release)
		fy_future_hooks.message_release(future->reply);
	if (fy_unlikely(future->detail))
		free(future->detail);
	if (future->extra_free)
		future->extra_free(future, future->extra);
	fy_future_give_back(future);
}

void ferry_future_retain(ferry_future *future)
{
	if (future)
		fy_add_32(&future->state, FY_FUTURE_REF);
}

/* If we hold the only reference, no atomic operation is needed: nobody else can create another. */
void ferry_future_release(ferry_future *future)
{
	if (future && (fy_future_refs(future) == 1 ||
	               fy_sub_32(&future->state, FY_FUTURE_REF) / FY_FUTURE_REF == 1))
		destroy(future);
}

void fy_future_discard(ferry_future *future)
{
	ferry_future_release(future); /* the engine's */
	ferry_future_release(future);
}

/* True for exactly one caller ever. *departed_p: had the operation left its lane by then? */
static bool claim(ferry_future *future, bool *departed_p)
{
	uint32_t state = fy_or_32(&future->state, FY_FUTURE_CLAIMED);

	*departed_p = (state & FY_FUTURE_DEPARTED) != 0;
	return !(state & FY_FUTURE_CLAIMED);
}

bool fy_future_claim(ferry_future *future)
{
	bool departed;

	return claim(future, &departed);
}

void fy_future_unclaim(ferry_future *future)
{
	uint32_t old;

	do {
		old = fy_load_relaxed_32(&future->state);
	} while (!fy_cas_32(&future->state, old, old & ~FY_FUTURE_CLAIMED));
}

/* The same for a cancel or a deadline. The helm may have claimed a probe for the time of one call
 * of MPI, and may give the claim back, so this waits until the probe is done or ours. */
static bool claim_for_good(ferry_future *future, bool *departed_p)
{
	while (!claim(future, departed_p)) {
		if (!(future->flags & FY_FUTURE_IS_PROBE) || fy_future_is_done(future))
			return false;
		sched_yield();
	}
	return true;
}

static bool is_decided(const ferry_future *future)
{
	uint32_t decided = future->flags & FY_FUTURE_IS_PROBE ? FY_FUTURE_DONE : FY_FUTURE_CLAIMED;

	return (fy_load_acquire_32(&future->state) & decided) != 0;
}

/* Run the callback, on its executor. */
static void then_run(struct fy_task *task)
{
	ferry_future *future = fy_container_of(task, ferry_future, then);
	ferry_future *shown = future->flags & FY_FUTURE_IS_HIDDEN ? NULL : future;
	ferry_executor *where = future->then_where;

	if ((where == FERRY_INLINE || !fy_executor_discarding()) && fy_program_may_run())
		FY_PROGRAM("a callback", &fy_program_no_op,
		           future->then_fn(shown, fy_future_outcome(future), future->then_arg));
	ferry_future_release(future);
	fy_executor_release(where);
}

/* False: `where` is FERRY_INLINE, and the engine takes no more tasks. */
static bool submit(ferry *engine, ferry_executor *where, struct fy_task *task)
{
	if (where != FERRY_INLINE) {
		fy_executor_submit(where, task);
		return true;
	}
	return fy_future_hooks.run_inline && fy_future_hooks.run_inline(engine, task) == FERRY_OK;
}

void fy_future_run_on(ferry *engine, ferry_executor *where, struct fy_task *task)
{
	if (submit(engine, where, task))
		return;
	fy_program_enter();
	task->run(task);
	fy_program_leave();
}

/* At the end of the step, if this thread makes one (waiters.h). The future may be freed already:
 * the address of its word is only a key. */
static void wake_waiters(ferry_future *future)
{
	fy_waiters_wake(&future->state);
}

static void announce(ferry_future *future, uint32_t state)
{
	if (state & FY_FUTURE_WAITED)
		wake_waiters(future);
	if (state & FY_FUTURE_WATCHED)
		fy_watch_completed(future);
	if (state & FY_FUTURE_THEN)
		fy_future_run_on(future->engine, future->then_where, &future->then);
}

static void finish(ferry_future *future, int status, uint32_t bits)
{
	bool promise = (future->flags & FY_FUTURE_IS_PROMISE) != 0;
	uint32_t state;

	future->status = status;
	if (fy_unlikely(promise) && fy_future_hooks.promise_closed)
		fy_future_hooks.promise_closed(future->engine, future);
	state = fy_or_32(&future->state, FY_FUTURE_DONE | bits);
	if (fy_unlikely(state & BITS_TO_ANNOUNCE))
		announce(future, state);
	if (fy_unlikely(promise))
		ferry_future_release(future);
}

void fy_future_finish(ferry_future *future, int status)
{
	finish(future, status, 0);
}

void fy_future_finish_reply(ferry_future *future, int status, ferry_message *reply)
{
	future->reply = reply;
	finish(future, status, reply ? FY_FUTURE_REPLIED : 0);
}

/*
 * A success has no detail to write. So this decides, publishes and drops the engine's reference in
 * one atomic step. A callback or a watch needs the future afterwards; then the reference is dropped
 * behind them. False: the future was decided before, and the reference is still there.
 */
static inline __attribute__((always_inline)) bool succeed(ferry_future *future, uint32_t bits)
{
	uint32_t old, set = FY_FUTURE_CLAIMED | FY_FUTURE_DONE | bits, drop;

	do {
		old = fy_load_acquire_32(&future->state);
		if (old & FY_FUTURE_CLAIMED)
			return false;
		drop = old & (FY_FUTURE_THEN | FY_FUTURE_WATCHED) ? 0 : FY_FUTURE_REF;
	} while (!fy_cas_32(&future->state, old, (old | set) - drop));
	if (fy_unlikely(!drop)) {
		announce(future, old);
		ferry_future_release(future);
	} else if (fy_unlikely(old / FY_FUTURE_REF == 1)) {
		destroy(future); /* even if WAITED: that wait timed out, its thread has left */
	} else if (old & FY_FUTURE_WAITED) {
		wake_waiters(future);
	}
	return true;
}

static bool is_plain(const ferry_future *future)
{
	return !(future->flags & FY_FUTURE_IS_PROMISE);
}

bool fy_future_complete(ferry_future *future, int status, const char *detail)
{
	bool won;

	if (fy_likely(status == FERRY_OK && !detail && is_plain(future) && succeed(future, 0)))
		return true;
	won = fy_future_claim(future);
	if (won) {
		future->detail = detail ? strdup(detail) : NULL;
		fy_future_finish(future, status);
	}
	ferry_future_release(future);
	return won;
}

/* Only the engine writes `reply` before the outcome is decided, and nobody reads `reply` without
 * REPLIED. */
bool fy_future_complete_reply(ferry_future *future, ferry_message *reply)
{
	ferry_message *blank = future->reply;

	future->reply = reply;
	if (fy_likely(succeed(future, reply ? FY_FUTURE_REPLIED : 0))) {
		if (blank && blank != reply)
			fy_future_hooks.message_release(blank);
		return true;
	}
	future->reply = blank;
	if (reply && reply != blank && fy_future_hooks.message_release)
		fy_future_hooks.message_release(reply);
	ferry_future_release(future);
	return false;
}

static const char *fate_of_start(const ferry_future *future, bool departed)
{
	if (future->flags & FY_FUTURE_IS_PROBE)
		return "; it had matched no message";
	if (future->flags & FY_FUTURE_IS_SURE)
		return "; it goes on all the same, and MPI keeps its memory until it is done";
	return departed ? "; it had been started, and MPI keeps its memory until it is done"
	                : "; it had not been started and will not be";
}

/* For a cancel and a deadline: decide the future. False: it was decided before. */
static bool abandon(ferry_future *future, int status)
{
	const char *what =
		status == FERRY_ECANCELED ? "cancelled by the program" : "the deadline passed";
	const char *fate = "";
	char text[128];
	bool departed;

	if (!claim_for_good(future, &departed))
		return false;
	if (future->flags & FY_FUTURE_IS_STARTED)
		fate = fate_of_start(future, departed);
	else if (future->flags & FY_FUTURE_IS_POSTED)
		fate = departed ? "; the message had been sent and may be delivered all the same"
		                : "; the message had not been sent and will not be";
	snprintf(text, sizeof text, "%s%s", what, fate);
	future->detail = strdup(text);
	if (future->flags & FY_FUTURE_IS_COMPOSED)
		fy_compose_abandoned(future);
	else if (fy_future_hooks.abandoned && future->engine)
		fy_future_hooks.abandoned(future->engine, future);
	fy_future_finish(future, status);
	return true;
}

bool fy_future_expire(ferry_future *future)
{
	bool won = abandon(future, FERRY_ETIMEDOUT);

	ferry_future_release(future);
	return won;
}

int fy_future_fail_null(const char *function)
{
	return fy_fail(FERRY_EINVAL, "%s was given NULL instead of a future", function);
}

const char *fy_future_why(const ferry_future *future)
{
	return future->detail && *future->detail ? future->detail : ferry_strerror(future->status);
}

int fy_future_failed(const ferry_future *future)
{
	return fy_fail(future->status, "%s", fy_future_why(future));
}

static bool keep_reply(ferry_future *future)
{
	return !(fy_or_32(&future->state, FY_FUTURE_REPLY_TAKEN) & FY_FUTURE_REPLY_TAKEN);
}

ferry_message *fy_future_move_reply(ferry_future *future)
{
	bool replied = (fy_load_acquire_32(&future->state) & FY_FUTURE_REPLIED) != 0;

	return replied && keep_reply(future) ? future->reply : NULL;
}

/* A call may have succeeded without a message for its empty reply: that is made only here, when the
 * program asks for it. */
static int take_empty(ferry_future *future, ferry_message **reply_p)
{
	ferry_message *empty = fy_future_hooks.message_empty
	                               ? fy_future_hooks.message_empty(future->engine)
	                               : NULL;

	if (!empty)
		return fy_fail(FERRY_ENOMEM, "no memory for an empty reply");
	if (!keep_reply(future)) {
		if (fy_future_hooks.message_release)
			fy_future_hooks.message_release(empty);
		return fy_fail(FERRY_EALREADY, "the reply was taken before");
	}
	*reply_p = empty;
	return FERRY_OK;
}

int ferry_future_take(ferry_future *future, ferry_message **reply_p)
{
	ferry_message *reply;

	if (!future || !reply_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_future_take needs a future and a place for the reply");
	if (!fy_future_is_done(future))
		return FERRY_PENDING;
	if (fy_load_relaxed_32(&future->state) & FY_FUTURE_REPLY_TAKEN)
		return fy_fail(FERRY_EALREADY, "the reply was taken before");
	if (fy_unlikely(!(fy_load_relaxed_32(&future->state) & FY_FUTURE_REPLIED))) {
		if ((future->flags & FY_FUTURE_IS_CALL) && future->status == FERRY_OK)
			return take_empty(future, reply_p);
		return fy_fail(FERRY_EALREADY, "there is no reply to take: %s",
		               future->status == FERRY_OK ? "this was no call"
		                                          : fy_future_why(future));
	}
	reply = fy_future_move_reply(future);
	if (!reply)
		return fy_fail(FERRY_EALREADY, "the reply was taken before");
	*reply_p = reply;
	return FERRY_OK;
}

const char *ferry_future_detail(ferry_future *future)
{
	return future && fy_future_is_done(future) && future->detail ? future->detail : "";
}

/* The callback's slot is ours and the future is done: queue the callback now. */
static int then_at_once(ferry_future *future)
{
	if (submit(future->engine, future->then_where, &future->then))
		return FERRY_OK;
	ferry_future_release(future);
	return fy_fail(FERRY_ESTOPPED, "the future is done and its engine has closed, or it has "
	                               "none: there is no progress thread to run an inline "
	                               "callback; name an executor, or look at the future");
}

int ferry_future_then(ferry_future *future, ferry_executor *where, ferry_callback_fn *fn, void *arg)
{
	if (!future || !fn)
		return fy_fail(FERRY_EINVAL, "ferry_future_then needs a future and a function");
	int bad = fy_executor_check_callback("ferry_future_then", where);
	if (bad)
		return bad;
	if (fy_or_32(&future->state, FY_FUTURE_THEN_KEPT) & FY_FUTURE_THEN_KEPT)
		return fy_fail(FERRY_EINVAL, "this future has a callback already; ferry_future_all "
		                             "or ferry_future_and_then make another future of it");
	future->then_fn = fn;
	future->then_arg = arg;
	future->then_where = where;
	future->then.run = then_run;
	ferry_future_retain(future);
	fy_executor_retain(where);
	if (fy_or_32(&future->state, FY_FUTURE_THEN) & FY_FUTURE_DONE)
		return then_at_once(future);
	return FERRY_OK;
}

int ferry_future_deadline(ferry_future *future, int64_t timeout)
{
	if (!future)
		return fy_future_fail_null(__func__);
	if (!fy_timeout_ok(timeout))
		return fy_timeout_fail(__func__, timeout);
	if (timeout == 0 && abandon(future, FERRY_ETIMEDOUT))
		return FERRY_OK;
	if (is_decided(future))
		return fy_fail(FERRY_EALREADY, "the future is decided already");
	if (timeout == FERRY_FOREVER)
		return FERRY_OK;
	if (!future->engine || !fy_future_hooks.deadline)
		return fy_fail(FERRY_ENOTSUP, "a deadline needs an engine that keeps the time");
	return fy_future_hooks.deadline(future->engine, future, fy_timeout_in(timeout));
}

int ferry_future_cancel(ferry_future *future)
{
	if (!future)
		return fy_future_fail_null(__func__);
	if (future->flags & FY_FUTURE_NO_CANCEL)
		return fy_fail(FERRY_ENOTSUP, "this operation cannot be cancelled");
	if (!abandon(future, FERRY_ECANCELED))
		return fy_fail(FERRY_EALREADY, "the future is decided already");
	return FERRY_OK;
}
