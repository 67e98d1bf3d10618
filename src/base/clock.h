/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BASE_CLOCK_H
#define FY_BASE_CLOCK_H

#include <stdint.h>

#include "ferry.h"

/* Monotonic time in ns. */
int64_t fy_clock_now(void);
/* now + timeout, saturating; FERRY_FOREVER becomes INT64_MAX. Needs a valid timeout. */
int64_t fy_clock_until(int64_t now, int64_t timeout);
/* Is this a timeout that the API takes: >= 0 or FERRY_FOREVER? */
static inline int fy_clock_timeout_ok(int64_t timeout)
{
	return timeout >= 0 || timeout == FERRY_FOREVER;
}

#endif
