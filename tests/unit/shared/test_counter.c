/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, without posts: threads count what they posted, one thread plays the helm and counts
 * what is done, others wait, and whoever is the last frees the counter. Its engine makes no step.
 */
#include "support/engine.h"
#include "support/shortage.h"

#include "base/order.h"
#include "future/future.h"
#include "future/wait.h"
#include "shared/counter.h"
#include "shared/seats.h"

#include <pthread.h>
#include <sched.h>

static ferry_counter *make(void)
{
	fy_engine_retain(t_engines[0]);
	ferry_counter *c = fy_counter_new(t_engines[0]);
	assert_non_null(c);
	return c;
}

static ferry_future *target(ferry_counter *c, uint64_t value)
{
	ferry_future *f = fy_future_create(NULL, FY_FUTURE_IS_HIDDEN);
	assert_non_null(f);
	assert_int_equal(fy_counter_add_target(c, value, f), FERRY_OK);
	return f;
}

static void each_part_counts(void **state)
{
	struct fy_seats seats = { { 0 } };
	ferry_counter *c = make();
	(void)state;
	for (unsigned i = 1; i <= FY_SEATS + 3; i++) { /* the last ones have no seat */
		struct fy_seat seat = fy_seats_take(&seats);
		for (unsigned k = 0; k < 3; k++)
			fy_counter_count(c, &seat, 1);
		fy_counter_count(c, &seat, -1);
		assert_int_equal(fy_counter_posted(c), 2 * (uint64_t)i);
	}
	assert_int_equal(c->posted_apart, 2 * 4);
	fy_counter_add_done(c, 2 * (FY_SEATS + 3), FERRY_OK, NULL);
	fy_counter_release(c);
}

/* Without memory for a part a post is counted all the same. */
static void a_part_without_memory(void **state)
{
	struct fy_seats seats = { { 0 } };
	struct fy_seat seat = fy_seats_take(&seats);
	ferry_counter *c = make();
	(void)state;
	shortage_begin(1, SHORTAGE_ALL, 0);
	fy_counter_count(c, &seat, 1);
	ferry_counter *none = fy_counter_new(t_engines[0]);
	assert_true(shortage_end() >= 2);
	assert_null(none);
	fy_counter_count(c, &seat, 1);
	assert_int_equal(c->posted_apart, 1);
	assert_int_equal(fy_counter_posted(c), 2);
	fy_counter_add_done(c, 2, FERRY_OK, NULL);
	fy_counter_release(c);
}

/* The helm looks at targets only when the lowest is reached, and not at all when there are none. */
static void targets_are_in_order(void **state)
{
	struct fy_seat none = { FY_SEAT_NONE, FY_SEAT_BLOCKS, 0 };
	ferry_counter *c = make();
	ferry_future *f[4];
	(void)state;
	fy_counter_count(c, &none, 30);
	f[0] = target(c, 20);
	f[1] = target(c, 10);
	f[2] = target(c, 30);
	f[3] = target(c, 10);
	assert_int_equal(c->targets.lowest, 10);
	fy_counter_add_done(c, 9, FERRY_OK, NULL);
	for (int i = 0; i < 4; i++)
		assert_false(fy_future_is_done(f[i]));
	fy_counter_add_done(c, 5, FERRY_EPEER, "gone");
	fy_counter_add_done(c, 1, FERRY_EMPI, "another one");
	assert_int_equal(ferry_future_poll(f[1]), FERRY_EPEER);
	assert_int_equal(ferry_future_poll(f[3]), FERRY_EPEER);
	assert_string_equal(ferry_future_detail(f[3]), "gone");
	assert_int_equal(fy_counter_outcome(c), FERRY_EPEER);
	assert_string_equal(ferry_last_error(), "gone");
	assert_int_equal(c->targets.lowest, 20);
	fy_counter_drop_target(c, f[0]);
	assert_int_equal(c->targets.lowest, 30);
	fy_counter_add_done(c, 15, FERRY_OK, NULL);
	assert_int_equal(ferry_future_poll(f[2]), FERRY_EPEER);
	assert_false(fy_future_is_done(f[0]));
	assert_int_equal(c->done, 30 * FY_COUNTER_ONE);
	for (int i = 0; i < 4; i++)
		ferry_future_release(f[i]);
	fy_counter_release(c);
}

/* A thread is inside of the gate: the helm does not wait, and that thread looks again. */
static void the_helm_does_not_wait(void **state)
{
	struct fy_seat none = { FY_SEAT_NONE, FY_SEAT_BLOCKS, 0 };
	ferry_counter *c = make();
	(void)state;
	fy_counter_count(c, &none, 3);
	ferry_future *f = target(c, 2);
	c->targets.gate = 1;
	fy_counter_add_done(c, 2, FERRY_OK, NULL);
	assert_int_equal(c->targets.gate, 2);
	fy_counter_add_done(c, 1, FERRY_OK, NULL);
	assert_false(fy_future_is_done(f));
	c->targets.gate = 0;
	ferry_future *other = target(c, 4); /* enters, and leaves */
	assert_true(fy_future_is_done(f));
	fy_counter_drop_target(c, other);
	ferry_future_release(f);
	ferry_future_release(other);
	fy_counter_release(c);
}

/* ---- threads ----------------------------------------------------------- */

enum { POSTERS = 3 };

static struct {
	ferry_counter *counter;
	uint64_t posted
		[POSTERS]; /* published by each poster (release), read by the helm (acquire) */
	uint64_t released; /* rounds: the counter was released */
	uint64_t too_many; /* more were done than posted */
	struct fy_seats seats;
	unsigned long posts, rounds;
} r;

static void *poster(void *arg)
{
	uint64_t *mine = arg;
	struct fy_seat seat = fy_seats_take(&r.seats);
	for (unsigned long i = 0; i < r.posts; i++) {
		fy_counter_count(r.counter, &seat, 1);
		fy_store_release_64(mine, *mine + 1);
	}
	fy_seats_give(&r.seats, &seat);
	return NULL;
}

/* Until all are done: what was posted is done, some at a time. */
static void *helm(void *unused)
{
	uint64_t all = 0, seen[POSTERS] = { 0 };
	(void)unused;
	while (all < POSTERS * r.posts)
		for (int i = 0; i < POSTERS; i++) {
			uint64_t n = fy_load_acquire_64(&r.posted[i]) - seen[i];
			if (!n)
				continue;
			seen[i] += n;
			all += n;
			fy_counter_add_done(r.counter, n, FERRY_OK,
			                    NULL); /* the last one may free it */
		}
	return NULL;
}

static void *reader(void *unused)
{
	(void)unused;
	for (uint64_t done = 0, posted; done < POSTERS * r.posts; sched_yield()) {
		ferry_counter_read(r.counter, &posted, &done);
		if (done > posted)
			fy_add_64(&r.too_many, 1);
	}
	return NULL;
}

static void begin_round(void)
{
	r.counter = make();
	memset(r.posted, 0, sizeof r.posted);
}

static void start(pthread_t *threads, void *(*run)(void *), void *arg)
{
	assert_int_equal(pthread_create(threads, NULL, run, arg), 0);
}

static void posted_is_never_less_than_done(void **state)
{
	pthread_t threads[POSTERS + 2];
	(void)state;
	r.posts = t_scaled(100000);
	begin_round();
	for (int i = 0; i < POSTERS; i++)
		start(&threads[i], poster, &r.posted[i]);
	start(&threads[POSTERS], helm, NULL);
	start(&threads[POSTERS + 1], reader, NULL);
	for (int i = 0; i < POSTERS + 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.too_many, 0);
	assert_int_equal(fy_counter_posted(r.counter), POSTERS * r.posts);
	assert_int_equal(fy_counter_done(r.counter), POSTERS * r.posts);
	fy_counter_release(r.counter);
}

static void *waiter(void *arg)
{
	uint64_t value = (uint64_t)(uintptr_t)arg;
	ferry_counter_wait(r.counter, value, FERRY_FOREVER);
	return NULL;
}

/* Several wait for numbers; the main thread waits for the last one, and releases at once. */
static void who_waits_may_release(void **state)
{
	(void)state;
	r.posts = 20;
	r.rounds = t_scaled(2000);
	for (unsigned long n = 0; n < r.rounds; n++) {
		pthread_t threads[POSTERS + 3];
		uint32_t refs = t_engines[0]->refs;
		begin_round();
		start(&threads[0], helm, NULL);
		for (int i = 0; i < POSTERS; i++)
			start(&threads[1 + i], poster, &r.posted[i]);
		start(&threads[POSTERS + 1], waiter, (void *)(uintptr_t)7);
		start(&threads[POSTERS + 2], waiter, (void *)(uintptr_t)40);
		for (int i = 1; i < POSTERS + 3; i++)
			pthread_join(threads[i], NULL);
		if (n % 2)
			assert_int_equal(ferry_counter_wait(r.counter, POSTERS * r.posts,
			                                    FERRY_FOREVER),
			                 FERRY_OK);
		fy_counter_release(r.counter);
		pthread_join(threads[0], NULL);
		assert_int_equal(t_engines[0]->refs, refs);
	}
}

/* Posts are done only when the counter is released: this thread frees it, whatever the one that
 * releases still does with it. ThreadSanitizer sees that in any round. */
static void *late_helm(void *arg)
{
	uint64_t n = (uint64_t)(uintptr_t)arg;
	while (!(fy_load_acquire_64(&r.counter->done) & FY_COUNTER_RELEASED))
		fy_pause();
	for (; n; n--)
		fy_counter_add_done(r.counter, 1, FERRY_OK, NULL);
	return NULL;
}

static void who_releases_does_not_look_back(void **state)
{
	struct fy_seat none = { FY_SEAT_NONE, FY_SEAT_BLOCKS, 0 };
	(void)state;
	r.rounds = t_scaled(2000);
	for (unsigned long n = 0; n < r.rounds; n++) {
		pthread_t thread;
		uint32_t refs = t_engines[0]->refs;
		begin_round();
		fy_counter_count(r.counter, &none, 2);
		start(&thread, late_helm, (void *)(uintptr_t)2);
		fy_counter_release(r.counter);
		pthread_join(thread, NULL);
		assert_int_equal(t_engines[0]->refs, refs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(each_part_counts),
		T_CASE(a_part_without_memory),
		T_CASE(targets_are_in_order),
		T_CASE(the_helm_does_not_wait),
		T_CASE(posted_is_never_less_than_done),
		T_CASE(who_waits_may_release),
		T_CASE(who_releases_does_not_look_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
