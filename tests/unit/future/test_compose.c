/* SPDX-License-Identifier: Apache-2.0 */
/* Many futures at once: wait_all, wait_any, ferry_future_all, ferry_future_any, and chains. */
#include "test.h"
#include "base/order.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/watch.h"

#include <pthread.h>

/* ---- helpers --------------------------------------------------------------------- */

struct ferry_message {
	int unused;
};
static ferry_message a_message;
static unsigned released;

static void message_release(ferry_message *message)
{
	released += message == &a_message;
}

static ferry_message *message_empty(ferry *engine)
{
	(void)engine;
	return &a_message;
}

static char engine_memory;
static ferry *const engine = (ferry *)(void *)&engine_memory;

static int set_up(void **state)
{
	(void)state;
	fy_future_hooks = (struct fy_future_hooks){ .message_release = message_release,
		                                    .message_empty = message_empty };
	released = 0;
	memset(fy_watch_work(), 0, sizeof(struct fy_watch_work));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fy_future_hooks = (struct fy_future_hooks){ 0 };
	return 0;
}

static ferry_future **make_many(size_t count)
{
	ferry_future **futures = calloc(count, sizeof(ferry_future *));

	for (size_t i = 0; i < count; i++)
		assert_non_null(futures[i] = fy_future_create(engine, 0));
	return futures;
}

static void release_many(ferry_future **futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ferry_future_release(futures[i]);
	free(futures);
}

static void complete(ferry_future *future)
{
	fy_future_complete(future, FERRY_OK, NULL);
}

static void complete_many(ferry_future **futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		complete(futures[i]);
}

/* ---- wait_all ----------------------------------------------------------------------- */

static void wait_all_checks_its_arguments(void **state)
{
	ferry_future **f = make_many(2);

	(void)state;
	assert_int_equal(ferry_wait_all(NULL, 0, FERRY_FOREVER), FERRY_OK);
	assert_int_equal(ferry_wait_all(NULL, 1, 0), FERRY_EINVAL);
	assert_non_null(strstr(ferry_last_error(), "ferry_wait_all"));
	assert_int_equal(ferry_wait_all(f, 2, -2), FERRY_EINVAL);
	assert_int_equal(ferry_finish_all(NULL, 0, FERRY_FOREVER), FERRY_OK);
	assert_int_equal(ferry_finish_all(NULL, 1, 0), FERRY_EINVAL);
	assert_non_null(strstr(ferry_last_error(), "ferry_finish_all"));
	complete_many(f, 2);
	assert_int_equal(ferry_finish_all(f, 2, -2), FERRY_EINVAL);
	assert_non_null(f[0]);
	assert_non_null(f[1]);
	release_many(f, 2);
}

static void wait_all_skips_null(void **state)
{
	ferry_future **f = make_many(2), *some[] = { NULL, f[0], NULL, f[1], NULL },
		     *none[3] = { NULL };

	(void)state;
	assert_int_equal(ferry_wait_all(none, 3, FERRY_FOREVER), FERRY_OK);
	assert_int_equal(ferry_finish_all(none, 3, FERRY_FOREVER), FERRY_OK);
	assert_int_equal(ferry_wait_all(some, 5, 0), FERRY_PENDING);
	assert_int_equal(ferry_wait_all(some, 5, FERRY_MS(1)), FERRY_PENDING);
	complete(f[0]);
	fy_future_complete(f[1], FERRY_EPEER, NULL);
	assert_int_equal(ferry_wait_all(some, 5, FERRY_FOREVER), FERRY_EPEER);
	assert_non_null(strstr(ferry_last_error(), "futures[3]"));
	release_many(f, 2);
}

static void finish_all_releases_what_is_done(void **state)
{
	ferry_future **f = make_many(4), *kept = f[3];

	(void)state;
	ferry_future_release(f[2]);
	complete(f[2]);
	f[2] = NULL;
	ferry_future_retain(kept); /* to see what becomes of it */
	complete(f[0]);
	assert_int_equal(ferry_finish_all(f, 4, 0), FERRY_PENDING);
	assert_null(f[0]);
	assert_non_null(f[1]);
	assert_ptr_equal(f[3], kept);
	complete(f[1]);
	complete(f[3]);
	assert_int_equal(fy_future_refs(kept), 2);
	assert_int_equal(ferry_finish_all(f, 4, FERRY_FOREVER), FERRY_OK);
	for (int i = 0; i < 4; i++)
		assert_null(f[i]);
	assert_int_equal(fy_future_refs(kept), 1);
	ferry_future_release(kept);
	assert_int_equal(ferry_finish_all(f, 4, FERRY_FOREVER), FERRY_OK);
	free(f);
}

static void finish_all_loses_no_failure(void **state)
{
	ferry_future **f = make_many(3);

	(void)state;
	fy_future_complete(f[1], FERRY_EMPI, "a leak");
	fy_future_complete(f[2], FERRY_EINVAL, "nobody's argument");
	assert_int_equal(ferry_finish_all(f, 3, FERRY_MS(1)), FERRY_PENDING);
	assert_non_null(f[1]);
	complete(f[0]);
	assert_int_equal(ferry_finish_all(f, 3, FERRY_FOREVER), FERRY_EMPI);
	assert_string_equal(ferry_last_error(), "futures[1]: a leak");
	for (int i = 0; i < 3; i++)
		assert_null(f[i]);
	free(f);
}

static void wait_all_gives_the_first_failure_by_index_when_all_are_done(void **state)
{
	ferry_future **f = make_many(4);
	int64_t before = t_now();

	(void)state;
	fy_future_complete(f[2], FERRY_EPEER, NULL);
	assert_int_equal(ferry_wait_all(f, 4, 0), FERRY_PENDING);
	assert_int_equal(ferry_wait_all(f, 4, FERRY_MS(20)), FERRY_PENDING);
	assert_true(t_now() - before >= FERRY_MS(20));
	complete(f[0]);
	fy_future_complete(f[1], FERRY_ETRUNC, NULL);
	assert_int_equal(ferry_wait_all(f, 4, 0), FERRY_PENDING);
	complete(f[3]);
	assert_int_equal(ferry_wait_all(f, 4, FERRY_FOREVER), FERRY_ETRUNC);
	assert_int_equal(ferry_wait_all(f, 1, 0), FERRY_OK);
	release_many(f, 4);
}

struct completer {
	pthread_t thread;
	ferry_future **futures;
	size_t count, step;
	uint64_t notices;
};

static void *complete_in_thread(void *arg)
{
	struct completer *c = arg;

	for (size_t i = 0; i < c->count; i++)
		complete(c->futures[i * c->step % c->count]);
	c->notices = fy_watch_work()->notices;
	return NULL;
}

static void wait_all_of_a_hundred_thousand_looks_at_nothing_but_them(void **state)
{
	size_t count = t_scaled(100000) | 1;
	size_t steps[] = { 1, count - 1, 7919 }; /* in order, backwards, all over */

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct completer c = { .futures = make_many(count),
			               .count = count,
			               .step = steps[i] };
		pthread_create(&c.thread, NULL, complete_in_thread, &c);
		assert_int_equal(ferry_wait_all(c.futures, count, FERRY_FOREVER), FERRY_OK);
		pthread_join(c.thread, NULL);
		assert_int_equal(c.notices, 0);
		release_many(c.futures, count);
	}
	assert_int_equal(fy_watch_work()->links, 0);
}

/* ---- wait_any -------------------------------------------------------------------------- */

static void wait_any_checks_its_arguments(void **state)
{
	ferry_future **f = make_many(2);
	size_t index = 5;

	(void)state;
	assert_int_equal(ferry_wait_any(f, 0, FERRY_FOREVER, &index), FERRY_EINVAL);
	assert_int_equal(ferry_wait_any(NULL, 1, 0, &index), FERRY_EINVAL);
	assert_int_equal(ferry_wait_any(f, 2, -2, &index), FERRY_EINVAL);
	assert_int_equal(index, 5);
	complete_many(f, 2);
	release_many(f, 2);
}

/* As a loop of MPI_Waitany ends by MPI_UNDEFINED. */
static void wait_any_skips_null_and_ends_a_loop(void **state)
{
	enum { N = 40 }; /* more than have their watches on the stack */
	size_t counts[] = { 3, N };

	(void)state;
	for (int k = 0; k < 2; k++) {
		size_t count = counts[k], seen = 0, index;
		ferry_future **f = make_many(count);
		ferry_future_release(f[0]);
		complete(f[0]);
		f[0] = NULL;
		assert_int_equal(ferry_wait_any(f, count, FERRY_MS(1), &index), FERRY_PENDING);
		fy_future_complete(f[1], FERRY_ETRUNC, NULL);
		assert_int_equal(ferry_wait_any(f, count, FERRY_FOREVER, &index), FERRY_ETRUNC);
		assert_int_equal(index, 1);
		for (size_t i = 2; i < count; i++)
			complete(f[i]);
		for (;;) {
			ferry_wait_any(f, count, FERRY_FOREVER, &index);
			if (index == SIZE_MAX)
				break;
			assert_true(index > 0 && index < count);
			ferry_future_release(f[index]);
			f[index] = NULL;
			seen++;
		}
		assert_int_equal(seen, count - 1);
		index = 0;
		assert_int_equal(ferry_wait_any(f, count, 0, &index), FERRY_OK);
		assert_true(index == SIZE_MAX);
		assert_int_equal(ferry_wait_any(f, count, FERRY_FOREVER, NULL), FERRY_OK);
		free(f);
	}
}

static void *complete_last(void *arg)
{
	t_sleep_ms(20);
	complete(((ferry_future **)arg)[3]);
	return NULL;
}

static void wait_any_sleeps_for_one_among_nulls(void **state)
{
	ferry_future **f = make_many(2), *some[] = { NULL, f[0], NULL, f[1] };
	pthread_t thread;
	size_t index = 0;

	(void)state;
	pthread_create(&thread, NULL, complete_last, some);
	assert_int_equal(ferry_wait_any(some, 4, FERRY_FOREVER, &index), FERRY_OK);
	assert_int_equal(index, 3);
	pthread_join(thread, NULL);
	complete(f[0]);
	release_many(f, 2);
}

static void wait_any_gives_a_done_one_or_pending(void **state)
{
	ferry_future **f = make_many(3), *twice[3] = { f[0], f[2], f[2] };
	size_t index = 5;
	int64_t before = t_now();

	(void)state;
	assert_int_equal(ferry_wait_any(f, 3, 0, &index), FERRY_PENDING);
	assert_int_equal(ferry_wait_any(twice, 3, FERRY_MS(20), &index), FERRY_PENDING);
	assert_true(t_now() - before >= FERRY_MS(20));
	assert_int_equal(index, 5);
	fy_future_complete(f[1], FERRY_EDECODE, NULL);
	assert_int_equal(fy_watch_work()->notices, 0); /* the wait left nothing behind */
	assert_int_equal(ferry_wait_any(f, 3, FERRY_FOREVER, &index), FERRY_EDECODE);
	assert_int_equal(index, 1);
	complete(f[0]);
	assert_int_equal(ferry_wait_any(f, 3, 0, &index), FERRY_OK);
	assert_int_equal(index, 0);
	assert_int_equal(ferry_wait_any(f, 3, 0, NULL), FERRY_OK);
	complete(f[2]);
	assert_int_equal(fy_watch_work()->notices, 0);
	release_many(f, 3);
}

static void *complete_one_when_all_are_watched(void *arg)
{
	struct completer *c = arg;

	while ((fy_load_acquire_32(&c->futures[c->count - 1]->state) & FY_FUTURE_WATCHED) == 0)
		t_sleep_ms(1);
	complete(c->futures[c->step]);
	c->notices = fy_watch_work()->notices;
	return NULL;
}

/* Waiting costs one entry put in and taken out for each; completing one costs one notice, whatever
 * the number. */
static void wait_any_over_ten_thousand_scans_nothing_at_completion(void **state)
{
	size_t count = t_scaled(10000), index = 0;
	struct completer c = { .futures = make_many(count), .count = count, .step = count / 2 };

	(void)state;
	pthread_create(&c.thread, NULL, complete_one_when_all_are_watched, &c);
	assert_int_equal(ferry_wait_any(c.futures, count, FERRY_FOREVER, &index), FERRY_OK);
	pthread_join(c.thread, NULL);
	assert_int_equal(index, count / 2);
	assert_int_equal(c.notices, 1);
	assert_int_equal(fy_watch_work()->links, 2 * count - 1);
	for (size_t i = 0; i < count; i++)
		if (i != index)
			complete(c.futures[i]);
	assert_int_equal(fy_watch_work()->notices, 0);
	release_many(c.futures, count);
}

enum { WAITERS = 3, COMPLETERS = 2, RACING = 4 };
static struct {
	pthread_barrier_t start, end;
	unsigned long rounds;
	ferry_future *futures[RACING];
	uint32_t wrong;
} race;

static void *wait_any_again_and_again(void *arg)
{
	int64_t timeout = arg ? 50000 : FERRY_FOREVER;

	for (unsigned long i = 0; i < race.rounds; i++) {
		size_t index = RACING;
		pthread_barrier_wait(&race.start);
		int status = ferry_wait_any(race.futures, RACING, timeout, &index);
		bool late = timeout > 0 && status == FERRY_PENDING;
		if (!late && (index >= RACING || ferry_future_poll(race.futures[index]) != status ||
		              status > 0))
			fy_add_32(&race.wrong, 1);
		pthread_barrier_wait(&race.end);
	}
	return NULL;
}

static void *complete_again_and_again(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg;

	for (unsigned long i = 0; i < race.rounds; i++) {
		pthread_barrier_wait(&race.start);
		for (size_t j = 0; j < RACING / COMPLETERS; j++)
			fy_future_complete(race.futures[(first + i + j) % RACING], -20 - (int)j,
			                   NULL);
		pthread_barrier_wait(&race.end);
	}
	return NULL;
}

static void waiters_and_completers_race(void **state)
{
	pthread_t threads[WAITERS + COMPLETERS];

	(void)state;
	race.rounds = t_scaled(2000);
	pthread_barrier_init(&race.start, NULL, WAITERS + COMPLETERS + 1);
	pthread_barrier_init(&race.end, NULL, WAITERS + COMPLETERS + 1);
	for (uintptr_t i = 0; i < WAITERS; i++)
		pthread_create(&threads[i], NULL, wait_any_again_and_again, i == 1 ? &race : NULL);
	for (uintptr_t i = 0; i < COMPLETERS; i++)
		pthread_create(&threads[WAITERS + i], NULL, complete_again_and_again,
		               (void *)(i * RACING / COMPLETERS));
	for (unsigned long i = 0; i < race.rounds; i++) {
		for (int j = 0; j < RACING; j++)
			race.futures[j] = fy_future_create(engine, 0);
		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.end);
		for (int j = 0; j < RACING; j++) {
			assert_int_equal(fy_future_refs(race.futures[j]), 1);
			assert_true((uintptr_t)race.futures[j]->links <= 2);
			ferry_future_release(race.futures[j]);
		}
	}
	for (int i = 0; i < WAITERS + COMPLETERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
	pthread_barrier_destroy(&race.start);
	pthread_barrier_destroy(&race.end);
}

/* ---- watches themselves --------------------------------------------------------------------- */

struct gate {
	pthread_t thread;
	struct fy_watch watch, second;
	uint32_t entered, open, removed; /* 0, then 1 */
};

static void stand_in_gate(struct fy_watch *watch)
{
	struct gate *gate = watch->owner;

	fy_store_release_32(&gate->entered, 1);
	while (!fy_load_acquire_32(&gate->open))
		t_sleep_ms(1);
}

static void never_fires(struct fy_watch *watch)
{
	struct gate *gate = watch->owner;

	fy_store_release_32(&gate->removed, 7);
}

static void *complete_into_gate(void *arg)
{
	complete(((struct gate *)arg)->watch.future);
	return NULL;
}

static void *remove_at_gate(void *arg)
{
	struct gate *gate = arg;

	fy_watch_remove(&gate->watch);
	fy_store_release_32(&gate->removed, 1);
	return NULL;
}

/* The owner of a watch may free it after removing it, so removing waits; completing code may not
 * wait, so it tries. */
static void removing_waits_for_who_fires_and_trying_does_not(void **state)
{
	struct gate gate = { .entered = 0 };
	ferry_future **f = make_many(1);
	pthread_t remover;

	(void)state;
	ferry_future_retain(f[0]);
	gate.watch = (struct fy_watch){ .future = f[0], .notify = stand_in_gate, .owner = &gate };
	fy_watch_add(&gate.watch);
	pthread_create(&gate.thread, NULL, complete_into_gate, &gate);
	while (!fy_load_acquire_32(&gate.entered))
		t_sleep_ms(1);
	assert_false(fy_watch_try_remove(&gate.watch));
	pthread_create(&remover, NULL, remove_at_gate, &gate);
	t_sleep_ms(30);
	assert_int_equal(fy_load_acquire_32(&gate.removed), 0);
	fy_store_release_32(&gate.open, 1);
	pthread_join(remover, NULL);
	pthread_join(gate.thread, NULL);
	assert_int_equal(gate.removed, 1);
	ferry_future_release(f[0]);
	release_many(f, 1);
}

static void a_removed_watch_does_not_fire(void **state)
{
	struct gate gate = { .entered = 0 };
	ferry_future **f = make_many(1);

	(void)state;
	gate.watch = (struct fy_watch){ .future = f[0], .notify = never_fires, .owner = &gate };
	gate.second = gate.watch;
	fy_watch_add(&gate.watch);
	fy_watch_add(&gate.second);
	assert_true(fy_watch_try_remove(&gate.watch));
	assert_false(fy_watch_try_remove(&gate.watch));
	fy_watch_remove(&gate.second);
	complete(f[0]);
	assert_int_equal(gate.removed, 0);
	release_many(f, 1);
}

/* As if a watcher was preempted while it had the lock of the list. */
static void completing_never_waits_for_a_watcher(void **state)
{
	ferry_future **f = make_many(1);

	(void)state;
	f[0]->links = (void *)1;
	fy_or_32(&f[0]->state, FY_FUTURE_WATCHED);
	complete(f[0]);
	assert_int_equal(ferry_future_poll(f[0]), FERRY_OK);
	assert_int_equal((uintptr_t)f[0]->links, 3); /* it was told to fire what it has */
	release_many(f, 1);
}

/* ---- all and any as futures ---------------------------------------------------------------- */

static void all_and_any_check_their_arguments(void **state)
{
	ferry_future **f = make_many(2), *none[2] = { NULL }, *made = NULL;

	(void)state;
	assert_int_equal(ferry_future_all(f, 2, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_future_all(NULL, 2, &made), FERRY_EINVAL);
	assert_int_equal(ferry_future_any(f, 2, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_future_any(f, 0, &made), FERRY_EINVAL);
	assert_int_equal(ferry_future_any(none, 2, &made), FERRY_EINVAL);
	assert_null(made);
	assert_int_equal(ferry_future_all(NULL, 0, &made), FERRY_OK);
	assert_int_equal(ferry_future_poll(made), FERRY_OK);
	assert_int_equal(fy_future_refs(made), 1);
	ferry_future_release(made);
	assert_int_equal(ferry_future_all(none, 2, &made), FERRY_OK);
	assert_int_equal(ferry_future_poll(made), FERRY_OK);
	ferry_future_release(made);
	complete_many(f, 2);
	release_many(f, 2);
}

static void all_and_any_skip_null(void **state)
{
	ferry_future **f = make_many(2), *some[] = { NULL, f[0], NULL, f[1] }, *all, *any;

	(void)state;
	assert_int_equal(ferry_future_all(some, 4, &all), FERRY_OK);
	assert_int_equal(ferry_future_any(some, 4, &any), FERRY_OK);
	assert_ptr_equal(all->engine, engine);
	assert_int_equal(ferry_future_poll(any), FERRY_PENDING);
	fy_future_complete(f[1], FERRY_EPEER, NULL);
	assert_int_equal(ferry_future_poll(any), FERRY_EPEER);
	assert_string_equal(ferry_future_detail(any), "future 3: that rank is gone");
	assert_int_equal(ferry_future_poll(all), FERRY_PENDING);
	complete(f[0]);
	assert_int_equal(ferry_future_poll(all), FERRY_EPEER);
	assert_string_equal(ferry_future_detail(all), "future 3: that rank is gone");
	ferry_future_release(all);
	ferry_future_release(any);
	assert_int_equal(fy_future_refs(f[0]), 1);
	release_many(f, 2);
}

static void all_completes_with_the_first_failure_when_all_are_done(void **state)
{
	ferry_future **f = make_many(4), *all;

	(void)state;
	complete(f[0]);
	assert_int_equal(ferry_future_all(f, 4, &all), FERRY_OK);
	fy_future_complete(f[3], FERRY_EPEER, "rank 9 is gone");
	fy_future_complete(f[2], FERRY_EREMOTE, "not today");
	assert_int_equal(ferry_future_poll(all), FERRY_PENDING);
	complete(f[1]);
	assert_int_equal(ferry_future_poll(all), FERRY_EREMOTE);
	assert_string_equal(ferry_future_detail(all), "future 2: not today");
	assert_int_equal(fy_future_refs(all), 1);
	assert_int_equal(fy_future_refs(f[0]), 1);
	ferry_future_release(all);
	assert_int_equal(ferry_future_all(f, 2, &all), FERRY_OK);
	assert_int_equal(ferry_future_poll(all), FERRY_OK);
	assert_string_equal(ferry_future_detail(all), "");
	ferry_future_release(all);
	release_many(f, 4);
}

static void any_completes_with_the_first_and_names_it(void **state)
{
	ferry_future **f = make_many(4), *any;

	(void)state;
	assert_int_equal(ferry_future_any(f, 4, &any), FERRY_OK);
	assert_int_equal(ferry_future_poll(any), FERRY_PENDING);
	fy_future_complete(f[2], FERRY_ETIMEDOUT, NULL);
	assert_int_equal(ferry_future_poll(any), FERRY_ETIMEDOUT);
	assert_string_equal(ferry_future_detail(any), "future 2: the deadline passed");
	assert_int_equal(fy_future_refs(any), 1);
	/* the program's and the operation's: any has let go */
	assert_int_equal(fy_future_refs(f[0]), 2);
	ferry_future_release(any);

	complete(f[1]);
	assert_int_equal(ferry_future_any(f, 4, &any), FERRY_OK);
	assert_int_equal(ferry_future_poll(any), FERRY_OK);
	assert_string_equal(ferry_future_detail(any), "future 1");
	ferry_future_release(any);
	uint64_t notices = fy_watch_work()->notices;
	complete(f[0]);
	complete(f[3]);
	assert_int_equal(fy_watch_work()->notices, notices);
	release_many(f, 4);
}

static void the_parts_may_be_released_before_the_whole(void **state)
{
	ferry_future **f = make_many(3), *parts[3] = { f[0], f[1], f[2] }, *all, *any;

	(void)state;
	assert_int_equal(ferry_future_all(f, 3, &all), FERRY_OK);
	assert_int_equal(ferry_future_any(f, 3, &any), FERRY_OK);
	release_many(f, 3);
	ferry_future_release(any);
	complete_many(parts, 3);
	assert_int_equal(ferry_future_poll(all), FERRY_OK);
	ferry_future_release(all);
}

static void cancelling_the_whole_leaves_the_parts_alone_and_nothing_on_them(void **state)
{
	ferry_future **f = make_many(2), *whole[2];

	(void)state;
	assert_int_equal(ferry_future_all(f, 2, &whole[0]), FERRY_OK);
	assert_int_equal(ferry_future_any(f, 2, &whole[1]), FERRY_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ferry_future_cancel(whole[i]), FERRY_OK);
		assert_int_equal(ferry_future_poll(whole[i]), FERRY_ECANCELED);
		assert_int_equal(ferry_future_cancel(whole[i]), FERRY_EALREADY);
		assert_int_equal(fy_future_refs(whole[i]), 1);
		ferry_future_release(whole[i]);
	}
	assert_int_equal(ferry_future_poll(f[0]), FERRY_PENDING);
	assert_int_equal(fy_future_refs(f[0]), 2);
	complete_many(f, 2);
	assert_int_equal(fy_watch_work()->notices, 0);
	release_many(f, 2);
}

static void the_same_future_may_appear_twice(void **state)
{
	ferry_future **f = make_many(1), *twice[2] = { f[0], f[0] }, *all, *any;

	(void)state;
	assert_int_equal(ferry_future_all(twice, 2, &all), FERRY_OK);
	assert_int_equal(ferry_future_any(twice, 2, &any), FERRY_OK);
	complete(f[0]);
	assert_int_equal(ferry_future_poll(all), FERRY_OK);
	assert_int_equal(ferry_future_poll(any), FERRY_OK);
	assert_int_equal(fy_future_refs(all) + fy_future_refs(any) + fy_future_refs(f[0]), 3);
	ferry_future_release(all);
	ferry_future_release(any);
	release_many(f, 1);
}

/* Each of them keeps it. */
static void a_future_may_have_a_hundred_thousand_holders(void **state)
{
	enum { HOLDERS = 100000 };
	ferry_future **f = make_many(1), **same = calloc(HOLDERS, sizeof *same), *all;

	(void)state;
	for (int i = 0; i < HOLDERS; i++)
		same[i] = f[0];
	assert_int_equal(ferry_future_all(same, HOLDERS, &all), FERRY_OK);
	assert_int_equal(fy_future_refs(f[0]), HOLDERS + 2);
	assert_int_equal(ferry_future_poll(all), FERRY_PENDING);
	complete(f[0]);
	assert_int_equal(ferry_future_poll(all), FERRY_OK);
	assert_int_equal(fy_future_refs(f[0]), 1);
	ferry_future_release(all);
	release_many(f, 1);
	free(same);
}

static void wholes_can_be_parts_and_awaited(void **state)
{
	ferry_future **f = make_many(4), *pairs[2], *whole;
	struct completer c = { .futures = f, .count = 4, .step = 3 };

	(void)state;
	assert_int_equal(ferry_future_all(f, 2, &pairs[0]), FERRY_OK);
	assert_int_equal(ferry_future_any(f + 2, 2, &pairs[1]), FERRY_OK);
	assert_int_equal(ferry_future_all(pairs, 2, &whole), FERRY_OK);
	release_many(memcpy(calloc(2, sizeof *pairs), pairs, sizeof pairs), 2);
	pthread_create(&c.thread, NULL, complete_in_thread, &c);
	assert_int_equal(ferry_future_wait(whole, FERRY_S(60)), FERRY_OK);
	pthread_join(c.thread, NULL);
	ferry_future_release(whole);
	release_many(f, 4);
}

/* Nested as deep as memory goes, completed on a small stack. */
static void *complete_first(void *arg)
{
	complete(arg);
	return NULL;
}

static void depth_needs_no_stack(void **state)
{
	ferry_future **f = make_many(1), *whole = f[0], *next;
	unsigned long depth = t_scaled(100000);
	pthread_attr_t small;
	pthread_t thread;

	(void)state;
	for (unsigned long i = 0; i < depth; i++) {
		assert_int_equal((i & 1 ? ferry_future_all : ferry_future_any)(&whole, 1, &next),
		                 FERRY_OK);
		if (whole != f[0])
			ferry_future_release(whole);
		whole = next;
	}
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	assert_int_equal(pthread_create(&thread, &small, complete_first, f[0]), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&small);
	assert_int_equal(ferry_future_poll(whole), FERRY_OK);
	ferry_future_release(whole);
	release_many(f, 1);
}

static void *all_racer(void *arg)
{
	struct completer *c = arg;

	pthread_barrier_wait(&race.start);
	for (size_t i = c->step; i < c->count; i += 3)
		complete(c->futures[i]);
	return NULL;
}

/* Made, completed by three threads and cancelled all at the same time. */
static void wholes_race_with_their_parts(void **state)
{
	unsigned long rounds = t_scaled(300);
	size_t count = 20;

	(void)state;
	pthread_barrier_init(&race.start, NULL, 4);
	for (unsigned long round = 0; round < rounds; round++) {
		struct completer c[3];
		ferry_future **f = make_many(count), *all, *any;
		for (size_t i = 0; i < 3; i++) {
			c[i] = (struct completer){ .futures = f, .count = count, .step = i };
			pthread_create(&c[i].thread, NULL, all_racer, &c[i]);
		}
		pthread_barrier_wait(&race.start);
		assert_int_equal(ferry_future_any(f, count, &any), FERRY_OK);
		assert_int_equal(ferry_future_all(f, count, &all), FERRY_OK);
		int cancelled = round & 1 ? ferry_future_cancel(any) : FERRY_EALREADY;
		assert_int_equal(ferry_future_wait(any, FERRY_S(60)),
		                 cancelled ? FERRY_OK : FERRY_ECANCELED);
		assert_int_equal(ferry_future_wait(all, FERRY_S(60)), FERRY_OK);
		for (int i = 0; i < 3; i++)
			pthread_join(c[i].thread, NULL);
		assert_int_equal(fy_future_refs(any), 1);
		assert_int_equal(fy_future_refs(all), 1);
		ferry_future_release(any);
		ferry_future_release(all);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(fy_future_refs(f[i]), 1);
		release_many(f, count);
	}
	pthread_barrier_destroy(&race.start);
}

/* ---- chains ------------------------------------------------------------ */

struct link {
	unsigned calls;
	int told;
	int returns;
	ferry_future *yields;
};

static int follow(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	struct link *link = arg;

	assert_true(fy_future_is_done(done));
	link->calls++;
	link->told = status;
	*next_p = link->yields;
	return link->returns;
}

static ferry_executor *make_queue(void)
{
	ferry_executor *queue;

	assert_int_equal(ferry_queue_create(engine, &queue), FERRY_OK);
	return queue;
}

static void chains_check_their_arguments(void **state)
{
	ferry_future **f = make_many(1), *chain = NULL;

	(void)state;
	assert_int_equal(ferry_future_and_then(NULL, FERRY_INLINE, follow, NULL, &chain),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_future_and_then(f[0], FERRY_INLINE, NULL, NULL, &chain),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_future_and_then(f[0], FERRY_INLINE, follow, NULL, NULL),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_future_and_then(f[0], FERRY_ANYWHERE, follow, NULL, &chain),
	                 FERRY_EINVAL);
	assert_null(chain);
	complete_many(f, 1);
	release_many(f, 1);
}

static void a_chain_takes_over_what_came_of_the_second(void **state)
{
	ferry_executor *queue = make_queue();
	ferry_message *reply = NULL;

	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		ferry_future **f = make_many(1),
			     *second = fy_future_create(engine, FY_FUTURE_IS_CALL), *chain;
		struct link link = { .yields = second };
		if (variant & 1)
			complete(f[0]);
		assert_int_equal(ferry_future_and_then(f[0], queue, follow, &link, &chain),
		                 FERRY_OK);
		assert_int_equal(link.calls, 0);
		if (!(variant & 1))
			complete(f[0]);
		assert_int_equal(ferry_executor_run(queue, 0, 0), 1);
		assert_int_equal(link.calls, 1);
		assert_int_equal(link.told, FERRY_OK);
		assert_int_equal(ferry_future_poll(chain), FERRY_PENDING);
		if (variant == 0) {
			fy_future_complete_reply(second, &a_message);
			assert_int_equal(ferry_future_poll(chain), FERRY_OK);
			assert_int_equal(ferry_future_take(chain, &reply), FERRY_OK);
			assert_ptr_equal(reply, &a_message);
			assert_int_equal(ferry_future_take(chain, &reply), FERRY_EALREADY);
		} else if (variant == 1) {
			fy_future_complete_reply(second, NULL); /* an empty reply is one too */
			assert_int_equal(ferry_future_take(chain, &reply), FERRY_OK);
			assert_ptr_equal(reply, &a_message);
		} else {
			fy_future_complete(second, FERRY_EREMOTE, "the second said no");
			assert_int_equal(ferry_future_poll(chain), FERRY_EREMOTE);
			assert_string_equal(ferry_future_detail(chain), "the second said no");
		}
		assert_int_equal(fy_future_refs(chain), 1);
		ferry_future_release(chain);
		assert_int_equal(fy_future_refs(f[0]), 1);
		release_many(f, 1);
	}
	ferry_executor_destroy(queue);
}

static void the_function_is_told_of_a_failure_and_may_fail_itself(void **state)
{
	ferry_executor *queue = make_queue();
	ferry_future **f = make_many(3), *chain;
	struct link link = { .returns = FERRY_EAGAIN };

	(void)state;
	assert_int_equal(ferry_future_and_then(f[0], queue, follow, &link, &chain), FERRY_OK);
	fy_future_complete(f[0], FERRY_EPEER, NULL);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 1);
	assert_int_equal(link.told, FERRY_EPEER);
	assert_int_equal(ferry_future_poll(chain), FERRY_EAGAIN);
	assert_non_null(strstr(ferry_future_detail(chain), "FERRY_EAGAIN"));
	ferry_future_release(chain);

	link.returns = FERRY_OK; /* and nothing yielded: nothing is to follow */
	ferry_future_and_then(f[1], queue, follow, &link, &chain);
	complete(f[1]);
	ferry_executor_run(queue, 0, 0);
	assert_int_equal(ferry_future_poll(chain), FERRY_OK);
	ferry_future_release(chain);

	ferry_future_and_then(f[2], queue, follow, &link, &chain);
	ferry_future_retain(chain);
	link.yields = chain; /* could never complete */
	complete(f[2]);
	ferry_executor_run(queue, 0, 0);
	assert_int_equal(ferry_future_poll(chain), FERRY_EINVAL);
	ferry_future_release(chain);
	assert_int_equal(link.calls, 3);
	release_many(f, 3);
	ferry_executor_destroy(queue);
}

static void a_cancelled_chain_still_calls_its_function_which_is_told(void **state)
{
	ferry_executor *queue = make_queue();
	ferry_future **f = make_many(2), *chain;
	struct link link = { .yields = f[1] };

	(void)state;
	ferry_future_retain(f[1]);
	ferry_future_and_then(f[0], queue, follow, &link, &chain);
	assert_int_equal(ferry_future_cancel(chain), FERRY_OK);
	complete(f[0]);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 1);
	assert_int_equal(link.calls, 1);
	assert_int_equal(link.told, FERRY_ECANCELED);
	assert_int_equal(fy_future_refs(chain), 1);
	ferry_future_release(chain);
	assert_int_equal(fy_future_refs(f[1]), 2); /* what it yielded was let go */
	complete(f[1]);
	release_many(f, 2);
	ferry_executor_destroy(queue);
}

static void a_chain_cancelled_while_the_second_is_under_way(void **state)
{
	ferry_executor *queue = make_queue();
	ferry_future **f = make_many(2), *chain;
	struct link link = { .yields = f[1] };

	(void)state;
	ferry_future_retain(f[1]);
	ferry_future_and_then(f[0], queue, follow, &link, &chain);
	complete(f[0]);
	ferry_executor_run(queue, 0, 0);
	assert_int_equal(ferry_future_cancel(chain), FERRY_OK);
	assert_int_equal(ferry_future_poll(f[1]), FERRY_PENDING);
	fy_future_complete_reply(f[1], &a_message);
	assert_int_equal(ferry_future_poll(chain), FERRY_ECANCELED);
	assert_int_equal(fy_future_refs(chain), 1);
	assert_int_equal(released, 1); /* nobody is left to take the reply */
	ferry_future_release(chain);
	release_many(f, 2);
	ferry_executor_destroy(queue);
}

static void a_chain_on_a_destroyed_executor_is_cancelled(void **state)
{
	ferry_executor *queue = make_queue();
	ferry_future **f = make_many(1), *chain;
	struct link link = { 0 };

	(void)state;
	ferry_future_and_then(f[0], queue, follow, &link, &chain);
	ferry_executor_destroy(queue);
	complete(f[0]);
	assert_int_equal(link.calls, 0);
	assert_int_equal(ferry_future_poll(chain), FERRY_ECANCELED);
	assert_non_null(strstr(ferry_future_detail(chain), "executor"));
	ferry_future_release(chain);
	release_many(f, 1);
}

/* A loop written as a chain: each step yields the chain of the rest. */
struct loop {
	ferry_executor *where;
	unsigned long left;
};

static int loop_step(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	struct loop *loop = arg;
	ferry_future *operation = fy_future_create(engine, 0);

	(void)done;
	if (--loop->left == 0) {
		*next_p = operation;
		fy_future_complete(operation, FERRY_ETOOBIG, "the end of the loop");
		return status;
	}
	int rc = ferry_future_and_then(operation, loop->where, loop_step, loop, next_p);
	complete(operation);
	ferry_future_release(operation);
	return rc;
}

static void a_loop_of_chains_needs_no_stack(void **state)
{
	struct loop loop = { .where = make_queue(), .left = t_scaled(100000) };
	ferry_future **f = make_many(1), *chain;

	(void)state;
	ferry_future_and_then(f[0], loop.where, loop_step, &loop, &chain);
	complete(f[0]);
	while (!fy_future_is_done(chain))
		assert_int_equal(ferry_executor_run(loop.where, 0, 0), 1);
	assert_int_equal(ferry_future_poll(chain), FERRY_ETOOBIG);
	assert_string_equal(ferry_future_detail(chain), "the end of the loop");
	assert_int_equal(fy_future_refs(chain), 1);
	ferry_future_release(chain);
	release_many(f, 1);
	ferry_executor_destroy(loop.where);
}

/* ---- waits that cannot end --------------------------------------------- */

struct stuck {
	ferry_executor *where;
	ferry_future *chain, *done;
	int status;
	int64_t took;
};

static void wait_for_own_next_step(ferry_future *future, int status, void *arg)
{
	struct stuck *stuck = arg;
	int64_t before = t_now();

	(void)future;
	(void)status;
	stuck->status = ferry_future_wait(stuck->chain, FERRY_S(30));
	stuck->took = t_now() - before;
	complete(stuck->done);
}

static void wait_a_moment(ferry_future *future, int status, void *arg)
{
	struct stuck *stuck = arg;

	(void)future;
	(void)status;
	stuck->status = ferry_future_wait(stuck->chain, FERRY_US(100));
	complete(stuck->done);
}

static void waiting_on_a_strand_for_its_own_next_step_is_edeadlk(void **state)
{
	ferry_executor *pool, *strand;

	(void)state;
	for (int serial = 0; serial < 2; serial++) { /* a strand, then a pool of one thread */
		ferry_future **f = make_many(3);
		struct link link = { 0 };
		assert_int_equal(ferry_workers_create(engine, serial ? 1 : 2, &pool), FERRY_OK);
		assert_int_equal(ferry_strand_create(pool, &strand), FERRY_OK);
		struct stuck stuck = { .where = serial ? pool : strand, .done = f[2] };
		ferry_future_and_then(f[1], stuck.where, follow, &link, &stuck.chain);
		ferry_future_then(f[0], stuck.where, wait_for_own_next_step, &stuck);
		complete(f[0]);
		complete(f[1]);
		assert_int_equal(ferry_future_wait(f[2], FERRY_FOREVER), FERRY_OK);
		assert_int_equal(stuck.status, FERRY_EDEADLK);
		assert_true(stuck.took < FERRY_S(5));
		assert_int_equal(ferry_future_wait(stuck.chain, FERRY_FOREVER), FERRY_OK);
		ferry_future_release(stuck.chain);
		ferry_executor_destroy(strand);
		ferry_executor_destroy(pool);
		release_many(f, 3);
	}
}

/* A waiter looks through chains and groups while others take the steps and let go of what
 * is done. */
struct looking {
	ferry_executor *where;
	ferry_future *first, *second, *whole, *done;
	unsigned looks, steps;
	int status;
};

static int looked_at_step(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	struct looking *l = arg;

	(void)done;
	l->steps++;
	*next_p = l->second;
	return status;
}

static void look_until_done(ferry_future *future, int status, void *arg)
{
	struct looking *l = arg;

	(void)future;
	(void)status;
	do {
		l->status = ferry_future_wait(l->whole, 1);
		l->looks++;
	} while (l->status == FERRY_PENDING);
	complete(l->done);
}

static int64_t random_ns(uint64_t *random, int64_t most)
{
	return (int64_t)(t_random(random) >> 33) % most;
}

static void spin(int64_t ns)
{
	for (int64_t until = t_now() + ns; t_now() < until;)
		;
}

static void looking_races_with_steps(void **state)
{
	enum { LOOKS = 100 };
	ferry_executor *pool, *strand, *other;
	uint64_t random = 1;
	unsigned looks = 0;

	(void)state;
	assert_int_equal(ferry_workers_create(engine, 2, &pool), FERRY_OK);
	assert_int_equal(ferry_strand_create(pool, &strand), FERRY_OK);
	assert_int_equal(ferry_strand_create(pool, &other), FERRY_OK);
	for (unsigned i = 0; i < t_scaled(3000); i++) {
		ferry_future **f = make_many(4), *chain, *any, *same[LOOKS];
		struct looking l = { .first = f[0], .second = f[1], .done = f[2] };

		assert_int_equal(ferry_future_and_then(f[0], other, looked_at_step, &l, &chain),
		                 FERRY_OK);
		for (unsigned k = 0; k < LOOKS; k++)
			same[k] = chain;
		assert_int_equal(ferry_future_any(same, LOOKS, &any), FERRY_OK);
		assert_int_equal(ferry_future_all(&any, 1, &l.whole), FERRY_OK);
		/* the chain lets go of it last, and of f[1], which is handed to it */
		ferry_future_release(f[0]);
		ferry_future_release(any);
		ferry_future_release(chain);
		ferry_future_then(f[3], strand, look_until_done, &l);
		complete(f[3]);
		spin(random_ns(&random, 60000));
		complete(f[0]);
		spin(random_ns(&random, 5000));
		complete(f[1]);
		assert_int_equal(ferry_future_wait(f[2], FERRY_FOREVER), FERRY_OK);
		assert_int_equal(l.status, FERRY_OK);
		assert_int_equal(l.steps, 1);
		looks += l.looks;
		ferry_future_release(l.whole);
		ferry_future_release(f[2]);
		ferry_future_release(f[3]);
		free(f);
	}
	print_message("# %u looks\n", looks);
	ferry_executor_destroy(other);
	ferry_executor_destroy(strand);
	ferry_executor_destroy(pool);
}

/* `all` is stuck with one of its parts, `any` with every one. */
static void what_is_made_of_a_stuck_chain_is_stuck(void **state)
{
	ferry_executor *pool;
	ferry_future **f = make_many(6), *chain, *made[5], *mixed[2];
	struct link link = { 0 };
	static const int expected[5] = { FERRY_EDEADLK, FERRY_PENDING, FERRY_EDEADLK, FERRY_EDEADLK,
		                         FERRY_EDEADLK };

	(void)state;
	assert_int_equal(ferry_workers_create(engine, 1, &pool), FERRY_OK);
	ferry_future_and_then(f[0], pool, follow, &link, &chain);
	mixed[0] = chain, mixed[1] = f[1];
	ferry_future_all(mixed, 2, &made[0]);
	ferry_future_any(mixed, 2, &made[1]);
	mixed[1] = made[0];
	ferry_future_any(mixed, 2, &made[2]);
	ferry_future_and_then(made[2], FERRY_INLINE, follow, &link, &made[3]);
	ferry_future_all(&made[3], 1, &made[4]);
	for (int i = 0; i < 5; i++) {
		struct stuck stuck = { .where = pool,
			               .chain = made[i],
			               .done = fy_future_create(engine, 0) };
		ferry_future *begin = fy_future_create(engine, 0);
		ferry_future_then(begin, pool,
		                  expected[i] == FERRY_PENDING ? wait_a_moment
		                                               : wait_for_own_next_step,
		                  &stuck);
		complete(begin);
		assert_int_equal(ferry_future_wait(stuck.done, FERRY_S(20)), FERRY_OK);
		assert_int_equal(stuck.status, expected[i]);
		assert_true(stuck.took < FERRY_S(5));
		/* this thread may wait */
		assert_int_equal(ferry_future_wait(made[i], FERRY_US(10)), FERRY_PENDING);
		ferry_future_release(stuck.done);
		ferry_future_release(begin);
	}
	complete_many(f, 6);
	assert_int_equal(ferry_wait_all(made, 5, FERRY_S(20)), FERRY_OK);
	release_many(f, 6);
	for (int i = 0; i < 5; i++)
		ferry_future_release(made[i]);
	ferry_future_release(chain);
	ferry_executor_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(wait_all_checks_its_arguments),
		TEST(wait_all_skips_null),
		TEST(finish_all_releases_what_is_done),
		TEST(finish_all_loses_no_failure),
		TEST(wait_all_gives_the_first_failure_by_index_when_all_are_done),
		TEST(wait_all_of_a_hundred_thousand_looks_at_nothing_but_them),
		TEST(wait_any_checks_its_arguments),
		TEST(wait_any_skips_null_and_ends_a_loop),
		TEST(wait_any_sleeps_for_one_among_nulls),
		TEST(wait_any_gives_a_done_one_or_pending),
		TEST(wait_any_over_ten_thousand_scans_nothing_at_completion),
		TEST(waiters_and_completers_race),
		TEST(removing_waits_for_who_fires_and_trying_does_not),
		TEST(a_removed_watch_does_not_fire),
		TEST(completing_never_waits_for_a_watcher),
		TEST(all_and_any_check_their_arguments),
		TEST(all_and_any_skip_null),
		TEST(all_completes_with_the_first_failure_when_all_are_done),
		TEST(any_completes_with_the_first_and_names_it),
		TEST(the_parts_may_be_released_before_the_whole),
		TEST(cancelling_the_whole_leaves_the_parts_alone_and_nothing_on_them),
		TEST(the_same_future_may_appear_twice),
		TEST(a_future_may_have_a_hundred_thousand_holders),
		TEST(wholes_can_be_parts_and_awaited),
		TEST(depth_needs_no_stack),
		TEST(wholes_race_with_their_parts),
		TEST(chains_check_their_arguments),
		TEST(a_chain_takes_over_what_came_of_the_second),
		TEST(the_function_is_told_of_a_failure_and_may_fail_itself),
		TEST(a_cancelled_chain_still_calls_its_function_which_is_told),
		TEST(a_chain_cancelled_while_the_second_is_under_way),
		TEST(a_chain_on_a_destroyed_executor_is_cancelled),
		TEST(a_loop_of_chains_needs_no_stack),
		TEST(waiting_on_a_strand_for_its_own_next_step_is_edeadlk),
		TEST(what_is_made_of_a_stuck_chain_is_stuck),
		TEST(looking_races_with_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
