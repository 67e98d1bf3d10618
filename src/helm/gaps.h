/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;
struct fy_slot;

/* The batch of a peer that was missing at the last look. */
struct fy_gap {
	bool seen;   /* there was one: `at` was missing, and a later batch was there */
	uint32_t at; /* its number */
};

/* Receives that failed, and when to look for gaps. */
struct fy_gaps {
	unsigned n_failed; /* receives that ended with an error */
	int64_t look_at;   /* when (ns) to look next */
};

void fy_gaps_suspect(struct fy_progress *p, const struct fy_slot *slot);
void fy_gaps_doubt(struct fy_progress *p);
/* After receives that failed: is a batch missing? */
void fy_gaps_look(struct fy_progress *p);
