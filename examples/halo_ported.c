/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A halo exchange by every thread of every rank, twice: halo_plain.c is plain MPI
 * under MPI_THREAD_MULTIPLE, halo_ported.c the same with Ferry, changed call by
 * call. Compare the two with diff.
 *
 * Each thread has a slab, some rows of points. The ranks form a ring: thread t of
 * a rank is the neighbour of thread t of the ranks above and below. In each step
 * every thread gets the rows next to its slab from its neighbours, sends them its
 * own outermost rows, and computes its rows anew. Afterwards rank 0 does all of
 * the work alone, and compares the sums to the bit.
 *
 *   mpiexec -n 2 halo_plain [steps [points in a row [threads]]]
 */
#include <ferry_mpi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "halo_ported"

enum { ROWS = 4, THREADS_MAX = 256 };

static int steps = 200, points = 64, threads = 4;
static int rank, ranks;
static ferry *engine;

struct slab {
	pthread_t id;
	int thread;
	int rows; /* of its own; one more above and one below are the halo */
	double *now, *next;
};

static void fail(const char *why)
{
	fprintf(stderr, NAME ": rank %d: %s\n", rank, why);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

static void must(int status)
{
	if (status != FERRY_OK)
		fail(ferry_last_error());
}

/* ---- a slab ---------------------------------------------------------------- */

static double *row(double *of, int r)
{
	return of + (size_t)r * (size_t)points;
}

/* `first`: the place of its first row in the ring of all ranks. */
static void slab_create(struct slab *s, int thread, int first, int rows)
{
	size_t n = (size_t)(rows + 2) * (size_t)points;
	s->thread = thread;
	s->rows = rows;
	s->now = calloc(n, sizeof(double));
	s->next = calloc(n, sizeof(double));
	if (!s->now || !s->next)
		fail("no memory for a slab");
	for (int r = 1; r <= rows; r++)
		for (int c = 0; c < points; c++)
			row(s->now, r)[c] = (thread + 1) * 1e3 / (first + r) + c;
}

static void slab_compute(struct slab *s)
{
	for (int r = 1; r <= s->rows; r++) {
		const double *above = row(s->now, r - 1), *here = row(s->now, r),
			     *below = row(s->now, r + 1);
		double *to = row(s->next, r);
		for (int c = 0; c < points; c++)
			to[c] = 0.25 * (above[c] + below[c] + here[(c + 1) % points] +
			                here[(c + points - 1) % points]);
	}
	double *before = s->now;
	s->now = s->next;
	s->next = before;
}

/* A sum of the bits, which does not depend on the order. */
static uint64_t slab_sum(struct slab *s)
{
	uint64_t sum = 0, bits;
	for (int r = 1; r <= s->rows; r++)
		for (int c = 0; c < points; c++) {
			memcpy(&bits, &row(s->now, r)[c], sizeof bits);
			sum += bits;
		}
	free(s->now);
	free(s->next);
	return sum;
}

/* ---- in parallel ------------------------------------------------------------- */

static void slab_exchange(struct slab *s)
{
	int up = (rank + ranks - 1) % ranks, down = (rank + 1) % ranks;
	int downwards = 2 * s->thread, upwards = downwards + 1; /* tags */
	MPI_Comm comm = MPI_COMM_WORLD;
	double *above = row(s->now, 0), *below = row(s->now, ROWS + 1);
	double *first = row(s->now, 1), *last = row(s->now, ROWS);
	ferry_future *requests[4];
	must(ferry_irecv(engine, above, points, MPI_DOUBLE, up, downwards, comm, &requests[0]));
	must(ferry_irecv(engine, below, points, MPI_DOUBLE, down, upwards, comm, &requests[1]));
	must(ferry_isend(engine, last, points, MPI_DOUBLE, down, downwards, comm, &requests[2]));
	must(ferry_isend(engine, first, points, MPI_DOUBLE, up, upwards, comm, &requests[3]));
	must(ferry_finish_all(requests, 4, FERRY_FOREVER));
}

static void *run(void *slab)
{
	for (int step = 0; step < steps; step++) {
		slab_exchange(slab);
		slab_compute(slab);
	}
	return NULL;
}

/* The sum of this rank's slabs, and how long all steps took. */
static uint64_t solve(double *seconds_p)
{
	struct slab slabs[THREADS_MAX];
	uint64_t sum = 0;
	for (int t = 0; t < threads; t++)
		slab_create(&slabs[t], t, rank * ROWS, ROWS);
	MPI_Barrier(MPI_COMM_WORLD);
	double start = MPI_Wtime();
	for (int t = 0; t < threads; t++)
		if (pthread_create(&slabs[t].id, NULL, run, &slabs[t]))
			fail("a thread cannot be started: ask for fewer");
	for (int t = 0; t < threads; t++)
		pthread_join(slabs[t].id, NULL);
	*seconds_p = MPI_Wtime() - start;
	for (int t = 0; t < threads; t++)
		sum += slab_sum(&slabs[t]);
	return sum;
}

/* ---- alone ------------------------------------------------------------------- */

static uint64_t solve_alone(void)
{
	uint64_t sum = 0;
	for (int t = 0; t < threads; t++) {
		struct slab whole;
		size_t nbytes = (size_t)points * sizeof(double);
		slab_create(&whole, t, 0, ranks * ROWS);
		for (int step = 0; step < steps; step++) {
			memcpy(row(whole.now, 0), row(whole.now, whole.rows), nbytes);
			memcpy(row(whole.now, whole.rows + 1), row(whole.now, 1), nbytes);
			slab_compute(&whole);
		}
		sum += slab_sum(&whole);
	}
	return sum;
}

static int report(uint64_t sum, double seconds)
{
	uint64_t all = 0;
	MPI_Reduce(&sum, &all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank != 0)
		return 0;
	uint64_t alone = solve_alone();
	printf(NAME ": %d ranks x %d threads, rows of %d points, %d steps: %.2f us a step, sum "
	            "%016llx\n",
	       ranks, threads, points, steps, seconds / steps * 1e6, (unsigned long long)all);
	if (all != alone)
		fprintf(stderr, NAME ": one thread alone finds the sum %016llx\n",
		        (unsigned long long)alone);
	return all != alone;
}

/* ---- all of it ------------------------------------------------------------------ */

static int read_number(const char *what, const char *text, int most, int *number_p)
{
	char *end;
	long number = strtol(text, &end, 10);
	if (*text && !*end && number >= 1 && number <= most) {
		*number_p = (int)number;
		return 0;
	}
	if (rank == 0)
		fprintf(stderr, NAME ": %s: give a number from 1 to %d, not '%s'\n", what, most,
		        text);
	return 2;
}

static int read_arguments(int argc, char **argv)
{
	int bad = argc > 1 ? read_number("steps", argv[1], 100000000, &steps) : 0;
	if (!bad && argc > 2)
		bad = read_number("points in a row", argv[2], 10000000, &points);
	if (!bad && argc > 3)
		bad = read_number("threads", argv[3], THREADS_MAX, &threads);
	if (bad || argc <= 4)
		return bad;
	if (rank == 0)
		fprintf(stderr,
		        NAME ": '%s' is one argument too many: steps, points in a row, threads\n",
		        argv[4]);
	return 2;
}

int main(int argc, char **argv)
{
	int provided, status;
	double seconds;
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (provided < MPI_THREAD_MULTIPLE)
		fail("this MPI has no MPI_THREAD_MULTIPLE");
	status = read_arguments(argc, argv);
	if (!status) {
		must(ferry_open_comm(MPI_COMM_WORLD, NULL, &engine));
		uint64_t sum = solve(&seconds);
		must(ferry_close(engine));
		status = report(sum, seconds);
	}
	MPI_Finalize();
	return status;
}
