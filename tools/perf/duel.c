/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duel.h"
#include "engine.h"
#include "options.h"
#include "preload.h"
#include "stats.h"

/* ---- who takes part -------------------------------------------------------- */

bool perf_wanted(const struct perf_world *world, const struct perf_contestant *contestant)
{
	if (contestant->level > world->level || (contestant->engine && world->options->preload))
		return false;
	if (perf_counts(world->options->mode, contestant) && !world->options->counted)
		return false;
	if (contestant == world->options->mode->alone && !world->options->flood &&
	    !world->options->transfer && !world->options->both)
		return false;
	if (world->options->mode->landing && world->options->land && contestant->engine &&
	    contestant != world->options->mode->landing)
		return false;
	if (contestant->engine && contestant != world->options->mode->alone)
		return perf_options_has_form(world->options, contestant->name);
	return contestant->engine || perf_options_has_peer(world->options, contestant->name);
}

/* ---- a line on a terminal --------------------------------------------------- */

static void show(const struct perf_world *world, const struct perf_trial *trial, const char *what,
                 int turn)
{
	const struct perf_options *options = world->options;

	if (world->rank != 0 || !options->progress)
		return;
	fprintf(stderr, "\r%s: %d threads, %zu bytes, ", options->mode->name, trial->threads,
	        trial->size);
	if (turn < 0)
		fprintf(stderr, "%s is fitted\033[K", what);
	else
		fprintf(stderr, "%s %d of %d\033[K", what, turn + 1, options->repetitions);
	fflush(stderr);
}

static void show_end(const struct perf_world *world)
{
	if (world->rank == 0 && world->options->progress)
		fputs("\r\033[K", stderr);
}

/* ---- one trial ---------------------------------------------------------------- */

/* A round number for every destination, the same on all ranks. */
static uint64_t rounded(const struct perf_world *world, double count)
{
	uint64_t others = world->size > 1 ? (uint64_t)world->size - 1 : 1;
	uint64_t whole = count > 1 ? (uint64_t)count : 1;

	return (whole + others - 1) / others * others;
}

static void run_trial(struct perf_world *world, const struct perf_contestant *contestant,
                      struct perf_trial *trial)
{
	const struct perf_mode *mode = world->options->mode;

	trial->seconds = trial->processor = 0;
	memset(trial->values, 0, sizeof(trial->values));
	if (trial->latency)
		perf_histogram_reset(trial->latency);
	if (world->options->preload)
		perf_preload_run(world, trial, contestant);
	else
		contestant->run(world, trial);
	MPI_Bcast(&trial->seconds, 1, MPI_DOUBLE, 0, world->comm);
	MPI_Allreduce(MPI_IN_PLACE, &trial->processor, 1, MPI_DOUBLE, MPI_SUM, world->comm);
	if (mode->measure)
		mode->measure(world, trial);
	else if (mode->counted)
		trial->values[0] = (double)trial->count * trial->threads / trial->seconds;
}

/* Find the number of messages a thread with which a trial lasts as long as is asked for. The trials
 * for it are the warm-up, too. */
static uint64_t fit_count(struct perf_world *world, const struct perf_contestant *contestant,
                          struct perf_trial *trial)
{
	double count = (double)(4 << 20) / ((double)trial->size * trial->threads), growth;
	int round;

	if (count > 1024)
		count = 1024;
	for (round = 0; round < 20; round++) {
		trial->count = rounded(world, count);
		show(world, trial, contestant->name, -1);
		run_trial(world, contestant, trial);
		growth = trial->duration / (trial->seconds > 1e-6 ? trial->seconds : 1e-6);
		if (growth < 4)
			return rounded(world, (double)trial->count * growth);
		count = (double)trial->count * (growth < 16 ? growth : 16);
	}
	return trial->count;
}

/* A peer can be a hundred times as fast in one trial as in the next one. A trial that is much
 * shorter than it should be says how one begins, so it is run again with a larger count. One that
 * is much longer is kept, and the next one has a smaller count. */
static void run_counted(struct perf_world *world, const struct perf_contestant *contestant,
                        struct perf_trial *trial, uint64_t *count)
{
	double growth;
	int tries = 0;

	do {
		trial->count = *count;
		run_trial(world, contestant, trial);
		growth = perf_growth(trial->duration, trial->seconds);
		*count = rounded(world, (double)*count * growth);
	} while (growth > 1 && ++tries < 4);
}

/* ---- one point ------------------------------------------------------------------ */

static struct perf_histogram *new_histogram(const struct perf_mode *mode)
{
	struct perf_histogram *histogram;

	if (!mode->latency)
		return NULL;
	histogram = perf_allocate(sizeof(*histogram));
	perf_histogram_reset(histogram);
	return histogram;
}

static void add_series(struct perf_point *point, const struct perf_mode *mode,
                       const struct perf_contestant *contestant)
{
	struct perf_series *series = &point->series[point->series_count++];
	size_t metric;

	series->contestant = contestant;
	series->latency = new_histogram(mode);
	for (metric = 0; metric < mode->metrics_count; metric++)
		series->values[metric] = perf_allocate(point->repetitions * sizeof(double));
}

static void point_create(struct perf_point *point, const struct perf_world *world, int threads,
                         size_t size)
{
	const struct perf_mode *mode = world->options->mode;
	size_t i;

	point->threads = threads;
	point->size = size;
	point->repetitions = (size_t)world->options->repetitions;
	if (world->options->preload)
		add_series(point, mode, perf_preloaded(world->options));
	for (i = 0; mode->contestants[i]; i++)
		if (perf_wanted(world, mode->contestants[i]))
			add_series(point, mode, mode->contestants[i]);
}

static void keep(const struct perf_mode *mode, struct perf_series *series,
                 const struct perf_trial *trial, int repetition)
{
	size_t metric;

	for (metric = 0; metric < mode->metrics_count; metric++)
		series->values[metric][repetition] = trial->values[metric];
	if (series->latency)
		perf_histogram_merge(series->latency, trial->latency);
}

static void trial_create(struct perf_trial *trial, const struct perf_options *options,
                         const struct perf_point *point)
{
	memset(trial, 0, sizeof(*trial));
	trial->threads = point->threads;
	trial->size = point->size;
	trial->window = options->window;
	trial->futures = options->futures;
	trial->land = options->land;
	trial->both = options->both;
	trial->flood = options->flood;
	trial->every = options->every;
	trial->transfer = options->transfer;
	trial->result = options->result;
	trial->work = options->work;
	trial->duration = options->duration;
	trial->latency = new_histogram(options->mode);
}

static void run_turn(struct perf_world *world, const struct perf_contestant *contestant,
                     struct perf_trial *trial, uint64_t *count)
{
	const struct perf_mode *mode = world->options->mode;

	if (mode->twice)
		run_counted(world, contestant, trial, count);
	if (mode->counted)
		run_counted(world, contestant, trial, count);
	else
		run_trial(world, contestant, trial);
}

/* In each repetition each contestant has one turn. The order changes with each repetition, so no
 * contestant always runs after the same other. */
static void run_point(struct perf_world *world, struct perf_point *point)
{
	const struct perf_options *options = world->options;
	uint64_t counts[PERF_CONTESTANTS_MAX] = { 0 };
	struct perf_trial trial;
	size_t i, turn;
	int repetition;

	trial_create(&trial, options, point);
	for (i = 0; i < point->series_count && options->mode->counted; i++)
		counts[i] = fit_count(world, point->series[i].contestant, &trial);
	for (repetition = 0; repetition < options->repetitions; repetition++) {
		for (turn = 0; turn < point->series_count; turn++) {
			i = (turn + (size_t)repetition) % point->series_count;
			show(world, &trial, point->series[i].contestant->name, repetition);
			run_turn(world, point->series[i].contestant, &trial, &counts[i]);
			keep(options->mode, &point->series[i], &trial, repetition);
		}
	}
	free(trial.latency);
}

/* ---- all points ------------------------------------------------------------------ */

struct perf_result *perf_duel(struct perf_world *world)
{
	const struct perf_options *options = world->options;
	struct perf_result *result = perf_allocate(sizeof(*result));
	struct perf_point *point;
	size_t i, j;

	for (i = 0; i < options->threads_count; i++) {
		for (j = 0; j < options->sizes_count; j++) {
			point = &result->points[result->points_count++];
			point_create(point, world, options->threads[i], options->sizes[j]);
			run_point(world, point);
		}
	}
	perf_engine_close(world);
	show_end(world);
	return result;
}

static void series_destroy(struct perf_series *series)
{
	size_t metric;

	for (metric = 0; metric < PERF_METRICS_MAX; metric++)
		free(series->values[metric]);
	free(series->latency);
}

void perf_result_destroy(struct perf_result *result)
{
	size_t i, j;

	for (i = 0; i < result->points_count; i++)
		for (j = 0; j < result->points[i].series_count; j++)
			series_destroy(&result->points[i].series[j]);
	free(result);
}
