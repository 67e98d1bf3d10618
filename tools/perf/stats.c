/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct perf_summary summarize_sorted(const double *sorted, size_t count)
{
	struct perf_summary summary = { 0, 0, 0 };

	if (count == 0)
		return summary;
	summary.smallest = sorted[0];
	summary.largest = sorted[count - 1];
	summary.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
	return summary;
}

static struct perf_summary sort_and_summarize(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return summarize_sorted(values, count);
}

struct perf_summary perf_summarize(const double *values, size_t count)
{
	struct perf_summary summary = { 0, 0, 0 };
	double *copy = malloc((count ? count : 1) * sizeof(*copy));

	if (!copy)
		return summary;
	if (count)
		memcpy(copy, values, count * sizeof(*copy));
	summary = sort_and_summarize(copy, count);
	free(copy);
	return summary;
}

struct perf_summary perf_summarize_ratios(const double *above, const double *below, size_t count)
{
	struct perf_summary summary = { 0, 0, 0 };
	double *ratios = malloc((count ? count : 1) * sizeof(*ratios));
	size_t i, n = 0;

	if (!ratios)
		return summary;
	for (i = 0; i < count; i++)
		if (below[i] != 0)
			ratios[n++] = above[i] / below[i];
	summary = sort_and_summarize(ratios, n);
	free(ratios);
	return summary;
}

double perf_growth(double duration, double seconds)
{
	double growth = duration / (seconds > 1e-6 ? seconds : 1e-6);

	if (growth <= 4 && growth >= 0.25)
		return 1;
	return growth < 16 ? growth : 16;
}
