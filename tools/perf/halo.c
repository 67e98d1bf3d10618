/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The halo exchange of a hybrid code, in which every thread communicates. The ranks form a ring.
 * Thread t of a rank gets a row of the given size from thread t of both neighbours, sends each of
 * them one, reads what came, and writes the next step's rows. A step waits for its four messages,
 * so all ranks go in step.
 *
 *   ferry       ferry_irecv, ferry_isend, ferry_finish_all
 *   ferry-post  ferry_post and ferry_recv, each row of a thread under an op of its own
 *   multiple    the first of them with the calls of MPI, under MPI_THREAD_MULTIPLE: what was
 *               ported, call by call
 *   funneled    one thread a rank makes the calls for all threads, between two barriers, as codes
 *               do that keep their threads out of MPI
 *
 * Each byte of a row shows who sent it in which step. The first and the last byte are checked.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_mpi.h"
#include "engine.h"
#include "peer.h"
#include "team.h"

enum { FROM_ABOVE, FROM_BELOW, ABOVE, BELOW, ROWS };

struct halo {
	struct perf_world *world;
	struct perf_trial *trial;
	int up, down;
	char *rows[PERF_THREADS_MAX]; /* ROWS of a thread's, one after the other */
	pthread_barrier_t step;       /* funneled: all threads, twice a step */
	MPI_Request *requests;        /* funneled: ROWS a thread */
	void (*exchange)(struct halo *halo, int thread);
};

static char *row(const struct halo *halo, int thread, int which)
{
	return halo->rows[thread] + (size_t)which * halo->trial->size;
}

/* The byte that stands for a rank, a thread and a step. */
static char mark(int rank, int thread, uint64_t step)
{
	return (char)(unsigned char)((uint64_t)rank * 31 + (uint64_t)thread * 7 + step);
}

static void write_rows(const struct halo *halo, int thread, uint64_t step)
{
	memset(row(halo, thread, ABOVE), mark(halo->world->rank, thread, step),
	       2 * halo->trial->size);
}

static void read_row(const struct halo *halo, int thread, int which, int source, uint64_t step)
{
	const char *bytes = row(halo, thread, which);
	char expected = mark(source, thread, step);

	if (bytes[0] != expected || bytes[halo->trial->size - 1] != expected)
		perf_fatal("halo: a row of rank %d is not that of step %llu", source,
		           (unsigned long long)step);
}

static void run_steps(struct perf_member *member)
{
	struct halo *halo = member->arg;
	int thread = member->index;
	uint64_t step;

	for (step = 0; step < halo->trial->count; step++) {
		write_rows(halo, thread, step);
		halo->exchange(halo, thread);
		read_row(halo, thread, FROM_ABOVE, halo->up, step);
		read_row(halo, thread, FROM_BELOW, halo->down, step);
	}
}

/* ---- the ways ------------------------------------------------------------------- */

static void exchange_ferry(struct halo *halo, int thread)
{
	ferry *engine = halo->world->engine;
	MPI_Comm comm = halo->world->comm;
	int nbytes = (int)halo->trial->size, tag = PERF_TAG_THREADS + 2 * thread;
	ferry_future *futures[ROWS];

	perf_need(ferry_irecv(engine, row(halo, thread, FROM_ABOVE), nbytes, MPI_BYTE, halo->up,
	                      tag, comm, &futures[0]),
	          "ferry_irecv");
	perf_need(ferry_irecv(engine, row(halo, thread, FROM_BELOW), nbytes, MPI_BYTE, halo->down,
	                      tag + 1, comm, &futures[1]),
	          "ferry_irecv");
	perf_need(ferry_isend(engine, row(halo, thread, BELOW), nbytes, MPI_BYTE, halo->down, tag,
	                      comm, &futures[2]),
	          "ferry_isend");
	perf_need(ferry_isend(engine, row(halo, thread, ABOVE), nbytes, MPI_BYTE, halo->up, tag + 1,
	                      comm, &futures[3]),
	          "ferry_isend");
	perf_need(ferry_finish_all(futures, ROWS, FERRY_FOREVER), "ferry_finish_all");
}

enum { OP_ROWS = 1000 /* plus two a thread: from above, from below */ };

static void post_row(const struct halo *halo, int thread, int which, int dest, int op)
{
	perf_need(ferry_post(halo->world->engine, dest, (uint32_t)op, row(halo, thread, which),
	                     halo->trial->size, NULL),
	          "ferry_post");
}

static void receive_row(const struct halo *halo, int thread, int which, int source, int op)
{
	ferry_message *message;
	const void *body;
	size_t nbytes;

	perf_need(ferry_recv(halo->world->engine, source, (uint32_t)op, FERRY_FOREVER, &message),
	          "ferry_recv");
	body = ferry_message_body(message, &nbytes);
	if (nbytes != halo->trial->size)
		perf_fatal("halo: a row has %zu bytes, not %zu", nbytes, halo->trial->size);
	memcpy(row(halo, thread, which), body, nbytes);
	ferry_message_release(message);
}

static void exchange_posts(struct halo *halo, int thread)
{
	int op = OP_ROWS + 2 * thread;

	post_row(halo, thread, BELOW, halo->down, op);
	post_row(halo, thread, ABOVE, halo->up, op + 1);
	receive_row(halo, thread, FROM_ABOVE, halo->up, op);
	receive_row(halo, thread, FROM_BELOW, halo->down, op + 1);
}

static void start_mpi(struct halo *halo, int thread, MPI_Request *requests)
{
	MPI_Comm comm = halo->world->comm;
	int nbytes = (int)halo->trial->size, tag = PERF_TAG_THREADS + 2 * thread;

	MPI_Irecv(row(halo, thread, FROM_ABOVE), nbytes, MPI_BYTE, halo->up, tag, comm,
	          &requests[0]);
	MPI_Irecv(row(halo, thread, FROM_BELOW), nbytes, MPI_BYTE, halo->down, tag + 1, comm,
	          &requests[1]);
	MPI_Isend(row(halo, thread, BELOW), nbytes, MPI_BYTE, halo->down, tag, comm, &requests[2]);
	MPI_Isend(row(halo, thread, ABOVE), nbytes, MPI_BYTE, halo->up, tag + 1, comm,
	          &requests[3]);
}

static void exchange_multiple(struct halo *halo, int thread)
{
	MPI_Request requests[ROWS];

	start_mpi(halo, thread, requests);
	MPI_Waitall(ROWS, requests, MPI_STATUSES_IGNORE);
}

static void exchange_funneled(struct halo *halo, int thread)
{
	int i, threads = halo->trial->threads;

	pthread_barrier_wait(&halo->step);
	for (i = 0; thread == 0 && i < threads; i++)
		start_mpi(halo, i, halo->requests + ROWS * i);
	if (thread == 0)
		MPI_Waitall(ROWS * threads, halo->requests, MPI_STATUSES_IGNORE);
	pthread_barrier_wait(&halo->step);
}

/* ---- a trial ------------------------------------------------------------------------ */

static void halo_create(struct halo *halo, struct perf_world *world, struct perf_trial *trial)
{
	int i;

	halo->world = world;
	halo->trial = trial;
	halo->up = (world->rank + world->size - 1) % world->size;
	halo->down = (world->rank + 1) % world->size;
	for (i = 0; i < trial->threads; i++)
		halo->rows[i] = perf_payload(ROWS * trial->size);
}

static void halo_destroy(struct halo *halo)
{
	int i;

	for (i = 0; i < halo->trial->threads; i++)
		free(halo->rows[i]);
}

/* All ranks go in step, so rank 0's time is everybody's. */
static void run_halo(struct halo *halo)
{
	struct perf_team team;

	perf_team_start(&team, halo->trial->threads, run_steps, halo);
	MPI_Barrier(halo->world->comm);
	perf_clock_start(halo->trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_clock_stop(halo->trial);
}

static void run_engine(struct perf_world *world, struct perf_trial *trial,
                       void (*exchange)(struct halo *halo, int thread))
{
	struct perf_receiver receiver = { .expected = 0 };
	struct halo halo = { .exchange = exchange };

	halo_create(&halo, world, trial);
	perf_engine_enter(world, &receiver);
	run_halo(&halo);
	perf_engine_leave(world, &receiver);
	halo_destroy(&halo);
}

static void run_ferry(struct perf_world *world, struct perf_trial *trial)
{
	run_engine(world, trial, exchange_ferry);
}

static void run_posts(struct perf_world *world, struct perf_trial *trial)
{
	run_engine(world, trial, exchange_posts);
}

static void run_multiple(struct perf_world *world, struct perf_trial *trial)
{
	struct halo halo = { .exchange = exchange_multiple };

	halo_create(&halo, world, trial);
	run_halo(&halo);
	halo_destroy(&halo);
}

static void run_funneled(struct perf_world *world, struct perf_trial *trial)
{
	struct halo halo = { .exchange = exchange_funneled };

	halo_create(&halo, world, trial);
	halo.requests = perf_allocate((size_t)trial->threads * ROWS * sizeof(*halo.requests));
	if (pthread_barrier_init(&halo.step, NULL, (unsigned)trial->threads) != 0)
		perf_fatal("a barrier of %d threads cannot be made", trial->threads);
	run_halo(&halo);
	pthread_barrier_destroy(&halo.step);
	free(halo.requests);
	halo_destroy(&halo);
}

/* Processor time is that of all ranks together. */
static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	(void)world;
	trial->values[0] = (double)trial->count / trial->seconds;
	trial->values[1] = trial->seconds / (double)trial->count * 1e6;
	trial->values[2] = trial->processor / (double)trial->count * 1e6;
}

static const struct perf_contestant contestant = {
	"ferry",
	"ferry_irecv, ferry_isend and ferry_finish_all by every thread",
	MPI_THREAD_MULTIPLE,
	true,
	INT_MAX,
	run_ferry
};
static const struct perf_contestant posts = {
	"ferry-post", "ferry_post and ferry_recv by every thread", MPI_THREAD_MULTIPLE, true, 0,
	run_posts
};
static const struct perf_contestant multiple = {
	"multiple",
	"MPI_THREAD_MULTIPLE, MPI_Irecv, MPI_Isend and MPI_Waitall by every thread",
	MPI_THREAD_MULTIPLE,
	false,
	INT_MAX,
	run_multiple
};
static const struct perf_contestant funneled = {
	"funneled",
	"one thread makes the calls of all of them, between barriers",
	MPI_THREAD_FUNNELED,
	false,
	INT_MAX,
	run_funneled
};

const struct perf_mode perf_halo_mode = {
	.name = "halo",
	.summary = "steps of a halo exchange in which every thread communicates",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.counted = true,
	.metrics = { { "steps", "/s", true, true },
	             { "step", "us", false, false },
	             { "processor", "us", true, false } },
	.metrics_count = 3,
	.contestants = { &contestant, &posts, &multiple, &funneled, NULL },
	.measure = measure,
	.threads = 4,
	.size = 512,
	.window = 1,
	.duration = 0.5,
	.repetitions = 7,
};
