/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips, one at a time in each of T threads, for the duration of the trial. With --futures
 * they are posts, and each thread waits until its post is delivered. --flood adds threads that post
 * without a pause. A call is measured among these and, in the turn before or after, alone; the
 * difference says whether the engine is fair. --transfer adds a thread that sends attachments, one
 * after the other. --every has each thread sleep before each of its calls. With --both each of the
 * two ranks calls the other, so that its threads wait and are asked at once; rank 0's calls are
 * shown.
 *
 * Percentiles are given by count, and by time. Each thread makes its next call when the last one is
 * done. So a call that takes 100 ms counts once, while a thread whose calls go on counts 100,000
 * short ones (Gil Tene calls it coordinated omission). By time each call has the weight of its
 * duration: that is the call which is under way at a random moment.
 */
#include <stdlib.h>

#include "engine.h"
#include "peer.h"
#include "team.h"

struct callers {
	ferry *engine;
	int peer; /* the rank that they call */
	const struct perf_trial *trial;
	struct perf_histogram *histograms; /* one a calling thread */
};

static void post_one(ferry *engine, int rank, const void *body, size_t nbytes)
{
	ferry_future *future;

	perf_need(ferry_post(engine, rank, PERF_OP_SINK, body, nbytes, &future), "ferry_post");
	perf_need(ferry_finish_all(&future, 1, FERRY_FOREVER), "ferry_finish_all");
}

static void call_until(const struct callers *callers, struct perf_histogram *histogram)
{
	const struct perf_trial *trial = callers->trial;
	uint64_t now = perf_nanoseconds(), before, end = now + (uint64_t)(trial->duration * 1e9);
	void *body = perf_payload(trial->size);
	struct perf_sink sink = { 0, 0 };

	do {
		before = perf_pace(trial, now);
		if (trial->futures)
			post_one(callers->engine, callers->peer, body, trial->size);
		else
			perf_engine_echo(callers->engine, callers->peer, body, trial->size, &sink);
		now = perf_nanoseconds();
		perf_histogram_record(histogram, now - before);
	} while (now < end);
	perf_sink_check(&sink, sink.messages, trial->size, "ferry");
	free(body);
}

static void flood_until(ferry *engine, int rank, const struct perf_trial *trial)
{
	uint64_t end = perf_nanoseconds() + (uint64_t)(trial->duration * 1e9);
	void *body = perf_payload(trial->size);
	int i;

	while (perf_nanoseconds() < end)
		for (i = 0; i < trial->window; i++)
			perf_need(ferry_post(engine, rank, PERF_OP_SINK, body, trial->size, NULL),
			          "ferry_post");
	perf_engine_end(engine, rank);
	free(body);
}

static void transfer_until(ferry *engine, int rank, const struct perf_trial *trial)
{
	uint64_t end = perf_nanoseconds() + (uint64_t)(trial->duration * 1e9);
	void *data = perf_payload(trial->transfer);
	ferry_future *future;

	do {
		future = perf_engine_attach(engine, rank, data, trial->transfer);
		perf_engine_settle(&future, 1);
	} while (perf_nanoseconds() < end);
	perf_engine_end(engine, rank);
	free(data);
}

static void call_or_disturb(struct perf_member *member)
{
	struct callers *callers = member->arg;
	const struct perf_trial *trial = callers->trial;

	if (member->index < trial->threads)
		call_until(callers, &callers->histograms[member->index]);
	else if (member->index < trial->threads + trial->flood)
		flood_until(callers->engine, callers->peer, trial);
	else
		transfer_until(callers->engine, callers->peer, trial);
}

static void run_callers(struct perf_world *world, struct perf_trial *trial,
                        struct perf_receiver *receiver)
{
	struct callers callers = { NULL, 1 - world->rank, trial, NULL };
	struct perf_team team;
	int i;

	callers.histograms = perf_allocate((size_t)trial->threads * sizeof(*callers.histograms));
	for (i = 0; i < trial->threads; i++)
		perf_histogram_reset(&callers.histograms[i]);
	perf_team_start(&team, trial->threads + trial->flood + (trial->transfer > 0),
	                call_or_disturb, &callers);
	perf_engine_enter(world, receiver);
	callers.engine = world->engine;
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_clock_stop(trial);
	if (trial->both) {
		trial->processor /= 2; /* half of it is for the other rank's calls */
		perf_engine_part(world, receiver);
	} else {
		perf_engine_dismiss(world);
	}
	for (i = 0; i < trial->threads; i++)
		perf_histogram_merge(trial->latency, &callers.histograms[i]);
	free(callers.histograms);
}

static void run(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 0 };
	struct perf_landing landing;
	bool lands = trial->land && trial->transfer;

	if (lands && world->rank == 1)
		perf_landing_create(&landing, world, trial->transfer, 1);
	if (world->rank == 0 || trial->both) {
		run_callers(world, trial, &receiver);
	} else {
		perf_engine_enter(world, &receiver);
		perf_clock_start(trial);
		perf_engine_await(&receiver);
		perf_clock_stop(trial);
	}
	if (lands && world->rank == 1)
		perf_landing_destroy(&landing, world);
	perf_engine_leave(world, &receiver);
}

static void run_alone(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_trial kept = *trial;

	trial->flood = 0;
	trial->transfer = 0;
	trial->both = false;
	run(world, trial);
	trial->flood = kept.flood;
	trial->transfer = kept.transfer;
	trial->both = kept.both;
}

static void measure(const struct perf_world *world, struct perf_trial *trial)
{
	const struct perf_histogram *h = trial->latency;

	(void)world;
	trial->values[0] = perf_histogram_mean(h) * 1e-3;
	trial->values[1] = perf_histogram_percentile(h, 50) * 1e-3;
	trial->values[2] = perf_histogram_percentile(h, 90) * 1e-3;
	trial->values[3] = perf_histogram_percentile(h, 99) * 1e-3;
	trial->values[4] = perf_histogram_percentile(h, 99.9) * 1e-3;
	trial->values[5] = (double)h->largest * 1e-3;
	trial->values[6] = perf_histogram_time_percentile(h, 50) * 1e-3;
	trial->values[7] = perf_histogram_time_percentile(h, 99) * 1e-3;
	trial->values[8] = trial->processor / (double)h->count * 1e6;
}

static const struct perf_contestant contestant = {
	"ferry",
	"ferry_call and ferry_future_wait, a handler that replies",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run
};
static const struct perf_contestant alone = {
	"alone", "the same with nothing beside it", MPI_THREAD_MULTIPLE, true, 0, run_alone
};

const struct perf_mode perf_latency_mode = {
	.name = "latency",
	.summary = "round trips, one at a time in each of T threads",
	.ranks_min = 2,
	.ranks_max = 2,
	.latency = true,
	.metrics = { { "mean", "us", true, false },
	             { "50 %", "us", true, false },
	             { "90 %", "us", true, false },
	             { "99 %", "us", true, false },
	             { "99.9 %", "us", true, false },
	             { "longest", "us", false, false },
	             { "50 % of time", "us", true, false },
	             { "99 % of time", "us", true, false },
	             { "processor", "us", true, false } },
	.metrics_count = 9,
	.contestants = { &contestant, &alone, &perf_plain_latency, &perf_multiple_latency, NULL },
	.alone = &alone,
	.measure = measure,
	.threads = 1,
	.size = 8,
	.window = 64,
	.duration = 0.5,
	.repetitions = 7,
};
