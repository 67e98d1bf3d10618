/* SPDX-License-Identifier: Apache-2.0 */
/* Opens an engine in an MPI that the program initialized: launcher.sh runs it where that
 * is refused. */
#include <ferry.h>
#include <mpi.h>
#include <stdio.h>

int main(void)
{
	int provided, size = 0;
	ferry *engine = NULL;

	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	int status = ferry_open(NULL, &engine);
	if (status)
		puts(ferry_last_error());
	else
		ferry_close(engine);
	if (MPI_Comm_size(MPI_COMM_WORLD, &size) == MPI_SUCCESS && size == 1)
		puts("MPI works");
	MPI_Finalize();
	return status == FERRY_OK ? 0 : status == FERRY_ENOTSUP ? 3 : 4;
}
