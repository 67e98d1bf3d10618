/* SPDX-License-Identifier: Apache-2.0 */
/* ferry_sendrecv: a receive and a send that are one future. */
#pragma once

#include <mpi.h>
#include <stdbool.h>

#include "ferry.h"

struct fy_mpi_starts;
struct fy_start;

/* The sending half of a sendrecv. The record has the receiving half, and points here. Allocated by
 * the thread that posts, freed by the helm when both halves are over. */
struct fy_sendrecv {
	const void *buffer;
	MPI_Datatype type;
	int count, dest, tag;
	/* the helm's: */
	MPI_Comm comm; /* whose error handler is called if the receive fails */
	ferry_future *future;
	unsigned open; /* requests under way */
	int code;      /* of the first that failed */
	int cancelled; /* the receive was cancelled */
	bool never, has_status;
	MPI_Status status;
};

/* Begin both halves. False: no memory, and nothing happened. */
bool fy_sendrecv_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future);
