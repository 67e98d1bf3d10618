/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

/* Counts of received messages of one op, for reports to people. Lives as long as the engine
 * struct. */
struct fy_tally {
	struct fy_tally *next;
	uint32_t op; /* constant; FERRY_ANY_OP: all those for which there is no other */
	bool told;   /* the helm's: it has reported that nobody takes them */
	uint64_t n_received, n_requests; /* the helm's: messages so far, and requests among them */
	uint64_t unread;                 /* the helm's, for use while it counts */
	/* how many of `n_received` and of `n_requests` were freed: atomic add by any thread that
	 * frees, read by the helm */
	uint64_t freed, answered;
};
#define FY_TALLIES 64u

/* All tallies of an engine; the helm's, freed with the engine struct. */
struct fy_tallies {
	struct fy_tally *of[FY_TALLIES]; /* by hash of the op */
	uint32_t n;
};

/* The helm: count this received message under its op until it is freed. */
void fy_tally_keep(ferry *engine, ferry_message *message);
void fy_tally_free_all(ferry *engine);
