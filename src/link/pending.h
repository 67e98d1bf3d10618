/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/order.h"
#include "future/future.h"
#include "link/link.h"
#include "shared/engine.h"
#include "wire/record.h"

struct fy_batch_header;
struct fy_channel;

/* Futures of posts that are not accepted yet. */
struct fy_pending {
	ferry_future *first, *last; /* future->id is seq << 32 | index */
};

__attribute__((noinline)) void fy_pending_complete_seldom(struct fy_link *link,
                                                          struct fy_channel *ch, ferry_future *f,
                                                          int status, const char *detail);

static inline void fy_pending_complete(struct fy_link *link, struct fy_channel *ch, ferry_future *f,
                                       int status, const char *detail)
{
	link->counts.awaited[fy_record_tag_bit((uint32_t)(uintptr_t)f->extra)]--;
	if (fy_likely(!status && !(f->flags & FY_FUTURE_IS_FLUSH)))
		fy_future_complete(f, FERRY_OK, NULL);
	else
		fy_pending_complete_seldom(link, ch, f, status, detail);
}
ferry_future *fy_pending_pop(ferry_future **first, ferry_future **last);
extern const char fy_pending_unread[];
unsigned fy_pending_refuse(struct fy_link *link, struct fy_channel *ch, ferry_future **list,
                           ferry_future **last, uint64_t first, uint64_t count, int status);
void fy_pending_fail(struct fy_link *link, struct fy_channel *ch, ferry_future **first,
                     ferry_future **last, int status, const char *detail);
void fy_pending_accepted(struct fy_link *link, struct fy_channel *ch,
                         const struct fy_batch_header *h);

/* The op of a post whose future waits. */
static inline uint32_t fy_pending_op(const ferry_future *future)
{
	return (uint32_t)((uint64_t)(uintptr_t)future->extra >> 32);
}

/* Count this future of a post as one that is not confirmed. `stream` has a tag. Stream and op are
 * the halves of `extra`, written one by one, because it takes three instructions to join them. */
static inline void fy_pending_await(struct fy_link *link, ferry_future *future, uint32_t stream,
                                    uint32_t op)
{
	memcpy(&future->extra, &stream, sizeof stream);
	memcpy((char *)&future->extra + sizeof stream, &op, sizeof op);
	future->next = NULL;
	link->counts.awaited[fy_record_tag_bit(stream)]++;
}
