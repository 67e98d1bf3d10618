/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI_THREAD_MULTIPLE with as many sending threads as Ferry has posters. The fastest arrangement
 * has one receiving thread for all of them; the symmetric one has a receiving thread for each
 * sender, under a tag of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "peer.h"
#include "team.h"

struct side {
	struct perf_world *world;
	struct perf_trial *trial;
	bool one_receiver;
	struct perf_stream *streams;                         /* one a thread, of one-way trials */
	struct perf_sink sinks[PERF_THREADS_MAX];            /* one a thread */
	struct perf_histogram *histograms[PERF_THREADS_MAX]; /* one a thread, or NULL */
};

/* One side of the job: `threads` members, started after a barrier. */
static void run_side(struct side *side, int threads, void (*work)(struct perf_member *))
{
	struct perf_team team;

	perf_team_start(&team, threads, work, side);
	MPI_Barrier(side->world->comm);
	perf_clock_start(side->trial);
	perf_team_go(&team);
	perf_team_join(&team);
	if (side->world->rank == 0 && side->one_receiver)
		perf_peer_await(side->world->comm, 1, PERF_TAG_END);
	perf_clock_stop(side->trial);
}

static struct side *side_create(struct perf_world *world, struct perf_trial *trial,
                                bool one_receiver)
{
	struct side *side = perf_allocate(sizeof(*side));

	side->world = world;
	side->trial = trial;
	side->one_receiver = one_receiver;
	return side;
}

/* Check what all threads of this side read together, and forget the side. */
static void side_end(struct side *side, uint64_t expected, const char *who)
{
	struct perf_sink sink = { 0, 0 };
	int i;

	for (i = 0; i < PERF_THREADS_MAX; i++) {
		sink.messages += side->sinks[i].messages;
		sink.sum += side->sinks[i].sum;
	}
	perf_sink_check(&sink, expected, side->trial->size, who);
	free(side);
}

/* ---- one way ------------------------------------------------------------ */

static int tag_of(const struct side *side, int index)
{
	return side->one_receiver ? PERF_TAG_DATA : PERF_TAG_THREADS + index;
}

static void send_stream(struct perf_member *member)
{
	struct side *side = member->arg;
	struct perf_trial *trial = side->trial;
	int tag = tag_of(side, member->index);

	perf_stream_send(&side->streams[member->index], side->world->comm, 1, tag, trial->count);
	if (!side->one_receiver)
		perf_peer_await(side->world->comm, 1, tag);
}

static void receive_stream(struct perf_member *member)
{
	struct side *side = member->arg;
	struct perf_trial *trial = side->trial;
	uint64_t count = trial->count * (side->one_receiver ? (uint64_t)trial->threads : 1);
	int tag = tag_of(side, member->index);

	perf_stream_receive(&side->streams[member->index], side->world->comm, 0, tag, count,
	                    &side->sinks[member->index]);
	perf_peer_confirm(side->world->comm, 0, side->one_receiver ? PERF_TAG_END : tag);
}

static void run_streams(struct perf_world *world, struct perf_trial *trial, bool one_receiver)
{
	struct side *side = side_create(world, trial, one_receiver);
	uint64_t total = trial->count * (uint64_t)trial->threads;
	int threads = world->rank && one_receiver ? 1 : trial->threads, i;

	side->streams = perf_allocate((size_t)threads * sizeof(*side->streams));
	for (i = 0; i < threads; i++)
		(world->rank
		         ? perf_stream_create_receive
		         : perf_stream_create_send)(&side->streams[i], trial->window, trial->size);
	run_side(side, threads, world->rank ? receive_stream : send_stream);
	for (i = 0; i < threads; i++)
		perf_stream_destroy(&side->streams[i]);
	free(side->streams);
	side_end(side, world->rank == 0 ? 0 : total, "multiple");
}

static void run_rate(struct perf_world *world, struct perf_trial *trial)
{
	run_streams(world, trial, true);
}

static void run_symmetric(struct perf_world *world, struct perf_trial *trial)
{
	run_streams(world, trial, false);
}

/* ---- request and reply --------------------------------------------------- */

static void call_window(struct side *side, struct perf_window *both, const void *payload, int index,
                        int part)
{
	MPI_Comm comm = side->world->comm;
	int i, nbytes = (int)both->nbytes, tag = PERF_TAG_THREADS + index;

	for (i = 0; i < part; i++)
		MPI_Irecv(perf_window_slot(both, i), nbytes, MPI_BYTE, 1, tag, comm,
		          &both->requests[i]);
	for (i = 0; i < part; i++)
		MPI_Isend(payload, nbytes, MPI_BYTE, 1, tag, comm, &both->requests[part + i]);
	MPI_Waitall(2 * part, both->requests, MPI_STATUSES_IGNORE);
	for (i = 0; i < part; i++)
		perf_sink_read(&side->sinks[index], perf_window_slot(both, i), both->nbytes);
}

static void call_all(struct perf_member *member)
{
	struct side *side = member->arg;
	struct perf_trial *trial = side->trial;
	uint64_t left = trial->count;
	struct perf_window both;
	void *payload = perf_payload(trial->size);
	int part;

	perf_window_create(&both, 2 * trial->window, trial->size);
	for (; left > 0; left -= (uint64_t)part) {
		part = left < (uint64_t)trial->window ? (int)left : trial->window;
		call_window(side, &both, payload, member->index, part);
	}
	perf_window_destroy(&both);
	free(payload);
}

struct answers {
	MPI_Comm comm;
	struct perf_window in, out;
	uint64_t to_post;
};

static void post_one(struct answers *answers, int slot)
{
	if (answers->to_post == 0)
		return;
	answers->to_post--;
	MPI_Irecv(perf_window_slot(&answers->in, slot), (int)answers->in.nbytes, MPI_BYTE, 0,
	          MPI_ANY_TAG, answers->comm, &answers->in.requests[slot]);
}

static void answer_one(struct answers *answers, int slot, struct perf_sink *sink)
{
	MPI_Status status;

	MPI_Wait(&answers->in.requests[slot], &status);
	perf_sink_read(sink, perf_window_slot(&answers->in, slot), answers->in.nbytes);
	MPI_Wait(&answers->out.requests[slot], MPI_STATUS_IGNORE);
	memcpy(perf_window_slot(&answers->out, slot), perf_window_slot(&answers->in, slot),
	       answers->in.nbytes);
	MPI_Isend(perf_window_slot(&answers->out, slot), (int)answers->out.nbytes, MPI_BYTE, 0,
	          status.MPI_TAG, answers->comm, &answers->out.requests[slot]);
	post_one(answers, slot);
}

/* One thread answers all calls. The tag says whose call it is. */
static void answer_all(struct perf_member *member)
{
	struct side *side = member->arg;
	struct perf_trial *trial = side->trial;
	uint64_t done, total = trial->count * (uint64_t)trial->threads;
	struct answers answers = { .comm = side->world->comm, .to_post = total };
	int slot;

	perf_window_create(&answers.in, trial->window, trial->size);
	perf_window_create(&answers.out, trial->window, trial->size);
	for (slot = 0; slot < trial->window; slot++)
		post_one(&answers, slot);
	for (done = 0; done < total; done++)
		answer_one(&answers, (int)(done % (uint64_t)trial->window), &side->sinks[0]);
	MPI_Waitall(answers.out.count, answers.out.requests, MPI_STATUSES_IGNORE);
	perf_window_destroy(&answers.in);
	perf_window_destroy(&answers.out);
}

static void run_call(struct perf_world *world, struct perf_trial *trial)
{
	struct side *side = side_create(world, trial, false);

	if (world->rank == 0)
		run_side(side, trial->threads, call_all);
	else
		run_side(side, 1, answer_all);
	side_end(side, trial->count * (uint64_t)trial->threads, "multiple");
}

/* ---- one at a time ------------------------------------------------------- */

static void ping(struct perf_member *member)
{
	struct side *side = member->arg;
	struct perf_trial *trial = side->trial;
	struct perf_histogram *histogram = side->histograms[member->index];
	uint64_t now = perf_nanoseconds(), before, end = now + (uint64_t)(trial->duration * 1e9);
	int nbytes = (int)trial->size, tag = PERF_TAG_THREADS + member->index;
	char *payload = perf_payload(trial->size);

	while (payload[0]) {
		before = perf_pace(trial, now);
		payload[0] = before < end ? 1 : 0;
		MPI_Send(payload, nbytes, MPI_BYTE, 1, tag, side->world->comm);
		MPI_Recv(payload, nbytes, MPI_BYTE, 1, tag, side->world->comm, MPI_STATUS_IGNORE);
		now = perf_nanoseconds();
		perf_histogram_record(histogram, now - before);
	}
	free(payload);
}

static void pong(struct perf_member *member)
{
	struct side *side = member->arg;
	int nbytes = (int)side->trial->size, tag = PERF_TAG_THREADS + member->index;
	char *payload = perf_payload(side->trial->size);

	do {
		MPI_Recv(payload, nbytes, MPI_BYTE, 0, tag, side->world->comm, MPI_STATUS_IGNORE);
		MPI_Send(payload, nbytes, MPI_BYTE, 0, tag, side->world->comm);
	} while (payload[0]);
	free(payload);
}

static void run_latency(struct perf_world *world, struct perf_trial *trial)
{
	struct side *side = side_create(world, trial, false);
	int i;

	for (i = 0; i < trial->threads; i++) {
		side->histograms[i] = perf_allocate(sizeof(*side->histograms[i]));
		perf_histogram_reset(side->histograms[i]);
	}
	run_side(side, trial->threads, world->rank == 0 ? ping : pong);
	for (i = 0; i < trial->threads; i++) {
		perf_histogram_merge(trial->latency, side->histograms[i]);
		free(side->histograms[i]);
	}
	free(side);
}

const struct perf_contestant perf_multiple_rate = {
	"multiple",
	"MPI_THREAD_MULTIPLE, as many sending threads in windows, one receiving thread",
	MPI_THREAD_MULTIPLE,
	false,
	0,
	run_rate
};
const struct perf_contestant perf_multiple_symmetric = {
	"symmetric",
	"MPI_THREAD_MULTIPLE, as many sending threads in windows and as many receiving threads",
	MPI_THREAD_MULTIPLE,
	false,
	0,
	run_symmetric
};
const struct perf_contestant perf_multiple_call = {
	"multiple",
	"MPI_THREAD_MULTIPLE, as many calling threads in windows, one answering thread",
	MPI_THREAD_MULTIPLE,
	false,
	0,
	run_call
};
const struct perf_contestant perf_multiple_latency = {
	"multiple",
	"MPI_THREAD_MULTIPLE, MPI_Send and MPI_Recv between as many pairs of threads",
	MPI_THREAD_MULTIPLE,
	false,
	0,
	run_latency
};
