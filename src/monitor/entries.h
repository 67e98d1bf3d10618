/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of the sections of a monitor file; see format.h.
 */
#pragma once

#include <stdint.h>

#define FY_MONITOR_NO_OP 0xFFFFFFFFu /* as an op: none, or not known */

#define FY_MONITOR_NAME 24u
/* A counter or a gauge. */
struct fy_monitor_value {
	char name[FY_MONITOR_NAME]; /* ends with 0; constant */
	int64_t value;
};

/*
 * How long operations were in one stage. Bucket i holds times from fy_monitor_bucket_low(i) up to,
 * without, that of i + 1: below 8 ns one bucket a ns, then 4 in each power of two. The last one
 * holds all that is longer, too.
 */
#define FY_MONITOR_BUCKETS 152u
struct fy_monitor_histogram {
	char name[FY_MONITOR_NAME]; /* constant */
	uint64_t count;
	uint64_t sum, longest; /* ns */
	uint32_t buckets;      /* constant: FY_MONITOR_BUCKETS */
	uint32_t spare;
	uint64_t in[FY_MONITOR_BUCKETS];
};

/* The bucket that a time belongs to, and the shortest time of a bucket. */
static inline uint32_t fy_monitor_bucket_of(uint64_t ns)
{
	if (ns < 8)
		return (uint32_t)ns;
	uint32_t power = 63u - (uint32_t)__builtin_clzll(ns);
	uint32_t i = 4 * (power - 1) + (uint32_t)(ns >> (power - 2) & 3);
	return i < FY_MONITOR_BUCKETS ? i : FY_MONITOR_BUCKETS - 1;
}
static inline uint64_t fy_monitor_bucket_low(uint32_t i)
{
	if (i < 8)
		return i;
	return (uint64_t)(4 + i % 4) << (i / 4 - 1);
}

/* The names of the histograms, in their order. */
#define FY_MONITOR_STAGES(X)                                             \
	X(LANE, "lane")       /* from the post until the helm took it */ \
	X(BATCH, "batch")     /* until MPI had it */                     \
	X(ACCEPT, "accept")   /* from then until the peer accepted it */ \
	X(HANDLER, "handler") /* inside of a handler, of this rank */    \
	X(REPLY, "reply")     /* from taking a call until its reply */
enum fy_monitor_stage {
#define FY_MONITOR_STAGE(name, text) FY_MONITOR_##name,
	FY_MONITOR_STAGES(FY_MONITOR_STAGE)
#undef FY_MONITOR_STAGE
		FY_MONITOR_N_STAGES
};

#define FY_MONITOR_OP_HANDLED 0x1u /* there is a handler */
#define FY_MONITOR_OP_AWAY 0x2u    /* which an executor runs */
struct fy_monitor_op {
	uint32_t op; /* FERRY_ANY_OP: all those for which there is no room */
	uint32_t flags;
	uint64_t received;
	uint64_t retained;   /* messages that the program keeps */
	uint64_t unanswered; /* requests that have no reply yet */
	uint64_t unread;     /* messages in the mailbox: without a handler or a reader */
	uint32_t running;    /* handlers, on executors */
	uint32_t waiting;    /* messages that wait for an executor */
	char spare[16];
};

struct fy_monitor_error {
	int32_t status;
	int32_t rank; /* that it was about; -1: none */
	uint64_t count;
	int64_t first_wall, last_wall; /* since 1970 */
	char text[160];                /* ends with 0 */
};

enum fy_monitor_open_kind {
	FY_MONITOR_POST = 1, /* with a future, or that counts */
	FY_MONITOR_CALL,
	FY_MONITOR_LARGE_OUT, /* a large message to the peer */
	FY_MONITOR_LARGE_IN,  /* and from it */
	FY_MONITOR_REQUEST,   /* of the peer, that has no reply yet */
	FY_MONITOR_MESSAGE,   /* of the peer, that nobody has taken from the mailbox */
	FY_MONITOR_FENCE,
	FY_MONITOR_CLOSE,
	FY_MONITOR_MPI,   /* an operation of MPI that the program started */
	FY_MONITOR_PLAIN, /* a post without a future that has not left yet */
	FY_MONITOR_FLUSH,
};

enum fy_monitor_open_state {
	FY_MONITOR_IN_LANE = 1, /* the helm has not taken it */
	FY_MONITOR_IN_QUEUE,    /* it waits for room in the channel */
	FY_MONITOR_UNDER_WAY,   /* sent, or about to be; not accepted */
	FY_MONITOR_AWAITED,     /* of a call: it has left, and the reply has not come */
	FY_MONITOR_UNGRANTED,   /* of a large message: its receiver has no room yet */
	FY_MONITOR_ENDING,      /* of a fence, a close */
	FY_MONITOR_HELD,        /* of a message from the peer: it is here */
};

struct fy_monitor_open {
	uint32_t kind;   /* enum fy_monitor_open_kind; one that you do not know: "operation" */
	uint32_t state;  /* enum fy_monitor_open_state, likewise */
	int32_t peer;    /* -1: all */
	uint32_t op;     /* FY_MONITOR_NO_OP: none, or not known */
	int64_t since;   /* CLOCK_MONOTONIC: of the first sample that saw it; it may be older */
	uint64_t count;  /* so many like this, of which it is the oldest; counted to 256 */
	uint64_t nbytes; /* 0: not known */
	char spare[24];
};

#define FY_MONITOR_PEER_FULL 0x1u    /* posters wait for room at it */
#define FY_MONITOR_PEER_HUNGRY 0x2u  /* this rank ran out of credit there, and told it so */
#define FY_MONITOR_PEER_AWAITED 0x4u /* this rank waits for something of it */
#define FY_MONITOR_PEER_SILENT 0x8u  /* longer than a third of peer_timeout */
#define FY_MONITOR_PEER_HERE 0x10u   /* it is on this host */
struct fy_monitor_peer {
	int32_t rank;
	int16_t gone; /* 0, or the status with which posts to it end */
	uint16_t flags;
	uint32_t queued;         /* messages that wait here for room at it */
	uint32_t unacknowledged; /* batches that left and that it has not accepted */
	uint64_t sent;           /* messages of the program */
	uint64_t queued_bytes;
	int64_t credit; /* bytes that this rank may still send */
	int64_t heard;  /* CLOCK_MONOTONIC: of the first sample that saw the last batch; 0: never */
	uint64_t waited;   /* ns during which posters found no room at it */
	uint64_t received; /* messages of the program that came from it */
};

_Static_assert(sizeof(struct fy_monitor_value) == 32 &&
                       sizeof(struct fy_monitor_histogram) == 56 + 8 * FY_MONITOR_BUCKETS &&
                       sizeof(struct fy_monitor_op) == 64 &&
                       sizeof(struct fy_monitor_error) == 192 &&
                       sizeof(struct fy_monitor_open) == 64 && sizeof(struct fy_monitor_peer) == 64,
               "the page says so");
