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
#ifndef FY_PORT_MPI_H
#define FY_PORT_MPI_H

#include "port.h"

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
int fy_port_mpi_open(const void *comm, int level, bool exclusive, fy_port **port_p);
/* For a rank whose open has failed already: such a port, where this thread may call MPI for a
 * moment. MPI is initialized when nobody has. Else *port_p is NULL, and nobody can be told. */
int fy_port_mpi_open_to_tell(const void *comm, fy_port **port_p);
/* Is this process known to be the only rank there is, and MPI not initialized? */
bool fy_mpi_is_alone(void);
/* Was MPI initialized, and not finalized? */
bool fy_mpi_is_up(void);
/* The address of a further duplicate (MPI_Comm), for the program's own operations. */
const void *fy_port_mpi_comm(const fy_port *port);
/* And of one more, for the library's own collectives. */
const void *fy_port_mpi_collectives(const fy_port *port);

/* Did this thread initialize MPI, so that it is the one to finalize it? */
bool fy_mpi_owned(void);
/* The open failed: a thread that initialized MPI for it leaves it to the next open, or else to the
 * end of the process. */
void fy_mpi_orphan(void);
/* From now on MPI is left running after the last close. */
void fy_mpi_keep(void);
/*
 * The owner's last call: waits, however long, until no port is open; then
 * finalizes MPI, unless it is to be kept or a port was closed as not clean. The
 * other ranks are waited for `timeout` ns (FERRY_FOREVER: for ever). 0;
 * FERRY_EPEER or FERRY_ETIMEDOUT: MPI was left alone; FERRY_EMPI: something failed in MPI.
 */
int fy_mpi_finish(int64_t timeout);
/* The thread that initialized MPI goes on with other things: who closes the last port
 * finalizes MPI. */
void fy_mpi_leave_unattended(void);
/* For engines without a thread: finalizes MPI if we initialized it and no port is open any more, on
 * whatever thread closes the last one (MPI itself asks for the one that initialized it; both MPIs
 * at hand take any). */
int fy_mpi_finish_if_last(void);
/* Waits until the owner is through with fy_mpi_finish(), unless a port is open
 * or MPI is not ours to finalize. What became of it, as fy_mpi_finish() says. */
int fy_mpi_wait_finished(void);

#endif
