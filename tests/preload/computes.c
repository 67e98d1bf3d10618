/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank computes, and calls no function of MPI, while a large message is on its way to it. Says
 * whether it came meanwhile.
 */
#include "check.h"

enum { BYTES = 4 << 20, TAG = 1, SECONDS = 20 };

static bool comes(volatile const char *last)
{
	time_t end = time(NULL) + SECONDS;

	while (*last != 'x' && time(NULL) < end)
		check_sleep_us(1000);
	return *last == 'x';
}

int main(void)
{
	char *bytes = calloc(1, BYTES);
	MPI_Request r;

	check_begin(60);
	MPI_Barrier(MPI_COMM_WORLD);
	if (check_rank == 0) {
		memset(bytes, 'x', BYTES);
		MPI_Send(bytes, BYTES, MPI_CHAR, 1, TAG, MPI_COMM_WORLD);
	} else {
		MPI_Irecv(bytes, BYTES, MPI_CHAR, 0, TAG, MPI_COMM_WORLD, &r);
		puts(comes(&bytes[BYTES - 1]) ? "it came" : "it stood still");
		MPI_Wait(&r, MPI_STATUS_IGNORE);
	}
	MPI_Finalize();
	free(bytes);
	return 0;
}
