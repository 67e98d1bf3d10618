/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_APP_OWN_LANE_H
#define FY_APP_OWN_LANE_H

#include "ferry.h"

struct fy_lane;

/* This thread's lane, made at the first call. NULL: no memory, or the engine is gone. */
struct fy_lane *fy_own_lane(ferry *engine);
/* A lane for a virtual thread, in simulations. */
struct fy_lane *fy_own_lane_create(ferry *engine);
/* The engine has stopped: wait until it looked at the lanes for the last time; if this one was
 * unknown to it, it is nobody's but its thread's. */
void fy_own_lane_orphaned(ferry *engine, struct fy_lane *lane);
/* The lane's thread exits, in two steps: nothing more will come, which the helm may find out at
 * once; and whoever is left is told. The helm, a close and the thread may be the one that ends the
 * engine's part in the lane, in any order. */
void fy_own_lane_leaves(ferry *engine, struct fy_lane *lane);
void fy_own_lane_left(ferry *engine, struct fy_lane *lane);
/* Posters put their lane where the helm finds it. */
void fy_own_lane_list(ferry *engine, struct fy_lane *lane);

#endif
