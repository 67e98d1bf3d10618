/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_lane;
struct fy_policy;

/*
 * Decisions of threads that post and wait. Like those of helm/policy.h they see what is handed to
 * them and nothing else; their parameters are in the same table (shared/policy_table.h).
 */
struct fy_habit_signals {
	uint32_t others; /* how much others have waited for futures lately, */
	uint32_t floods; /* found no room, */
	uint32_t slow;   /* and for how many waits this thread is not believed to wait soon */
	bool quick;      /* it has waited since its last call drove */
	bool at_once;    /* the last wait began right after its call, */
	bool napping;    /* and the progress thread naps */
	bool may_drive;  /* threads that wait do, beside a thread of the engine's own */
};

enum fy_after_post { FY_POST_WAKES, FY_POST_DRIVES, FY_POST_STEERS, FY_POST_LEAVES };

/* The progress thread sleeps, and something was posted that its poster may wait for: wake that
 * thread, drive, drive once and leave the rest to the wait, or leave all of it? */
enum fy_after_post fy_habit_after_post(const struct fy_policy *policy,
                                       const struct fy_habit_signals *s);
/* Without room: sleep, or drive? */
bool fy_habit_sleeps_without_room(const struct fy_policy *policy, const struct fy_habit_signals *s);
/* The helm is taken: sleep, or yield and try again? */
bool fy_habit_sleeps_at_helm(const struct fy_policy *policy, const struct fy_habit_signals *s);

/* How often threads found no room, and how often they began to wait: habits follow from these. */
struct fy_pressure {
	/* statistics: atomic add by posters without room; also read by threads that begin to wait
	 * for a future (relaxed: a hint, no other read depends on it) */
	uint64_t lane_full;
	/* how often threads began to wait for a future: written by them and read by posters
	 * (relaxed: a hint, and only a change counts, so an update may be lost) */
	uint64_t waits;
};

/* What a lane's thread did lately. The thread's own; the helm may read it. */
struct fy_habit {
	bool waited_for_room;  /* it waited for room since it last waited for a future */
	uint32_t waits_level;  /* a level: how often others wait for futures (habit.c) */
	uint64_t waits_seen;   /* pressure.waits when the thread last had no room */
	uint32_t floods_level; /* a level: how often others flood (habit.c) */
	uint64_t full_seen;    /* pressure.lane_full when the thread last began to wait */
	/* when (ns) a post or call left the engine to the thread's next wait, or another one was
	 * timed; 0: none since the last wait was */
	int64_t left_at;
	/* its future, or that of the last one behind it; NULL: a post without one. Only compared */
	const ferry_future *left_for;
	/* [it had a future]: the next wait was for it, or any after a post, and began at once */
	bool at_once[2];
	uint32_t n_left; /* how many calls were left to a wait altogether */
	uint32_t behind; /* posts behind one that was left, since it was; 0: none was */
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

/* A post with this future, or none, was left to the thread's next wait, or will be if that begins
 * at once. */
void fy_habit_left(struct fy_lane *lane, const ferry_future *future);
/* This thread waits for a future, or, NULL, for a message. */
void fy_habit_waits(struct fy_lane *lane, const ferry_future *future);
/* Do others post to this engine without a pause while this thread waits for answers? */
bool fy_habit_is_beside_floods(const ferry *engine);
/* This thread has no room: should it sleep, because others wait for futures? */
bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e);
