/* SPDX-License-Identifier: Apache-2.0 */
/* Options: fields, environment, defaults, and what is refused with which sentence. */
#include "test.h"
#include "base/cpus.h"
#include "base/log.h"
#include "base/option.h"
#include "base/options.h"
#include "base/place.h"

#include <fcntl.h>
#include <unistd.h>

extern char **environ;

/* ---- helpers ------------------------------------------------------------- */

static int clear_environment(void **state)
{
	(void)state;
	for (char **entry = environ; *entry;) {
		char name[128];
		snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
		if (strncmp(name, "FERRY_", 6) == 0)
			unsetenv(name);
		else
			entry++;
	}
	return 0;
}

static ferry_options resolve(const ferry_options *given)
{
	ferry_options resolved;

	assert_int_equal(fy_options_resolve(given, &resolved), FERRY_OK);
	return resolved;
}

/* Refused, with a sentence that has each of these; `resolved` is not touched. */
static void assert_refused(const ferry_options *given, const char *first, const char *second,
                           const char *third)
{
	ferry_options resolved, untouched;

	memset(&resolved, 0x5A, sizeof resolved);
	memset(&untouched, 0x5A, sizeof untouched);
	assert_int_equal(fy_options_resolve(given, &resolved), FERRY_EINVAL);
	assert_memory_equal(&resolved, &untouched, sizeof resolved);
	assert_non_null(strstr(ferry_last_error(), first));
	assert_non_null(strstr(ferry_last_error(), second));
	assert_non_null(strstr(ferry_last_error(), third));
}

static void assert_variable_refused(const char *name, const char *value, const char *accepted)
{
	setenv(name, value, 1);
	assert_refused(NULL, name, value, accepted);
	unsetenv(name);
}

static const struct fy_option *find(const char *name)
{
	size_t count;
	const struct fy_option *table = fy_options_table(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	fail_msg("no option %s", name);
	return NULL;
}

static const char *text_or_none(const struct fy_option *option, ferry_options *options)
{
	const char *text = *fy_option_text_of(option, options);

	return text ? text : "none";
}

/* ---- defaults and precedence ---------------------------------------------- */

static void nothing_given_yields_the_defaults(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	(void)state;
	for (int i = 0; i < 2; i++) {
		ferry_options r = resolve(i ? &options : NULL);
		assert_int_equal(r.size, sizeof r);
		assert_int_equal(r.flags, 0);
		assert_int_equal(r.thread_level, FERRY_THREAD_MULTIPLE);
		assert_int_equal(r.receive_memory, 256 << 20);
		assert_int_equal(r.send_memory, 64 << 20);
		assert_true(r.message_max == SIZE_MAX);
		assert_int_equal(r.out_of_band, 256 << 10);
		assert_int_equal(r.decode_memory, 64 << 20);
		assert_int_equal(r.handler_grace, FERRY_S(5));
		assert_int_equal(r.spin, 0);
		assert_int_equal(r.sleep_max, FERRY_MS(10));
		assert_int_equal(r.lend, 1);
		assert_null(r.progress_cpus);
		assert_int_equal(r.peer_timeout, 0); /* decided when all ranks are known */
		assert_int_equal(r.close_timeout, FERRY_S(60));
		assert_int_equal(r.stuck_after, FERRY_S(30));
		assert_null(r.stats);
		assert_null(r.trace);
		assert_null(r.log);
		assert_int_equal(r.checksum, 0);
		assert_int_equal(r.quorum, 0);
		assert_null(r.monitor);
		assert_int_equal(r.dump_signal, 0);
		assert_int_equal(r.log_level, FERRY_LOG_INFO);
		assert_int_equal(r.trace_every, 16);
		assert_int_equal(r.trace_memory, 16 << 20);
		fy_options_free(&r);
	}
}

/* Of the process, not of the thread that opens, which may be bound. */
static void processors_are_counted_at_the_load(void **state)
{
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &before)) {
			CPU_SET(cpu, &one);
			break;
		}
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(fy_place_processors(), CPU_COUNT(&before));
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void the_environment_comes_before_the_default_and_after_the_field(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_options r;

	(void)state;
	setenv("FERRY_RECEIVE_MEMORY", "2m", 1);
	setenv("FERRY_LOG", "env.log", 1);
	setenv("FERRY_FLAGS", "exclusive,nonblock", 1);
	r = resolve(&options);
	assert_int_equal(r.receive_memory, 2 << 20);
	assert_string_equal(r.log, "env.log");
	assert_int_equal(r.flags, FERRY_EXCLUSIVE | FERRY_NONBLOCK);
	assert_int_equal(r.thread_level, FERRY_THREAD_SERIALIZED);
	fy_options_free(&r);
	assert_null(r.log);

	options.receive_memory = 3 << 20;
	options.log = "field.log";
	options.flags = FERRY_KEEP_MPI;
	r = resolve(&options);
	assert_int_equal(r.receive_memory, 3 << 20);
	assert_string_equal(r.log, "field.log");
	assert_true(r.log != options.log);
	assert_int_equal(r.flags, FERRY_KEEP_MPI);
	assert_int_equal(r.thread_level, FERRY_THREAD_MULTIPLE);
	fy_options_free(&r);
}

static void every_option_can_be_set_in_the_environment(void **state)
{
	static const struct {
		const char *name, *value, *formatted;
	} cases[] = {
		{ "FLAGS", "nonblock", "nonblock" },
		{ "THREAD_LEVEL", "Funneled", "funneled" },
		{ "RECEIVE_MEMORY", "1g", "1g" },
		{ "SEND_MEMORY", "1048577", "1048577" },
		{ "MESSAGE_MAX", "10KiB", "10k" },
		{ "OUT_OF_BAND", "none", "none" },
		{ "DECODE_MEMORY", "4096", "4k" },
		{ "HANDLER_GRACE", "1500000000", "1500ms" },
		{ "SPIN", "1000001", "1000001ns" },
		{ "SLEEP_MAX", "0", "none" },
		{ "LEND", "off", "off" },
		{ "PROGRESS_CPUS", "0,2-3", "0,2-3" },
		{ "PEER_TIMEOUT", "2500ms", "2500ms" },
		/* these have no effect yet */
		{ "CLOSE_TIMEOUT", "60000ms", "60s" },
		{ "STUCK_AFTER", "off", "none" },
		{ "STATS", "off", "none" },
		{ "TRACE", "none", "none" },
		{ "LOG", "stderr", "stderr" },
		{ "CHECKSUM", "false", "off" },
		{ "QUORUM", "on", "on" },
		{ "MONITOR", "none", "none" },
		{ "DUMP_SIGNAL", "0", "none" },
		{ "LOG_LEVEL", "Info", "info" },
		{ "TRACE_EVERY", "16", "16" },
		{ "TRACE_MEMORY", "16384k", "16m" },
	};
	size_t count;
	const struct fy_option *table = fy_options_table(&count);
	char name[FY_OPTION_NAME], text[80];
	ferry_options r;

	(void)state;
	assert_int_equal(count, sizeof cases / sizeof cases[0]);
	for (size_t i = 0; i < count; i++) {
		fy_option_variable(&table[i], name);
		assert_string_equal(name + 6, cases[i].name);
		setenv(name, cases[i].value, 1);
	}
	r = resolve(NULL);
	for (size_t i = 0; i < count; i++) {
		if (table[i].type == FY_OPTION_TEXT)
			snprintf(text, sizeof text, "%s", text_or_none(&table[i], &r));
		else
			fy_option_format(&table[i], fy_option_get(&table[i], &r), text,
			                 sizeof text);
		assert_string_equal(text, cases[i].formatted);
	}
	assert_int_equal(r.sleep_max, 0);
	assert_int_equal(r.handler_grace, FERRY_MS(1500));
	assert_true(r.out_of_band == SIZE_MAX);
	assert_int_equal(fy_options_warn(NULL, 1), 0);
	fy_options_free(&r);
}

static void an_empty_variable_counts_as_not_set(void **state)
{
	ferry_options r;

	(void)state;
	setenv("FERRY_SEND_MEMORY", "", 1);
	setenv("FERRY_LOG", "", 1);
	r = resolve(NULL);
	assert_int_equal(r.send_memory, 64 << 20);
	assert_null(r.log);
	fy_options_free(&r);
}

static void none_switches_off_whatever_the_environment_says(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_options r;

	(void)state;
	setenv("FERRY_CHECKSUM", "on", 1);
	setenv("FERRY_SPIN", "5us", 1);
	setenv("FERRY_CLOSE_TIMEOUT", "5s", 1);
	setenv("FERRY_MESSAGE_MAX", "5k", 1);
	setenv("FERRY_TRACE", "somewhere", 1);
	options.checksum = FERRY_NONE;
	options.lend = FERRY_NONE;
	options.spin = FERRY_NONE;
	options.close_timeout = FERRY_NONE;
	options.message_max = (size_t)FERRY_NONE;
	options.trace = "";
	r = resolve(&options);
	assert_int_equal(r.checksum, 0);
	assert_int_equal(r.lend, 0);
	assert_int_equal(r.spin, 0);
	assert_int_equal(r.close_timeout, FERRY_NONE);
	assert_true(r.message_max == SIZE_MAX);
	assert_null(r.trace);
	fy_options_free(&r);
}

/* ---- what is refused --------------------------------------------------------- */

static void a_bad_variable_is_refused_with_its_name_value_and_what_is_accepted(void **state)
{
	(void)state;
	assert_variable_refused("FERRY_FLAGS", "exclusive,fast",
	                        "exclusive,nonblock,keep_mpi,no_thread");
	assert_variable_refused("FERRY_FLAGS", "exclusive,", "commas");
	assert_variable_refused("FERRY_THREAD_LEVEL", "single", "funneled, serialized or multiple");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "lots", "suffix k, m or g");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "1023k", "at least 1m");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "none", "at least 1m");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "0", "at least 1m");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "9223372036854775808", "at least 1m");
	assert_variable_refused("FERRY_RECEIVE_MEMORY", "17592186044417m", "at least 1m");
	assert_variable_refused("FERRY_SEND_MEMORY", "-1", "at least 1m");
	assert_variable_refused("FERRY_SEND_MEMORY", "2m ", "at least 1m");
	assert_variable_refused("FERRY_MESSAGE_MAX", "1.5k", "or none");
	assert_variable_refused("FERRY_HANDLER_GRACE", "5 minutes", "ns, us, ms or s");
	assert_variable_refused("FERRY_SPIN", "2s", "at most 1s");
	assert_variable_refused("FERRY_SLEEP_MAX", "11s", "at most 10s, or none");
	assert_variable_refused("FERRY_PEER_TIMEOUT", "99ms", "at least 100ms");
	assert_variable_refused("FERRY_LEND", "2", "0 or off");
	assert_variable_refused("FERRY_CHECKSUM", "maybe", "1 or on");
	assert_variable_refused("FERRY_DUMP_SIGNAL", "bang", "a name such as usr2");
	assert_variable_refused("FERRY_DUMP_SIGNAL", "65", "the number of a signal");
	assert_variable_refused("FERRY_LOG_LEVEL", "loud", "error, warning, info or debug");
}

static void a_bad_variable_is_refused_also_where_a_field_wins(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	(void)state;
	options.checksum = 1;
	setenv("FERRY_CHECKSUM", "perhaps", 1);
	assert_refused(&options, "FERRY_CHECKSUM", "perhaps", "1 or on");
}

static void a_bad_field_is_refused_with_its_name(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	(void)state;
	options.flags = 0x10;
	assert_refused(&options, "flags", "16", "exclusive");
	options.flags = 0;
	options.thread_level = 4;
	assert_refused(&options, "thread_level", "4", "multiple");
	options.thread_level = FERRY_NONE;
	assert_refused(&options, "thread_level", "-1", "multiple");
	options.thread_level = 0;
	options.receive_memory = 1000;
	assert_refused(&options, "receive_memory", "1000", "at least 1m");
	options.receive_memory = (size_t)FERRY_NONE;
	assert_refused(&options, "receive_memory", "-1", "at least 1m");
	options.receive_memory = 0;
	options.close_timeout = -5;
	assert_refused(&options, "close_timeout", "-5", "or none");
	options.close_timeout = 0;
	options.lend = 7;
	assert_refused(&options, "lend", "7", "1 or on");
}

static void statistics_are_a_table_or_a_file(void **state)
{
	static const char *const on[] = { "1", "on", "YES", "true", "a.json", "/tmp/b.json" };
	static const char *const off[] = { "0", "off", "No", "false", "none", "" };
	static const char *const bad[] = { "2", "a.txt", "a.jsonx", ".json", "stderr", "json" };
	ferry_options options = FERRY_OPTIONS_INIT, r;

	(void)state;
	for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
		setenv("FERRY_STATS", on[i], 1);
		r = resolve(NULL);
		assert_string_equal(r.stats, on[i]);
		assert_ptr_equal(fy_option_stats_file(r.stats), i < 4 ? NULL : r.stats);
		fy_options_free(&r);
		setenv("FERRY_STATS", off[i], 1);
		assert_null(resolve(NULL).stats);
		setenv("FERRY_STATS", "1", 1);
		options.stats = off[i];
		assert_null(resolve(&options).stats);
		unsetenv("FERRY_STATS");
		assert_variable_refused("FERRY_STATS", bad[i], "ends in .json, or none");
		options.stats = bad[i];
		assert_refused(&options, "stats=", bad[i], "1 for a table on stderr");
	}
}

static void what_has_no_effect_without_a_thread_is_refused(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT, r;

	(void)state;
	options.flags = FERRY_NO_THREAD;
	options.progress_cpus = "0";
	assert_refused(&options, "progress_cpus=0", "FERRY_NO_THREAD", "leave one");
	options.progress_cpus = NULL;
	options.lend = FERRY_NONE;
	assert_refused(&options, "lend", "FERRY_NO_THREAD", "leave one");
	options.lend = 1;
	options.dump_signal = 12;
	assert_int_equal(fy_options_resolve(&options, &r), FERRY_ENOTSUP);
	assert_non_null(strstr(ferry_last_error(), "dump_signal=12 with FERRY_NO_THREAD"));
	options.dump_signal = 0;
	resolve(&options);
}

/* The system would take what is there of a list, and say nothing of the rest. */
static void a_processor_that_is_not_there_is_refused(void **state)
{
	cpu_set_t before;
	char list[32];
	int here = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET((size_t)here, &before))
		here++;
	if (sysconf(_SC_NPROCESSORS_CONF) < CPU_SETSIZE) {
		assert_int_equal(fy_place_on("1023"), FERRY_EINVAL);
		assert_non_null(strstr(ferry_last_error(),
		                       "progress_cpus=1023: there is no processor 1023"));
		snprintf(list, sizeof list, "%d,1023", here);
		assert_int_equal(fy_place_on(list), FERRY_EINVAL);
	}
	snprintf(list, sizeof list, "%d", here);
	assert_int_equal(fy_place_on(list), FERRY_OK);
	fy_place_as_process();
	cpu_set_t now;
	assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
	assert_true(CPU_EQUAL(&now, &before));
}

static void lists_of_processors_are_checked(void **state)
{
	static const char *const bad[] = { "x",  "1-",  "-1",   "3-2",         "1,,2",
		                           "1,", "1 2", "1024", "99999999999", "0x1" };
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_variable_refused("FERRY_PROGRESS_CPUS", bad[i], "such as 3, 2-3 or 0,4-6");
	assert_int_equal(fy_cpus_named("progress_cpus", "0,4-6,1023", &set), FERRY_OK);
	assert_int_equal(CPU_COUNT(&set), 5);
	assert_true(CPU_ISSET(0, &set) && CPU_ISSET(4, &set) && CPU_ISSET(5, &set) &&
	            CPU_ISSET(6, &set));
	assert_true(CPU_ISSET(1023, &set));
}

/* ---- sizes of the struct ------------------------------------------------------- */

static void a_struct_without_its_size_is_refused(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	(void)state;
	options.size = 0;
	assert_refused(&options, "size is 0", "FERRY_OPTIONS_INIT", "");
	options.size = 7;
	assert_refused(&options, "size is 7", "FERRY_OPTIONS_INIT", "");
	options.size = 1 << 20;
	assert_refused(&options, "size is 1048576", "FERRY_OPTIONS_INIT", "");
}

static void an_older_program_lacks_fields(void **state)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_options r;

	(void)state;
	options.size = offsetof(ferry_options, spin) + 4; /* half a field is none */
	options.handler_grace = FERRY_S(1);
	options.spin = 1;
	options.checksum = 99; /* bytes of somebody else */
	options.log = (const char *)1;
	r = resolve(&options);
	assert_int_equal(r.handler_grace, FERRY_S(1));
	assert_int_not_equal(r.spin, 1);
	assert_int_equal(r.checksum, 0);
	assert_null(r.log);
}

static void a_newer_program_may_only_add_zeros(void **state)
{
	struct {
		ferry_options options;
		unsigned char more[24];
	} newer = { FERRY_OPTIONS_INIT, { 0 } };
	ferry_options r;

	(void)state;
	newer.options.size = sizeof newer;
	newer.options.out_of_band = 77;
	r = resolve(&newer.options);
	assert_int_equal(r.out_of_band, 77);
	assert_int_equal(r.size, sizeof(ferry_options));
	newer.more[23] = 1;
	assert_refused(&newer.options, "newer program", FERRY_VERSION, "update the library");
}

static void what_is_reported_can_be_given_again(void **state)
{
	struct {
		ferry_options options;
		unsigned char more[8];
	} newer;
	ferry_options options = FERRY_OPTIONS_INIT, given = FERRY_OPTIONS_INIT;
	ferry_options r, again;

	(void)state;
	given.lend = FERRY_NONE;
	given.spin = FERRY_NONE;
	given.send_memory = 5 << 20;
	r = resolve(&given);
	assert_int_equal(fy_options_report(&r, &options), FERRY_OK);
	assert_int_equal(options.lend, FERRY_NONE);
	setenv("FERRY_LEND", "1", 1);
	setenv("FERRY_SPIN", "1us", 1);
	again = resolve(&options);
	assert_memory_equal(&again, &r, sizeof r);

	options.size = offsetof(ferry_options, flags);
	options.flags = 77;
	assert_int_equal(fy_options_report(&r, &options), FERRY_OK);
	assert_int_equal(options.flags, 77);
	memset(&newer, 0xFF, sizeof newer);
	newer.options.size = sizeof newer;
	assert_int_equal(fy_options_report(&r, &newer.options), FERRY_OK);
	assert_int_equal(newer.options.size, sizeof newer);
	assert_int_equal(newer.more[7], 0);
	newer.options.size = 0;
	assert_int_equal(fy_options_report(&r, &newer.options), FERRY_EINVAL);
	assert_int_equal(fy_options_report(&r, NULL), FERRY_EINVAL);
}

/* ---- the log ------------------------------------------------------------------------ */

static char *read_file(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	unlink(name);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* Where fy_log_say goes meanwhile. */
static void say_to(const char *name)
{
	if (fy_log_say_fd != STDERR_FILENO)
		close(fy_log_say_fd);
	fy_log_say_fd =
		name ? open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : STDERR_FILENO;
	assert_true(fy_log_say_fd >= 0);
}

static void unknown_variables_are_named_in_the_log(void **state)
{
	char where[64], name[64], said[64];
	struct fy_log *log = NULL;
	char *text;

	(void)state;
	snprintf(where, sizeof where, "/tmp/test_options.%ld.%%r.%%%%", (long)getpid());
	snprintf(name, sizeof name, "/tmp/test_options.%ld.12.%%", (long)getpid());
	snprintf(said, sizeof said, "/tmp/test_options.%ld.said", (long)getpid());
	setenv("FERRY_ROOT", "/opt/ferry", 1);
	setenv("FERRY_SPINN", "1", 1);
	setenv("FERRY_TEST_ANYTHING", "1", 1);
	setenv("FERRY_SEEDS", "1", 1);
	setenv("FERRY_POLICY_YIELD", "1us", 1);
	setenv("FERRY_SPIN", "1us", 1);
	say_to(said);
	assert_int_equal(fy_options_warn(log, 12), 2);
	assert_int_equal(fy_log_open(where, 12, &log), FERRY_OK);
	assert_int_equal(fy_options_warn(log, 12), 2);
	fy_log_close(log);
	say_to(NULL);
	assert_string_equal(read_file(said), ""); /* rank 0 says it */
	text = read_file(name);
	assert_non_null(strstr(text, "FERRY_ROOT"));
	assert_non_null(strstr(text, "FERRY_SPINN,"));
	assert_null(strstr(text, "FERRY_TEST"));
	assert_null(strstr(text, "FERRY_SEEDS"));
	assert_null(strstr(text, "FERRY_POLICY"));
	assert_null(strstr(text, "FERRY_DEBUG"));
	assert_non_null(strstr(text, "ferry[12]"));
}

static void a_misspelt_variable_is_said_by_rank_0_once(void **state)
{
	static const struct {
		const char *wrong, *right; /* NULL: nobody is accused */
	} names[] = {
		{ "FERRY_SPINN", "FERRY_SPIN" },
		{ "FERRY_SPN", "FERRY_SPIN" },
		{ "FERRY_LGO", "FERRY_LOG" },
		{ "FERRY_RECIEVE_MEMORY", "FERRY_RECEIVE_MEMORY" },
		{ "FERRY_RECEIVEMEMORY", "FERRY_RECEIVE_MEMORY" },
		{ "FERRY_HANDLER_GRASE", "FERRY_HANDLER_GRACE" },
		{ "FERRY_PROGRESS_CPU", "FERRY_PROGRESS_CPUS" },
		{ "FERRY_FLAG", "FERRY_FLAGS" },
		{ "FERRY_HOME", NULL },
		{ "FERRY_DIR", NULL },
		{ "FERRY_ROOT", NULL },
		{ "FERRY_VERSION", NULL },
		{ "FERRY_LIB", NULL },
		{ "FERRY_BIN", NULL },
		{ "FERRY_DOC", NULL },
		{ "FERRY_CFLAGS", NULL },
		{ "FERRY_SEDS", NULL },
		{ "FERRY_TEST_SPIN", NULL },
		{ "FERRY_POLICY_SPIN", NULL },
		{ "FERRY_SPIN_LONGER", NULL },
		{ "FERRY_", NULL },
		{ "FERRY_A_NAME_THAT_IS_LONGER_THAN_ANY_OPTIONS_NAME_IS", NULL },
	};
	char said[64], wanted[200];

	(void)state;
	snprintf(said, sizeof said, "/tmp/test_options.%ld.said", (long)getpid());
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		setenv(names[i].wrong, "1", 1);
		fy_options_said = 0;
		say_to(said);
		fy_options_warn(NULL, 0);
		fy_options_warn(NULL, 0);
		say_to(NULL);
		unsetenv(names[i].wrong);
		snprintf(wanted, sizeof wanted,
		         "ferry: rank 0: the environment has %s, which is no option: did you mean "
		         "%s?\n",
		         names[i].wrong, names[i].right);
		assert_string_equal(read_file(said), names[i].right ? wanted : "");
	}
}

static void the_table_and_the_struct_agree(void **state)
{
	size_t count, end = offsetof(ferry_options, flags);
	const struct fy_option *table = fy_options_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(table[i].offset >= end && table[i].offset - end < 8);
		end = table[i].offset + (table[i].type == FY_OPTION_FLAGS ||
		                                         table[i].type == FY_OPTION_LEVEL ||
		                                         table[i].type == FY_OPTION_SWITCH ||
		                                         table[i].type == FY_OPTION_SIGNAL ||
		                                         table[i].type == FY_OPTION_LOG_LEVEL
		                                 ? 4
		                                 : 8);
	}
	assert_true(sizeof(ferry_options) - end < 8);
	assert_int_equal(find("spin")->offset, offsetof(ferry_options, spin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_environment, clear_environment)
		TEST(nothing_given_yields_the_defaults),
		TEST(processors_are_counted_at_the_load),
		TEST(the_environment_comes_before_the_default_and_after_the_field),
		TEST(every_option_can_be_set_in_the_environment),
		TEST(an_empty_variable_counts_as_not_set),
		TEST(none_switches_off_whatever_the_environment_says),
		TEST(a_bad_variable_is_refused_with_its_name_value_and_what_is_accepted),
		TEST(a_bad_variable_is_refused_also_where_a_field_wins),
		TEST(a_bad_field_is_refused_with_its_name),
		TEST(statistics_are_a_table_or_a_file),
		TEST(what_has_no_effect_without_a_thread_is_refused),
		TEST(a_processor_that_is_not_there_is_refused),
		TEST(lists_of_processors_are_checked),
		TEST(a_struct_without_its_size_is_refused),
		TEST(an_older_program_lacks_fields),
		TEST(a_newer_program_may_only_add_zeros),
		TEST(what_is_reported_can_be_given_again),
		TEST(unknown_variables_are_named_in_the_log),
		TEST(a_misspelt_variable_is_said_by_rank_0_once),
		TEST(the_table_and_the_struct_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
