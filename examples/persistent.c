/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent requests: MPI sets up a send and a receive once (MPI_Send_init,
 * MPI_Recv_init), and each round of a ring starts both anew. By ferry_start the
 * engine starts them, with a future for each. The requests stay the program's: it
 * starts them again, and frees them at the end.
 *
 *   mpiexec -n 2 persistent [rounds]
 */
#include <ferry_mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 1000 };

static int rank, size;

static void must(int status, const char *what)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "persistent: rank %d: %s: %s\n", rank, what, ferry_last_error());
	MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Runs on the progress thread. `arg` is the program's request. The engine waits until the operation
 * is done, and leaves the request inactive, as MPI_Wait would. */
static int start_again(MPI_Comm comm, void *arg, MPI_Request *request)
{
	MPI_Request *kept = arg;
	int code = MPI_Start(kept);
	(void)comm; /* the requests know theirs */
	*request = *kept;
	return code;
}

/* One round. Checks that the number that came is the one that the rank before had to send. */
static int go_round(ferry *engine, MPI_Request requests[2], double *out, const double *in,
                    int round)
{
	ferry_future *futures[2];
	int before = (rank + size - 1) % size, bad = 0;
	for (int i = 0; i < POINTS; i++)
		out[i] = rank * 1e6 + round * 10.0 + i;
	for (int k = 0; k < 2; k++)
		must(ferry_start(engine, start_again, &requests[k], &futures[k]), "ferry_start");
	must(ferry_finish_all(futures, 2, FERRY_FOREVER), "a round");
	for (int i = 0; i < POINTS; i++)
		bad += in[i] < before * 1e6 + round * 10.0 + i ||
		       in[i] > before * 1e6 + round * 10.0 + i;
	return bad;
}

static int go_rounds(ferry *engine, int rounds)
{
	static double out[POINTS], in[POINTS];
	MPI_Request requests[2];
	int bad = 0;
	MPI_Recv_init(in, POINTS, MPI_DOUBLE, (rank + size - 1) % size, 0, MPI_COMM_WORLD,
	              &requests[0]);
	MPI_Send_init(out, POINTS, MPI_DOUBLE, (rank + 1) % size, 0, MPI_COMM_WORLD, &requests[1]);
	for (int round = 0; round < rounds; round++)
		bad += go_round(engine, requests, out, in, round);
	MPI_Request_free(&requests[0]);
	MPI_Request_free(&requests[1]);
	return bad;
}

int main(int argc, char **argv)
{
	ferry *engine;
	char *end = "";
	int provided;
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	long rounds = argc > 1 ? strtol(argv[1], &end, 10) : 200;
	if (argc > 2 || *end || rounds < 1 || rounds > 100000000) {
		if (rank == 0)
			fprintf(stderr,
			        "persistent: give one number of rounds, from 1 to 100000000\n");
		MPI_Finalize();
		return 2;
	}
	must(ferry_open_comm(MPI_COMM_WORLD, NULL, &engine), "ferry_open_comm");
	int bad = go_rounds(engine, (int)rounds);
	must(ferry_close(engine), "ferry_close");
	printf("persistent: rank %d of %d: %ld rounds of %d points, %d wrong\n", rank, size, rounds,
	       POINTS, bad);
	MPI_Finalize();
	return bad != 0;
}
