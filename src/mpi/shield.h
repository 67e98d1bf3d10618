/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_MPI_SHIELD_H
#define FY_MPI_SHIELD_H

#include <mpi.h>

/* shield.c: errors of one call in between return, which MPICH would raise on MPI_COMM_WORLD. */
void fy_mpi_shield_up(void);
void fy_mpi_shield_down(void);
/* Where MPI did not: an operation of that communicator failed. Its handler decides. */
void fy_mpi_shield_raise(MPI_Comm comm, int code);

#endif
