/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_HABIT_H
#define FY_SHARED_HABIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_lane;

/* A leaky counter: each sign of a habit raises it by `step`, up to `most`; each time without one it
 * falls by 1. Above `step` more than one time in `step` had a sign lately. */
static inline void fy_habit_note(uint32_t *level, bool sign, uint32_t step, uint32_t most)
{
	if (sign)
		*level = *level + step < most ? *level + step : most;
	else if (*level)
		--*level;
}

/* This thread waits for a future. */
void fy_habit_waits(struct fy_lane *lane);
/* Do others post to this engine without a pause while this thread waits for answers? */
bool fy_habit_is_beside_floods(const ferry *engine);
bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e);

#endif
