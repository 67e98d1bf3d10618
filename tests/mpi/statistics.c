/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines that end with the option stats; statistics.sh reads what they say. The first argument is
 * one of
 *
 *   plain     each rank posts 10 messages more than the rank before, to the next one
 *   nothread  the same with FERRY_NO_THREAD
 *   two       the same with two engines in each process
 *   left      rank 0 leaves messages, a call and a promise open, the last rank a request
 *   mixed     rank 0 does not have the option
 *   gone      this rank dies (the second argument), and the others close
 */
#include "mpi_test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { OP = 0x21, OP_ASK = 0x22, OP_UNREAD = 0x1234 };

static const char *what;
static ferry_message *kept;
static uint32_t here; /* the handler has begun */

static void hear(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
}

static void keep(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)arg;
	ferry_message_retain(message);
	kept = message;
	__atomic_store_n(&here, 1, __ATOMIC_RELEASE);
}

static void post(ferry *engine)
{
	int rank = ferry_rank(engine), size = ferry_size(engine);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, hear, NULL));
	for (int i = 0; i < 10 * (rank + 1); i++)
		CHECK_OK(ferry_post(engine, (rank + 1) % size, OP, "x", 1, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

static void leave_open(ferry *engine)
{
	int rank = ferry_rank(engine), last = ferry_size(engine) - 1;
	ferry_future *call, *promise;
	CHECK_OK(ferry_handle(engine, OP_ASK, FERRY_INLINE, keep, NULL));
	if (rank == 0) {
		for (int i = 0; i < 3; i++)
			CHECK_OK(ferry_post(engine, last, OP_UNREAD, "x", 1, NULL));
		CHECK_OK(ferry_call(engine, last, OP_ASK, "?", 1, &call));
		CHECK_OK(ferry_promise_create(engine, &promise));
		ferry_future_release(call);
		ferry_future_release(promise);
	}
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	while (rank == last && !__atomic_load_n(&here, __ATOMIC_ACQUIRE))
		usleep(1000);
}

static int open_and_close(ferry_options *options, int engines)
{
	ferry *all[2];
	for (int i = 0; i < engines; i++)
		CHECK_OK(ferry_open(options, &all[i]));
	for (int i = 0; i < engines; i++)
		if (strcmp(what, "left") == 0)
			leave_open(all[i]);
		else
			post(all[i]);
	for (int i = 0; i < engines; i++)
		CHECK_OK(ferry_close(all[i]));
	ferry_message_release(kept);
	return 0;
}

/* Leaves when the others have ended, too: the launcher may end those with it. */
static int lose(ferry_options *options, int victim)
{
	ferry *engine;
	options->peer_timeout = FERRY_MS(600);
	CHECK_OK(ferry_open(options, &engine));
	post(engine);
	if (ferry_rank(engine) == victim)
		kill(getpid(), SIGKILL);
	CHECK_INT(ferry_close(engine), FERRY_EPEER);
	sleep(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "mixed") == 0) {
		const char *rank = getenv("PMI_RANK");
		rank = rank ? rank : getenv("OMPI_COMM_WORLD_RANK");
		options.stats = rank && strcmp(rank, "0") == 0 ? "none" : "1";
	}
	if (strcmp(what, "nothread") == 0)
		options.flags = FERRY_NO_THREAD;
	if (strcmp(what, "gone") == 0)
		return lose(&options, atoi(argv[2]));
	return open_and_close(&options, strcmp(what, "two") == 0 ? 2 : 1);
}
