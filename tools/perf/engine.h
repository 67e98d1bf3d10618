/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry's side of a trial: the engine, the handlers that count, and the message that tells a
 * receiving rank that the trial is over.
 *
 * The receiving rank's main thread sleeps on a semaphore of its own, outside MPI and outside the
 * engine, like the main thread of a program whose handlers do the receiving.
 */
#ifndef PERF_ENGINE_H
#define PERF_ENGINE_H

#include <semaphore.h>

#include "perf.h"
#include "sink.h"

enum perf_op {
	PERF_OP_SINK = 1, /* a post: read it */
	PERF_OP_ECHO,     /* a call: read it, send it back */
	PERF_OP_END,      /* a call: answered when all messages before it are handled */
	PERF_OP_DONE,     /* a post: the trial is over */
	PERF_OP_ATTACHED, /* a post with one attachment: read that */
};

struct perf_receiver {
	/* written by handlers, one at a time; read by other threads when the trial is over */
	struct perf_sink sink;
	uint64_t expected; /* wake the main thread after so many messages; 0: never */
	sem_t done;
};

/* Open the engine if it is not open. Collective. */
void perf_engine_open(struct perf_world *world);
/* Open it if it is not, and have `receiver` count. Collective. */
void perf_engine_enter(struct perf_world *world, struct perf_receiver *receiver);
/* The trial is over: close the engine unless it is to be kept. Collective. */
void perf_engine_leave(struct perf_world *world, struct perf_receiver *receiver);
/* Close it if it is open. Collective. */
void perf_engine_close(struct perf_world *world);

/* Returns when all that this thread sent to `rank` is handled there. */
void perf_engine_end(ferry *engine, int rank);
/* Wait for futures and release them. */
void perf_engine_settle(ferry_future **futures, int count);
/* One call of `nbytes` there and back; the reply is read into `sink`. */
void perf_engine_echo(ferry *engine, int rank, const void *body, size_t nbytes,
                      struct perf_sink *sink);
/* Read and release the reply of a call that has completed. */
void perf_engine_read_reply(ferry_future *future, struct perf_sink *sink);

/* Post one attachment of `nbytes`, which stay the caller's. */
ferry_future *perf_engine_attach(ferry *engine, int rank, const void *data, size_t nbytes);

/* Memory that a receiver names for attachments of `nbytes`: `buffers` of them, used in turn. */
struct perf_landing {
	char *memory;
	size_t nbytes;
	size_t buffers;
	size_t next; /* written by the holder of the helm */
};

/* Opens the engine if it is not open, so the other ranks have to call perf_engine_open. */
void perf_landing_create(struct perf_landing *landing, struct perf_world *world, size_t nbytes,
                         size_t buffers);
void perf_landing_destroy(struct perf_landing *landing, struct perf_world *world);

/* Rank 0 tells all others that the trial is over; they wait for it. */
void perf_engine_dismiss(struct perf_world *world);
void perf_engine_await(struct perf_receiver *receiver);
/* Each of two ranks has done its part of the trial, and waits for the other one. */
void perf_engine_part(struct perf_world *world, struct perf_receiver *receiver);

#endif /* PERF_ENGINE_H */
