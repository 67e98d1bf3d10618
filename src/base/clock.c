/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time in nanoseconds. Any thread.
 */
#include "base/clock.h"

#include <stdint.h>
#include <time.h>

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
