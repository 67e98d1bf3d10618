/* SPDX-License-Identifier: Apache-2.0 */
/* Posts from T threads of rank 0 to rank 1: fire and forget, or with a future each in windows. */
#include <stdlib.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

struct posters {
	ferry *engine;
	const struct perf_trial *trial;
};

static void post_forgotten(ferry *engine, const struct perf_trial *trial, const void *body)
{
	uint64_t i;

	for (i = 0; i < trial->count; i++)
		perf_need(ferry_post(engine, 1, PERF_OP_SINK, body, trial->size, NULL),
		          "ferry_post");
}

static void post_window(ferry *engine, const struct perf_trial *trial, const void *body,
                        ferry_future **futures, int part)
{
	int i;

	for (i = 0; i < part; i++)
		perf_need(ferry_post(engine, 1, PERF_OP_SINK, body, trial->size, &futures[i]),
		          "ferry_post");
	perf_engine_settle(futures, part);
}

static void post_awaited(ferry *engine, const struct perf_trial *trial, const void *body)
{
	ferry_future **futures = perf_allocate((size_t)trial->window * sizeof(*futures));
	uint64_t left = trial->count;
	int part;

	for (; left > 0; left -= (uint64_t)part) {
		part = left < (uint64_t)trial->window ? (int)left : trial->window;
		post_window(engine, trial, body, futures, part);
	}
	free(futures);
}

/* Futures say "delivered", so the end is asked for in both ways of posting. */
static void post_all(struct perf_member *member)
{
	const struct posters *posters = member->arg;
	void *body = perf_payload(posters->trial->size);

	if (posters->trial->futures)
		post_awaited(posters->engine, posters->trial, body);
	else
		post_forgotten(posters->engine, posters->trial, body);
	perf_engine_end(posters->engine, 1);
	free(body);
}

static void run_sender(struct perf_world *world, struct perf_trial *trial,
                       struct perf_receiver *receiver)
{
	struct posters posters = { NULL, trial };
	struct perf_team team;
	double start;

	perf_team_start(&team, trial->threads, post_all, &posters);
	perf_engine_enter(world, receiver);
	posters.engine = world->engine;
	start = perf_seconds();
	perf_team_go(&team);
	perf_team_join(&team);
	trial->seconds = perf_seconds() - start;
	perf_engine_dismiss(world);
}

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 0 };

	if (world->rank == 0) {
		run_sender(world, trial, &receiver);
	} else {
		perf_engine_enter(world, &receiver);
		perf_engine_await(&receiver);
		perf_sink_check(&receiver.sink, trial->count * (uint64_t)trial->threads,
		                trial->size, "ferry");
	}
	perf_engine_leave(world, &receiver);
}

static const struct perf_contestant contestant = {
	"ferry",
	"ferry_post from all threads, a handler at the target",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run
};

const struct perf_mode perf_rate_mode = {
	.name = "rate",
	.summary = "posts from T threads of one rank to another",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.metrics = { { "rate", "messages/s", true, true } },
	.metrics_count = 1,
	.contestants = { &contestant, &perf_plain_rate, &perf_multiple_rate,
	                 &perf_multiple_symmetric, &perf_batch_rate, &perf_batch_threads, NULL },
	.threads = 4,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 7,
};
