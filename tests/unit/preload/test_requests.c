/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of requests: handles of the layer, MPI's own, null ones, and the same one twice. */
#include "test.h"

#include "fake.h"
#include "preload/caller.h"
#include "preload/requests.h"
#include "preload/slot.h"

#define N 6

/* Requests 1 and 3 are MPI's; 0, 2 and 4 are of the layer, and behind them 10, 12 and 14; 5 is
 * null. */
struct mixture {
	MPI_Request requests[N];
	MPI_Status statuses[N];
};

static MPI_Request ours(int index)
{
	struct fy_preload_slot *slot = fy_preload_slot_take();
	assert_non_null(slot);
	slot->native = fake_request(index);
	slot->state = FY_SLOT_STARTED;
	slot->comm = MPI_COMM_WORLD;
	return fy_preload_slot_handle(slot);
}

static void mix(struct mixture *m)
{
	for (int i = 0; i < N; i++) {
		m->requests[i] = i == 5 ? MPI_REQUEST_NULL : i % 2 ? fake_request(i) : ours(10 + i);
		m->statuses[i] = (MPI_Status){ .MPI_SOURCE = -77, .MPI_ERROR = -78 };
	}
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

static void end_of(int index)
{
	fake_over |= 1u << index;
}

static void handles_are_known_by_their_value(void **state)
{
	(void)state;
	MPI_Request request = ours(1);
	assert_true(fy_preload_slot_is_ours(request));
	assert_false(fy_preload_slot_is_ours(MPI_REQUEST_NULL));
	assert_false(fy_preload_slot_is_ours(fake_request(1)));
	assert_true(fy_preload_slot_handle(fy_preload_slot_of(request)) == request);
	fy_preload_slot_give(fy_preload_slot_of(request));
}

static void look(struct fy_preload_requests_set *set, bool over)
{
	struct fy_preload_requests_few few;
	assert_true(fy_preload_requests_begin(set, &few));
	assert_int_equal(fy_preload_requests_poll_set(set), over);
	fy_preload_requests_end(set);
	fy_preload_requests_finish(set->requests, set->n);
}

static void all_end_in_any_order(void **state)
{
	struct fy_preload_requests_few few;
	struct mixture m;
	(void)state;
	mix(&m);
	struct fy_preload_requests_set all = {
		.mode = FY_REQUESTS_ALL, .requests = m.requests, .statuses = m.statuses, .n = N
	};
	const int order[] = { 14, 3, 1, 12, 10 };
	assert_true(fy_preload_requests_begin(&all, &few));
	for (int i = 0; i < 5; i++) {
		for (int looks = 0; looks < 20; looks++) /* by each way to look */
			assert_false(fy_preload_requests_poll_set(&all));
		end_of(order[i]);
	}
	assert_true(fy_preload_requests_poll_set(&all));
	fy_preload_requests_end(&all);
	fy_preload_requests_finish(m.requests, N);
	for (int i = 0; i < N; i++) {
		assert_true(m.requests[i] == MPI_REQUEST_NULL);
		assert_int_equal(m.statuses[i].MPI_SOURCE, i == 5  ? MPI_ANY_SOURCE
		                                           : i % 2 ? i
		                                                   : 10 + i);
		assert_int_equal(m.statuses[i].MPI_ERROR, -78); /* it belongs to errors */
	}
	assert_int_equal(all.error.code, MPI_SUCCESS);
}

static void any_is_one(void **state)
{
	struct mixture m;
	(void)state;
	mix(&m);
	struct fy_preload_requests_set set = {
		.mode = FY_REQUESTS_ANY, .requests = m.requests, .statuses = m.statuses, .n = N
	};
	look(&set, false);
	assert_false(set.flag);
	end_of(12);
	end_of(3);
	const int order[] = { 2, 3 };
	for (int i = 0; i < 2; i++) {
		set.ready = false;
		look(&set, true);
		assert_int_equal(set.count, order[i]);
		assert_int_equal(m.statuses[0].MPI_SOURCE, i ? 3 : 12);
		assert_true(m.requests[order[i]] == MPI_REQUEST_NULL);
	}
	set.ready = false;
	look(&set, false);
	fake_over = ~0u;
	for (int i = 0; i < 3; i++) {
		set.ready = false;
		look(&set, true);
	}
	set.ready = false;
	look(&set, true);
	assert_int_equal(set.count, MPI_UNDEFINED);
	assert_int_equal(m.statuses[0].MPI_SOURCE, MPI_ANY_SOURCE);
}

static void some_are_those_that_have_ended(void **state)
{
	struct mixture m;
	int indices[N];
	(void)state;
	mix(&m);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_SOME,
		                               .requests = m.requests,
		                               .statuses = m.statuses,
		                               .indices = indices,
		                               .n = N };
	look(&set, false);
	assert_int_equal(set.count, 0);
	end_of(1);
	end_of(14);
	set.ready = false;
	look(&set, true);
	assert_int_equal(set.count, 2);
	assert_int_equal(indices[0], 1);
	assert_int_equal(indices[1], 4);
	assert_int_equal(m.statuses[1].MPI_SOURCE, 14);
	fake_over = ~0u;
	set.ready = false;
	look(&set, true);
	assert_int_equal(set.count, 3);
	set.ready = false;
	look(&set, true);
	assert_int_equal(set.count, MPI_UNDEFINED);
}

static void testall_is_all_or_nothing(void **state)
{
	struct mixture m;
	(void)state;
	mix(&m);
	struct fy_preload_requests_set set = { .mode = FY_REQUESTS_TESTALL,
		                               .once = true,
		                               .requests = m.requests,
		                               .statuses = m.statuses,
		                               .n = N };
	fake_over = ~(1u << 12);
	look(&set, true);
	assert_false(set.flag);
	for (int i = 0; i < 5; i++)
		assert_true(m.requests[i] != MPI_REQUEST_NULL);
	assert_int_equal(m.statuses[0].MPI_SOURCE, -77);
	fake_over = ~0u;
	set.ready = false;
	look(&set, true);
	assert_true(set.flag);
	for (int i = 0; i < N; i++) {
		assert_true(m.requests[i] == MPI_REQUEST_NULL);
		assert_int_equal(m.statuses[i].MPI_SOURCE, i == 5  ? MPI_ANY_SOURCE
		                                           : i % 2 ? i
		                                                   : 10 + i);
	}
}

/* MPI gets it once, both become null, and the slot goes back once. */
static void the_same_one_twice(void **state)
{
	const enum fy_preload_requests_mode modes[] = { FY_REQUESTS_TESTALL, FY_REQUESTS_SOME,
		                                        FY_REQUESTS_ALL };
	(void)state;
	for (int i = 0; i < 3; i++) {
		MPI_Request one = ours(7), requests[] = { one, fake_request(8), one };
		MPI_Status statuses[3];
		int indices[3];
		fake_over = ~0u;
		struct fy_preload_requests_set set = { .mode = modes[i],
			                               .once = true,
			                               .requests = requests,
			                               .statuses = statuses,
			                               .indices = indices,
			                               .n = 3 };
		look(&set, true);
		for (int k = 0; k < 3; k++)
			assert_true(requests[k] == MPI_REQUEST_NULL);
		struct fy_preload_slot *first = fy_preload_slot_take(),
				       *second = fy_preload_slot_take();
		assert_ptr_not_equal(first, second);
		fy_preload_slot_give(first);
		fy_preload_slot_give(second);
	}
}

/* One of them ended when it was started. */
static void one_that_failed_has_its_code(void **state)
{
	struct mixture m;
	(void)state;
	mix(&m);
	struct fy_preload_slot *slot = fy_preload_slot_of(m.requests[2]);
	slot->state = FY_SLOT_OVER;
	slot->code = MPI_ERR_OTHER;
	slot->native = MPI_REQUEST_NULL;
	fake_over = ~0u;
	struct fy_preload_requests_few few;
	struct fy_preload_requests_set all = {
		.mode = FY_REQUESTS_ALL, .requests = m.requests, .statuses = m.statuses, .n = N
	};
	assert_true(fy_preload_requests_begin(&all, &few));
	assert_true(fy_preload_requests_poll_set(&all));
	fy_preload_requests_end(&all);
	assert_int_equal(all.error.code, MPI_ERR_IN_STATUS);
	for (int i = 0; i < N; i++)
		assert_int_equal(m.statuses[i].MPI_ERROR, i == 2 ? MPI_ERR_OTHER : MPI_SUCCESS);
	fy_preload_requests_finish(m.requests, N);
	assert_true(m.requests[2] == MPI_REQUEST_NULL);
}

/* MPI_Test and its like take in messages that nobody waits for; once all have ended they would do
 * so for nothing. */
static void waiting_takes_in_nothing_more(void **state)
{
	struct mixture m;
	(void)state;
	mix(&m);
	fake_over = ~0u;
	struct fy_preload_requests_set all = {
		.mode = FY_REQUESTS_ALL, .requests = m.requests, .statuses = m.statuses, .n = N
	};
	look(&all, true);
	assert_int_equal(fake_tests, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handles_are_known_by_their_value, setup, teardown),
		cmocka_unit_test_setup_teardown(all_end_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(any_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(some_are_those_that_have_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(testall_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_one_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_failed_has_its_code, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_takes_in_nothing_more, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
