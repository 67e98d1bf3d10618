/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "../text/json.h"
#include "report.h"

/* JSON has no word for what is not a number. */
static void print_number(FILE *file, double value)
{
	if (isfinite(value))
		fprintf(file, "%.9g", value);
	else
		fputs("null", file);
}

static void print_field(FILE *file, const char *name, const char *text)
{
	fprintf(file, "\"%s\": ", name);
	text_json(file, text);
}

static void print_summary(FILE *file, struct perf_summary summary)
{
	fputs("\"median\": ", file);
	print_number(file, summary.median);
	fputs(", \"min\": ", file);
	print_number(file, summary.smallest);
	fputs(", \"max\": ", file);
	print_number(file, summary.largest);
}

static void print_values(FILE *file, const struct perf_metric *metric, const double *values,
                         size_t count)
{
	size_t i;

	fputs("{", file);
	print_field(file, "metric", metric->name);
	fputs(", ", file);
	print_field(file, "unit", metric->unit);
	fprintf(file, ", \"better\": \"%s\"", metric->more ? "more" : "less");
	fputs(", ", file);
	print_summary(file, perf_summarize(values, count));
	fputs(", \"values\": [", file);
	for (i = 0; i < count; i++) {
		fputs(i ? ", " : "", file);
		print_number(file, values[i]);
	}
	fputs("]}", file);
}

static void print_percentiles(FILE *file, const char *prefix,
                              const struct perf_histogram *histogram,
                              double (*percentile)(const struct perf_histogram *, double))
{
	static const double percents[] = { 50, 75, 90, 95, 99, 99.9 };
	size_t i;

	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		fprintf(file, ", \"%s%g\": ", prefix, percents[i]);
		print_number(file, percentile(histogram, percents[i]));
	}
}

static void print_latency(FILE *file, const struct perf_histogram *histogram)
{
	fprintf(file, ", \"latency_ns\": {\"count\": %" PRIu64 ", \"mean\": ", histogram->count);
	print_number(file, perf_histogram_mean(histogram));
	fprintf(file, ", \"min\": %" PRIu64 ", \"max\": %" PRIu64,
	        histogram->count ? histogram->smallest : 0, histogram->largest);
	print_percentiles(file, "p", histogram, perf_histogram_percentile);
	print_percentiles(file, "time_p", histogram, perf_histogram_time_percentile);
	fputs("}", file);
}

static void print_series(FILE *file, const struct perf_mode *mode, const struct perf_point *point,
                         const struct perf_series *series)
{
	size_t metric;

	fputs("\n      {", file);
	print_field(file, "name", series->contestant->name);
	fputs(", ", file);
	print_field(file, "what", series->contestant->what);
	fputs(", \"metrics\": [", file);
	for (metric = 0; metric < mode->metrics_count; metric++) {
		fputs(metric ? ",\n        " : "\n        ", file);
		print_values(file, &mode->metrics[metric], series->values[metric],
		             point->repetitions);
	}
	fputs("]", file);
	if (series->latency)
		print_latency(file, series->latency);
	fputs("}", file);
}

static void print_ratio(FILE *file, const struct perf_metric *metric, const char *name,
                        const char *peer, struct perf_summary summary)
{
	fputs("{", file);
	print_field(file, "name", name);
	fputs(", ", file);
	print_field(file, "peer", peer);
	fputs(", ", file);
	print_field(file, "metric", metric->name);
	fputs(", ", file);
	print_summary(file, summary);
	fputs("}", file);
}

/* What stands between this ratio and the one before is in *separator. */
static void print_ratios_of(FILE *file, const struct perf_mode *mode,
                            const struct perf_point *point, const struct perf_series *own,
                            const char **separator)
{
	const struct perf_series *peer;
	size_t i, metric;

	for (i = 0; i < point->series_count; i++) {
		peer = &point->series[i];
		for (metric = 0;
		     !perf_report_is_ferry(mode, point, i) && metric < mode->metrics_count;
		     metric++) {
			if (!mode->metrics[metric].ratio)
				continue;
			fputs(*separator, file);
			*separator = ",\n      ";
			print_ratio(file, &mode->metrics[metric], own->contestant->name,
			            peer->contestant->name,
			            perf_summarize_ratios(own->values[metric], peer->values[metric],
			                                  point->repetitions));
		}
	}
}

static void print_ratios(FILE *file, const struct perf_mode *mode, const struct perf_point *point)
{
	const char *separator = "\n      ";
	size_t i;

	for (i = 0; i < point->series_count; i++)
		if (perf_report_is_ferry(mode, point, i))
			print_ratios_of(file, mode, point, &point->series[i], &separator);
}

static void print_point(FILE *file, const struct perf_mode *mode, const struct perf_point *point)
{
	size_t i;

	fprintf(file, "\n    {\"threads\": %d, \"size\": %zu, \"series\": [", point->threads,
	        point->size);
	for (i = 0; i < point->series_count; i++) {
		fputs(i ? "," : "", file);
		print_series(file, mode, point, &point->series[i]);
	}
	fputs("],\n     \"ratios\": [", file);
	print_ratios(file, mode, point);
	fputs("]}", file);
}

static void print_head(FILE *file, const struct perf_world *world)
{
	const struct perf_options *options = world->options;
	char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
	int length;

	MPI_Get_library_version(mpi, &length);
	mpi[strcspn(mpi, "\n")] = '\0';
	fputs("{\n  ", file);
	print_field(file, "mode", options->mode->name);
	fputs(", ", file);
	print_field(file, "ferry", ferry_version());
	fputs(", ", file);
	print_field(file, "mpi", mpi);
	fputs(", ", file);
	print_field(file, "level", perf_report_level(world->level));
	fprintf(file, ",\n  \"ranks\": %d, \"processors\": %d, \"load\": %.2f,\n  ", world->size,
	        perf_report_processors(), perf_report_load());
	fprintf(file, "\"window\": %d, \"repetitions\": %d, ", options->window,
	        options->repetitions);
	fprintf(file, "\"both\": %s, \"anywhere\": %s, ", options->both ? "true" : "false",
	        options->anywhere ? "true" : "false");
	fprintf(file, "\"duration\": %g, \"futures\": %s, \"flood\": %d, \"transfer\": %zu, ",
	        options->duration, options->futures ? "true" : "false", options->flood,
	        options->transfer);
	fprintf(file, "\"land\": %s, \"keep_engine\": %s", options->land ? "true" : "false",
	        options->keep_engine ? "true" : "false");
	if (options->mode->result)
		fprintf(file, ", \"result\": %zu, \"work\": %d", options->result, options->work);
	if (options->beside)
		fprintf(file, ", \"beside\": %d, \"bound\": %s, \"beside_share\": %.3f",
		        options->beside, options->bound ? "true" : "false", world->beside_share);
}

void perf_report_json(FILE *file, const struct perf_world *world, const struct perf_result *result)
{
	size_t i;

	print_head(file, world);
	fputs(",\n  \"points\": [", file);
	for (i = 0; i < result->points_count; i++) {
		fputs(i ? "," : "", file);
		print_point(file, world->options->mode, &result->points[i]);
	}
	fputs("\n  ]\n}\n", file);
}
