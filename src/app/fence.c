/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_fence: any thread of the application, one of a rank at a time. A fence that timed out goes
 * on, and the next call resumes it.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/future.h"
#include "future/wait.h"
#include "helm/ask.h"
#include "helm/errands.h"
#include "shared/engine.h"
#include "shared/thread.h"

static int begin_fence(ferry *e, ferry_future **future_p)
{
	struct fy_errand_fence fence = { .future = fy_future_create(e, FY_FUTURE_NO_CANCEL),
		                         .why = "the engine is being closed" };
	if (!fence.future)
		return fy_fail(FERRY_ENOMEM, "no memory for a fence");
	int status = fy_ask(e, fy_errands_join_fence, &fence);
	if (status) {
		fy_future_discard(fence.future);
		return fy_fail(status, "%s", fence.why);
	}
	*future_p = fence.future;
	return FERRY_OK;
}

/* This thread becomes the one in ferry_fence, until give_fence. *future_p: a fence that has timed
 * out and not ended yet, or NULL. */
static int claim_fence(ferry *e, ferry_future **future_p)
{
	pthread_mutex_lock(&e->aside.lock);
	bool busy = e->aside.fencing, stopped = fy_engine_has_stopped(e);
	if (!busy && !stopped) {
		e->aside.fencing = true;
		*future_p = e->aside.fence;
		e->aside.fence = NULL;
	}
	pthread_mutex_unlock(&e->aside.lock);
	if (stopped)
		return fy_fail(FERRY_ESTOPPED, "the engine was closed");
	return busy ? fy_fail(FERRY_EINVAL,
	                      "another thread of this rank is in ferry_fence: one at a time")
	            : FERRY_OK;
}

/* `future`: of a fence that goes on, or NULL. Once the engine has stopped, close does not look for
 * a fence any more, so the future is released here. */
static void give_fence(ferry *e, ferry_future *future)
{
	pthread_mutex_lock(&e->aside.lock);
	if (!fy_engine_has_stopped(e)) {
		e->aside.fence = future;
		future = NULL;
	}
	e->aside.fencing = false;
	pthread_mutex_unlock(&e->aside.lock);
	ferry_future_release(future);
}

int ferry_fence(ferry *e, int64_t timeout)
{
	if (!e || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL,
		               "ferry_fence needs an engine and a timeout >= 0 or FERRY_FOREVER");
	if (fy_thread_must_not_wait(e) || fy_thread_in_handler(e))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_fence would wait for the handler or callback that calls it");
	ferry_future *future = NULL;
	int64_t until = fy_timeout_in(timeout);
	int status = claim_fence(e, &future);
	if (status)
		return status;
	struct fy_waiting_name before = fy_waiting_name(FY_WAITS_FENCE, FERRY_ALL);
	if (!future)
		status = begin_fence(e, &future);
	if (status == FERRY_OK)
		status = fy_wait_until(future, until);
	fy_waiting_unname(before);
	if (future && status != FERRY_PENDING) {
		if (status < 0)
			fy_fail(status, "%s", ferry_future_detail(future));
		ferry_future_release(future);
		future = NULL;
	}
	give_fence(e, future);
	return status;
}
