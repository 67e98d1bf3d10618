/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts among all ranks: each of T threads a rank posts to all other ranks in turn. A rank is done
 * when it has handled all posts to it. The trial lasts until the last rank is done.
 */
#include <stdlib.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

struct posters {
	struct perf_world *world;
	const struct perf_trial *trial;
};

static void post_all(struct perf_member *member)
{
	const struct posters *posters = member->arg;
	struct perf_world *world = posters->world;
	const struct perf_trial *trial = posters->trial;
	void *body = perf_payload(trial->size);
	int distance = 1;
	uint64_t i;

	for (i = 0; i < trial->count; i++) {
		perf_need(ferry_post(world->engine, (world->rank + distance) % world->size,
		                     PERF_OP_SINK, body, trial->size, NULL),
		          "ferry_post");
		distance = distance % (world->size - 1) + 1;
	}
	free(body);
}

/* Each thread's count is a multiple of the number of the others, so that all ranks get the same. */
static void run(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;
	struct perf_receiver receiver = { .expected = total };
	struct posters posters = { world, trial };
	struct perf_team team;

	perf_team_start(&team, trial->threads, post_all, &posters);
	perf_engine_enter(world, &receiver);
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_engine_await(&receiver);
	perf_clock_stop(trial);
	/* MPI waits by spinning, and slower ranks need the processor: so it comes last. */
	perf_need(ferry_fence(world->engine, FERRY_FOREVER), "ferry_fence");
	MPI_Allreduce(MPI_IN_PLACE, &trial->seconds, 1, MPI_DOUBLE, MPI_MAX, world->comm);
	perf_sink_check(&receiver.sink, total, trial->size, "ferry");
	perf_engine_leave(world, &receiver);
}

/* Of all ranks together. */
static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	double messages = (double)trial->count * trial->threads * world->size;

	trial->values[0] = messages / trial->seconds;
}

static const struct perf_contestant contestant = {
	"ferry",
	"ferry_post from all threads of all ranks to all others",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run
};

const struct perf_mode perf_alltoall_mode = {
	.name = "alltoall",
	.summary = "posts from T threads of each rank to all other ranks in turn",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.counted = true,
	.metrics = { { "rate", "messages/s", true, true } },
	.metrics_count = 1,
	.contestants = { &contestant, &perf_plain_alltoall, &perf_batch_alltoall, NULL },
	.measure = measure,
	.threads = 2,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 5,
};
