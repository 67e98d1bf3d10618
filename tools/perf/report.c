/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "preload.h"
#include "report.h"

bool perf_report_is_ferry(const struct perf_mode *mode, const struct perf_point *point,
                          size_t series)
{
	const struct perf_contestant *contestant = point->series[series].contestant;

	return (contestant->engine || perf_is_preloaded(contestant)) && contestant != mode->alone;
}

const char *perf_report_level(int level)
{
	if (level == MPI_THREAD_MULTIPLE)
		return "multiple";
	if (level == MPI_THREAD_SERIALIZED)
		return "serialized";
	return level == MPI_THREAD_FUNNELED ? "funneled" : "single";
}

int perf_report_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	return CPU_COUNT(&set);
}

double perf_report_load(void)
{
	double load;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

/* Four significant digits, and a prefix for large rates. */
static void print_value(FILE *file, double value, const char *unit)
{
	static const char prefixes[] = " kMG";
	double size = value < 0 ? -value : value;
	int prefix = 0;

	if (strstr(unit, "/s") && unit[0] != 'M')
		for (; size >= 1000 && prefixes[prefix + 1]; prefix++, size /= 1000)
			value /= 1000;
	fprintf(file, " %9.*f %c",
	        size >= 1000  ? 0
	        : size >= 100 ? 1
	        : size >= 10  ? 2
	                      : 3,
	        value, prefixes[prefix]);
}

static void print_row(FILE *file, const char *name, const char *metric, struct perf_summary summary,
                      const char *unit)
{
	fprintf(file, "  %-22s %-14s", name, metric);
	print_value(file, summary.median, unit);
	print_value(file, summary.smallest, unit);
	print_value(file, summary.largest, unit);
	fprintf(file, " %s\n", unit);
}

/* The calls of all repetitions as if they were of one: a median of repetitions says little where
 * these are of two kinds. */
static void print_together(FILE *file, const struct perf_series *series)
{
	const struct perf_histogram *h = series->latency;

	fprintf(file, "  %-22s %-14s mean %.4g, 50 %% %.4g, 99 %% %.4g, 99 %% of time %.4g us\n",
	        series->contestant->name, "all together", perf_histogram_mean(h) * 1e-3,
	        perf_histogram_percentile(h, 50) * 1e-3, perf_histogram_percentile(h, 99) * 1e-3,
	        perf_histogram_time_percentile(h, 99) * 1e-3);
}

static void print_series(FILE *file, const struct perf_mode *mode, const struct perf_point *point)
{
	const struct perf_series *series;
	size_t i, metric;

	for (i = 0; i < point->series_count; i++) {
		series = &point->series[i];
		for (metric = 0; metric < mode->metrics_count; metric++)
			print_row(file, series->contestant->name, mode->metrics[metric].name,
			          perf_summarize(series->values[metric], point->repetitions),
			          mode->metrics[metric].unit);
		if (series->latency && point->repetitions > 1)
			print_together(file, series);
	}
}

static void print_ratios_of(FILE *file, const struct perf_mode *mode,
                            const struct perf_point *point, const struct perf_series *own)
{
	const struct perf_series *peer;
	char name[64];
	size_t i, metric;

	for (i = 0; i < point->series_count; i++) {
		peer = &point->series[i];
		if (perf_report_is_ferry(mode, point, i) &&
		    (i || !perf_counts(mode, own->contestant)))
			continue;
		snprintf(name, sizeof(name), "%s / %s", own->contestant->name,
		         peer->contestant->name);
		for (metric = 0; metric < mode->metrics_count; metric++)
			if (mode->metrics[metric].ratio)
				print_row(file, name, mode->metrics[metric].name,
				          perf_summarize_ratios(own->values[metric],
				                                peer->values[metric],
				                                point->repetitions),
				          "");
	}
}

static void print_ratios(FILE *file, const struct perf_mode *mode, const struct perf_point *point)
{
	size_t i;

	for (i = 0; i < point->series_count; i++)
		if (perf_report_is_ferry(mode, point, i))
			print_ratios_of(file, mode, point, &point->series[i]);
}

static void print_head(FILE *file, const struct perf_world *world)
{
	const struct perf_options *options = world->options;

	fprintf(file, "ferry-perf %s, ferry %s: %s\n", options->mode->name, ferry_version(),
	        options->mode->summary);
	fprintf(file, "%d ranks, %d processors, load %.1f, MPI's thread level %s, ", world->size,
	        perf_report_processors(), perf_report_load(), perf_report_level(world->level));
	if (options->mode->result)
		fprintf(file, "results of %zu bytes, work of %d us, ", options->result,
		        options->work);
	else
		fprintf(file, "window %d%s, ", options->window,
		        options->futures ? ", a future each" : "");
	fprintf(file, "%s%s%d x %g s each in turn\n", options->both ? "both ranks call, " : "",
	        options->anywhere ? "handlers of FERRY_ANYWHERE, " : "", options->repetitions,
	        options->duration);
	if (options->beside)
		fprintf(file,
		        "beside %d busy processes a rank, %s, each of which had %.2f of a "
		        "processor\n",
		        options->beside, options->bound ? "bound" : "not bound",
		        world->beside_share);
}

/* Name the contestants that were asked for and could not take part. */
static void print_absent(FILE *file, const struct perf_world *world)
{
	const struct perf_mode *mode = world->options->mode;
	size_t i;

	for (i = 0; mode->contestants[i]; i++)
		if (mode->contestants[i]->level > world->level &&
		    mode->contestants[i] != mode->alone)
			fprintf(file, "%s did not run: it needs MPI's thread level %s\n",
			        mode->contestants[i]->name,
			        perf_report_level(mode->contestants[i]->level));
}

void perf_report_table(FILE *file, const struct perf_world *world, const struct perf_result *result)
{
	const struct perf_mode *mode = world->options->mode;
	size_t i;

	print_head(file, world);
	print_absent(file, world);
	for (i = 0; i < result->points_count; i++) {
		fprintf(file, "\n%d threads, %zu bytes\n", result->points[i].threads,
		        result->points[i].size);
		fprintf(file, "  %-22s %-14s %9s   %9s   %9s\n", "", "", "median", "smallest",
		        "largest");
		print_series(file, mode, &result->points[i]);
		print_ratios(file, mode, &result->points[i]);
	}
}
