/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

void fy_mpi_await_rest(int64_t ns);

/* Wait for a request without keeping the processor busy, until `until` (monotonic ns). MPI's code,
 * or MPI_ERR_PENDING when the time is up. */
int fy_mpi_await(MPI_Request *request, int64_t until);
/* After a call of MPI that all ranks make, and which returned `code`. True: it failed, and the
 * caller has to repeat it, because the other ranks wait in it and the cause may pass. This has
 * rested already. *tries begins at 0. */
bool fy_mpi_await_again(int code, int *tries);
/* Such a call, made until it is well or was tried often enough: its code. */
#define FY_MPI_AWAIT_CALL(call)                             \
	({                                                  \
		int tries_ = 0, code_;                      \
		do                                          \
			code_ = (call);                     \
		while (fy_mpi_await_again(code_, &tries_)); \
		code_;                                      \
	})
