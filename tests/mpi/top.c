/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job to be looked at, stopped and killed from outside: each rank calls its neighbour, one call
 * after the other, and says which process it is. It ends by itself.
 *   top DIRECTORY
 */
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "mpi_test.h"

enum { OP_ECHO = 7, SECONDS = 40 };

static void echo(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)arg;
	CHECK_OK(ferry_reply(message, "x", 1));
}

static void say_process(const char *directory, int rank)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/rank.%d", directory, rank);
	file = fopen(path, "w");
	CHECK(file);
	fprintf(file, "%d\n", (int)getpid());
	CHECK(fclose(file) == 0);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + SECONDS;
	ferry_message *reply;
	ferry_future *future;
	ferry *engine;
	int next;

	CHECK(argc == 2);
	CHECK_OK(ferry_open(NULL, &engine));
	CHECK_OK(ferry_handle(engine, OP_ECHO, FERRY_INLINE, echo, NULL));
	next = (ferry_rank(engine) + 1) % ferry_size(engine);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	say_process(argv[1], ferry_rank(engine));
	while (time(NULL) < end) {
		CHECK_OK(ferry_call(engine, next, OP_ECHO, "x", 1, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
		CHECK_OK(ferry_future_take(future, &reply));
		ferry_message_release(reply);
		ferry_future_release(future);
	}
	return ferry_close(engine) != FERRY_OK;
}
