/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank to itself: posts of all sizes from several threads, handlers that post on, calls,
 * large attachments that are taken out, and several engines at once. With `alone` it must be
 * the only rank.
 */
#include "system.h"

enum {
	OP_CHAIN = 1,
	OP_ECHO = 2,
	OP_MAIL = 3,
	OP_SINK = 4,
	THREADS = 4,
	ENGINES = 3,
	LARGE = 3 << 20,
	CHAIN = 1000
};

static const size_t sizes[] = { 0, 1, 63, 64, 65, 4000, 8192, 70000, 300000, 1 << 20 };

static ferry *engine;
static uint64_t chained, sunk; /* written by the handlers alone until a fence */
static struct system_counter released = SYSTEM_COUNTER_INIT;

/* Posts on until the chain ends: what a handler sets off belongs to the fence too. */
static void chain(ferry *on, ferry_message *message, void *arg)
{
	uint32_t left;

	(void)arg;
	memcpy(&left, ferry_message_body(message, NULL), sizeof left);
	chained++;
	if (left--)
		CHECK_OK(ferry_post(on, ferry_rank(on), OP_CHAIN, &left, sizeof left, NULL));
}

static void echo(ferry *on, ferry_message *request, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(request, &nbytes);

	(void)on;
	(void)arg;
	CHECK_OK(ferry_reply(request, body, nbytes));
}

static void sink(ferry *on, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	CHECK_INT(ferry_message_source(message), ferry_rank(on));
	CHECK(system_right(body, nbytes, nbytes));
	sunk += nbytes;
	if (arg)
		++*(int *)arg;
}

static void check_chain(void)
{
	uint32_t left = CHAIN;

	CHECK_OK(ferry_post(engine, ferry_rank(engine), OP_CHAIN, &left, sizeof left, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_INT(chained, CHAIN + 1);
}

static void check_echo(size_t nbytes)
{
	char *body = malloc(nbytes + 1);
	ferry_future *future;
	ferry_message *reply;
	const void *back;

	CHECK(body);
	system_fill(body, nbytes, nbytes);
	CHECK_OK(ferry_call(engine, ferry_rank(engine), OP_ECHO, body, nbytes, &future));
	memset(body, 0, nbytes); /* it was copied */
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	free(body);
	back = ferry_message_body(reply, &nbytes);
	CHECK(system_right(back, nbytes, nbytes));
	ferry_future_release(future);
	ferry_message_release(reply);
}

static void *post_sizes(void *arg)
{
	unsigned rounds = *(unsigned *)arg;

	for (unsigned i = 0; i < rounds * COUNT_OF(sizes); i++) {
		size_t nbytes = sizes[i % COUNT_OF(sizes)];
		char *body = malloc(nbytes + 1);

		CHECK(body);
		system_fill(body, nbytes, nbytes);
		CHECK_OK(ferry_post(engine, ferry_rank(engine), OP_SINK, body, nbytes, NULL));
		free(body);
	}
	CHECK_OK(ferry_flush(engine, ferry_rank(engine), FERRY_FOREVER));
	return NULL;
}

static void check_threads(void)
{
	unsigned rounds[THREADS];
	struct system_crew crew;
	uint64_t all = 0;

	for (unsigned i = 0; i < THREADS; i++)
		rounds[i] = (unsigned)check_scaled(20);
	system_crew_start(&crew, THREADS, post_sizes, rounds, sizeof *rounds);
	system_crew_join(&crew);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (unsigned i = 0; i < COUNT_OF(sizes); i++)
		all += sizes[i];
	CHECK_INT(sunk, all * rounds[0] * THREADS);
}

/* One message, posted twice; the attachment of the first delivery is taken out, and so outlives
 * its message. */
static void check_attachment(void)
{
	void *data = malloc(LARGE), *taken;
	ferry_message *message, *first, *second;
	ferry_future *futures[2];
	size_t nbytes, index;

	CHECK(data);
	system_fill(data, LARGE, 1);
	CHECK_OK(ferry_message_create(engine, OP_MAIL, &message));
	CHECK_OK(ferry_message_attach(message, data, LARGE, system_release, &released));
	CHECK_OK(ferry_post_message(engine, ferry_rank(engine), message, &futures[0]));
	CHECK_OK(ferry_post_message(engine, ferry_rank(engine), message, &futures[1]));
	ferry_message_release(message);
	CHECK_OK(ferry_wait_any(futures, 2, FERRY_FOREVER, &index));
	CHECK(index < 2);
	CHECK_OK(ferry_recv(engine, FERRY_ANY, OP_MAIL, FERRY_FOREVER, &first));
	CHECK_OK(ferry_recv(engine, FERRY_ANY, OP_MAIL, FERRY_FOREVER, &second));
	CHECK_OK(ferry_wait_all(futures, 2, FERRY_FOREVER));
	ferry_message_retain(second);
	CHECK(!ferry_message_take(second, 0, &nbytes)); /* two references */
	ferry_message_release(second);
	CHECK(system_right(ferry_message_attachment(second, 0, &nbytes), LARGE, 1));
	CHECK_INT(nbytes, LARGE);
	ferry_message_release(second);
	taken = ferry_message_take(first, 0, &nbytes);
	CHECK_INT(nbytes, LARGE);
	ferry_message_release(first);
	CHECK(taken && system_right(taken, LARGE, 1));
	free(taken);
	ferry_future_retain(futures[0]);
	for (int i = 0; i < 2; i++)
		ferry_future_release(futures[i]);
	CHECK_OK(ferry_future_poll(futures[0]));
	ferry_future_release(futures[0]);
}

/* Engines in one process do not hear each other. */
static void check_engines(void)
{
	ferry *engines[ENGINES];
	int heard[ENGINES] = { 0 };

	for (int i = 0; i < ENGINES; i++) {
		engines[i] = system_open(NULL);
		CHECK_OK(ferry_handle(engines[i], OP_SINK, FERRY_INLINE, sink, &heard[i]));
	}
	for (int i = 0; i < ENGINES; i++)
		for (int n = 0; n <= i; n++)
			CHECK_OK(ferry_post(engines[i], ferry_rank(engines[i]), OP_SINK, NULL, 0,
			                    NULL));
	for (int i = 0; i < ENGINES; i++)
		CHECK_OK(ferry_close(engines[i]));
	for (int i = 0; i < ENGINES; i++)
		CHECK_INT(heard[i], i + 1);
}

int main(int argc, char **argv)
{
	ferry *later = NULL;
	int rank, size;

	system_watch();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	if (argc > 1 && strcmp(argv[1], "alone") == 0)
		CHECK_INT(size, 1);
	CHECK_OK(ferry_handle(engine, OP_CHAIN, FERRY_INLINE, chain, NULL));
	CHECK_OK(ferry_handle(engine, OP_ECHO, FERRY_INLINE, echo, NULL));
	CHECK_OK(ferry_handle(engine, OP_SINK, FERRY_INLINE, sink, NULL));
	check_chain();
	for (unsigned i = 0; i < COUNT_OF(sizes); i++)
		check_echo(sizes[i]);
	check_threads();
	check_attachment();
	check_engines();
	CHECK_OK(ferry_close(engine));
	CHECK_INT(system_counted(&released), 1);
	/* MPI was finalized with the last engine */
	CHECK_STATUS(ferry_open(NULL, &later), FERRY_ENOTSUP);
	CHECK(!later && *ferry_last_error());
	if (rank == 0)
		printf("selfpost: %d of %d: chains in handlers, echoes, %d threads, sizes up to %d "
		       "bytes, an attachment taken out, %d more engines, and no open after the "
		       "end\n",
		       rank, size, THREADS, LARGE, ENGINES);
	return 0;
}
