/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "preload.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "peer.h"

typedef int layer_switch(int on);

static layer_switch *find_switch(void)
{
	void *found = dlsym(RTLD_DEFAULT, "ferry_preload_switch");
	layer_switch *function;

	memcpy(&function, &found, sizeof(function));
	return function;
}

bool perf_preload_find(void)
{
	layer_switch *layer = find_switch();

	return layer && layer(0) == 0;
}

const struct perf_contestant *perf_preloaded(const struct perf_options *options)
{
	static struct perf_contestant preloaded;
	size_t i;

	for (i = 0; options->mode->contestants[i]; i++)
		if (!options->mode->contestants[i]->engine &&
		    strcmp(options->mode->contestants[i]->name, options->preload) == 0)
			preloaded = *options->mode->contestants[i];
	preloaded.name = PERF_PRELOADED;
	return &preloaded;
}

/* ---- beside a trial ---------------------------------------------------------- */

static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
	if (pthread_create(thread, NULL, function, arg) != 0)
		perf_fatal("a thread cannot be made");
}

static void *call_once(void *arg)
{
	struct perf_world *world = arg;
	int flag;

	MPI_Iprobe(MPI_ANY_SOURCE, PERF_TAG_END, world->comm, &flag, MPI_STATUS_IGNORE);
	return NULL;
}

static void *sit(void *arg)
{
	MPI_Comm *comm = arg;

	MPI_Barrier(*comm);
	return NULL;
}

void perf_preload_run(struct perf_world *world, struct perf_trial *trial,
                      const struct perf_contestant *contestant)
{
	MPI_Comm aside = MPI_COMM_NULL;
	bool layer = perf_is_preloaded(contestant);
	bool sits = world->options->barrier && world->rank == 0;
	pthread_t second, sitting;

	if (layer)
		find_switch()(1);
	if (layer && world->options->second) {
		start(&second, call_once, world);
		pthread_join(second, NULL);
	}
	if (world->options->barrier)
		MPI_Comm_dup(world->comm, &aside);
	if (sits)
		start(&sitting, sit, &aside);
	contestant->run(world, trial);
	if (sits)
		pthread_join(sitting, NULL);
	else if (world->options->barrier)
		MPI_Barrier(aside);
	if (world->options->barrier)
		MPI_Comm_free(&aside);
	if (layer)
		find_switch()(0);
}
