/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bells of ranks that the program's own messages go to: found in any communicator, in its own
 * order of ranks. One that is not kept is rung only when it has replaced another.
 */
#include <mpi.h>

#include <stdbool.h>
#include <stdint.h>

#include "support/mpi_test.h"

#include "mpi/bells.h"
#include "mpi/life.h"
#include "mpi/neighbours.h"
#include "mpi/port.h"
#include "port/port.h"

static struct fy_neighbours neighbours;

/* Does a message to that rank of the communicator ring the bell of `rank`? As if that one slept. */
static bool rings(MPI_Comm comm, int to, int rank)
{
	uint32_t *word = fy_bells_word(&neighbours.port->bells, rank);
	CHECK(word != NULL);
	*word = 1;
	fy_neighbours_ring(&neighbours, comm, to);
	bool rung = !(*word & 1);
	*word = 0;
	return rung;
}

static void look_at_one(MPI_Comm world, int rank)
{
	MPI_Comm turned;
	CHECK(rings(world, 1, 1));
	CHECK(!rings(world, 0, 1));
	CHECK(!rings(world, MPI_PROC_NULL, 1));
	CHECK(!rings(world, 2, 1));
	CHECK(!rings(world, 0, 0)); /* itself */
	MPI_Comm_split(world, 0, -rank, &turned);
	CHECK(rings(turned, 0, 1));
	CHECK(!rings(turned, 1, 1));
	MPI_Comm_free(&turned);
	CHECK(rings(world, 1, 1)); /* both are kept */
}

/* More communicators than are kept: each is rung in the end, and those that are kept at once. */
static void look_at_many(MPI_Comm world)
{
	MPI_Comm comms[FY_NEIGHBOURS + 1];
	for (int i = 0; i <= FY_NEIGHBOURS; i++)
		MPI_Comm_dup(world, &comms[i]);
	fy_neighbours_free(&neighbours);
	for (int i = 0; i < FY_NEIGHBOURS; i++)
		CHECK(rings(comms[i], 1, 1));
	int sends = 1;
	while (!rings(comms[FY_NEIGHBOURS], 1, 1) && sends < 1000)
		sends++;
	CHECK(sends > 1 && sends < 1000);
	CHECK(rings(comms[FY_NEIGHBOURS], 1, 1));
	CHECK(!rings(comms[0], 1, 1)); /* replaced */
	CHECK(rings(comms[1], 1, 1));
	for (int i = 0; i <= FY_NEIGHBOURS; i++)
		MPI_Comm_free(&comms[i]);
}

static void look_at_all(fy_port *port)
{
	MPI_Comm world, turned;
	neighbours.port = fy_mpi_port_of(port);
	MPI_Comm_dup(MPI_COMM_WORLD, &world);
	MPI_Barrier(world);
	if (port->rank == 0)
		look_at_one(world, 0);
	else
		MPI_Comm_split(world, 0, -1, &turned), MPI_Comm_free(&turned);
	for (int i = 0; port->rank == 1 && i <= FY_NEIGHBOURS; i++) {
		MPI_Comm_dup(world, &turned);
		MPI_Comm_free(&turned);
	}
	if (port->rank == 0)
		look_at_many(world);
	MPI_Barrier(world);
	MPI_Comm_free(&world);
	fy_neighbours_free(&neighbours);
}

int main(void)
{
	fy_port *port;
	CHECK_OK(fy_mpi_port_open(NULL, FERRY_THREAD_MULTIPLE, false, &port));
	bool all_local = port->all_local;
	if (all_local)
		look_at_all(port);
	CHECK_OK(port->ops->close(port, true));
	CHECK_OK(fy_mpi_life_finish(FERRY_FOREVER));
	if (!all_local)
		CHECK_SKIP("the ranks share no memory");
	return 0;
}
