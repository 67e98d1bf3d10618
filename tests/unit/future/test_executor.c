/* SPDX-License-Identifier: Apache-2.0 */
/* Executors: pools, strands, queues and their descriptors, and the ends of all of them. */
#include "test.h"
#include "base/fail.h"
#include "base/order.h"
#include "future/executor.h"
#include "future/hooks.h"
#include "future/pool.h"
#include "future/queue.h"
#include "future/task.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>

/* ---- helpers ----------------------------------------------------------------------- */

static char engine_memory[2];
static ferry *const engine = (ferry *)(void *)&engine_memory[0];
static ferry *const other_engine = (ferry *)(void *)&engine_memory[1];

/* A task that notes what happened to it. */
struct job {
	struct fy_task task;
	void (*then)(struct job *job); /* may be NULL */
	void *arg;
	unsigned producer, number;
	uint32_t runs, discarded;
	bool heap;
};

static uint32_t jobs_run, jobs_discarded; /* atomic add */

static void job_run(struct fy_task *task)
{
	struct job *job = (struct job *)task;
	bool heap = job->heap;

	if (fy_executor_discarding()) {
		job->discarded++;
		fy_add_32(&jobs_discarded, 1);
	} else {
		job->runs++;
		if (job->then)
			job->then(job);
		fy_add_32(&jobs_run, 1);
	}
	if (heap)
		free(job);
}

static void job_init(struct job *job, void (*then)(struct job *), void *arg)
{
	*job = (struct job){ .task = { .run = job_run }, .then = then, .arg = arg };
}

static void submit_new(ferry_executor *where, void (*then)(struct job *), void *arg,
                       unsigned producer, unsigned number)
{
	struct job *job = malloc(sizeof *job);

	job_init(job, then, arg);
	job->heap = true;
	job->producer = producer;
	job->number = number;
	fy_executor_submit(where, &job->task);
}

static int set_up(void **state)
{
	(void)state;
	jobs_run = jobs_discarded = 0;
	return 0;
}

static bool wait_for(const uint32_t *word, uint32_t value)
{
	int64_t until = t_now() + FERRY_S(60);

	for (unsigned i = 0; fy_load_acquire_32(word) != value && t_now() < until; i++) {
		if (i < 1000)
			sched_yield();
		else
			t_sleep_ms(1);
	}
	return fy_load_acquire_32(word) == value;
}

static ferry_executor *make_pool(unsigned threads)
{
	ferry_executor *pool;

	assert_int_equal(ferry_workers_create(engine, threads, &pool), FERRY_OK);
	return pool;
}

static ferry_executor *make_queue(void)
{
	ferry_executor *queue;

	assert_int_equal(ferry_queue_create(engine, &queue), FERRY_OK);
	return queue;
}

static ferry_executor *make_strand(ferry_executor *pool)
{
	ferry_executor *strand;

	assert_int_equal(ferry_strand_create(pool, &strand), FERRY_OK);
	return strand;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

/* ---- arguments ------------------------------------------------------------------------- */

static void wrong_arguments_get_einval_and_a_sentence(void **state)
{
	ferry_executor *made = NULL, *pool = make_pool(1), *queue = make_queue(),
		       *strand = make_strand(pool);

	(void)state;
#define REFUSED(call)                                         \
	do {                                                  \
		fy_fail(0, "%s", "");                         \
		assert_int_equal(call, FERRY_EINVAL);         \
		assert_true(strlen(ferry_last_error()) > 20); \
	} while (0)
	REFUSED(ferry_workers_create(NULL, 1, &made));
	REFUSED(ferry_workers_create(engine, 1, NULL));
	REFUSED(ferry_workers_create(engine, 0, &made));
	REFUSED(ferry_workers_create(engine, 1000000, &made));
	REFUSED(ferry_strand_create(NULL, &made));
	REFUSED(ferry_strand_create(pool, NULL));
	REFUSED(ferry_strand_create(queue, &made));
	REFUSED(ferry_strand_create(strand, &made));
	REFUSED(ferry_strand_create(FERRY_ANYWHERE, &made));
	REFUSED(ferry_queue_create(NULL, &made));
	REFUSED(ferry_queue_create(engine, NULL));
	REFUSED(ferry_executor_run(NULL, 1, 0));
	REFUSED(ferry_executor_run(pool, 1, 0));
	REFUSED(ferry_executor_run(queue, 1, -2));
	REFUSED(ferry_executor_run(FERRY_ANYWHERE, 1, 0));
	REFUSED(ferry_executor_fd(FERRY_ANYWHERE));
	REFUSED(ferry_executor_fd(NULL));
	REFUSED(ferry_executor_fd(pool));
	REFUSED(ferry_executor_fd(strand));
	assert_null(made);
	ferry_executor_destroy(NULL);
	ferry_executor_destroy(FERRY_ANYWHERE);
	ferry_executor_destroy(strand);
	ferry_executor_destroy(pool);
	ferry_executor_destroy(queue);
}

/* ---- pools --------------------------------------------------------------------------------- */

static void note_thread(struct job *job)
{
	sigset_t *blocked = job->arg;
	char name[16];

	pthread_sigmask(SIG_SETMASK, NULL, blocked);
	pthread_getname_np(pthread_self(), name, sizeof name);
	job->number = strcmp(name, "ferry-worker") == 0;
}

/* Their mask is that of who made the pool, so that the program's code can be reached by signals
 * as elsewhere. */
static void worker_threads_are_named_and_have_their_makers_mask(void **state)
{
	sigset_t blocked, own, mask;
	struct job job;

	(void)state;
	sigemptyset(&blocked);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &mask, &own);
	ferry_executor *pool = make_pool(1);
	job_init(&job, note_thread, &blocked);
	fy_executor_submit(pool, &job.task);
	ferry_executor_destroy(pool);
	assert_int_equal(job.number, 1);
	pthread_sigmask(SIG_SETMASK, &own, NULL);
	for (int number = 1; number < 32; number++)
		assert_int_equal(sigismember(&blocked, number), number == SIGUSR1);
}

enum { PRODUCERS = 4 };

struct producer {
	pthread_t thread;
	ferry_executor *where;
	unsigned number, count;
	void (*then)(struct job *job);
	void *arg;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (unsigned i = 0; i < p->count; i++)
		submit_new(p->where, p->then, p->arg, p->number, i);
	return NULL;
}

static void start_producers(struct producer *producers, ferry_executor *where, unsigned count,
                            void (*then)(struct job *), void *arg)
{
	for (unsigned i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){
			.where = where, .number = i, .count = count, .then = then, .arg = arg
		};
		pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
	}
}

static void join_producers(struct producer *producers)
{
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i].thread, NULL);
}

/* What a serial executor must not do: run two at once, or out of the order of a producer. */
struct order {
	/* not atomic on purpose: the sanitizer sees a missing happens-before */
	unsigned next[PRODUCERS];
	unsigned inside;
	unsigned wrong;
};

static void check_order(struct job *job)
{
	struct order *order = job->arg;

	order->wrong += order->inside++ != 0;
	order->wrong += order->next[job->producer]++ != job->number;
	order->inside--;
}

static void run_in_order(ferry_executor *where, ferry_executor *pool)
{
	struct producer producers[PRODUCERS];
	struct order order = { .wrong = 0 };
	unsigned count = (unsigned)t_scaled(25000);

	start_producers(producers, where, count, check_order, &order);
	join_producers(producers);
	ferry_executor_destroy(where);
	if (pool)
		ferry_executor_destroy(pool);
	assert_int_equal(jobs_run, PRODUCERS * count);
	assert_int_equal(order.wrong, 0);
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(order.next[i], count);
}

static void a_pool_of_one_thread_keeps_the_order_of_each_producer(void **state)
{
	(void)state;
	run_in_order(make_pool(1), NULL);
}

static void a_strand_over_four_threads_runs_one_at_a_time_in_order(void **state)
{
	ferry_executor *pool = make_pool(4);

	(void)state;
	run_in_order(make_strand(pool), pool);
}

static void a_pool_of_four_runs_each_of_a_hundred_thousand_once(void **state)
{
	struct producer producers[PRODUCERS];
	ferry_executor *pool = make_pool(4);
	unsigned count = (unsigned)t_scaled(25000);

	(void)state;
	start_producers(producers, pool, count, NULL, NULL);
	join_producers(producers);
	assert_true(wait_for(&jobs_run, PRODUCERS * count)); /* without destroy's help */
	ferry_executor_destroy(pool);
	assert_int_equal(jobs_run, PRODUCERS * count);
	assert_int_equal(jobs_discarded, 0);
}

/* One at a time with pauses, so that the threads go to sleep in between. */
static void sleeping_threads_are_woken_every_time(void **state)
{
	ferry_executor *pool = make_pool(3);

	(void)state;
	for (unsigned i = 1; i <= t_scaled(2000); i++) {
		submit_new(pool, NULL, NULL, 0, 0);
		if (i % 3 == 0)
			submit_new(pool, NULL, NULL, 0, 0);
		assert_true(wait_for(&jobs_run, i + i / 3));
		if (i % 100 == 0)
			t_sleep_ms(1);
	}
	ferry_executor_destroy(pool);
}

static void meet(struct job *job)
{
	pthread_barrier_wait(job->arg);
}

static void a_pool_runs_side_by_side(void **state)
{
	ferry_executor *pool = make_pool(3);
	pthread_barrier_t barrier;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++)
		submit_new(pool, meet, &barrier, 0, 0);
	ferry_executor_destroy(pool);
	assert_int_equal(jobs_run, 3);
	pthread_barrier_destroy(&barrier);
}

static void doze(struct job *job)
{
	(void)job;
	t_sleep_ms(1);
}

static void destroy_runs_what_is_left(void **state)
{
	ferry_executor *pool = make_pool(2), *base = make_pool(2), *strand = make_strand(base),
		       *queue = make_queue();

	(void)state;
	for (int i = 0; i < 50; i++) {
		submit_new(pool, doze, NULL, 0, 0);
		submit_new(strand, doze, NULL, 0, 0);
		submit_new(queue, NULL, NULL, 0, 0);
	}
	ferry_executor_destroy(strand);
	ferry_executor_destroy(pool);
	ferry_executor_destroy(queue);
	assert_int_equal(jobs_run, 150);
	ferry_executor_destroy(base);
}

static void run_slowly(struct job *job)
{
	fy_store_release_32(job->arg, 1);
	t_sleep_ms(30);
	fy_store_release_32(job->arg, 2);
}

static void *run_queue_once(void *arg)
{
	ferry_executor_run(arg, 1, FERRY_FOREVER);
	fy_executor_release(arg);
	return NULL;
}

static void destroy_waits_for_what_is_running(void **state)
{
	ferry_executor *base = make_pool(1),
		       *made[3] = { make_pool(1), make_strand(base), make_queue() };
	pthread_t runner;

	(void)state;
	fy_executor_retain(made[2]);
	pthread_create(&runner, NULL, run_queue_once, made[2]);
	for (int i = 0; i < 3; i++) {
		uint32_t progress = 0;
		submit_new(made[i], run_slowly, &progress, 0, 0);
		assert_true(wait_for(&progress, 1));
		ferry_executor_destroy(made[i]);
		assert_int_equal(fy_load_acquire_32(&progress), 2);
	}
	pthread_join(runner, NULL);
	ferry_executor_destroy(base);
}

/* A thread that has just found nothing must look again before it ends. */
static void a_task_submitted_right_before_destroy_runs(void **state)
{
	unsigned rounds = (unsigned)t_scaled(1000);

	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		ferry_executor *pool = make_pool(1 + i % 2);
		for (unsigned spin = i % 64 * 8; spin > 0; spin--)
			fy_pause();
		submit_new(pool, NULL, NULL, 0, 0);
		ferry_executor_destroy(pool);
		assert_int_equal(jobs_run, i + 1);
	}
}

/* Handlers and callbacks hold a reference, so they may submit later: nothing of it runs. */
static void what_is_submitted_after_destroy_is_discarded(void **state)
{
	ferry_executor *pool = make_pool(1), *base = make_pool(1),
		       *made[3] = { pool, make_strand(base), make_queue() };

	(void)state;
	for (int i = 0; i < 3; i++) {
		fy_executor_retain(made[i]);
		ferry_executor_destroy(made[i]);
		submit_new(made[i], NULL, NULL, 0, 0);
		fy_executor_release(made[i]);
	}
	assert_int_equal(jobs_run, 0);
	assert_int_equal(jobs_discarded, 3);
	ferry_executor_destroy(base);
}

static void a_strand_of_a_destroyed_pool_discards(void **state)
{
	ferry_executor *pool = make_pool(2), *strand = make_strand(pool);

	(void)state;
	for (int i = 0; i < 100; i++)
		submit_new(strand, doze, NULL, 0, 0);
	ferry_executor_destroy(pool); /* runs what is left, the strand's tasks too */
	assert_int_equal(jobs_run, 100);
	submit_new(strand, NULL, NULL, 0, 0);
	submit_new(strand, NULL, NULL, 0, 0);
	assert_int_equal(jobs_discarded, 2);
	ferry_executor_destroy(strand);
	assert_int_equal(jobs_run, 100);
}

static void *submit_until_discarded(void *arg)
{
	struct producer *p = arg;

	for (unsigned i = 0; !fy_load_acquire_32(&jobs_discarded); i++) {
		submit_new(p->where, NULL, NULL, 0, i);
		p->count++;
	}
	fy_executor_release(p->where);
	return NULL;
}

static void destroy_and_submit_race(void **state)
{
	(void)state;
	for (unsigned long round = 0; round < t_scaled(90); round++) {
		ferry_executor *base = make_pool(2);
		ferry_executor *where = round % 3 == 0   ? make_pool(2)
		                        : round % 3 == 1 ? make_strand(base)
		                                         : make_queue();
		struct producer p[2];
		jobs_run = jobs_discarded = 0;
		for (int i = 0; i < 2; i++) {
			p[i] = (struct producer){ .where = where };
			fy_executor_retain(where);
			pthread_create(&p[i].thread, NULL, submit_until_discarded, &p[i]);
		}
		if (round & 1)
			sched_yield();
		ferry_executor_destroy(where);
		uint32_t ran = fy_load_acquire_32(&jobs_run);
		pthread_join(p[0].thread, NULL);
		pthread_join(p[1].thread, NULL);
		assert_int_equal(jobs_run, ran); /* nothing runs once destroy has returned */
		assert_int_equal(jobs_run + jobs_discarded, p[0].count + p[1].count);
		ferry_executor_destroy(base);
	}
}

/* ---- destroyed from inside --------------------------------------------- */

static void destroy_own(struct job *job)
{
	ferry_executor_destroy(job->arg);
	fy_add_32(&jobs_run, 1000); /* still running */
}

static void destroyed_from_inside_it_takes_effect_on_return(void **state)
{
	ferry_executor *base = make_pool(2);

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		ferry_executor *where = kind == 0   ? make_pool(1)
		                        : kind == 1 ? make_strand(base)
		                                    : make_queue();
		jobs_run = 0;
		fy_executor_retain(where);
		submit_new(where, NULL, NULL, 0, 0);
		submit_new(where, destroy_own, where, 0, 0);
		for (int i = 0; i < (kind == 2 ? 50 : 0); i++)
			submit_new(where, NULL, NULL, 0, 0);
		if (kind == 2)
			assert_int_equal(ferry_executor_run(where, 2, 0), 2);
		/* what was left ran too */
		assert_true(wait_for(&jobs_run, kind == 2 ? 1052 : 1002));
		submit_new(where, NULL, NULL, 0, 0);
		assert_int_equal(jobs_discarded, kind + 1);
		fy_executor_release(where);
	}
	ferry_executor_destroy(base);
}

struct two {
	ferry_executor *strand, *pool;
};

static void destroy_both(struct job *job)
{
	struct two *two = job->arg;

	ferry_executor_destroy(two->strand);
	ferry_executor_destroy(two->pool);
}

static void a_strand_and_its_pool_are_destroyed_from_inside(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct two two = { .pool = make_pool(2) };
		two.strand = make_strand(two.pool);
		jobs_run = 0;
		submit_new(two.strand, destroy_both, &two, 0, 0);
		assert_true(wait_for(&jobs_run, 1));
	}
	t_sleep_ms(20); /* the threads leave by themselves */
}

static void destroy_other(struct job *job)
{
	ferry_executor_destroy(job->arg);
}

static void the_only_thread_of_a_pool_may_destroy_a_strand_over_it(void **state)
{
	ferry_executor *pool = make_pool(1), *strand = make_strand(pool);
	struct order order = { .wrong = 0 };

	(void)state;
	fy_executor_retain(strand); /* as whoever submits later does */
	submit_new(pool, doze, NULL, 0, 0);
	submit_new(pool, destroy_other, strand, 0, 0);
	for (unsigned i = 0; i < 40; i++)
		submit_new(strand, check_order, &order, 0, i);
	fy_executor_release(strand);
	ferry_executor_destroy(pool);
	assert_int_equal(jobs_run + jobs_discarded, 42);
	assert_int_equal(order.wrong, 0);
}

static void many_strands_share_a_pool_fairly(void **state)
{
	enum { STRANDS = 8, EACH = 500 };
	ferry_executor *pool = make_pool(2), *strands[STRANDS];
	struct order orders[STRANDS] = { { .wrong = 0 } };

	(void)state;
	for (int i = 0; i < STRANDS; i++)
		strands[i] = make_strand(pool);
	for (unsigned j = 0; j < EACH; j++)
		for (int i = 0; i < STRANDS; i++)
			submit_new(strands[i], check_order, &orders[i], 0, j);
	assert_true(wait_for(&jobs_run, STRANDS * EACH));
	for (int i = 0; i < STRANDS; i++) {
		ferry_executor_destroy(strands[i]);
		assert_int_equal(orders[i].wrong, 0);
	}
	ferry_executor_destroy(pool);
}

/* ---- where am I, and who is left --------------------------------------- */

struct place {
	ferry_executor *pool, *strand, *other;
	unsigned wrong, last_alone, last_both;
	pthread_barrier_t barrier;
};

static void look_around(struct job *job)
{
	struct place *place = job->arg;

	place->wrong += !fy_executor_inside(place->pool) + !fy_executor_inside(place->strand);
	place->wrong += fy_executor_inside(place->other) + fy_executor_inside(FERRY_INLINE);
	place->wrong +=
		!fy_executor_alone_inside(place->strand) + fy_executor_alone_inside(place->pool);
	place->wrong += fy_executor_discarding();
}

static void a_task_knows_where_it_runs(void **state)
{
	struct place place = { .pool = make_pool(2), .other = make_pool(1) };

	(void)state;
	place.strand = make_strand(place.pool);
	submit_new(place.strand, look_around, &place, 0, 0);
	assert_true(wait_for(&jobs_run, 1)); /* destroy would run it here */
	ferry_executor_destroy(place.strand);
	assert_false(fy_executor_inside(place.pool));
	ferry_executor_destroy(place.pool);
	ferry_executor_destroy(place.other);
	assert_int_equal(place.wrong, 0);
}

static void who_is_last(struct job *job)
{
	struct place *place = job->arg;

	pthread_barrier_wait(&place->barrier);
	if (job->number == 0)
		place->last_alone = fy_pool_last_runner();
	pthread_barrier_wait(&place->barrier);
	fy_pool_blocking(true);
	fy_pool_blocking(true); /* nested */
	fy_pool_blocking(false);
	pthread_barrier_wait(&place->barrier);
	if (job->number == 0)
		place->last_both = fy_pool_last_runner();
	pthread_barrier_wait(&place->barrier);
	fy_pool_blocking(false);
	pthread_barrier_wait(&place->barrier);
	place->wrong += job->number == 0 && fy_pool_last_runner();
	pthread_barrier_wait(&place->barrier);
}

static void the_last_runner_of_a_pool_is_known(void **state)
{
	struct place place = { .pool = make_pool(2), .last_alone = 7, .last_both = 7 };

	(void)state;
	pthread_barrier_init(&place.barrier, NULL, 2);
	submit_new(place.pool, who_is_last, &place, 0, 0);
	submit_new(place.pool, who_is_last, &place, 0, 1);
	ferry_executor_destroy(place.pool);
	assert_int_equal(place.last_alone, 0);
	assert_int_equal(place.last_both, 1);
	assert_int_equal(place.wrong, 0);
	assert_false(fy_pool_last_runner());
	fy_pool_blocking(true);
	assert_false(fy_pool_last_runner());
	pthread_barrier_destroy(&place.barrier);
}

/* ---- queues ------------------------------------------------------------ */

static void submit_more(struct job *job)
{
	submit_new(job->arg, NULL, NULL, 0, 0);
}

static void run_says_how_many_ran_and_stops_at_max(void **state)
{
	ferry_executor *queue = make_queue();
	struct order order = { .wrong = 0 };
	int64_t before = t_now();

	(void)state;
	assert_int_equal(ferry_executor_run(queue, 1, 0), 0);
	assert_int_equal(ferry_executor_run(queue, 1, FERRY_MS(20)), 0);
	assert_true(t_now() - before >= FERRY_MS(20));
	for (unsigned i = 0; i < 10; i++)
		submit_new(queue, check_order, &order, 0, i);
	assert_int_equal(ferry_executor_run(queue, 3, FERRY_FOREVER), 3);
	assert_int_equal(ferry_executor_run(queue, 1, 0), 1);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 6);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 0);
	assert_int_equal(order.wrong, 0);
	/* A task that queues another does not keep the caller. */
	submit_new(queue, submit_more, queue, 0, 0);
	assert_int_equal(ferry_executor_run(queue, 100, 0), 1);
	assert_int_equal(ferry_executor_run(queue, 100, 0), 1);
	ferry_executor_destroy(queue);
}

static void *submit_in_a_while(void *arg)
{
	t_sleep_ms(20);
	submit_new(arg, NULL, NULL, 0, 0);
	return NULL;
}

static void run_waits_for_the_first_task(void **state)
{
	ferry_executor *queue = make_queue();
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, submit_in_a_while, queue);
	assert_int_equal(ferry_executor_run(queue, 10, FERRY_FOREVER), 1);
	pthread_join(thread, NULL);
	ferry_executor_destroy(queue);
}

static bool always_on_progress(const ferry *which)
{
	return which == engine;
}

static void waiting_for_tasks_on_the_progress_thread_is_edeadlk(void **state)
{
	ferry_executor *queue = make_queue();

	(void)state;
	fy_future_hooks.on_progress = always_on_progress;
	assert_int_equal(ferry_executor_run(queue, 1, FERRY_FOREVER), FERRY_EDEADLK);
	assert_int_equal(ferry_executor_run(queue, 1, 0), 0);
	submit_new(queue, NULL, NULL, 0, 0);
	assert_int_equal(ferry_executor_run(queue, 1, FERRY_FOREVER), 1);
	fy_future_hooks.on_progress = NULL;
	ferry_executor_destroy(queue);
}

static void the_descriptor_is_readable_exactly_while_there_is_something_to_run(void **state)
{
	ferry_executor *queue = make_queue();
	int fd;

	(void)state;
	submit_new(queue, NULL, NULL, 0, 0); /* before anybody asked for it */
	fd = ferry_executor_fd(queue);
	assert_true(fd >= 0);
	assert_int_equal(ferry_executor_fd(queue), fd);
	assert_true(readable(fd));
	assert_true(readable(fd));
	assert_int_equal(ferry_executor_run(queue, 1, 0), 1);
	assert_false(readable(fd));
	for (int i = 0; i < 5; i++)
		submit_new(queue, NULL, NULL, 0, 0);
	for (int i = 0; i < 5; i++) {
		assert_true(readable(fd));
		assert_int_equal(ferry_executor_run(queue, 1, 0), 1);
	}
	assert_false(readable(fd));
	assert_int_equal(fy_future_queue_drain(queue), 0);
	submit_new(queue, NULL, NULL, 0, 0);
	assert_int_equal(fy_future_queue_drain(queue), 1);
	assert_false(readable(fd));
	ferry_executor_destroy(queue);
}

/* Four threads submit while this one sleeps in poll, and looks after every run that
 * left nothing. */
static void the_descriptor_is_right_under_four_producers(void **state)
{
	struct producer producers[PRODUCERS];
	ferry_executor *queue = make_queue();
	struct order order = { .wrong = 0 };
	unsigned count = (unsigned)t_scaled(25000), total = 0;
	struct pollfd p = { .fd = ferry_executor_fd(queue), .events = POLLIN };

	(void)state;
	start_producers(producers, queue, count, check_order, &order);
	while (total < PRODUCERS * count) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		int ran = ferry_executor_run(queue, 7, 0);
		assert_true(ran > 0); /* readable: there was something */
		total += (unsigned)ran;
	}
	assert_false(readable(p.fd));
	join_producers(producers);
	assert_false(readable(p.fd));
	assert_int_equal(order.wrong, 0);
	assert_int_equal(jobs_run, total);
	ferry_executor_destroy(queue);
}

/* One task at a time, against the thread that submits it: the consumer may run the task
 * while its submitter is still about to write the descriptor. */
static void *submit_when_idle(void *arg)
{
	struct producer *p = arg;

	for (uint32_t i = 0; i < p->count; i++) {
		submit_new(p->where, NULL, NULL, 0, 0);
		while (fy_load_acquire_32(&jobs_run) == i)
			fy_pause();
	}
	return NULL;
}

static void the_descriptor_is_not_readable_once_the_task_ran(void **state)
{
	struct producer p = { .where = make_queue(), .count = (unsigned)t_scaled(2000) };
	int fd = ferry_executor_fd(p.where);

	(void)state;
	for (uint32_t i = 0; i < p.count; i++) {
		if (i == 0)
			pthread_create(&p.thread, NULL, submit_when_idle, &p);
		while (ferry_executor_run(p.where, 1, 0) == 0)
			sched_yield();
		/* Readable now only if the next is there already. */
		if (readable(fd))
			assert_true(wait_for(&jobs_run, i + 1) &&
			            ferry_executor_run(p.where, 1, 0) == 1 && ++i);
	}
	pthread_join(p.thread, NULL);
	assert_false(readable(fd));
	ferry_executor_destroy(p.where);
}

struct runner {
	pthread_t thread;
	ferry_executor *queue;
	int result;
	unsigned ran;
};

static void *run_until_destroyed(void *arg)
{
	struct runner *runner = arg;

	while ((runner->result = ferry_executor_run(runner->queue, 3, FERRY_FOREVER)) >= 0)
		runner->ran += (unsigned)runner->result;
	fy_executor_release(runner->queue);
	return NULL;
}

static void several_threads_run_a_queue_until_it_is_destroyed(void **state)
{
	ferry_executor *queue = make_queue();
	struct producer producers[PRODUCERS];
	struct runner runners[3];
	unsigned count = (unsigned)t_scaled(5000), ran = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		runners[i] = (struct runner){ .queue = queue };
		fy_executor_retain(queue); /* so that a late look is no use after free */
		pthread_create(&runners[i].thread, NULL, run_until_destroyed, &runners[i]);
	}
	start_producers(producers, queue, count, NULL, NULL);
	join_producers(producers);
	assert_true(wait_for(&jobs_run, PRODUCERS * count));
	ferry_executor_destroy(queue);
	for (int i = 0; i < 3; i++) {
		pthread_join(runners[i].thread, NULL);
		assert_int_equal(runners[i].result, FERRY_ESTOPPED);
		ran += runners[i].ran;
	}
	assert_int_equal(ran, PRODUCERS * count);
}

static void a_closing_engine_runs_what_is_left_in_its_queues(void **state)
{
	ferry_executor *mine[3] = { make_queue(), make_queue(), make_queue() }, *other;

	(void)state;
	assert_int_equal(ferry_queue_create(other_engine, &other), FERRY_OK);
	submit_new(mine[0], submit_more, mine[2], 0, 0);
	submit_new(mine[2], NULL, NULL, 0, 0);
	submit_new(other, NULL, NULL, 0, 0);
	assert_int_equal(fy_future_queue_engine_closing(engine), 3);
	assert_int_equal(jobs_run, 3);
	assert_int_equal(fy_future_queue_engine_closing(engine), 0);
	assert_int_equal(fy_future_queue_engine_closing(other_engine), 1);
	for (int i = 0; i < 3; i++)
		ferry_executor_destroy(mine[i]);
	ferry_executor_destroy(other);
}

static void run_nested(struct job *job)
{
	assert_true(ferry_executor_run(job->arg, 1, 0) >= 0);
}

static void a_task_may_run_its_own_queue(void **state)
{
	ferry_executor *queue = make_queue();

	(void)state;
	for (int i = 0; i < 4; i++)
		submit_new(queue, run_nested, queue, 0, 0);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 1); /* the others ran inside */
	assert_int_equal(jobs_run, 4);
	ferry_executor_destroy(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
		TEST(wrong_arguments_get_einval_and_a_sentence),
		TEST(worker_threads_are_named_and_have_their_makers_mask),
		TEST(a_pool_of_one_thread_keeps_the_order_of_each_producer),
		TEST(a_strand_over_four_threads_runs_one_at_a_time_in_order),
		TEST(a_pool_of_four_runs_each_of_a_hundred_thousand_once),
		TEST(sleeping_threads_are_woken_every_time),
		TEST(a_pool_runs_side_by_side),
		TEST(destroy_runs_what_is_left),
		TEST(destroy_waits_for_what_is_running),
		TEST(a_task_submitted_right_before_destroy_runs),
		TEST(what_is_submitted_after_destroy_is_discarded),
		TEST(a_strand_of_a_destroyed_pool_discards),
		TEST(destroy_and_submit_race),
		TEST(destroyed_from_inside_it_takes_effect_on_return),
		TEST(a_strand_and_its_pool_are_destroyed_from_inside),
		TEST(the_only_thread_of_a_pool_may_destroy_a_strand_over_it),
		TEST(many_strands_share_a_pool_fairly),
		TEST(a_task_knows_where_it_runs),
		TEST(the_last_runner_of_a_pool_is_known),
		TEST(run_says_how_many_ran_and_stops_at_max),
		TEST(run_waits_for_the_first_task),
		TEST(waiting_for_tasks_on_the_progress_thread_is_edeadlk),
		TEST(the_descriptor_is_readable_exactly_while_there_is_something_to_run),
		TEST(the_descriptor_is_right_under_four_producers),
		TEST(the_descriptor_is_not_readable_once_the_task_ran),
		TEST(several_threads_run_a_queue_until_it_is_destroyed),
		TEST(a_closing_engine_runs_what_is_left_in_its_queues),
		TEST(a_task_may_run_its_own_queue),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
