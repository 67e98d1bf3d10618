/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep and wake: a sleeper that was told to stay long is awake at once when there is something
 * for it. */
#include "test.h"

#include <pthread.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "shared/wake.h"

struct sleeper {
	struct fy_wake *wake;
	int64_t time, took;
	bool nap, rung;
	uint32_t work;   /* given by the other thread (release) before it looks at the word */
	uint32_t sleeps; /* by the sleeper (release) */
};

/* As the progress thread does it: announce, look once more, sleep. */
static void *sleep_long(void *arg)
{
	struct sleeper *s = arg;
	int64_t start = fy_clock_now();
	while (!fy_load_acquire_32(&s->work) && !s->rung && fy_clock_now() - start < s->time) {
		fy_wake_announce(s->wake, s->nap);
		if (fy_load_acquire_32(&s->work)) {
			fy_wake_stay(s->wake);
			break;
		}
		fy_store_release_32(&s->sleeps, s->sleeps + 1);
		s->rung = fy_wake_sleep(s->wake, s->time);
	}
	s->took = fy_clock_now() - start;
	return NULL;
}

static pthread_t begin(struct sleeper *s, int64_t asleep_for)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, sleep_long, s), 0);
	while (!fy_load_acquire_32(&s->sleeps))
		;
	for (int64_t until = fy_clock_now() + asleep_for; fy_clock_now() < until;)
		;
	return thread;
}

static void a_long_sleep_ends_when_there_is_work(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) { /* asleep, or just about to be */
		struct fy_wake wake;
		fy_wake_init(&wake);
		struct sleeper s = { .wake = &wake, .time = FERRY_S(20) };
		pthread_t thread = begin(&s, i % 10 ? FERRY_US(i % 10 * 5) : FERRY_MS(2));
		fy_store_release_32(&s.work, 1);
		fy_wake_check(&wake);
		pthread_join(thread, NULL);
		assert_true(s.took < FERRY_S(5));
		assert_false(s.rung);
	}
}

/* Who looks while nobody sleeps wakes nobody. */
static void nobody_is_woken_who_is_awake(void **state)
{
	(void)state;
	struct fy_wake wake;
	fy_wake_init(&wake);
	fy_wake_check(&wake);
	assert_int_equal(wake.wakes, 0);
	fy_wake_announce(&wake, true);
	assert_true(fy_wake_look(&wake));
	fy_wake_check(&wake);
	fy_wake_check(&wake);
	assert_int_equal(wake.wakes, 1);
	int64_t start = fy_clock_now();
	fy_wake_sleep(&wake, FERRY_S(20)); /* woken before it slept */
	assert_true(fy_clock_now() - start < FERRY_S(5));
}

static void a_sleep_ends_in_time(void **state)
{
	(void)state;
	struct fy_wake wake;
	fy_wake_init(&wake);
	struct sleeper s = { .wake = &wake, .time = FERRY_MS(20) };
	sleep_long(&s);
	assert_in_range(s.sleeps, 1, 5); /* not again and again until then; a signal may end one */
	assert_true(s.took < FERRY_S(5));
	assert_int_equal(fy_wake_look(&wake), 0);
}

/* The word that ranks of this host ring: the sleeper learns that it was one of them. */
static void another_rank_rings(void **state)
{
	(void)state;
	uint32_t word = 0;
	struct fy_wake wake;
	fy_wake_init(&wake);
	fy_wake_share(&wake, &word);
	struct sleeper s = { .wake = &wake, .time = FERRY_S(20) };
	pthread_t thread = begin(&s, FERRY_MS(5));
	fy_wake_ring(&word);
	pthread_join(thread, NULL);
	assert_true(s.rung);
	assert_true(s.took < FERRY_S(5));
	assert_false(word & 1);
}

/* A giver of this process with a shared word. */
static void a_sleep_on_the_shared_word_ends_when_there_is_work(void **state)
{
	(void)state;
	uint32_t word = 0;
	struct fy_wake wake;
	fy_wake_init(&wake);
	fy_wake_share(&wake, &word);
	struct sleeper s = { .wake = &wake, .time = FERRY_S(20) };
	pthread_t thread = begin(&s, FERRY_MS(5));
	fy_store_release_32(&s.work, 1);
	fy_wake_check(&wake);
	pthread_join(thread, NULL);
	assert_true(s.took < FERRY_S(5));
	assert_false(s.rung);
	fy_wake_stop(&wake);
	assert_int_equal(fy_wake_look(&wake), FY_WAKE_STOPPED);
	word = 5; /* nobody touches it any more */
	fy_wake_check(&wake);
	assert_int_equal(word, 5);
}

/* The progress thread stands by, and another one announces its sleep, perhaps to this process only.
 * What comes between that and the nap ends the nap. */
static void what_comes_before_a_nap_ends_it(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 8; how++) {
		bool shared = how & 1, here = how & 2, by_ring = how & 4;
		uint32_t word = 0;
		struct fy_wake wake;
		fy_wake_init(&wake);
		if (shared)
			fy_wake_share(&wake, &word);
		if (by_ring && (here || !shared))
			continue;              /* nobody rings */
		fy_wake_announce(&wake, true); /* it slept before */
		fy_wake_sleep(&wake, 1);
		uint32_t seen = fy_wake_seen(&wake);
		if (here)
			fy_wake_announce_here(&wake);
		else
			fy_wake_announce(&wake, true);
		if (by_ring)
			fy_wake_ring(&word);
		else
			fy_wake_check(&wake);
		int64_t start = fy_clock_now();
		fy_wake_nap(&wake, seen, FERRY_S(20));
		if (fy_clock_now() - start >= FERRY_S(5))
			fail_msg("slept, %u", how);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_sleep_ends_when_there_is_work),
		cmocka_unit_test(nobody_is_woken_who_is_awake),
		cmocka_unit_test(a_sleep_ends_in_time),
		cmocka_unit_test(another_rank_rings),
		cmocka_unit_test(a_sleep_on_the_shared_word_ends_when_there_is_work),
		cmocka_unit_test(what_comes_before_a_nap_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
