/* SPDX-License-Identifier: Apache-2.0 */
/* The report of the layer: the thread that ends MPI. */
#include "preload/report.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "preload/next.h"

struct fy_preload_report fy_preload_report;

void fy_preload_report_print(uint64_t straight, uint64_t lanes)
{
	const struct fy_preload_report *r = &fy_preload_report;
	const char *asked = getenv("FERRY_PRELOAD_REPORT");
	int rank = -1;
	if (!asked || strcmp(asked, "1") != 0)
		return;
	fy_next.Comm_rank(MPI_COMM_WORLD, &rank);
	fprintf(stderr,
	        "ferry-preload: rank %d: %" PRIu64
	        " calls before a second thread came; then %" PRIu64
	        " operations started at once and %" PRIu64 " from lanes, %" PRIu64
	        " waits and tests by the thread itself and %" PRIu64 " by another one; %" PRIu64
	        " calls passed by\n",
	        rank, straight, r->at_once, lanes, r->own, r->others,
	        fy_load_relaxed_64(&r->passed));
}
