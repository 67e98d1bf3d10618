/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI as a port. What the thread that opens a port calls:
 *
 *   fy_mpi_port_open()           initializes MPI unless it is, else adopts it
 *   ...
 *   port->ops->close()
 *   if (fy_mpi_life_owned())     true on the thread that initialized MPI
 *           fy_mpi_life_finish() waits until no port is open in the process, then finalizes MPI
 *
 * A thread that closes the last engine on its behalf calls fy_mpi_life_wait_finished(), so that MPI
 * is finalized when ferry_close returns.
 */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/dump_signal.h"
#include "engine/stuck.h"
#include "engine/watchdog.h"
#include "mpi/bells.h"
#include "port/port.h"
#include "query/socket.h"

struct fy_query;
struct fy_inquiry;

/* What a rank says about its open. Sent to all ranks as it is. */
struct fy_mpi_word {
	int32_t status;
	char text[FY_SENTENCE];
};

struct fy_mpi_port {
	fy_port port; /* first: a port is cast to it */
	MPI_Comm comm;
	MPI_Comm program;     /* for what the program starts by ferry_mpi.h */
	MPI_Comm collectives; /* for the collectives of ferry_mpi.h */
	struct fy_bells bells;
	struct fy_watched watched;
	struct fy_stuck stuck;
	struct fy_dumped dumped;
	struct fy_query_place place; /* of the engine's monitor file */
	struct fy_query *query;      /* its socket; NULL: there is none */
	struct fy_inquiry *inquiry;  /* NULL: none */
	unsigned looks;
	struct fy_mpi_word word; /* of this rank */
	MPI_Request asked;       /* between offer and settle: finds the lowest rank that failed */
	int asked_code, mine, lowest;
};

static inline struct fy_mpi_port *fy_mpi_port_of(fy_port *port)
{
	return (struct fy_mpi_port *)port;
}

/*
 * Open a port on a duplicate of *(MPI_Comm *)comm, or of MPI_COMM_WORLD if `comm` is NULL.
 * Collective; blocks until all ranks have come. `level`: FERRY_THREAD_*, which MPI is asked for if
 * it is initialized here. `exclusive`: nobody else calls MPI in this process. FERRY_EINVAL for an
 * intercommunicator, FERRY_ETHREAD when MPI was initialized at too low a level, FERRY_ENOTSUP when
 * it was finalized, FERRY_EMPI, FERRY_ENOMEM; ferry_last_error() says what to do.
 *
 * After a failure *port_p is NULL, or a port that can only tell the other ranks (agree, offer,
 * settle), and be closed.
 */
int fy_mpi_port_open(const void *comm, int level, bool exclusive, fy_port **port_p);
/* The same, but FERRY_EPEER, without a port, if not all ranks have come after `timeout`. MPI is not
 * finalized then. */
int fy_mpi_port_open_within(const void *comm, int level, bool exclusive, int64_t timeout,
                            fy_port **port_p);
/* For a rank whose open has failed already: a port that can only tell the others. It initializes
 * MPI unless that was done. *port_p NULL: this thread may not call MPI, and the others cannot be
 * told. */
int fy_mpi_port_open_to_tell(const void *comm, fy_port **port_p);
