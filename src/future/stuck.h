/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_STUCK_H
#define FY_FUTURE_STUCK_H

#include <stdbool.h>

#include "ferry.h"

/* Is this thread running anything that a future may wait for? */
bool fy_stuck_matters(void);
/* 0, or FERRY_EDEADLK with a sentence when it is made of what has its next step queued behind
 * the caller. */
int fy_stuck_may_wait(const ferry_future *future);

#endif
