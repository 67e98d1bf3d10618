/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

/* A trial below a second says little: a thread may have waited for its processor all the time. */
#define LIMITS_DURATION 1.0

static bool keep_limit(FILE *file, const struct perf_mode *mode, const struct perf_point *point,
                       const struct perf_series *series, size_t metric)
{
	double median = perf_summarize(series->values[metric], point->repetitions).median,
	       most = mode->most[metric];

	if (most == 0 || median <= most)
		return true;
	fprintf(file,
	        "ferry-perf: %s: %s with %d threads: %s is %.3g %s, and should be at most %g\n",
	        mode->name, series->contestant->name, point->threads, mode->metrics[metric].name,
	        median, mode->metrics[metric].unit, most);
	return false;
}

bool perf_report_limits(FILE *file, const struct perf_options *options,
                        const struct perf_result *result)
{
	const struct perf_mode *mode = options->mode;
	const struct perf_point *point;
	size_t i, series, metric;
	bool kept = true;

	if (options->duration < LIMITS_DURATION)
		return true;
	for (i = 0; i < result->points_count; i++) {
		point = &result->points[i];
		for (series = 0; series < point->series_count; series++)
			for (metric = 0; metric < mode->metrics_count; metric++)
				if (perf_report_is_ferry(mode, point, series))
					kept &= keep_limit(file, mode, point,
					                   &point->series[series], metric);
	}
	return kept;
}
