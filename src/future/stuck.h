/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

/* Is this thread running anything behind which a future's next step may be queued? */
bool fy_stuck_matters(void);
/* 0, or FERRY_EDEADLK with a sentence: a wait for this composed future could not end, because a
 * next step is queued behind the caller. */
int fy_stuck_may_wait(const ferry_future *future);
