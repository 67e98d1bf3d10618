/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_HABIT_H
#define FY_SHARED_HABIT_H

#include <stdbool.h>

#include "ferry.h"

struct fy_lane;

/* This thread waits for a future. */
void fy_habit_waits(struct fy_lane *lane);
/* Do others post to this engine without a pause while this thread waits for answers? */
bool fy_habit_is_beside_floods(const ferry *engine);
bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e);

#endif
