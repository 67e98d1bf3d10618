/* SPDX-License-Identifier: Apache-2.0 */
/* Text that a tool prints: characters, and strings of JSON. */
#include "test.h"

#include <string.h>

#include "../../../tools/text/json.h"
#include "../../../tools/text/utf8.h"

static void only_utf8_is_utf8(void **state)
{
	(void)state;
	assert_int_equal(text_utf8("a"), 1);
	assert_int_equal(text_utf8("\xc3\xa4"), 2);
	assert_int_equal(text_utf8("\xe2\x82\xac"), 3);
	assert_int_equal(text_utf8("\xf0\x9f\x98\x80"), 4);
	assert_int_equal(text_utf8("\xc3"), 0); /* cut */
	assert_int_equal(text_utf8("\xe2\x82"), 0);
	assert_int_equal(text_utf8("\xc1\x81"), 0); /* longer than needed */
	assert_int_equal(text_utf8("\xe0\x80\x81"), 0);
	assert_int_equal(text_utf8("\xf0\x80\x80\x81"), 0);
	assert_int_equal(text_utf8("\xed\xa0\x80"), 0);     /* half of a pair */
	assert_int_equal(text_utf8("\xf4\x90\x80\x80"), 0); /* beyond the last one */
	assert_int_equal(text_utf8("\x80"), 0);
}

static const char *printed(void (*print)(FILE *, const char *), const char *text)
{
	static char out[1024];
	FILE *file = fmemopen(out, sizeof out, "w");
	memset(out, 0, sizeof out);
	print(file, text);
	fclose(file);
	return out;
}

static void quotes_and_backslashes_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(printed(text_json, ""), "\"\"");
	assert_string_equal(printed(text_json, "a/b 'c'"), "\"a/b 'c'\"");
	assert_string_equal(printed(text_json, "\"a\\\""), "\"\\\"a\\\\\\\"\"");
}

static void control_characters_are_numbers(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 128; c++) {
		char text[] = { 'a', (char)c, 'b', '\0' }, want[16];
		snprintf(want, sizeof want, "\"a\\u%04xb\"", c);
		bool control = c < ' ' || c == 0x7f;
		assert_int_equal(strcmp(printed(text_json, text), want) == 0, control);
		assert_int_equal(strcmp(printed(text_json_in_page, text), want) == 0,
		                 control || c == '<' || c == '>' || c == '&');
	}
	assert_string_equal(printed(text_json, "\n\033[1m"), "\"\\u000a\\u001b[1m\"");
}

static void utf8_stays(void **state)
{
	static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
	static const char want[] = "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"";
	(void)state;
	assert_string_equal(printed(text_json, text), want);
	assert_string_equal(printed(text_json_in_page, text), want);
}

/* A byte at a time, so that what follows is read as what it is. */
static void what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	assert_string_equal(printed(text_json, "\xff"), "\"\\ufffd\"");
	assert_string_equal(printed(text_json, "a\xe4q"), "\"a\\ufffdq\"");
	assert_string_equal(printed(text_json, "\xe2\x82"), "\"\\ufffd\\ufffd\"");
	assert_string_equal(printed(text_json, "\xe2\x82\""), "\"\\ufffd\\ufffd\\\"\"");
	assert_string_equal(printed(text_json, "\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	assert_string_equal(printed(text_json, "\x80\xc3\xa4"), "\"\\ufffd\xc3\xa4\"");
}

static void no_page_ends_within(void **state)
{
	(void)state;
	assert_string_equal(printed(text_json_in_page, "</script>&"),
	                    "\"\\u003c/script\\u003e\\u0026\"");
	assert_string_equal(printed(text_json, "</script>&"), "\"</script>&\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_utf8_is_utf8),
		cmocka_unit_test(quotes_and_backslashes_are_escaped),
		cmocka_unit_test(control_characters_are_numbers),
		cmocka_unit_test(utf8_stays),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(no_page_ends_within),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
