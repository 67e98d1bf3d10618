/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the layer: the thread that initializes MPI, and the one that ends it. */
#include "preload/report.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "preload/next.h"

struct fy_preload_report fy_preload_report;

/* Noted early: a process that exits without MPI_Finalize calls nothing of MPI any more. */
static int rank = -1;

void fy_preload_report_begin(void)
{
	fy_next.Comm_rank(MPI_COMM_WORLD, &rank);
}

void fy_preload_report_print(uint64_t straight, uint64_t lanes, const char *how)
{
	const struct fy_preload_report *r = &fy_preload_report;
	const char *asked = getenv("FERRY_PRELOAD_REPORT");
	if (!asked || strcmp(asked, "1") != 0)
		return;
	fprintf(stderr,
	        "ferry-preload: rank %d: %" PRIu64
	        " calls before a second thread came; then %" PRIu64
	        " nonblocking operations started at once and %" PRIu64 " from lanes, %" PRIu64
	        " waits and tests by the thread itself and %" PRIu64 " by another one; %" PRIu64
	        " calls passed by%s\n",
	        rank, straight, r->at_once, lanes, r->own, r->others,
	        fy_load_relaxed_64(&r->passed), how);
}
