/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers: the same work done with plain MPI, written as well as an expert
 * would. Each is in the file of its kind:
 *
 *   peer_plain.c     one thread a rank, windows of nonblocking calls
 *   peer_multiple.c  MPI_THREAD_MULTIPLE, as many threads as Ferry has
 *   peer_batch.c     messages gathered by hand into 8 KiB a destination
 *
 * Each is measured as Ferry is: from a barrier until the sender has the
 * receiver's word that the last message was read.
 */
#ifndef PERF_PEER_H
#define PERF_PEER_H

#include "perf.h"
#include "sink.h"

enum perf_tag {
	PERF_TAG_DATA = 1,
	PERF_TAG_REPLY,
	PERF_TAG_END,
	PERF_TAG_THREADS = 100, /* plus the index of a thread */
};

extern const struct perf_contestant perf_plain_rate;
extern const struct perf_contestant perf_plain_call;
extern const struct perf_contestant perf_plain_latency;
extern const struct perf_contestant perf_plain_alltoall;

extern const struct perf_contestant perf_multiple_rate;
extern const struct perf_contestant perf_multiple_symmetric;
extern const struct perf_contestant perf_multiple_call;
extern const struct perf_contestant perf_multiple_latency;

extern const struct perf_contestant perf_batch_rate;
extern const struct perf_contestant perf_batch_threads;
extern const struct perf_contestant perf_batch_alltoall;

/* A window of nonblocking sends of one payload, or of receives, each into memory of its own. */
struct perf_window {
	int count;
	size_t nbytes;
	char *memory;
	MPI_Request *requests;
};

void perf_window_create(struct perf_window *window, int count, size_t nbytes);
void perf_window_destroy(struct perf_window *window);
static inline void *perf_window_slot(const struct perf_window *window, int slot)
{
	return window->memory + (size_t)slot * window->nbytes;
}

/* One direction of a pair of ranks, in windows. Its memory is allocated and touched before the
 * clock runs, and used again and again. */
struct perf_stream {
	struct perf_window windows[2]; /* of a sender only the first */
};
void perf_stream_create_send(struct perf_stream *stream, int window, size_t nbytes);
void perf_stream_create_receive(struct perf_stream *stream, int window, size_t nbytes);
void perf_stream_destroy(struct perf_stream *stream);
void perf_stream_send(struct perf_stream *stream, MPI_Comm comm, int rank, int tag, uint64_t count);
void perf_stream_receive(struct perf_stream *stream, MPI_Comm comm, int rank, int tag,
                         uint64_t count, struct perf_sink *sink);

/* The receiver's word that all was read, and the wait for it. */
void perf_peer_confirm(MPI_Comm comm, int rank, int tag);
void perf_peer_await(MPI_Comm comm, int rank, int tag);

#endif /* PERF_PEER_H */
