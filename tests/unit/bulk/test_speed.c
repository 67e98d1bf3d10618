/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the wire is, from what came in the time in which something was under way. */
#include "test.h"

#include "ferry.h"
#include "bulk/speed.h"

#define US FERRY_US(1)
#define MIB (1u << 20)

static void nothing_is_known_before_4_mib_came(void **state)
{
	(void)state;
	struct fy_speed speed = { 0 };
	fy_speed_begin(&speed, 0);
	fy_speed_moved(&speed, 1000 * US, 4 * MIB - 1);
	assert_int_equal(speed.refill, 0);
	fy_speed_moved(&speed, 6400 * US, 1);
	assert_in_range(speed.refill, 100 * US, 100 * US + 1);
}

/* Two messages at once take no longer than one, and a pause between two is nobody's. */
static void only_the_time_in_which_any_moves_counts(void **state)
{
	(void)state;
	struct fy_speed speed = { 0 };
	fy_speed_begin(&speed, 1000 * US);
	fy_speed_begin(&speed, 2000 * US);
	fy_speed_moved(&speed, 3000 * US, 2 * MIB);
	fy_speed_end(&speed, 3000 * US);
	fy_speed_end(&speed, 4200 * US);
	fy_speed_begin(&speed, 900000 * US);
	fy_speed_moved(&speed, 903200 * US, 2 * MIB);
	assert_in_range(speed.refill, 100 * US, 100 * US + 1);
	assert_int_equal(speed.moving, 1);
}

static void it_follows_the_wire(void **state)
{
	(void)state;
	struct fy_speed speed = { 0 };
	fy_speed_begin(&speed, 0);
	fy_speed_moved(&speed, 6400 * US, 4 * MIB);
	for (int i = 1; i <= 10; i++)
		fy_speed_moved(&speed, (6400 + i * 64000) * US, 4 * MIB);
	assert_in_range(speed.refill, 990 * US, 1001 * US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_4_mib_came),
		cmocka_unit_test(only_the_time_in_which_any_moves_counts),
		cmocka_unit_test(it_follows_the_wire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
