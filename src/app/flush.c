/* SPDX-License-Identifier: Apache-2.0 */
/* ferry_flush: a record behind what this thread has posted, and the wait for it. Any thread. */
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "app/post.h"
#include "base/fail.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/wait.h"
#include "shared/engine.h"
#include "shared/thread.h"

int ferry_flush(ferry *engine, int rank, int64_t timeout)
{
	if (!engine || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL,
		               "ferry_flush needs an engine and a timeout >= 0 or FERRY_FOREVER");
	int status = rank == FERRY_ALL
	                     ? FERRY_OK
	                     : fy_engine_check_rank(engine, "rank", rank, ", or FERRY_ALL");
	if (status)
		return status;
	if (fy_thread_must_not_wait(engine))
		return fy_fail(
			FERRY_EDEADLK,
			"ferry_flush would wait for the progress thread, which is running this");
	ferry_future *future = NULL;
	int64_t until = fy_timeout_in(timeout);
	status = fy_post_flush(engine, NULL, rank, timeout, &future);
	if (status)
		return status == FERRY_EAGAIN ? FERRY_PENDING : status;
	struct fy_waiting_name before = fy_waiting_name(FY_WAITS_FLUSH, rank);
	status = fy_wait_until(future, until);
	fy_waiting_unname(before);
	ferry_future_release(future);
	return status;
}
