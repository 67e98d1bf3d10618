/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that the program starts through the engine: the record that
 * ferry_mpi.h writes into a lane, and what the helm keeps of them.
 */
#ifndef FY_MPI_START_H
#define FY_MPI_START_H

#include "ferry_mpi.h"
#include "mpi_probe.h"
#include "mpi_requests.h"
#include "progress.h"

struct fy_sendrecv;

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

struct fy_deferred;
struct fy_start_check;
struct gather;

/* The helm's: what p->starts points to, over MPI. */
struct fy_mpi_starts {
	struct fy_starts starts; /* first */
	struct fy_requests requests;
	struct fy_probes probes;
	MPI_Comm program, collectives;
	struct fy_deferred *spare;
	unsigned n_spare;
	/* collectives for which there was no memory, and all behind them */
	struct fy_deferred *stalled, *stalled_last;
	struct gather *unsent; /* that may send, and had no memory for the request */
	size_t n_stalled, n_unsent;
	size_t n_deferred; /* wait among the inline work; whatever comes behind them does so, too */
	uint32_t given_up; /* engine->starts_given_up, as far as looked after */
	bool ending;
	unsigned n_refused;     /* by MPI, one after the other */
	uint32_t n_collectives; /* begun; the same on all ranks */
	uint32_t n_compared;    /* given to comparison, likewise */
	struct fy_start_check *checks, *checks_last;
	size_t n_checks;
};

static inline struct fy_mpi_starts *fy_mpi_starts_of(struct fy_progress *p)
{
	return (struct fy_mpi_starts *)(void *)p->starts;
}

extern const struct fy_start_ops fy_mpi_starts;

/* The call's name in texts. */
const char *fy_start_name(uint32_t what);
/* The future of an operation ends, and its reference is dropped; future NULL: failures go into the
 * log. `mpi`: the status to be kept of one that went well, or NULL: an empty one. `code`: MPI's,
 * or MPI_SUCCESS. */
void fy_start_complete(struct fy_progress *p, ferry_future *future, uint32_t what,
                       const MPI_Status *mpi, int code);
void fy_start_fail(struct fy_progress *p, ferry_future *future, uint32_t what, int status,
                   const char *detail);
/* Is it still wanted? Otherwise its future has been completed already. */
bool fy_start_depart(struct fy_progress *p, ferry_future *future, uint32_t what);
/* A receive from MPI_PROC_NULL: its request is over, and this is its status. MPI's code. */
int fy_start_from_nobody(MPI_Request *request, MPI_Status *status);
/* The future keeps this status: between claim and finish. */
void fy_start_keep_status(ferry_future *future, const MPI_Status *mpi);

#endif
