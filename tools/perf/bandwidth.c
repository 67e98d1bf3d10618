/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large data one way: each message has one attachment, and each of T threads has a window of them
 * under way. Ferry has two forms. In the first one attachments land in memory of the library, which
 * is the default. In the second one the receiver names the memory, as plain MPI's receiver does.
 * --land leaves the first one out.
 *
 * A window of each thread is delivered before the clock starts. So the library has allocated the
 * memory that it will use again, and the peers have touched their buffers.
 */
#include <stdlib.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

struct posters {
	ferry *engine;
	const struct perf_trial *trial;
	/* One payload for all threads, which only read it. Allocated as the peers' is, so that the
	 * system gives it the same kind of pages */
	void *data;
};

static void post_all(struct perf_member *member)
{
	const struct posters *posters = member->arg;
	const struct perf_trial *trial = posters->trial;
	ferry_future **futures = perf_allocate((size_t)trial->window * sizeof(*futures));
	uint64_t left = trial->count;
	int i, part;

	for (; left > 0; left -= (uint64_t)part) {
		part = left < (uint64_t)trial->window ? (int)left : trial->window;
		for (i = 0; i < part; i++)
			futures[i] =
				perf_engine_attach(posters->engine, 1, posters->data, trial->size);
		perf_engine_settle(futures, part);
	}
	perf_engine_end(posters->engine, 1);
	free(futures);
}

static uint64_t warm_count(const struct perf_trial *trial)
{
	return (uint64_t)trial->threads * (uint64_t)trial->window;
}

static void warm_up(const struct posters *posters)
{
	size_t count = (size_t)warm_count(posters->trial), i;
	ferry_future **futures = perf_allocate(count * sizeof(*futures));

	for (i = 0; i < count; i++)
		futures[i] =
			perf_engine_attach(posters->engine, 1, posters->data, posters->trial->size);
	perf_engine_settle(futures, (int)count);
	free(futures);
}

static void run_sender(struct perf_world *world, struct perf_trial *trial,
                       struct perf_receiver *receiver)
{
	struct posters posters = { NULL, trial, perf_payload((size_t)trial->window * trial->size) };
	struct perf_team team;

	perf_team_start(&team, trial->threads, post_all, &posters);
	perf_engine_enter(world, receiver);
	posters.engine = world->engine;
	warm_up(&posters);
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_clock_stop(trial);
	perf_engine_dismiss(world);
	free(posters.data);
}

/* ---- memory that the receiver names --------------------------------------- */

static void run_receiver(struct perf_world *world, struct perf_trial *trial,
                         struct perf_receiver *receiver, bool names)
{
	struct perf_landing landing;

	/* As many buffers as plain MPI's receiver has. Attachments of several threads may end in
	 * another order and share a buffer: all have the same bytes. */
	if (names)
		perf_landing_create(&landing, world, trial->size, 2 * (size_t)warm_count(trial));
	perf_engine_enter(world, receiver);
	perf_engine_await(receiver);
	perf_sink_check(&receiver->sink,
	                trial->count * (uint64_t)trial->threads + warm_count(trial), trial->size,
	                "ferry");
	if (names)
		perf_landing_destroy(&landing, world);
}

static void run(struct perf_world *world, struct perf_trial *trial, bool names)
{
	struct perf_receiver receiver = { .expected = 0 };

	if (world->rank == 0) {
		if (names)
			perf_engine_open(world);
		run_sender(world, trial, &receiver);
	} else {
		run_receiver(world, trial, &receiver, names);
	}
	perf_engine_leave(world, &receiver);
}

static void run_library(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, false);
}

static void run_landing(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, true);
}

static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	double bytes = (double)trial->count * trial->threads * (double)trial->size;

	(void)world;
	trial->values[0] = bytes / trial->seconds * 1e-6;
}

static const struct perf_contestant library = {
	"ferry",
	"ferry_post_message with one attachment, which lands in memory of the library",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run_library
};
static const struct perf_contestant landing = {
	"ferry-land",
	"ferry_post_message with one attachment, which lands where ferry_handle_memory says",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run_landing
};

const struct perf_mode perf_bandwidth_mode = {
	.name = "bandwidth",
	.summary = "attachments from T threads of one rank to another, a window each",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.metrics = { { "bandwidth", "MB/s", true, true } },
	.metrics_count = 1,
	.contestants = { &library, &landing, &perf_plain_rate, &perf_multiple_rate, NULL },
	.landing = &landing,
	.measure = measure,
	.threads = 1,
	.size = 1 << 20,
	.window = 4,
	.duration = 0.5,
	.repetitions = 7,
};
