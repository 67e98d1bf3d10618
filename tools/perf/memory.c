/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of an open engine on rank 0, as the kernel counts it: pages of its
 * own and of shared memory that were touched. In this order, each the growth
 * since the step before:
 *
 *   MPI           MPI_Init_thread, and a first message with every rank
 *   fixed         ferry_open
 *   peer          the first call to each further rank, by the main thread
 *   thread        the first call of each of T threads to rank 1
 *   busy thread   the same threads after a flood of posts: a whole lane
 *
 * With two ranks "peer" is the first call of the main thread, less what a thread
 * costs. There is one repetition only, because freed memory does not go back to
 * the kernel, so a second one would measure nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "memory.h"
#include "peer.h"
#include "team.h"

#define FLOOD_BYTES (2 << 20)

double perf_memory_held(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	double kib, held = 0;
	char line[256];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %lf", &kib) == 1 ||
		    sscanf(line, "RssShmem: %lf", &kib) == 1)
			held += kib * 1024;
	fclose(file);
	return held;
}

/* MPI allocates much of what it needs for a peer at the first message. */
static void greet_all(struct perf_world *world)
{
	int distance, to, from;

	for (distance = 1; distance < world->size; distance++) {
		to = (world->rank + distance) % world->size;
		from = (world->rank + world->size - distance) % world->size;
		MPI_Sendrecv(NULL, 0, MPI_BYTE, to, PERF_TAG_DATA, NULL, 0, MPI_BYTE, from,
		             PERF_TAG_DATA, world->comm, MPI_STATUS_IGNORE);
	}
	MPI_Barrier(world->comm);
}

struct callers {
	struct perf_world *world;
	const struct perf_trial *trial;
};

/* Two gates: after the first call, and after the flood. */
static void call_then_flood(struct perf_member *member)
{
	struct callers *callers = member->arg;
	ferry *engine = callers->world->engine;
	size_t nbytes = callers->trial->size, i;
	void *body = perf_payload(nbytes);
	struct perf_sink sink = { 0, 0 };

	perf_engine_echo(engine, 1, body, nbytes, &sink);
	perf_team_pause(member);
	perf_team_pause(member);
	for (i = 0; i < FLOOD_BYTES / nbytes; i++)
		perf_need(ferry_post(engine, 1, PERF_OP_SINK, body, nbytes, NULL), "ferry_post");
	perf_engine_end(engine, 1);
	perf_team_pause(member);
	perf_team_pause(member);
	free(body);
}

struct growth {
	double peer, first_peer, thread, busy_thread;
};

static void grow_peers(struct perf_world *world, const struct perf_trial *trial,
                       struct growth *growth)
{
	void *body = perf_payload(trial->size);
	struct perf_sink sink = { 0, 0 };
	double before = perf_memory_held();
	int rank;

	perf_engine_echo(world->engine, 1, body, trial->size, &sink);
	growth->first_peer = perf_memory_held() - before;
	before = perf_memory_held();
	for (rank = 2; rank < world->size; rank++)
		perf_engine_echo(world->engine, rank, body, trial->size, &sink);
	if (world->size > 2)
		growth->peer = (perf_memory_held() - before) / (world->size - 2);
	free(body);
}

static void grow_threads(struct perf_world *world, struct perf_trial *trial, struct growth *growth)
{
	struct callers callers = { world, trial };
	struct perf_team team;
	double before, first, busy;

	perf_team_start(&team, trial->threads, call_then_flood, &callers);
	perf_sleep(0.05);
	before = perf_memory_held();
	perf_team_go(&team);
	perf_team_go(&team);
	first = perf_memory_held();
	perf_team_go(&team);
	perf_team_go(&team);
	busy = perf_memory_held();
	perf_team_go(&team);
	perf_team_join(&team);
	growth->thread = (first - before) / trial->threads;
	growth->busy_thread = (busy - before) / trial->threads;
}

static void grow(struct perf_world *world, struct perf_trial *trial)
{
	struct growth growth = { 0, 0, 0, 0 };

	grow_peers(world, trial, &growth);
	grow_threads(world, trial, &growth);
	if (world->size == 2)
		growth.peer =
			growth.first_peer > growth.thread ? growth.first_peer - growth.thread : 0;
	trial->values[2] = growth.peer / 1024;
	trial->values[3] = growth.thread / 1024;
	trial->values[4] = growth.busy_thread / 1024;
	perf_engine_dismiss(world);
}

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 0 };
	double before;

	greet_all(world);
	before = perf_memory_held();
	trial->values[0] = (before - world->memory_before_mpi) / 1024;
	perf_engine_enter(world, &receiver);
	trial->values[1] = (perf_memory_held() - before) / 1024;
	if (world->rank == 0)
		grow(world, trial);
	else
		perf_engine_await(&receiver);
	perf_engine_leave(world, &receiver);
}

static const struct perf_contestant contestant = {
	"ferry", "touched pages of rank 0", MPI_THREAD_MULTIPLE, true, 0, run
};

const struct perf_mode perf_memory_mode = {
	.name = "memory",
	.summary = "memory of an open engine: fixed, per peer, per posting thread",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.metrics = { { "MPI", "KiB", false, false },
	             { "fixed", "KiB", false, false },
	             { "peer", "KiB", false, false },
	             { "thread", "KiB", false, false },
	             { "busy thread", "KiB", false, false } },
	.metrics_count = 5,
	.contestants = { &contestant, NULL },
	.threads = 8,
	.size = 64,
	.window = 1,
	.duration = 1,
	.repetitions = 1,
};
