/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"
#include "port/port.h"
#include "wire/header.h"

struct fy_link;

/* Free batches, for the next use. */
struct fy_pool {
	struct fy_batch *first;
	unsigned n;
	bool starved; /* there was no memory when a batch was wanted last */
};

struct fy_batch {
	struct fy_batch *next;
	fy_request request;
	uint32_t fill; /* bytes, header included */
	uint32_t nrecords;
	uint32_t flags;
	bool charged;   /* its FY_BATCH_CHARGE was spent */
	uint64_t spent; /* once closed: credit spent by this batch and all before it */
	int64_t opened; /* the step in which it got its first record, ns */
	FY_ALIGNED char bytes[FY_BATCH_BYTES];
};
struct fy_batch *fy_batch_get(struct fy_link *link);
void fy_batch_put(struct fy_link *link, struct fy_batch *b);
void fy_batch_drop_all(struct fy_link *link, struct fy_batch **list);
