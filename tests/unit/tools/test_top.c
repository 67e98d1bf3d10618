/* SPDX-License-Identifier: Apache-2.0 */
/* ferry-top: its numbers and texts, what it finds wrong, and that no byte of a file gets further
 * than it should. The files are images in memory. */
#include "test.h"

#include <getopt.h>

#include "../../../tools/top/engine.h"
#include "../../../tools/top/families.h"
#include "../../../tools/top/json.h"
#include "../../../tools/top/options.h"
#include "../../../tools/top/page.h"
#include "../../../tools/top/stages.h"
#include "../../../tools/top/units.h"
#include "../../../tools/top/plain.h"
#include "../../../tools/top/views.h"
#include "support/monitor_image.h"

#include "ferry.h"

static struct top_text text;

/* ---- numbers ----------------------------------------------------------------------------- */

static void counts_have_five_columns(void **state)
{
	double number;

	(void)state;
	assert_string_equal(top_count(&text, 0), "0");
	assert_string_equal(top_count(&text, 9999), "9999");
	assert_string_equal(top_count(&text, 10000), "10.0k");
	assert_string_equal(top_count(&text, 999499), "999k");
	assert_string_equal(top_count(&text, 999500), "1.00M");
	assert_string_equal(top_count(&text, 12345678), "12.3M");
	assert_string_equal(top_count(&text, -1), "-");
	for (number = 1; number < 1e30; number *= 1.007)
		assert_true(strlen(top_count(&text, number)) <= 5);
}

static void bytes_have_six_columns(void **state)
{
	double number;

	(void)state;
	assert_string_equal(top_bytes(&text, 1023), "1023");
	assert_string_equal(top_bytes(&text, 1024), "1.00Ki");
	assert_string_equal(top_bytes(&text, 1536 << 10), "1.50Mi");
	assert_string_equal(top_bytes_said(&text, 512), "512 B");
	assert_string_equal(top_bytes_said(&text, 65536), "64.0 KiB");
	for (number = 1; number < 1e30; number *= 1.007)
		assert_true(strlen(top_bytes(&text, number)) <= 6);
}

static void spans_have_six_columns(void **state)
{
	int64_t ns;

	(void)state;
	assert_string_equal(top_span(&text, 0), "0");
	assert_string_equal(top_span(&text, -5), "-");
	assert_string_equal(top_span(&text, 350000), "350us");
	assert_string_equal(top_span(&text, FERRY_MS(2400)), "2.4s");
	assert_string_equal(top_span(&text, FERRY_S(60) - 1), "59s");
	assert_string_equal(top_span(&text, FERRY_S(60)), "1m00s");
	assert_string_equal(top_span(&text, FERRY_S(3600)), "1h00m");
	assert_string_equal(top_span(&text, FERRY_S(5 * 86400 + 7200)), "5d02h");
	assert_string_equal(top_span_said(&text, FERRY_S(243)), "4 min 3 s");
	assert_string_equal(top_span_said(&text, 0), "a moment");
	for (ns = 1; ns < FERRY_S(86400) * 100; ns += ns / 100 + 1)
		assert_true(strlen(top_span(&text, ns)) <= 6);
	assert_true(strlen(top_span(&text, INT64_MAX)) < sizeof(text));
}

/* ---- text -------------------------------------------------------------------------------- */

static void terminals_get_no_commands(void **state)
{
	char plain[16];

	(void)state;
	top_plain(plain, sizeof(plain), 99, "a\033[2J\n\x7f\xff\xc2\x9b!");
	assert_string_equal(plain, "a?[2J????"
	                           "!");
	top_plain(plain, sizeof(plain), 99,
	          "\xe2\x80\xae"
	          "x\xe2\x80\x8b\xc3\xa4");
	assert_string_equal(plain, "?x?\xc3\xa4");
	top_plain(plain, sizeof(plain), 3, "abcdef");
	assert_string_equal(plain, "abc");
	top_plain(plain, 5, 99, "abc\xc3\xa4");
	assert_string_equal(plain, "abc");
}

static void lines_end_at_the_last_column(void **state)
{
	struct top_page page;

	(void)state;
	top_page_init(&page, 2, 10, false);
	top_line(&page, TOP_PLAIN, "%s", "0123456789ABC");
	top_line(&page, TOP_WRONG_STYLE, "%s",
	         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4x");
	top_line(&page, TOP_PLAIN, "no room");
	assert_string_equal(page.text, "0123456789\n\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	                               "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\n");
	top_page_free(&page);
}

static void sentences_are_broken_between_words(void **state)
{
	struct top_page page;

	(void)state;
	top_page_init(&page, 0, 12, false);
	top_sentence(&page, TOP_PLAIN, 0, "one two three four abcdefghijklm");
	assert_string_equal(page.text, "one two\n    three\n    four\n    abcdefgh\n    ijklm\n");
	top_page_free(&page);
	top_page_init(&page, 0, 12, false);
	top_sentence(&page, TOP_PLAIN, 1, "one two three");
	assert_string_equal(page.text, "one two\n");
	top_page_free(&page);
}

static void json_escapes_what_it_must(void **state)
{
	char out[256] = "";
	FILE *file = fmemopen(out, sizeof(out), "w");
	struct top_json json = { .file = file };

	(void)state;
	top_json_open(&json, NULL, '{');
	top_json_text(&json, "a\"b", "c\\d\n\033\xff\xc3\xa4");
	top_json_real(&json, "r", 1.0 / 0.0);
	top_json_open(&json, "e", '[');
	top_json_close(&json);
	top_json_text(&json, "n", NULL);
	top_json_close(&json);
	fclose(file);
	assert_string_equal(out, "{\n  \"a\\\"b\": \"c\\\\d\\u000a\\u001b\\ufffd\xc3\xa4\",\n"
	                         "  \"r\": null,\n  \"e\": [],\n  \"n\": null\n}\n");
}

/* ---- the command line -------------------------------------------------------------------- */

static enum top_request parse(struct top_options *options, const char *first, const char *second,
                              char error[256])
{
	char program[] = "ferry-top", words[2][64];
	char *argv[] = { program, words[0], words[1], NULL };

	snprintf(words[0], sizeof(words[0]), "%s", first);
	snprintf(words[1], sizeof(words[1]), "%s", second ? second : "");
	argv[2] = second ? words[1] : NULL;
	optind = 0;
	error[0] = '\0';
	return top_options_parse(options, second ? 3 : 2, argv, error, 256);
}

static void wrong_arguments_get_a_sentence(void **state)
{
	static const char *const wrong[][2] = {
		{ "--nonsense" },          { "--once=1" },          { "--interval" },
		{ "--interval", "0.01" },  { "--interval", "x" },   { "--interval", "nan" },
		{ "--interval", "9999" },  { "--count", "0" },      { "--count", "3x" },
		{ "--directory", "" },     { "--json", "--plot" },  { "--json", "--count=2" },
		{ "--clean", "--json" },   { "--clean", "--once" }, { "3", "4" },
		{ "--prometheus", "-i1" }, { "--plot=x.gif" },      { "" },
	};
	struct top_options options;
	char error[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(&options, wrong[i][0], wrong[i][1], error), TOP_WRONG);
		assert_true(strlen(error) > 10);
	}
	assert_int_equal(parse(&options, "--dead", "3", error), TOP_RUN);
	assert_true(options.dead);
	assert_string_equal(error, "");
	assert_int_equal(parse(&options, "-i", "2.5", error), TOP_RUN);
	assert_true(options.interval == FERRY_MS(2500));
}

/* ---- what is wrong ----------------------------------------------------------------------- */

static struct image image, earlier;
static struct top_engine engine;

static int open_image(void **state)
{
	(void)state;
	memset(&engine, 0, sizeof(engine));
	image_init(&image, 1, 8);
	image_init(&earlier, 1, 8);
	return 0;
}

static int close_image(void **state)
{
	(void)state;
	image_free(&image);
	image_free(&earlier);
	return 0;
}

static enum top_trouble_kind look(enum fy_monitor_life life)
{
	engine.copy.head = image.head;
	engine.copy.nbytes = image.nbytes;
	engine.copy.life = life;
	top_engine_look(&engine);
	return top_troubles_worst(&engine.troubles);
}

static bool says(const char *words)
{
	return strstr(engine.troubles.list[0].text, words) != NULL;
}

static void a_healthy_engine_has_no_trouble(void **state)
{
	(void)state;
	image_peer(&image, 2, FY_MONITOR_PEER_AWAITED, FERRY_S(20));
	image_open(&image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 2, 7, FERRY_S(9));
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	assert_string_equal(top_engine_state(&engine), "busy");
	image.head->now.period = 0;
	image_sampled(&image, FERRY_S(3600)); /* idle since an hour */
	image_section(&image, FY_MONITOR_OPEN)->count = 0;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	assert_string_equal(top_engine_state(&engine), "idle");
}

static void the_dead_tell_what_was_open(void **state)
{
	(void)state;
	image_sampled(&image, FERRY_S(30));
	image_open(&image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 2, 7, FERRY_MS(42500))->count = 14;
	assert_int_equal(look(FY_MONITOR_DEAD), TOP_DEAD);
	assert_true(says(", 30 s ago; 14 operations were open, the oldest a call of op 7 to rank 2 "
	                 "for 12 s"));
	image.head->now.state = FY_MONITOR_CLOSED;
	assert_int_equal(look(FY_MONITOR_DEAD), TOP_NO_TROUBLE);
	image.head->now.state = FY_MONITOR_OPENED;
	image.head->now.samples = 0;
	look(FY_MONITOR_DEAD);
	assert_true(says("before its first sample"));
}

static void silent_peers_are_named_with_what_waits(void **state)
{
	struct fy_monitor_peer *peer;

	(void)state;
	peer = image_peer(&image, 3, FY_MONITOR_PEER_AWAITED, FERRY_MS(2400));
	image_open(&image, FY_MONITOR_POST, FY_MONITOR_UNDER_WAY, 3, 7, FERRY_S(8))->count = 2;
	image_open(&image, FY_MONITOR_REQUEST, FY_MONITOR_HELD, 3, 9, FERRY_S(1));
	image_open(&image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 4, 7, FERRY_S(1));
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	peer->unacknowledged = 1;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_SILENT);
	assert_true(
		says("rank 3 is silent for 2.4 s; 2 operations wait for it, the oldest a post of "
	             "op 7 to rank 3 for 8.0 s"));
	peer->unacknowledged = 0;
	peer->flags |= FY_MONITOR_PEER_SILENT;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_SILENT);
	peer->gone = FERRY_EPEER;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_GONE);
	assert_true(says("rank 3 is gone: posts to it end with FERRY_EPEER"));
}

static void who_does_not_step_is_found(void **state)
{
	(void)state;
	image_sampled(&image, FERRY_MS(1050));
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	image_sampled(&image, FERRY_MS(1200));
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_STEPLESS);
	assert_true(says("its progress thread has made no step for 1.2 s"));
	image.head->flags = FY_MONITOR_NO_THREAD;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	image_open(&image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 2, 7, FERRY_S(1));
	look(FY_MONITOR_ALIVE);
	assert_true(says("the program has not called ferry_progress for 1.2 s"));
	image_set(&image, "inside", 7);
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_HANDLER);
	assert_true(says("the inline handler of op 7 does not return, for 1.2 s"));
	image_set(&image, "inside", -2);
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_HANDLER);
	assert_true(says("code of the program on the progress thread"));
}

static void old_operations_and_want_of_room_are_found(void **state)
{
	struct fy_monitor_peer *peer;

	(void)state;
	image_set(&image, "receive_memory", 1000);
	image_set(&image, "memory_held", 899);
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_NO_TROUBLE);
	image_set(&image, "memory_held", 900);
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_FULL);
	peer = image_peer(&image, 4, FY_MONITOR_PEER_HUNGRY, 1);
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_FULL);
	peer->queued = 120;
	peer->queued_bytes = 1536 << 10;
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_CREDIT);
	assert_true(says("out of credit at rank 4: 120 messages, 1.50 MiB, wait here"));
	image_open(&image, FY_MONITOR_REQUEST, FY_MONITOR_HELD, 5, 9, FERRY_S(75));
	assert_int_equal(look(FY_MONITOR_ALIVE), TOP_OLD);
	assert_true(says("a request of op 9 from rank 5 is open for 1 min 15 s"));
	assert_int_equal(engine.troubles.n, 3);
}

static void many_peers_are_counted(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 30; i++)
		image_peer(&image, i, FY_MONITOR_PEER_AWAITED | FY_MONITOR_PEER_SILENT, FERRY_S(3));
	look(FY_MONITOR_ALIVE);
	assert_int_equal(engine.troubles.n, 3);
	assert_non_null(strstr(engine.troubles.list[2].text, "and likewise 27 more"));
}

/* ---- figures ----------------------------------------------------------------------------- */

static void rates_are_differences(void **state)
{
	(void)state;
	earlier.head->now.sampled = image.head->now.sampled - FERRY_MS(500);
	image_set(&earlier, "posts", 100);
	image_set(&image, "posts", 150);
	image_set(&image, "calls", -7);
	look(FY_MONITOR_ALIVE);
	assert_true(top_rate(&engine, "posts") == 0); /* no earlier one */
	engine.before.head = earlier.head;
	engine.before.nbytes = earlier.nbytes;
	assert_true(top_rate(&engine, "posts") > 99.9 && top_rate(&engine, "posts") < 100.1);
	assert_true(top_rate(&engine, "nonsense") == 0);
	assert_int_equal(top_gauge(&engine, "cpu"), -1);
	assert_int_equal(top_gauge(&engine, "nonsense"), -1);
	image_set(&image, "posts", 50); /* less than before: no rate */
	assert_true(top_rate(&engine, "posts") == 0);
	image.head->now.sampled = earlier.head->now.sampled;
	image_set(&image, "posts", 150);
	assert_true(top_rate(&engine, "posts") == 0);
}

static void ages_of_nonsense_are_bounded(void **state)
{
	(void)state;
	look(FY_MONITOR_ALIVE);
	assert_int_equal(top_age(&engine, 0), -1);
	assert_int_equal(top_age(&engine, INT64_MIN), -1);
	assert_int_equal(top_age(&engine, INT64_MAX), 0);
	look(FY_MONITOR_DEAD);
	image.head->now.sampled = INT64_MIN;
	assert_int_equal(top_age(&engine, INT64_MAX), 0);
	image.head->now.sampled = INT64_MAX;
	assert_true(top_age(&engine, 1) == INT64_MAX - 1);
}

static void percentiles_end_their_buckets(void **state)
{
	struct fy_monitor_histogram stage;

	(void)state;
	image_stage(&image, FY_MONITOR_REPLY, 1000, 50);
	image_stage(&image, FY_MONITOR_REPLY, 70000, 49);
	image_stage(&image, FY_MONITOR_REPLY, 5000000, 1);
	look(FY_MONITOR_ALIVE);
	assert_true(top_stage(&engine, FY_MONITOR_REPLY, &stage));
	assert_string_equal(stage.name, "reply");
	assert_int_equal(top_stage_percentile(&stage, 50), 1024);
	assert_int_equal(top_stage_percentile(&stage, 51), 81920);
	assert_int_equal(top_stage_percentile(&stage, 99), 81920);
	assert_int_equal(top_stage_percentile(&stage, 100), 5000000);
	assert_int_equal(top_stage_longest(&stage), 5000000);
	assert_false(top_stage(&engine, 5, &stage));
	memset(&stage, 0, sizeof(stage));
	assert_int_equal(top_stage_percentile(&stage, 50), 0);
}

static void engines_are_named_in_three_ways(void **state)
{
	char pid[32];

	(void)state;
	look(FY_MONITOR_ALIVE);
	snprintf(engine.copy.name, sizeof(engine.copy.name), "%s", "77-1-abc.ferry");
	snprintf(pid, sizeof(pid), "pid:%d", (int)image.head->process.pid);
	assert_true(top_engine_is(&engine, NULL));
	assert_true(top_engine_is(&engine, "1"));
	assert_false(top_engine_is(&engine, "11"));
	assert_false(top_engine_is(&engine, "0"));
	assert_true(top_engine_is(&engine, pid));
	assert_false(top_engine_is(&engine, "pid:"));
	assert_true(top_engine_is(&engine, "wordc"));
	assert_true(top_engine_is(&engine, "77-1"));
	assert_false(top_engine_is(&engine, "other"));
}

/* ---- for Prometheus ---------------------------------------------------------------------- */

static char exposed[65536];

static void expose(void)
{
	struct top_host host = { .engines = &engine, .n = 1 };
	FILE *file = fmemopen(exposed, sizeof(exposed), "w");

	look(FY_MONITOR_ALIVE);
	top_prometheus(file, &host);
	fclose(file);
}

static int times(const char *words)
{
	const char *at = exposed;
	int n = 0;

	while ((at = strstr(at, words)) != NULL)
		at++, n++;
	return n;
}

static void labels_are_escaped(void **state)
{
	(void)state;
	strcpy(image.head->program, "a\"b\\c\nd");
	expose();
	assert_int_equal(times("ferry_up{"), 1);
	assert_int_equal(times("program=\"a\\\"b\\\\c?d\""), times("program="));
}

static void each_family_is_there_once(void **state)
{
	struct fy_monitor_value *value = image_add(&image, FY_MONITOR_GAUGES);

	(void)state;
	strcpy(value->name, "posts"); /* a counter's */
	value = image_add(&image, FY_MONITOR_COUNTERS);
	strcpy(value->name, "no name");
	value = image_add(&image, FY_MONITOR_COUNTERS);
	strcpy(value->name, "later_one");
	value = image_add(&image, FY_MONITOR_GAUGES);
	strcpy(value->name, "calls");
	value->value = 3;
	image_set(&image, "busy", FERRY_MS(1500));
	image_set(&image, "posts", 7);
	image_set(&image, "calls", 100);
	image_stage(&image, FY_MONITOR_LANE, 100, 3);
	image_rename_stage(&image, FY_MONITOR_BATCH, "lane");
	expose();
	assert_int_equal(times("stage=\"lane\",le=\"+Inf\"} 3\n"), 1);
	assert_int_equal(times("stage=\"lane\",le=\"+Inf\"}"), 1);
	assert_int_equal(times("# TYPE ferry_posts_total counter"), 1);
	assert_int_equal(times("# HELP ferry_posts"), 1);
	assert_int_equal(times("} 100\n"), 1);
	assert_int_equal(times("# TYPE ferry_calls_open gauge\n"), 1);
	assert_int_equal(times("ferry_calls_open{"), 1);
	assert_int_equal(times("no name"), 0);
	assert_int_equal(times("# TYPE ferry_later_one_total counter\n"), 1);
	assert_int_equal(times("# TYPE ferry_memory_held gauge\n"), 1);
	assert_int_equal(times("} 1.500000000\n"), 1); /* seconds */
	assert_int_equal(times("ferry_cpu{"), 0);      /* not known */
}

static void buckets_add_up(void **state)
{
	(void)state;
	image_stage(&image, FY_MONITOR_LANE, 100, 3);
	image_stage(&image, FY_MONITOR_LANE, 2000, 4);
	image_stage(&image, FY_MONITOR_LANE, FERRY_S(60), 2);
	expose();
	assert_int_equal(times("stage=\"lane\",le=\"2.56e-07\"} 3\n"), 1);
	assert_int_equal(times("stage=\"lane\",le=\"1.024e-06\"} 3\n"), 1);
	assert_int_equal(times("stage=\"lane\",le=\"4.096e-06\"} 7\n"), 1);
	assert_int_equal(times("stage=\"lane\",le=\"17.1798692\"} 7\n"), 1);
	assert_int_equal(times("stage=\"lane\",le=\"+Inf\"} 9\n"), 1);
}

#define WITH_IMAGE(test) cmocka_unit_test_setup_teardown(test, open_image, close_image)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_have_five_columns),
		cmocka_unit_test(bytes_have_six_columns),
		cmocka_unit_test(spans_have_six_columns),
		cmocka_unit_test(terminals_get_no_commands),
		cmocka_unit_test(lines_end_at_the_last_column),
		cmocka_unit_test(sentences_are_broken_between_words),
		cmocka_unit_test(json_escapes_what_it_must),
		cmocka_unit_test(wrong_arguments_get_a_sentence),
		WITH_IMAGE(a_healthy_engine_has_no_trouble),
		WITH_IMAGE(the_dead_tell_what_was_open),
		WITH_IMAGE(silent_peers_are_named_with_what_waits),
		WITH_IMAGE(who_does_not_step_is_found),
		WITH_IMAGE(old_operations_and_want_of_room_are_found),
		WITH_IMAGE(many_peers_are_counted),
		WITH_IMAGE(rates_are_differences),
		WITH_IMAGE(ages_of_nonsense_are_bounded),
		WITH_IMAGE(percentiles_end_their_buckets),
		WITH_IMAGE(engines_are_named_in_three_ways),
		WITH_IMAGE(labels_are_escaped),
		WITH_IMAGE(each_family_is_there_once),
		WITH_IMAGE(buckets_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
