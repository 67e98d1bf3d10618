/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for MPI without keeping a processor busy, and trying again what all ranks have to call.
 * The thread that opens or closes.
 */
#include "mpi/await.h"

#include <errno.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ferry.h"
#include "base/clock.h"
#include "mpi/shield.h"

#define TRIES_MAX 6 /* of a call, with rests of 1 ms and more between them: 63 ms in all */
/* of MPI_Test, until a request is given up that MPI keeps: about half a second */
#define TEST_FAILURES 500

/* Signals of the program's, such as a profiler's, cut no rest short. */
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
		if (looks++ < 100) /* it often takes but a moment */
			continue;
		if (fy_clock_now() >= until)
			return MPI_ERR_PENDING;
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
