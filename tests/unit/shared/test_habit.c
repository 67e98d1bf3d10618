/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread did lately, as a counter that leaks. */
#include "test.h"

#include "shared/habit.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_rises_by_steps_and_falls_by_one),
		cmocka_unit_test(above_the_step_is_more_than_one_time_in_so_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
