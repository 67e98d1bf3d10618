/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an engine on a communicator; mpi.c offers it under MPI's types. */
#ifndef FY_OPEN_H
#define FY_OPEN_H

#include "ferry.h"

/* ferry_open on *(MPI_Comm *)comm; NULL: all ranks. */
int fy_open(const void *comm, const ferry_options *options, ferry **engine_p);

#endif
