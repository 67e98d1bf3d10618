/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "histogram.h"

/* The bucket of a value: its power of two, then its next BITS bits. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < PERF_HISTOGRAM_LINEAR)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - PERF_HISTOGRAM_BITS;
	return (shift << PERF_HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

/* The middle of a bucket, of the integers that fall into it. */
static double bucket_middle(unsigned bucket)
{
	unsigned shift;
	uint64_t low;

	if (bucket < 2 * PERF_HISTOGRAM_LINEAR)
		return bucket;
	shift = (bucket >> PERF_HISTOGRAM_BITS) - 1;
	low = (uint64_t)(PERF_HISTOGRAM_LINEAR + (bucket & (PERF_HISTOGRAM_LINEAR - 1))) << shift;
	return (double)low + (double)((UINT64_C(1) << shift) - 1) / 2;
}

void perf_histogram_reset(struct perf_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->smallest = UINT64_MAX;
}

void perf_histogram_record(struct perf_histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
	histogram->sum += (double)value;
	if (value < histogram->smallest)
		histogram->smallest = value;
	if (value > histogram->largest)
		histogram->largest = value;
}

void perf_histogram_merge(struct perf_histogram *into, const struct perf_histogram *from)
{
	unsigned i;

	for (i = 0; i < PERF_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->smallest < into->smallest)
		into->smallest = from->smallest;
	if (from->largest > into->largest)
		into->largest = from->largest;
}

/* How many values the answer must cover: at least one, at most all. The rounding error of 99.9 as a
 * binary fraction must not add one. */
static uint64_t needed_for(uint64_t count, double percent)
{
	double exact = percent * (double)count / 100 * (1 - 1e-12);
	uint64_t need;

	if (!(exact > 1))
		return 1;
	if (exact >= (double)count)
		return count;
	need = (uint64_t)exact;
	return need + ((double)need < exact);
}

static double within(const struct perf_histogram *histogram, double value)
{
	if (value < (double)histogram->smallest)
		return (double)histogram->smallest;
	if (value > (double)histogram->largest)
		return (double)histogram->largest;
	return value;
}

double perf_histogram_percentile(const struct perf_histogram *histogram, double percent)
{
	uint64_t need, seen = 0;
	unsigned i;

	if (histogram->count == 0)
		return 0;
	need = needed_for(histogram->count, percent);
	if (need == histogram->count)
		return (double)histogram->largest;
	for (i = 0; i < PERF_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= need)
			return within(histogram, bucket_middle(i));
	}
	return (double)histogram->largest;
}

/* For the last bucket the answer is the largest value, the only one in it that is known exactly. */
double perf_histogram_time_percentile(const struct perf_histogram *histogram, double percent)
{
	double need, seen = 0;
	unsigned i, last = bucket_of(histogram->largest);

	if (histogram->count == 0)
		return 0;
	need = percent / 100 * histogram->sum * (1 - 1e-12);
	for (i = bucket_of(histogram->smallest); i < last; i++) {
		seen += (double)histogram->buckets[i] * bucket_middle(i);
		if (seen >= need && histogram->buckets[i])
			return within(histogram, bucket_middle(i));
	}
	return (double)histogram->largest;
}

double perf_histogram_mean(const struct perf_histogram *histogram)
{
	return histogram->count ? histogram->sum / (double)histogram->count : 0;
}
