/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the layer did, on request (FERRY_PRELOAD_REPORT=1): a line of each rank at MPI_Finalize.
 */
#pragma once

#include <stdint.h>

struct fy_preload_report {
	/* the holder's: nonblocking operations that were started at once, and polls that were
	 * finished by the thread that waited, and by another one */
	uint64_t at_once, own, others;
	/* calls that passed by when threads shared MPI: atomic add by their threads */
	uint64_t passed;
};
extern struct fy_preload_report fy_preload_report;

/* MPI has been initialized. Before any other thread knows of the layer. */
void fy_preload_report_begin(void);
/* At MPI_Finalize, or when the process exits without it: then its threads may go on, and the
 * figures are what is seen of them. `lanes`: operations that waited in lanes. `how`: the end of the
 * line. */
void fy_preload_report_print(uint64_t straight, uint64_t lanes, const char *how);
