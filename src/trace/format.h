/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a timeline: one a rank. Bytes alone, in the order of the machine (little endian):
 * doc/trace-format.md explains them. Whoever writes or reads such files may include it.
 *
 *   head | ring of many threads | ring of the holder of the helm
 */
#pragma once

#include <stdint.h>

#define FY_TRACE_MAGIC "FERRYTRC"
#define FY_TRACE_VERSION 1u
#define FY_TRACE_HEAD_BYTES 16384u
#define FY_TRACE_THREADS 256u
#define FY_TRACE_LANES 1024u
#define FY_TRACE_NOBODY 0xFFFFu /* a thread that found no place in the table */
#define FY_TRACE_SUFFIX ".trace"

/* What an event says. `peer`, `op`, `id`, `extra` and `nbytes` of each: doc/trace-format.md. */
enum fy_trace_kind {
	FY_TRACE_NOTHING,
	FY_TRACE_POST,      /* a post left, in a batch */
	FY_TRACE_CALL,      /* likewise a call */
	FY_TRACE_REPLY,     /* likewise a reply */
	FY_TRACE_ARRIVED,   /* a post or a call came, and no inline handler took it at once */
	FY_TRACE_BEGIN,     /* a handler begins */
	FY_TRACE_END,       /* and ends */
	FY_TRACE_COMPLETED, /* a reply came, and its call's future is complete */
	FY_TRACE_SENT,      /* a batch left */
	FY_TRACE_CAME,      /* a batch came, and its records have their turn */
	FY_TRACE_STEP,      /* a step of the loop, written at its end */
	FY_TRACE_SLEEP,     /* likewise a sleep */
	FY_TRACE_LEND,      /* likewise: a thread that waits had the helm */
	FY_TRACE_ANNOUNCED, /* a large message was announced to a peer */
	FY_TRACE_DEPARTED,  /* all of it has left */
	FY_TRACE_EXPECTED,  /* a peer has announced one */
	FY_TRACE_LANDED,    /* all of it is here */
	FY_TRACE_KINDS
};

#define FY_TRACE_LARGE 0x1u  /* flag: what is posted, called or replied is a large message */
#define FY_TRACE_FAILED 0x2u /* flag, of COMPLETED: the reply is an error */

#define FY_TRACE_WRITING UINT32_MAX /* in the place of a number; no event aside has this one */

struct fy_trace_event {
	int64_t time; /* ns, of the clock of this rank; of STEP, SLEEP and LEND the beginning */
	/* The event's number in its ring plus 1, its lower half. Written last (release): a slot
	 * whose number is another one is being written, or was never finished. In the ring of many
	 * threads it is FY_TRACE_WRITING meanwhile, by which a writer has the slot for itself (load
	 * relaxed, then a compare-and-swap). */
	uint32_t number;
	uint8_t kind;
	uint8_t flags;
	uint16_t thread; /* who wrote it; of POST and CALL the lane of the poster */
	uint32_t peer;
	uint32_t op;
	uint64_t id;
	uint64_t extra;
	uint64_t nbytes;
};
_Static_assert(sizeof(struct fy_trace_event) == 48, "doc/trace-format.md says 48 bytes");

/* Both clocks at one moment, ns. */
struct fy_trace_clock {
	int64_t monotonic, real;
};

struct fy_trace_thread {
	uint32_t tid; /* of the system */
	char name[16];
};

struct fy_trace_ring {
	uint64_t offset; /* in the file, of its first slot */
	uint64_t slots;
	/* How many events were ever begun. The one of number i is in slot i % slots. Written by
	 * the holder of the helm (relaxed), or added to by any thread; nobody reads it meanwhile */
	uint64_t head;
};

enum fy_trace_rings { FY_TRACE_ASIDE, FY_TRACE_MAIN, FY_TRACE_RINGS };

struct fy_trace_head {
	char magic[8];
	uint32_t version;
	uint32_t head_bytes; /* FY_TRACE_HEAD_BYTES */
	uint32_t event_bytes;
	uint32_t rank, size;
	uint32_t engine;    /* the how manieth of this rank's in the directory */
	uint32_t first_seq; /* number of the first batch of a pair */
	uint32_t closed;    /* 1: the engine came to its end. Written by the closing thread */
	uint64_t pid;
	uint64_t every;                     /* of so many records one is here */
	uint64_t time_space;                /* number of the time namespace */
	struct fy_trace_clock begun, ended; /* ended: 0 until it was closed */
	char job[64];
	char host[64];
	char boot[40];
	/* atomic add by threads that write their first event; entries are written behind it */
	uint32_t n_threads;
	uint32_t zero;
	struct fy_trace_ring rings[FY_TRACE_RINGS];
	struct fy_trace_thread threads[FY_TRACE_THREADS];
	/* by number of the lane modulo FY_TRACE_LANES: its thread plus 1, or 0. Written by that
	 * thread */
	uint16_t lanes[FY_TRACE_LANES];
};
_Static_assert(sizeof(struct fy_trace_head) <= FY_TRACE_HEAD_BYTES, "the rings are behind it");
