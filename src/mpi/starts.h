/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that the program starts through the engine: what the helm keeps of them.
 * Everything here is the helm's.
 */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpi/neighbours.h"
#include "mpi/probes.h"
#include "mpi/requests.h"
#include "port/port.h"
#include "port/starts.h"

struct fy_comparison;
struct fy_deferred;
struct fy_gather;

/* What struct fy_starts is over MPI. */
struct fy_mpi_starts {
	struct fy_starts starts; /* first */
	struct fy_requests requests;
	struct fy_probes probes;
	struct fy_neighbours neighbours;
	MPI_Comm program, collectives;
	int tag_max; /* the port's */
	struct fy_deferred *spare;
	unsigned n_spare;
	/* collectives for which there was no memory, and all starts behind them */
	struct fy_deferred *without_memory, *without_memory_last;
	struct fy_gather *unsent; /* gathers that may send, and had no memory for the request */
	size_t n_without_memory, n_unsent;
	size_t n_deferred; /* starts in the list of inline work; later starts go there, too */
	uint32_t given_up; /* engine->told.starts_given_up when it was looked at last */
	bool ending;
	unsigned n_failed_starts; /* failed tries to start a collective, in a row */
	uint32_t n_collectives;   /* how many were begun; the same on all ranks */
	uint32_t n_compared;      /* how many were to be compared; the same on all ranks */
	struct fy_comparison *checks, *checks_last;
	size_t n_checks;
};

static inline struct fy_mpi_starts *fy_mpi_starts_of(struct fy_starts *starts)
{
	return (struct fy_mpi_starts *)(void *)starts;
}

/* The starts of an engine over this port. NULL: no memory, with a sentence. */
struct fy_starts *fy_mpi_starts_new(fy_port *port);
