/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that wait for futures: for one, for all, for any. Any thread; none of them is a
 * cancellation point.
 */
#include "future/wait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/pool.h"
#include "future/stuck.h"
#include "future/watch.h"

int ferry_future_poll(ferry_future *future)
{
	if (fy_unlikely(!future))
		return fy_future_fail_null(__func__);
	return fy_future_is_done(future) ? fy_future_outcome(future) : FERRY_PENDING;
}

static uint32_t mark_waited(ferry_future *future)
{
	uint32_t state = fy_load_acquire_32(&future->state);
	if (!(state & FY_FUTURE_WAITED))
		state = fy_or_32(&future->state, FY_FUTURE_WAITED) | FY_FUTURE_WAITED;
	return state;
}

/* What the wait is called in a picture. Who waits for a future of its own has named it. */
static struct fy_wait describe(const ferry_future *future, int64_t until)
{
	struct fy_waiting_name name = fy_waiting_named();
	uint32_t flags = future->flags;
	if (name.kind == FY_WAITS_NOT)
		name = (struct fy_waiting_name){
			.kind = flags & FY_FUTURE_IS_CALL       ? FY_WAITS_CALL
			        : flags & FY_FUTURE_IS_PROMISE  ? FY_WAITS_PROMISE
			        : flags & FY_FUTURE_IS_STARTED  ? FY_WAITS_STARTED
			        : flags & FY_FUTURE_IS_COMPOSED ? FY_WAITS_COMPOSED
			        : flags & FY_FUTURE_IS_POSTED   ? FY_WAITS_POST
			                                        : FY_WAITS_FUTURE,
			.peer = FY_WAITS_NOBODY
		};
	return (struct fy_wait){ .kind = name.kind,
		                 .op = FERRY_ANY_OP,
		                 .peer = name.peer,
		                 .engine = future->engine,
		                 .object = future,
		                 .until = until };
}

static __attribute__((noinline)) void sleep_on(ferry_future *future, uint32_t state, int64_t until)
{
	struct fy_wait wait = describe(future, until);
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &wait);
	do {
		fy_futex_wait(&future->state, state, until, false);
		state = mark_waited(future);
	} while (!(state & FY_FUTURE_DONE) && (until == INT64_MAX || fy_clock_now() < until));
	fy_waiting_end(&place);
}

static void sleep_until(ferry_future *future, int64_t until)
{
	uint32_t state = mark_waited(future);
	if (!(state & FY_FUTURE_DONE))
		sleep_on(future, state, until);
}

int fy_wait_until(ferry_future *future, int64_t until)
{
	int rc = fy_future_hooks_may_wait(future->engine);

	if (rc == FERRY_OK && (future->flags & FY_FUTURE_IS_COMPOSED))
		rc = fy_stuck_may_wait(future);
	if (rc < 0)
		return fy_future_is_done(future) ? fy_future_outcome(future) : rc;
	fy_pool_blocking(true);
	if (fy_future_hooks.engine_wait && future->engine)
		fy_future_hooks.engine_wait(future->engine, future, until);
	sleep_until(future, until);
	fy_pool_blocking(false);
	return fy_future_is_done(future) ? fy_future_outcome(future) : FERRY_PENDING;
}

int ferry_future_wait(ferry_future *future, int64_t timeout)
{
	if (fy_unlikely(!future))
		return fy_future_fail_null(__func__);
	if (fy_unlikely(!fy_timeout_ok(timeout)))
		return fy_timeout_fail(__func__, timeout);
	if (fy_future_is_done(future))
		return fy_future_outcome(future);
	return timeout == 0 ? FERRY_PENDING : fy_wait_until(future, fy_timeout_in(timeout));
}

static int check_all(const char *function, ferry_future *const *futures, size_t count,
                     int64_t timeout)
{
	if (!fy_timeout_ok(timeout))
		return fy_timeout_fail(function, timeout);
	if (count > 0 && !futures)
		return fy_fail(FERRY_EINVAL, "%s was given NULL and a count of %zu", function,
		               count);
	return FERRY_OK;
}

/* NULL is a place of the array that nobody waits for. */
static bool is_open(const ferry_future *future)
{
	return future && !fy_future_is_done(future);
}

/* Look at all futures first: one that can never be done is to be found before another one is waited
 * for. */
static int may_wait_all(ferry_future *const *futures, size_t count)
{
	int rc = FERRY_OK;

	for (size_t i = 0; i < count && rc == FERRY_OK; i++)
		if (is_open(futures[i]))
			rc = fy_stuck_may_wait(futures[i]);
	return rc;
}

/* FERRY_OK once all are done, or why they are not. Futures mostly complete in the order in which
 * they were made. So this begins with the last one, and mostly sleeps only once. */
static int await_all(ferry_future *const *futures, size_t count, int64_t timeout)
{
	int64_t until = INT64_MAX;
	int rc;

	if (timeout != 0 && fy_stuck_matters() && (rc = may_wait_all(futures, count)) < 0)
		return rc;
	if (timeout > 0)
		until = fy_timeout_in(timeout);
	for (size_t i = count; i-- > 0;) {
		if (!is_open(futures[i]))
			continue;
		rc = timeout == 0 ? FERRY_PENDING : fy_wait_until(futures[i], until);
		if (!fy_future_is_done(futures[i]))
			return rc;
	}
	return FERRY_OK;
}

static int first_failure(ferry_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] && fy_unlikely(futures[i]->status != FERRY_OK))
			return fy_fail(futures[i]->status, "futures[%zu]: %s", i,
			               fy_future_why(futures[i]));
	return FERRY_OK;
}

int ferry_wait_all(ferry_future *const *futures, size_t count, int64_t timeout)
{
	int rc = check_all("ferry_wait_all", futures, count, timeout);

	if (rc < 0)
		return rc;
	rc = await_all(futures, count, timeout);
	return rc == FERRY_OK ? first_failure(futures, count) : rc;
}

static void finish_those(ferry_future **futures, size_t count, bool failed_too)
{
	for (size_t i = 0; i < count; i++) {
		ferry_future *future = futures[i];
		if (!future || !fy_future_is_done(future) ||
		    (future->status != FERRY_OK && !failed_too))
			continue;
		futures[i] = NULL;
		ferry_future_release(future);
	}
}

/* While some futures are pending those that failed stay, so that the call that finds all of them
 * done can return the failure. */
int ferry_finish_all(ferry_future **futures, size_t count, int64_t timeout)
{
	int rc = check_all("ferry_finish_all", futures, count, timeout);

	if (rc < 0)
		return rc;
	rc = await_all(futures, count, timeout);
	if (rc < 0)
		return rc;
	bool all = rc == FERRY_OK;
	if (all)
		rc = first_failure(futures, count);
	finish_those(futures, count, all);
	return rc;
}

#define WATCHES_ON_STACK 16

/* The waiter's own future, on its stack: the first watch that fires completes it. */
struct any {
	ferry_future first;
	size_t index;
};

static void any_notify(struct fy_watch *watch)
{
	struct any *any = watch->owner;

	if (!fy_future_claim(&any->first))
		return;
	any->index = watch->index;
	fy_future_finish(&any->first, FERRY_OK);
}

static bool find_done(ferry_future *const *futures, size_t count, size_t *index_p)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] && fy_future_is_done(futures[i])) {
			*index_p = i;
			return true;
		}
	return false;
}

/* Watch the futures until one is done, then sleep. FERRY_OK, or FERRY_PENDING, FERRY_EDEADLK. */
static int watch_and_wait(ferry_future *const *futures, size_t count, int64_t until,
                          struct fy_watch *watches, struct any *any)
{
	size_t watched = 0;
	int rc;

	for (size_t i = 0; i < count && !fy_future_is_done(&any->first); i++) {
		if (!futures[i])
			continue;
		watches[watched] = (struct fy_watch){
			.future = futures[i], .notify = any_notify, .owner = any, .index = i
		};
		fy_watch_add(&watches[watched++]);
	}
	struct fy_waiting_name before = fy_waiting_name(FY_WAITS_ANY, FY_WAITS_NOBODY);
	rc = fy_wait_until(&any->first, until);
	fy_waiting_unname(before);
	while (watched > 0)
		fy_watch_remove(&watches[--watched]);
	/* A watch may have fired between the timeout and its removal. */
	return fy_future_is_done(&any->first) ? FERRY_OK : rc;
}

static int check_any(ferry_future *const *futures, size_t count, int64_t timeout)
{
	if (!futures || count == 0)
		return fy_fail(FERRY_EINVAL,
		               "ferry_wait_any needs at least one future to wait for");
	return fy_timeout_ok(timeout) ? FERRY_OK : fy_timeout_fail("ferry_wait_any", timeout);
}

static const ferry_future *first_of(ferry_future *const *futures, size_t count)
{
	size_t i = 0;

	while (i < count && !futures[i])
		i++;
	return i < count ? futures[i] : NULL;
}

/* The next step of each of them is queued behind the caller. */
static bool wait_is_vain(ferry_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] && fy_stuck_may_wait(futures[i]) == FERRY_OK)
			return false;
	return true;
}

/* FERRY_EDEADLK if any of the futures is of an engine whose inline code this thread runs, or if
 * none of them can be done. */
static int check_deadlock(ferry_future *const *futures, size_t count)
{
	ferry *seen = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!futures[i] || futures[i]->engine == seen)
			continue;
		seen = futures[i]->engine;
		int rc = fy_future_hooks_may_wait(seen);
		if (rc < 0)
			return rc;
	}
	return wait_is_vain(futures, count) ? FERRY_EDEADLK : FERRY_OK;
}

/* FERRY_OK and the index of a future that is done, or why there is none. */
static int await_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p)
{
	struct fy_watch few[WATCHES_ON_STACK], *watches = few;
	struct any any = { .first = { .state = FY_FUTURE_REF,
		                      .engine = first_of(futures, count)->engine } };
	int64_t until = fy_timeout_in(timeout);
	int rc = check_deadlock(futures, count);

	if (rc < 0)
		return rc;
	if (count > WATCHES_ON_STACK && !(watches = malloc(count * sizeof *watches)))
		return fy_fail(FERRY_ENOMEM, "no memory to wait for %zu futures", count);
	rc = watch_and_wait(futures, count, until, watches, &any);
	if (watches != few)
		free(watches);
	if (rc == FERRY_OK)
		*index_p = any.index;
	return rc;
}

int ferry_wait_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p)
{
	size_t index = SIZE_MAX; /* what ferry_wait_any gives if all entries are NULL */
	int rc = check_any(futures, count, timeout);

	if (rc < 0)
		return rc;
	if (first_of(futures, count) && !find_done(futures, count, &index)) {
		rc = timeout == 0 ? FERRY_PENDING : await_any(futures, count, timeout, &index);
		if (rc != FERRY_OK)
			return rc;
	}
	if (index_p)
		*index_p = index;
	return index == SIZE_MAX ? FERRY_OK : fy_future_outcome(futures[index]);
}
