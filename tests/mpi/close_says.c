/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes that wait for something, for a third of a second, with two ranks; close_says.sh reads what
 * they say. The argument says for what: late, inline, pool, queue, retained, unread, nothread,
 * finalize.
 */
#include "mpi_test.h"

#include <mpi.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { OP = 5, WAIT_US = 350000 };

static ferry *engine;
static ferry_message *kept;
static uint32_t here; /* the handler has begun */

static uint32_t finalize_waits;

#pragma GCC visibility push(default) /* seen by the shared library */
int MPI_Finalize(void)
{
	if (__atomic_load_n(&finalize_waits, __ATOMIC_ACQUIRE))
		usleep(WAIT_US);
	return PMPI_Finalize();
}
#pragma GCC visibility pop

static void sleep_in(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
	__atomic_store_n(&here, 1, __ATOMIC_RELEASE);
	usleep(WAIT_US);
}

static void keep(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)arg;
	ferry_message_retain(message);
	kept = message;
	__atomic_store_n(&here, 1, __ATOMIC_RELEASE);
}

static void *release_late(void *unused)
{
	(void)unused;
	usleep(WAIT_US);
	ferry_message_release(kept);
	return NULL;
}

static void await_handler(void)
{
	while (!__atomic_load_n(&here, __ATOMIC_ACQUIRE))
		usleep(1000);
}

/* A message that fills most of the memory of the receiver, and is kept, holds the next one up. */
static void retain(int rank)
{
	static char large[900000];
	pthread_t thread;
	if (rank == 0) {
		for (int i = 0; i < 2; i++)
			CHECK_OK(ferry_post(engine, 1, OP + i, large, sizeof large, NULL));
		return;
	}
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, keep, NULL));
	await_handler();
	CHECK_INT(pthread_create(&thread, NULL, release_late, NULL), 0);
	CHECK_INT(pthread_detach(thread), 0);
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_executor *executor = NULL;
	const char *what = argc > 1 ? argv[1] : "";
	options.receive_memory = 1 << 20;
	options.flags = strcmp(what, "nothread") ? 0 : FERRY_NO_THREAD;
	CHECK_OK(ferry_open(&options, &engine));
	int rank = ferry_rank(engine);
	if (!strcmp(what, "retained"))
		retain(rank);
	if (!strcmp(what, "pool"))
		CHECK_OK(ferry_workers_create(engine, 1, &executor));
	if (rank == 0 && (!strcmp(what, "inline") || !strcmp(what, "pool"))) {
		CHECK_OK(ferry_handle(engine, OP, executor, sleep_in, NULL));
		CHECK_OK(ferry_post(engine, 0, OP, NULL, 0, NULL));
		await_handler();
	}
	if (rank == 0 && !strcmp(what, "queue")) { /* which nobody runs but the close */
		CHECK_OK(ferry_queue_create(engine, &executor));
		CHECK_OK(ferry_handle(engine, OP, executor, sleep_in, NULL));
		CHECK_OK(ferry_post(engine, 0, OP, NULL, 0, NULL));
	}
	if (rank == 0 && !strcmp(what, "unread"))
		CHECK_OK(ferry_post(engine, 1, OP, NULL, 0, NULL));
	if (rank == 1 && !strcmp(what, "finalize"))
		__atomic_store_n(&finalize_waits, 1, __ATOMIC_RELEASE);
	if (rank == 1 && (!strcmp(what, "late") || !strcmp(what, "nothread")))
		usleep(WAIT_US);
	CHECK_OK(ferry_close(engine));
	ferry_executor_destroy(executor);
	return 0;
}
