/* SPDX-License-Identifier: Apache-2.0 */
/* The log: where lines go, which, what stands in front of them, and a function of the program's in
 * the place of the option. */
#include "test.h"
#include "base/log.h"
#include "base/order.h"
#include "base/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- helpers --------------------------------------------------------------------------------- */

static char file_name[64];

static char *read_log(void)
{
	static char text[8192];
	int fd = open(file_name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	unlink(file_name);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static struct fy_log *open_log(int rank)
{
	struct fy_log *log = NULL;

	assert_int_equal(fy_log_open(file_name, rank, &log), FERRY_OK);
	assert_non_null(log);
	return log;
}

static unsigned count(const char *text, const char *part)
{
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

/* What a function of the program's heard. */
struct heard {
	unsigned n;
	int level;
	char line[1200];
};

static void hear(int level, const char *line, void *arg)
{
	struct heard *heard = arg;
	heard->n++;
	heard->level = level;
	snprintf(heard->line, sizeof heard->line, "%s", line);
}

static int begin(void **state)
{
	(void)state;
	snprintf(file_name, sizeof file_name, "/tmp/test_log.%ld", (long)getpid());
	unlink(file_name);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(file_name);
	return ferry_log_to(NULL, NULL);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void a_log_is_off_a_file_or_refused(void **state)
{
	struct fy_log *log = NULL;
	char line[3000];

	(void)state;
	fy_log(NULL, "nothing %d", 1);
	fy_log_close(NULL);
	assert_int_equal(fy_log_open(NULL, 0, &log), FERRY_OK);
	fy_log(log, "nothing %d", 1);
	fy_log_close(log);
	assert_int_equal(fy_log_open("stderr", 0, &log), FERRY_OK);
	assert_non_null(log);
	fy_log_close(log);
	assert_int_equal(fy_log_open("/nonexistent/directory/x", 0, &log), FERRY_EINVAL);
	assert_non_null(strstr(ferry_last_error(), "/nonexistent/directory/x"));
	assert_int_equal(fy_log_open("a%s", 0, &log), FERRY_EINVAL);
	assert_int_equal(fy_log_open("a%", 0, &log), FERRY_EINVAL);
	memset(line, 'y', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	log = open_log(3);
	fy_log(log, "%s", line);
	fy_log(log, "second");
	fy_log_close(log);
	char *text = read_log();
	assert_true(strlen(text) < 1200);
	assert_non_null(strstr(text, "yyyy\nferry[3]"));
	assert_non_null(strstr(text, " second\n"));
}

/* What is said without being asked for: on the descriptor of standard error, and in a log
 * elsewhere. */
static void a_line_that_everybody_has_to_see(void **state)
{
	char said[80], text[400] = "";

	(void)state;
	snprintf(said, sizeof said, "%s.said", file_name);
	fy_log_say_fd = open(said, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fy_log_say_fd >= 0);
	fy_log_say(NULL, -1, "before %s", "an engine");
	fy_log_say(NULL, 5, "without a log");
	struct fy_log *log = open_log(5);
	fy_log_say(log, 5, "number %d", 3);
	fy_log_set_level(log, FERRY_LOG_ERROR);
	fy_log_say(log, 5, "number %d", 4);
	fy_log_print("as it\nis");
	fy_log_close(log);
	assert_true(pread(fy_log_say_fd, text, sizeof text - 1, 0) > 0);
	close(fy_log_say_fd);
	fy_log_say_fd = STDERR_FILENO;
	unlink(said);
	assert_string_equal(text, "ferry: before an engine\nferry: rank 5: without a log\n"
	                          "ferry: rank 5: number 3\nferry: rank 5: number 4\nas it\nis");
	char *logged = read_log();
	assert_non_null(strstr(logged, "ferry[5] "));
	assert_non_null(strstr(logged, " number 3\n"));
	assert_non_null(strstr(logged, " warning "));
	assert_null(strstr(logged, "number 4"));
	assert_null(strstr(logged, "without"));
	assert_null(strstr(logged, "as it"));
}

/* ---- levels and what stands in front --------------------------------------------------------- */

static void a_line_has_rank_time_level_and_thread_in_front(void **state)
{
	char name[16], wanted[80];
	unsigned seconds, micros;

	(void)state;
	struct fy_log *log = open_log(3);
	errno = EXDEV;
	fy_log_at(log, FERRY_LOG_ERROR, "hello %d", 1);
	assert_int_equal(errno, EXDEV);
	fy_log_close(log);
	char *text = read_log();
	assert_int_equal(sscanf(text, "ferry[3] %u.%6u error ", &seconds, &micros), 2);
	assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
	snprintf(wanted, sizeof wanted, " error %s/%d: hello 1\n", name, (int)gettid());
	assert_non_null(strstr(text, wanted));
}

static void *log_beside(void *log)
{
	pthread_setname_np(pthread_self(), "other-thread");
	fy_log(log, "beside");
	return NULL;
}

static void each_thread_has_its_name(void **state)
{
	pthread_t thread;

	(void)state;
	struct fy_log *log = open_log(0);
	assert_int_equal(pthread_create(&thread, NULL, log_beside, log), 0);
	pthread_join(thread, NULL);
	fy_log_close(log);
	assert_non_null(strstr(read_log(), " info other-thread/"));
}

static void what_is_less_important_is_left_out(void **state)
{
	(void)state;
	for (int level = FERRY_LOG_ERROR; level <= FERRY_LOG_DEBUG; level++) {
		struct fy_log *log = open_log(0);
		fy_log_set_level(log, level);
		fy_log_at(log, FERRY_LOG_ERROR, "e");
		fy_log_at(log, FERRY_LOG_WARNING, "w");
		fy_log(log, "i");
		fy_log_at(log, FERRY_LOG_DEBUG, "d");
		fy_log_close(log);
		char *text = read_log();
		assert_int_equal(count(text, "\n"), level);
		assert_int_equal(count(text, " error "), 1);
		assert_int_equal(count(text, " warning "), level >= FERRY_LOG_WARNING);
		assert_int_equal(count(text, " info "), level >= FERRY_LOG_INFO);
		assert_int_equal(count(text, " debug "), level >= FERRY_LOG_DEBUG);
	}
	struct fy_log *log = open_log(0);
	fy_log_at(log, FERRY_LOG_DEBUG, "not unless it is asked for");
	fy_log_close(log);
	assert_string_equal(read_log(), "");
}

/* 1, 2, 4, 8, ... of each kind by itself. */
static void what_comes_often_is_written_seldom(void **state)
{
	(void)state;
	struct fy_log *log = open_log(0);
	for (int i = 0; i < 1000; i++)
		fy_log_often(log, FERRY_LOG_WARNING, FY_OFTEN_MALFORMED, "bad %d", i);
	fy_log_often(log, FERRY_LOG_WARNING, FY_OFTEN_NO_RECEIVE, "another");
	fy_log_close(log);
	char *text = read_log();
	assert_int_equal(count(text, "\n"), 11);
	assert_non_null(strstr(text, ": bad 0\n"));
	assert_non_null(strstr(text, ": bad 1 (2 so far)\n"));
	assert_non_null(strstr(text, ": bad 511 (512 so far)\n"));
	assert_null(strstr(text, "bad 2 "));
	assert_non_null(strstr(text, ": another\n"));
}

/* ---- a function of the program's ------------------------------------------------------------- */

static void a_function_gets_the_lines_in_the_place_of_the_file(void **state)
{
	struct heard heard = { 0 };

	(void)state;
	struct fy_log *log = open_log(7);
	fy_log(log, "to the file");
	assert_int_equal(ferry_log_to(hear, &heard), FERRY_OK);
	fy_log_at(log, FERRY_LOG_ERROR, "to the %s", "function");
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.level, FERRY_LOG_ERROR);
	assert_int_equal(strncmp(heard.line, "ferry[7] ", 9), 0);
	assert_non_null(strstr(heard.line, ": to the function"));
	assert_null(strchr(heard.line, '\n'));
	fy_log_at(log, FERRY_LOG_DEBUG, "less than the option wants");
	assert_int_equal(heard.n, 1);
	assert_int_equal(ferry_log_to(NULL, NULL), FERRY_OK);
	fy_log(log, "to the file again");
	assert_int_equal(heard.n, 1);
	fy_log_close(log);
	char *text = read_log();
	assert_int_equal(count(text, "\n"), 2);
	assert_int_equal(count(text, "to the file"), 2);
}

static void a_function_gets_lines_without_the_option(void **state)
{
	struct heard heard = { 0 };
	struct fy_log *log = NULL;

	(void)state;
	assert_int_equal(ferry_log_to(hear, &heard), FERRY_OK);
	assert_int_equal(fy_log_open(NULL, 4, &log), FERRY_OK);
	fy_log(log, "here");
	assert_int_equal(heard.n, 1);
	assert_int_equal(strncmp(heard.line, "ferry[4] ", 9), 0);
	fy_log_close(log);
}

/* On stderr, and to the function. */
static void what_is_said_gets_to_the_function_too(void **state)
{
	struct heard heard = { 0 };
	struct fy_log *log = NULL;

	(void)state;
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ferry_log_to(hear, &heard), FERRY_OK);
	fy_log_say(NULL, -1, "without an engine");
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.level, FERRY_LOG_WARNING);
	assert_string_equal(heard.line, "ferry: without an engine");
	assert_int_equal(fy_log_open("stderr", 4, &log), FERRY_OK);
	fy_log_say(log, 4, "with one");
	assert_int_equal(heard.n, 2);
	assert_non_null(strstr(heard.line, ": with one"));
	fy_log_close(log);
	close(fy_log_say_fd);
	fy_log_say_fd = STDERR_FILENO;
}

/* It logs itself, fails at something, and sets another function. */
struct meddler {
	struct fy_log *log;
	struct heard after;
	unsigned n;
};

static void meddle(int level, const char *line, void *arg)
{
	struct meddler *m = arg;
	(void)level;
	(void)line;
	if (m->n++ > 3)
		return;
	assert_false(fy_listener_is_there());
	fy_log(m->log, "from inside");
	assert_int_equal(ferry_rank(NULL), FERRY_EINVAL);
	assert_int_equal(ferry_log_to(hear, &m->after), FERRY_OK);
	assert_int_equal(ferry_log_to(hear, &m->after), FERRY_OK);
}

static void a_function_that_meddles_is_called_once(void **state)
{
	struct meddler m = { 0 };

	(void)state;
	m.log = open_log(1);
	assert_int_equal(ferry_size(NULL), FERRY_EINVAL);
	assert_int_equal(ferry_log_to(meddle, &m), FERRY_OK);
	fy_log(m.log, "outside");
	assert_int_equal(m.n, 1);
	assert_int_equal(m.after.n, 0);
	/* the failure inside is not this thread's last one */
	assert_non_null(strstr(ferry_last_error(), "ferry_size"));
	fy_log(m.log, "to the other");
	assert_int_equal(m.n, 1);
	assert_int_equal(m.after.n, 1);
	fy_log_close(m.log);
	char *text = read_log();
	assert_int_equal(count(text, "\n"), 1);
	assert_non_null(strstr(text, ": from inside\n"));
}

/* ---- several threads ------------------------------------------------------------------------- */

#define LOGGERS 4
#define CHANGES 200

/* Two functions in turn; each notes whether it runs though it was taken away. */
struct turn {
	uint32_t inside; /* atomic add by the threads that run it */
	uint32_t calls, wrong;
	uint32_t allowed; /* by the thread that sets it, before and after */
};
static uint32_t stop;

static void note_turn(int level, const char *line, void *arg)
{
	struct turn *turn = arg;
	(void)level;
	(void)line;
	fy_add_32(&turn->inside, 1);
	fy_add_32(&turn->calls, 1);
	usleep(100); /* so that somebody is inside when it is taken away */
	if (!fy_load_acquire_32(&turn->allowed))
		fy_add_32(&turn->wrong, 1);
	fy_sub_32(&turn->inside, 1);
}

static void *log_on(void *log)
{
	while (!fy_load_acquire_32(&stop))
		fy_log(log, "on and on");
	return NULL;
}

static void a_function_that_was_taken_away_does_not_run(void **state)
{
	static struct turn turns[2];
	pthread_t threads[LOGGERS];
	struct fy_log *log = NULL;
	unsigned busy = 0;

	(void)state;
	assert_int_equal(fy_log_open(NULL, 0, &log), FERRY_OK);
	for (int i = 0; i < LOGGERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_on, log), 0);
	for (unsigned long i = 0; i < t_scaled(CHANGES); i++) {
		struct turn *next = &turns[i % 2], *last = &turns[(i + 1) % 2];
		fy_store_release_32(&next->allowed, 1);
		uint32_t calls = fy_load_acquire_32(&next->calls);
		assert_int_equal(ferry_log_to(i % 7 ? note_turn : NULL, next), FERRY_OK);
		busy += fy_load_acquire_32(&last->inside) != 0;
		fy_store_release_32(&last->allowed, 0);
		for (int k = 0; i % 7 && k < 1000 && fy_load_acquire_32(&next->calls) == calls; k++)
			sched_yield();
	}
	assert_int_equal(ferry_log_to(NULL, NULL), FERRY_OK);
	fy_store_release_32(&stop, 1);
	for (int i = 0; i < LOGGERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(busy, 0);
	assert_int_equal(turns[0].wrong + turns[1].wrong, 0);
	assert_true(turns[0].calls && turns[1].calls);
	fy_log_close(log);
}

/* ---- it does not return ---------------------------------------------------------------------- */

static void leave(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
	pthread_exit(NULL);
}

static void *log_and_leave(void *log)
{
	fy_log(log, "farewell");
	return NULL;
}

/* In a process of its own. */
static void whoever_leaves_it_ends_the_program(void **state)
{
	int status, ends[2];
	char text[300] = "";

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		pthread_t thread;
		struct fy_log *log = NULL;
		dup2(ends[1], STDERR_FILENO);
		ferry_log_to(leave, NULL);
		if (fy_log_open(NULL, 0, &log) == FERRY_OK &&
		    pthread_create(&thread, NULL, log_and_leave, log) == 0)
			pthread_join(thread, NULL);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(read(ends[0], text, sizeof text - 1) > 0);
	close(ends[0]);
	assert_true(WIFSIGNALED(status));
	assert_non_null(strstr(text, "ferry: the function of ferry_log_to did not return"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(whoever_leaves_it_ends_the_program),
		TEST(a_log_is_off_a_file_or_refused),
		TEST(a_line_that_everybody_has_to_see),
		TEST(a_line_has_rank_time_level_and_thread_in_front),
		TEST(each_thread_has_its_name),
		TEST(what_is_less_important_is_left_out),
		TEST(what_comes_often_is_written_seldom),
		TEST(a_function_gets_the_lines_in_the_place_of_the_file),
		TEST(a_function_gets_lines_without_the_option),
		TEST(what_is_said_gets_to_the_function_too),
		TEST(a_function_that_meddles_is_called_once),
		TEST(a_function_that_was_taken_away_does_not_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
