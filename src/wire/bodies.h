/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's own ops, and the bodies of control records and announcements. Bytes alone:
 * doc/wire-format.md.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The library's own ops. */
#define FY_OP_FLUSH 0xFFFFFF01u     /* delivered like any post, then forgotten */
#define FY_OP_FLUSH_ALL 0xFFFFFF02u /* lanes only */
#define FY_OP_START 0xFFFFFF03u     /* lanes only: an operation of MPI, see mpi/start.h */
#define FY_OP_GONE 0xFFFFFF04u      /* on no wire: tells the program who is gone */
#define FY_OP_ACK_STREAM 0xFFFFFF10u
#define FY_OP_REFUSED 0xFFFFFF11u
#define FY_OP_GRANT 0xFFFFFF12u
#define FY_OP_LENGTHS 0xFFFFFF13u
#define FY_OP_AGREE_UP 0xFFFFFF14u
#define FY_OP_AGREE_DOWN 0xFFFFFF15u
#define FY_OP_RECALL 0xFFFFFF16u
#define FY_OP_GIVE 0xFFFFFF17u
#define FY_OP_LOST 0xFFFFFF18u
#define FY_OP_AGREE_NEWS 0xFFFFFF19u
#define FY_OP_SUM 0xFFFFFF1Au /* with the option checksum */

/* Posts of the routines that stand on the engine (unidist/ops.h) have one of these: */
#define FY_OP_ROUTINES_FIRST 0xFFFF0001u
#define FY_OP_ROUTINES_LAST 0xFFFF0003u

#define FY_LENGTHS_RECORD 256u /* lengths that one record carries */

struct fy_announce {          /* body of a FY_LARGE record, then the first lengths */
	uint64_t xid;         /* of this pair, in this direction, never reused */
	uint64_t total;       /* bytes of all parts */
	uint64_t first_chunk; /* its number; a chunk's tag is 1 + number % tag_max */
	uint32_t n_parts;     /* the body, then the attachments */
	uint32_t chunk_bytes;
	uint32_t flags;
	int32_t status; /* of a reply that is an error; else 0 */
};
#define FY_ANNOUNCE_PREPAID 0x1u /* paid from the credit: the data comes without a grant */

struct fy_grant { /* body of FY_OP_GRANT */
	uint64_t xid;
	int32_t status; /* 0, or why the message is refused */
	uint32_t zero;
};
/* body of FY_OP_LOST: no chunk from number `started` on was started, and some of the 32 before it
 * failed */
struct fy_lost {
	uint64_t xid, started;
	uint32_t which; /* bit i: chunk started - 1 - i does not come */
	int32_t status;
};
struct fy_sum { /* body of FY_OP_SUM */
	uint64_t xid;
	uint32_t sum; /* CRC-32C of all chunks of that message, in the order of their numbers */
	uint32_t zero;
};
struct fy_reply_error { /* in front of the text of a reply that is an error */
	int32_t status;
	/* 1: the status is the library's own and arrives unchanged; 0: it is the handler's and
	 * arrives as EREMOTE */
	uint32_t ferrys;
};
/* body of FY_OP_REFUSED: the records of batch `seq` from `index` on are malformed */
struct fy_refused {
	uint32_t seq, index;
	int32_t status;
	uint32_t zero;
};
/* body of FY_OP_ACK_STREAM: `count` more FY_HELD records of that stream are delivered */
struct fy_ack_stream {
	uint32_t stream, count;
};
struct fy_agree_word { /* body of FY_OP_AGREE_UP and _DOWN */
	uint32_t n, round;
	uint32_t kind;    /* FY_AGREE_FENCE or FY_AGREE_CLOSE, and FY_AGREE_TAINTED */
	uint32_t verdict; /* on the way down; 0 on the way up */
	uint32_t crew;    /* the number of the crew that the sender has */
	uint32_t zero;
	uint64_t sent, done;
};
_Static_assert(sizeof(struct fy_agree_word) == 40, "the wire format says 40 bytes");
#define FY_AWAITED_NAMED 4u
struct fy_awaited { /* ranks that a close waits for */
	uint32_t count, zero;
	uint32_t first[FY_AWAITED_NAMED]; /* the lowest of them */
};
struct fy_agree_news { /* body of FY_OP_AGREE_NEWS: a rank closes */
	uint32_t closer;
	uint32_t fences; /* how many the closer has finished */
	uint32_t crew;   /* the number of the crew that the sender has */
	uint32_t zero;
	struct fy_awaited awaited; /* up: among the ranks below; down: among all */
};
_Static_assert(sizeof(struct fy_agree_news) == 40, "the wire format says 40 bytes");

static inline bool fy_bodies_is_routine(uint32_t op)
{
	return op >= FY_OP_ROUTINES_FIRST && op <= FY_OP_ROUTINES_LAST;
}

static inline uint32_t fy_bodies_lengths(uint32_t n)
{
	return n < FY_LENGTHS_RECORD ? n : FY_LENGTHS_RECORD;
}
