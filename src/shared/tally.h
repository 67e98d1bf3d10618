/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_TALLY_H
#define FY_SHARED_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

/* Received messages of one op, for what people are told. One an op; lives as long as the
 * engine struct. */
struct fy_tally {
	struct fy_tally *next;
	uint32_t op; /* constant; FERRY_ANY_OP: all those for which there is no other */
	bool told;   /* the helm's: that nobody takes them */
	uint64_t n_received,
		n_requests; /* the helm's: messages that were kept, and requests among them */
	uint64_t unread;    /* the helm's, while it counts */
	/* of these were freed: atomic add by whoever frees, read by the helm */
	uint64_t freed, answered;
};
#define FY_TALLIES 64u

/* Received messages by op, for what people are told; the helm's, freed with the struct. */
struct fy_tallies {
	struct fy_tally *of[FY_TALLIES]; /* likewise, by hash of the op */
	uint32_t n;                      /* the helm's */
};

/* The helm: from here on this received message is counted by its op, until it is freed. */
void fy_tally_keep(ferry *engine, ferry_message *message);
void fy_tally_free_all(ferry *engine);

#endif
