/* SPDX-License-Identifier: Apache-2.0 */
/* ferry_sendrecv: a receive and a send that are one future. */
#ifndef FY_MPI_SENDRECV_H
#define FY_MPI_SENDRECV_H

#include <mpi.h>
#include <stdbool.h>

#include "ferry.h"

struct fy_mpi_starts;
struct fy_start;

/* What a record of FY_START_SENDRECV points to, beside the receive that stands in the record;
 * malloc'd by the thread that posts, and freed by the helm when both are over. */
struct fy_sendrecv {
	const void *buffer;
	MPI_Datatype type;
	int count, dest, tag;
	/* the helm's: */
	MPI_Comm comm; /* where a receive that fails is raised */
	ferry_future *future;
	unsigned open; /* requests under way */
	int code;      /* of the first that failed */
	int cancelled; /* the receive was */
	bool never, has_status;
	MPI_Status status;
};

/* False: no memory, nothing happened. */
bool fy_sendrecv_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future);

#endif
