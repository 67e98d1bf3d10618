/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of one message at a time goes:
 *
 *     mpiexec -n 2 tools/stages [THREADS [SECONDS]]
 *
 * T threads of rank 1 ask rank 0 for a task by ferry_call, each with the result of its last one; an
 * inline handler replies at once. The body of a call has room for times. They are written into it
 * on its way, by the thread that has it at that moment: by the caller, by the handler, and by the
 * functions MPI_Isend, MPI_Irecv and MPI_Test below, which stand before MPI's own. These find the
 * bodies in a batch by a mark. The library is not changed for it, so two versions of it can be
 * compared. All ranks must be on one host, whose clock they share.
 */
#include <inttypes.h>
#include <mpi.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry.h"

enum { OP_ASK = 7, THREADS_MAX = 64, SAMPLES_MAX = 200000, RECEIVES_MAX = 1 << 14 };

/* When, in the order of the way. */
enum when {
	CALLED,   /* ferry_call begins */
	RETURNED, /* ferry_call has returned */
	SENT,     /* MPI_Isend of its batch begins */
	SEEN,     /* MPI_Test has found that batch at the server */
	HANDLED,  /* the handler begins */
	REPLIED,  /* it calls ferry_reply */
	SENT_BACK,
	SEEN_BACK,
	RUNS, /* ferry_future_wait has returned */
	WHENS
};

struct ask {
	uint64_t mark;
	int64_t at[WHENS];
	uint64_t who_saw; /* the reply: a thread */
	uint64_t records; /* in the batch of the call, and of the reply */
	uint64_t records_back;
};

static const uint64_t mark = UINT64_C(0x7D3B90E1C5F2A864);
static ferry *engine;
static int rank;
static double seconds = 1;
static sem_t over;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void check(int status, const char *what)
{
	if (status >= 0)
		return;
	fprintf(stderr, "stages: %s: %s\n", what, ferry_last_error());
	MPI_Abort(MPI_COMM_WORLD, 1);
}

/* ---- on the way: called by whoever has the helm ------------------------------- */

static struct ask *next_ask(char *from, const char *end)
{
	for (; from + sizeof(struct ask) <= end; from += 8)
		if (memcmp(from, &mark, sizeof mark) == 0)
			return (struct ask *)(void *)from;
	return NULL;
}

static void stamp_all(char *batch, size_t nbytes, enum when there, enum when back, uint64_t who)
{
	int64_t t = now();
	uint64_t n = 0;
	struct ask *a;
	char *at;

	for (at = batch; (a = next_ask(at, batch + nbytes)) != NULL; at = (char *)(a + 1))
		n++;
	for (at = batch; (a = next_ask(at, batch + nbytes)) != NULL; at = (char *)(a + 1)) {
		bool is_back = a->at[REPLIED] != 0;
		a->at[is_back ? back : there] = t;
		if (is_back && back == SEEN_BACK) {
			a->who_saw = who;
			a->records_back = n;
		} else if (!is_back) {
			a->records = n;
		}
	}
}

/* The library finds them before those of MPI. */
#define OURS __attribute__((visibility("default")))

static struct receive {
	MPI_Request request;
	char *memory;
} receives[RECEIVES_MAX];

/* Each has one place. Of two with the same one the older is forgotten, and its times are not
 * taken. */
static struct receive *place_of(MPI_Request request)
{
	uint64_t bits = (uint64_t)(uintptr_t)request * UINT64_C(0x9E3779B97F4A7C15);

	return &receives[bits >> 32 & (RECEIVES_MAX - 1)];
}

OURS int MPI_Isend(const void *buf, int count, MPI_Datatype datatype, int dest, int tag,
                   MPI_Comm comm, MPI_Request *request)
{
	if (datatype == MPI_BYTE && count > 0)
		stamp_all((char *)(uintptr_t)buf, (size_t)count, SENT, SENT_BACK, 0);
	return PMPI_Isend(buf, count, datatype, dest, tag, comm, request);
}

OURS int MPI_Irecv(void *buf, int count, MPI_Datatype datatype, int source, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
	int code = PMPI_Irecv(buf, count, datatype, source, tag, comm, request);

	if (datatype == MPI_BYTE && code == MPI_SUCCESS)
		*place_of(*request) = (struct receive){ *request, buf };
	return code;
}

OURS int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
	MPI_Request before = *request;
	int code = PMPI_Test(request, flag, status), count = 0;
	struct receive *r = place_of(before);

	if (code != MPI_SUCCESS || !*flag || r->memory == NULL || r->request != before)
		return code;
	MPI_Get_count(status, MPI_BYTE, &count);
	if (count > 0)
		stamp_all(r->memory, (size_t)count, SEEN, SEEN_BACK, (uint64_t)pthread_self());
	r->memory = NULL;
	return code;
}

/* ---- the two sides ------------------------------------------------------------ */

static void on_ask(ferry *e, ferry_message *message, void *arg)
{
	struct ask a;

	(void)e;
	(void)arg;
	memcpy(&a, ferry_message_body(message, NULL), sizeof a);
	a.at[HANDLED] = now();
	a.at[REPLIED] = now();
	check(ferry_reply(message, &a, sizeof a), "ferry_reply");
}

struct asker {
	pthread_t thread;
	struct ask *samples;
	size_t n;
};

static void *ask(void *arg)
{
	struct asker *me = arg;
	int64_t end = now() + (int64_t)(seconds * 1e9);
	ferry_message *reply = NULL;
	ferry_future *future;
	struct ask a;

	do {
		a = (struct ask){ .mark = mark };
		a.at[CALLED] = now();
		check(ferry_call(engine, 0, OP_ASK, &a, sizeof a, &future), "ferry_call");
		int64_t returned = now();
		check(ferry_future_wait(future, FERRY_FOREVER), "ferry_future_wait");
		int64_t runs = now();
		check(ferry_future_take(future, &reply), "ferry_future_take");
		memcpy(&a, ferry_message_body(reply, NULL), sizeof a);
		a.at[RETURNED] = returned;
		a.at[RUNS] = runs;
		ferry_message_release(reply);
		ferry_future_release(future);
		if (me->n < SAMPLES_MAX && a.at[SENT] && a.at[SEEN] && a.at[SENT_BACK] &&
		    a.at[SEEN_BACK])
			me->samples[me->n++] = a;
	} while (a.at[RUNS] < end);
	return NULL;
}

/* ---- the table -------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double mean_of(const double *v, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : 0;
}

static void print_row(const char *what, double *v, size_t n)
{
	double mean = mean_of(v, n);

	qsort(v, n, sizeof *v, by_value);
	printf("%-52s %8.2f %8.2f %8.2f\n", what, n ? v[n / 2] : 0, mean,
	       n ? v[n - 1 - n / 100] : 0);
}

static const struct row {
	const char *what;
	enum when from, to;
} rows[] = {
	{ "the call, until it returns", CALLED, RETURNED },
	{ "in the lane and the batch, until MPI_Isend", CALLED, SENT },
	{ "in MPI, until MPI_Test finds it", SENT, SEEN },
	{ "dispatch, until the handler begins", SEEN, HANDLED },
	{ "reply and batch, until MPI_Isend", REPLIED, SENT_BACK },
	{ "in MPI, until MPI_Test finds it", SENT_BACK, SEEN_BACK },
	{ "dispatch, future, until the thread runs: who looked", SEEN_BACK, RUNS },
	{ "the same, another thread", SEEN_BACK, RUNS },
	{ "all of it", CALLED, RUNS },
};
enum { ROWS = sizeof rows / sizeof rows[0], OWN = 6, OTHER = 7 };

static void print_table(struct asker *askers, int threads, int64_t began, int64_t ended)
{
	size_t n = 0, i, k;
	double records = 0, records_back = 0;
	int t;

	for (t = 0; t < threads; t++)
		n += askers[t].n;
	double *v = malloc(n * sizeof *v);
	printf("%d threads, %zu calls, %.2f us a call, %.3f million a second\n", threads, n,
	       (double)(ended - began) * 1e-3 / (double)n,
	       (double)n * 1e3 / (double)(ended - began));
	printf("%-52s %8s %8s %8s\n", "us", "median", "mean", "99 %");
	for (i = 0; i < ROWS; i++) {
		size_t m = 0;
		for (t = 0; t < threads; t++)
			for (k = 0; k < askers[t].n; k++) {
				const struct ask *a = &askers[t].samples[k];
				bool own = a->who_saw == (uint64_t)askers[t].thread;
				if ((i == OWN && !own) || (i == OTHER && own))
					continue;
				v[m++] = (double)(a->at[rows[i].to] - a->at[rows[i].from]) * 1e-3;
			}
		print_row(rows[i].what, v, m);
		if (i == OWN)
			printf("%-52s %8.0f %%\n", "  its share of the calls",
			       100.0 * (double)m / (double)n);
	}
	for (t = 0; t < threads; t++)
		for (k = 0; k < askers[t].n; k++) {
			records += (double)askers[t].samples[k].records;
			records_back += (double)askers[t].samples[k].records_back;
		}
	printf("calls in the batch of a call %.2f, replies in that of a reply %.2f\n",
	       records / (double)n, records_back / (double)n);
	free(v);
}

static void run_askers(int threads)
{
	static struct asker askers[THREADS_MAX];
	int64_t began = now();
	int t;

	for (t = 0; t < threads; t++) {
		askers[t].samples = malloc(SAMPLES_MAX * sizeof(struct ask));
		if (pthread_create(&askers[t].thread, NULL, ask, &askers[t]) != 0)
			MPI_Abort(MPI_COMM_WORLD, 1);
	}
	for (t = 0; t < threads; t++)
		pthread_join(askers[t].thread, NULL);
	print_table(askers, threads, began, now());
	for (t = 0; t < threads; t++)
		free(askers[t].samples);
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 1, provided;

	if (argc > 2)
		seconds = atof(argv[2]);
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	if (threads < 1 || threads > THREADS_MAX || !(seconds > 0)) {
		if (rank == 0)
			fprintf(stderr,
			        "usage: mpiexec -n 2 stages [THREADS [SECONDS]]: 1 to %d threads\n",
			        THREADS_MAX);
		MPI_Finalize();
		return 2;
	}
	sem_init(&over, 0, 0);
	check(ferry_open(NULL, &engine), "ferry_open");
	check(ferry_handle(engine, OP_ASK, FERRY_INLINE, on_ask, NULL), "ferry_handle");
	check(ferry_fence(engine, FERRY_FOREVER), "ferry_fence");
	if (rank == 1)
		run_askers(threads);
	check(ferry_close(engine), "ferry_close");
	MPI_Finalize();
	return 0;
}
