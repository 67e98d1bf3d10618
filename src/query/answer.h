/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of one rank to the question how it is: plain bytes of one bounded size, so that it can
 * be sent as one record. It is made of the monitor file of the rank's engine and of the picture of
 * its process; without a process that answers, of the file alone. Times are ages, so no clocks are
 * compared. What does not fit is left out and counted; the oldest comes first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/picture.h"

struct fy_monitor_copy;

#define FY_ANSWER_VERSION 1u
#define FY_ANSWER_OPEN 32u
#define FY_ANSWER_PEERS 24u

enum fy_answer_source {
	FY_ANSWER_HELM,   /* the engine answered */
	FY_ANSWER_HELPER, /* its process did, in the place of a progress thread that did not */
	FY_ANSWER_FILE    /* nobody did: it was read from the file */
};

/* How the process is, as far as the system tells. */
enum fy_answer_process {
	FY_ANSWER_UNKNOWN,
	FY_ANSWER_RUNS,
	FY_ANSWER_STOPPED, /* by a signal, or a debugger */
	FY_ANSWER_DEAD
};

/* Operations that are open; see struct fy_monitor_open. */
struct fy_answer_open {
	uint32_t kind, state;
	int32_t peer;
	uint32_t op;
	uint64_t count;
	int64_t age; /* ns: of the oldest */
};

/* A peer that this rank waits for, or that is gone; see struct fy_monitor_peer. */
struct fy_answer_peer {
	int32_t rank;
	int16_t gone;
	uint16_t flags;
	int64_t silent; /* ns, since it was heard; -1: never */
	uint32_t queued, unacknowledged;
};

struct fy_answer {
	uint32_t version, nbytes;
	int32_t rank, size;
	uint64_t job;
	int32_t pid;
	uint16_t source;  /* enum fy_answer_source */
	uint16_t process; /* enum fy_answer_process */
	uint32_t state;   /* enum fy_monitor_state; 0: there is no file */
	uint32_t has_picture;
	int64_t sampled; /* ns ago: what `open`, `peers` and the numbers are of; -1: none */
	/* of the file: messages that left, and that came; that wait for room at a peer; that nobody
	 * has read; bytes of messages that the program keeps */
	int64_t posts, delivered, queued, unread, held;
	char host[64];
	char program[64];
	uint32_t n_open, more_open, n_peers, more_peers;
	struct fy_answer_open open[FY_ANSWER_OPEN];
	struct fy_answer_peer peers[FY_ANSWER_PEERS];
	struct fy_picture picture;
};
_Static_assert(sizeof(struct fy_answer) <= 8112, "an answer is one word of the wire");

/* Begin one that knows nothing yet. */
void fy_answer_begin(struct fy_answer *answer, int rank, int size, enum fy_answer_source source);
/* Add what a file says at the time `now` of its host (ns, monotonic). */
void fy_answer_add_file(struct fy_answer *answer, const struct fy_monitor_copy *copy, int64_t now);
/* Are these bytes an answer about that rank of `size`, with numbers within their bounds? Then it is
 * in *answer, with the ends of its texts set. They may come from a peer that lies. */
bool fy_answer_read(struct fy_answer *answer, const void *bytes, size_t nbytes, int rank, int size);
