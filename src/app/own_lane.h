/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

struct fy_lane;

/* This thread's lane, made at the first call. NULL: no memory, or the engine has ended. */
struct fy_lane *fy_own_lane(ferry *engine);
/* A lane for a virtual thread, in simulations. */
struct fy_lane *fy_own_lane_create(ferry *engine);
/* The engine has stopped: wait until it has looked at the lanes for the last time. If it did not
 * know this lane, give back the engine's reference of it. */
void fy_own_lane_orphaned(ferry *engine, struct fy_lane *lane);
/* The lane's thread exits, in two steps. The first says that no record will come any more; the helm
 * may notice that at once. The second wakes the helm, or does the engine's part if it has stopped.
 * The helm, a close or this thread may give back the engine's reference, whichever comes first. */
void fy_own_lane_leaves(ferry *engine, struct fy_lane *lane);
void fy_own_lane_left(ferry *engine, struct fy_lane *lane);
/* Put the lane into the helm's inbox, unless the helm looks at it already. */
void fy_own_lane_list(ferry *engine, struct fy_lane *lane);
