/* SPDX-License-Identifier: Apache-2.0 */
/* A program that follows its user's locale, and the user is Turkish: i is no lower case of I, and
 * numbers have a comma. */
#include "support/test.h"

#include "base/log.h"
#include "base/options.h"

#include <ctype.h>
#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

static char directory[] = "/tmp/ferry_locale.XXXXXX";

/* The locale is made here, because few systems have it. */
static bool make_locale(void)
{
	char command[300];

	if (!mkdtemp(directory))
		return false;
	snprintf(command, sizeof command,
	         "localedef -c -i tr_TR -f UTF-8 %s/tr_TR.UTF-8 >%s/log 2>&1", directory,
	         directory);
	int status = system(command);
	return status >= 0 && setenv("LOCPATH", directory, 1) == 0 &&
	       setlocale(LC_ALL, "tr_TR.UTF-8");
}

static void remove_locale(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	if (system(command) != 0)
		printf("# %s is left\n", directory);
}

static void it_is_another_locale(void **state)
{
	char number[10];

	(void)state;
	snprintf(number, sizeof number, "%.1f", 0.5);
	assert_string_equal(number, "0,5");
	assert_int_equal(toupper('i'), 'i');
}

static void options_are_read_as_in_c(void **state)
{
	ferry_options r;

	(void)state;
	setenv("FERRY_RECEIVE_MEMORY", "8MiB", 1);
	setenv("FERRY_DECODE_MEMORY", "4KIB", 1);
	setenv("FERRY_SPIN", "33us", 1);
	setenv("FERRY_HANDLER_GRACE", "250MS", 1);
	setenv("FERRY_FLAGS", "KEEP_MPI,Exclusive", 1);
	setenv("FERRY_THREAD_LEVEL", "SERIALIZED", 1);
	setenv("FERRY_SLEEP_MAX", "5Ms", 1);
	assert_int_equal(fy_options_resolve(NULL, &r), FERRY_OK);
	assert_int_equal(r.receive_memory, 8 << 20);
	assert_int_equal(r.decode_memory, 4 << 10);
	assert_int_equal(r.spin, FERRY_US(33));
	assert_int_equal(r.handler_grace, FERRY_MS(250));
	assert_int_equal(r.flags, FERRY_KEEP_MPI | FERRY_EXCLUSIVE);
	assert_int_equal(r.thread_level, FERRY_THREAD_SERIALIZED);
	assert_int_equal(r.sleep_max, FERRY_MS(5));
}

static void the_log_has_a_point(void **state)
{
	char name[64], text[200];
	struct fy_log *log;

	(void)state;
	snprintf(name, sizeof name, "%s/line", directory);
	assert_int_equal(fy_log_open(name, 3, &log), FERRY_OK);
	fy_log(log, "hello");
	fy_log_close(log);
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	unsigned seconds, micros;
	assert_int_equal(sscanf(text, "ferry[3] %u.%6u info ", &seconds, &micros), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_another_locale),
		cmocka_unit_test(options_are_read_as_in_c),
		cmocka_unit_test(the_log_has_a_point),
	};
	if (!make_locale()) {
		remove_locale();
		T_SKIP_ALL("no Turkish locale can be made: install the C library's locales (and "
		           "localedef)");
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_locale();
	return failed != 0;
}
