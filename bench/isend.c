/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_isend from many threads against a plain MPI program on the other rank.
 *
 *   mpiexec -n 2 bench/isend [REPETITIONS [WINDOWS]]
 *
 * 64-byte messages in windows of 64, from rank 0 to rank 1, three ways in
 * turns: one thread of plain MPI; 16 threads at MPI_THREAD_MULTIPLE with as
 * many receiving threads; 16 threads by ferry_isend, to one thread of plain
 * MPI that receives. Prints each rate and the medians of the ratios. The clock
 * runs from a barrier to a barrier behind the last message.
 *
 * Each way runs twice, and the second time counts: the system's scheduler places threads by what
 * they did in the last tenths of a second, and a receiver that slept while others were measured
 * gets a share of a processor at first, not a processor.
 */
#include <ferry_mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16, WINDOW = 64, NBYTES = 64, MOST = 64 };

static MPI_Comm comm;
static ferry *engine;
static int rank;
static int windows; /* of each thread */

/* ---- what one thread does ------------------------------------------------- */

static void *send_plain(void *tag)
{
	static _Thread_local char data[WINDOW][NBYTES];
	MPI_Request requests[WINDOW];
	MPI_Status statuses[WINDOW];
	for (int n = 0; n < windows; n++) {
		for (int i = 0; i < WINDOW; i++)
			MPI_Isend(data[i], NBYTES, MPI_BYTE, 1, *(int *)tag, comm, &requests[i]);
		MPI_Waitall(WINDOW, requests, statuses);
	}
	return NULL;
}

static void *receive_plain(void *tag)
{
	static _Thread_local char data[WINDOW][NBYTES];
	MPI_Request requests[WINDOW];
	MPI_Status statuses[WINDOW];
	for (int n = 0; n < windows; n++) {
		for (int i = 0; i < WINDOW; i++)
			MPI_Irecv(data[i], NBYTES, MPI_BYTE, 0, *(int *)tag, comm, &requests[i]);
		MPI_Waitall(WINDOW, requests, statuses);
	}
	return NULL;
}

static void *send_ferry(void *tag)
{
	static _Thread_local char data[WINDOW][NBYTES];
	ferry_future *futures[WINDOW];
	for (int n = 0; n < windows; n++) {
		for (int i = 0; i < WINDOW; i++)
			if (ferry_isend(engine, data[i], NBYTES, MPI_BYTE, 1, *(int *)tag, comm,
			                &futures[i])) {
				fprintf(stderr, "ferry_isend: %s\n", ferry_last_error());
				MPI_Abort(MPI_COMM_WORLD, 1);
			}
		ferry_wait_all(futures, WINDOW, FERRY_FOREVER);
		for (int i = 0; i < WINDOW; i++)
			ferry_future_release(futures[i]);
	}
	return NULL;
}

/* ---- one contestant --------------------------------------------------------- */

static void run_threads(int count, void *(*work)(void *))
{
	pthread_t threads[THREADS];
	static int tags[THREADS];
	for (int i = 0; i < count; i++) {
		tags[i] = i;
		pthread_create(&threads[i], NULL, work, &tags[i]);
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* Messages a second; `total` windows are shared out among the senders, and among the receivers. */
static double contest_once(int total, int senders, void *(*send)(void *), int receivers, int tag)
{
	MPI_Barrier(comm);
	double begin = MPI_Wtime();
	windows = total / (rank == 0 ? senders : receivers);
	if (rank == 0)
		run_threads(senders, send);
	else if (receivers == 1)
		receive_plain(&tag);
	else
		run_threads(receivers, receive_plain);
	MPI_Barrier(comm);
	return (double)total * WINDOW / (MPI_Wtime() - begin);
}

static double contest(int total, int senders, void *(*send)(void *), int receivers, int tag)
{
	contest_once(total, senders, send, receivers, tag);
	return contest_once(total, senders, send, receivers, tag);
}

static double contest_ferry(int total)
{
	if (rank == 0 && ferry_open_comm(MPI_COMM_SELF, NULL, &engine)) {
		fprintf(stderr, "ferry_open_comm: %s\n", ferry_last_error());
		MPI_Abort(MPI_COMM_WORLD, 1);
	}
	double rate = contest(total, THREADS, send_ferry, 1, MPI_ANY_TAG);
	if (rank == 0)
		ferry_close(engine);
	return rate;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print(const char *what, double *ratios, int n)
{
	qsort(ratios, (size_t)n, sizeof *ratios, by_size);
	printf("%-22s %8.2f (%.2f to %.2f)\n", what, ratios[n / 2], ratios[0], ratios[n - 1]);
}

int main(int argc, char **argv)
{
	int repetitions = argc > 1 ? atoi(argv[1]) : 9, total = argc > 2 ? atoi(argv[2]) : 16000,
	    provided, size;
	double to_plain[MOST], to_multiple[MOST];

	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &size);
	if (size != 2 || provided != MPI_THREAD_MULTIPLE || repetitions < 1 || repetitions > MOST ||
	    total < THREADS) {
		fprintf(stderr,
		        "isend [REPETITIONS (1 to %d) [WINDOWS (at least %d)]], with 2 ranks\n",
		        MOST, THREADS);
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	total -= total % THREADS;
	for (int n = 0; n < repetitions; n++) {
		double plain = contest(total, 1, send_plain, 1, 0);
		double multiple =
			contest(total / THREADS / 8 > 0 ? total / 8 / THREADS * THREADS : THREADS,
		                THREADS, send_plain, THREADS, 0);
		double mine = contest_ferry(total);
		to_plain[n] = mine / plain;
		to_multiple[n] = mine / multiple;
		if (rank == 0)
			printf("plain %.2f M, multiple %.3f M, ferry_isend %.2f M messages/s\n",
			       plain / 1e6, multiple / 1e6, mine / 1e6);
	}
	if (rank == 0) {
		print("ferry / plain", to_plain, repetitions);
		print("ferry / multiple", to_multiple, repetitions);
	}
	MPI_Finalize();
	return 0;
}
