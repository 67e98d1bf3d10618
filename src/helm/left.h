/* SPDX-License-Identifier: Apache-2.0 */
/* What a program leaves behind when it closes an engine: messages that nobody took or released,
 * calls without a reply, promises. For the statistics at the end. The helm's. */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_progress;

enum fy_left_what {
	FY_LEFT_UNTAKEN,    /* messages of `op` from `rank` that nobody handled or read */
	FY_LEFT_RETAINED,   /* messages of `op` that the program did not release */
	FY_LEFT_UNANSWERED, /* how many of these are requests without an answer */
	FY_LEFT_CALLS,      /* calls to `rank` without a reply */
	FY_LEFT_PROMISES,   /* promises that nobody fulfilled */
	FY_LEFT_KINDS
};

/* The ranks send one another this as it is. */
struct fy_left_of {
	uint32_t what, op; /* FERRY_ANY_OP: no one op */
	int32_t rank;      /* FERRY_ANY: no one rank */
	uint32_t unused;   /* 0 */
	uint64_t count;
};
#define FY_LEFT_NAMED 24u
struct fy_left {
	uint32_t n, unused;
	uint64_t more; /* for which there was no place */
	struct fy_left_of of[FY_LEFT_NAMED];
};

void fy_left_add(struct fy_left *left, enum fy_left_what what, uint32_t op, int rank,
                 uint64_t count);
/* The calls that are open now: they will not be answered. */
void fy_left_calls(struct fy_progress *p);
/* At the end, when what is unread has been dropped: the messages. */
void fy_left_messages(struct fy_progress *p);
