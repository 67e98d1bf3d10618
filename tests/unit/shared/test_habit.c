/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread did lately, as a counter that leaks. */
#include "test.h"

#include "base/clock.h"
#include "future/future.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/lane.h"
#include "shared/policy_table.h"
#include "shared/thread.h"

static ferry engine;
static struct fy_lane lane;
static ferry_future future, another;

static int begin(void **state)
{
	(void)state;
	memset(&engine, 0, sizeof engine);
	memset(&lane, 0, sizeof lane);
	engine.serial = 1;
	lane.engine = &engine;
	fy_policy_table_resolve(&engine.policy);
	fy_thread_recent = (struct fy_thread_recent){ engine.serial, &lane };
	return 0;
}

static int end(void **state)
{
	(void)state;
	fy_thread_recent = (struct fy_thread_recent){ 0 };
	return 0;
}

static uint32_t after(uint32_t level, const char *signs)
{
	for (; *signs; signs++)
		fy_habit_note(&level, *signs == '+', 4, 16);
	return level;
}

static void it_rises_by_steps_and_falls_by_one(void **state)
{
	(void)state;
	assert_int_equal(after(0, "-"), 0);
	assert_int_equal(after(0, "+"), 4);
	assert_int_equal(after(0, "+-"), 3);
	assert_int_equal(after(0, "++++"), 16);
	assert_int_equal(after(15, "+"), 16);
	assert_int_equal(after(16, "+-"), 15);
	assert_int_equal(after(1, "--"), 0);
}

static void above_the_step_is_more_than_one_time_in_so_many(void **state)
{
	(void)state;
	uint32_t seldom = 0, often = 0;
	for (int i = 0; i < 20; i++) {
		seldom = after(seldom, "+----");
		often = after(often, "+--");
	}
	assert_true(seldom <= 4);
	assert_true(often > 4);
}

static void who_finds_no_room_gives_way_to_those_that_wait(void **state)
{
	(void)state;
	engine.pressure.waits = 1;
	assert_false(fy_habit_others_come_first(&lane, &engine)); /* once may be chance */
	engine.pressure.waits = 2;
	assert_true(fy_habit_others_come_first(&lane, &engine));
	engine.options.flags = FERRY_NO_THREAD; /* nobody else drives */
	assert_false(fy_habit_others_come_first(&lane, &engine));
	engine.options.flags = 0;
	assert_true(fy_habit_others_come_first(&lane, &engine));
	for (int i = 0; i < 64; i++) /* nobody has waited since */
		fy_habit_others_come_first(&lane, &engine);
	assert_false(fy_habit_others_come_first(&lane, &engine));
}

static void who_waits_knows_of_floods_but_for_its_own(void **state)
{
	(void)state;
	for (int own = 1; own >= 0; own--) {
		lane.habit.waited_for_room = own;
		for (int i = 0; i < 2; i++) {
			engine.pressure.lane_full++;
			fy_habit_waits(&lane, &future);
			/* once may be chance */
			assert_int_equal(fy_habit_is_beside_floods(&engine), i && !own);
		}
	}
	fy_thread_recent.serial++; /* of another engine nothing is known */
	assert_false(fy_habit_is_beside_floods(&engine));
	fy_thread_recent.serial--;
	for (int i = 0; i < 16; i++)
		fy_habit_waits(&lane, &future);
	assert_false(fy_habit_is_beside_floods(&engine));
}

static void leave_at(int64_t time)
{
	fy_habit_left(&lane, &future);
	lane.habit.left_at = time;
}

static void who_let_it_wait_twice_is_not_believed(void **state)
{
	(void)state;
	int64_t long_ago = fy_clock_now() - FERRY_S(1);
	leave_at(long_ago);
	fy_habit_waits(&lane, &future);
	assert_int_equal(lane.habit.slow, 0);
	assert_int_equal(lane.habit.left_at, 0);
	assert_int_equal(lane.quick, 1);
	fy_habit_waits(&lane, &future); /* for something else: it changes nothing */
	leave_at(long_ago);
	fy_habit_waits(&lane, &future);
	assert_true(lane.habit.slow > 1);
	leave_at(fy_clock_now() + FERRY_S(10)); /* soon */
	uint32_t slow = lane.habit.slow;
	fy_habit_waits(&lane, &future);
	assert_int_equal(lane.habit.slow, slow - 1);
	leave_at(long_ago);
	fy_habit_waits(&lane, &future);
	assert_int_equal(lane.habit.slow, slow - 2); /* once again */
}

static void wait_after(bool call, int64_t time)
{
	fy_habit_left(&lane, call ? &future : NULL);
	lane.habit.left_at -= time;
	fy_habit_waits(&lane, &future);
}

static void who_waits_right_after_a_call_is_expected_to(void **state)
{
	(void)state;
	for (int call = 0; call < 2; call++) {
		wait_after(call, FERRY_US(10));
		assert_false(lane.habit.at_once[call]);
		wait_after(call, -FERRY_S(10)); /* surely at once */
		assert_true(lane.habit.at_once[call]);
		fy_habit_waits(&lane, &future); /* for something else: it changes nothing */
		assert_true(lane.habit.at_once[call]);
		wait_after(!call, FERRY_US(10));
		assert_true(lane.habit.at_once[call]);
		wait_after(call, FERRY_US(10));
		assert_false(lane.habit.at_once[call]);
	}
}

static void who_waits_for_another_call_has_many_under_way(void **state)
{
	(void)state;
	wait_after(true, -FERRY_S(10));
	fy_habit_left(&lane, &future);
	fy_habit_waits(&lane, &another);
	assert_false(lane.habit.at_once[true]);
}

static void a_wait_ends_what_was_left(void **state)
{
	(void)state;
	lane.habit.behind = 3;
	fy_habit_waits(&lane, &future);
	assert_int_equal(lane.habit.behind, 0);
}

static void a_post_that_needs_no_answer_may_be_left_for_long(void **state)
{
	(void)state;
	wait_after(false, FERRY_S(1));
	wait_after(false, FERRY_S(1));
	assert_int_equal(lane.habit.slow, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_rises_by_steps_and_falls_by_one),
		cmocka_unit_test(above_the_step_is_more_than_one_time_in_so_many),
		cmocka_unit_test_setup_teardown(who_finds_no_room_gives_way_to_those_that_wait,
		                                begin, end),
		cmocka_unit_test_setup_teardown(who_waits_knows_of_floods_but_for_its_own, begin,
		                                end),
		cmocka_unit_test_setup_teardown(who_let_it_wait_twice_is_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(who_waits_right_after_a_call_is_expected_to, begin,
		                                end),
		cmocka_unit_test_setup_teardown(who_waits_for_another_call_has_many_under_way,
		                                begin, end),
		cmocka_unit_test_setup_teardown(a_wait_ends_what_was_left, begin, end),
		cmocka_unit_test_setup_teardown(a_post_that_needs_no_answer_may_be_left_for_long,
		                                begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
