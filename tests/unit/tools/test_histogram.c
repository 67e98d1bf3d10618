/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram and the medians of ferry-perf: what they promise about errors; and how long a trial
 * is. */
#include "test.h"

#include "../../../tools/perf/histogram.h"
#include "../../../tools/perf/stats.h"

static struct perf_histogram histogram, other;

static int reset(void **state)
{
	(void)state;
	perf_histogram_reset(&histogram);
	perf_histogram_reset(&other);
	return 0;
}

static bool near(double answer, double truth, double error)
{
	double off = answer > truth ? answer - truth : truth - answer;

	return off <= error * truth;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void empty_histogram_answers_zero(void **state)
{
	(void)state;
	assert_true(perf_histogram_percentile(&histogram, 50) == 0);
	assert_true(perf_histogram_mean(&histogram) == 0);
}

static void small_values_are_exact(void **state)
{
	uint64_t value;

	for (value = 0; value < 2 * PERF_HISTOGRAM_LINEAR; value++) {
		reset(state);
		perf_histogram_record(&histogram, 0);
		perf_histogram_record(&histogram, value);
		perf_histogram_record(&histogram, UINT64_MAX);
		assert_true(perf_histogram_percentile(&histogram, 50) == (double)value);
	}
}

/* Every power of two and its neighbours, with values around that keep the
 * answer from being cut to the smallest or the largest. */
static void one_value_is_off_by_the_promised_error_at_most(void **state)
{
	uint64_t seed = 1, value;
	int shift, i;

	for (shift = 0; shift < 63; shift++) {
		for (i = -1; i < 40; i++) {
			value = (UINT64_C(1) << shift);
			value += i < 2 ? (uint64_t)i : t_random(&seed) % value;
			reset(state);
			perf_histogram_record(&histogram, 0);
			perf_histogram_record(&histogram, value);
			perf_histogram_record(&histogram, UINT64_MAX);
			assert_true(near(perf_histogram_percentile(&histogram, 50), (double)value,
			                 PERF_HISTOGRAM_ERROR));
		}
	}
}

/* A bucket is as wide as promised, no finer: the bound is the true one. */
static void error_bound_is_reached(void **state)
{
	uint64_t low = UINT64_C(1) << 40;
	double off;

	(void)state;
	perf_histogram_record(&histogram, 0);
	perf_histogram_record(&histogram, low);
	perf_histogram_record(&histogram, UINT64_MAX);
	off = perf_histogram_percentile(&histogram, 50) - (double)low;
	assert_true(off > 0.99 * PERF_HISTOGRAM_ERROR * (double)low);
}

static void percentiles_agree_with_a_sorted_list(void **state)
{
	static uint64_t values[20000];
	static const double percents[] = { 0.01, 1, 10, 50, 90, 99, 99.9, 99.99, 100 };
	size_t count = t_scaled(20000), i, need;
	uint64_t seed = 2;

	(void)state;
	for (i = 0; i < count; i++) {
		values[i] = t_random(&seed) >> (t_random(&seed) % 60);
		perf_histogram_record(&histogram, values[i]);
	}
	qsort(values, count, sizeof(values[0]), compare);
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		for (need = 1; (double)need * 10000 < percents[i] * 100 * (double)count - 0.5;
		     need++)
			;
		assert_true(near(perf_histogram_percentile(&histogram, percents[i]),
		                 (double)values[need - 1], PERF_HISTOGRAM_ERROR));
	}
}

static void no_answer_lies_outside_of_what_was_recorded(void **state)
{
	(void)state;
	perf_histogram_record(&histogram, 1000001);
	perf_histogram_record(&histogram, 1000003);
	assert_true(perf_histogram_percentile(&histogram, 0) >= 1000001);
	assert_true(perf_histogram_percentile(&histogram, 100) <= 1000003);
	assert_true(perf_histogram_mean(&histogram) == 1000002);
}

/* 99.9 times 41000 is a little more than it should be, in binary. */
static void slowest_thousandth_is_not_in_the_percentile_before_it(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 41000; i++)
		perf_histogram_record(&histogram, i < 40959 ? 10 : 5000000);
	assert_true(perf_histogram_percentile(&histogram, 99.9) == 10);
	assert_true(
		near(perf_histogram_percentile(&histogram, 99.91), 5000000, PERF_HISTOGRAM_ERROR));
	assert_true(perf_histogram_percentile(&histogram, 100) == 5000000);
}

static void merged_histograms_answer_as_one(void **state)
{
	static struct perf_histogram whole;
	uint64_t seed = 3, value;
	double percent;
	int i;

	(void)state;
	perf_histogram_reset(&whole);
	for (i = 0; i < 1000; i++) {
		value = 1 + t_random(&seed) % 1000000;
		/* both ends in the one that is merged in */
		value = i == 0 ? 0 : i == 3 ? 2000000 : value;
		perf_histogram_record(i % 3 ? &histogram : &other, value);
		perf_histogram_record(&whole, value);
	}
	perf_histogram_merge(&histogram, &other);
	assert_int_equal(histogram.count, 1000);
	assert_int_equal(histogram.smallest, whole.smallest);
	assert_int_equal(histogram.largest, whole.largest);
	for (percent = 0; percent <= 100; percent += 0.5)
		assert_true(perf_histogram_percentile(&histogram, percent) ==
		            perf_histogram_percentile(&whole, percent));
}

/* A million of 1 us, and one of a second: the million is half of the time. */
static void by_time_a_call_weighs_what_it_lasts(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000000; i++)
		perf_histogram_record(&histogram, 1000);
	perf_histogram_record(&histogram, 1000000000);
	assert_true(near(perf_histogram_percentile(&histogram, 99.9), 1000, PERF_HISTOGRAM_ERROR));
	assert_true(
		near(perf_histogram_time_percentile(&histogram, 49), 1000, PERF_HISTOGRAM_ERROR));
	assert_true(perf_histogram_time_percentile(&histogram, 51) == 1000000000);
	assert_true(perf_histogram_time_percentile(&histogram, 100) == 1000000000);
}

static void time_percentiles_agree_with_a_sorted_list(void **state)
{
	static uint64_t values[20000];
	static const double percents[] = { 0.01, 1, 10, 50, 90, 99, 99.9, 100 };
	size_t count = t_scaled(20000), i, at;
	double sum = 0, slack = 2 * PERF_HISTOGRAM_ERROR, answer, before, to;
	uint64_t seed = 4;

	(void)state;
	for (i = 0; i < count; i++) {
		values[i] = 100 + t_random(&seed) % 1000000 * (i % 50 ? 1 : 100);
		sum += (double)values[i];
		perf_histogram_record(&histogram, values[i]);
	}
	qsort(values, count, sizeof(values[0]), compare);
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		answer = perf_histogram_time_percentile(&histogram, percents[i]);
		for (at = 0, before = 0; at < count && (double)values[at] < answer * (1 - slack);
		     at++)
			before += (double)values[at];
		for (to = before; at < count && (double)values[at] <= answer * (1 + slack); at++)
			to += (double)values[at];
		assert_true(before <= (percents[i] / 100 + slack) * sum &&
		            to >= (percents[i] / 100 - slack) * sum);
	}
}

static void time_percentiles_of_few_values(void **state)
{
	(void)state;
	assert_true(perf_histogram_time_percentile(&histogram, 99) == 0);
	perf_histogram_record(&histogram, 0);
	assert_true(perf_histogram_time_percentile(&histogram, 99) == 0);
	perf_histogram_record(&histogram, 1000003);
	assert_true(perf_histogram_time_percentile(&histogram, 0.001) == 1000003);
}

static void merging_an_empty_one_changes_nothing(void **state)
{
	(void)state;
	perf_histogram_record(&histogram, 7);
	perf_histogram_merge(&histogram, &other);
	assert_int_equal(histogram.smallest, 7);
	assert_int_equal(histogram.largest, 7);
	assert_int_equal(histogram.count, 1);
}

/* ---- medians ------------------------------------------------------------------ */

static void median_of_odd_and_even_counts(void **state)
{
	const double odd[] = { 3, 1, 2 }, even[] = { 4, 1, 3, 2 };
	struct perf_summary summary = perf_summarize(odd, 3);

	(void)state;
	assert_true(summary.median == 2 && summary.smallest == 1 && summary.largest == 3);
	assert_true(odd[0] == 3);
	assert_true(perf_summarize(even, 4).median == 2.5);
	assert_true(perf_summarize(even, 1).median == 4);
	assert_true(perf_summarize(NULL, 0).median == 0);
}

/* The median of the quotients of pairs, which is not the quotient of the medians. */
static void ratios_are_taken_pair_by_pair(void **state)
{
	const double above[] = { 10, 100, 30 }, below[] = { 1, 50, 30 };
	struct perf_summary summary = perf_summarize_ratios(above, below, 3);

	(void)state;
	assert_true(summary.median == 2 && summary.smallest == 1 && summary.largest == 10);
}

static void pair_without_a_divisor_is_left_out(void **state)
{
	const double above[] = { 10, 5 }, below[] = { 0, 5 };

	(void)state;
	assert_true(perf_summarize_ratios(above, below, 2).median == 1);
	assert_true(perf_summarize_ratios(above, below, 1).median == 0);
}

static void growth_is_one_where_a_trial_is_about_right(void **state)
{
	(void)state;
	assert_true(perf_growth(0.5, 0.5) == 1);
	assert_true(perf_growth(0.5, 0.125) == 1);
	assert_true(perf_growth(0.5, 2) == 1);
}

static void growth_follows_a_trial_that_is_not(void **state)
{
	(void)state;
	assert_true(near(perf_growth(0.5, 0.1), 5, 1e-9));
	assert_true(near(perf_growth(0.5, 50), 0.01, 1e-9));
	assert_true(perf_growth(0.5, 0.001) == 16);
	assert_true(perf_growth(0.5, 0) == 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(empty_histogram_answers_zero, reset),
		cmocka_unit_test_setup(small_values_are_exact, reset),
		cmocka_unit_test_setup(one_value_is_off_by_the_promised_error_at_most, reset),
		cmocka_unit_test_setup(error_bound_is_reached, reset),
		cmocka_unit_test_setup(percentiles_agree_with_a_sorted_list, reset),
		cmocka_unit_test_setup(no_answer_lies_outside_of_what_was_recorded, reset),
		cmocka_unit_test_setup(slowest_thousandth_is_not_in_the_percentile_before_it,
		                       reset),
		cmocka_unit_test_setup(merged_histograms_answer_as_one, reset),
		cmocka_unit_test_setup(by_time_a_call_weighs_what_it_lasts, reset),
		cmocka_unit_test_setup(time_percentiles_agree_with_a_sorted_list, reset),
		cmocka_unit_test_setup(time_percentiles_of_few_values, reset),
		cmocka_unit_test_setup(merging_an_empty_one_changes_nothing, reset),
		cmocka_unit_test(median_of_odd_and_even_counts),
		cmocka_unit_test(ratios_are_taken_pair_by_pair),
		cmocka_unit_test(pair_without_a_divisor_is_left_out),
		cmocka_unit_test(growth_is_one_where_a_trial_is_about_right),
		cmocka_unit_test(growth_follows_a_trial_that_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
