/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_STATS_H
#define PERF_STATS_H

#include <stddef.h>

/* Middle, smallest and largest of the repetitions of one trial. */
struct perf_summary {
	double median;
	double smallest;
	double largest;
};

/* What the values say; all zero if there is none. Does not change them. */
struct perf_summary perf_summarize(const double *values, size_t count);

/* The quotients of values taken in pairs: above[i] / below[i]. A pair whose
 * divisor is zero is left out. */
struct perf_summary perf_summarize_ratios(const double *above, const double *below, size_t count);

/* By how much the next trial should be larger, if one lasted so many seconds: 1 where it was right
 * within a factor of 4; at most 16, because what was that short says little. */
double perf_growth(double duration, double seconds);

#endif /* PERF_STATS_H */
