/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine costs that has nothing to do, and how soon it is back: the
 * processor time of a whole rank, all threads, while nobody posts (the worse
 * rank counts), then calls from a sleeping engine to a sleeping peer and back.
 * The main threads sleep, too. --duration is the length of the rest; before
 * each of the calls the engines are left alone long enough to fall asleep.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "perf_engine.h"
#include "perf_peer.h"

#define IDLE_CALLS 20
#define IDLE_SLEEP_MAX 0.1
#define IDLE_SETTLE 0.05

static double processor_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e-6;
}

static double rest(double seconds)
{
	double before, start;

	perf_sleep(IDLE_SETTLE);
	start = perf_seconds();
	before = processor_seconds();
	perf_sleep(seconds);
	return 100 * (processor_seconds() - before) / (perf_seconds() - start);
}

/* The sleep before each call differs, so that no call rides on a period of the engine. */
static void call_sleepers(struct perf_world *world, struct perf_trial *trial)
{
	double share = trial->duration / IDLE_CALLS, sleep = share < IDLE_SLEEP_MAX ? share : IDLE_SLEEP_MAX;
	void *body = perf_payload(trial->size);
	struct perf_sink sink = {0, 0};
	uint64_t before;
	int i;

	for (i = 0; i < IDLE_CALLS; i++) {
		perf_sleep(sleep * (1 + 0.37 * i / IDLE_CALLS));
		before = perf_nanoseconds();
		perf_engine_echo(world->engine, 1, body, trial->size, &sink);
		perf_histogram_record(trial->latency, perf_nanoseconds() - before);
	}
	perf_sink_check(&sink, IDLE_CALLS, trial->size, "ferry");
	free(body);
}

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = {.expected = 0};
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
	"ferry", "an open engine without work", MPI_THREAD_MULTIPLE, true, run};

const struct perf_mode perf_idle_mode = {
	.name = "idle",
	.summary = "processor time of ranks at rest, and calls from a sleeping engine to a sleeping peer",
	.ranks_min = 2,
	.ranks_max = 1 << 20,
	.latency = true,
	.metrics = {{"processor", "% of a core", false}, {"wake 50 %", "us", false}, {"wake 90 %", "us", false},
	            {"longest", "us", false}},
	.metrics_count = 4,
	.contestants = {&contestant, NULL},
	.measure = measure,
	.threads = 1,
	.size = 8,
	.window = 1,
	.duration = 10,
	.repetitions = 1,
};
