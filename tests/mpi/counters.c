/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of many posts: threads of every rank post into one counter and into their own, to all
 * ranks, bodies small and large; what waits for numbers, what is released early, and the close.
 */
#include <mpi.h>

#include "system.h"

enum { THREADS = 6, OP = 3, LARGE = 20000 };

static ferry *engine;
static ferry_counter *shared;
static uint64_t posts; /* of a thread */
static struct system_counter handled = SYSTEM_COUNTER_INIT, called = SYSTEM_COUNTER_INIT;
static int rank, size;
static char large[LARGE];

static void on_post(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
	system_count(&handled, 1);
}

static void on_reached(ferry_future *future, int status, void *arg)
{
	CHECK(!future);
	CHECK_INT(status, *(const int *)arg);
	system_count(&called, 1);
}

static void post(ferry_counter *counter, uint64_t i)
{
	size_t nbytes = i % 101 == 7 ? LARGE : i % 64;
	CHECK_OK(ferry_post_counted(engine, (int)(i % (uint64_t)size), OP, large, nbytes, counter));
}

/* Waits for what it has posted itself, some at a time, and finds all of it counted at once. */
static void *thread_main(void *unused)
{
	ferry_counter *own;
	uint64_t posted, done;
	(void)unused;
	CHECK_OK(ferry_counter_create(engine, &own));
	for (uint64_t i = 0; i < posts; i++) {
		post(shared, i);
		post(own, i + 1);
		if (i % 500)
			continue;
		CHECK_OK(ferry_counter_read(own, &posted, NULL));
		CHECK_INT(posted, i + 1);
		CHECK_OK(ferry_counter_wait(own, posted, FERRY_FOREVER));
		CHECK_OK(ferry_counter_read(own, NULL, &done));
		CHECK_INT(done, posted);
	}
	ferry_counter_release(own); /* with posts open */
	return NULL;
}

static void many_threads(void)
{
	static int fine = FERRY_OK;
	pthread_t threads[THREADS];
	ferry_executor *pool;
	uint64_t posted, done, all = THREADS * posts;

	CHECK_OK(ferry_workers_create(engine, 2, &pool));
	CHECK_OK(ferry_counter_create(engine, &shared));
	CHECK_OK(ferry_counter_then(shared, all / 2, pool, on_reached, &fine));
	CHECK_OK(ferry_counter_then(shared, all, FERRY_INLINE, on_reached, &fine));
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
	CHECK_OK(ferry_counter_wait(shared, 1, FERRY_FOREVER));
	for (int i = 0; i < THREADS; i++)
		CHECK_INT(pthread_join(threads[i], NULL), 0);
	CHECK_OK(ferry_counter_read(shared, &posted, NULL));
	CHECK_INT(posted, all);
	CHECK_OK(ferry_counter_wait(shared, posted, FERRY_FOREVER));
	CHECK_OK(ferry_counter_read(shared, &posted, &done));
	CHECK_INT(done, all);
	CHECK_STATUS(ferry_counter_wait(shared, all + 1, FERRY_MS(3)), FERRY_PENDING);
	ferry_counter_release(shared);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_INT(system_counted(&handled), 2 * all); /* every rank posts alike */
	ferry_executor_destroy(pool);
	CHECK_INT(system_counted(&called), 2);
}

/* As after MPI_Init by a library whose threads come and go: parts are used again. */
static void *one_post(void *counter)
{
	post(counter, 1);
	return NULL;
}

static void threads_that_come_and_go(void)
{
	enum { N = 200 };
	ferry_counter *counter;
	uint64_t posted;
	CHECK_OK(ferry_counter_create(engine, &counter));
	for (int i = 0; i < N; i++) {
		pthread_t thread;
		CHECK_INT(pthread_create(&thread, NULL, one_post, counter), 0);
		CHECK_INT(pthread_join(thread, NULL), 0);
	}
	CHECK_OK(ferry_counter_read(counter, &posted, NULL));
	CHECK_INT(posted, N);
	CHECK_OK(ferry_counter_wait(counter, N, FERRY_FOREVER));
	ferry_counter_release(counter);
}

static void *wait_beyond(void *counter)
{
	CHECK_STATUS(ferry_counter_wait(counter, 2, FERRY_FOREVER), FERRY_ESTOPPED);
	return NULL;
}

/* What was posted is delivered by the close, and nobody waits for more. */
static void close_ends_waits(void)
{
	static int stopped = FERRY_ESTOPPED;
	ferry_counter *counter;
	pthread_t thread;
	uint64_t posted, done, before = system_counted(&called);
	CHECK_OK(ferry_counter_create(engine, &counter));
	post(counter, (uint64_t)rank + 1);
	CHECK_OK(ferry_counter_then(counter, 9, FERRY_INLINE, on_reached, &stopped));
	CHECK_INT(pthread_create(&thread, NULL, wait_beyond, counter), 0);
	system_sleep_ms(20);
	CHECK_OK(ferry_close(engine));
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(system_counted(&called), before + 1);
	CHECK_OK(ferry_counter_read(counter, &posted, &done));
	CHECK_INT(posted, 1);
	CHECK_INT(done, 1);
	CHECK_STATUS(ferry_counter_wait(counter, 2, FERRY_FOREVER), FERRY_ESTOPPED);
	CHECK_STATUS(ferry_post_counted(engine, 0, OP, "x", 1, counter), FERRY_ESTOPPED);
	ferry_counter_release(counter);
}

/* Nobody but the waiting thread makes steps. */
static void without_a_thread(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_counter *counter;
	options.flags = FERRY_NO_THREAD;
	engine = system_open(&options);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, on_post, NULL));
	CHECK_OK(ferry_counter_create(engine, &counter));
	for (uint64_t i = 0; i < 100; i++)
		post(counter, i);
	CHECK_OK(ferry_counter_wait(counter, 100, FERRY_FOREVER));
	ferry_counter_release(counter);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_close(engine));
}

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	system_watch();
	options.flags = FERRY_KEEP_MPI;
	engine = system_open(&options);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	posts = check_scaled(5000) * (uint64_t)size;
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, on_post, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	many_threads();
	threads_that_come_and_go();
	close_ends_waits();
	without_a_thread();
	if (rank == 0)
		printf("counters: %d threads of %d ranks, %llu posts: all counted, waited for, and "
		       "told once\n",
		       THREADS, size, (unsigned long long)(2 * THREADS * posts * (uint64_t)size));
	MPI_Finalize(); /* it was kept for us */
	return 0;
}
