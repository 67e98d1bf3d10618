/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct fy_slot;
struct fy_progress;

/* Batches that came and are not dispatched. */
struct fy_arrivals {
	unsigned n_undispatched; /* how many are early, paused or homeless */
	/* batches of ranks for whose channel there was no memory; tried again in each step */
	struct fy_slot *homeless;
};

bool fy_arrivals_look(struct fy_progress *p);
void fy_arrivals_paused(struct fy_progress *p);
