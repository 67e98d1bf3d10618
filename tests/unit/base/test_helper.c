/* SPDX-License-Identifier: Apache-2.0 */
/* The helper: what it calls, when, and what a program does to its descriptors. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "base/list.h"
#include "base/order.h"
#include "ferry.h"

struct pipe_end {
	struct fy_helped helped; /* reads a byte whenever there is one */
	int ends[2];
	/* written by the helper (relaxed), read by the test (relaxed) */
	uint32_t calls, lost, elsewhere;
};

static void sleep_ms(unsigned ms)
{
	usleep(1000 * ms);
}

static bool wait_for(const uint32_t *word, uint32_t value)
{
	for (int ms = 0; fy_load_relaxed_32(word) < value && ms < 20000; ms++)
		sleep_ms(1);
	return fy_load_relaxed_32(word) == value;
}

static void read_byte(struct fy_helped *self, unsigned why)
{
	struct pipe_end *p = fy_container_of(self, struct pipe_end, helped);
	char byte;
	if (why & FY_HELP_LOST) {
		fy_add_32(&p->lost, 1);
		return;
	}
	if (read(self->fd, &byte, 1) != 1 || !fy_helper_is_here())
		fy_add_32(&p->elsewhere, 1);
	fy_add_32(&p->calls, 1);
}

static void open_pipe(struct pipe_end *p)
{
	memset(p, 0, sizeof *p);
	assert_int_equal(pipe(p->ends), 0);
	p->helped = (struct fy_helped){
		.run = read_byte, .fd = p->ends[0], .events = POLLIN, .due_at = INT64_MAX
	};
	assert_int_equal(fy_helper_add(&p->helped), FERRY_OK);
}

static void close_pipe(struct pipe_end *p)
{
	fy_helper_remove(&p->helped);
	close(p->ends[0]);
	close(p->ends[1]);
}

static void put_byte(const struct pipe_end *p)
{
	assert_int_equal(write(p->ends[1], "x", 1), 1);
}

static void it_calls_when_there_is_something(void **state)
{
	static struct pipe_end a, b;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	open_pipe(&a);
	open_pipe(&b);
	for (uint32_t n = 1; n <= 20; n++) {
		put_byte(&a);
		assert_true(wait_for(&a.calls, n));
	}
	assert_int_equal(fy_load_relaxed_32(&b.calls), 0);
	put_byte(&b);
	assert_true(wait_for(&b.calls, 1));
	assert_int_equal(a.elsewhere + b.elsewhere, 0);
	assert_false(fy_helper_is_here());
	close_pipe(&a);
	close_pipe(&b);
	fy_helper_leave();
}

static void a_wrong_descriptor_is_refused(void **state)
{
	struct fy_helped it = { .run = read_byte, .fd = 1000000, .due_at = INT64_MAX };

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	assert_int_equal(fy_helper_add(&it), FERRY_EINVAL);
	fy_helper_remove(&it); /* has no effect */
	fy_helper_leave();
}

/* ---- times --------------------------------------------------------------------------------- */

struct ticker {
	struct fy_helped helped;
	uint32_t ticks, early; /* as above */
	int64_t wanted_at;
};

static void tick(struct fy_helped *self, unsigned why)
{
	struct ticker *t = fy_container_of(self, struct ticker, helped);
	int64_t now = fy_clock_now();
	if (why != FY_HELP_DUE || self->due_at != INT64_MAX || now < t->wanted_at)
		fy_add_32(&t->early, 1);
	t->wanted_at = now + FERRY_MS(2);
	if (fy_add_32(&t->ticks, 1) < 4)
		self->due_at = t->wanted_at;
}

static void it_calls_when_it_is_time(void **state)
{
	static struct ticker t;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	t.wanted_at = fy_clock_now() + FERRY_MS(2);
	t.helped = (struct fy_helped){ .run = tick, .fd = -1, .due_at = t.wanted_at };
	assert_int_equal(fy_helper_add(&t.helped), FERRY_OK);
	assert_true(wait_for(&t.ticks, 5));
	sleep_ms(20); /* it did not ask for more */
	assert_int_equal(fy_load_relaxed_32(&t.ticks), 5);
	assert_int_equal(fy_load_relaxed_32(&t.early), 0);
	fy_helper_remove(&t.helped);
	fy_helper_leave();
}

struct poked {
	struct fy_helped helped;
	uint32_t calls, others; /* as above */
};

/* The first call pokes itself once more. */
static void be_poked(struct fy_helped *self, unsigned why)
{
	struct poked *p = fy_container_of(self, struct poked, helped);
	if (why != FY_HELP_POKED)
		fy_add_32(&p->others, 1);
	if (fy_add_32(&p->calls, 1) == 0)
		fy_helper_poke(self);
}

static void it_calls_who_is_poked(void **state)
{
	static struct poked p;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	p.helped = (struct fy_helped){ .run = be_poked, .fd = -1, .due_at = INT64_MAX };
	fy_helper_poke(&p.helped); /* has no effect */
	assert_int_equal(fy_helper_add(&p.helped), FERRY_OK);
	sleep_ms(20);
	assert_int_equal(fy_load_relaxed_32(&p.calls), 0);
	fy_helper_poke(&p.helped);
	assert_true(wait_for(&p.calls, 2));
	fy_helper_poke(&p.helped);
	assert_true(wait_for(&p.calls, 3));
	assert_int_equal(fy_load_relaxed_32(&p.others), 0);
	fy_helper_remove(&p.helped);
	fy_helper_leave();
}

/* ---- sleep --------------------------------------------------------------------------------- */

/* How often the helper has gone to sleep; -1: there is none. */
static long sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	long n = -1;
	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		char path[300], line[200], name[64] = "";
		snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
		FILE *f = fopen(path, "r");
		while (f && fgets(line, sizeof line, f)) {
			sscanf(line, "Name: %63s", name);
			if (strcmp(name, "ferry-watch") == 0)
				sscanf(line, "voluntary_ctxt_switches: %ld", &n);
		}
		if (f)
			fclose(f);
	}
	closedir(tasks);
	return n;
}

/* It may be late to sleep at first. */
static void assert_sleeps(long most)
{
	sleep_ms(30);
	long before = sleeps();
	sleep_ms(250);
	long after = sleeps();
	if (before < 0 || after < 0)
		return; /* this system does not tell */
	assert_true(after - before <= most);
}

static void it_sleeps_while_nothing_happens(void **state)
{
	static struct pipe_end a;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	open_pipe(&a);
	assert_sleeps(1);
	close_pipe(&a);
	fy_helper_leave();
}

/* ---- removal ------------------------------------------------------------------------------- */

/* Written by the helper (release), read by the test (acquire). */
static uint32_t inside, left;

static void take_long(struct fy_helped *self, unsigned why)
{
	(void)self;
	(void)why;
	fy_store_release_32(&inside, 1);
	sleep_ms(50);
	fy_store_release_32(&left, 1);
}

static void removal_waits_for_a_call(void **state)
{
	struct fy_helped it = { .run = take_long, .fd = -1 };

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	it.due_at = fy_clock_now();
	assert_int_equal(fy_helper_add(&it), FERRY_OK);
	while (!fy_load_acquire_32(&inside))
		sleep_ms(1);
	fy_helper_remove(&it);
	assert_int_equal(fy_load_acquire_32(&left), 1);
	fy_helper_leave();
}

struct chain {
	struct fy_helped helped;
	struct chain *other; /* to be removed with it */
	uint32_t *calls;     /* as above */
};

/* Removes both, frees itself, and adds one without another. */
static void go_on(struct fy_helped *self, unsigned why)
{
	struct chain *c = fy_container_of(self, struct chain, helped), *other = c->other;
	uint32_t *calls = c->calls;
	(void)why;
	fy_helper_remove(self);
	free(c);
	fy_add_32(calls, 1);
	if (!other)
		return;
	fy_helper_remove(&other->helped);
	other->other = NULL;
	other->helped.due_at = fy_clock_now();
	if (fy_helper_add(&other->helped) != FERRY_OK)
		fy_add_32(calls, 100);
}

static struct chain *new_chain(struct chain *other, uint32_t *calls)
{
	struct chain *c = calloc(1, sizeof *c);
	assert_non_null(c);
	c->helped = (struct fy_helped){ .run = go_on, .fd = -1, .due_at = INT64_MAX };
	c->other = other;
	c->calls = calls;
	return c;
}

static void a_call_may_remove_and_add(void **state)
{
	static uint32_t calls;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	struct chain *second = new_chain(NULL, &calls), *first = new_chain(second, &calls);
	/* both are due at once, and the second one must not be called twice */
	first->helped.due_at = second->helped.due_at = fy_clock_now() + FERRY_MS(5);
	assert_int_equal(fy_helper_add(&second->helped), FERRY_OK);
	assert_int_equal(fy_helper_add(&first->helped), FERRY_OK);
	assert_true(wait_for(&calls, 2));
	sleep_ms(20);
	assert_int_equal(fy_load_relaxed_32(&calls), 2);
	fy_helper_leave();
}

static void *come_and_go(void *arg)
{
	uint32_t *wrong = arg;
	static struct pipe_end pipes[4];
	static uint32_t next;
	struct pipe_end *p = &pipes[fy_add_32(&next, 1) % 4];
	for (unsigned i = 0; i < 200; i++) {
		open_pipe(p);
		put_byte(p);
		if (i % 3 == 0 && !wait_for(&p->calls, 1))
			fy_add_32(wrong, 1);
		close_pipe(p);
		if (fy_load_relaxed_32(&p->calls) > 1 || p->elsewhere || p->lost)
			fy_add_32(wrong, 1);
	}
	return NULL;
}

static void threads_come_and_go(void **state)
{
	pthread_t threads[4];
	static uint32_t wrong;

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &wrong), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	fy_helper_leave();
}

/* ---- what programs do ---------------------------------------------------------------------- */

/* A child of a fork has no helper, and may start one. */
static void a_child_may_have_its_own(void **state)
{
	static struct pipe_end a, b;
	const char *wrapper = getenv("TEST_WRAPPER");
	int status;

	(void)state;
#ifdef __SANITIZE_THREAD__
	return; /* no threads in a child of a process with threads; nor has qemu any */
#endif
	if (wrapper && strstr(wrapper, "qemu"))
		return;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	open_pipe(&a);
	pid_t child = fork();
	if (child == 0) {
		alarm(30);
		assert_int_equal(fy_helper_join(), FERRY_OK);
		open_pipe(&b);
		put_byte(&b);
		if (!wait_for(&b.calls, 1) || fy_load_relaxed_32(&a.calls))
			_exit(1);
		close_pipe(&b);
		fy_helper_leave();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	put_byte(&a);
	assert_true(wait_for(&a.calls, 1));
	close_pipe(&a);
	fy_helper_leave();
}

/* The program closes what is not its own, and puts files with text in its place: nobody reads them
 * or writes to them, and the helper goes on. */
static void its_descriptors_may_be_closed(void **state)
{
	static struct pipe_end a, b;
	static struct ticker t;
	char name[] = "/tmp/ferry-helper-XXXXXX", text[16] = "";

	(void)state;
	assert_int_equal(fy_helper_join(), FERRY_OK);
	open_pipe(&a);
	int file = mkstemp(name);
	assert_true(file >= 0);
	unlink(name);
	assert_int_equal(write(file, "text", 4), 4);
	for (int fd = 3; fd < file; fd++)
		if (fd != a.ends[1])
			assert_int_equal(dup2(file, fd), fd);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	/* The thread sleeps on the eventfd as it was. It wakes when the pipe is closed. */
	close(a.ends[1]);
	assert_true(wait_for(&a.lost, 1));
	assert_int_equal(fy_load_relaxed_32(&a.calls), 0);
	open_pipe(&b);
	put_byte(&b);
	assert_true(wait_for(&b.calls, 1));
	t.helped = (struct fy_helped){ .run = tick, .fd = -1, .due_at = fy_clock_now() };
	assert_int_equal(fy_helper_add(&t.helped), FERRY_OK);
	assert_true(wait_for(&t.ticks, 5));
	assert_sleeps(5);
	fy_helper_remove(&t.helped);
	fy_helper_remove(&a.helped);
	close_pipe(&b);
	fy_helper_leave();
	assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
	assert_int_equal(read(file, text, sizeof text - 1), 4);
	assert_string_equal(text, "text");
	for (int fd = 3; fd <= file; fd++)
		close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_calls_when_there_is_something),
		cmocka_unit_test(a_wrong_descriptor_is_refused),
		cmocka_unit_test(it_calls_when_it_is_time),
		cmocka_unit_test(it_calls_who_is_poked),
		cmocka_unit_test(it_sleeps_while_nothing_happens),
		cmocka_unit_test(removal_waits_for_a_call),
		cmocka_unit_test(a_call_may_remove_and_add),
		cmocka_unit_test(threads_come_and_go),
		cmocka_unit_test(a_child_may_have_its_own),
		cmocka_unit_test(its_descriptors_may_be_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
