/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog, beside engines that are nothing but words. It looks every 10 ms here. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/order.h"
#include "engine/watchdog.h"
#include "ferry.h"
#include "shared/engine.h"
#include "shared/inside.h"

enum { OP = 7, LOOKS = 8 };

struct watched_engine {
	ferry engine;
	struct fy_watched watched;
	uint64_t steps;
	uint32_t word;
};

static void sleep_ms(unsigned ms)
{
	usleep(1000 * ms);
}

static void begin(struct watched_engine *e, struct fy_log *log)
{
	memset(e, 0, sizeof *e);
	e->engine.options.peer_timeout = FERRY_MS(240);
	e->engine.end.inside = FY_INSIDE_NOTHING;
	e->engine.log = log;
	assert_int_equal(fy_watchdog_join(&e->watched), FERRY_OK);
	fy_watchdog_watch(&e->watched, &e->engine, &e->steps, &e->word, true);
}

static void inside(struct watched_engine *e, uint32_t what)
{
	fy_store_relaxed_32(&e->engine.end.inside, what);
}

static uint32_t beats(const struct watched_engine *e)
{
	return fy_load_relaxed_32(&e->word);
}

static void wait_for_beats(const struct watched_engine *e, uint32_t n)
{
	uint32_t before = beats(e);
	for (int ms = 0; beats(e) - before < n && ms < 20000; ms++)
		sleep_ms(1);
	assert_true(beats(e) - before >= n);
}

/* In the time of so many looks it may have looked once while things changed. */
static void assert_no_beats(const struct watched_engine *e)
{
	sleep_ms(30);
	uint32_t before = beats(e);
	sleep_ms(10 * LOOKS);
	assert_int_equal(beats(e), before);
}

static void it_beats_while_code_of_the_program_stands(void **state)
{
	static struct watched_engine e;

	(void)state;
	begin(&e, NULL);
	assert_no_beats(&e); /* asleep, or in MPI */
	inside(&e, OP);
	wait_for_beats(&e, 3);
	inside(&e, FY_INSIDE_CALLBACK);
	wait_for_beats(&e, 3);
	inside(&e, FY_INSIDE_NOTHING);
	assert_no_beats(&e);
	inside(&e, FY_INSIDE_END);
	assert_no_beats(&e);
	fy_watchdog_leave(&e.watched);
}

/* A loop that steps answers by itself, whatever it runs at the moment of the look. */
static void it_does_not_speak_for_a_loop_that_steps(void **state)
{
	static struct watched_engine e;

	(void)state;
	begin(&e, NULL);
	inside(&e, OP);
	wait_for_beats(&e, 1);
	uint32_t before = beats(&e);
	int64_t stood = 0; /* looks in which this thread may not have run */
	for (uint64_t steps = 1; steps <= 100; steps++) {
		int64_t at = t_now();
		fy_store_relaxed_64(&e.steps, steps);
		sleep_ms(1);
		stood += (t_now() - at) / FERRY_MS(10);
	}
	assert_true((int64_t)(beats(&e) - before) <= stood + 1);
	fy_watchdog_leave(&e.watched);
}

/* Whoever writes to the word does not keep it from moving. */
static void its_word_is_its_own(void **state)
{
	static struct watched_engine e;

	(void)state;
	begin(&e, NULL);
	inside(&e, OP);
	wait_for_beats(&e, 2);
	uint32_t before = beats(&e);
	fy_store_relaxed_32(&e.word, 12345678);
	for (int ms = 0; beats(&e) == 12345678 && ms < 20000; ms++)
		sleep_ms(1);
	assert_true(beats(&e) > before && beats(&e) < 1000);
	fy_watchdog_leave(&e.watched);
}

static void half_of_the_timeout_is_logged_once(void **state)
{
	static struct watched_engine e;
	char name[] = "/tmp/ferry-watchdog-XXXXXX", text[4096] = "";
	struct fy_log *log = NULL;

	(void)state;
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(fy_log_open(name, 0, &log), FERRY_OK);
	begin(&e, log);
	inside(&e, OP);
	wait_for_beats(&e, 20);
	fy_watchdog_leave(&e.watched);
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	char *said = strstr(text, "inside of the inline handler of op 0x7 for 120 ms");
	assert_non_null(said);
	assert_null(strstr(said + 1, "inside of"));
	fy_log_close(log);
	close(fd);
	unlink(name);
}

static int threads(void)
{
	char line[256];
	int n = 0;
	FILE *f = fopen("/proc/self/status", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	fclose(f);
	return n;
}

/* A thread that was joined is counted for a moment more. */
static void wait_for_threads(int n)
{
	for (unsigned i = 0; threads() != n && i < 5000; i++)
		sleep_ms(1);
	assert_int_equal(threads(), n);
}

/* One thread for all engines, which ends with the last. */
static void engines_share_it(void **state)
{
	static struct watched_engine a, b;

	(void)state;
	sleep_ms(50); /* a thread of the test before, likewise */
	int before = threads();
	begin(&a, NULL);
	begin(&b, NULL);
	assert_int_equal(threads(), before + 1);
	inside(&a, OP);
	wait_for_beats(&a, 2);
	assert_int_equal(beats(&b), 0);
	fy_watchdog_leave(&a.watched);
	fy_watchdog_leave(&a.watched); /* has no effect */
	assert_int_equal(threads(), before + 1);
	inside(&b, OP);
	wait_for_beats(&b, 2);
	fy_watchdog_leave(&b.watched);
	wait_for_threads(before);
}

/* The thread sanitizer and qemu have no threads in a child of a process with threads. */
static bool child_may_have_threads(void)
{
#ifdef __SANITIZE_THREAD__
	return false;
#endif
	const char *wrapper = getenv("TEST_WRAPPER");
	return !wrapper || !strstr(wrapper, "qemu");
}

/* A child of a fork has no watchdog, and may start one. */
static void a_child_may_have_its_own(void **state)
{
	static struct watched_engine e, mine;
	int status;

	(void)state;
	if (!child_may_have_threads())
		return;
	begin(&e, NULL);
	pid_t child = fork();
	if (child == 0) {
		alarm(30);
		begin(&mine, NULL);
		inside(&mine, OP);
		while (beats(&mine) < 3)
			sleep_ms(1);
		fy_watchdog_leave(&mine.watched);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	inside(&e, OP);
	wait_for_beats(&e, 2);
	fy_watchdog_leave(&e.watched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_beats_while_code_of_the_program_stands),
		cmocka_unit_test(it_does_not_speak_for_a_loop_that_steps),
		cmocka_unit_test(its_word_is_its_own),
		cmocka_unit_test(half_of_the_timeout_is_logged_once),
		cmocka_unit_test(engines_share_it),
		cmocka_unit_test(a_child_may_have_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
