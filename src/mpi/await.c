/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for MPI without keeping a processor busy, and repeating calls that all ranks have to
 * make. Only the thread that opens or closes.
 */
#include "mpi/await.h"

#include <errno.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ferry.h"
#include "base/clock.h"
#include "mpi/says.h"
#include "mpi/shield.h"

#define TRIES_MAX 6 /* of a call, with rests of 1 ms and more between them: 63 ms in all */
/* After so many failures of MPI_Test, about half a second, a request is given up. */
#define TEST_FAILURES 500

/* Sleep for `ns`, also when signals interrupt it, such as those of a profiler. */
void fy_mpi_await_rest(int64_t ns)
{
	struct timespec time = { (time_t)(ns / FERRY_S(1)), (long)(ns % FERRY_S(1)) };
	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

int fy_mpi_await(MPI_Request *request, int64_t until)
{
	int64_t pause = FERRY_US(10);
	int looks = 0, failures = 0, done = 0;
	for (;;) {
		fy_mpi_shield_up();
		int code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
		fy_mpi_shield_down();
		if (code != MPI_SUCCESS &&
		    (*request == MPI_REQUEST_NULL || failures++ >= TEST_FAILURES))
			return code;
		if (code == MPI_SUCCESS && done)
			return code;
		if (looks++ < 100) /* most requests are done soon */
			continue;
		if (fy_clock_now() >= until)
			return MPI_ERR_PENDING;
		fy_mpi_says_between();
		fy_mpi_await_rest(pause);
		if (pause < FERRY_MS(1))
			pause *= 2;
	}
}

bool fy_mpi_await_again(int code, int *tries)
{
	if (code == MPI_SUCCESS || *tries >= TRIES_MAX)
		return false;
	fy_mpi_await_rest(FERRY_MS(1) << (*tries)++);
	return true;
}
