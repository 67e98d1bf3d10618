/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long operations were in each stage, by gnuplot: how many percent of them were done after
 * which time, a line for each stage. Its input stays beside the picture.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../perf/gnuplot.h"
#include "stages.h"
#include "views.h"

static double all_of(const struct fy_monitor_histogram *stage)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < stage->buckets; i++)
		sum += (double)stage->in[i];
	return sum;
}

static void put_data(FILE *file, unsigned i, const struct fy_monitor_histogram *stage)
{
	double all = all_of(stage), sum = 0;
	uint32_t j;

	fprintf(file, "$stage%u << end\n", i);
	for (j = 0; j < stage->buckets; j++) {
		if (!stage->in[j])
			continue;
		/* The time before which these are done, in microseconds. */
		fprintf(file, "%.6g %.6g\n", (double)fy_monitor_bucket_low(j) / 1e3,
		        100 * sum / all);
		sum += (double)stage->in[j];
		fprintf(file, "%.6g %.6g\n", (double)fy_monitor_bucket_low(j + 1) / 1e3,
		        100 * sum / all);
	}
	fputs("end\n", file);
}

static void put_lines(FILE *file, const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	const char *before = "plot ";
	char title[80];
	unsigned i;

	for (i = 0; top_stage(engine, i, &stage); i++) {
		if (all_of(&stage) <= 0)
			continue;
		snprintf(title, sizeof(title), "%s: %s", stage.name, top_stage_says(stage.name));
		fprintf(file, "%s$stage%u with lines linewidth 2 title ", before, i);
		perf_gnuplot_quote(file, title, false);
		before = ", \\\n  ";
	}
	fputc('\n', file);
}

static bool is_empty(const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	unsigned i;

	for (i = 0; top_stage(engine, i, &stage); i++)
		if (all_of(&stage) > 0)
			return false;
	return true;
}

bool top_picture(const char *path, const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	struct top_name name;
	char input[4096];
	unsigned i;
	FILE *file;

	if (is_empty(engine)) {
		fprintf(stderr, "ferry-top: of %s no operation was sampled yet\n",
		        top_engine_name(&name, engine));
		return false;
	}
	snprintf(input, sizeof(input), "%s.gp", path);
	file = perf_gnuplot_open(input);
	if (!file)
		return false;
	fprintf(file, "set terminal %s\nset output ", perf_gnuplot_terminal(path));
	perf_gnuplot_quote(file, path, false);
	fputs("\nset title ", file);
	perf_gnuplot_quote(file, top_engine_name(&name, engine), false);
	fputs("\nset logscale x\nset grid\nset key right bottom\nset yrange [0:100]\n"
	      "set xlabel 'microseconds'\nset ylabel 'percent of the sampled operations'\n",
	      file);
	for (i = 0; top_stage(engine, i, &stage); i++)
		put_data(file, i, &stage);
	put_lines(file, engine);
	return fclose(file) == 0 && perf_gnuplot_run(input);
}
