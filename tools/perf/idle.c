/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an idle engine costs, and how fast it wakes. First the processor time of a rank, all
 * threads, while nobody posts; the worse rank counts. Then calls from a sleeping engine to a
 * sleeping peer and back. The main threads sleep, too. --duration is the length of the rest; before
 * each of the calls the engines are left alone long enough to fall asleep.
 *
 * The peer is not MPI, because MPI does not sleep. Rank 0 hands a byte through pipes to a thread,
 * that thread to another, and that one back: as many sleeps and wake-ups as in such a call. It
 * shows what the machine needs for these, and how late it sometimes is.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

#define IDLE_CALLS 20
#define IDLE_SLEEP_MAX 0.1
#define IDLE_SETTLE 0.05

static double rest(double seconds)
{
	double before, start;

	perf_sleep(IDLE_SETTLE);
	start = perf_seconds();
	before = perf_processor_seconds();
	perf_sleep(seconds);
	return 100 * (perf_processor_seconds() - before) / (perf_seconds() - start);
}

/* The sleep before each call differs, so that no call rides on a period of the engine. */
static void sleep_before(const struct perf_trial *trial, int i)
{
	double share = trial->duration / IDLE_CALLS,
	       sleep = share < IDLE_SLEEP_MAX ? share : IDLE_SLEEP_MAX;

	perf_sleep(sleep * (1 + 0.37 * i / IDLE_CALLS));
}

static void call_sleepers(struct perf_world *world, struct perf_trial *trial)
{
	void *body = perf_payload(trial->size);
	struct perf_sink sink = { 0, 0 };
	uint64_t before;
	int i;

	for (i = 0; i < IDLE_CALLS; i++) {
		sleep_before(trial, i);
		before = perf_nanoseconds();
		perf_engine_echo(world->engine, 1, body, trial->size, &sink);
		perf_histogram_record(trial->latency, perf_nanoseconds() - before);
	}
	perf_sink_check(&sink, IDLE_CALLS, trial->size, "ferry");
	free(body);
}

/* ---- the relay ------------------------------------------------------------- */

struct relay {
	int pipes[3][2]; /* to the first thread, between the two, back */
};

static void pass(int from, int to)
{
	char byte = 0;
	ssize_t n = 1;

	while (from >= 0 && (n = read(from, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		perf_fatal("a pipe cannot be read");
	while (to >= 0 && (n = write(to, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		perf_fatal("a pipe cannot be written");
}

static void relay(struct perf_member *member)
{
	struct relay *r = member->arg;
	int i;

	for (i = 0; i < IDLE_CALLS; i++)
		pass(r->pipes[member->index][0], r->pipes[member->index + 1][1]);
}

static void relay_all(struct perf_trial *trial)
{
	struct perf_team team;
	struct relay r;
	uint64_t before;
	int i;

	for (i = 0; i < 3; i++)
		if (pipe(r.pipes[i]) != 0)
			perf_fatal("a pipe cannot be made");
	perf_team_start(&team, 2, relay, &r);
	perf_team_go(&team);
	for (i = 0; i < IDLE_CALLS; i++) {
		sleep_before(trial, i);
		before = perf_nanoseconds();
		pass(-1, r.pipes[0][1]);
		pass(r.pipes[2][0], -1);
		perf_histogram_record(trial->latency, perf_nanoseconds() - before);
	}
	perf_team_join(&team);
	for (i = 0; i < 6; i++)
		close(r.pipes[i / 2][i % 2]);
}

/* The other ranks sleep meanwhile, so that none waits in MPI. */
static void run_relay(struct perf_world *world, struct perf_trial *trial)
{
	int i;

	trial->values[0] = rest(trial->duration / 10);
	if (world->rank == 0)
		relay_all(trial);
	else
		for (i = 0; i < IDLE_CALLS; i++)
			sleep_before(trial, i);
	MPI_Barrier(world->comm);
}

/* ---- Ferry ------------------------------------------------------------------ */

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 0 };
	double percent;

	perf_engine_enter(world, &receiver);
	percent = rest(trial->duration);
	if (world->rank == 0) {
		call_sleepers(world, trial);
		perf_engine_dismiss(world);
	} else {
		perf_engine_await(&receiver);
	}
	perf_engine_leave(world, &receiver);
	MPI_Allreduce(MPI_IN_PLACE, &percent, 1, MPI_DOUBLE, MPI_MAX, world->comm);
	trial->values[0] = percent;
}

static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	(void)world;
	trial->values[1] = perf_histogram_percentile(trial->latency, 50) * 1e-3;
	trial->values[2] = perf_histogram_percentile(trial->latency, 90) * 1e-3;
	trial->values[3] = (double)trial->latency->largest * 1e-3;
}

static const struct perf_contestant contestant = {
	"ferry", "an open engine without work", MPI_THREAD_MULTIPLE, true, 0, run
};
static const struct perf_contestant sleepers = {
	"relay",  "a byte from thread to thread through pipes", MPI_THREAD_FUNNELED, false, 0,
	run_relay
};

const struct perf_mode perf_idle_mode = {
	.name = "idle",
	.summary = "processor time of ranks at rest, and calls from a sleeping engine to a "
		   "sleeping peer",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.latency = true,
	.metrics = { { "processor", "% of a core", false, false },
	             { "wake 50 %", "us", true, false },
	             { "wake 90 %", "us", true, false },
	             { "longest", "us", false, false } },
	.metrics_count = 4,
	.contestants = { &contestant, &sleepers, NULL },
	.measure = measure,
	.threads = 1,
	.size = 8,
	.window = 1,
	.duration = 10,
	.repetitions = 1,
};
