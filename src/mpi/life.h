/* SPDX-License-Identifier: Apache-2.0 */
/* What port.c and its parts share; only they include MPI's header. */
#ifndef FY_MPI_LIFE_H
#define FY_MPI_LIFE_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

/* One more port is open in this process; MPI is initialized afterwards. The level
 * that MPI gives is FERRY_THREAD_*. */
int fy_mpi_life_acquire(int level, bool exclusive, int *provided_p);
/* Likewise for a port that only tells the other ranks that this one failed. */
int fy_mpi_life_acquire_to_tell(int *provided_p);
/* One less. `clean`: all ranks closed it in good order. */
void fy_mpi_life_release(bool clean);
/* Some ranks leave it to us to finalize MPI and others do not: then the ranks
 * cannot be gathered before. `comm` must have all ranks; collective. */
int fy_mpi_life_compare_owners(MPI_Comm comm);
/* Is this process known to be the only rank there is, and MPI not initialized? */
bool fy_mpi_life_is_alone(void);
/* Was MPI initialized, and not finalized? */
bool fy_mpi_life_is_up(void);

/* Did this thread initialize MPI, so that it is the one to finalize it? */
bool fy_mpi_life_owned(void);
/* The open failed: a thread that initialized MPI for it leaves it to the next open, or else to the
 * end of the process. */
void fy_mpi_life_orphan(void);
/* From now on MPI is left running after the last close. */
void fy_mpi_life_keep(void);
/*
 * The owner's last call: waits, however long, until no port is open; then
 * finalizes MPI, unless it is to be kept or a port was closed as not clean. The
 * other ranks are waited for `timeout` ns (FERRY_FOREVER: for ever). 0;
 * FERRY_EPEER or FERRY_ETIMEDOUT: MPI was left alone; FERRY_EMPI: something failed in MPI.
 */
int fy_mpi_life_finish(int64_t timeout);
/* The thread that initialized MPI goes on with other things: who closes the last port
 * finalizes MPI. */
void fy_mpi_life_leave_unattended(void);
/* For engines without a thread: finalizes MPI if we initialized it and no port is open any more, on
 * whatever thread closes the last one (MPI itself asks for the one that initialized it; both MPIs
 * at hand take any). */
int fy_mpi_life_finish_if_last(void);
/* Waits until the owner is through with fy_mpi_life_finish(), unless a port is open
 * or MPI is not ours to finalize. What became of it, as fy_mpi_life_finish() says. */
int fy_mpi_life_wait_finished(void);

#endif
