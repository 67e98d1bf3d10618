/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the library's threads run. Any thread may ask.
 *
 * A new thread inherits its processors, scheduling class and niceness from the thread that creates
 * it. The thread that opens an engine may be bound to one processor: OpenMP binds the first thread
 * of a program so. The library therefore notes where the main thread may run when the library is
 * loaded, before the program can bind that thread, and places its own threads there.
 *
 * libgomp may be loaded before the library, and binds the main thread when it is loaded. Then
 * libgomp's list of places says where the process may run, and counts as well.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/place.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ferry.h"
#include "base/cpus.h"
#include "base/fail.h"

#define CPUS_MAX 8192
#define SETS (CPUS_MAX / CPU_SETSIZE)

/* Written when the library is loaded, then constant, except that libgomp's places are added to
 * `set` under places_once. */
static struct {
	cpu_set_t set[SETS];
	bool known, class_known;
	int class, nice;
	struct sched_param parameter;
} process;
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

__attribute__((constructor)) static void look_at_main_thread(void)
{
	pid_t main_thread = getpid();
	process.known = sched_getaffinity(main_thread, sizeof process.set, process.set) == 0;
	process.class = sched_getscheduler(main_thread);
	errno = 0;
	process.nice = getpriority(PRIO_PROCESS, (id_t)main_thread);
	process.class_known = errno == 0 && process.class >= 0 &&
	                      sched_getparam(main_thread, &process.parameter) == 0;
}

/* ---- libgomp -------------------------------------------------------------------------- */

/* There when the program is linked with libgomp. LLVM's library has these as well, and
 * __kmpc_fork_call. It is not asked: that would start it, and it binds no thread before. */
void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags)
	__attribute__((weak));
void __kmpc_fork_call(void) __attribute__((weak));
int omp_get_num_places(void) __attribute__((weak));
int omp_get_place_num_procs(int place) __attribute__((weak));
void omp_get_place_proc_ids(int place, int *ids) __attribute__((weak));

static void add_place(int place)
{
	int n = omp_get_place_num_procs(place);
	int *ids = n > 0 ? malloc((size_t)n * sizeof *ids) : NULL;
	if (!ids)
		return;
	omp_get_place_proc_ids(place, ids);
	for (int i = 0; i < n; i++)
		if (ids[i] >= 0 && ids[i] < CPUS_MAX)
			CPU_SET_S((size_t)ids[i], sizeof process.set, process.set);
	free(ids);
}

static void add_places(void)
{
	if (!process.known || !GOMP_parallel || __kmpc_fork_call || !omp_get_num_places ||
	    !omp_get_place_num_procs || !omp_get_place_proc_ids)
		return;
	for (int place = 0, n = omp_get_num_places(); place < n; place++)
		add_place(place);
}

/* ---- threads ---------------------------------------------------------------------------- */

/* What the system does not permit to change stays as inherited. */
void fy_place_as_process(void)
{
	pthread_once(&places_once, add_places);
	if (process.class_known) {
		sched_setscheduler(0, process.class, &process.parameter);
		setpriority(PRIO_PROCESS, (id_t)gettid(), process.nice);
	}
	if (process.known)
		sched_setaffinity(0, sizeof process.set, process.set);
}

int fy_place_processors(void)
{
	pthread_once(&places_once, add_places);
	int count = process.known ? CPU_COUNT_S(sizeof process.set, process.set) : 0;
	return count > 0 ? count : 1;
}

/* The system silently skips processors that do not exist, so its choice is compared with the
 * list. */
int fy_place_on(const char *list)
{
	cpu_set_t wanted, given;
	int status = fy_cpus_named("progress_cpus", list, &wanted);
	if (status)
		return status;
	CPU_ZERO(&given);
	if (sched_setaffinity(0, sizeof wanted, &wanted) == 0)
		sched_getaffinity(0, sizeof given, &given);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &wanted) && !CPU_ISSET(cpu, &given))
			return fy_fail(FERRY_EINVAL,
			               "progress_cpus=%.40s: there is no processor %zu, or this "
			               "process may not run on it; name others, or leave it out",
			               list, cpu);
	return FERRY_OK;
}

int fy_place_here(void)
{
	return sched_getcpu();
}

int64_t fy_place_taken(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_THREAD, &usage) ? 0 : (int64_t)usage.ru_nivcsw;
}
