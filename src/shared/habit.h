/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_lane;

/* How often threads found no room, and how often they began to wait: habits follow from these. */
struct fy_pressure {
	/* statistics: atomic add by posters without room; also read by threads that begin to wait
	 * for a future (relaxed: a hint, no other read depends on it) */
	uint64_t lane_full;
	/* how often threads that had not flooded began to wait for a future: atomic add by them,
	 * read by posters (relaxed: a hint, no other read depends on it) */
	uint64_t waits;
};

/* What a lane's thread did lately. The thread's own; the helm may read it. */
struct fy_habit {
	bool waited_for_room;  /* it waited for room since it last waited for a future */
	uint32_t waits_level;  /* a level: how often others wait for futures (habit.c) */
	uint64_t waits_seen;   /* pressure.waits when the thread last had no room */
	uint32_t floods_level; /* a level: how often others flood (habit.c) */
	uint64_t full_seen;    /* pressure.lane_full when the thread last began to wait */
	/* when (ns) a call drove and left the engine to the thread's next wait; 0: no call since
	 * the last wait did */
	int64_t steered_at;
	/* for so many more waits the engine is not left to a wait */
	uint32_t slow;
	/* the wait after the last such call began late */
	bool late;
};

/* A leaky counter: each sign of a habit raises it by `step`, up to `most`; each time without a sign
 * lowers it by 1. Above `step`, more than one time in `step` had a sign lately. */
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
/* This thread has no room: should it sleep, because others wait for futures? */
bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e);
