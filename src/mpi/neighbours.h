/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bells of ranks that the program's own messages go to. Such a message may be for a receive
 * that its rank's engine waits for, which sleeps until it is rung. The ranks of the communicators
 * that the program used last are kept with their bells. All of it is a hint: a rank that is not
 * rung finds the message at its next look, and one that is rung for nothing looks once more.
 * Everything here is the helm's.
 */
#pragma once

#include <mpi.h>
#include <stdint.h>

struct fy_mpi_port;

enum { FY_NEIGHBOURS = 4 }; /* communicators */

struct fy_neighbours {
	const struct fy_mpi_port *port;
	struct fy_neighbourhood {
		MPI_Comm comm;
		int n;            /* its size, or that of the other group; 0: not used */
		uint32_t **bells; /* by rank: its bell, or NULL */
	} kept[FY_NEIGHBOURS];
	unsigned oldest; /* the one that is replaced next */
	unsigned misses; /* sends on other communicators, since the last one was replaced */
};

/* A message was sent to that rank of the communicator. */
void fy_neighbours_ring(struct fy_neighbours *neighbours, MPI_Comm comm, int rank);
void fy_neighbours_free(struct fy_neighbours *neighbours);
