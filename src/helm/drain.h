/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;

/* How the last drain ended. */
struct fy_drain {
	bool broke_off;     /* a record stayed in its lane because its channel had no room */
	bool a_lane_floods; /* a lane's producer slept because the lane was full */
	int64_t awaited_at; /* when (ns) the drain last saw that an answer was waited for */
};

void fy_drain_step(struct fy_progress *p);
