/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of a completion when a thread waits for very many futures at once. It should not depend
 * on how many they are.
 *
 *   futures [COUNT...]     1000 10000 100000 when none is given; alone, without a launcher
 *
 * It measures promises, which another thread fulfils while this one waits, so only the waiting is
 * measured; and posts to this rank, with all that a message costs. Each number is the best of
 * REPEATS. Exit 1 if a completion among the most futures costs FLAT times as much as among the
 * fewest.
 */
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 5, COUNTS_MAX = 8, OP_NOTHING = 1 };
#define FLAT 10.0
#define NOISE 2e-6 /* seconds that do not count as a difference */

static ferry *engine;
static ferry_executor *queue;

static void check(int status, const char *what)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "futures: %s: %s: %s\n", what, ferry_strname(status), ferry_last_error());
	exit(1);
}
#define TRY(call) check(call, #call)

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *memory(size_t nbytes)
{
	void *data = calloc(1, nbytes);

	if (!data)
		check(FERRY_ENOMEM, "calloc");
	return data;
}

/* ---- promises, and who fulfils them ------------------------------------ */

enum order { AS_MADE, REVERSED, SHUFFLED, LAST_ALONE };

struct batch {
	size_t count;
	enum order order;
	ferry_future **futures;  /* as they were made */
	ferry_future **sequence; /* as they are fulfilled */
	size_t n_sequence;
	pthread_t thread;
	pthread_barrier_t start;
	double begin, took; /* of the fulfilling thread; read after it is joined */
};

static void *fulfil_all(void *arg)
{
	struct batch *batch = arg;

	pthread_barrier_wait(&batch->start);
	if (batch->order == LAST_ALONE)
		/* the other thread is asleep by then */
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	batch->begin = now();
	for (size_t i = 0; i < batch->n_sequence; i++)
		TRY(ferry_promise_fulfil(batch->sequence[i], FERRY_OK, NULL));
	batch->took = now() - batch->begin;
	return NULL;
}

static void shuffle(ferry_future **futures, size_t count)
{
	uint64_t random = 88172645463325252u;

	for (size_t i = count; i > 1; i--) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		ferry_future **a = &futures[i - 1], **b = &futures[random % i], *kept = *a;
		*a = *b;
		*b = kept;
	}
}

static void put_in_order(struct batch *batch)
{
	size_t count = batch->count;
	bool from_the_end = batch->order == REVERSED || batch->order == LAST_ALONE;

	batch->n_sequence = batch->order == LAST_ALONE ? 1 : count;
	for (size_t i = 0; i < count; i++)
		batch->sequence[i] = batch->futures[from_the_end ? count - 1 - i : i];
	if (batch->order == SHUFFLED)
		shuffle(batch->sequence, count);
}

static void batch_start(struct batch *batch, size_t count, enum order order)
{
	*batch = (struct batch){ .count = count, .order = order };
	batch->futures = memory(count * sizeof(ferry_future *));
	batch->sequence = memory(count * sizeof(ferry_future *));
	for (size_t i = 0; i < count; i++)
		TRY(ferry_promise_create(engine, &batch->futures[i]));
	put_in_order(batch);
	pthread_barrier_init(&batch->start, NULL, 2);
	if (pthread_create(&batch->thread, NULL, fulfil_all, batch))
		check(FERRY_ENOMEM, "pthread_create");
}

/* Seconds from the first fulfilment until `end`. */
static double batch_end(struct batch *batch, double end)
{
	pthread_join(batch->thread, NULL);
	pthread_barrier_destroy(&batch->start);
	for (size_t i = 0; i < batch->count; i++)
		ferry_future_release(batch->futures[i]);
	free(batch->futures);
	free(batch->sequence);
	return end - batch->begin;
}

/* ---- what is measured: seconds a completion ---------------------------- */

static double wait_for_all(size_t count, enum order order)
{
	struct batch batch;

	batch_start(&batch, count, order);
	pthread_barrier_wait(&batch.start);
	TRY(ferry_wait_all(batch.futures, count, FERRY_FOREVER));
	return batch_end(&batch, now()) / (double)count;
}

static double as_made(size_t count)
{
	return wait_for_all(count, AS_MADE);
}

static double reversed(size_t count)
{
	return wait_for_all(count, REVERSED);
}

static double shuffled(size_t count)
{
	return wait_for_all(count, SHUFFLED);
}

static double composed(size_t count)
{
	struct batch batch;
	ferry_future *all;

	batch_start(&batch, count, SHUFFLED);
	TRY(ferry_future_all(batch.futures, count, &all));
	pthread_barrier_wait(&batch.start);
	TRY(ferry_future_wait(all, FERRY_FOREVER));
	ferry_future_release(all);
	return batch_end(&batch, now()) / (double)count;
}

static void count_one(ferry_future *future, int status, void *arg)
{
	(void)future;
	check(status, "a promise");
	++*(size_t *)arg;
}

/* Deal with each future as it completes. A loop around ferry_wait_any could not be faster. */
static double one_by_one(size_t count)
{
	struct batch batch;
	size_t ran = 0;

	batch_start(&batch, count, SHUFFLED);
	for (size_t i = 0; i < count; i++)
		TRY(ferry_future_then(batch.futures[i], queue, count_one, &ran));
	pthread_barrier_wait(&batch.start);
	while (ran < count)
		if (ferry_executor_run(queue, 0, FERRY_FOREVER) < 0)
			check(FERRY_EINVAL, "ferry_executor_run");
	return batch_end(&batch, now()) / (double)count;
}

static double posted(size_t count)
{
	ferry_future **futures = memory(count * sizeof *futures);
	double begin = now(), end;

	for (size_t i = 0; i < count; i++)
		TRY(ferry_post(engine, ferry_rank(engine), OP_NOTHING, &i, sizeof i, &futures[i]));
	TRY(ferry_wait_all(futures, count, FERRY_FOREVER));
	end = now();
	for (size_t i = 0; i < count; i++)
		ferry_future_release(futures[i]);
	free(futures);
	return (end - begin) / (double)count;
}

/* One call of ferry_wait_any over so many futures, one of which completes while it sleeps. Returns
 * the seconds until it returns; *completing_p: those that the completing thread needs. */
static double any_known(size_t count, double *completing_p)
{
	struct batch batch;
	size_t index;

	batch_start(&batch, count, LAST_ALONE);
	pthread_barrier_wait(&batch.start);
	TRY(ferry_wait_any(batch.futures, count, FERRY_FOREVER, &index));
	double took = batch_end(&batch, now());
	*completing_p = batch.took;
	return index == count - 1 ? took : (check(FERRY_EINVAL, "ferry_wait_any"), 0);
}

/* ---- the table --------------------------------------------------------- */

static double best(double (*measure)(size_t count), size_t count)
{
	double least = measure(count);

	for (int i = 1; i < REPEATS; i++) {
		double time = measure(count);
		least = time < least ? time : least;
	}
	return least;
}

static bool line(const char *name, double (*measure)(size_t count), const size_t *counts,
                 unsigned n)
{
	double first = 0, last = 0;

	printf("%-44s", name);
	for (unsigned i = 0; i < n; i++) {
		last = best(measure, counts[i]);
		first = i == 0 ? last : first;
		printf(" %9.0f", last * 1e9);
	}
	printf("\n");
	return last < FLAT * first + NOISE;
}

static bool any_lines(const size_t *counts, unsigned n)
{
	double known[COUNTS_MAX], completing[COUNTS_MAX];

	for (unsigned i = 0; i < n; i++) {
		known[i] = completing[i] = 1;
		for (int r = 0; r < REPEATS; r++) {
			double c, k = any_known(counts[i], &c);
			known[i] = k < known[i] ? k : known[i];
			completing[i] = c < completing[i] ? c : completing[i];
		}
	}
	printf("%-44s", "ferry_wait_any, completing one");
	for (unsigned i = 0; i < n; i++)
		printf(" %9.0f", completing[i] * 1e9);
	printf("\n%-44s", "  until it has returned, for each given");
	for (unsigned i = 0; i < n; i++)
		printf(" %9.1f", known[i] * 1e9 / (double)counts[i]);
	printf("\n");
	return completing[n - 1] < FLAT * completing[0] + 10 * NOISE;
}

static bool table(const size_t *counts, unsigned n)
{
	bool flat = true;

	printf("%-44s", "ns a completion, of");
	for (unsigned i = 0; i < n; i++)
		printf(" %9zu", counts[i]);
	printf("\n");
	flat &= line("ferry_wait_all, completed as made", as_made, counts, n);
	flat &= line("ferry_wait_all, the last first", reversed, counts, n);
	flat &= line("ferry_wait_all, at random", shuffled, counts, n);
	flat &= line("ferry_future_all, at random", composed, counts, n);
	flat &= line("ferry_future_then on a queue, at random", one_by_one, counts, n);
	flat &= line("ferry_post to this rank and ferry_wait_all", posted, counts, n);
	return any_lines(counts, n) && flat;
}

static void nothing(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
}

int main(int argc, char **argv)
{
	size_t counts[COUNTS_MAX] = { 1000, 10000, 100000 };
	unsigned n = argc > 1 ? 0 : 3;

	for (int i = 1; i < argc && n < COUNTS_MAX; i++)
		if ((counts[n++] = strtoul(argv[i], NULL, 0)) == 0)
			return fprintf(stderr, "usage: futures [COUNT...]\n"), 2;
	TRY(ferry_open(NULL, &engine));
	TRY(ferry_queue_create(engine, &queue));
	TRY(ferry_handle(engine, OP_NOTHING, FERRY_INLINE, nothing, NULL));
	bool flat = table(counts, n);
	if (!flat)
		fprintf(stderr, "futures: the cost of a completion grows with their number\n");
	TRY(ferry_close(engine));
	ferry_executor_destroy(queue);
	return flat ? 0 : 1;
}
