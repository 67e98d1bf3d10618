/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that other threads see. */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry.h"
#include "base/order.h"
#include "base/place.h"
#include "base/waiting.h"

enum { MANY = 64, TURNS = 20000 };

static bool find(int tid, struct fy_waiting *found)
{
	struct fy_waiting list[MANY];
	size_t n = fy_waiting_read(list, MANY);
	assert_true(n <= MANY);
	for (size_t i = 0; i < n; i++)
		if (list[i].tid == tid) {
			*found = list[i];
			return true;
		}
	return false;
}

static void waits_nest(void **state)
{
	struct fy_wait outer = { .kind = FY_WAITS_RECV, .op = 7, .peer = 3, .until = INT64_MAX };
	struct fy_wait inner = { .kind = FY_WAITS_CALL, .object = &outer, .until = 5 };
	struct fy_waiting_place outer_place, inner_place;
	struct fy_waiting seen;
	int tid = fy_place_thread();

	(void)state;
	fy_waiting_begin(&outer_place, &outer);
	assert_true(find(tid, &seen));
	assert_int_equal(seen.wait.kind, FY_WAITS_RECV);
	assert_int_equal(seen.wait.op, 7);
	assert_int_equal(seen.wait.peer, 3);
	assert_true(seen.wait.since > 0);
	uint64_t number = seen.number;
	fy_waiting_begin(&inner_place, &inner);
	assert_true(find(tid, &seen));
	assert_int_equal(seen.wait.kind, FY_WAITS_CALL);
	assert_ptr_equal(seen.wait.object, &outer);
	assert_int_equal(seen.wait.until, 5);
	assert_true(seen.number > number);
	fy_waiting_end(&inner_place);
	assert_true(find(tid, &seen));
	assert_int_equal(seen.wait.kind, FY_WAITS_RECV);
	number = seen.number;
	fy_waiting_end(&outer_place);
	assert_true(find(tid, &seen));
	assert_int_equal(seen.wait.kind, FY_WAITS_NOT);
	assert_true(seen.number > number);
}

static void names_are_put_back(void **state)
{
	(void)state;
	assert_int_equal(fy_waiting_named().kind, FY_WAITS_NOT);
	struct fy_waiting_name before = fy_waiting_name(FY_WAITS_FENCE, 9);
	assert_int_equal(fy_waiting_named().kind, FY_WAITS_FENCE);
	assert_int_equal(fy_waiting_named().peer, 9);
	fy_waiting_unname(before);
	assert_int_equal(fy_waiting_named().kind, FY_WAITS_NOT);
}

static uint32_t stop;

/* All words of a wait are the same number, so that half of one is seen. */
static void *wait_often(void *arg)
{
	int *tid = arg;
	fy_store_release_32((uint32_t *)tid, (uint32_t)fy_place_thread());
	for (uint32_t i = 1; !fy_load_acquire_32(&stop); i++) {
		struct fy_wait wait = { .kind = i,
			                .op = i,
			                .peer = (int32_t)i,
			                .object = (void *)(uintptr_t)i,
			                .until = i };
		struct fy_waiting_place place;
		fy_waiting_begin(&place, &wait);
		/* valgrind runs one thread at a time, and changes to another at system calls */
		if (i % 16 == 0)
			sched_yield();
		fy_waiting_end(&place);
	}
	return NULL;
}

static void a_reader_sees_one_state(void **state)
{
	pthread_t thread;
	uint32_t tid = 0;
	unsigned seen_waits = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, wait_often, &tid), 0);
	while (!fy_load_acquire_32(&tid))
		t_sleep_ms(1);
	for (int i = 0; i < TURNS || (!seen_waits && i < 100 * TURNS); i++) {
		struct fy_waiting seen;
		if (!find((int)fy_load_acquire_32(&tid), &seen))
			continue;
		uint32_t kind = seen.wait.kind;
		seen_waits += kind != 0;
		assert_int_equal(seen.wait.op, kind);
		assert_int_equal((uint32_t)seen.wait.peer, kind);
		assert_int_equal((uintptr_t)seen.wait.object, kind);
		assert_int_equal(seen.wait.until, kind);
	}
	fy_store_release_32(&stop, 1);
	pthread_join(thread, NULL);
	assert_true(seen_waits);
}

static void *be_a_worker(void *arg)
{
	struct fy_waiting_place place;
	struct fy_wait wait = { .kind = FY_WAITS_IDLE };
	(void)arg;
	fy_waiting_set_role(FY_ROLE_WORKER);
	fy_waiting_begin(&place, &wait); /* it exits inside of it, as no thread does */
	return NULL;
}

static void a_thread_leaves_its_record_clean(void **state)
{
	struct fy_waiting list[MANY];
	size_t before = fy_waiting_read(list, MANY);

	(void)state;
	for (int i = 0; i < 2 * MANY; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, be_a_worker, NULL), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_int_equal(fy_waiting_read(list, MANY), before);
}

static void a_child_has_its_own(void **state)
{
	struct fy_wait wait = { .kind = FY_WAITS_RECV };
	struct fy_waiting_place place;
	int status;

	(void)state;
	fy_waiting_begin(&place, &wait);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct fy_waiting seen;
		bool empty = fy_waiting_read(NULL, 0) == 0;
		fy_waiting_begin(&place, &wait);
		_exit(empty && find(getpid(), &seen) && seen.wait.kind == FY_WAITS_RECV ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fy_waiting_end(&place);
}

static void waits_of_nobody_name_nobody(void **state)
{
	int engine = 0, object = 0;
	struct fy_wait wait = fy_waiting_of(FY_WAITS_IDLE, &engine, &object, 5);
	(void)state;
	assert_int_equal(wait.kind, FY_WAITS_IDLE);
	assert_int_equal(wait.op, FERRY_ANY_OP);
	assert_int_equal(wait.peer, FY_WAITS_NOBODY);
	assert_ptr_equal(wait.engine, &engine);
	assert_ptr_equal(wait.object, &object);
	assert_int_equal(wait.until, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_of_nobody_name_nobody),
		cmocka_unit_test(waits_nest),
		cmocka_unit_test(names_are_put_back),
		cmocka_unit_test(a_reader_sees_one_state),
		cmocka_unit_test(a_thread_leaves_its_record_clean),
		cmocka_unit_test(a_child_has_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
