/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_link;

/* Calls that wait for their replies: a table of slots. */
struct fy_calls {
	struct fy_call *slots;
	uint32_t n, free, free_last, open, max;
};

/* What a call calls, as it stands in its record. */
struct fy_called {
	uint32_t op;
	int rank;
};

struct fy_call {
	ferry_future *future; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
	union {
		struct fy_called called;
		struct {
			uint32_t op;
			int rank;
		};
	};
};

/* 0: no memory. */
uint64_t fy_call_open(struct fy_link *link, ferry_future *future, struct fy_called called);
ferry_future *fy_call_close(struct fy_link *link, uint64_t id, int rank); /* NULL: not open */
ferry_future *fy_call_close_found(struct fy_link *link, struct fy_call *c);
static inline struct fy_call *fy_call_find(const struct fy_calls *calls, uint64_t id, int rank)
{
	uint32_t i = (uint32_t)id - 1;
	if (i >= calls->n)
		return NULL;
	struct fy_call *c = &calls->slots[i];
	return c->future && c->generation == id >> 32 && c->rank == rank ? c : NULL;
}
static inline ferry_future *fy_call_peek(const struct fy_calls *calls, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(calls, id, rank);
	return c ? c->future : NULL;
}
/* Fail the calls to a rank, or (FERRY_ALL) all of them. */
void fy_call_fail(struct fy_link *link, int rank, int status, const char *detail);
/* A call's reply is complete; takes its reference over. */
void fy_call_reply(struct fy_link *link, int rank, uint64_t call_id, ferry_message *reply,
                   unsigned colour);
