/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "engine.h"

static void count_message(struct perf_receiver *receiver, const void *data, size_t nbytes)
{
	perf_sink_read(&receiver->sink, data, nbytes);
	if (receiver->sink.messages == receiver->expected)
		sem_post(&receiver->done);
}

static void on_sink(ferry *engine, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	(void)engine;
	count_message(arg, body, nbytes);
}

static void on_attached(ferry *engine, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *data = ferry_message_attachment(message, 0, &nbytes);

	(void)engine;
	count_message(arg, data, nbytes);
}

static void on_echo(ferry *engine, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	(void)engine;
	count_message(arg, body, nbytes);
	perf_need(ferry_reply(message, body, nbytes), "ferry_reply");
}

static void on_end(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)arg;
	perf_need(ferry_reply(message, NULL, 0), "ferry_reply");
}

static void on_done(ferry *engine, ferry_message *message, void *arg)
{
	struct perf_receiver *receiver = arg;

	(void)engine;
	(void)message;
	sem_post(&receiver->done);
}

static const struct {
	uint32_t op;
	ferry_handler_fn *handler;
} handlers[] = {
	{ PERF_OP_SINK, on_sink }, { PERF_OP_ECHO, on_echo },         { PERF_OP_END, on_end },
	{ PERF_OP_DONE, on_done }, { PERF_OP_ATTACHED, on_attached },
};

void perf_engine_open(struct perf_world *world)
{
	if (!world->engine)
		perf_need(ferry_open(NULL, &world->engine), "ferry_open");
}

/* Ends with a barrier, so that no message of the trial comes before its receiver is ready. */
void perf_engine_enter(struct perf_world *world, struct perf_receiver *receiver)
{
	ferry_executor *where = world->options->anywhere ? FERRY_ANYWHERE : FERRY_INLINE;
	size_t i;

	receiver->sink = (struct perf_sink){ 0, 0 };
	if (sem_init(&receiver->done, 0, 0) != 0)
		perf_fatal("a semaphore cannot be made");
	perf_engine_open(world);
	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		perf_need(ferry_handle(world->engine, handlers[i].op, where, handlers[i].handler,
		                       receiver),
		          "ferry_handle");
	MPI_Barrier(world->comm);
}

/* An engine that is kept forgets the handlers, because their argument ends with the trial. */
void perf_engine_leave(struct perf_world *world, struct perf_receiver *receiver)
{
	size_t i;

	MPI_Barrier(world->comm);
	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		perf_need(ferry_handle(world->engine, handlers[i].op, FERRY_INLINE, NULL, NULL),
		          "ferry_handle");
	if (!world->options->keep_engine)
		perf_engine_close(world);
	sem_destroy(&receiver->done);
}

void perf_engine_close(struct perf_world *world)
{
	if (!world->engine)
		return;
	perf_need(ferry_close(world->engine), "ferry_close");
	world->engine = NULL;
}

void perf_engine_read_reply(ferry_future *future, struct perf_sink *sink)
{
	ferry_message *reply = NULL;
	const void *body;
	size_t nbytes;

	perf_need(ferry_future_take(future, &reply), "ferry_future_take");
	body = ferry_message_body(reply, &nbytes);
	perf_sink_read(sink, body, nbytes);
	ferry_message_release(reply);
}

void perf_engine_echo(ferry *engine, int rank, const void *body, size_t nbytes,
                      struct perf_sink *sink)
{
	ferry_future *future;

	perf_need(ferry_call(engine, rank, PERF_OP_ECHO, body, nbytes, &future), "ferry_call");
	perf_need(ferry_future_wait(future, FERRY_FOREVER), "ferry_future_wait");
	perf_engine_read_reply(future, sink);
	ferry_future_release(future);
}

void perf_engine_end(ferry *engine, int rank)
{
	ferry_future *future;

	perf_need(ferry_call(engine, rank, PERF_OP_END, NULL, 0, &future), "ferry_call");
	perf_engine_settle(&future, 1);
}

void perf_engine_settle(ferry_future **futures, int count)
{
	int i;

	perf_need(ferry_wait_all(futures, (size_t)count, FERRY_FOREVER), "ferry_wait_all");
	for (i = 0; i < count; i++)
		ferry_future_release(futures[i]);
}

void perf_engine_dismiss(struct perf_world *world)
{
	int rank;

	for (rank = 1; rank < world->size; rank++)
		perf_need(ferry_post(world->engine, rank, PERF_OP_DONE, NULL, 0, NULL),
		          "ferry_post");
}

void perf_engine_part(struct perf_world *world, struct perf_receiver *receiver)
{
	perf_need(ferry_post(world->engine, 1 - world->rank, PERF_OP_DONE, NULL, 0, NULL),
	          "ferry_post");
	perf_engine_await(receiver);
}

void perf_engine_await(struct perf_receiver *receiver)
{
	while (sem_wait(&receiver->done) != 0 && errno == EINTR)
		;
}

ferry_future *perf_engine_attach(ferry *engine, int rank, const void *data, size_t nbytes)
{
	ferry_message *message;
	ferry_future *future;

	perf_need(ferry_message_create(engine, PERF_OP_ATTACHED, &message), "ferry_message_create");
	perf_need(ferry_message_attach(message, data, nbytes, NULL, NULL), "ferry_message_attach");
	perf_need(ferry_post_message(engine, rank, message, &future), "ferry_post_message");
	ferry_message_release(message);
	return future;
}

static void *land(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	struct perf_landing *landing = arg;

	(void)engine;
	(void)source;
	(void)op;
	(void)index;
	if (nbytes != landing->nbytes)
		return NULL;
	landing->next = (landing->next + 1) % landing->buffers;
	return landing->memory + landing->next * nbytes;
}

void perf_landing_create(struct perf_landing *landing, struct perf_world *world, size_t nbytes,
                         size_t buffers)
{
	*landing = (struct perf_landing){ perf_payload(buffers * nbytes), nbytes, buffers, 0 };
	perf_engine_open(world);
	perf_need(ferry_handle_memory(world->engine, PERF_OP_ATTACHED, land, landing),
	          "ferry_handle_memory");
}

void perf_landing_destroy(struct perf_landing *landing, struct perf_world *world)
{
	perf_need(ferry_handle_memory(world->engine, PERF_OP_ATTACHED, NULL, NULL),
	          "ferry_handle_memory");
	free(landing->memory);
}
