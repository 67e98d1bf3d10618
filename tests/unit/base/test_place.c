/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where threads of the library run: on the processors of the process, also if the thread that
 * starts them was bound to one, and on those of the places of libgomp, which binds the main thread
 * before. This program has libgomp's functions itself.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include "base/place.h"

/* ---- libgomp: place 0 has processor 1 and two that are none, place 1 has nothing ------ */

void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_num_places(void);
int omp_get_place_num_procs(int place);
void omp_get_place_proc_ids(int place, int *ids);

void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags)
{
	(void)fn;
	(void)data;
	(void)threads;
	(void)flags;
}

int omp_get_num_places(void)
{
	return 2;
}

int omp_get_place_num_procs(int place)
{
	return place == 0 ? 3 : 0;
}

void omp_get_place_proc_ids(int place, int *ids)
{
	assert_int_equal(place, 0);
	ids[0] = 1;
	ids[1] = -1;
	ids[2] = 100000;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static bool two_processors;

static int only(int processor)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	return sched_setaffinity(0, sizeof set, &set);
}

/* Before the library looks where the process began. */
__attribute__((constructor(101))) static void begin_on_one_processor(void)
{
	cpu_set_t set;
	two_processors = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_ISSET(0, &set) &&
	                 CPU_ISSET(1, &set) && only(0) == 0;
}

static void *place(void *before)
{
	sched_getaffinity(0, sizeof(cpu_set_t), before);
	fy_place_as_process();
	cpu_set_t *after = (cpu_set_t *)before + 1;
	sched_getaffinity(0, sizeof *after, after);
	return NULL;
}

static void a_thread_has_the_process_and_the_places(void **state)
{
	cpu_set_t sets[2];
	pthread_t thread;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, place, sets), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(CPU_COUNT(&sets[0]), 1);
	assert_true(CPU_ISSET(0, &sets[1]));
	assert_true(CPU_ISSET(1, &sets[1]));
	assert_int_equal(CPU_COUNT(&sets[1]), 2);
}

static void a_thread_that_was_bound_is_free_again(void **state)
{
	cpu_set_t sets[2];
	(void)state;
	assert_int_equal(only(1), 0);
	place(sets);
	assert_int_equal(CPU_COUNT(&sets[0]), 1);
	assert_true(CPU_ISSET(0, &sets[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_the_process_and_the_places),
		cmocka_unit_test(a_thread_that_was_bound_is_free_again),
	};
	if (!two_processors)
		T_SKIP_ALL("it needs the processors 0 and 1");
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
