/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal on another rank: the threads of each rank write entries, which the next rank keeps. Now
 * and then a thread commits: what all threads of its rank have written so far is kept when that
 * returns. One counter is all that they wait for; no entry has a future. It also tells when half of
 * the entries are kept.
 *
 *   mpiexec -n 2 journal [entries of a thread]
 */
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, OP_WRITE = 1, COMMIT_EVERY = 1000 };

struct entry {
	uint32_t thread, number; /* of that thread, from 0 on */
	double value;
};

static ferry *engine;
static ferry_counter *written; /* by all threads of this rank */
static uint32_t entries = 20000;
/* Of the rank before this one: the progress thread's until the fence. */
static uint32_t kept[THREADS];
static int out_of_order;

static void must(int status, const char *what)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "journal: %s: %s\n", what, ferry_last_error());
	_Exit(1);
}

static void keep(ferry *e, ferry_message *message, void *arg)
{
	const struct entry *entry = ferry_message_body(message, NULL);
	(void)e;
	(void)arg;
	out_of_order += entry->number != kept[entry->thread]++;
}

static void half_is_kept(ferry_future *none, int status, void *arg)
{
	(void)none;
	(void)arg;
	must(status, "an entry of the first half");
	printf("rank %d: half of its entries are kept\n", ferry_rank(engine));
}

static void commit(void)
{
	uint64_t posted;
	must(ferry_counter_read(written, &posted, NULL), "before a commit");
	must(ferry_counter_wait(written, posted, FERRY_FOREVER), "a commit");
}

static void *write_entries(void *number_of_thread)
{
	struct entry entry = { .thread = *(const uint32_t *)number_of_thread };
	int keeper = (ferry_rank(engine) + 1) % ferry_size(engine);
	for (; entry.number < entries; entry.number++) {
		entry.value = entry.thread + 1.0 / (entry.number + 1);
		must(ferry_post_counted(engine, keeper, OP_WRITE, &entry, sizeof entry, written),
		     "an entry");
		if ((entry.number + 1) % COMMIT_EVERY == 0)
			commit();
	}
	commit();
	return NULL;
}

static void write_all(void)
{
	pthread_t threads[THREADS];
	uint32_t numbers[THREADS];
	must(ferry_counter_create(engine, &written), "a counter");
	must(ferry_counter_then(written, (uint64_t)THREADS * entries / 2, FERRY_INLINE,
	                        half_is_kept, NULL),
	     "word of the first half");
	for (uint32_t i = 0; i < THREADS; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, write_entries, &numbers[i]) != 0)
			_Exit(1);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ferry_counter_release(written);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		entries = (uint32_t)strtoul(argv[1], NULL, 10);
	must(ferry_open(NULL, &engine), "ferry_open");
	must(ferry_handle(engine, OP_WRITE, FERRY_INLINE, keep, NULL), "ferry_handle");
	write_all();
	/* behind it the rank before has written all, too */
	must(ferry_fence(engine, FERRY_FOREVER), "ferry_fence");
	int bad = out_of_order;
	for (int i = 0; i < THREADS; i++)
		bad += kept[i] != entries;
	if (bad)
		fprintf(stderr, "journal: rank %d: entries are missing or out of order\n",
		        ferry_rank(engine));
	else if (ferry_rank(engine) == 0)
		printf("each rank keeps %u entries of %d threads\n", entries, THREADS);
	must(ferry_close(engine), "ferry_close");
	return bad != 0;
}
