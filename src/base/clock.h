/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

/* Monotonic time in ns. */
int64_t fy_clock_now(void);
/* Since 1970, in ns. It may jump. */
int64_t fy_clock_wall(void);
/* Processor time of all threads of this process. */
int64_t fy_clock_process(void);
/* now + timeout, saturating; FERRY_FOREVER becomes INT64_MAX. Needs a valid timeout. */
int64_t fy_clock_until(int64_t now, int64_t timeout);
/* The same from now on. The clock is not read for FERRY_FOREVER. */
static inline int64_t fy_clock_in(int64_t timeout)
{
	return timeout == FERRY_FOREVER ? INT64_MAX : fy_clock_until(fy_clock_now(), timeout);
}
/* Is this a timeout that the API takes: >= 0 or FERRY_FOREVER? */
static inline int fy_clock_timeout_ok(int64_t timeout)
{
	return timeout >= 0 || timeout == FERRY_FOREVER;
}
/* FERRY_EINVAL, with a sentence on one that it does not take. */
int fy_clock_fail_timeout(const char *function, int64_t timeout);
