/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait for their replies: a table of slots. Only the holder of the helm may call. A
 * call's id has the slot's number plus one in its low half, and the slot's generation in its high
 * half. So no id is used twice, and a late reply is recognized. Free slots are used in turn (a
 * queue), so that generations grow evenly.
 *
 * A reply that came completes the call's future here. That wakes the thread that waits for it, at
 * the end of the step (future/waiters.c).
 */
#include "link/call.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "future/future.h"
#include "link/channel.h"
#include "link/link.h"

#define NO_SLOT UINT32_MAX

static bool grow(struct fy_link *link)
{
	struct fy_calls *calls = &link->calls;
	uint32_t n = calls->n ? calls->n * 2 : 256;
	struct fy_call *slots = realloc(calls->slots, n * sizeof *slots);
	if (!slots)
		return false;
	for (uint32_t i = calls->n; i < n; i++)
		slots[i] = (struct fy_call){ .generation = 1,
			                     .next_free = i + 1 < n ? i + 1 : NO_SLOT };
	calls->free = calls->n;
	calls->free_last = n - 1;
	calls->slots = slots;
	calls->n = n;
	return true;
}

uint64_t fy_call_open(struct fy_link *link, ferry_future *future, struct fy_called called)
{
	struct fy_calls *calls = &link->calls;
	if ((calls->n == 0 || calls->free == NO_SLOT) && !grow(link))
		return 0;
	uint32_t i = calls->free;
	struct fy_call *c = &calls->slots[i];
	calls->free = c->next_free;
	c->future = future;
	c->called = called;
	calls->open++;
	return (uint64_t)c->generation << 32 | (i + 1);
}

ferry_future *fy_call_close(struct fy_link *link, uint64_t id, int rank)
{
	struct fy_call *c = fy_call_find(&link->calls, id, rank);
	return c ? fy_call_close_found(link, c) : NULL;
}

ferry_future *fy_call_close_found(struct fy_link *link, struct fy_call *c)
{
	struct fy_calls *calls = &link->calls;
	ferry_future *future = c->future;
	uint32_t i = (uint32_t)(c - calls->slots);
	c->future = NULL;
	c->generation++;
	c->next_free = NO_SLOT;
	if (calls->free == NO_SLOT)
		calls->free = i;
	else
		calls->slots[calls->free_last].next_free = i;
	calls->free_last = i;
	calls->open--;
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
	fy_channel_done(link, link->channels[rank], colour, 1);
	if (future && fy_future_complete_reply(future, reply))
		return;
	link->stats.late_replies++;
	if (!future)
		ferry_message_release(reply);
}
