/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes, the thread's last error, and times. */
#include "test.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/timeout.h"

#include <pthread.h>

static const int all[] = { FERRY_OK, FERRY_PENDING,
#define VALUE(name, value, text) FERRY_##name,
	                   FERRY_STATUS_MAP(VALUE)
#undef VALUE
};
#define COUNT (sizeof all / sizeof all[0])

static void every_status_has_a_name_and_a_text_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(strncmp(ferry_strname(all[i]), "FERRY_", 6), 0);
		assert_true(strlen(ferry_strerror(all[i])) > 5);
		assert_string_not_equal(ferry_strerror(all[i]), "unknown status");
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(all[i], all[j]);
			assert_string_not_equal(ferry_strname(all[i]), ferry_strname(all[j]));
			assert_string_not_equal(ferry_strerror(all[i]), ferry_strerror(all[j]));
		}
	}
	assert_string_equal(ferry_strname(FERRY_EINVAL), "FERRY_EINVAL");
}

static void the_sign_tells_failures(void **state)
{
	(void)state;
	assert_int_equal(FERRY_OK, 0);
	assert_int_equal(FERRY_PENDING, 1);
	for (size_t i = 2; i < COUNT; i++)
		assert_true(all[i] < 0);
}

static void an_unknown_status_is_said_to_be_unknown(void **state)
{
	(void)state;
	assert_string_equal(ferry_strname(-1000), "unknown status");
	assert_string_equal(ferry_strerror(-1000), "unknown status");
	assert_string_equal(ferry_strname(2), "unknown status");
	assert_string_equal(ferry_strerror(INT32_MIN), "unknown status");
}

static void the_version_is_that_of_the_header(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(ferry_version(), FERRY_VERSION);
	snprintf(text, sizeof text, "%d.%d.%d", FERRY_VERSION_MAJOR, FERRY_VERSION_MINOR,
	         FERRY_VERSION_PATCH);
	assert_string_equal(ferry_version(), text);
}

static void *fail_elsewhere(void *arg)
{
	char *seen = arg;

	snprintf(seen, 16, "<%s>", ferry_last_error());
	fy_fail(FERRY_EPEER, "of the other thread");
	return NULL;
}

static void the_last_error_is_the_threads_own(void **state)
{
	char seen[16];
	pthread_t thread;

	(void)state;
	assert_int_equal(fy_fail(FERRY_EINVAL, "the rank %d is not in 0..%d", 7, 3), FERRY_EINVAL);
	assert_string_equal(ferry_last_error(), "the rank 7 is not in 0..3");
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, seen), 0);
	pthread_join(thread, NULL);
	assert_string_equal(seen, "<>");
	assert_string_equal(ferry_last_error(), "the rank 7 is not in 0..3");
}

static void a_long_sentence_is_cut_and_may_quote_the_one_before(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	fy_fail(FERRY_EINVAL, "%s", text);
	assert_int_equal(strlen(ferry_last_error()), 255);
	fy_fail(FERRY_EINVAL, "short");
	fy_fail(FERRY_EINVAL, "because: %s", ferry_last_error());
	assert_string_equal(ferry_last_error(), "because: short");
}

static void *fail_in_both(void *arg)
{
	char *seen = arg;

	fy_fail(FERRY_EINVAL, "of the program");
	const char *mine = ferry_last_error(), *other = fy_fail_text();
	void *before = fy_fail_begin_guest();
	snprintf(seen, 100, "<%s>", ferry_last_error());
	fy_fail(FERRY_EPEER, "of the handler");
	if (fy_fail_text() == other)
		strcat(seen, " one buffer for both");
	fy_fail_end_guest(before);
	snprintf(seen + strlen(seen), 60, " %s", ferry_last_error() == mine ? mine : "moved");
	before = fy_fail_begin_guest();
	snprintf(seen + strlen(seen), 60, ", %s", ferry_last_error());
	fy_fail_end_guest(before);
	return NULL; /* both are freed: the sanitizer's build tells */
}

/* The handler fails first: the thread has no texts yet that could keep those of the handler. */
static void *fail_as_guest_first(void *arg)
{
	char *seen = arg;

	for (int i = 0; i < 3; i++) {
		void *before = fy_fail_begin_guest();
		snprintf(seen + strlen(seen), 30, "<%s>", ferry_last_error());
		fy_fail(FERRY_EPEER, "guest %d", i);
		fy_fail_end_guest(before);
		snprintf(seen + strlen(seen), 30, "%s;", ferry_last_error());
		if (i == 1)
			fy_fail(FERRY_EINVAL, "mine");
	}
	return NULL;
}

static void a_handler_on_this_thread_has_another_last_error(void **state)
{
	char seen[200] = "";
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fail_in_both, seen), 0);
	pthread_join(thread, NULL);
	assert_string_equal(seen, "<> of the program, of the handler");
	seen[0] = '\0';
	assert_int_equal(pthread_create(&thread, NULL, fail_as_guest_first, seen), 0);
	pthread_join(thread, NULL);
	assert_string_equal(seen, "<>;<guest 0>;<guest 1>mine;");
}

/* ---- without memory: the next `failing` allocations of this program fail ---- */

static unsigned failing;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	if (failing > 0) {
		failing--;
		return NULL;
	}
	return __real_calloc(count, size);
}

/* What a guest notes has no place then. The thread's own last error stays. */
static void *fail_as_guest_without_memory(void *arg)
{
	char *seen = arg;
	void *before = fy_fail_begin_guest();

	fy_fail(FERRY_EPEER, "of the handler");
	failing = 1;
	fy_fail_end_guest(before);
	snprintf(seen, 30, "<%s>", ferry_last_error());
	before = fy_fail_begin_guest();
	failing = 1;
	fy_fail(FERRY_EPEER, "not noted");
	fy_fail(FERRY_EPEER, "noted");
	fy_fail_end_guest(before);
	before = fy_fail_begin_guest();
	snprintf(seen + strlen(seen), 30, " %s", ferry_last_error());
	fy_fail_end_guest(before);
	return NULL;
}

static void *fail_without_memory(void *arg)
{
	char *seen = arg;

	failing = 1;
	fy_fail(FERRY_EINVAL, "not noted");
	failing = 1;
	if (fy_fail_text())
		strcat(seen, "there is room. ");
	snprintf(seen + strlen(seen), 100, "%s; ", ferry_last_error());
	fy_fail(FERRY_EINVAL, "noted");
	snprintf(seen + strlen(seen), 100, "%s", ferry_last_error());
	return NULL;
}

static void without_memory_there_is_a_sentence_all_the_same(void **state)
{
	char seen[300] = "";
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fail_without_memory, seen), 0);
	pthread_join(thread, NULL);
	assert_string_equal(seen, "memory is exhausted, also for the reason; noted");
	assert_int_equal(failing, 0);
	assert_int_equal(pthread_create(&thread, NULL, fail_as_guest_without_memory, seen), 0);
	pthread_join(thread, NULL);
	assert_string_equal(seen, "<> noted");
	assert_int_equal(failing, 0);
}

static void times_saturate(void **state)
{
	(void)state;
	assert_int_equal(fy_timeout_until(100, 0), 100);
	assert_int_equal(fy_timeout_until(100, 5), 105);
	assert_true(fy_timeout_until(100, FERRY_FOREVER) == INT64_MAX);
	assert_true(fy_timeout_until(100, INT64_MAX) == INT64_MAX);
	assert_true(fy_timeout_until(100, INT64_MAX - 100) == INT64_MAX);
	assert_true(fy_timeout_until(100, INT64_MAX - 101) == INT64_MAX - 1);
}

static void only_forever_is_a_negative_timeout(void **state)
{
	(void)state;
	assert_true(fy_timeout_ok(0));
	assert_true(fy_timeout_ok(1));
	assert_true(fy_timeout_ok(INT64_MAX));
	assert_true(fy_timeout_ok(FERRY_FOREVER));
	assert_false(fy_timeout_ok(-2));
	assert_false(fy_timeout_ok(INT64_MIN));
}

static void the_clock_does_not_go_back(void **state)
{
	int64_t before = fy_clock_now();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = fy_clock_now();
		assert_true(now >= before);
		before = now;
	}
	assert_true(before > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_name_and_a_text_of_its_own),
		cmocka_unit_test(the_sign_tells_failures),
		cmocka_unit_test(an_unknown_status_is_said_to_be_unknown),
		cmocka_unit_test(the_version_is_that_of_the_header),
		cmocka_unit_test(the_last_error_is_the_threads_own),
		cmocka_unit_test(a_long_sentence_is_cut_and_may_quote_the_one_before),
		cmocka_unit_test(a_handler_on_this_thread_has_another_last_error),
		cmocka_unit_test(without_memory_there_is_a_sentence_all_the_same),
		cmocka_unit_test(times_saturate),
		cmocka_unit_test(only_forever_is_a_negative_timeout),
		cmocka_unit_test(the_clock_does_not_go_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
