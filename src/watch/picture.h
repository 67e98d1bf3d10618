/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of a process, taken for one of its engines: what its threads wait for, and what of
 * the engine is open. It is plain bytes of one size, so it can be sent as it is. What does not fit
 * is left out and counted, what is most in need of a look comes first.
 *
 * A verdict (verdict.h) is made of two pictures of each rank.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_PICTURE_VERSION 1u

#define FY_PICTURE_NAME 16u    /* bytes of a thread's name, with its end */
#define FY_PICTURE_THREADS 20u /* that are described */
#define FY_PICTURE_PEERS 16u
#define FY_PICTURE_OPS 16u

/* What a thread is. */
enum fy_thread_kind {
	FY_THREAD_OWN,       /* Ferry's, and nothing of the program runs there; or an idle worker */
	FY_THREAD_HELPER,    /* known to be one of MPI's */
	FY_THREAD_WAITS,     /* in Ferry, without a timeout, asleep */
	FY_THREAD_TIMED,     /* in Ferry, and its timeout will end that */
	FY_THREAD_ELSEWHERE, /* in a wait for an engine that other processes may end */
	FY_THREAD_PROGRAM,   /* it runs or sleeps outside of Ferry */
	FY_THREAD_KINDS
};

struct fy_picture_thread {
	char name[FY_PICTURE_NAME];
	int32_t tid;
	uint32_t kind;     /* enum fy_thread_kind */
	uint32_t role;     /* enum fy_role */
	char state;        /* the system's: 'S' sleeps, 'R' runs, 'T' stopped */
	uint8_t of_engine; /* it waits for the engine of this picture */
	uint16_t unused;
	uint32_t wait; /* enum fy_waits */
	uint32_t op;
	int32_t peer;
	uint32_t waited_ms;
	uint64_t number; /* of its waits */
	uint64_t object; /* what it waits for, as an address of its process */
};

/* What is open towards one peer. */
struct fy_picture_peer {
	int32_t rank;
	uint32_t flags;             /* enum fy_picture_peer_flags */
	uint32_t calls;             /* of this rank, without a reply */
	uint32_t posts;             /* that the peer has not confirmed: with a future, or counted */
	uint32_t large;             /* messages that wait for the peer's grant, or are being sent */
	uint32_t coming;            /* large messages from there */
	uint64_t credit;            /* bytes that may still be sent there */
	uint64_t unread;            /* bytes of its messages that are not released here */
	uint64_t limit, limit_told; /* of this rank's sending there, and of the peer's here */
};

enum fy_picture_peer_flags {
	FY_PEER_HELD = 0x1,    /* records wait here for room there */
	FY_PEER_GONE = 0x2,    /* the peer is gone */
	FY_PEER_AWAITED = 0x4, /* a word of the fence or the close has to come from there */
	FY_PEER_HUNGRY = 0x8,  /* it was told that this rank wants more credit, and gave none */
	FY_PEER_HUNGRY_THERE = 0x10 /* likewise the other way round */
};

/* Messages of one op that are here. */
struct fy_picture_op {
	uint32_t op;
	uint32_t unread;          /* in the mailbox, and nobody takes them */
	int32_t unread_from;      /* the sender of the oldest of these */
	uint32_t requests;        /* retained by the program and not answered */
	uint32_t retained;        /* retained and not released, requests included */
	uint32_t running;         /* handlers on executors */
	uint32_t queued;          /* messages that wait for an executor */
	uint32_t unread_requests; /* how many of the unread ones are requests */
};

/* What has to be equal in two pictures, if nothing moves. */
struct fy_picture_counts {
	uint64_t sent;    /* records that this rank has put on their way */
	uint64_t done;    /* that came to their end here */
	uint64_t held;    /* that have arrived here, and that an executor of the program has */
	uint64_t moved;   /* of everything else that the engine does for the program */
	uint64_t waits;   /* waits that the threads of this process began and ended */
	uint64_t threads; /* a sum over the threads that there are */
};

enum fy_picture_flags {
	FY_PICTURE_HELM = 0x1,     /* the holder of the helm took it: what is not shared is right */
	FY_PICTURE_FENCE = 0x2,    /* this rank is in a fence */
	FY_PICTURE_CLOSE = 0x4,    /* likewise in the close */
	FY_PICTURE_STARTS = 0x8,   /* operations of MPI go on, which anybody may end */
	FY_PICTURE_BUSY = 0x10,    /* the engine has something to do by itself */
	FY_PICTURE_UNSEEN = 0x40,  /* the threads could not be looked at */
	FY_PICTURE_FULL = 0x80,    /* unread or retained messages fill receive_memory */
	FY_PICTURE_QUIET = 0x100,  /* nothing here holds the fence or the close up */
	FY_PICTURE_ENDING = 0x200, /* the close is agreed on */
	FY_PICTURE_CUT = 0x400,    /* a peer for which records are held was left out */
	FY_PICTURE_UNDER_WAY = 0x800, /* confirmations are awaited, or large messages */
	FY_PICTURE_CLOSING = 0x1000,  /* the program has called ferry_close */
	FY_PICTURE_STARVED = 0x2000   /* there is no memory for what has to be sent */
};

struct fy_picture {
	uint32_t version, nbytes;
	int32_t rank, size;
	int32_t pid;
	uint32_t flags;               /* enum fy_picture_flags */
	uint32_t inside;              /* what runs with the helm: shared/inside.h */
	uint32_t blocked_ms;          /* so long the helm was not free */
	uint32_t deadlines;           /* of futures, and calls whose handler_grace goes on */
	uint32_t promises;            /* of the program, that are not fulfilled */
	uint32_t agreement, finished; /* the fence or close that goes on; the last that is over */
	uint32_t n_awaited;           /* the ranks that a fence or close waits for, as known here */
	uint32_t awaited[4];
	uint32_t by_kind[FY_THREAD_KINDS];  /* how many threads of each enum fy_thread_kind */
	uint32_t n_threads, n_peers, n_ops; /* described below */
	uint32_t more_threads, more_peers, more_ops; /* left out */
	struct fy_picture_counts counts;
	struct fy_picture_thread threads[FY_PICTURE_THREADS];
	struct fy_picture_peer peers[FY_PICTURE_PEERS];
	struct fy_picture_op ops[FY_PICTURE_OPS];
};
_Static_assert(sizeof(struct fy_picture) <= 4096, "a picture is one record in a batch");

/* Is that a picture of this version, and are its numbers within their bounds? For bytes from
 * elsewhere; makes names printable. */
bool fy_picture_check(struct fy_picture *picture, size_t nbytes);
