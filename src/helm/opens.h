/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "monitor/format.h"

struct fy_progress;

/* The oldest open operations, and how many there are. */
struct fy_opens {
	unsigned n;
	uint64_t all;
	struct fy_monitor_open *list; /* of FY_MONITOR_N_OPEN; the oldest first */
};

/* Find them, into this list. */
void fy_opens_find(struct fy_progress *p, struct fy_opens *opens);
