/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_GAPS_H
#define FY_HELM_GAPS_H

#include <stdbool.h>
#include <stdint.h>

struct fy_progress;
struct fy_slot;

/* The number of the batch that was missing at the last look, if one was. */
struct fy_gap {
	bool seen; /* `at` was missing, and a later one was there */
	uint32_t at;
};

/* Receives that failed, and when to look for what was in them. */
struct fy_gaps {
	unsigned n_failed; /* of them ended with an error, so that what came may be lost */
	int64_t look_at;   /* then the next look for batches that are missing */
};

void fy_gaps_suspect(struct fy_progress *p, const struct fy_slot *slot);
/* After receives that failed: is a batch missing? */
void fy_gaps_look(struct fy_progress *p);

#endif
