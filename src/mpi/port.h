/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI as a port, and MPI's life in this process. No header of MPI is needed
 * here: a communicator is passed by its address.
 *
 * The life, as the thread that opens a port sees it:
 *
 *   fy_port_mpi_open()      initializes MPI when nobody has, else adopts it
 *   ...
 *   port->ops->close()
 *   if (fy_mpi_owned())     true on the thread that initialized it
 *           fy_mpi_finish() waits until no port is open in the process, finalizes
 *
 * and whoever closes the last engine from another thread calls
 * fy_mpi_wait_finished(), so that MPI is finalized when ferry_close returns.
 */
#ifndef FY_MPI_PORT_H
#define FY_MPI_PORT_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "mpi/bells.h"
#include "port/port.h"

/* What a rank says about its open; goes from one to all as it is. */
struct fy_mpi_word {
	int32_t status;
	char text[FY_SENTENCE];
};

struct fy_mpi_port {
	fy_port port; /* first: a port is cast to it */
	MPI_Comm comm;
	MPI_Comm program;     /* for ferry_mpi.h */
	MPI_Comm collectives; /* likewise */
	struct fy_bells bells;
	unsigned looks;
	struct fy_mpi_word word; /* of this rank */
	MPI_Request asked;       /* for the lowest rank that failed: between offer and settle */
	int asked_code, mine, lowest;
};

static inline struct fy_mpi_port *fy_mpi_port_of(fy_port *port)
{
	return (struct fy_mpi_port *)port;
}

/*
 * Open a port on a duplicate of *(MPI_Comm *)comm, or of MPI_COMM_WORLD when
 * `comm` is NULL. Collective, blocks until all ranks have come. `level`:
 * FERRY_THREAD_*, what MPI is asked for when it is to be initialized. `exclusive`: nobody
 * else calls MPI in this process.
 * FERRY_EINVAL for an intercommunicator, FERRY_ETHREAD when MPI was initialized
 * at too low a level, FERRY_ENOTSUP when it was finalized, FERRY_EMPI, FERRY_ENOMEM;
 * ferry_last_error() says what to do.
 *
 * After a failure *port_p is NULL, or a port that is good for nothing but to tell the other ranks
 * (agree, offer, settle), and to be closed.
 */
int fy_mpi_port_open(const void *comm, int level, bool exclusive, fy_port **port_p);
/* For a rank whose open has failed already: such a port, where this thread may call MPI for a
 * moment. MPI is initialized when nobody has. Else *port_p is NULL, and nobody can be told. */
int fy_mpi_port_open_to_tell(const void *comm, fy_port **port_p);
/* The address of a further duplicate (MPI_Comm), for the program's own operations. */
const void *fy_mpi_port_comm(const fy_port *port);
/* And of one more, for the library's own collectives. */
const void *fy_mpi_port_collectives(const fy_port *port);

#endif
