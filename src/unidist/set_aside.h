/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the communication routines keep between two calls, one list an engine:
 *
 *  1. The message whose op ferry_recv_operation_type told a thread, for that
 *     thread until it fetches the data. A thread has at most one.
 *  2. A buffer that was longer than the memory given for it, for any thread
 *     that asks for buffers of its source next. It is the oldest of its source
 *     that was not given away, so it goes, and goes back, to the front.
 *
 * The list is under a lock that is held for a walk over a few entries. Threads
 * are told apart by numbers that are never used twice. An entry owns a
 * reference of its message; what is never fetched goes with the engine.
 */
#ifndef FY_UNIDIST_SET_ASIDE_H
#define FY_UNIDIST_SET_ASIDE_H

#include <stdint.h>

#include "ferry.h"

struct fy_exchange;

#define FY_ANY_THREAD 0u

struct fy_set_aside {
	uint64_t thread; /* whose it is, or FY_ANY_THREAD; constant while it is on the list */
	ferry_message *message;
	struct fy_set_aside *next;
};

/* The engine's list, made at the first use. 0 or FERRY_ENOMEM. */
int fy_set_aside_of(ferry *engine, struct fy_exchange **exchange_p);
/* The calling thread's number, given at its first use; never FY_ANY_THREAD. */
uint64_t fy_set_aside_thread(void);
/* Put it in front. */
void fy_set_aside_put(struct fy_exchange *x, struct fy_set_aside *kept);
/* Take out the first that this owner has from that source or FERRY_ANY. NULL: nothing. */
struct fy_set_aside *fy_set_aside_take(struct fy_exchange *x, uint64_t thread, int source);

#endif
