/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear histogram of 64-bit values, for times in ns.
 *
 * Each power of two is cut into 2^PERF_HISTOGRAM_BITS buckets of equal width; values below
 * 2^PERF_HISTOGRAM_BITS have a bucket each and are exact. So a bucket is never wider than its
 * smallest value / 2^BITS, and a percentile, answered with the middle of its bucket, is off by at
 * most half of that: PERF_HISTOGRAM_ERROR of the value. The smallest and the largest value are kept
 * as they are, and no answer lies outside of them.
 *
 * One thread records; merge them after it is joined.
 */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include <stdint.h>

#define PERF_HISTOGRAM_BITS 7
#define PERF_HISTOGRAM_LINEAR (1u << PERF_HISTOGRAM_BITS)
#define PERF_HISTOGRAM_BUCKETS ((64 - PERF_HISTOGRAM_BITS + 1) * PERF_HISTOGRAM_LINEAR)
#define PERF_HISTOGRAM_ERROR (0.5 / PERF_HISTOGRAM_LINEAR)

struct perf_histogram {
	uint64_t count;
	uint64_t smallest;
	uint64_t largest;
	double sum;
	uint64_t buckets[PERF_HISTOGRAM_BUCKETS];
};

void perf_histogram_reset(struct perf_histogram *histogram);
void perf_histogram_record(struct perf_histogram *histogram, uint64_t value);
void perf_histogram_merge(struct perf_histogram *into, const struct perf_histogram *from);

/* The value that `percent` of the recorded values do not exceed; 0 if nothing was recorded. */
double perf_histogram_percentile(const struct perf_histogram *histogram, double percent);
double perf_histogram_mean(const struct perf_histogram *histogram);

/*
 * The same, but each value has a weight proportional to itself. For times of operations that follow
 * one another this is the operation that is under way at a random moment. A single operation that
 * lasts as long as all others together is half of the time, but hardly shows in a count. Off by at
 * most twice PERF_HISTOGRAM_ERROR of the time.
 */
double perf_histogram_time_percentile(const struct perf_histogram *histogram, double percent);

#endif /* PERF_HISTOGRAM_H */
