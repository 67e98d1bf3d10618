/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an expert writes against a low message rate. Messages for one destination are gathered into
 * 8 KiB, each behind a header of 8 bytes (length and kind), and one MPI message carries them. The
 * receiver keeps receives of that size posted, and reads the messages where they landed.
 *
 * There is no acknowledgement, no flow control, and no limit to how long a message may wait for its
 * batch to fill. Each thread gathers its own messages: in `batch` nothing is handed over between
 * threads.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "team.h"

#define BATCH_SIZE 8192
#define BATCH_BUFFERS 16
#define BATCH_RECEIVES 64

struct header {
	uint32_t nbytes;
	uint32_t op;
};
#define BODY_MAX (BATCH_SIZE - sizeof(struct header))

/* ---- out ----------------------------------------------------------------- */

struct sender {
	MPI_Comm comm;
	int rank, tag;
	struct perf_window window;
	int current;
	size_t fill;
};

static void sender_create(struct sender *sender, MPI_Comm comm, int rank, int tag)
{
	sender->comm = comm;
	sender->rank = rank;
	sender->tag = tag;
	sender->current = 0;
	sender->fill = 0;
	perf_window_create(&sender->window, BATCH_BUFFERS, BATCH_SIZE);
}

static void send_batch(struct sender *sender)
{
	struct perf_window *window = &sender->window;

	if (sender->fill == 0)
		return;
	MPI_Isend(perf_window_slot(window, sender->current), (int)sender->fill, MPI_BYTE,
	          sender->rank, sender->tag, sender->comm, &window->requests[sender->current]);
	sender->current = (sender->current + 1) % BATCH_BUFFERS;
	sender->fill = 0;
}

static size_t record_size(size_t nbytes)
{
	return (sizeof(struct header) + nbytes + 7) & ~(size_t)7;
}

/* The caller has made sure that there is room. */
static void append(struct sender *sender, const void *body, size_t nbytes)
{
	struct header header = { (uint32_t)nbytes, PERF_TAG_DATA };
	char *place = (char *)perf_window_slot(&sender->window, sender->current) + sender->fill;

	memcpy(place, &header, sizeof(header));
	memcpy(place + sizeof(header), body, nbytes);
	sender->fill += record_size(nbytes);
}

static void gather(struct sender *sender, const void *body, size_t nbytes)
{
	if (sender->fill + record_size(nbytes) > BATCH_SIZE) {
		send_batch(sender);
		MPI_Wait(&sender->window.requests[sender->current], MPI_STATUS_IGNORE);
	}
	append(sender, body, nbytes);
}

static void sender_destroy(struct sender *sender)
{
	MPI_Waitall(BATCH_BUFFERS, sender->window.requests, MPI_STATUSES_IGNORE);
	perf_window_destroy(&sender->window);
}

/* ---- in ------------------------------------------------------------------ */

struct receiver {
	MPI_Comm comm;
	int rank, tag;
	struct perf_window window;
	int oldest;
	struct perf_sink sink;
};

static void post_one(struct receiver *receiver, int slot)
{
	MPI_Irecv(perf_window_slot(&receiver->window, slot), BATCH_SIZE, MPI_BYTE, receiver->rank,
	          receiver->tag, receiver->comm, &receiver->window.requests[slot]);
}

static void receiver_create(struct receiver *receiver, MPI_Comm comm, int rank, int tag)
{
	int i;

	memset(receiver, 0, sizeof(*receiver));
	receiver->comm = comm;
	receiver->rank = rank;
	receiver->tag = tag;
	perf_window_create(&receiver->window, BATCH_RECEIVES, BATCH_SIZE);
	for (i = 0; i < BATCH_RECEIVES; i++)
		post_one(receiver, i);
}

static void read_batch(struct receiver *receiver, const char *batch, int nbytes)
{
	struct header header;
	size_t at = 0;

	while (at < (size_t)nbytes) {
		memcpy(&header, batch + at, sizeof(header));
		if (header.op == PERF_TAG_DATA)
			perf_sink_read(&receiver->sink, batch + at + sizeof(header), header.nbytes);
		at += record_size(header.nbytes);
	}
}

/* Read the batch in the oldest receive. False: it is not there yet, and `wait` is false. */
static bool receive_batch(struct receiver *receiver, bool wait)
{
	int slot = receiver->oldest, arrived = 1, nbytes;
	MPI_Status status;

	if (wait)
		MPI_Wait(&receiver->window.requests[slot], &status);
	else
		MPI_Test(&receiver->window.requests[slot], &arrived, &status);
	if (!arrived)
		return false;
	MPI_Get_count(&status, MPI_BYTE, &nbytes);
	read_batch(receiver, perf_window_slot(&receiver->window, slot), nbytes);
	post_one(receiver, slot);
	receiver->oldest = (slot + 1) % BATCH_RECEIVES;
	return true;
}

static void receiver_destroy(struct receiver *receiver)
{
	int i;

	for (i = 0; i < BATCH_RECEIVES; i++)
		MPI_Cancel(&receiver->window.requests[i]);
	MPI_Waitall(BATCH_RECEIVES, receiver->window.requests, MPI_STATUSES_IGNORE);
	perf_window_destroy(&receiver->window);
}

/* ---- one way ------------------------------------------------------------ */

static void gather_all(MPI_Comm comm, int tag, const struct perf_trial *trial, uint64_t count)
{
	struct sender sender;
	char *payload = perf_payload(trial->size);

	sender_create(&sender, comm, 1, tag);
	for (; count > 0; count--)
		gather(&sender, payload, trial->size);
	send_batch(&sender);
	sender_destroy(&sender);
	free(payload);
}

static void run_receiver(struct perf_world *world, const struct perf_trial *trial, uint64_t total)
{
	struct receiver receiver;

	receiver_create(&receiver, world->comm, 0, PERF_TAG_DATA);
	MPI_Barrier(world->comm);
	while (receiver.sink.messages < total)
		receive_batch(&receiver, true);
	perf_peer_confirm(world->comm, 0, PERF_TAG_END);
	perf_sink_check(&receiver.sink, total, trial->size, "batch");
	receiver_destroy(&receiver);
}

static void run_rate(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;

	if (world->rank != 0) {
		run_receiver(world, trial, total);
		return;
	}
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	gather_all(world->comm, PERF_TAG_DATA, trial, total);
	perf_peer_await(world->comm, 1, PERF_TAG_END);
	perf_clock_stop(trial);
}

struct gatherers {
	struct perf_world *world;
	struct perf_trial *trial;
};

static void gather_thread(struct perf_member *member)
{
	struct gatherers *all = member->arg;

	gather_all(all->world->comm, PERF_TAG_DATA, all->trial, all->trial->count);
}

static void run_threads(struct perf_world *world, struct perf_trial *trial)
{
	struct gatherers all = { world, trial };
	struct perf_team team;

	if (world->rank != 0) {
		run_receiver(world, trial, trial->count * (uint64_t)trial->threads);
		return;
	}
	perf_team_start(&team, trial->threads, gather_thread, &all);
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	perf_team_go(&team);
	perf_team_join(&team);
	perf_peer_await(world->comm, 1, PERF_TAG_END);
	perf_clock_stop(trial);
}

/* ---- among all ranks ----------------------------------------------------- */

/* Receives while it waits for a buffer: two ranks that only waited would never end. */
static void gather_and_receive(struct sender *sender, struct receiver *receiver, const void *body,
                               size_t nbytes)
{
	int through = 0;

	if (sender->fill + record_size(nbytes) > BATCH_SIZE) {
		send_batch(sender);
		while (receive_batch(receiver, false))
			;
		MPI_Test(&sender->window.requests[sender->current], &through, MPI_STATUS_IGNORE);
		while (!through) {
			if (!receive_batch(receiver, false))
				sched_yield();
			MPI_Test(&sender->window.requests[sender->current], &through,
			         MPI_STATUS_IGNORE);
		}
	}
	append(sender, body, nbytes);
}

static void exchange(struct perf_world *world, const struct perf_trial *trial,
                     struct sender *senders, struct receiver *receiver, uint64_t total)
{
	char *payload = perf_payload(trial->size);
	int distance = 1;
	uint64_t i;

	for (i = 0; i < total; i++) {
		gather_and_receive(&senders[(world->rank + distance) % world->size], receiver,
		                   payload, trial->size);
		/* One rank alone has nothing to send.
		 * NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
		distance = distance % (world->size - 1) + 1;
	}
	for (distance = 0; distance < world->size; distance++)
		send_batch(&senders[distance]);
	while (receiver->sink.messages < total)
		if (!receive_batch(receiver, false))
			sched_yield();
	free(payload);
}

static void run_alltoall(struct perf_world *world, struct perf_trial *trial)
{
	uint64_t total = trial->count * (uint64_t)trial->threads;
	struct sender *senders = perf_allocate((size_t)world->size * sizeof(*senders));
	struct receiver receiver;
	int i;

	for (i = 0; i < world->size; i++)
		sender_create(&senders[i], world->comm, i, PERF_TAG_DATA);
	receiver_create(&receiver, world->comm, MPI_ANY_SOURCE, PERF_TAG_DATA);
	MPI_Barrier(world->comm);
	perf_clock_start(trial);
	exchange(world, trial, senders, &receiver, total);
	perf_clock_stop(trial);
	MPI_Allreduce(MPI_IN_PLACE, &trial->seconds, 1, MPI_DOUBLE, MPI_MAX, world->comm);
	perf_sink_check(&receiver.sink, total, trial->size, "batch");
	for (i = 0; i < world->size; i++)
		sender_destroy(&senders[i]);
	receiver_destroy(&receiver);
	free(senders);
}

const struct perf_contestant perf_batch_rate = {
	"batch",
	"messages gathered by hand into 8 KiB, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	BODY_MAX,
	run_rate
};
const struct perf_contestant perf_batch_threads = {
	"batch-threads",
	"messages gathered by hand into 8 KiB a thread, MPI_THREAD_MULTIPLE, one receiving thread",
	MPI_THREAD_MULTIPLE,
	false,
	BODY_MAX,
	run_threads
};
const struct perf_contestant perf_batch_alltoall = {
	"batch",
	"messages gathered by hand into 8 KiB a destination, one thread a rank",
	MPI_THREAD_FUNNELED,
	false,
	BODY_MAX,
	run_alltoall
};
