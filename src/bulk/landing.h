/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BULK_LANDING_H
#define FY_BULK_LANDING_H

#include <stddef.h>
#include <stdint.h>

struct fy_inbound;
struct fy_bulk;

/* Large messages that have memory and take turns, and how long that took. */
struct fy_landing {
	struct fy_inbound *first, *last; /* receives are posted; they take turns */
	size_t bytes;                    /* in chunks that were posted and did not come yet */
	/* when the last chunk was asked for, and how long that took */
	int64_t landed_at, took;
	uint64_t small_seen; /* other records that had come by landed_at */
};

void fy_landing_add(struct fy_bulk *bulk, struct fy_inbound *in);
void fy_landing_step(struct fy_bulk *bulk);
/* What the sender said does not come. */
void fy_landing_cancel_lost(struct fy_bulk *bulk, struct fy_inbound *in);

#endif
