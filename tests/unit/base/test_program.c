/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program: what does not return ends the process, with a sentence; exit waits for who
 * is inside, for a second at most, and lets nothing begin. Each in a process of its own.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "base/program.h"

/* ---- memory, which runs out ----------------------------------------------------------------- */

static bool is_short;

void *aligned_alloc(size_t alignment, size_t nbytes)
{
	void *memory = NULL;
	if (is_short || posix_memalign(&memory, alignment, nbytes) != 0)
		return NULL;
	return memory;
}

/* ---- a process of its own ------------------------------------------------------------------- */

static char said[1000];

static void read_all(int fd)
{
	size_t used = 0;
	ssize_t n;
	while (used < sizeof said - 1 && (n = read(fd, said + used, sizeof said - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
}

/* Leave out what a sanitizer remarks, as "==PID==...": it knows of threads that a fork has not.
 * What it reports as wrong makes the status of the process another one. */
static void leave_out_sanitizers(void)
{
	char *to = said;
	for (const char *line = said, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (strncmp(line, "==", 2) != 0) {
			memmove(to, line, (size_t)(next - line));
			to += next - line;
		}
	}
	*to = '\0';
}

/* What `body` writes to stderr is in `said`. Returns how the process ended. */
static int in_child(void (*body)(void))
{
	int ends[2], status = 0;
	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL); /* CMocka's is for its own process */
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		alarm(30);
		body();
		exit(0);
	}
	close(ends[1]);
	read_all(ends[0]);
	leave_out_sanitizers();
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void does_not_return_of(uint32_t op)
{
	FY_PROGRAM_BEGIN("a handler", &op);
	(void)fy_visit_;
}

static void leave_a_handler(void)
{
	does_not_return_of(7);
}

static void leave_a_callback(void)
{
	FY_PROGRAM_BEGIN("a callback", &fy_program_no_op);
	(void)fy_visit_;
}

static void who_does_not_return_ends_the_process(void **state)
{
	(void)state;
	int status = in_child(leave_a_handler);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(said, "ferry: a handler of op 0x7 did not return: "));
	status = in_child(leave_a_callback);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(said, "ferry: a callback did not return: "));
}

/* ---- exit ----------------------------------------------------------------------------------- */

static int64_t stays_for;
static uint32_t inside; /* release, acquire */

static void *stay_inside(void *arg)
{
	fy_program_enter();
	fy_store_release_32(&inside, 1);
	t_sleep_ms((long)(stays_for / FERRY_MS(1)));
	fy_program_leave();
	return arg;
}

static void exit_beside_one_that_is_inside(void)
{
	pthread_t thread;
	fy_program_begin();
	if (pthread_create(&thread, NULL, stay_inside, NULL) != 0)
		_exit(9);
	pthread_detach(thread); /* nobody waits for it but exit */
	while (!fy_load_acquire_32(&inside))
		;
}

static void exit_waits_for_who_is_inside(void **state)
{
	(void)state;
	stays_for = FERRY_MS(200);
	int64_t start = fy_clock_now();
	assert_int_equal(in_child(exit_beside_one_that_is_inside), 0);
	assert_true(fy_clock_now() - start >= FERRY_MS(150));
	assert_string_equal(said, "");
}

static void but_not_for_ever(void **state)
{
	(void)state;
	stays_for = FERRY_S(25);
	int64_t start = fy_clock_now();
	assert_int_equal(in_child(exit_beside_one_that_is_inside), 0);
	assert_in_range(fy_clock_now() - start, FERRY_S(1), FERRY_S(20));
	assert_non_null(strstr(said,
	                       "ferry: exit goes on beside a handler or callback that has not "
	                       "returned for a second"));
}

/* The fork of a process with threads inside has none of them. If its exit waited for one, it would
 * say so after a second. (How long it took says nothing: the thread sanitizer sleeps a second.) */
static void fork_beside_one_that_is_inside(void)
{
	exit_beside_one_that_is_inside();
	pid_t child = fork();
	if (child == 0) {
		alarm(30);
		exit(0);
	}
	int status = -1;
	if (waitpid(child, &status, 0) != child || status)
		_exit(9);
	_exit(0);
}

static void a_fork_does_not_wait(void **state)
{
	(void)state;
	stays_for = FERRY_S(25);
	assert_int_equal(in_child(fork_beside_one_that_is_inside), 0);
	assert_string_equal(said, "");
}

static void end_it(void)
{
	fy_program_begin();
	if (!fy_program_may_run())
		_exit(1);
	fy_program_end();
	_exit(fy_program_may_run() ? 2 : 0);
}

static void nothing_begins_once_exit_has_begun(void **state)
{
	(void)state;
	assert_int_equal(in_child(end_it), 0);
}

/* ---- threads -------------------------------------------------------------------------------- */

static struct fy_program_inside *entries[3];

static void *enter_and_leave(void *arg)
{
	unsigned *at = arg;
	fy_program_enter();
	entries[*at] = fy_program_inside;
	fy_program_leave();
	return NULL;
}

static void run_thread(unsigned at)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, enter_and_leave, &at) != 0 ||
	    pthread_join(thread, NULL) != 0)
		_exit(9);
}

/* The entry of one that has exited is the next one's. Without memory for one exit does not know of
 * the thread, and waits for nobody. */
static void threads_without_memory(void)
{
	is_short = true;
	run_thread(0);
	is_short = false;
	run_thread(1);
	run_thread(2);
	if (!entries[0] || entries[0] == entries[1] || entries[1] != entries[2])
		_exit(9);
	_exit(0);
}

static void an_entry_is_used_again(void **state)
{
	(void)state;
	assert_int_equal(in_child(threads_without_memory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_return_ends_the_process),
		cmocka_unit_test(exit_waits_for_who_is_inside),
		cmocka_unit_test(but_not_for_ever),
		cmocka_unit_test(a_fork_does_not_wait),
		cmocka_unit_test(nothing_begins_once_exit_has_begun),
		cmocka_unit_test(an_entry_is_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
