/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics of all ranks as texts. */
#include "support/test.h"

#include "engine/figures.h"

static struct fy_census_row rows[5];

/* Posts 50, 10, 40, 10, 30: lowest twice, ranks not in order. */
static void fill(int ranks)
{
	static const uint64_t posts[] = { 50, 10, 40, 10, 30 };
	memset(rows, 0, sizeof rows);
	for (int rank = 0; rank < ranks; rank++) {
		rows[rank].stats.posts = posts[rank];
		rows[rank].stats.calls = 7;
		fy_census_sign(&rows[rank]);
	}
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("<%s> is not in <%s>", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("<%s> is in <%s>", part, text);
}

/* "posts 10 1 30 50 0", however many blanks there are. */
static void has_figures(const char *text, const char *wanted)
{
	char squeezed[8192];
	size_t n = 0;
	for (; *text && n + 1 < sizeof squeezed; text++)
		if (*text != ' ' || (n && squeezed[n - 1] != ' '))
			squeezed[n++] = *text;
	squeezed[n] = '\0';
	has(squeezed, wanted);
}

static void a_table_has_minimum_median_maximum_and_their_ranks(void **state)
{
	(void)state;
	fill(5);
	char *text = fy_figures_table(rows, 5);
	assert_non_null(text);
	has(text, "ferry: statistics of 5 ranks at the close\n");
	has_figures(text, "ferry: posts 10 1 30 50 0\n");
	has_figures(text, "ferry: calls 7 0 7 7 0\n");
	has(text, "ferry:   0 on every rank: delivered, handled, ");
	has(text, "mpi_errors\n");
	has(text, "ferry:   nothing was left untaken, retained or open\n");
	free(text);
}

/* The lower one of the two in the middle. */
static void a_median_is_the_value_of_a_rank(void **state)
{
	(void)state;
	fill(4);
	char *text = fy_figures_table(rows, 4);
	has_figures(text, "ferry: posts 10 1 10 50 0\n");
	free(text);
	fill(1);
	text = fy_figures_table(rows, 1);
	has(text, "ferry: statistics of 1 rank at the close\n");
	has_figures(text, "ferry: posts 50 0 50 50 0\n");
	free(text);
}

static void who_did_not_come_is_named(void **state)
{
	(void)state;
	fill(5);
	rows[1].magic = rows[4].magic = 0;
	char *text = fy_figures_table(rows, 5);
	has(text, "ferry: statistics of 3 of 5 ranks at the close; none came from rank 1, 4\n");
	has_figures(text, "ferry: posts 10 3 40 50 0\n");
	free(text);
	text = fy_figures_json(rows, 5);
	has(text, "\"ranks\": 5, \"missing\": [1, 4],");
	has(text, "\"posts\": {\"min\": 10, \"min_rank\": 3, \"median\": 40, \"max\": 50, "
	          "\"max_rank\": 0, \"of\": [50, null, 40, 10, null]},");
	free(text);
}

static void leave_something(void)
{
	fill(3);
	fy_left_add(&rows[0].left, FY_LEFT_CALLS, FERRY_ANY_OP, 2, 1);
	fy_left_add(&rows[1].left, FY_LEFT_UNTAKEN, 0x1234, 0, 3);
	fy_left_add(&rows[1].left, FY_LEFT_UNTAKEN, FERRY_ANY_OP, FERRY_ANY, 9);
	fy_left_add(&rows[2].left, FY_LEFT_RETAINED, 7, FERRY_ANY, 2);
	fy_left_add(&rows[2].left, FY_LEFT_UNANSWERED, 7, FERRY_ANY, 1);
	fy_left_add(&rows[2].left, FY_LEFT_PROMISES, FERRY_ANY_OP, FERRY_ANY, 1);
	rows[2].left.more = 5;
}

static void what_was_left_is_named(void **state)
{
	(void)state;
	leave_something();
	char *text = fy_figures_table(rows, 3);
	has(text,
	    "ferry:   rank 0: 1 call to rank 2 without a reply\n"
	    "ferry:   rank 1: 3 messages of op 0x1234 from rank 0 that nobody handled or read\n"
	    "ferry:   rank 1: 9 messages of other ops that nobody handled or read\n"
	    "ferry:   rank 2: 2 messages of op 0x7 retained and not released\n"
	    "ferry:   rank 2: 1 request of op 0x7 without an answer\n"
	    "ferry:   rank 2: 1 promise that nobody fulfilled\n"
	    "ferry:   and 5 more\n");
	has_not(text, "nothing was left");
	free(text);
	text = fy_figures_json(rows, 3);
	has(text,
	    " \"left\": [\n"
	    "  {\"rank\": 0, \"what\": \"calls\", \"op\": null, \"peer\": 2, \"count\": 1},\n"
	    "  {\"rank\": 1, \"what\": \"untaken\", \"op\": 4660, \"peer\": 0, \"count\": 3},\n");
	has(text, "  {\"rank\": 2, \"what\": \"promises\", \"op\": null, \"peer\": null, "
	          "\"count\": 1}],\n \"left_unnamed\": 5\n}\n");
	free(text);
}

static void a_table_names_so_many_and_counts_the_rest(void **state)
{
	(void)state;
	fill(5);
	for (int rank = 0; rank < 5; rank++)
		for (uint32_t op = 0; op < FY_LEFT_NAMED; op++)
			fy_left_add(&rows[rank].left, FY_LEFT_RETAINED, op, FERRY_ANY, 2);
	char *text = fy_figures_table(rows, 5);
	unsigned lines = 0;
	for (const char *at = text; (at = strstr(at, "retained and")); at++)
		lines++;
	assert_int_equal(lines, 64);
	has(text, "ferry:   and 112 more\n");
	free(text);
}

static void a_rank_alone_says_so(void **state)
{
	(void)state;
	leave_something();
	char *text = fy_figures_line(&rows[2], 2, "it wanted to");
	assert_string_equal(
		text, "ferry: rank 2: statistics of this rank alone, as it wanted to: posts "
		      "40, calls 7; 2 messages of op 0x7 retained and not released; 1 request "
		      "of op 0x7 without an answer; 1 promise that nobody fulfilled\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_has_minimum_median_maximum_and_their_ranks),
		cmocka_unit_test(a_median_is_the_value_of_a_rank),
		cmocka_unit_test(who_did_not_come_is_named),
		cmocka_unit_test(what_was_left_is_named),
		cmocka_unit_test(a_table_names_so_many_and_counts_the_rest),
		cmocka_unit_test(a_rank_alone_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
