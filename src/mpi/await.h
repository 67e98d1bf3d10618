/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_MPI_AWAIT_H
#define FY_MPI_AWAIT_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

void fy_mpi_await_rest(int64_t ns);

/* Wait for a request without keeping the core busy; `until` is monotonic time.
 * MPI's code, or MPI_ERR_PENDING when the time is over. */
int fy_mpi_await(MPI_Request *request, int64_t until);
/* A call of MPI that all ranks make failed here. The others wait in it, and MPI may lack something
 * for a moment only: true when it is to be made again, after a rest. `*tries` begins at 0. */
bool fy_mpi_await_again(int code, int *tries);

#endif
