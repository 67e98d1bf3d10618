/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fy_inbound;
struct fy_bulk;

/* Large messages that have memory. */
struct fy_landing {
	struct fy_inbound *first, *last; /* in the order of their turns */
	size_t bytes;                    /* of chunks whose receives are posted and not done */
	/* when the last receives of chunks were posted, and how long that took; ns */
	int64_t landed_at, took;
	uint64_t small_seen; /* how many other records had come by then */
};

void fy_landing_add(struct fy_bulk *bulk, struct fy_inbound *in);
void fy_landing_step(struct fy_bulk *bulk);
/* Cancel the receives of chunks that do not come, as the sender said (in->cut). */
void fy_landing_cancel_lost(struct fy_bulk *bulk, struct fy_inbound *in);
