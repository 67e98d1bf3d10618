/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_HABIT_H
#define FY_SHARED_HABIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_lane;

/* How often threads found no room and how often they began to wait, from which habits are
 * formed. */
struct fy_pressure {
	/* statistics: atomic add by posters that had to wait; also read by threads that begin to
	 * wait for a future (relaxed: a hint, nothing is read behind it) */
	uint64_t lane_full;
	/* how often a thread that had not flooded began to wait for a future: atomic add by it,
	 * read by posters (relaxed: a hint, nothing is read behind it) */
	uint64_t waits;
};

/* What its thread did lately: floods, waits, calls that were left to a wait; the producer's. */
struct fy_habit {
	bool waited_for_room; /* it waited for room since it last waited for a future */
	/* how much others have waited for futures lately (habit.c), */
	uint32_t waits_level;
	uint64_t waits_seen;   /* and engine->pressure.waits when it last had no room */
	uint32_t floods_level; /* how much others flooded lately (habit.c), and */
	uint64_t full_seen; /* engine->pressure.lane_full when it last began to wait for a future */
	/* when a call of it drove and left the engine to its wait; 0: none did
	 * since then */
	int64_t steered_at;
	/* for so many waits it is not believed to wait soon after a call */
	uint32_t slow;
	/* it waited late after the last call that was left to its wait */
	bool late;
};

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
