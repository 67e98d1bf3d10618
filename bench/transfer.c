/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a large transfer does to small messages.
 *
 *   mpiexec -n 4 bench/transfer [SECONDS [MIB [land]]]
 *
 * Rank 0 sends attachments of MIB (1024) mebibytes to rank 1, one after the other. Meanwhile, and
 * before that without it, for SECONDS (1) each:
 *
 *   same ranks    another thread of rank 0 calls rank 1 with 8 bytes, and waits for the reply
 *   futures       a third thread posts 8 bytes to rank 1, and waits for the future
 *   other ranks   rank 2 calls rank 3 (with 4 ranks)
 *
 * With `land` the receiver names the memory in which they end, the same each time; without it they
 * end in new memory, whose pages the system has to find and clear first.
 *
 * Prints the times' median and 99th percentile, and how many times as long they are beside
 * the transfer.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry.h"

enum { OP_ECHO = 1, OP_NOTE, OP_BULK, OP_RESULT };
enum { SAME, FUTURES, OTHER, KINDS };
enum { SAMPLES_MAX = 1 << 20 };

static const char *const names[KINDS] = { "same ranks", "futures", "other ranks" };

struct result {
	double median, high; /* us; 0: not measured */
	uint64_t count;
};

struct probe {
	int kind, peer;
	struct result result;
};

static ferry *engine;
static double seconds = 1;
static size_t bulk_bytes = (size_t)1 << 30;
static double end; /* of the phase: written before the threads start */

static void need(int status, const char *what)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "bench/transfer: %s: %s (%s)\n", what, ferry_strname(status),
	        ferry_last_error());
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- handlers ------------------------------------------------------------------------------- */

static void echo(ferry *e, ferry_message *message, void *arg)
{
	size_t n;
	const void *body = ferry_message_body(message, &n);

	(void)e;
	(void)arg;
	need(ferry_reply(message, body, n), "ferry_reply");
}

static void drop(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
}

/* ---- small messages -------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void once(const struct probe *probe, uint64_t number)
{
	ferry_future *future;

	if (probe->kind == FUTURES)
		need(ferry_post(engine, probe->peer, OP_NOTE, &number, sizeof number, &future),
		     "ferry_post");
	else
		need(ferry_call(engine, probe->peer, OP_ECHO, &number, sizeof number, &future),
		     "ferry_call");
	need(ferry_future_wait(future, FERRY_FOREVER), "ferry_future_wait");
	ferry_future_release(future);
}

static void *measure(void *arg)
{
	struct probe *probe = arg;
	float *samples = malloc(SAMPLES_MAX * sizeof *samples);
	uint64_t n = 0;

	if (!samples)
		exit(1);
	for (double before = now(), after; before < end && n < SAMPLES_MAX; before = after) {
		once(probe, n);
		after = now();
		samples[n++] = (float)(1e6 * (after - before));
	}
	qsort(samples, n, sizeof *samples, ascending);
	probe->result = (struct result){ samples[n / 2], samples[n - 1 - n / 100], n };
	free(samples);
	return NULL;
}

/* ---- the transfer ------------------------------------------------------ */

static ferry_future *post_bulk(const void *data)
{
	ferry_message *message;
	ferry_future *future;

	need(ferry_message_create(engine, OP_BULK, &message), "ferry_message_create");
	need(ferry_message_attach(message, data, bulk_bytes, NULL, NULL), "ferry_message_attach");
	need(ferry_post_message(engine, 1, message, &future), "ferry_post_message");
	ferry_message_release(message);
	return future;
}

struct bulk {
	void *data;
	double rate;
};

/* Until the others are through. */
static void *transfer(void *arg)
{
	struct bulk *bulk = arg;
	double start = now();
	unsigned n = 0;

	for (; n == 0 || now() < end; n++) {
		ferry_future *future = post_bulk(bulk->data);
		need(ferry_future_wait(future, FERRY_FOREVER), "a transfer");
		ferry_future_release(future);
	}
	bulk->rate = n * (double)bulk_bytes / (now() - start) * 1e-6;
	return NULL;
}

static void *land(ferry *e, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	const struct bulk *bulk = arg;

	(void)e;
	(void)source;
	(void)op;
	(void)index;
	return nbytes == bulk_bytes ? bulk->data : NULL;
}

/* ---- phases ------------------------------------------------------------ */

/* With `bulk` beside the transfer. Returns what this rank measured. */
static void run_phase(struct result results[KINDS], struct bulk *bulk)
{
	struct probe probes[KINDS] = { { .kind = SAME, .peer = 1 },
		                       { .kind = FUTURES, .peer = 1 },
		                       { .kind = OTHER, .peer = 3 } };
	int rank = ferry_rank(engine), first = rank == 0 ? SAME : OTHER;
	int last = rank == 0 ? FUTURES : rank == 2 ? OTHER : -1;
	pthread_t threads[KINDS + 1];

	need(ferry_fence(engine, FERRY_FOREVER), "ferry_fence");
	end = now() + seconds;
	if (bulk && rank == 0)
		pthread_create(&threads[KINDS], NULL, transfer, bulk);
	for (int i = first; i <= last; i++)
		pthread_create(&threads[i], NULL, measure, &probes[i]);
	for (int i = first; i <= last; i++) {
		pthread_join(threads[i], NULL);
		results[i] = probes[i].result;
	}
	if (bulk && rank == 0)
		pthread_join(threads[KINDS], NULL);
	need(ferry_fence(engine, FERRY_FOREVER), "ferry_fence");
}

static void report(const struct result alone[KINDS], const struct result beside[KINDS],
                   const struct bulk *bulk)
{
	printf("%d ranks, transfers of %zu MiB at %.0f MB/s, times in us\n\n", ferry_size(engine),
	       bulk_bytes >> 20, bulk->rate);
	printf("                 alone               beside             ratio\n");
	printf("              median      99 %%   median      99 %%   median   99 %%    count\n");
	for (int i = 0; i < KINDS; i++)
		if (alone[i].count && beside[i].count)
			printf("%-12s %7.1f %9.1f %8.1f %9.1f %8.2f %6.2f %8llu\n", names[i],
			       alone[i].median, alone[i].high, beside[i].median, beside[i].high,
			       beside[i].median / alone[i].median, beside[i].high / alone[i].high,
			       (unsigned long long)beside[i].count);
}

/* Rank 2 tells rank 0 what it saw. */
static void collect(struct result *alone, struct result *beside)
{
	struct result both[2] = { *alone, *beside };
	ferry_message *message;

	if (ferry_rank(engine) == 2)
		need(ferry_post(engine, 0, OP_RESULT, both, sizeof both, NULL), "ferry_post");
	if (ferry_rank(engine) != 0 || ferry_size(engine) < 4)
		return;
	need(ferry_recv(engine, 2, OP_RESULT, FERRY_FOREVER, &message), "ferry_recv");
	memcpy(both, ferry_message_body(message, NULL), sizeof both);
	ferry_message_release(message);
	*alone = both[0];
	*beside = both[1];
}

int main(int argc, char **argv)
{
	struct result alone[KINDS], beside[KINDS];
	struct bulk bulk = { NULL, 0 };
	bool landing = argc > 3 && strcmp(argv[3], "land") == 0;

	memset(alone, 0, sizeof alone);
	memset(beside, 0, sizeof beside);
	if (argc > 1)
		seconds = atof(argv[1]);
	if (argc > 2)
		bulk_bytes = (size_t)atoll(argv[2]) << 20;
	need(ferry_open(NULL, &engine), "ferry_open");
	if (ferry_size(engine) != 2 && ferry_size(engine) < 4) {
		fprintf(stderr, "usage: mpiexec -n 2|4 bench/transfer [SECONDS [MIB [land]]]\n");
		return 2;
	}
	need(ferry_handle(engine, OP_ECHO, FERRY_INLINE, echo, NULL), "ferry_handle");
	need(ferry_handle(engine, OP_NOTE, FERRY_INLINE, drop, NULL), "ferry_handle");
	need(ferry_handle(engine, OP_BULK, FERRY_INLINE, drop, NULL), "ferry_handle");
	if (ferry_rank(engine) == 0 || (ferry_rank(engine) == 1 && landing)) {
		bulk.data = malloc(bulk_bytes);
		if (!bulk.data)
			return 1;
		memset(bulk.data, 1, bulk_bytes);
	}
	if (ferry_rank(engine) == 1 && landing)
		need(ferry_handle_memory(engine, OP_BULK, land, &bulk), "ferry_handle_memory");
	run_phase(alone, NULL);
	run_phase(beside, &bulk);
	collect(&alone[OTHER], &beside[OTHER]);
	if (ferry_rank(engine) == 0)
		report(alone, beside, &bulk);
	need(ferry_close(engine), "ferry_close");
	free(bulk.data);
	return 0;
}
