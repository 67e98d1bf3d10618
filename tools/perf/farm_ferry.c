/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A farm with Ferry, in three forms:
 *
 *   ferry        a thread calls, an inline handler of the master answers
 *   ferry-post   a thread posts, and receives its task under an op of its own; the master's thread
 *                receives and posts
 *   ferry-isend  a thread starts ferry_irecv and ferry_isend and waits for both; the master's
 *                thread has some ferry_irecv open, for anybody
 */
#include <stdlib.h>
#include <string.h>

#include "farm.h"
#include "ferry_mpi.h"
#include "peer.h"

enum { OP_ASK = 100, OP_RESULT, OP_TASK = 1000 /* plus the index of a thread */ };

static void enter(struct farm *farm)
{
	perf_engine_enter(farm->world, &farm->receiver);
}

static void leave(struct farm *farm)
{
	perf_engine_leave(farm->world, &farm->receiver);
}

static void copy_task(const struct farm *farm, int thread, const ferry_message *message)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	if (nbytes != farm->trial->size)
		perf_fatal("farm: a task has %zu bytes, not %zu", nbytes, farm->trial->size);
	memcpy(farm->seats[thread].task, body, nbytes);
}

/* ---- calls ------------------------------------------------------------------------ */

static void on_ask(ferry *engine, ferry_message *message, void *arg)
{
	struct farm *farm = arg;
	int thread, active;
	const char *task = farm_next(farm, ferry_message_source(message),
	                             ferry_message_body(message, NULL), &thread, &active);

	(void)engine;
	perf_need(ferry_reply(message, task, farm->trial->size), "ferry_reply");
	if (active == 0)
		sem_post(&farm->receiver.done);
}

static void enter_handler(struct farm *farm)
{
	perf_engine_open(farm->world);
	perf_need(ferry_handle(farm->world->engine, OP_ASK, FERRY_INLINE, on_ask, farm),
	          "ferry_handle");
	enter(farm);
}

static void leave_handler(struct farm *farm)
{
	MPI_Barrier(farm->world->comm);
	perf_need(ferry_handle(farm->world->engine, OP_ASK, FERRY_INLINE, NULL, NULL),
	          "ferry_handle");
	leave(farm);
}

static void ask_by_call(struct farm *farm, int thread)
{
	ferry_message *reply = NULL;
	ferry_future *future;

	perf_need(ferry_call(farm->world->engine, 0, OP_ASK, farm->seats[thread].result,
	                     farm->trial->result, &future),
	          "ferry_call");
	perf_need(ferry_future_wait(future, FERRY_FOREVER), "ferry_future_wait");
	perf_need(ferry_future_take(future, &reply), "ferry_future_take");
	copy_task(farm, thread, reply);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void serve_calls(struct farm *farm)
{
	perf_engine_await(&farm->receiver);
}

/* ---- posts ------------------------------------------------------------------------ */

static void ask_by_post(struct farm *farm, int thread)
{
	ferry *engine = farm->world->engine;
	ferry_message *message;

	perf_need(ferry_post(engine, 0, OP_RESULT, farm->seats[thread].result, farm->trial->result,
	                     NULL),
	          "ferry_post");
	perf_need(ferry_recv(engine, 0, OP_TASK + (uint32_t)thread, FERRY_FOREVER, &message),
	          "ferry_recv");
	copy_task(farm, thread, message);
	ferry_message_release(message);
}

static void serve_posts(struct farm *farm)
{
	ferry *engine = farm->world->engine;
	ferry_message *message;
	int thread, active, rank;
	const char *task;

	do {
		perf_need(ferry_recv(engine, FERRY_ANY, OP_RESULT, FERRY_FOREVER, &message),
		          "ferry_recv");
		rank = ferry_message_source(message);
		task = farm_next(farm, rank, ferry_message_body(message, NULL), &thread, &active);
		perf_need(ferry_post(engine, rank, OP_TASK + (uint32_t)thread, task,
		                     farm->trial->size, NULL),
		          "ferry_post");
		ferry_message_release(message);
	} while (active > 0);
}

/* ---- MPI's messages ------------------------------------------------------------------ */

static void ask_by_isend(struct farm *farm, int thread)
{
	const struct perf_trial *trial = farm->trial;
	struct farm_seat *seat = &farm->seats[thread];
	ferry *engine = farm->world->engine;
	ferry_future *futures[2];

	perf_need(ferry_irecv(engine, seat->task, (int)trial->size, MPI_BYTE, 0,
	                      PERF_TAG_THREADS + thread, farm->world->comm, &futures[0]),
	          "ferry_irecv");
	perf_need(ferry_isend(engine, seat->result, (int)trial->result, MPI_BYTE, 0, PERF_TAG_DATA,
	                      farm->world->comm, &futures[1]),
	          "ferry_isend");
	perf_need(ferry_finish_all(futures, 2, FERRY_FOREVER), "ferry_finish_all");
}

/* Receives from any rank. MPI matches them in the order in which they were started, so the master
 * waits for them in that order. */
enum { OPEN_MAX = 16 };
struct open {
	char *results; /* OPEN_MAX of them */
	ferry_future *futures[OPEN_MAX];
	int oldest, count;
};

static void open_one(const struct farm *farm, struct open *open)
{
	int slot = (open->oldest + open->count++) % OPEN_MAX;

	perf_need(ferry_irecv(farm->world->engine,
	                      open->results + (size_t)slot * farm->trial->result,
	                      (int)farm->trial->result, MPI_BYTE, MPI_ANY_SOURCE, PERF_TAG_DATA,
	                      farm->world->comm, &open->futures[slot]),
	          "ferry_irecv");
}

/* Sends the next task to the thread whose result is in the oldest receive. Returns how many threads
 * are active afterwards. */
static int serve_oldest(struct farm *farm, struct open *open)
{
	int slot = open->oldest, thread, active;
	struct farm_worker *worker;
	MPI_Status status;
	const char *task;

	perf_need(ferry_future_wait(open->futures[slot], FERRY_FOREVER), "ferry_irecv");
	perf_need(ferry_future_mpi_status(open->futures[slot], &status), "ferry_future_mpi_status");
	ferry_future_release(open->futures[slot]);
	open->oldest = (slot + 1) % OPEN_MAX;
	open->count--;
	task = farm_next(farm, status.MPI_SOURCE,
	                 open->results + (size_t)slot * farm->trial->result, &thread, &active);
	worker = &farm->workers[(status.MPI_SOURCE - 1) * farm->trial->threads + thread];
	if (worker->sent) /* that send is done, because its thread has asked again */
		perf_need(ferry_finish_all(&worker->sent, 1, FERRY_FOREVER), "ferry_finish_all");
	perf_need(ferry_isend(farm->world->engine, task, (int)farm->trial->size, MPI_BYTE,
	                      status.MPI_SOURCE, PERF_TAG_THREADS + thread, farm->world->comm,
	                      &worker->sent),
	          "ferry_isend");
	return active;
}

/* Each active thread asks at least once more, so as many receives find a message. */
static void serve_isends(struct farm *farm)
{
	struct open open = { .results = perf_payload(OPEN_MAX * farm->trial->result) };
	int active = farm->active, workers = active, i;

	while (active > 0) {
		while (open.count < active && open.count < OPEN_MAX)
			open_one(farm, &open);
		active = serve_oldest(farm, &open);
	}
	for (i = 0; i < workers; i++)
		perf_need(ferry_finish_all(&farm->workers[i].sent, 1, FERRY_FOREVER),
		          "ferry_finish_all");
	free(open.results);
}

/* ---- the contestants ---------------------------------------------------------------- */

static const struct farm_way call_way = { enter_handler, leave_handler, ask_by_call, serve_calls,
	                                  NULL };
static const struct farm_way post_way = { enter, leave, ask_by_post, serve_posts, NULL };
static const struct farm_way isend_way = { enter, leave, ask_by_isend, serve_isends, NULL };

static void run_calls(struct perf_world *world, struct perf_trial *trial)
{
	farm_run(world, trial, &call_way);
}

static void run_posts(struct perf_world *world, struct perf_trial *trial)
{
	farm_run(world, trial, &post_way);
}

static void run_isends(struct perf_world *world, struct perf_trial *trial)
{
	farm_run(world, trial, &isend_way);
}

const struct perf_contestant perf_farm_ferry = {
	"ferry", "ferry_call, a handler that replies", MPI_THREAD_MULTIPLE, true, 0, run_calls
};
const struct perf_contestant perf_farm_post = {
	"ferry-post", "ferry_post and ferry_recv on both sides", MPI_THREAD_MULTIPLE, true, 0,
	run_posts
};
const struct perf_contestant perf_farm_isend = {
	"ferry-isend", "ferry_isend and ferry_irecv on both sides", MPI_THREAD_MULTIPLE, true, 0,
	run_isends
};
