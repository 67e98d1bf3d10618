/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait for their replies: a table of slots. Only the holder of the helm may call. A
 * call's id has the slot's number plus one in its low half, and the slot's generation in its high
 * half. So no id is used twice, and a late reply is recognized. Free slots are used in turn (a
 * queue), so that generations grow evenly.
 */
#include "link/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "future/future.h"
#include "link/link.h"

#define NO_SLOT UINT32_MAX

static bool grow(struct fy_link *link)
{
	uint32_t n = link->calls.n ? link->calls.n * 2 : 256;
	struct fy_call *calls = realloc(link->calls.slots, n * sizeof *calls);
	if (!calls)
		return false;
	for (uint32_t i = link->calls.n; i < n; i++)
		calls[i] = (struct fy_call){ .generation = 1,
			                     .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	link->calls.free = link->calls.n;
	link->calls.free_last = n - 1;
	link->calls.slots = calls;
	link->calls.n = n;
	return true;
}

uint64_t fy_call_open(struct fy_link *link, ferry_future *future, int rank)
{
	if ((link->calls.n == 0 || link->calls.free == NO_SLOT) && !grow(link))
		return 0;
	uint32_t i = link->calls.free;
	struct fy_call *c = &link->calls.slots[i];
	link->calls.free = c->next_free;
	c->future = future;
	c->rank = rank;
	link->calls.open++;
	return (uint64_t)c->generation << 32 | (i + 1);
}

ferry_future *fy_call_close(struct fy_link *link, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(&link->calls, id, rank);
	return c ? fy_call_close_found(link, c) : NULL;
}

ferry_future *fy_call_close_found(struct fy_link *link, struct fy_call *c)
{
	ferry_future *future = c->future;
	uint32_t i = (uint32_t)(c - link->calls.slots);
	c->future = NULL;
	c->generation++;
	c->next_free = NO_SLOT;
	if (link->calls.free == NO_SLOT)
		link->calls.free = i;
	else
		link->calls.slots[link->calls.free_last].next_free = i;
	link->calls.free_last = i;
	link->calls.open--;
	return future;
}

void fy_call_fail(struct fy_link *link, int rank, int status, const char *detail)
{
	for (uint32_t i = 0; i < link->calls.n; i++) {
		struct fy_call *c = &link->calls.slots[i];
		if (!c->future || (rank != FERRY_ALL && c->rank != rank))
			continue;
		fy_future_complete(fy_call_close_found(link, c), status, detail);
	}
}

void fy_call_reply(struct fy_link *link, int rank, uint64_t call_id, ferry_message *reply,
                   unsigned colour)
{
	ferry_future *future = fy_call_close(link, call_id, rank);
	link->counts.done[colour]++;
	if (future && fy_future_complete_reply(future, reply))
		return;
	link->stats.late_replies++;
	if (!future)
		ferry_message_release(reply);
}
