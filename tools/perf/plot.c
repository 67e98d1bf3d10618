/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures through gnuplot. Its input is written first, data included, and
 * stays beside the picture, so that it can be drawn elsewhere.
 *
 *   percentiles  one point of a mode that measures times only: each step to the
 *                right is ten times as rare
 *   bars         one point of another mode: a panel for each unit, with a bar
 *                for each metric and contestant
 *   curves       several points: the first metric over the threads or, if
 *                several sizes were measured, over the sizes; without peers all
 *                metrics of that unit
 *
 * Bars and curves are medians, with a line from the smallest to the largest.
 * Every axis says its unit and what is better, every name what it stands for.
 *
 * Names of ticks go through gnuplot's formats: a percent sign is doubled there.
 */
#include <math.h>
#include <string.h>

#include "gnuplot.h"
#include "report.h"

#define KEY "set key below left vertical maxcols 1 Left reverse\n"
#define LOG_FROM 50 /* if the largest is so many times the smallest the axis is logarithmic */

/* ---- words ---------------------------------------------------------------------- */

static const char *unit_words(const char *unit)
{
	static const struct {
		const char *unit;
		const char *words;
	} known[] = {
		{ "messages/s", "messages a second" },
		{ "calls/s", "calls a second" },
		{ "tasks/s", "tasks a second" },
		{ "MB/s", "MB a second" },
		{ "/s", "how many a second" },
		{ "times", "times as many" },
		{ "us", "microseconds" },
		{ "ms", "milliseconds" },
		{ "% of a core", "percent of a core" },
		{ "", "a share, 1 is all" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].unit, unit) == 0)
			return known[i].words;
	return unit;
}

static bool same_unit(const struct perf_metric *one, const struct perf_metric *other)
{
	return strcmp(one->unit, other->unit) == 0 && one->more == other->more;
}

static const char *plural(int count)
{
	return count == 1 ? "" : "s";
}

/* 65536 is read as 64 Ki. */
static void print_size(FILE *file, size_t size)
{
	static const char *const prefixes[] = { "", " Ki", " Mi", " Gi" };
	size_t prefix = 0;

	while (prefix < 3 && size >= 1024 && size % 1024 == 0) {
		size /= 1024;
		prefix++;
	}
	fprintf(file, "%zu%s", size, prefixes[prefix]);
}

static void print_bytes(FILE *file, size_t size)
{
	print_size(file, size);
	fputs(size < 1024 || size % 1024 ? " bytes" : "B", file);
}

/* ---- an axis of values ------------------------------------------------------------- */

struct range {
	double least, most;
};

static void widen(struct range *range, const struct perf_point *point, size_t series, size_t metric)
{
	struct perf_summary summary =
		perf_summarize(point->series[series].values[metric], point->repetitions);

	if (summary.smallest < range->least)
		range->least = summary.smallest;
	if (summary.largest > range->most)
		range->most = summary.largest;
}

static bool is_log(struct range range)
{
	return range.least > 0 && range.most > LOG_FROM * range.least;
}

/* What values are divided by, because seven zeros are hard to read. */
static double scale_of(const struct perf_metric *metric, struct range range)
{
	if (strcmp(metric->unit, "messages/s") != 0 && strcmp(metric->unit, "calls/s") != 0 &&
	    strcmp(metric->unit, "tasks/s") != 0)
		return 1;
	return range.most >= 1e6 ? 1e6 : range.most >= 1e3 ? 1e3 : 1;
}

/* `name` NULL: several metrics share the axis. */
static void print_axis(FILE *file, const struct perf_metric *metric, const char *name,
                       struct range range)
{
	double scale = scale_of(metric, range);

	fprintf(file, "set ylabel '%s%s%s%s (%s is better)'\n", name ? name : "", name ? ": " : "",
	        scale == 1e6   ? "million "
	        : scale == 1e3 ? "thousand "
	                       : "",
	        unit_words(metric->unit), metric->more ? "more" : "less");
	if (is_log(range))
		fputs("set logscale y\nset yrange [*:*]\n", file);
	else
		fprintf(file, "unset logscale y\nset yrange [%s:*]\n", range.least < 0 ? "*" : "0");
}

static void print_values(FILE *file, struct perf_summary summary, double scale)
{
	fprintf(file, " %.9g %.9g %.9g", summary.median / scale, summary.smallest / scale,
	        summary.largest / scale);
}

/* ---- what all have ------------------------------------------------------------------ */

static void print_head(FILE *file, const char *path, const struct perf_world *world,
                       const char *shown)
{
	const struct perf_options *options = world->options;

	fprintf(file, "set terminal %s\nset output ", perf_gnuplot_terminal(path));
	perf_gnuplot_quote(file, path, false);
	fputs("\n" KEY "set grid\nset title ", file);
	fprintf(file, "'ferry-perf %s: %s' . \"\\n\" . ", options->mode->name,
	        options->mode->summary);
	fprintf(file, "'%d rank%s, ", world->size, plural(world->size));
	if (options->mode->counted)
		fprintf(file, "window %d, ", options->window);
	fprintf(file, "%d run%s of each in turn: %s'\n", options->repetitions,
	        plural(options->repetitions), shown);
}

static void print_name(FILE *file, const struct perf_contestant *contestant)
{
	fprintf(file, "%s: %s", contestant->name, contestant->what);
}

/* ---- percentiles --------------------------------------------------------------------- */

static void print_percentiles(FILE *file, const struct perf_histogram *histogram, size_t series)
{
	int step;

	fprintf(file, "$series%zu << EOD\n", series);
	for (step = 0; step <= 30; step++) {
		double rare = pow(10, -step / 10.0);

		fprintf(file, "%.6g %.6g\n", 1 / rare,
		        perf_histogram_percentile(histogram, 100 * (1 - rare)) * 1e-9);
	}
	fputs("EOD\n", file);
}

static void plot_percentiles(FILE *file, const struct perf_point *point)
{
	size_t i;

	for (i = 0; i < point->series_count; i++)
		print_percentiles(file, point->series[i].latency, i);
	fprintf(file,
	        "set logscale xy\nset format y '%%.0s %%cs'\nset xlabel 'percentile, of %d "
	        "thread%s' offset 0,0.5\n"
	        "set ylabel 'a round trip takes at most (less is better)'\n"
	        "set xtics ('0 %%%%' 1, '50 %%%%' 2, '90 %%%%' 10, '99 %%%%' 100, '99.9 %%%%' "
	        "1000)\nplot",
	        point->threads, plural(point->threads));
	for (i = 0; i < point->series_count; i++) {
		fprintf(file, "%s $series%zu with lines linewidth 2 title '", i ? "," : "", i);
		print_name(file, point->series[i].contestant);
		fputs("'", file);
	}
	fputs("\n", file);
}

/* ---- bars ---------------------------------------------------------------------------- */

/* A panel: all metrics with the unit of `metrics[first]`, contestants beside each other. */
struct panel {
	const struct perf_mode *mode;
	const struct perf_point *point;
	size_t first;
	struct range range;
	double scale;
};

static bool in_panel(const struct panel *panel, size_t metric)
{
	return same_unit(&panel->mode->metrics[panel->first], &panel->mode->metrics[metric]);
}

static void panel_create(struct panel *panel, const struct perf_mode *mode,
                         const struct perf_point *point, size_t first)
{
	size_t i, metric;

	*panel = (struct panel){ mode, point, first, { 1e300, -1e300 }, 1 };
	for (metric = first; metric < mode->metrics_count; metric++)
		for (i = 0; i < point->series_count && in_panel(panel, metric); i++)
			widen(&panel->range, point, i, metric);
	panel->scale = scale_of(&mode->metrics[first], panel->range);
}

static size_t panel_width(const struct panel *panel)
{
	return panel->point->series_count + 1;
}

static void print_bars(FILE *file, const struct panel *panel, size_t series)
{
	const struct perf_point *point = panel->point;
	struct perf_summary summary;
	size_t metric, place = 0;

	fprintf(file, "$bars%zu_%zu << EOD\n", panel->first, series);
	for (metric = panel->first; metric < panel->mode->metrics_count; metric++) {
		if (!in_panel(panel, metric))
			continue;
		summary = perf_summarize(point->series[series].values[metric], point->repetitions);
		fprintf(file, "%zu", place++ * panel_width(panel) + series);
		print_values(file, summary, panel->scale);
		fputs("\n", file);
	}
	fputs("EOD\n", file);
}

static void print_metric_names(FILE *file, const struct panel *panel)
{
	size_t metric, place = 0;

	fputs("set xtics scale 0 (", file);
	for (metric = panel->first; metric < panel->mode->metrics_count; metric++) {
		if (!in_panel(panel, metric))
			continue;
		fputs(place ? ", " : "", file);
		perf_gnuplot_quote(file, panel->mode->metrics[metric].name, true);
		fprintf(file, " %g",
		        (double)(place * panel_width(panel)) +
		                ((double)panel->point->series_count - 1) / 2);
		place++;
	}
	fprintf(file, ")\nset xrange [-1:%zu]\n", place * panel_width(panel) - 1);
}

static void plot_panel(FILE *file, const struct panel *panel)
{
	size_t i;

	for (i = 0; i < panel->point->series_count; i++)
		print_bars(file, panel, i);
	print_metric_names(file, panel);
	print_axis(file, &panel->mode->metrics[panel->first], NULL, panel->range);
	for (i = 0; i < panel->point->series_count; i++) {
		fprintf(file,
		        "%s $bars%zu_%zu using 1:2:3:4:(0.9) with boxerrorbars linetype %zu title "
		        "'",
		        i ? "," : "plot", panel->first, i, i + 1);
		print_name(file, panel->point->series[i].contestant);
		fprintf(file,
		        "', $bars%zu_%zu using 1:4:($2 < 1000 ? sprintf('%%.3g', $2) : "
		        "sprintf('%%.0f', $2)) with labels offset 0,0.7 notitle",
		        panel->first, i);
	}
	fputs("\n", file);
}

/* Is it the first metric of its unit? */
static bool begins_panel(const struct perf_mode *mode, size_t metric)
{
	size_t before = 0;

	while (!same_unit(&mode->metrics[before], &mode->metrics[metric]))
		before++;
	return before == metric;
}

/* The last panel has what all have in common: the key, and what was measured. */
static void print_last(FILE *file, const struct perf_point *point)
{
	fprintf(file, KEY "set xlabel '%d thread%s, messages of ", point->threads,
	        plural(point->threads));
	print_bytes(file, point->size);
	fputs("' offset 0,0.5\n", file);
}

static void plot_bars(FILE *file, const struct perf_mode *mode, const struct perf_point *point)
{
	struct panel panel;
	size_t metric, count = 0;

	for (metric = 0; metric < mode->metrics_count; metric++)
		count += begins_panel(mode, metric);
	fputs("set style fill solid 0.6 border -1\nset offsets 0, 0, graph 0.1, 0\n", file);
	fprintf(file, "set multiplot layout %zu,1\nunset key\n", count);
	for (metric = 0; metric < mode->metrics_count; metric++) {
		if (!begins_panel(mode, metric))
			continue;
		if (--count == 0)
			print_last(file, point);
		panel_create(&panel, mode, point, metric);
		plot_panel(file, &panel);
		fputs("unset title\n", file);
	}
	fputs("unset multiplot\n", file);
}

/* ---- curves ---------------------------------------------------------------------------- */

struct curves {
	const struct perf_options *options;
	const struct perf_result *result;
	bool over_sizes;
	size_t metrics[PERF_METRICS_MAX]; /* which are drawn */
	size_t metrics_count;
	double scale;
	struct range range;
	size_t drawn; /* how many are drawn so far */
};

static double place_of(const struct curves *curves, const struct perf_point *point)
{
	return curves->over_sizes ? (double)point->size : (double)point->threads;
}

static void curves_create(struct curves *curves, const struct perf_options *options,
                          const struct perf_result *result)
{
	const struct perf_mode *mode = options->mode;
	bool alone = result->points[0].series_count == 1;
	size_t i, j, k;

	*curves = (struct curves){ options, result, options->sizes_count > 1, { 0 },
		                   0,       1,      { 1e300, -1e300 },        0 };
	for (i = 0; i < (alone ? mode->metrics_count : 1); i++)
		if (same_unit(&mode->metrics[0], &mode->metrics[i]))
			curves->metrics[curves->metrics_count++] = i;
	for (i = 0; i < result->points_count; i++)
		for (j = 0; j < result->points[i].series_count; j++)
			for (k = 0; k < curves->metrics_count; k++)
				widen(&curves->range, &result->points[i], j, curves->metrics[k]);
	curves->scale = scale_of(&mode->metrics[0], curves->range);
}

/* The points of one contestant, and of one number of threads where sizes are the axis. */
static void print_curve(FILE *file, struct curves *curves, size_t series, size_t metric,
                        int threads)
{
	const struct perf_point *point;
	size_t i;

	fprintf(file, "$curve%zu << EOD\n", curves->drawn++);
	for (i = 0; i < curves->result->points_count; i++) {
		point = &curves->result->points[i];
		if (curves->over_sizes && point->threads != threads)
			continue;
		fprintf(file, "%.6g", place_of(curves, point));
		print_values(file,
		             perf_summarize(point->series[series].values[metric],
		                            point->repetitions),
		             curves->scale);
		fputs("\n", file);
	}
	fputs("EOD\n", file);
}

static void print_title(FILE *file, struct curves *curves, size_t series, size_t metric,
                        int threads)
{
	fprintf(file, "%s $curve%zu with yerrorlines linewidth 2 title '",
	        curves->drawn ? "," : "plot", curves->drawn);
	curves->drawn++;
	print_name(file, curves->result->points[0].series[series].contestant);
	if (curves->metrics_count > 1)
		fprintf(file, ": %s", curves->options->mode->metrics[metric].name);
	if (curves->over_sizes)
		fprintf(file, ", %d thread%s", threads, plural(threads));
	fputs("'", file);
}

static void each_curve(FILE *file, struct curves *curves,
                       void (*print)(FILE *, struct curves *, size_t, size_t, int))
{
	size_t threads_count = curves->over_sizes ? curves->options->threads_count : 1, i, j, k;

	curves->drawn = 0;
	for (i = 0; i < curves->result->points[0].series_count; i++)
		for (j = 0; j < curves->metrics_count; j++)
			for (k = 0; k < threads_count; k++)
				print(file, curves, i, curves->metrics[j],
				      curves->options->threads[k]);
}

static void print_places(FILE *file, const struct curves *curves)
{
	const struct perf_options *options = curves->options;
	size_t count = curves->over_sizes ? options->sizes_count : options->threads_count, i;

	fputs("set logscale x 2\nset offsets graph 0.03, graph 0.03, graph 0.05, 0\nset xtics (",
	      file);
	for (i = 0; i < count; i++) {
		fputs(i ? ", " : "", file);
		if (curves->over_sizes) {
			fputs("'", file);
			print_size(file, options->sizes[i]);
			fprintf(file, "' %zu", options->sizes[i]);
		} else {
			fprintf(file, "%d", options->threads[i]);
		}
	}
	fputs(")\n", file);
	if (curves->over_sizes) {
		fputs("set xlabel 'bytes of a message' offset 0,0.5\n", file);
		return;
	}
	fputs("set xlabel 'threads, messages of ", file);
	print_bytes(file, options->sizes[0]);
	fputs("' offset 0,0.5\n", file);
}

static void plot_curves(FILE *file, const struct perf_options *options,
                        const struct perf_result *result)
{
	struct curves curves;

	curves_create(&curves, options, result);
	print_places(file, &curves);
	print_axis(file, &options->mode->metrics[0],
	           curves.metrics_count > 1 ? NULL : options->mode->metrics[0].name, curves.range);
	each_curve(file, &curves, print_curve);
	each_curve(file, &curves, print_title);
	fputs("\n", file);
}

/* ---- the picture ---------------------------------------------------------------------------- */

static bool one_unit(const struct perf_mode *mode)
{
	size_t metric = 1;

	while (metric < mode->metrics_count && same_unit(&mode->metrics[0], &mode->metrics[metric]))
		metric++;
	return metric == mode->metrics_count;
}

static void print_picture(FILE *file, const char *path, const struct perf_world *world,
                          const struct perf_result *result)
{
	const struct perf_mode *mode = world->options->mode;
	bool times = result->points_count == 1 && mode->latency && one_unit(mode);

	print_head(file, path, world,
	           times ? "all of their times" : "medians, smallest and largest");
	if (times)
		plot_percentiles(file, &result->points[0]);
	else if (result->points_count == 1)
		plot_bars(file, mode, &result->points[0]);
	else
		plot_curves(file, world->options, result);
}

bool perf_report_plot(const char *path, const struct perf_world *world,
                      const struct perf_result *result)
{
	char input[4096];
	FILE *file;

	snprintf(input, sizeof(input), "%s.gp", path);
	if (result->points_count == 0 || result->points[0].series_count == 0)
		return true;
	file = perf_gnuplot_open(input);
	if (!file)
		return false;
	print_picture(file, path, world, result);
	return fclose(file) == 0 && perf_gnuplot_run(input);
}
