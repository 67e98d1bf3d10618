/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

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
	FY_START_BARRIER, /* from here on: collectives */
	FY_START_BCAST,
	FY_START_REDUCE,
	FY_START_ALLREDUCE,
	FY_START_GATHER,
};

/* The body of a FY_OP_START record. */
struct fy_start {
	uint32_t what;
	int count, peer, tag; /* peer: of a collective the root */
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
/* Is a call that returned `code` to be made once more, at once? *tries begins at 0. */
bool fy_start_at_once_again(struct fy_mpi_starts *s, int code, unsigned *tries);
/* A call that another rank waits for, made until it is well or was tried often enough: its code. */
#define FY_START_PERSIST(s, call)                                  \
	({                                                         \
		unsigned tries_ = 0;                               \
		int code_;                                         \
		do                                                 \
			code_ = (call);                            \
		while (fy_start_at_once_again(s, code_, &tries_)); \
		code_;                                             \
	})

/* The name of the function, for texts. */
const char *fy_start_name(uint32_t what);
/* Complete the future of an operation, and drop its reference. Future NULL: failures go into the
 * log. `mpi`: the status that a success keeps; NULL: an empty one. `code`: MPI's, or
 * MPI_SUCCESS. */
void fy_start_complete(struct fy_mpi_starts *s, ferry_future *future, uint32_t what,
                       const MPI_Status *mpi, int code);
void fy_start_fail(struct fy_mpi_starts *s, ferry_future *future, uint32_t what, int status,
                   const char *detail);
/* The engine was closed before. */
void fy_start_too_late(struct fy_mpi_starts *s, ferry_future *future, uint32_t what);
/* Is the operation still wanted? If not, its future is complete. */
bool fy_start_depart(struct fy_mpi_starts *s, ferry_future *future, uint32_t what);
/* End the request of a receive from MPI_PROC_NULL, and set its status. MPI's code. */
int fy_start_from_nobody(MPI_Request *request, MPI_Status *status);
/* Keep this status in the future, between claim and finish. NULL: an empty one. */
void fy_start_keep_status(ferry_future *future, const MPI_Status *mpi);
