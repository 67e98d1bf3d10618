/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct fy_lane;
struct fy_progress;

/* Lanes that the step looks at, and all others. */
struct fy_lanes {
	struct fy_lane *active; /* those that a step looks at */
	struct fy_lane *all;
	struct fy_lane *delisted; /* between fy_lanes_delist and fy_lanes_relist */
};

void fy_lanes_forget(struct fy_progress *p, struct fy_lane *lane);
void fy_lanes_turn_to(struct fy_progress *p, struct fy_lane *lane);
void fy_lanes_move_last(struct fy_progress *p, struct fy_lane *lane);
bool fy_lanes_are_drained(struct fy_progress *p, unsigned colour);
/* Put lanes that became active into the list. */
void fy_lanes_list(struct fy_progress *p);
/* Is there a record or a reply to be put? */
bool fy_lanes_have_work(struct fy_progress *p);
/* The same without lanes whose record found no room, because another step would not move it. Room
 * comes from a rank that rings, or from what is under way, which is looked at anyway. */
bool fy_lanes_have_input(struct fy_progress *p);
/* Idle lanes leave the list; their threads put them there again. A process-wide barrier and
 * fy_lanes_relist have to follow: without membarrier, this must not be called, because no poster
 * fences before it looks at `listed`. */
void fy_lanes_delist(struct fy_progress *p);
bool fy_lanes_relist(struct fy_progress *p);
void fy_lanes_mark(struct fy_progress *p);
void fy_lanes_abandon(struct fy_progress *p, int status);
