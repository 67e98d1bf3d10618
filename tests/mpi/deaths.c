/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of four ranks dies while all are busy: `deaths HOW WHEN FILE`. The waits of the others end,
 * in time: with FERRY_EPEER where that rank is concerned, with FERRY_OK elsewhere. They are told
 * who is gone, go on with one another, and close. deaths.sh runs it, with a launcher that leaves
 * the others alive.
 *
 * HOW   kill, exit, stop (and go on when the others have closed), abort
 * WHEN  idle, calls, large
 * FILE  is where all say how it went: the launcher loses what is printed right before the end
 */
#include <ferry.h>

#include "system.h"

#include <fcntl.h>
#include <sys/types.h>

enum { VICTIM = 2, RANKS = 4, OP_CALL = 1, OP_LARGE, OP_DONE, CALLS = 16 };
#define TIMEOUT FERRY_MS(600)
#define BYTES ((size_t)8 << 20)

static ferry *engine;
static int me;
static const char *file;
static struct system_counter told = SYSTEM_COUNTER_INIT, done = SYSTEM_COUNTER_INIT;

static void on_call(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	ferry_reply(m, "here", 4); /* which fails on a rank that has ended */
}

static void on_large(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)m;
	(void)arg;
}

static void on_done(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)m;
	(void)arg;
	system_count(&done, 1);
}

static void on_gone(ferry *e, int rank, int status, const char *why, void *arg)
{
	(void)e;
	(void)why;
	(void)arg;
	CHECK(status == FERRY_EPEER);
	if (rank == VICTIM) /* others leave when they close */
		system_count(&told, 1);
}

static void say(const char *what, int figure)
{
	char line[100];
	int n = snprintf(line, sizeof line, "rank %d %s: %d\n", me, what, figure);
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, line, (size_t)n) == n);
	close(fd);
}

/* The victim goes on by itself when the others have ended. */
static void stop_for(unsigned s)
{
	pid_t parent = getpid();
	if (fork() == 0) {
		sleep(s);
		kill(parent, SIGCONT);
		_exit(0);
	}
	kill(parent, SIGSTOP);
}

static ferry_future *ask(int rank)
{
	ferry_future *future;
	int status = ferry_call(engine, rank, OP_CALL, "?", 1, &future);
	if (status == FERRY_EPEER || status == FERRY_ESTOPPED)
		return NULL;
	CHECK(status == FERRY_OK);
	return future;
}

static int answer(ferry_future *future)
{
	int status = future ? ferry_future_wait(future, FERRY_S(20)) : FERRY_EPEER;
	ferry_future_release(future);
	return status;
}

static ferry_future *give_large(int rank)
{
	static char bytes[BYTES];
	ferry_message *m;
	ferry_future *future = NULL;
	CHECK(ferry_message_create(engine, OP_LARGE, &m) == FERRY_OK);
	CHECK(ferry_message_attach(m, bytes, BYTES, NULL, NULL) == FERRY_OK);
	int status = ferry_post_message(engine, rank, m, &future);
	CHECK(status == FERRY_OK || status == FERRY_EPEER || status == FERRY_ESTOPPED);
	ferry_message_release(m);
	return future;
}

static void die(const char *how)
{
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "exit") == 0)
		_exit(0);
	if (strcmp(how, "stop") == 0)
		stop_for(2);
	if (strcmp(how, "abort") == 0)
		ferry_abort(engine, FERRY_EREMOTE);
}

/* The victim lives, and is left out: all that it waits for ends, too. */
static void live_on(bool aborted)
{
	int status;
	while ((status = answer(ask(0))) == FERRY_OK) /* it takes effect soon */
		;
	CHECK(status == FERRY_ESTOPPED || status == FERRY_EPEER);
	while (ferry_status(engine) == FERRY_OK)
		system_sleep_ms(1);
	CHECK(ferry_status(engine) == (aborted ? FERRY_EREMOTE : FERRY_EPEER));
	CHECK(ferry_close(engine) == (aborted ? FERRY_EREMOTE : FERRY_EPEER));
	say("stopped, ms", 0);
}

static void survive(const char *when)
{
	ferry_future *calls[CALLS], *large[RANKS] = { NULL };
	double begun = system_now();
	for (int i = 0; i < CALLS; i++)
		calls[i] = ask(i % RANKS);
	for (int i = 0; i < RANKS && strcmp(when, "large") == 0; i++)
		large[i] = give_large(i);
	for (int i = 0; i < CALLS; i++) {
		int status = answer(calls[i]);
		/* an answer may have come before the end */
		CHECK(status == FERRY_OK || (i % RANKS == VICTIM && status == FERRY_EPEER));
	}
	for (int i = 0; i < RANKS; i++) {
		int status = large[i] ? answer(large[i]) : FERRY_OK;
		CHECK(status == FERRY_OK || (i == VICTIM && status == FERRY_EPEER));
	}
	int last;
	while ((last = answer(ask(VICTIM))) == FERRY_OK) /* it has not died yet */
		CHECK(system_now() - begun < 5);
	CHECK_INT(last, FERRY_EPEER);
	double took = system_now() - begun;
	CHECK(took < 1.5 * (double)TIMEOUT / 1e9 + 2);
	while (!system_counted(&told))
		system_sleep_ms(1);
	CHECK(ferry_peer_status(engine, VICTIM) == FERRY_EPEER);
	for (int i = 0; i < RANKS; i++)
		if (i != VICTIM)
			CHECK_OK(answer(ask(i)));
	for (int i = 0; i < RANKS; i++)
		if (i != VICTIM && i != me)
			CHECK_OK(ferry_post(engine, i, OP_DONE, NULL, 0, NULL));
	while (system_counted(&done) < RANKS - 2) /* then nobody asks any more */
		system_sleep_ms(1);
	system_sleep_ms(200); /* and what was posted here has come */
	CHECK_INT(system_counted(&told), 1);
	begun = system_now();
	CHECK(ferry_close(engine) == FERRY_EPEER);
	CHECK(system_now() - begun < 5);
	say("went on after ms", (int)(took * 1000));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "abort", *when = argc > 2 ? argv[2] : "calls";

	file = argc > 3 ? argv[3] : "/dev/stdout";
	ferry_options options = FERRY_OPTIONS_INIT;

	system_watch();
	options.peer_timeout = TIMEOUT;
	CHECK(ferry_open(&options, &engine) == FERRY_OK);
	CHECK(ferry_size(engine) == RANKS);
	me = ferry_rank(engine);
	CHECK(ferry_handle(engine, OP_CALL, FERRY_INLINE, on_call, NULL) == FERRY_OK);
	CHECK(ferry_handle(engine, OP_LARGE, FERRY_INLINE, on_large, NULL) == FERRY_OK);
	CHECK(ferry_handle(engine, OP_DONE, FERRY_INLINE, on_done, NULL) == FERRY_OK);
	CHECK(ferry_on_peer(engine, FERRY_INLINE, on_gone, NULL) == FERRY_OK);
	CHECK(ferry_fence(engine, FERRY_S(20)) == FERRY_OK);
	ferry_future *large = NULL;
	if (me == VICTIM) {
		if (strcmp(when, "idle") == 0)
			system_sleep_ms(100);
		if (strcmp(when, "large") == 0)
			large = give_large(0);
		if (strcmp(when, "calls") == 0)
			answer(ask(1));
		die(how);
		live_on(strcmp(how, "abort") == 0);
		ferry_future_release(large);
	} else {
		if (strcmp(when, "idle") == 0)
			system_sleep_ms(300);
		survive(when);
	}
	if (strcmp(how, "stop") == 0 && me != VICTIM)
		system_sleep_ms(2000); /* the launcher would end it with the others */
	_exit(0);
}
