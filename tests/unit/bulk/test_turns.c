/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of chunks: no two that are under way have the same one, and earlier turns go first. */
#include "support/engine.h"

#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/turns.h"

enum { SPAN = 4 };

static struct fy_turns turns;

static int begin(void **state)
{
	t_begin(state);
	t_helm(0)->bulk.tag_span = SPAN;
	turns = (struct fy_turns){ .first = NULL };
	return 0;
}

static struct fy_flow chunks(uint64_t from, uint64_t end)
{
	return (struct fy_flow){ .at.number = from, .end = end };
}

static bool is_free(const struct fy_flow *flow)
{
	return fy_turns_tag_free(&t_helm(0)->bulk, &turns, flow);
}

static void few_chunks_need_no_look(void **state)
{
	struct fy_flow a = chunks(0, 2), b = chunks(2, SPAN);
	(void)state;
	fy_turns_take(&turns, &a);
	fy_turns_take(&turns, &b);
	assert_true(is_free(&a) && is_free(&b));
}

static void the_same_tag_waits_for_the_turn_before(void **state)
{
	struct fy_flow a = chunks(0, 3), b = chunks(3, 6);
	(void)state;
	fy_turns_take(&turns, &a);
	fy_turns_take(&turns, &b);
	assert_true(is_free(&a));
	assert_true(is_free(&b)); /* number 3 has a tag of its own */
	b.at.number = 4;          /* that of number 0 */
	assert_false(is_free(&b));
	a.at.number = 1;
	assert_true(is_free(&b));
	b.at.number = 5;
	assert_false(is_free(&b));
	fy_turns_leave(&turns, &a);
	assert_true(is_free(&b));
}

static void a_flow_does_not_overtake_itself(void **state)
{
	struct fy_chunk oldest = { .number = 0 };
	struct fy_flow a = chunks(SPAN - 1, 100);
	(void)state;
	a.flight = &oldest;
	fy_turns_take(&turns, &a);
	assert_true(is_free(&a));
	a.at.number = SPAN;
	assert_false(is_free(&a));
	oldest.number = 1;
	assert_true(is_free(&a));
}

static void a_tag_that_is_kept_is_not_free(void **state)
{
	struct fy_flow a = chunks(3, 3), b = chunks(4, 8);
	(void)state;
	fy_flow_keep_tag(&a, 0); /* its receive may still be posted */
	fy_turns_take(&turns, &a);
	fy_turns_take(&turns, &b);
	assert_false(is_free(&b));
	fy_turns_leave(&turns, &a);
	assert_true(is_free(&b));
}

static void turns_are_left_in_any_order(void **state)
{
	struct fy_flow f[3] = { chunks(0, 1), chunks(1, 2), chunks(2, 3) };
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		fy_turns_take(&turns, &f[i]);
	fy_turns_leave(&turns, &f[2]);
	assert_ptr_equal(turns.last, &f[1]);
	fy_turns_leave(&turns, &f[0]);
	fy_turns_leave(&turns, &f[0]); /* it has none any more */
	assert_ptr_equal(turns.first, &f[1]);
	fy_turns_leave(&turns, &f[1]);
	assert_null(turns.first);
	assert_null(turns.last);
}

static void tags_without_a_turn_are_single(void **state)
{
	struct fy_flow a = chunks(2, 4);
	(void)state;
	assert_true(fy_turns_single(&t_helm(0)->bulk, &turns, 10, 10 + SPAN));
	assert_false(fy_turns_single(&t_helm(0)->bulk, &turns, 10, 11 + SPAN));
	fy_turns_take(&turns, &a);
	assert_true(fy_turns_single(&t_helm(0)->bulk, &turns, 4, 2 + SPAN));
	assert_false(fy_turns_single(&t_helm(0)->bulk, &turns, 4, 3 + SPAN));
	a.at.number = 3;
	assert_true(fy_turns_single(&t_helm(0)->bulk, &turns, 4, 3 + SPAN));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(few_chunks_need_no_look, begin, t_end),
		cmocka_unit_test_setup_teardown(the_same_tag_waits_for_the_turn_before, begin,
		                                t_end),
		cmocka_unit_test_setup_teardown(a_flow_does_not_overtake_itself, begin, t_end),
		cmocka_unit_test_setup_teardown(a_tag_that_is_kept_is_not_free, begin, t_end),
		cmocka_unit_test_setup_teardown(turns_are_left_in_any_order, begin, t_end),
		cmocka_unit_test_setup_teardown(tags_without_a_turn_are_single, begin, t_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
