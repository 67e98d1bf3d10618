/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of ferry-perf that have a limit: whom it is for, and when. */
#include "test.h"

#include <string.h>

#include "../../../tools/perf/report.h"

static double even[] = { 1.0, 9.0, 2.0 }, uneven[] = { 1.0, 2.5, 2.5 }, many[] = { 7, 7, 7 };

static const struct perf_contestant ferry_form = { .name = "ferry-form", .engine = true };
static const struct perf_contestant peer = { .name = "peer" };
static const struct perf_mode mode = {
	.name = "farm",
	.metrics = { { .name = "rate", .unit = "/s" },
	             { .name = "most / least", .unit = "times" } },
	.metrics_count = 2,
	.most = { [1] = 2 },
};
static struct perf_result result;
static char said[512];

/* One point with Ferry's values and the peer's. */
static bool kept(double duration, double *own, double *other)
{
	struct perf_options options = { .mode = &mode, .duration = duration };
	struct perf_point *point = &result.points[0];
	FILE *file = fmemopen(said, sizeof(said), "w");
	bool answer;

	memset(said, 0, sizeof(said));
	result.points_count = 1;
	point->threads = 16;
	point->repetitions = 3;
	point->series_count = 2;
	point->series[0] = (struct perf_series){ &ferry_form, { many, own }, NULL };
	point->series[1] = (struct perf_series){ &peer, { many, other }, NULL };
	answer = perf_report_limits(file, &options, &result);
	fclose(file);
	return answer;
}

static void a_median_within_the_limit_is_kept(void **state)
{
	(void)state;
	assert_true(kept(1, even, even));
	assert_string_equal(said, "");
}

static void a_median_above_is_told(void **state)
{
	(void)state;
	assert_false(kept(1, uneven, even));
	assert_non_null(strstr(said, "ferry-form with 16 threads: most / least is 2.5 times"));
}

static void peers_have_no_limit(void **state)
{
	(void)state;
	assert_true(kept(1, even, uneven));
}

static void short_trials_have_none(void **state)
{
	(void)state;
	assert_true(kept(0.9, uneven, even));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_median_within_the_limit_is_kept),
		cmocka_unit_test(a_median_above_is_told),
		cmocka_unit_test(peers_have_no_limit),
		cmocka_unit_test(short_trials_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
