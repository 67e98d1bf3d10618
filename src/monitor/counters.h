/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of a monitor file, in their order: the members of ferry_stats, in theirs. */
#pragma once

#include "ferry.h"

/* clang-format 14 makes a staircase of it, another one each time. */
/* clang-format off */
#define FY_MONITOR_COUNTER_MAP(X) \
	X(posts) X(calls) X(delivered) X(handled) X(batches_sent) X(batches_received) \
	X(bytes_sent) X(bytes_received) X(lane_full) X(channel_full) X(credit_out) \
	X(grants_waited) X(refused) X(dropped) X(late_replies) X(malformed) X(sleeps) \
	X(wakes) X(steps) X(lends) X(memory_held) X(kept) X(mpi_errors)
/* clang-format on */

enum fy_monitor_counter {
#define FY_MONITOR_COUNTER(name) FY_MONITOR_COUNTER_##name,
	FY_MONITOR_COUNTER_MAP(FY_MONITOR_COUNTER)
#undef FY_MONITOR_COUNTER
		FY_MONITOR_COUNTERS_NAMED
};
_Static_assert(sizeof(ferry_stats) == sizeof(size_t) + 8 * FY_MONITOR_COUNTERS_NAMED,
               "all of ferry_stats are counters");
