/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that await their reply: ids, late replies, and the end of a rank. */
#include "support/engine.h"

#include "future/future.h"
#include "link/call.h"

static ferry_future *pending(void)
{
	ferry_future *future = fy_future_create(NULL, 0);
	assert_non_null(future);
	return future;
}

static struct fy_called called(int rank)
{
	return (struct fy_called){ .op = 7, .rank = rank };
}

/* The engine's reference, and the program's. */
static void end(ferry_future *future)
{
	fy_future_complete(future, 0, NULL);
	ferry_future_release(future);
}

static void an_id_is_of_one_call_and_one_rank(void **state)
{
	struct fy_progress *p = t_helm(0);
	ferry_future *future = pending();
	uint64_t id = fy_call_open(&p->link, future, called(1));
	(void)state;
	assert_true(id != 0);
	assert_int_equal(p->link.calls.open, 1);
	assert_null(fy_call_peek(&p->link.calls, id, 2)); /* another rank has nothing to say */
	assert_null(fy_call_peek(&p->link.calls, id + 1, 1));
	assert_null(fy_call_peek(&p->link.calls, id ^ (uint64_t)1 << 32, 1));
	assert_null(fy_call_peek(&p->link.calls, 0, 1));
	assert_null(
		fy_call_close(&p->link, 0, 1)); /* what no call ever had, from a peer that lies */
	assert_null(fy_call_close(&p->link, UINT32_MAX, 1));
	assert_null(fy_call_close(&p->link, id + 100000, 1));
	assert_ptr_equal(fy_call_peek(&p->link.calls, id, 1), future);
	assert_ptr_equal(fy_call_close(&p->link, id, 1), future);
	assert_int_equal(p->link.calls.open, 0);
	assert_null(fy_call_close(&p->link, id, 1));
	end(future);
}

static void no_id_comes_twice(void **state)
{
	enum { N = 1000 };
	struct fy_progress *p = t_helm(0);
	static uint64_t ids[N];
	ferry_future *future = pending();
	(void)state;
	for (int i = 0; i < N; i++) {
		ids[i] = fy_call_open(&p->link, future, called(1));
		for (int j = 0; j < i; j++)
			assert_true(ids[i] != ids[j]);
		assert_ptr_equal(fy_call_close(&p->link, ids[i], 1), future);
		assert_null(fy_call_peek(&p->link.calls, ids[i / 2], 1));
	}
	end(future);
}

static void the_table_grows(void **state)
{
	enum { N = 600 };
	struct fy_progress *p = t_helm(0);
	static uint64_t ids[N];
	ferry_future *future = pending();
	(void)state;
	for (int i = 0; i < N; i++)
		assert_true((ids[i] = fy_call_open(&p->link, future, called(i & 1))) != 0);
	assert_int_equal(p->link.calls.open, N);
	for (int i = 0; i < N; i++)
		assert_ptr_equal(fy_call_close(&p->link, ids[i], i & 1), future);
	assert_int_equal(p->link.calls.open, 0);
	end(future);
}

static void calls_to_a_rank_that_is_gone_end(void **state)
{
	struct fy_progress *p = t_helm(0);
	ferry_future *there = pending(), *here = pending();
	uint64_t id = fy_call_open(&p->link, here, called(2));
	(void)state;
	assert_true(fy_call_open(&p->link, there, called(1)) != 0);
	fy_call_fail(&p->link, 1, FERRY_EPEER, "it is gone");
	assert_int_equal(ferry_future_poll(there), FERRY_EPEER);
	assert_ptr_equal(fy_call_close(&p->link, id, 2), here);
	end(here);
	ferry_future_release(there);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(an_id_is_of_one_call_and_one_rank),
		T_CASE(no_id_comes_twice),
		T_CASE(the_table_grows),
		T_CASE(calls_to_a_rank_that_is_gone_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
