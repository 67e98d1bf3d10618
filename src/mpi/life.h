/* SPDX-License-Identifier: Apache-2.0 */
/* MPI's life in this process. Threads that open or close a port. */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "mpi/says.h"

/* One more port is open in this process, and MPI is initialized on return. *provided_p: the level
 * that MPI gives, FERRY_THREAD_*. `to_tell`: the port only tells the other ranks that this one
 * failed. */
int fy_mpi_life_acquire(int level, bool exclusive, bool to_tell, int *provided_p);
/* One port less is open. `clean`: all ranks closed it in good order. */
void fy_mpi_life_release(bool clean);
/* Find out whether MPI is owned on some ranks and not on others: then the ranks cannot be gathered
 * before MPI_Finalize. `comm` must have all ranks; collective. MPI's code. */
int fy_mpi_life_compare_owners(MPI_Comm comm);
/* Is it known that this process is the only rank, and that MPI is not initialized? */
bool fy_mpi_life_is_alone(void);
/* Was MPI initialized, and not finalized? */
bool fy_mpi_life_is_up(void);

/* Is this thread the owner: did it initialize MPI, and has to finalize it? */
bool fy_mpi_life_owned(void);
/* The open failed: this thread, if it is the owner, leaves MPI to the next open, or else to the
 * exit of the process. */
void fy_mpi_life_orphan(void);
/* From now on MPI is left running after the last close. */
void fy_mpi_life_keep(void);
/*
 * The owner's last call. Waits, however long, until no port is open. Then finalizes MPI, unless it
 * is to be kept or a port was not closed clean. Waits `timeout` ns for the other ranks
 * (FERRY_FOREVER: for ever). 0; FERRY_EPEER or FERRY_ETIMEDOUT: MPI was left alone; FERRY_EMPI:
 * something failed in MPI.
 */
int fy_mpi_life_finish(int64_t timeout);
/* The owner does not wait for the last port: whoever closes that one finalizes MPI. */
void fy_mpi_life_leave_unattended(void);
/* For engines without a progress thread: finalizes MPI if it is owned and no port is open any more.
 * The calling thread may be any (MPI asks for the one that initialized it; both MPIs at hand take
 * any). */
int fy_mpi_life_finish_if_last(void);
/* Waits until fy_mpi_life_finish() has returned on the owner. Does not wait while a port is open,
 * or if MPI is not owned. Returns what fy_mpi_life_finish() returned.
 * `says` speaks meanwhile. */
int fy_mpi_life_wait_finished(struct fy_mpi_says *says);
