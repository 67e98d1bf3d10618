/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the communication routines keep between two calls. Any thread. Each engine has one list of:
 *
 *  1. The message whose op ferry_recv_operation_type gave to a thread, until that thread fetches
 *     the data. A thread has at most one.
 *  2. A buffer that was longer than the memory given for it, for the next thread that asks for
 *     buffers of its source. It is the oldest buffer of its source, so it is put in front.
 *
 * The list is under a lock, which is taken for a walk over a few entries. Each thread has a number
 * that is never used twice. An entry owns a reference of its message. Entries that are never
 * fetched are freed with the engine.
 */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_exchange;

#define FY_ANY_THREAD 0u

struct fy_set_aside {
	uint64_t thread; /* its owner, or FY_ANY_THREAD; constant while it is in the list */
	ferry_message *message;
	struct fy_set_aside *next;
};

/* The engine's list, made at the first use. 0 or FERRY_ENOMEM. */
int fy_set_aside_of(ferry *engine, struct fy_exchange **exchange_p);
/* The calling thread's number, given at the first call; never FY_ANY_THREAD. */
uint64_t fy_set_aside_thread(void);
/* Put an entry in front. */
void fy_set_aside_put(struct fy_exchange *x, struct fy_set_aside *kept);
/* Take out the first entry of this owner from that source (or FERRY_ANY). NULL: there is none. */
struct fy_set_aside *fy_set_aside_take(struct fy_exchange *x, uint64_t thread, int source);
