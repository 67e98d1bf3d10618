/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of the preload layer: in which order records are started. */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include "fake.h"
#include "preload/caller.h"
#include "preload/lanes.h"
#include "preload/slot.h"

static struct fy_preload_slot *post(struct fy_preload_lane *lane, int count)
{
	struct fy_preload_start start = { .count = count, .kind = FY_PRELOAD_SEND };
	struct fy_preload_slot *slot = fy_preload_slot_take();
	assert_non_null(slot);
	if (fy_preload_lanes_post(lane, &start, slot))
		return slot;
	fy_preload_slot_give(slot);
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	fake_begin();
	return !fy_preload_slot_reserve();
}

static int teardown(void **state)
{
	(void)state;
	fy_preload_slot_return_all();
	fake_end();
	return 0;
}

/* Whatever lane they are in. */
static void records_are_started_in_the_order_of_posting(void **state)
{
	struct fy_preload_lane *lanes[3];
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(lanes[i] = fy_preload_lanes_new());
	assert_false(fy_preload_lanes_any());
	for (int i = 0; i < 300; i++)
		post(lanes[i * 7 % 11 % 3], i);
	assert_true(fy_preload_lanes_any());
	assert_true(fy_preload_lanes_drain());
	assert_false(fy_preload_lanes_any());
	assert_false(fy_preload_lanes_drain());
	assert_int_equal(fake_n_started, 300);
	for (int i = 0; i < 300; i++)
		assert_int_equal(fake_started[i], i);
	for (int i = 0; i < 3; i++)
		fy_preload_lanes_leave(lanes[i]);
}

static void a_full_lane_says_so(void **state)
{
	struct fy_preload_lane *lane = fy_preload_lanes_new();
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < FY_PRELOAD_POSTS; i++)
			assert_non_null(post(lane, (int)i));
		assert_null(post(lane, -1));
		assert_true(fy_preload_lanes_drain());
	}
	assert_int_equal(fake_n_started, 3 * FY_PRELOAD_POSTS);
	fy_preload_lanes_leave(lane);
}

/* Its last records are started all the same. */
static void a_lane_outlives_its_thread(void **state)
{
	struct fy_preload_lane *lane = fy_preload_lanes_new(), *other = fy_preload_lanes_new();
	(void)state;
	post(lane, 1);
	fy_preload_lanes_leave(lane);
	assert_true(fy_preload_lanes_drain());
	post(other, 2);
	assert_true(fy_preload_lanes_drain());
	assert_int_equal(fake_started[0], 1);
	assert_int_equal(fake_started[1], 2);
	fy_preload_lanes_leave(other);
}

static void a_start_that_fails_is_over(void **state)
{
	struct fy_preload_lane *lane = fy_preload_lanes_new();
	(void)state;
	struct fy_preload_slot *slot = post(lane, 1);
	fake_fails = true;
	assert_true(fy_preload_lanes_drain());
	assert_int_equal(slot->state, FY_SLOT_OVER);
	assert_int_equal(slot->code, MPI_ERR_OTHER);
	fy_preload_slot_give(slot);
	fy_preload_lanes_leave(lane);
}

/* ---- threads that tell each other ---------------------------------------------------------- */

#define THREADS 4
#define ROUNDS 2000

/* whose turn it is: written by the thread whose turn it was (release), read by all (acquire) */
static uint32_t turn;
static uint32_t ended;

static void *post_in_turn(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct fy_preload_lane *lane = fy_preload_lanes_new();
	for (uint32_t i = me; i < ROUNDS; i += THREADS) {
		while (fy_load_acquire_32(&turn) != i)
			sched_yield();
		while (!post(lane, (int)i))
			sched_yield();
		fy_store_release_32(&turn, i + 1);
	}
	fy_preload_lanes_leave(lane);
	fy_preload_slot_return_all();
	fy_add_32(&ended, 1);
	return NULL;
}

static void what_a_thread_was_told_of_is_first(void **state)
{
	pthread_t threads[THREADS];
	(void)state;
	turn = ended = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_in_turn,
		                                (void *)(uintptr_t)i),
		                 0);
	while (fy_load_acquire_32(&ended) < THREADS)
		fy_preload_lanes_drain();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	fy_preload_lanes_drain();
	assert_int_equal(fake_n_started, ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		if (fake_started[i] != i)
			fail_msg("number %d is record %d", i, fake_started[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_started_in_the_order_of_posting, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_full_lane_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lane_outlives_its_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(a_start_that_fails_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_thread_was_told_of_is_first, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
