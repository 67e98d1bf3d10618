/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain MPI from one thread a rank. The receiver keeps two windows of receives posted. While it
 * reads one, messages match the other. So no message is unexpected unless the receiver is more than
 * a window behind.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

void perf_window_create(struct perf_window *window, int count, size_t nbytes)
{
	int i;

	window->count = count;
	window->nbytes = nbytes;
	window->memory = perf_payload((size_t)count * nbytes);
	window->requests = perf_allocate((size_t)count * sizeof(*window->requests));
	for (i = 0; i < count; i++)
		window->requests[i] = MPI_REQUEST_NULL;
}

void perf_window_destroy(struct perf_window *window)
{
	free(window->memory);
	free(window->requests);
}

void perf_peer_confirm(MPI_Comm comm, int rank, int tag)
{
	MPI_Send(NULL, 0, MPI_BYTE, rank, tag, comm);
}

void perf_peer_await(MPI_Comm comm, int rank, int tag)
{
	MPI_Recv(NULL, 0, MPI_BYTE, rank, tag, comm, MPI_STATUS_IGNORE);
}

/* ---- one way ------------------------------------------------------------ */

static int part_of(uint64_t left, int window)
{
	return left < (uint64_t)window ? (int)left : window;
}

void perf_stream_create_send(struct perf_stream *stream, int window, size_t nbytes)
{
	perf_window_create(&stream->windows[0], window, nbytes);
	stream->windows[1] = (struct perf_window){ 0, 0, NULL, NULL };
}

void perf_stream_create_receive(struct perf_stream *stream, int window, size_t nbytes)
{
	perf_window_create(&stream->windows[0], window, nbytes);
	perf_window_create(&stream->windows[1], window, nbytes);
}

void perf_stream_destroy(struct perf_stream *stream)
{
	perf_window_destroy(&stream->windows[0]);
	perf_window_destroy(&stream->windows[1]);
}

/* One payload is enough: a send only reads it. */
void perf_stream_send(struct perf_stream *stream, MPI_Comm comm, int rank, int tag, uint64_t count)
{
	struct perf_window *sends = &stream->windows[0];
	int i, part;

	for (; count > 0; count -= (uint64_t)part) {
		part = part_of(count, sends->count);
		for (i = 0; i < part; i++)
			MPI_Isend(sends->memory, (int)sends->nbytes, MPI_BYTE, rank, tag, comm,
			          &sends->requests[i]);
		MPI_Waitall(part, sends->requests, MPI_STATUSES_IGNORE);
	}
}

static int post_receives(struct perf_window *receives, MPI_Comm comm, int rank, int tag,
                         uint64_t *left)
{
	int i, part = part_of(*left, receives->count);

	for (i = 0; i < part; i++)
		MPI_Irecv(perf_window_slot(receives, i), (int)receives->nbytes, MPI_BYTE, rank, tag,
		          comm, &receives->requests[i]);
	*left -= (uint64_t)part;
	return part;
}

static void finish_receives(struct perf_window *receives, int part, struct perf_sink *sink)
{
	int i;

	MPI_Waitall(part, receives->requests, MPI_STATUSES_IGNORE);
	for (i = 0; i < part; i++)
		perf_sink_read(sink, perf_window_slot(receives, i), receives->nbytes);
}

void perf_stream_receive(struct perf_stream *stream, MPI_Comm comm, int rank, int tag,
                         uint64_t count, struct perf_sink *sink)
{
	struct perf_window *receives = stream->windows;
	int part[2], turn = 0;

	part[0] = post_receives(&receives[0], comm, rank, tag, &count);
	part[1] = post_receives(&receives[1], comm, rank, tag, &count);
	while (part[turn] > 0) {
		finish_receives(&receives[turn], part[turn], sink);
		part[turn] = post_receives(&receives[turn], comm, rank, tag, &count);
		turn = !turn;
	}
}

/* One thread sends as many messages as all of Ferry's threads post. */
static void run_rate(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;
	struct perf_sink sink = { 0, 0 };
	struct perf_stream stream;

	if (world->rank == 0)
		perf_stream_create_send(&stream, trial->window, trial->size);
	else
		perf_stream_create_receive(&stream, trial->window, trial->size);
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	if (world->rank == 0) {
		perf_stream_send(&stream, world->comm, 1, PERF_TAG_DATA, total);
		perf_peer_await(world->comm, 1, PERF_TAG_END);
	} else {
		perf_stream_receive(&stream, world->comm, 0, PERF_TAG_DATA, total, &sink);
		perf_peer_confirm(world->comm, 0, PERF_TAG_END);
		perf_sink_check(&sink, total, trial->size, "plain");
	}
	perf_clock_stop(trial);
	perf_stream_destroy(&stream);
}

/* ---- request and reply --------------------------------------------------- */

static void call_window(struct perf_world *world, struct perf_window *both, const void *payload,
                        int part, struct perf_sink *sink)
{
	int i, nbytes = (int)both->nbytes;

	for (i = 0; i < part; i++)
		MPI_Irecv(perf_window_slot(both, i), nbytes, MPI_BYTE, 1, PERF_TAG_REPLY,
		          world->comm, &both->requests[i]);
	for (i = 0; i < part; i++)
		MPI_Isend(payload, nbytes, MPI_BYTE, 1, PERF_TAG_DATA, world->comm,
		          &both->requests[part + i]);
	MPI_Waitall(2 * part, both->requests, MPI_STATUSES_IGNORE);
	for (i = 0; i < part; i++)
		perf_sink_read(sink, perf_window_slot(both, i), both->nbytes);
}

static void call_all(struct perf_world *world, const struct perf_trial *trial, uint64_t total,
                     struct perf_sink *sink)
{
	struct perf_window both;
	void *payload = perf_payload(trial->size);
	int part;

	perf_window_create(&both, 2 * trial->window, trial->size);
	for (; total > 0; total -= (uint64_t)part) {
		part = part_of(total, trial->window);
		call_window(world, &both, payload, part, sink);
	}
	perf_window_destroy(&both);
	free(payload);
}

/* Receives complete in the order in which they were posted: one sender, one tag. */
static void answer_all(struct perf_world *world, const struct perf_trial *trial, uint64_t total,
                       struct perf_sink *sink)
{
	struct perf_window in, out;
	uint64_t posted = 0, done;
	int slot, nbytes = (int)trial->size;

	perf_window_create(&in, trial->window, trial->size);
	perf_window_create(&out, trial->window, trial->size);
	for (; posted < (uint64_t)part_of(total, trial->window); posted++)
		MPI_Irecv(perf_window_slot(&in, (int)posted), nbytes, MPI_BYTE, 0, PERF_TAG_DATA,
		          world->comm, &in.requests[posted]);
	for (done = 0; done < total; done++) {
		slot = (int)(done % (uint64_t)trial->window);
		MPI_Wait(&in.requests[slot], MPI_STATUS_IGNORE);
		perf_sink_read(sink, perf_window_slot(&in, slot), trial->size);
		MPI_Wait(&out.requests[slot], MPI_STATUS_IGNORE);
		memcpy(perf_window_slot(&out, slot), perf_window_slot(&in, slot), trial->size);
		MPI_Isend(perf_window_slot(&out, slot), nbytes, MPI_BYTE, 0, PERF_TAG_REPLY,
		          world->comm, &out.requests[slot]);
		if (posted++ < total)
			MPI_Irecv(perf_window_slot(&in, slot), nbytes, MPI_BYTE, 0, PERF_TAG_DATA,
			          world->comm, &in.requests[slot]);
	}
	MPI_Waitall(out.count, out.requests, MPI_STATUSES_IGNORE);
	perf_window_destroy(&in);
	perf_window_destroy(&out);
}

static void run_call(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;
	struct perf_sink sink = { 0, 0 };

	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	if (world->rank == 0)
		call_all(world, trial, total, &sink);
	else
		answer_all(world, trial, total, &sink);
	perf_clock_stop(trial);
	perf_sink_check(&sink, total, trial->size, "plain-call");
}

/* ---- one at a time ------------------------------------------------------- */

/* The first byte of a message says whether it is the last one. */
static void ping(struct perf_world *world, struct perf_trial *trial, char *payload)
{
	uint64_t now = perf_nanoseconds(), before, end = now + (uint64_t)(trial->duration * 1e9);
	int nbytes = (int)trial->size;

	payload[0] = 1;
	while (payload[0]) {
		before = perf_pace(trial, now);
		payload[0] = before < end ? 1 : 0;
		MPI_Send(payload, nbytes, MPI_BYTE, 1, PERF_TAG_DATA, world->comm);
		MPI_Recv(payload, nbytes, MPI_BYTE, 1, PERF_TAG_REPLY, world->comm,
		         MPI_STATUS_IGNORE);
		now = perf_nanoseconds();
		perf_histogram_record(trial->latency, now - before);
	}
}

static void pong(struct perf_world *world, struct perf_trial *trial, char *payload)
{
	int nbytes = (int)trial->size;

	do {
		MPI_Recv(payload, nbytes, MPI_BYTE, 0, PERF_TAG_DATA, world->comm,
		         MPI_STATUS_IGNORE);
		MPI_Send(payload, nbytes, MPI_BYTE, 0, PERF_TAG_REPLY, world->comm);
	} while (payload[0]);
}

static void run_latency(struct perf_world *world, struct perf_trial *trial)
{
	char *payload = perf_payload(trial->size);

	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	if (world->rank == 0)
		ping(world, trial, payload);
	else
		pong(world, trial, payload);
	perf_clock_stop(trial);
	free(payload);
}

/* ---- among all ranks ----------------------------------------------------- */

struct exchange {
	MPI_Comm comm;
	int rank, size;
	struct perf_window sends, receives;
	uint64_t to_send, to_receive, to_post;
	int oldest;
	int next; /* how far from this rank the next destination is */
	struct perf_sink sink;
};

static void post_one(struct exchange *exchange, int slot)
{
	if (exchange->to_post == 0)
		return;
	exchange->to_post--;
	MPI_Irecv(perf_window_slot(&exchange->receives, slot), (int)exchange->receives.nbytes,
	          MPI_BYTE, MPI_ANY_SOURCE, PERF_TAG_DATA, exchange->comm,
	          &exchange->receives.requests[slot]);
}

static void exchange_start(struct exchange *exchange, const struct perf_world *world,
                           const struct perf_trial *trial, uint64_t total)
{
	int i;

	memset(exchange, 0, sizeof(*exchange));
	exchange->comm = world->comm;
	exchange->rank = world->rank;
	exchange->size = world->size;
	exchange->to_send = exchange->to_receive = exchange->to_post = total;
	exchange->next = 1;
	perf_window_create(&exchange->sends, trial->window, trial->size);
	perf_window_create(&exchange->receives, trial->window, trial->size);
	for (i = 0; i < trial->window; i++)
		post_one(exchange, i);
}

/* Send a window to all others in turn, once the window before is sent. */
static bool exchange_send(struct exchange *exchange)
{
	struct perf_window *sends = &exchange->sends;
	int i, part = part_of(exchange->to_send, sends->count), through;

	MPI_Testall(sends->count, sends->requests, &through, MPI_STATUSES_IGNORE);
	if (!through || part == 0)
		return false;
	for (i = 0; i < part; i++) {
		MPI_Isend(sends->memory, (int)sends->nbytes, MPI_BYTE,
		          (exchange->rank + exchange->next) % exchange->size, PERF_TAG_DATA,
		          exchange->comm, &sends->requests[i]);
		exchange->next = exchange->next % (exchange->size - 1) + 1;
	}
	exchange->to_send -= (uint64_t)part;
	return true;
}

/* The oldest receive first, because the next message matches that one. */
static bool exchange_receive(struct exchange *exchange)
{
	struct perf_window *receives = &exchange->receives;
	int arrived, slot, n;

	for (n = 0; n < receives->count && exchange->to_receive > 0; n++) {
		slot = exchange->oldest;
		MPI_Test(&receives->requests[slot], &arrived, MPI_STATUS_IGNORE);
		if (!arrived)
			break;
		perf_sink_read(&exchange->sink, perf_window_slot(receives, slot), receives->nbytes);
		post_one(exchange, slot);
		exchange->oldest = (slot + 1) % receives->count;
		exchange->to_receive--;
	}
	return n > 0;
}

/* Ranks may outnumber processors, so a rank with nothing to do yields. */
static void run_alltoall(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;
	struct exchange exchange;
	bool sent, received;

	exchange_start(&exchange, world, trial, total);
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	while (exchange.to_send > 0 || exchange.to_receive > 0) {
		sent = exchange_send(&exchange);
		received = exchange_receive(&exchange);
		if (!sent && !received)
			sched_yield();
	}
	perf_clock_stop(trial);
	MPI_Waitall(exchange.sends.count, exchange.sends.requests, MPI_STATUSES_IGNORE);
	MPI_Allreduce(MPI_IN_PLACE, &trial->seconds, 1, MPI_DOUBLE, MPI_MAX, world->comm);
	perf_sink_check(&exchange.sink, total, trial->size, "plain");
	perf_window_destroy(&exchange.sends);
	perf_window_destroy(&exchange.receives);
}

const struct perf_contestant perf_plain_rate = {
	"plain",
	"MPI_Isend and MPI_Irecv in windows, one way, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	0,
	run_rate
};
const struct perf_contestant perf_plain_call = {
	"plain-call",
	"requests and replies with MPI_Isend and MPI_Irecv in windows, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	0,
	run_call
};
const struct perf_contestant perf_plain_latency = {
	"plain",
	"MPI_Send and MPI_Recv there and back, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	0,
	run_latency
};
const struct perf_contestant perf_plain_alltoall = {
	"plain",
	"MPI_Isend and MPI_Irecv in windows to all in turn, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	0,
	run_alltoall
};
