/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_DRAIN_H
#define FY_HELM_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;

/* How the last drain ended. */
struct fy_drain {
	/* a lane kept a record in the last step because there was no room for it */
	bool broke_off;
	bool a_lane_floods; /* likewise: a lane's producer slept because there was no room in it */
	int64_t awaited_at; /* when an answer was last waited for, as far as the drain saw it */
};

void fy_drain_step(struct fy_progress *p);

#endif
