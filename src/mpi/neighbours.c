/* SPDX-License-Identifier: Apache-2.0 */
/* The bells of ranks that the program's own messages go to. Everything here is the helm's. */
#include "mpi/neighbours.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "mpi/bells.h"
#include "mpi/port.h"
#include "shared/wake.h"

/* To find a communicator's ranks takes time. One that is not kept replaces another only after so
 * many sends to such ones. */
#define MISSES_MAX 256

/* The group that a message goes to: of an intercommunicator the other one. */
static int receivers_of(MPI_Comm comm, MPI_Group *group)
{
	int inter = 0, code = MPI_Comm_test_inter(comm, &inter);
	if (code != MPI_SUCCESS)
		return code;
	return inter ? MPI_Comm_remote_group(comm, group) : MPI_Comm_group(comm, group);
}

static bool find_bells(const struct fy_mpi_port *port, MPI_Group group, int n, uint32_t **bells)
{
	int *ranks = malloc(2 * (size_t)n * sizeof *ranks);
	if (!ranks)
		return false;
	for (int i = 0; i < n; i++)
		ranks[i] = i;
	for (int i = 0; i < n; i++)
		ranks[n + i] = MPI_UNDEFINED;
	bool ok = fy_bells_translate(port->comm, group, n, ranks, ranks + n) == MPI_SUCCESS;
	for (int i = 0; i < n && ok; i++) /* MPI_UNDEFINED has no word, nor has this rank */
		bells[i] = ranks[n + i] == port->port.rank
		                   ? NULL
		                   : fy_bells_word(&port->bells, ranks[n + i]);
	free(ranks);
	return ok;
}

/* One that cannot be looked at is kept, too, without bells. */
static void keep(const struct fy_mpi_port *port, struct fy_neighbourhood *it, MPI_Comm comm)
{
	MPI_Group group;
	int n = 0;
	free(it->bells);
	*it = (struct fy_neighbourhood){ .comm = comm, .n = 1 };
	if (receivers_of(comm, &group) != MPI_SUCCESS)
		return;
	MPI_Group_size(group, &n);
	it->bells = n > 0 ? calloc((size_t)n, sizeof *it->bells) : NULL;
	if (it->bells)
		it->n = n;
	if (it->bells && !find_bells(port, group, n, it->bells)) {
		free(it->bells);
		it->bells = NULL;
	}
	MPI_Group_free(&group);
}

/* NULL: it is not kept. */
static const struct fy_neighbourhood *look_up(struct fy_neighbours *neighbours, MPI_Comm comm)
{
	struct fy_neighbourhood *it = neighbours->kept;
	while (it < neighbours->kept + FY_NEIGHBOURS && it->n) {
		if (it->comm == comm)
			return it;
		it++;
	}
	if (it == neighbours->kept + FY_NEIGHBOURS) {
		if (++neighbours->misses < MISSES_MAX)
			return NULL;
		neighbours->misses = 0;
		it = &neighbours->kept[neighbours->oldest++ % FY_NEIGHBOURS];
	}
	keep(neighbours->port, it, comm);
	return it;
}

void fy_neighbours_ring(struct fy_neighbours *neighbours, MPI_Comm comm, int rank)
{
	if (neighbours->port->bells.here < 2)
		return;
	const struct fy_neighbourhood *it = look_up(neighbours, comm);
	if (it && it->bells && rank >= 0 && rank < it->n && it->bells[rank])
		fy_wake_ring(it->bells[rank]);
}

void fy_neighbours_free(struct fy_neighbours *neighbours)
{
	for (int i = 0; i < FY_NEIGHBOURS; i++)
		free(neighbours->kept[i].bells);
	*neighbours = (struct fy_neighbours){ .port = neighbours->port };
}
