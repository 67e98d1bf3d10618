/* SPDX-License-Identifier: Apache-2.0 */
/* Futures made of futures: what future.c needs to know of them (FY_FUTURE_IS_COMPOSED). */
#ifndef FY_COMPOSE_H
#define FY_COMPOSE_H

#include "future.h"

/* It was claimed by a cancel or a deadline: let go of what it is made of. */
void fy_compose_abandoned(ferry_future *future);
/* Is this thread running anything that a future may wait for? */
bool fy_compose_matters(void);
/* 0, or FERRY_EDEADLK with a sentence when it is made of what has its next step queued behind
 * the caller. */
int fy_compose_may_wait(const ferry_future *future);

#endif
