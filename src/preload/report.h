/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the layer did, on request (FERRY_PRELOAD_REPORT=1): a line of each rank at MPI_Finalize.
 */
#pragma once

#include <stdint.h>

struct fy_preload_report {
	/* the holder's: operations that were started at once, and polls that were finished by the
	 * thread that waited, and by another one */
	uint64_t at_once, own, others;
	/* calls that passed by when threads shared MPI: atomic add by their threads */
	uint64_t passed;
};
extern struct fy_preload_report fy_preload_report;

/* At MPI_Finalize, before MPI ends. `lanes`: operations that waited in lanes. */
void fy_preload_report_print(uint64_t straight, uint64_t lanes);
