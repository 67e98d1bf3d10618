/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An MPI that the application initialized at serialized is adopted only if it promises to make no
 * MPI call of its own, and by one engine only. What is refused says what to do.
 */
#include <mpi.h>

#include "opened.h"

static void check_refused(const ferry_options *options)
{
	ferry *engine = NULL;

	CHECK_STATUS(ferry_open(options, &engine), FERRY_ETHREAD);
	CHECK(!engine);
	CHECK(strchr(ferry_last_error(), ' '));
}

int main(int argc, char **argv)
{
	ferry_options exclusive = FERRY_OPTIONS_INIT;
	ferry *engine;
	int provided, rank;

	system_watch();
	MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
	if (provided != MPI_THREAD_SERIALIZED) {
		MPI_Finalize();
		CHECK_SKIP("this MPI does not give MPI_THREAD_SERIALIZED when asked for it");
	}
	exclusive.flags = FERRY_EXCLUSIVE;
	check_refused(NULL);
	engine = system_open(&exclusive);
	rank = ferry_rank(engine);
	check_refused(&exclusive);
	check_works(engine);
	CHECK_OK(ferry_close(engine));
	MPI_Finalize();
	if (rank == 0)
		printf("thread_level: serialized is adopted with FERRY_EXCLUSIVE, once; else it is "
		       "FERRY_ETHREAD with a sentence\n");
	return 0;
}
