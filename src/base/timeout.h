/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"
#include "base/clock.h"

/* now + timeout, saturating; FERRY_FOREVER becomes INT64_MAX. Needs a valid timeout. */
int64_t fy_timeout_until(int64_t now, int64_t timeout);
/* The same from now on. The clock is not read for FERRY_FOREVER. */
static inline int64_t fy_timeout_in(int64_t timeout)
{
	return timeout == FERRY_FOREVER ? INT64_MAX : fy_timeout_until(fy_clock_now(), timeout);
}
/* Is this a timeout that the API takes: >= 0 or FERRY_FOREVER? */
static inline int fy_timeout_ok(int64_t timeout)
{
	return timeout >= 0 || timeout == FERRY_FOREVER;
}
/* FERRY_EINVAL, with a sentence on one that it does not take. */
int fy_timeout_fail(const char *function, int64_t timeout);
