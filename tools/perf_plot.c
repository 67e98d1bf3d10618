/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Curves through gnuplot. Its input is written first, data included, and
 * stays beside the picture, so that the curves can be drawn elsewhere.
 *
 * Latency at one point is drawn as its percentiles, each step to the right ten
 * times as rare. Otherwise the mode's first metric is drawn over the threads
 * or, where several sizes were measured, over the sizes, with a curve for each
 * contestant (and number of threads) and bars from smallest to largest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf_report.h"

static void print_head(FILE *file, const char *path, const struct perf_world *world)
{
	fprintf(file, "set terminal svg size 900,540 dynamic\nset output '%s'\nset key outside right\n"
	        "set grid\nset title 'ferry-perf %s: %s'\n", path, world->options->mode->name,
	        world->options->mode->summary);
}

/* ---- percentiles --------------------------------------------------------------- */

static void print_percentiles(FILE *file, const struct perf_histogram *histogram)
{
	double rare;

	for (rare = 1; rare >= 0.001; rare /= 1.2589254)
		fprintf(file, "%.6g %.6g\n", 1 / rare,
		        perf_histogram_percentile(histogram, 100 * (1 - rare)) * 1e-3);
	fputs("e\n", file);
}

static void plot_percentiles(FILE *file, const struct perf_point *point)
{
	size_t i;

	fputs("set logscale xy\nset xlabel 'percentile'\nset ylabel 'us'\n"
	      "set xtics ('0 %' 1, '90 %' 10, '99 %' 100, '99.9 %' 1000)\nplot", file);
	for (i = 0; i < point->series_count; i++)
		fprintf(file, "%s '-' with lines linewidth 2 title '%s, %d threads'", i ? "," : "",
		        point->series[i].contestant->name, point->threads);
	fputs("\n", file);
	for (i = 0; i < point->series_count; i++)
		print_percentiles(file, point->series[i].latency);
}

/* ---- one metric over threads or sizes --------------------------------------------- */

static double place_of(const struct perf_options *options, const struct perf_point *point)
{
	return options->sizes_count > 1 ? (double)point->size : (double)point->threads;
}

/* A curve: the points of one contestant, and of one number of threads where sizes are the axis. */
static bool on_curve(const struct perf_options *options, const struct perf_point *point, int threads)
{
	return options->sizes_count == 1 || point->threads == threads;
}

static void print_curve(FILE *file, const struct perf_options *options, const struct perf_result *result,
                        size_t series, int threads)
{
	const struct perf_point *point;
	struct perf_summary summary;
	size_t i;

	for (i = 0; i < result->points_count; i++) {
		point = &result->points[i];
		if (!on_curve(options, point, threads))
			continue;
		summary = perf_summarize(point->series[series].values[0], point->repetitions);
		fprintf(file, "%.6g %.9g %.9g %.9g\n", place_of(options, point), summary.median,
		        summary.smallest, summary.largest);
	}
	fputs("e\n", file);
}

static void print_title(FILE *file, const struct perf_options *options, const char *name, int threads,
                        bool first)
{
	fprintf(file, "%s '-' with yerrorlines linewidth 2 title '%s", first ? "" : ",", name);
	if (options->sizes_count > 1)
		fprintf(file, ", %d threads", threads);
	fputs("'", file);
}

static void plot_metric(FILE *file, const struct perf_options *options, const struct perf_result *result)
{
	const struct perf_point *first = &result->points[0];
	size_t curves = options->sizes_count > 1 ? options->threads_count : 1, i, j;

	fprintf(file, "set logscale x 2\nset yrange [0:*]\nset xlabel '%s'\nset ylabel '%s %s'\nplot",
	        options->sizes_count > 1 ? "bytes" : "threads", options->mode->metrics[0].name,
	        options->mode->metrics[0].unit);
	for (i = 0; i < first->series_count; i++)
		for (j = 0; j < curves; j++)
			print_title(file, options, first->series[i].contestant->name, options->threads[j],
			            i + j == 0);
	fputs("\n", file);
	for (i = 0; i < first->series_count; i++)
		for (j = 0; j < curves; j++)
			print_curve(file, options, result, i, options->threads[j]);
}

/* ---- gnuplot ------------------------------------------------------------------------- */

extern char **environ;

static bool run_gnuplot(char *input)
{
	char program[] = "gnuplot";
	char *const argv[] = {program, input, NULL};
	pid_t child;
	int status;

	if (posix_spawnp(&child, program, NULL, NULL, argv, environ) != 0)
		return false;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* False, with a message, unless there is something to draw and a place for it. */
static bool write_input(const char *input, const char *path, const struct perf_world *world,
                        const struct perf_result *result)
{
	FILE *file;

	if (result->points_count == 0 || result->points[0].series_count == 0)
		return false;
	file = fopen(input, "w");
	if (!file) {
		fprintf(stderr, "ferry-perf: %s cannot be written: %s\n", input, strerror(errno));
		return false;
	}
	print_head(file, path, world);
	if (result->points_count == 1 && result->points[0].series[0].latency)
		plot_percentiles(file, &result->points[0]);
	else
		plot_metric(file, world->options, result);
	return fclose(file) == 0;
}

void perf_report_plot(const char *path, const struct perf_world *world, const struct perf_result *result)
{
	char input[4096];

	snprintf(input, sizeof(input), "%s.gp", path);
	if (!write_input(input, path, world, result))
		return;
	if (!run_gnuplot(input))
		fprintf(stderr, "ferry-perf: gnuplot is not installed or failed; its input is in %s\n", input);
}
