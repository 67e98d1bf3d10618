/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an engine on a communicator; api.c offers it under MPI's types. One thread at a time. */
#pragma once

#include <pthread.h>

#include "ferry.h"

extern pthread_mutex_t fy_mpi_open_lock;

/* ferry_open on *(MPI_Comm *)comm; NULL: all ranks. */
int fy_mpi_open(const void *comm, const ferry_options *options, ferry **engine_p);
