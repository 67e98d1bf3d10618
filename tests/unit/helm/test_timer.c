/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines: each at its time, and no memory for those whose future is done. */
#include "test.h"
#include "future/future.h"
#include "helm/progress.h"
#include "helm/timer.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/message.h"

static ferry_future *pending(void)
{
	ferry_future *future = fy_future_create(NULL, 0);
	assert_non_null(future);
	return future;
}

/* The heap's reference beside the program's. */
static void add(struct fy_progress *p, int64_t when, ferry_future *future)
{
	ferry_future_retain(future);
	assert_int_equal(fy_timer_add(p, when, future), FERRY_OK);
}

static void each_expires_at_its_time(void **state)
{
	enum { N = 1000 };
	struct fy_progress p = { .link.now = 0 };
	ferry_future *futures[N];
	int64_t when[N];
	uint64_t random = 1;
	(void)state;
	for (int i = 0; i < N; i++) {
		when[i] = (int64_t)(t_random(&random) % 500);
		add(&p, when[i], futures[i] = pending());
		if (t_random(&random) % 3 == 0)
			fy_future_complete(futures[i], FERRY_OK, NULL), when[i] = -1;
	}
	for (p.link.now = 0; p.link.now < 500; p.link.now += 10) {
		fy_timer_run(&p);
		for (int i = 0; i < N; i++)
			assert_int_equal(ferry_future_poll(futures[i]), when[i] < 0 ? FERRY_OK
			                                                : when[i] <= p.link.now
			                                                        ? FERRY_ETIMEDOUT
			                                                        : FERRY_PENDING);
	}
	fy_timer_run(&p);
	assert_int_equal(p.timers.n, 0);
	for (int i = 0; i < N; i++) {
		if (when[i] >= 0)
			ferry_future_release(futures[i]); /* the operation's */
		assert_int_equal(fy_future_refs(futures[i]), 1);
		ferry_future_release(futures[i]);
	}
	fy_timer_free(&p);
}

/* A call a microsecond, each with a deadline in an hour, behind one that is never answered. */
static void those_that_are_done_do_not_pile_up(void **state)
{
	struct fy_progress p = { .link.now = 0 };
	ferry_future *first = pending();
	(void)state;
	add(&p, 1, first);
	for (int i = 0; i < 100000; i++) {
		ferry_future *future = pending();
		add(&p, FERRY_S(3600) - i % 7, future);
		fy_future_complete(future, FERRY_OK, NULL);
		ferry_future_release(future);
		assert_true(p.timers.n <= 64);
	}
	p.link.now = 1;
	fy_timer_run(&p);
	assert_int_equal(ferry_future_poll(first), FERRY_ETIMEDOUT);
	ferry_future_release(first);
	ferry_future_release(first);
	fy_timer_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_expires_at_its_time),
		cmocka_unit_test(those_that_are_done_do_not_pile_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
