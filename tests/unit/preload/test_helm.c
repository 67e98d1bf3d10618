/* SPDX-License-Identifier: Apache-2.0 */
/* The helm of the preload layer: one thread at a time, and nobody is left waiting. */
#include "test.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"
#include "preload/caller.h"
#include "preload/held.h"
#include "preload/helm.h"
#include "preload/lanes.h"
#include "preload/post.h"
#include "preload/requests.h"
#include "preload/slot.h"

#define THREADS 8
#define ROUNDS 500

static uint32_t polls; /* how many threads poll now: never two */
static uint64_t looks; /* the holder's */

struct wanted {
	pthread_t thread;
	unsigned looks_left;
	bool elsewhere; /* another thread has looked */
};

static bool look(void *arg)
{
	struct wanted *w = arg;
	if (fy_add_32(&polls, 1)) {
		fputs("two threads have the helm\n", stderr);
		abort();
	}
	looks++;
	if (!pthread_equal(pthread_self(), w->thread))
		w->elsewhere = true;
	bool over = w->looks_left == 0 || --w->looks_left == 0;
	fy_sub_32(&polls, 1);
	return over;
}

static int setup(void **state)
{
	(void)state;
	fake_begin();
	fy_caller_all.on = 1;
	fy_caller_all.alone = 0;
	return !fy_preload_slot_reserve();
}

static int teardown(void **state)
{
	(void)state;
	fy_preload_slot_return_all();
	fake_end();
	fy_caller_all.on = 0;
	return 0;
}

static void run(void *(*fn)(void *), unsigned n)
{
	pthread_t threads[THREADS];
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, (void *)(uintptr_t)i), 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	/* it is free, and nothing is left */
	assert_true(fy_preload_helm_try());
	fy_preload_helm_give();
	assert_false(fy_preload_lanes_any());
}

static void *wait_often(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg * 77 + 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		random = random * 1664525 + 1013904223;
		struct wanted w = { pthread_self(), random >> 29, false };
		fy_preload_helm_wait(look, &w);
		if (w.looks_left)
			abort();
	}
	return NULL;
}

static void all_that_wait_go_on(void **state)
{
	(void)state;
	run(wait_often, THREADS);
}

/* Posts and waits of all kinds, beside each other. */
static void *do_all(void *arg)
{
	int me = (int)(uintptr_t)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		MPI_Request requests[4];
		for (int k = 0; k < 4; k++) {
			struct fy_preload_start start = { .count = me,
				                          .type = MPI_INT,
				                          .comm = MPI_COMM_WORLD,
				                          .tag = k,
				                          .kind = FY_PRELOAD_SEND };
			if (fy_preload_post(&start, &requests[k]) != MPI_SUCCESS)
				abort();
		}
		if (i % 7 == 0)
			fy_preload_helm_flush();
		struct fy_preload_requests_few few;
		struct fy_preload_requests_set all = { .mode = FY_REQUESTS_ALL,
			                               .requests = requests,
			                               .statuses = MPI_STATUSES_IGNORE,
			                               .n = 4 };
		if (!fy_preload_requests_begin(&all, &few))
			abort();
		fy_preload_helm_run(fy_preload_requests_poll_set, &all);
		fy_preload_requests_end(&all);
		fy_preload_requests_finish(requests, 4);
		for (int k = 0; k < 4; k++)
			if (requests[k] != MPI_REQUEST_NULL)
				abort();
	}
	return NULL;
}

static void all_that_is_posted_is_started(void **state)
{
	(void)state;
	fake_over = ~0u;
	run(do_all, THREADS);
	assert_int_equal(fake_n_started, THREADS * ROUNDS * 4);
}

static void *wait_alone(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 300; i++) {
		struct wanted w = { pthread_self(), 3, false };
		fy_preload_helm_wait(look, &w);
		if (w.elsewhere)
			abort();
	}
	return NULL;
}

/* As long as the program has functions that MPI calls. */
static void nobody_looks_for_another_one(void **state)
{
	(void)state;
	fy_caller_all.alone = 1;
	run(wait_alone, 4);
}

/* Every other thread wants the helm itself, as each call that is serialized does. */
static void *hold_or_wait(void *arg)
{
	if ((uintptr_t)arg % 2)
		return wait_often(arg);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct wanted w = { pthread_self(), 1, false };
		fy_preload_helm_hold();
		if (!look(&w) || w.elsewhere)
			abort();
		fy_preload_helm_give();
	}
	return NULL;
}

static void who_wants_it_itself_gets_it(void **state)
{
	(void)state;
	run(hold_or_wait, THREADS);
}

/* ---- what wakes a sleeper -------------------------------------------------------------------- */

static uint32_t sleeps, has_come;

static bool has_it_come(void *arg)
{
	(void)arg;
	return fy_load_acquire_32(&has_come) != 0;
}

static bool takes_long(void *arg)
{
	(void)arg;
	return fy_load_acquire_32(&has_come) == 2;
}

static void *wait_for_it(void *arg)
{
	fy_add_32(&sleeps, 1);
	fy_preload_helm_wait(arg ? takes_long : has_it_come, NULL);
	return NULL;
}

/* One of them looks for all; when it has what it waits for, another one goes on looking. */
static void a_holder_that_ends_leaves_nobody(void **state)
{
	pthread_t threads[4];
	(void)state;
	sleeps = has_come = 0;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, wait_for_it, (void *)(i % 2));
	while (fy_load_acquire_32(&sleeps) < 4)
		usleep(1000);
	usleep(20000);
	fy_store_release_32(&has_come, 1);
	pthread_join(threads[0], NULL);
	pthread_join(threads[2], NULL);
	usleep(20000);
	fy_store_release_32(&has_come, 2);
	pthread_join(threads[1], NULL);
	pthread_join(threads[3], NULL);
}

/* Often the holder sees the end of one that is still awake. Afterwards one that is asleep gets the
 * helm, because nobody counts as awake any more. */
static void who_went_on_is_not_awake(void **state)
{
	pthread_t thread;
	(void)state;
	for (int i = 0; i <= 200; i++) {
		sleeps = has_come = 0;
		assert_true(fy_preload_helm_try());
		pthread_create(&thread, NULL, wait_for_it, NULL);
		while (!fy_load_acquire_32(&sleeps))
			;
		if (i == 200) {
			usleep(20000);
			fy_preload_helm_give();
			usleep(1000);
			assert_false(fy_preload_helm_try());
		}
		fy_store_release_32(&has_come, 1);
		if (i < 200)
			fy_preload_helm_give();
		pthread_join(thread, NULL);
	}
}

static void *post_once(void *arg)
{
	struct fy_preload_start start = {
		.count = 5, .type = MPI_INT, .comm = MPI_COMM_WORLD, .kind = FY_PRELOAD_SEND
	};
	MPI_Request request;
	(void)arg;
	fy_preload_post(&start, &request);
	assert_true(fy_preload_slot_is_ours(request));
	fy_preload_slot_give(fy_preload_slot_of(request));
	return NULL;
}

/* What is posted while another thread has the helm leaves when that gives it back. */
static void who_gives_the_helm_takes_what_was_posted(void **state)
{
	pthread_t thread;
	(void)state;
	assert_true(fy_preload_helm_try());
	pthread_create(&thread, NULL, post_once, NULL);
	pthread_join(thread, NULL);
	assert_int_equal(fake_n_started, 0);
	fy_preload_helm_give();
	assert_int_equal(fake_n_started, 1);
}

/* What another thread waits for may come of the call that wants the helm. */
static void who_waits_lets_another_one_have_it(void **state)
{
	pthread_t waiter;
	(void)state;
	sleeps = has_come = 0;
	pthread_create(&waiter, NULL, wait_for_it, NULL);
	while (!fy_load_acquire_32(&sleeps))
		usleep(1000);
	usleep(10000);
	fy_preload_helm_hold();
	fy_store_release_32(&has_come, 1);
	fy_preload_helm_give();
	pthread_join(waiter, NULL);
}

#define S INT64_C(1000000000)

static int64_t now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * S + now.tv_nsec;
}

static void who_has_it_for_long_is_named(void **state)
{
	char text[400];
	(void)state;
	fy_preload_held_sentence("MPI_Send", now() + 20 * S, text, sizeof text);
	assert_string_equal(text, "");
	fy_preload_held_begin("MPI_Comm_split");
	fy_preload_held_sentence("MPI_Send", now() + 9 * S, text, sizeof text);
	assert_string_equal(text, "");
	fy_preload_held_sentence("MPI_Send", now() + 11 * S, text, sizeof text);
	assert_non_null(strstr(text, "MPI_Comm_split has had MPI for 11 s, and MPI_Send waits"));
	fy_preload_held_sentence("MPI_Recv", now() + 12 * S, text, sizeof text);
	assert_string_equal(text, ""); /* once */
	fy_preload_held_end();
	fy_preload_held_begin("MPI_Comm_split");
	fy_preload_held_sentence(NULL, now() + 11 * S, text, sizeof text);
	assert_non_null(strstr(text, "another call waits"));
	fy_preload_held_end();
}

static uint32_t kept, looked;

/* As MPI_Finalize does; but this one gives it back, so that the waiter can end. */
static void *keep(void *arg)
{
	(void)arg;
	fy_preload_helm_keep();
	fy_store_release_32(&kept, 1);
	while (!fy_load_acquire_32(&looked))
		usleep(1000);
	fy_preload_helm_give();
	return NULL;
}

/* Even if another thread has it, and waits. */
static void who_keeps_it_is_the_only_one(void **state)
{
	pthread_t keeper, waiter;
	(void)state;
	sleeps = has_come = kept = looked = 0;
	pthread_create(&waiter, NULL, wait_for_it, NULL);
	while (!fy_load_acquire_32(&sleeps))
		usleep(1000);
	usleep(10000);
	pthread_create(&keeper, NULL, keep, NULL);
	while (!fy_load_acquire_32(&kept))
		usleep(1000);
	assert_false(fy_preload_helm_try());
	fy_store_release_32(&has_come, 1);
	usleep(10000);
	assert_false(fy_preload_helm_try());
	fy_store_release_32(&looked, 1);
	pthread_join(keeper, NULL);
	pthread_join(waiter, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_wait_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(all_that_is_posted_is_started, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_looks_for_another_one, setup, teardown),
		cmocka_unit_test_setup_teardown(who_wants_it_itself_gets_it, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_lets_another_one_have_it, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(who_has_it_for_long_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(a_holder_that_ends_leaves_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(who_went_on_is_not_awake, setup, teardown),
		cmocka_unit_test_setup_teardown(who_gives_the_helm_takes_what_was_posted, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(who_keeps_it_is_the_only_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
