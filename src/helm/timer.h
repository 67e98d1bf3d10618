/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;

/* Deadlines of futures. */
struct fy_timers {
	struct fy_timer *heap; /* the earliest first */
	size_t n, capacity;
};

struct fy_timer {
	int64_t when;         /* monotonic ns */
	ferry_future *future; /* with a reference */
};

int fy_timer_add(struct fy_progress *p, int64_t when, ferry_future *future);
void fy_timer_run(struct fy_progress *p);
void fy_timer_free(struct fy_progress *p);
