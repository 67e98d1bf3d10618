/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with replies of the same size from T threads of rank 0, in windows. */
#include <stdlib.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

struct callers {
	ferry *engine;
	const struct perf_trial *trial;
	struct perf_sink sinks[PERF_THREADS_MAX]; /* one a thread */
};

static void call_window(ferry *engine, size_t nbytes, const void *body, ferry_future **futures,
                        int part, struct perf_sink *sink)
{
	int i;

	for (i = 0; i < part; i++)
		perf_need(ferry_call(engine, 1, PERF_OP_ECHO, body, nbytes, &futures[i]),
		          "ferry_call");
	perf_need(ferry_wait_all(futures, (size_t)part, FERRY_FOREVER), "ferry_wait_all");
	for (i = 0; i < part; i++) {
		perf_engine_read_reply(futures[i], sink);
		ferry_future_release(futures[i]);
	}
}

static void call_all(struct perf_member *member)
{
	struct callers *callers = member->arg;
	const struct perf_trial *trial = callers->trial;
	ferry_future **futures = perf_allocate((size_t)trial->window * sizeof(*futures));
	void *body = perf_payload(trial->size);
	struct perf_sink sink = { 0, 0 };
	uint64_t left = trial->count;
	int part;

	for (; left > 0; left -= (uint64_t)part) {
		part = left < (uint64_t)trial->window ? (int)left : trial->window;
		call_window(callers->engine, trial->size, body, futures, part, &sink);
	}
	callers->sinks[member->index] = sink;
	free(body);
	free(futures);
}

static void run_caller(struct perf_world *world, struct perf_trial *trial,
                       struct perf_receiver *receiver)
{
	struct callers *callers = perf_allocate(sizeof(*callers));
	struct perf_team team;
	double start;
	int i;

	callers->trial = trial;
	perf_team_start(&team, trial->threads, call_all, callers);
	perf_engine_enter(world, receiver);
	callers->engine = world->engine;
	start = perf_seconds();
	perf_team_go(&team);
	perf_team_join(&team);
	trial->seconds = perf_seconds() - start;
	perf_engine_dismiss(world);
	for (i = 0; i < trial->threads; i++)
		perf_sink_check(&callers->sinks[i], trial->count, trial->size, "ferry");
	free(callers);
}

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 0 };

	if (world->rank == 0) {
		run_caller(world, trial, &receiver);
	} else {
		perf_engine_enter(world, &receiver);
		perf_engine_await(&receiver);
		perf_sink_check(&receiver.sink, trial->count * (uint64_t)trial->threads,
		                trial->size, "ferry");
	}
	perf_engine_leave(world, &receiver);
}

static const struct perf_contestant contestant = {
	"ferry", "ferry_call in windows, a handler that replies", MPI_THREAD_MULTIPLE, true, 0, run
};

const struct perf_mode perf_call_mode = {
	.name = "call",
	.summary = "calls with replies from T threads, a window each; plain is one way",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.metrics = { { "rate", "calls/s", true, true } },
	.metrics_count = 1,
	.contestants = { &contestant, &perf_plain_rate, &perf_plain_call, &perf_multiple_call,
	                 NULL },
	.threads = 16,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 7,
};
