/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <mpi.h>

/* Around one call of MPI: errors that MPICH would raise on MPI_COMM_WORLD are returned instead. */
void fy_mpi_shield_up(void);
void fy_mpi_shield_down(void);
/* An operation of that communicator failed, and MPICH did not call its handler: call it. Other MPIs
 * have called it, and this does nothing. */
void fy_mpi_shield_raise(MPI_Comm comm, int code);
