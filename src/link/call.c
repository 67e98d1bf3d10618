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
	uint32_t n = p->link.calls.n ? p->link.calls.n * 2 : 256;
	struct fy_call *calls = realloc(p->link.calls.slots, n * sizeof *calls);
	if (!calls)
		return false;
	for (uint32_t i = p->link.calls.n; i < n; i++)
		calls[i] = (struct fy_call){ .generation = 1,
			                     .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	p->link.calls.free = p->link.calls.n;
	p->link.calls.free_last = n - 1;
	p->link.calls.slots = calls;
	p->link.calls.n = n;
	return true;
}

uint64_t fy_call_open(struct fy_progress *p, ferry_future *future, int rank)
{
	if ((p->link.calls.n == 0 || p->link.calls.free == NO_SLOT) && !grow(p))
		return 0;
	uint32_t i = p->link.calls.free;
	struct fy_call *c = &p->link.calls.slots[i];
	p->link.calls.free = c->next_free;
	c->future = future;
	c->rank = rank;
	p->link.calls.open++;
	return (uint64_t)c->generation << 32 | (i + 1);
}

ferry_future *fy_call_close(struct fy_progress *p, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(&p->link.calls, id, rank);
	return c ? fy_call_close_found(p, c) : NULL;
}

ferry_future *fy_call_close_found(struct fy_progress *p, struct fy_call *c)
{
	ferry_future *future = c->future;
	uint32_t i = (uint32_t)(c - p->link.calls.slots);
	c->future = NULL;
	c->generation++;
	c->next_free = NO_SLOT;
	if (p->link.calls.free == NO_SLOT)
		p->link.calls.free = i;
	else
		p->link.calls.slots[p->link.calls.free_last].next_free = i;
	p->link.calls.free_last = i;
	p->link.calls.open--;
	return future;
}

void fy_call_fail(struct fy_progress *p, int rank, int status, const char *detail)
{
	for (uint32_t i = 0; i < p->link.calls.n; i++) {
		struct fy_call *c = &p->link.calls.slots[i];
		if (!c->future || (rank != FERRY_ALL && c->rank != rank))
			continue;
		fy_future_complete(fy_call_close_found(p, c), status, detail);
	}
}

void fy_call_reply(struct fy_progress *p, int rank, uint64_t call_id, ferry_message *reply,
                   unsigned colour)
{
	ferry_future *future = fy_call_close(p, call_id, rank);
	p->link.counts.done[colour]++;
	if (future && fy_future_complete_reply(future, reply))
		return;
	p->link.stats.late_replies++;
	if (!future)
		ferry_message_release(reply);
}
