/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: futures that the program fulfils itself. Any thread.
 */
#include "ferry.h"
#include "base/fail.h"
#include "future/future.h"
#include "future/hooks.h"

int ferry_promise_create(ferry *engine, ferry_future **future_p)
{
	ferry_future *future;
	int rc;

	if (!engine || !future_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_promise_create needs an engine and a place for the future");
	future = fy_future_create(engine, FY_FUTURE_IS_PROMISE);
	if (!future)
		return fy_fail(FERRY_ENOMEM, "no memory for a promise");
	rc = fy_future_hooks.promise_opened ? fy_future_hooks.promise_opened(engine, future)
	                                    : FERRY_OK;
	if (rc < 0) {
		fy_future_give_back(future);
		return fy_fail(rc, "the engine makes no promises any more: %s", ferry_strerror(rc));
	}
	*future_p = future;
	return FERRY_OK;
}

int ferry_promise_fulfil(ferry_future *future, int status, ferry_message *value)
{
	if (!future || !(future->flags & FY_FUTURE_IS_PROMISE))
		return fy_fail(FERRY_EINVAL,
		               "ferry_promise_fulfil needs a future of ferry_promise_create");
	if (status > 0)
		return fy_fail(FERRY_EINVAL,
		               "a promise cannot be fulfilled with the status %d; give FERRY_OK or "
		               "one of FERRY_E...",
		               status);
	if (!fy_future_claim(future))
		return fy_fail(FERRY_EALREADY, "the promise is decided already");
	if (value && fy_future_hooks.message_retain)
		fy_future_hooks.message_retain(value);
	fy_future_finish_reply(future, status, value);
	return FERRY_OK;
}
