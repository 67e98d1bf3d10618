/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one process says of itself, with two ranks; stuck.sh reads it. The argument says what:
 *   call      a call that is answered after 0.6 s, with stuck_after of 0.2 s
 *   handler   an inline handler that blocks for so long
 *   idle      both ranks read for so long, and nothing comes
 *   proved    each rank waits for a reply that the other one never gives, until a signal ends both
 *   likely    the same, and a thread of rank 1 sleeps
 *   slow      calls follow each other, each answered after a tenth of a second
 *   dump      ferry_dump, by several threads at once
 *   signal    dump_signal, with a handler that was there before
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "mpi_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OP_KEEP = 5, OP_BLOCK, OP_NEVER, LONG_US = 700000, SHORT_US = 100000, DUMPERS = 4 };

static ferry *engine;
static int rank;
static ferry_message *kept;
static uint32_t here, before_called;

static void keep(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)arg;
	ferry_message_retain(message);
	kept = message;
	__atomic_store_n(&here, 1, __ATOMIC_RELEASE);
}

static void block(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
	usleep(LONG_US);
}

/* A signal does not end it. */
static void sleep_for(unsigned us)
{
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };
	while (nanosleep(&left, &left) != 0)
		;
}

/* Rank 1 answers after that time what rank 0 asks. */
static void ask(uint32_t op, unsigned us)
{
	ferry_future *f;
	if (rank == 0) {
		CHECK_OK(ferry_call(engine, 1, op, NULL, 0, &f));
		CHECK_OK(ferry_future_wait(f, FERRY_FOREVER));
		ferry_future_release(f);
	} else if (op == OP_KEEP) {
		while (!__atomic_exchange_n(&here, 0, __ATOMIC_ACQ_REL))
			usleep(1000);
		ferry_message *request = kept; /* the reply brings the next one */
		sleep_for(us);
		CHECK_OK(ferry_reply(request, NULL, 0));
		ferry_message_release(request);
	}
}

static void leave(int number)
{
	(void)number;
	_exit(0);
}

static void *sleep_on(void *unused)
{
	(void)unused;
	sleep_for(60000000);
	return NULL;
}

/* No thread can go on any more, unless there is one that sleeps. */
static void wait_for_ever(bool with_sleeper)
{
	pthread_t thread;
	ferry_future *f;
	CHECK(signal(SIGALRM, leave) != SIG_ERR);
	alarm(3);
	if (with_sleeper && rank == 1)
		CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
	CHECK_OK(ferry_call(engine, 1 - rank, OP_KEEP, NULL, 0, &f));
	ferry_future_wait(f, FERRY_FOREVER);
}

static void read_nothing(void)
{
	ferry_message *m;
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, OP_NEVER, FERRY_MS(700), &m), FERRY_PENDING);
}

static void *dump_often(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++) {
		CHECK_OK(ferry_dump(engine, STDERR_FILENO));
		usleep(SHORT_US / 5);
	}
	return NULL;
}

static void dump_by_many(void)
{
	pthread_t threads[DUMPERS];
	for (int i = 0; i < DUMPERS; i++)
		CHECK(pthread_create(&threads[i], NULL, dump_often, NULL) == 0);
	for (int i = 0; i < 100; i++)
		ask(OP_KEEP, 0);
	ask(OP_KEEP, 3 * SHORT_US);
	for (int i = 0; i < DUMPERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void note(int number)
{
	(void)number;
	__atomic_add_fetch(&before_called, 1, __ATOMIC_ACQ_REL);
}

static void *signal_soon(void *unused)
{
	(void)unused;
	usleep(SHORT_US);
	CHECK(kill(getpid(), SIGUSR2) == 0);
	return NULL;
}

static void dump_by_signal(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, signal_soon, NULL) == 0);
	ask(OP_KEEP, 3 * SHORT_US);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(__atomic_load_n(&before_called, __ATOMIC_ACQUIRE) == 1);
}

static void close_and_look_at_handler(void)
{
	struct sigaction now;
	CHECK_OK(ferry_close(engine));
	CHECK(sigaction(SIGUSR2, NULL, &now) == 0);
	CHECK(now.sa_handler == note);
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	CHECK(argc == 2);
	bool by_signal = strcmp(argv[1], "signal") == 0;
	if (by_signal) {
		CHECK(signal(SIGUSR2, note) != SIG_ERR);
		options.dump_signal = SIGUSR2;
	}
	options.stuck_after = FERRY_MS(200);
	CHECK_OK(ferry_open(&options, &engine));
	rank = ferry_rank(engine);
	CHECK_OK(ferry_handle(engine, OP_KEEP, FERRY_INLINE, keep, NULL));
	CHECK_OK(ferry_handle(engine, OP_BLOCK, FERRY_INLINE, block, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	if (strcmp(argv[1], "call") == 0)
		ask(OP_KEEP, LONG_US);
	else if (strcmp(argv[1], "handler") == 0)
		ask(OP_BLOCK, 0);
	else if (strcmp(argv[1], "proved") == 0 || strcmp(argv[1], "likely") == 0)
		wait_for_ever(strcmp(argv[1], "likely") == 0);
	else if (strcmp(argv[1], "idle") == 0)
		read_nothing();
	else if (strcmp(argv[1], "dump") == 0)
		dump_by_many();
	else if (by_signal)
		dump_by_signal();
	else
		for (int i = 0; i < 7; i++)
			ask(OP_KEEP, SHORT_US);
	if (by_signal)
		close_and_look_at_handler();
	else
		CHECK_OK(ferry_close(engine));
	return 0;
}
