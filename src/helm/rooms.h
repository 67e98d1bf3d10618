/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_progress;

/* Waits for room. */
struct fy_rooms {
	ferry_future *first; /* of ferry_room; future->id is the rank */
};

void fy_rooms_step(struct fy_progress *p);
/* Once a step, while long bodies were released of which posters were not told. */
void fy_rooms_tell_freed(struct fy_progress *p);
