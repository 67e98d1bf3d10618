/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_MPI_START_H
#define FY_MPI_START_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry_mpi.h"

struct fy_mpi_starts;
struct fy_sendrecv;

/* What a program may start. */
enum {
	FY_START_FN,
	FY_START_RUN,
	FY_START_SEND,
	FY_START_RECV,
	FY_START_SENDRECV,
	FY_START_PROBE,
	FY_START_MATCHED, /* ferry_imrecv */
	FY_START_BARRIER, /* the collectives from here on */
	FY_START_BCAST,
	FY_START_REDUCE,
	FY_START_ALLREDUCE,
	FY_START_GATHER,
};

/* The body of a FY_OP_START record. */
struct fy_start {
	uint32_t what;
	int count, peer, tag; /* peer: also the root */
	union {
		struct {
			ferry_start_fn *start;
			ferry_run_fn *run;
			void *arg;
			ferry_release_fn *release;
		} fn;
		struct {
			void *buffer;
			MPI_Datatype type;
			MPI_Comm comm;
			struct fy_sendrecv *more; /* of a sendrecv: its sending half */
		} message;
		struct {
			MPI_Message *place;
			MPI_Comm comm;
		} probe;
		struct {
			void *buffer;
			MPI_Datatype type;
			MPI_Message message;
		} matched;
		struct {
			const void *from;
			void *to;
			MPI_Datatype type;
			MPI_Op op;
			size_t nbytes; /* of a gather */
		} collective;
	};
};
bool fy_start_again(struct fy_mpi_starts *s, int code);

/* The call's name in texts. */
const char *fy_start_name(uint32_t what);
/* The future of an operation ends, and its reference is dropped; future NULL: failures go into the
 * log. `mpi`: the status to be kept of one that went well, or NULL: an empty one. `code`: MPI's,
 * or MPI_SUCCESS. */
void fy_start_complete(ferry *engine, ferry_future *future, uint32_t what, const MPI_Status *mpi,
                       int code);
void fy_start_fail(ferry *engine, ferry_future *future, uint32_t what, int status,
                   const char *detail);
/* Is it still wanted? Otherwise its future has been completed already. */
bool fy_start_depart(ferry *engine, ferry_future *future, uint32_t what);
/* A receive from MPI_PROC_NULL: its request is over, and this is its status. MPI's code. */
int fy_start_from_nobody(MPI_Request *request, MPI_Status *status);
/* The future keeps this status: between claim and finish. */
void fy_start_keep_status(ferry_future *future, const MPI_Status *mpi);

#endif
