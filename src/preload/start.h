/* SPDX-License-Identifier: Apache-2.0 */
/* The start of one operation of point-to-point communication: which one, and its arguments. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "preload/next.h"

enum fy_preload_kind {
	FY_PRELOAD_SEND,
	FY_PRELOAD_BSEND,
	FY_PRELOAD_SSEND,
	FY_PRELOAD_RSEND,
	FY_PRELOAD_RECV,
	FY_PRELOAD_MRECV
};

struct fy_preload_start {
	void *buffer; /* of a send: only read */
	MPI_Count count;
	MPI_Datatype type;
	int peer, tag;
	MPI_Comm comm;
	MPI_Message message; /* of FY_PRELOAD_MRECV, instead of peer, tag and comm */
	uint8_t kind;
	bool large; /* the function with a count of MPI_Count was called */
};

/* Call MPI's nonblocking function. Its code. */
int fy_preload_start(struct fy_preload_start *a, MPI_Request *request);
/* Is nothing of it seen to be wrong? If something is, MPI has to be called by the thread that
 * called, so that its error is raised there. */
bool fy_preload_start_looks_right(const struct fy_preload_start *a);
