/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that await their reply: a table of slots. An id is the slot's number
 * plus one in the low half and the slot's generation in the high half, so no
 * id comes twice and a late reply is recognized. Free slots are used in turn
 * (a queue), so that generations grow evenly.
 */
#include "link/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "future/future.h"
#include "helm/progress.h"

#define NO_SLOT UINT32_MAX

static bool grow(struct fy_progress *p)
{
	uint32_t n = p->n_calls ? p->n_calls * 2 : 256;
	struct fy_call *calls = realloc(p->calls, n * sizeof *calls);
	if (!calls)
		return false;
	for (uint32_t i = p->n_calls; i < n; i++)
		calls[i] = (struct fy_call){ .generation = 1,
			                     .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	p->calls_free = p->n_calls;
	p->calls_free_last = n - 1;
	p->calls = calls;
	p->n_calls = n;
	return true;
}

uint64_t fy_call_open(struct fy_progress *p, ferry_future *future, int rank)
{
	if ((p->n_calls == 0 || p->calls_free == NO_SLOT) && !grow(p))
		return 0;
	uint32_t i = p->calls_free;
	struct fy_call *c = &p->calls[i];
	p->calls_free = c->next_free;
	c->future = future;
	c->rank = rank;
	p->calls_open++;
	return (uint64_t)c->generation << 32 | (i + 1);
}

ferry_future *fy_call_close(struct fy_progress *p, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(p, id, rank);
	return c ? fy_call_close_found(p, c) : NULL;
}

ferry_future *fy_call_close_found(struct fy_progress *p, struct fy_call *c)
{
	ferry_future *future = c->future;
	uint32_t i = (uint32_t)(c - p->calls);
	c->future = NULL;
	c->generation++;
	c->next_free = NO_SLOT;
	if (p->calls_free == NO_SLOT)
		p->calls_free = i;
	else
		p->calls[p->calls_free_last].next_free = i;
	p->calls_free_last = i;
	p->calls_open--;
	return future;
}

void fy_call_fail(struct fy_progress *p, int rank, int status, const char *detail)
{
	for (uint32_t i = 0; i < p->n_calls; i++) {
		struct fy_call *c = &p->calls[i];
		if (!c->future || (rank != FERRY_ALL && c->rank != rank))
			continue;
		fy_future_complete(fy_call_close_found(p, c), status, detail);
	}
}

void fy_call_reply(struct fy_progress *p, int rank, uint64_t call_id, ferry_message *reply,
                   unsigned colour)
{
	ferry_future *future = fy_call_close(p, call_id, rank);
	p->done[colour]++;
	if (future && fy_future_complete_reply(future, reply))
		return;
	p->stats.late_replies++;
	if (!future)
		ferry_message_release(reply);
}
