/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where threads of the library run: on the processors of the process, also if the thread that
 * starts them was bound to one, and on those of the places of libgomp, which binds the main thread
 * before. This program has libgomp's functions itself. And when are two of them on one processor?
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

/* ---- two threads on one processor ------------------------------------------------------------ */

static bool is_shared(int own, int opener, int ranks, char text[320])
{
	struct fy_place place;
	if (opener >= 0)
		assert_int_equal(only(opener), 0);
	else
		fy_place_as_process();
	fy_place_of_thread(0, &place);
	if (own >= 0)
		assert_int_equal(only(own), 0);
	else
		fy_place_as_process();
	struct fy_place before, after;
	fy_place_of_thread(0, &before);
	bool shared = fy_place_is_shared(&place, ranks, text, 320);
	fy_place_of_thread(0, &after); /* it has looked around, and is back */
	assert_memory_equal(before.bits, after.bits, sizeof before.bits);
	return shared;
}

static void two_threads_on_one_processor_are_noticed(void **state)
{
	char text[320] = "";
	(void)state;
	assert_true(is_shared(1, 1, 1, text));
	assert_non_null(strstr(text, "both bound to processor 1, and others are there; name "
	                             "another one in progress_cpus"));
	char cut[100];
	struct fy_place place;
	fy_place_of_thread(0, &place);
	assert_true(fy_place_is_shared(&place, 1, cut, sizeof cut));
	assert_int_equal(strlen(cut), sizeof cut - 1);
}

static void what_is_no_fault_is_not_accused(void **state)
{
	char text[320] = "";
	(void)state;
	assert_false(is_shared(0, 1, 1, text));    /* one each */
	assert_false(is_shared(-1, 1, 1, text));   /* only one of them is bound */
	assert_false(is_shared(0, -1, 1, text));   /* only the other one is */
	assert_false(is_shared(-1, -1, 1, text));  /* none is */
	assert_false(is_shared(1, 1, 4096, text)); /* no rank could have two */
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_the_process_and_the_places),
		cmocka_unit_test(a_thread_that_was_bound_is_free_again),
		cmocka_unit_test(two_threads_on_one_processor_are_noticed),
		cmocka_unit_test(what_is_no_fault_is_not_accused),
	};
	if (!two_processors)
		T_SKIP_ALL("it needs the processors 0 and 1");
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
