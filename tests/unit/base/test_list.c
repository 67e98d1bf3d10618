/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that run through their items, and the item that a member belongs to. */
#include "test.h"

#include "base/list.h"

struct item {
	int number;
	struct item *next, *other;
};

struct owner {
	struct item *first, *last;
};

static void holds(const struct owner *o, int from, int to)
{
	const struct item *at = o->first;
	for (int i = from; i <= to; i++, at = at->next) {
		assert_non_null(at);
		assert_int_equal(at->number, i);
		if (i == to)
			assert_ptr_equal(at, o->last);
	}
	assert_null(at);
	if (from > to)
		assert_null(o->last);
}

static void items_leave_in_the_order_in_which_they_came(void **state)
{
	(void)state;
	struct item items[] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct owner o = { NULL, NULL };
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			items[i].next = NULL;
			fy_list_append(o.first, o.last, &items[i]);
			holds(&o, 0, i);
		}
		for (int i = 1; i <= 3; i++) {
			fy_list_drop(o.first, o.last);
			holds(&o, i, 2);
		}
	}
}

static void a_chain_is_appended_as_a_whole(void **state)
{
	(void)state;
	struct item items[] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct owner o = { NULL, NULL };
	fy_list_append(o.first, o.last, &items[0]);
	items[1].next = &items[2];
	fy_list_join(o.first, o.last, &items[1], &items[2], next);
	holds(&o, 0, 2);
	struct owner empty = { NULL, NULL };
	fy_list_join(empty.first, empty.last, &items[1], &items[2], next);
	holds(&empty, 1, 2);
}

static void another_member_may_link(void **state)
{
	(void)state;
	struct item items[] = { { .number = 0 }, { .number = 1 } };
	struct owner o = { NULL, NULL };
	fy_list_join(o.first, o.last, &items[0], &items[0], other);
	fy_list_join(o.first, o.last, &items[1], &items[1], other);
	assert_ptr_equal(o.first, &items[0]);
	assert_ptr_equal(o.first->other, &items[1]);
	assert_ptr_equal(o.last, &items[1]);
	assert_null(o.first->next);
}

static void what_a_member_belongs_to(void **state)
{
	(void)state;
	struct item item = { 0 };
	struct item **member = &item.other;
	assert_ptr_equal(fy_container_of(member, struct item, other), &item);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_leave_in_the_order_in_which_they_came),
		cmocka_unit_test(a_chain_is_appended_as_a_whole),
		cmocka_unit_test(another_member_may_link),
		cmocka_unit_test(what_a_member_belongs_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
