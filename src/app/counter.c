/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of many posts, as programs see them. Any thread. ferry_post_counted is in post.c, the
 * counter itself in shared/counter.c.
 */
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/future.h"
#include "future/wait.h"
#include "shared/counter.h"
#include "shared/engine.h"

int ferry_counter_create(ferry *engine, ferry_counter **counter_p)
{
	if (!engine || !counter_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_counter_create needs an engine and a place for the counter");
	if (fy_engine_has_stopped(engine) || !fy_engine_try_retain(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine was closed");
	ferry_counter *counter = fy_counter_new(engine);
	if (!counter) {
		fy_engine_release(engine);
		return fy_fail(FERRY_ENOMEM, "no memory for a counter");
	}
	*counter_p = counter;
	return FERRY_OK;
}

/* First what is done, then what was posted: so the second is not less. */
int ferry_counter_read(const ferry_counter *counter, uint64_t *posted_p, uint64_t *done_p)
{
	if (!counter)
		return fy_fail(FERRY_EINVAL, "ferry_counter_read was given NULL");
	uint64_t done = fy_counter_done(counter), posted = fy_counter_posted(counter);
	if (done_p)
		*done_p = done;
	if (posted_p)
		*posted_p = posted;
	return fy_counter_outcome(counter);
}

/* A future that is done when so many posts are. Its list has one reference, the caller the other.
 */
static int make_target(ferry_counter *counter, uint64_t value, ferry_future **target_p)
{
	ferry_future *target = fy_future_create(counter->engine, FY_FUTURE_IS_HIDDEN);
	*target_p = target;
	if (!target)
		return fy_fail(FERRY_ENOMEM, "no memory to wait for a counter");
	int status = fy_counter_add_target(counter, value, target);
	if (status)
		fy_future_discard(target);
	return status;
}

/* Not reached when we looked. */
static int await(ferry_counter *counter, uint64_t value, int64_t timeout)
{
	int64_t until = fy_timeout_in(timeout);
	ferry_future *target;
	int status = make_target(counter, value, &target);
	if (status)
		return status;
	struct fy_waiting_name before = fy_waiting_name(FY_WAITS_COUNTER, FY_WAITS_NOBODY);
	status = fy_wait_until(target, until);
	fy_waiting_unname(before);
	if (!fy_future_is_done(target))
		fy_counter_drop_target(counter, target);
	ferry_future_release(target);
	return fy_counter_done(counter) >= value ? fy_counter_outcome(counter) : status;
}

int ferry_counter_wait(ferry_counter *counter, uint64_t value, int64_t timeout)
{
	if (fy_unlikely(!counter))
		return fy_fail(FERRY_EINVAL, "ferry_counter_wait was given NULL");
	if (fy_unlikely(!fy_timeout_ok(timeout)))
		return fy_timeout_fail(__func__, timeout);
	if (fy_counter_done(counter) >= value)
		return fy_counter_outcome(counter);
	return timeout == 0 ? FERRY_PENDING : await(counter, value, timeout);
}

int ferry_counter_then(ferry_counter *counter, uint64_t value, ferry_executor *where,
                       ferry_callback_fn *fn, void *arg)
{
	if (!counter || !fn)
		return fy_fail(FERRY_EINVAL, "ferry_counter_then needs a counter and a function");
	ferry_future *target;
	int status = make_target(counter, value, &target);
	if (status)
		return status;
	status = ferry_future_then(target, where, fn, arg);
	ferry_future_release(target);
	return status;
}

void ferry_counter_release(ferry_counter *counter)
{
	if (counter)
		fy_counter_release(counter);
}
