/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that the program starts through the engine: the record that
 * ferry_mpi.h writes into a lane, and what the helm keeps of them.
 */
#ifndef FY_MPI_STARTS_H
#define FY_MPI_STARTS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpi/probes.h"
#include "mpi/requests.h"
#include "port/port.h"
#include "port/starts.h"

struct fy_comparison;
struct fy_deferred;
struct fy_gather;

/* The helm's: what its struct fy_starts is, over MPI. */
struct fy_mpi_starts {
	struct fy_starts starts; /* first */
	struct fy_requests requests;
	struct fy_probes probes;
	MPI_Comm program, collectives;
	int tag_max; /* the port's */
	struct fy_deferred *spare;
	unsigned n_spare;
	/* collectives for which there was no memory, and all behind them */
	struct fy_deferred *without_memory, *without_memory_last;
	struct fy_gather *unsent; /* that may send, and had no memory for the request */
	size_t n_without_memory, n_unsent;
	size_t n_deferred; /* wait among the inline work; whatever comes behind them does so, too */
	uint32_t given_up; /* engine->told.starts_given_up, as far as looked after */
	bool ending;
	unsigned n_failed_starts; /* by MPI, one after the other */
	uint32_t n_collectives;   /* begun; the same on all ranks */
	uint32_t n_compared;      /* given to comparison, likewise */
	struct fy_comparison *checks, *checks_last;
	size_t n_checks;
};

static inline struct fy_mpi_starts *fy_mpi_starts_of(struct fy_starts *starts)
{
	return (struct fy_mpi_starts *)(void *)starts;
}

/* For an engine over this port. NULL: no memory, with a sentence. */
struct fy_starts *fy_mpi_starts_new(const fy_port *port);

#endif
