/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeouts of the API. Any thread.
 */
#include "base/timeout.h"

#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"

int64_t fy_timeout_until(int64_t now, int64_t timeout)
{
	if (timeout == FERRY_FOREVER)
		return INT64_MAX;
	return timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
}

int fy_timeout_fail(const char *function, int64_t timeout)
{
	return fy_fail(FERRY_EINVAL,
	               "%s: the timeout is %lld ns; give 0, a positive time or FERRY_FOREVER",
	               function, (long long)timeout);
}
