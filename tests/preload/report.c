/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `ferry-preload --report` counts. `report late`: rank 0 waits in one call for rank 1.
 * `report exit`: one rank exits without MPI_Finalize, behind a child that exits as well.
 */
#include "check.h"

#include <sys/wait.h>

enum { TAG = 80 };

static void wait_for_late(void)
{
	int in = -1, out = 81;

	check_begin(30);
	if (check_rank == 0) {
		MPI_Recv(&in, 1, MPI_INT, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		CHECK_INT(in, out);
	} else {
		check_sleep_us(20000);
		MPI_Send(&out, 1, MPI_INT, 0, TAG, MPI_COMM_WORLD);
	}
	MPI_Finalize();
}

static void exit_early(void)
{
	int provided, status;

	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	pid_t child = fork();
	if (child == 0)
		exit(0);
	waitpid(child, &status, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "exit") == 0)
		exit_early();
	else
		wait_for_late();
	return 0;
}
