/* SPDX-License-Identifier: Apache-2.0 */
/* The option stats: statistics over all ranks when an engine ends. Only the thread that ends it. */
#pragma once

#include "ferry.h"
#include "engine/census.h"

struct fy_statistics {
	const char *where; /* the option; NULL: nothing is to be done */
	int root;          /* who writes; FERRY_NONE: this rank writes its own */
	int64_t patience;  /* ns, for the others */
	uint64_t *members; /* who takes part */
	const char *alone; /* why this rank writes its own, if it does */
	struct fy_census_row row;
};

/* While it is still known which ranks are there, and what is held. */
void fy_statistics_begin(struct fy_statistics *s, ferry *e);
/* With the last counters in e->totals. Waits for the other ranks, in bounded time. */
void fy_statistics_end(struct fy_statistics *s, ferry *e, fy_port *port);
