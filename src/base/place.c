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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ferry.h"
#include "base/cpus.h"
#include "base/fail.h"
#include "base/quota.h"

#define CPUS_MAX FY_PLACE_CPUS_MAX
#define SET(place) ((cpu_set_t *)(void *)(uintptr_t)(place)->bits) /* what the system has */

/* Written when the library is loaded, then constant, except that libgomp's places are added to
 * `place` under places_once. */
static struct {
	struct fy_place place;
	bool class_known;
	int class, nice;
	struct sched_param parameter;
} process;
static pthread_once_t places_once = PTHREAD_ONCE_INIT;

__attribute__((constructor)) static void look_at_main_thread(void)
{
	pid_t main_thread = getpid();
	process.place.known =
		sched_getaffinity(main_thread, sizeof process.place.bits, SET(&process.place)) == 0;
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
			CPU_SET_S((size_t)ids[i], sizeof process.place.bits, SET(&process.place));
	free(ids);
}

static void add_places(void)
{
	if (!process.place.known || !GOMP_parallel || __kmpc_fork_call || !omp_get_num_places ||
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
	if (process.place.known)
		sched_setaffinity(0, sizeof process.place.bits, SET(&process.place));
}

int fy_place_thread(void)
{
	return gettid();
}

int fy_place_processors(void)
{
	pthread_once(&places_once, add_places);
	int count = process.place.known
	                    ? CPU_COUNT_S(sizeof process.place.bits, SET(&process.place))
	                    : 0;
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

/* ---- two threads on one processor ------------------------------------------------------- */

bool fy_place_of_thread(int id, struct fy_place *place)
{
	place->known = sched_getaffinity(id, sizeof place->bits, SET(place)) == 0;
	return place->known;
}

/* The only processor of a place, or -1 if it has several. */
static int only_one(const struct fy_place *place)
{
	if (!place->known || CPU_COUNT_S(sizeof place->bits, SET(place)) != 1)
		return -1;
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		if (fy_place_has(place, cpu))
			return cpu;
	return -1;
}

/* Who asks for all processors gets those of the control group. Then it is bound again as before. */
void fy_place_look_around(struct fy_place *around)
{
	struct fy_place before;
	fy_place_of_thread(0, &before);
	memset(around->bits, 0xFF, sizeof around->bits);
	around->known = before.known &&
	                sched_setaffinity(0, sizeof around->bits, SET(around)) == 0 &&
	                sched_getaffinity(0, sizeof around->bits, SET(around)) == 0;
	if (before.known)
		sched_setaffinity(0, sizeof before.bits, SET(&before));
}

/* The first processor but this one, or -1. */
static int another(const struct fy_place *place, int but)
{
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		if (cpu != but && fy_place_has(place, cpu))
			return cpu;
	return -1;
}

/* For how many ranks of two processors there is room. */
static int room_for(const struct fy_place *around)
{
	int processors = around->known ? CPU_COUNT_S(sizeof around->bits, SET(around)) : 0;
	int quota = fy_quota();
	return (quota < processors ? quota : processors) / 2;
}

#define UNBOUND "start each rank with two processors or more, or unbound (mpiexec -bind-to none)"

bool fy_place_is_shared(const struct fy_place *opener, int ranks, char *text, size_t nbytes)
{
	struct fy_place own, around;
	fy_place_of_thread(0, &own);
	int cpu = only_one(&own);
	if (cpu < 0 || only_one(opener) != cpu)
		return false;
	fy_place_look_around(&around);
	if (room_for(&around) < ranks)
		return false;
	int used = snprintf(text, nbytes,
	                    "the progress thread and the thread that opens the engine are both "
	                    "bound to processor %d, and others are there; ",
	                    cpu);
	if (used < 0 || (size_t)used >= nbytes)
		return true;
	text += used, nbytes -= (size_t)used;
	if (fy_place_processors() > 1)
		snprintf(text, nbytes, "name another one in progress_cpus, or leave that out");
	else if (ranks > 1)
		snprintf(text, nbytes, UNBOUND);
	else
		snprintf(text, nbytes, UNBOUND ", or set FERRY_PROGRESS_CPUS=%d",
		         another(&around, cpu));
	return true;
}
