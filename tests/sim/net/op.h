/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is under way, at which rank, of which simulation; and what every part does with it: it is
 * created, has its events, ends, and is in the digest.
 *
 * Every send and every receive is an `op`. What is to happen later is an event
 * in a heap ordered by (time, serial number); fy_sim_advance() takes them out.
 * The life of the ops:
 *
 *   send    started ─ ARRIVE ─┬─ matched ──────────────┬─ (eager) ─ the receive lands
 *                             └─ unexpected ─ matched ─┴─ (rendezvous) waits until its receiver
 *                                                        progresses ─ TRANSFER ─ both land
 *           eager: SENT at any time after the start, before or after the arrival
 *   receive posted ─ matched ─ LANDED, later; or CANCEL, or FAIL, while it is still posted
 *
 * What holds:
 *  - An op is freed when nobody refers to it: its request (until reported), each
 *    event, a queue of messages, and the partner that it was matched with.
 *  - A killed rank's memory is not touched: its ops are orphans.
 *  - Nothing is allocated but at a start, so that only a start can fail: the
 *    heap has room for three events an op from then on.
 *  - Nothing is allocated per pair of ranks: what differs between pairs is
 *    derived from the seed.
 *  - The digest knows ops by their numbers and bytes by their checksum, never
 *    an address. What happens to an op is in it at the moment when it happens.
 */
#ifndef FY_SIM_NET_OP_H
#define FY_SIM_NET_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "port/port.h"
#include "sim/net/chance.h"
#include "sim/net/sim.h"

#define BUCKETS 8     /* queues of a rank, by tag */
#define BELL_WORDS 16 /* one doorbell in 64 bytes */

enum op_kind { OP_SEND, OP_RECV };
enum event_kind {
	EVENT_ARRIVE,
	EVENT_SENT,
	EVENT_TRANSFER,
	EVENT_LANDED,
	EVENT_CANCEL,
	EVENT_FAIL
};
/* What is in the digest beside the events. */
enum trace {
	TRACE_STARTED = EVENT_FAIL + 1,
	TRACE_MATCHED,
	TRACE_UNEXPECTED,
	TRACE_FINISHED,
	TRACE_REPORTED, /* the engine was told that it is done */
	TRACE_CANCEL,   /* the engine asked for it */
	TRACE_LOST,
	TRACE_REFUSED,
	TRACE_AGREE,
	TRACE_CLOSE,
	TRACE_NOTE
};

struct op {
	TAILQ_ENTRY(op) all;
	TAILQ_ENTRY(op) queue; /* posted, unexpected, held, or waiting */
	struct rank *owner;
	struct link *link;   /* of a send on its way; message.c's */
	struct op *partner;  /* the other side, once matched */
	void *data;          /* the caller's */
	unsigned char *copy; /* an eager send's own bytes */
	size_t nbytes;
	size_t got;       /* of a receive */
	uint64_t number;  /* in the order of starts, all ranks together */
	uint64_t sum;     /* checksum of a send's bytes at its start */
	uint64_t matched; /* of a receive: its place in the order of matching at this rank */
	unsigned refs;
	int peer, tag;
	int status, source;
	enum op_kind kind;
	bool rendezvous;
	bool copied; /* the caller's bytes were read */
	bool posted; /* is in a queue of posted receives */
	bool canceling;
	bool orphan; /* the owner was killed */
	bool done;
};

TAILQ_HEAD(ops, op);

struct event {
	int64_t at;
	uint64_t serial;
	struct op *op;
	enum event_kind kind;
};

struct rank {
	fy_port port; /* first: a port is cast to its rank */
	fy_sim *sim;
	struct ops posted[BUCKETS];
	struct ops unexpected[BUCKETS];
	struct ops waiting; /* matched rendezvous sends to this rank, until it progresses */
	struct rank *next_touched;
	size_t outstanding;
	uint64_t matched; /* receives matched so far */
	uint64_t landed;  /* the highest `matched` that is done */
	unsigned refuse;  /* so many sends are refused */
	unsigned refuse_receives;
	unsigned refuse_cancels; /* so many cancels do nothing */
	struct fault faults[2];  /* of data: sends, receives */
	struct fault losses;     /* of receives for tag 0 */
	struct fault damages[2]; /* of messages that come: for tag 0, data */
	uint32_t beats;          /* of its watchdog */
	unsigned agreed;         /* rounds of agreement taken part in */
	int offered;             /* what it said about its open, 0 until then */
	char offer[FY_SENTENCE];
	bool touched;
	bool dead;
	bool closed;
};

#define ROUNDS_MAX 4
#define ROUND_BYTES 64
/* What the first rank brought to an agreement. */
struct round {
	bool begun;
	size_t nbytes;
	int rank;
	unsigned char bytes[ROUND_BYTES];
};

struct cut {
	int from, to;
};

struct fy_sim {
	struct fy_sim_options options;
	struct fy_sim_stats stats;
	struct chance chance;
	uint64_t digest; /* of all that happened so far */
	uint64_t started;
	int64_t now;
	struct event *heap;
	size_t events, heap_room;
	uint64_t serial;
	struct link **links; /* a hash table, chained */
	size_t nlinks, link_room;
	struct ops live; /* every op */
	size_t nlive;
	struct ops held; /* messages that met a cut */
	struct cut *cuts;
	size_t ncuts;
	struct rank *touched;
	struct round rounds[ROUNDS_MAX];
	uint32_t *bells;
	int nranks;
	struct rank *ranks;
	fy_sim_record_fn *record;
	void *record_arg;
	char error[160]; /* of the last call that failed */
	char misuse[200];
};

/* NULL: memory is exhausted. */
struct op *op_create(struct rank *rank, enum op_kind kind, int peer, int tag, void *data,
                     size_t nbytes);
void op_unref(fy_sim *sim, struct op *op);
/* Its rank has something to look at. */
void op_touch(struct rank *rank);
/* Its request may be reported from now on. */
void op_finish(struct op *op, int status);

/* Takes a reference to `op`. */
void op_schedule(fy_sim *sim, enum event_kind kind, struct op *op, int64_t at);
struct event op_take_event(fy_sim *sim);

/* Into the digest: a word; what happens now at which rank; the same and the whole op. */
void op_digest(fy_sim *sim, uint64_t word);
void op_moment(fy_sim *sim, unsigned what, int rank);
void op_trace(fy_sim *sim, unsigned what, const struct op *op);

/* The engine broke a rule of the port; `op` may be NULL. */
void op_misused(fy_sim *sim, const char *what, const struct rank *rank, const struct op *op);
uint64_t op_checksum(const void *data, size_t nbytes);
/* Was a send's memory changed before it was done? */
void op_check_sum(fy_sim *sim, const struct op *op);
/* A pattern into a receive's memory, and whether it is still there. */
void op_scribble(struct op *op);
void op_check_scribble(fy_sim *sim, const struct op *op);

#endif
