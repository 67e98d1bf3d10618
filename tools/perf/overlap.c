/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a transfer proceeds while the application computes. There are three measurements: the
 * two ranks exchange one message of the given size each way; they compute for as long; they do both
 * at once. What was hidden is
 *
 *   (communication + computation - both) / the smaller of the two
 *
 * 1: the shorter one cost nothing; 0: one waited for the other. The processor time of the exchange
 * alone, of the worse rank, says how much can be hidden at best where there is no spare processor:
 * plain MPI waits by spinning.
 */
#include <stdlib.h>

#include "compute.h"
#include "engine.h"
#include "peer.h"

/* One exchange: started, then waited for. */
struct exchange {
	struct perf_world *world;
	char *out, *in;
	size_t nbytes;
	MPI_Request requests[2];        /* the peer's */
	struct perf_receiver *receiver; /* Ferry's */
	ferry_future *future;
	void (*start)(struct exchange *exchange);
	void (*finish)(struct exchange *exchange);
};

/* ---- the three times ------------------------------------------------------ */

/* All ranks end together, and the slower one counts. */
static double timed(struct exchange *exchange, bool communicate, uint64_t rounds)
{
	double start, seconds;

	MPI_Barrier(exchange->world->comm);
	start = perf_seconds();
	if (communicate)
		exchange->start(exchange);
	perf_compute(rounds);
	if (communicate)
		exchange->finish(exchange);
	seconds = perf_seconds() - start;
	MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, exchange->world->comm);
	return seconds;
}

static void measure_overlap(struct exchange *exchange, struct perf_trial *trial)
{
	double communication, computation, both, smaller, processor;
	uint64_t rounds;

	timed(exchange, true, 0);
	processor = perf_processor_seconds();
	communication = timed(exchange, true, 0);
	processor = perf_processor_seconds() - processor;
	MPI_Allreduce(MPI_IN_PLACE, &processor, 1, MPI_DOUBLE, MPI_MAX, exchange->world->comm);
	rounds = perf_compute_rounds(communication);
	computation = timed(exchange, false, rounds);
	both = timed(exchange, true, rounds);
	smaller = communication < computation ? communication : computation;
	trial->values[0] = (communication + computation - both) / smaller;
	trial->values[1] = communication * 1e3;
	trial->values[2] = computation * 1e3;
	trial->values[3] = both * 1e3;
	trial->values[4] = processor * 1e3;
}

static void exchange_create(struct exchange *exchange, struct perf_world *world, size_t nbytes)
{
	exchange->world = world;
	exchange->nbytes = nbytes;
	exchange->out = perf_payload(nbytes);
	exchange->in = perf_payload(nbytes);
}

static void exchange_destroy(struct exchange *exchange)
{
	free(exchange->out);
	free(exchange->in);
}

/* ---- Ferry ---------------------------------------------------------------- */

static void ferry_start_exchange(struct exchange *exchange)
{
	exchange->future = perf_engine_attach(exchange->world->engine, 1 - exchange->world->rank,
	                                      exchange->out, exchange->nbytes);
}

/* The next message cannot come before the barrier that follows. */
static void ferry_finish_exchange(struct exchange *exchange)
{
	perf_engine_await(exchange->receiver);
	exchange->receiver->expected++;
	perf_engine_settle(&exchange->future, 1);
}

static void run_ferry(struct perf_world *world, struct perf_trial *trial)
{
	struct perf_receiver receiver = { .expected = 1 };
	struct exchange exchange = { .start = ferry_start_exchange,
		                     .finish = ferry_finish_exchange,
		                     .receiver = &receiver };
	struct perf_landing landing;

	exchange_create(&exchange, world, trial->size);
	if (trial->land)
		perf_landing_create(&landing, world, trial->size, 1);
	perf_engine_enter(world, &receiver);
	measure_overlap(&exchange, trial);
	if (trial->land)
		perf_landing_destroy(&landing, world);
	perf_engine_leave(world, &receiver);
	exchange_destroy(&exchange);
}

/* ---- plain MPI ------------------------------------------------------------- */

static void plain_start(struct exchange *exchange)
{
	int other = 1 - exchange->world->rank, nbytes = (int)exchange->nbytes;

	MPI_Irecv(exchange->in, nbytes, MPI_BYTE, other, PERF_TAG_DATA, exchange->world->comm,
	          &exchange->requests[0]);
	MPI_Isend(exchange->out, nbytes, MPI_BYTE, other, PERF_TAG_DATA, exchange->world->comm,
	          &exchange->requests[1]);
}

static void plain_finish(struct exchange *exchange)
{
	MPI_Waitall(2, exchange->requests, MPI_STATUSES_IGNORE);
}

static void run_plain(struct perf_world *world, struct perf_trial *trial)
{
	struct exchange exchange = { .start = plain_start, .finish = plain_finish };

	exchange_create(&exchange, world, trial->size);
	measure_overlap(&exchange, trial);
	exchange_destroy(&exchange);
}

static const struct perf_contestant contestant = {
	"ferry",  "ferry_post_message with one attachment each way", MPI_THREAD_MULTIPLE, true, 0,
	run_ferry
};
static const struct perf_contestant plain = {
	"plain",  "MPI_Isend and MPI_Irecv, then MPI_Waitall", MPI_THREAD_FUNNELED, false, 0,
	run_plain
};

const struct perf_mode perf_overlap_mode = {
	.name = "overlap",
	.summary = "how much of an exchange proceeds while both ranks compute",
	.ranks_min = 2,
	.ranks_max = 2,
	.metrics = { { "overlap", "", false, true },
	             { "communication", "ms", true, false },
	             { "computation", "ms", false, false },
	             { "both", "ms", true, false },
	             { "processor", "ms", false, false } },
	.metrics_count = 5,
	.contestants = { &contestant, &plain, NULL },
	.threads = 1,
	.size = 16 << 20,
	.window = 1,
	.duration = 0.5,
	.repetitions = 7,
};
