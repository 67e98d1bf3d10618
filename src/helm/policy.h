/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_progress;

#define FY_SLEEP_AWAITED FERRY_US(50) /* an answer from another host is awaited */

/* How long a record without room stays in its lane, before it moves to its channel's queue. */
#define FY_SLOW_AFTER FERRY_MS(1)

/* What the policy looks at and has chosen. All times in ns. */
struct fy_pace {
	/* how long the loop spins before it yields, and yields before it sleeps */
	int64_t spin, yield;
	/* how long a driver goes on while chunks are under way and nothing else happens */
	int64_t drive_busy;
	int64_t idle_sleep; /* grows while nothing happens */
	bool napped;        /* no thread drove during the last sleep */
	int64_t rung_at;    /* when a rank of this host last rang; 0: its message was found */
};

static inline int64_t fy_policy_at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
bool fy_policy_is_under_way(const struct fy_progress *p);
void fy_policy_set_patience(struct fy_progress *p);
/* How long (ns) may the loop sleep before it has to look at the network again? */
int64_t fy_policy_sleep_time(struct fy_progress *p);
