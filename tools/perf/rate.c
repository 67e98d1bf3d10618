/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small messages from T threads of rank 0 to rank 1, in three modes:
 *
 *   rate   posts: fire and forget, or with a future each in windows; with --counted also posts that
 *          count into a counter of their thread, and into one of all threads
 *   call   calls with replies of the same size, in windows
 *   isend  ferry_isend in windows, to one thread of plain MPI
 */
#include <limits.h>
#include <stdlib.h>

#include "engine.h"
#include "ferry_mpi.h"
#include "peer.h"
#include "team.h"

struct senders;

/* What a mode starts, whether a reply comes back, and whether all threads share a counter. */
struct kind {
	void (*start)(struct senders *senders, const void *body, ferry_future **future_p);
	bool replies, shares;
};

struct senders {
	struct perf_world *world;
	struct perf_trial *trial;
	const struct kind *kind;
	ferry *engine;
	ferry_counter *counter;                   /* of all threads, or NULL */
	struct perf_sink sinks[PERF_THREADS_MAX]; /* of replies, one a thread */
};

static void start_post(struct senders *senders, const void *body, ferry_future **future_p)
{
	perf_need(ferry_post(senders->engine, 1, PERF_OP_SINK, body, senders->trial->size,
	                     future_p),
	          "ferry_post");
}

static void start_call(struct senders *senders, const void *body, ferry_future **future_p)
{
	perf_need(ferry_call(senders->engine, 1, PERF_OP_ECHO, body, senders->trial->size,
	                     future_p),
	          "ferry_call");
}

static void start_isend(struct senders *senders, const void *body, ferry_future **future_p)
{
	perf_need(ferry_isend(senders->engine, body, (int)senders->trial->size, MPI_BYTE, 1,
	                      PERF_TAG_DATA, senders->world->comm, future_p),
	          "ferry_isend");
}

static const struct kind post_kind = { start_post, false, false };
static const struct kind one_kind = { start_post, false, true };
static const struct kind call_kind = { start_call, true, false };
static const struct kind isend_kind = { start_isend, false, false };

/* ---- what a thread does ---------------------------------------------------- */

static void send_window(struct senders *senders, const void *body, ferry_future **futures, int part,
                        struct perf_sink *sink)
{
	int i;

	for (i = 0; i < part; i++)
		senders->kind->start(senders, body, &futures[i]);
	perf_need(ferry_wait_all(futures, (size_t)part, FERRY_FOREVER), "ferry_wait_all");
	for (i = 0; i < part; i++) {
		if (senders->kind->replies)
			perf_engine_read_reply(futures[i], sink);
		ferry_future_release(futures[i]);
	}
}

static void send_awaited(struct perf_member *member)
{
	struct senders *senders = member->arg;
	const struct perf_trial *trial = senders->trial;
	ferry_future **futures = perf_allocate((size_t)trial->window * sizeof(*futures));
	void *body = perf_payload(trial->size);
	struct perf_sink sink = { 0, 0 };
	uint64_t left = trial->count;
	int part;

	for (; left > 0; left -= (uint64_t)part) {
		part = left < (uint64_t)trial->window ? (int)left : trial->window;
		send_window(senders, body, futures, part, &sink);
	}
	senders->sinks[member->index] = sink;
	free(body);
	free(futures);
}

static void post_forgotten(struct perf_member *member)
{
	struct senders *senders = member->arg;
	const struct perf_trial *trial = senders->trial;
	void *body = perf_payload(trial->size);
	uint64_t i;

	for (i = 0; i < trial->count; i++)
		perf_need(ferry_post(senders->engine, 1, PERF_OP_SINK, body, trial->size, NULL),
		          "ferry_post");
	free(body);
}

/* A thread's own counter, or that of all. */
static void post_counted(struct perf_member *member)
{
	struct senders *senders = member->arg;
	const struct perf_trial *trial = senders->trial;
	ferry_counter *counter = senders->counter;
	void *body = perf_payload(trial->size);
	uint64_t i, all = trial->count * (counter ? (uint64_t)trial->threads : 1);

	if (!counter)
		perf_need(ferry_counter_create(senders->engine, &counter), "ferry_counter_create");
	for (i = 0; i < trial->count; i++)
		perf_need(ferry_post_counted(senders->engine, 1, PERF_OP_SINK, body, trial->size,
		                             counter),
		          "ferry_post_counted");
	perf_need(ferry_counter_wait(counter, all, FERRY_FOREVER), "ferry_counter_wait");
	if (!senders->counter)
		ferry_counter_release(counter);
	perf_engine_end(senders->engine, 1);
	free(body);
}

/* Futures say "delivered" only, so both ways of posting ask when all is handled. */
static void post_all(struct perf_member *member)
{
	struct senders *senders = member->arg;

	if (senders->trial->futures)
		send_awaited(member);
	else
		post_forgotten(member);
	perf_engine_end(senders->engine, 1);
}

/* ---- posts and calls --------------------------------------------------------- */

static void run_sender(struct senders *senders, void (*work)(struct perf_member *),
                       struct perf_receiver *receiver)
{
	struct perf_trial *trial = senders->trial;
	struct perf_team team;
	int i;

	perf_team_start(&team, trial->threads, work, senders);
	perf_engine_enter(senders->world, receiver);
	senders->engine = senders->world->engine;
	if (senders->kind->shares)
		perf_need(ferry_counter_create(senders->engine, &senders->counter),
		          "ferry_counter_create");
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_clock_stop(trial);
	ferry_counter_release(senders->counter);
	perf_engine_dismiss(senders->world);
	for (i = 0; i < trial->threads && senders->kind->replies; i++)
		perf_sink_check(&senders->sinks[i], trial->count, trial->size, "ferry");
}

static void run(struct perf_world *world, struct perf_trial *trial, const struct kind *kind,
                void (*work)(struct perf_member *))
{
	struct senders *senders = perf_allocate(sizeof(*senders));
	struct perf_receiver receiver = { .expected = 0 };

	senders->world = world;
	senders->trial = trial;
	senders->kind = kind;
	senders->counter = NULL;
	if (world->rank == 0) {
		run_sender(senders, work, &receiver);
	} else {
		perf_engine_enter(world, &receiver);
		perf_engine_await(&receiver);
		perf_sink_check(&receiver.sink, trial->count * (uint64_t)trial->threads,
		                trial->size, "ferry");
	}
	perf_engine_leave(world, &receiver);
	free(senders);
}

static void run_posts(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, &post_kind, post_all);
}

static void run_counted(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, &post_kind, post_counted);
}

static void run_counted_one(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, &one_kind, post_counted);
}

static void run_calls(struct perf_world *world, struct perf_trial *trial)
{
	run(world, trial, &call_kind, send_awaited);
}

/* ---- ferry_isend ---------------------------------------------------------------- */

/* Only rank 0 has an engine; the other rank is a plain MPI program. */
static void run_isend_sender(struct perf_world *world, struct perf_trial *trial)
{
	struct senders *senders = perf_allocate(sizeof(*senders));
	struct perf_team team;

	*senders = (struct senders){ .world = world, .trial = trial, .kind = &isend_kind };
	perf_need(ferry_open_comm(MPI_COMM_SELF, NULL, &senders->engine), "ferry_open_comm");
	perf_team_start(&team, trial->threads, send_awaited, senders);
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_peer_await(world->comm, 1, PERF_TAG_END);
	perf_clock_stop(trial);
	perf_need(ferry_close(senders->engine), "ferry_close");
	free(senders);
}

static void run_isends(struct perf_world *world, struct perf_trial *trial)
{
	if (world->rank == 0)
		run_isend_sender(world, trial);
	else
		perf_plain_rate.run(world, trial);
}

/* ---- the modes ------------------------------------------------------------------ */

static const struct perf_contestant posts = {
	"ferry",
	"ferry_post from all threads, a handler at the target",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run_posts
};
static const struct perf_contestant counted = {
	"counted",
	"the same by ferry_post_counted, a counter a thread",
	MPI_THREAD_MULTIPLE,
	true,
	0,
	run_counted
};
static const struct perf_contestant counted_one = {
	"counted-one",  "the same, a counter for all threads", MPI_THREAD_MULTIPLE, true, 0,
	run_counted_one
};
static const struct perf_contestant calls = {
	"ferry",  "ferry_call in windows, a handler that replies", MPI_THREAD_MULTIPLE, true, 0,
	run_calls
};
static const struct perf_contestant isends = { "ferry",
	                                       "ferry_isend in windows, to one thread of plain MPI",
	                                       MPI_THREAD_MULTIPLE,
	                                       true,
	                                       INT_MAX,
	                                       run_isends };

const struct perf_mode perf_rate_mode = {
	.name = "rate",
	.summary = "posts from T threads of one rank to another",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.metrics = { { "rate", "messages/s", true, true } },
	.metrics_count = 1,
	.contestants = { &posts, &counted, &counted_one, &perf_plain_rate, &perf_multiple_rate,
	                 &perf_multiple_symmetric, &perf_batch_rate, &perf_batch_threads, NULL },
	.counting = { &counted, &counted_one },
	.threads = 4,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 7,
};

const struct perf_mode perf_call_mode = {
	.name = "call",
	.summary = "calls with replies from T threads, a window each; plain is one way",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.metrics = { { "rate", "calls/s", true, true } },
	.metrics_count = 1,
	.contestants = { &calls, &perf_plain_rate, &perf_plain_call, &perf_multiple_call, NULL },
	.threads = 16,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 7,
};

/* A scheduler places threads by what they did in the last tenths of a second. A receiver that slept
 * before gets a share of a processor at first, not a whole one. So each trial is run twice, and the
 * second one counts. */
const struct perf_mode perf_isend_mode = {
	.name = "isend",
	.summary = "ferry_isend from T threads of one rank to a plain MPI program",
	.ranks_min = 2,
	.ranks_max = 2,
	.counted = true,
	.twice = true,
	.metrics = { { "rate", "messages/s", true, true } },
	.metrics_count = 1,
	.contestants = { &isends, &perf_plain_rate, &perf_multiple_symmetric, NULL },
	.threads = 16,
	.size = 64,
	.window = 64,
	.duration = 0.5,
	.repetitions = 9,
};
