/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monotonic time in nanoseconds, and the timeouts of the API. Any thread.
 */
#include "base/clock.h"

#include <stdint.h>
#include <time.h>

#include "ferry.h"
#include "base/fail.h"

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t fy_clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t fy_clock_wall(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t fy_clock_process(void)
{
	return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t fy_clock_until(int64_t now, int64_t timeout)
{
	if (timeout == FERRY_FOREVER)
		return INT64_MAX;
	return timeout > INT64_MAX - now ? INT64_MAX : now + timeout;
}

int fy_clock_fail_timeout(const char *function, int64_t timeout)
{
	return fy_fail(FERRY_EINVAL,
	               "%s: the timeout is %lld ns; give 0, a positive time or FERRY_FOREVER",
	               function, (long long)timeout);
}
