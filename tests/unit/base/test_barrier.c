/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On a kernel without membarrier(2), which this program plays, nobody relies on it: givers fence
 * before they look for a sleeper, and threads when they enter code of the program.
 */
#include "support/engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ferry.h"
#include "base/barrier.h"
#include "base/clock.h"
#include "base/order.h"
#include "base/program.h"
#include "shared/wake.h"

/* ---- the kernel ----------------------------------------------------------------------------- */

static unsigned n_asked;

/* The library's calls; the C library has another way. At most six arguments, as there can be. */
long syscall(long number, ...)
{
	long args[6];
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_membarrier) {
		n_asked++;
		errno = ENOSYS;
		return -1;
	}
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void it_is_asked_once_and_then_known(void **state)
{
	(void)state;
	assert_false(fy_barrier_is_everywhere());
	fy_barrier_everywhere();
	fy_barrier_everywhere();
	assert_int_equal(n_asked, 1);
}

struct sleeper {
	struct fy_wake wake;
	uint32_t work, sleeps; /* release, acquire */
	int64_t took;
};

static void *sleep_long(void *arg)
{
	struct sleeper *s = arg;
	int64_t start = fy_clock_now();
	while (!fy_load_acquire_32(&s->work)) {
		fy_wake_announce(&s->wake, false);
		if (fy_load_acquire_32(&s->work)) {
			fy_wake_stay(&s->wake);
			break;
		}
		fy_store_release_32(&s->sleeps, 1);
		fy_wake_sleep(&s->wake, FERRY_S(20));
	}
	s->took = fy_clock_now() - start;
	return NULL;
}

static void a_giver_fences_and_wakes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct sleeper s = { .took = 0 };
		pthread_t thread;
		fy_wake_init(&s.wake);
		assert_true(s.wake.giver_fences);
		assert_int_equal(pthread_create(&thread, NULL, sleep_long, &s), 0);
		while (i % 2 && !fy_load_acquire_32(&s.sleeps))
			;
		fy_store_release_32(&s.work, 1);
		fy_wake_check(&s.wake);
		pthread_join(thread, NULL);
		assert_true(s.took < FERRY_S(5));
	}
}

/* Of a whole engine: the thread's first post, which makes its lane, and a later one. */
static void a_post_wakes_an_engine_that_sleeps(void **state)
{
	(void)state;
	ferry *engine = t_engines[0];
	assert_true(engine->wake.giver_fences);
	for (unsigned i = 1; i <= 2; i++) {
		fy_wake_announce(&engine->wake, false);
		assert_int_equal(ferry_post(engine, 1, 1, "x", 1, NULL), FERRY_OK);
		assert_int_equal(engine->wake.wakes, i);
		assert_false(fy_wake_sleep(&engine->wake, FERRY_S(20))); /* at once */
	}
}

static void who_enters_code_of_the_program_fences(void **state)
{
	(void)state;
	fy_program_begin();
	assert_true(fy_program_enter_fences);
	fy_program_enter();
	assert_int_equal(fy_load_acquire_32(&fy_program_inside->depth), 1);
	assert_true(fy_program_may_run());
	fy_program_leave();
	assert_int_equal(fy_load_acquire_32(&fy_program_inside->depth), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_asked_once_and_then_known),
		cmocka_unit_test(a_giver_fences_and_wakes),
		T_CASE(a_post_wakes_an_engine_that_sleeps),
		cmocka_unit_test(who_enters_code_of_the_program_fences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
