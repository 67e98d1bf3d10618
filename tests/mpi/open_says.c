/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that wait for something, for 0.6 s, with two ranks; open_says.sh reads what
 * they say. The argument says for what: init, late, nothread, dup, answer.
 */
#include "mpi_test.h"

#include <mpi.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_US = 600000 };

static const char *what = "";
static int rank = -1;

static void wait_if(const char *for_what)
{
	if (rank == 1 && strcmp(what, for_what) == 0) {
		what = "";
		usleep(WAIT_US);
	}
}

/* Seen by the shared library. */
#pragma GCC visibility push(default)
int MPI_Comm_dup_with_info(MPI_Comm from, MPI_Info info, MPI_Comm *to)
{
	wait_if("dup");
	return PMPI_Comm_dup_with_info(from, info, to);
}

/* The first collective call that follows. */
int MPI_Iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request)
{
	wait_if("answer");
	return PMPI_Iallreduce(from, to, n, type, op, comm, request);
}

#pragma GCC visibility pop

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry *engine;
	int provided;
	what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "init") == 0) {
		rank = argc > 2 ? atoi(argv[2]) : -1;
		wait_if("init");
	} else {
		CHECK_INT(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided), 0);
		MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	}
	if (strcmp(what, "nothread") == 0) {
		options.flags = FERRY_NO_THREAD;
		what = "late";
	}
	wait_if("late");
	CHECK_OK(ferry_open(&options, &engine));
	rank = ferry_rank(engine);
	CHECK_OK(ferry_close(engine));
	MPI_Finalized(&provided);
	if (!provided)
		MPI_Finalize();
	return 0;
}
