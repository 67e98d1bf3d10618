/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "future/future.h"
#include "helm/progress.h"
#include "link/batch.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/pending.h"
#include "wire/header.h"
#include "wire/record.h"

enum fy_put { FY_PUT_DONE, FY_PUT_NO_ROOM, FY_PUT_CANCELLED };

/* Of a record that is no post. */
static inline ferry_future *fy_put_future(const struct fy_record *r)
{
	return r->size_flags & FY_EXT ? (ferry_future *)(uintptr_t)fy_record_ext(r) : NULL;
}

static inline ferry_future *fy_put_future_of(const struct fy_record *r)
{
	return (r->size_flags & (FY_EXT | FY_COUNTED)) == FY_EXT
	               ? (ferry_future *)(uintptr_t)fy_record_ext(r)
	               : NULL;
}

static inline ferry_counter *fy_put_counter_of(const struct fy_record *r)
{
	return r->size_flags & FY_COUNTED ? (ferry_counter *)(uintptr_t)fy_record_ext(r) : NULL;
}

/* The stream of a record with its tag. A record without a tag gets `tag`, that of its place in the
 * lane, or 0. */
static inline uint32_t fy_put_stream_of(const struct fy_record *r, uint32_t tag)
{
	return r->stream & FY_TAGGED ? r->stream : r->stream | tag;
}

/* That stream with a tag in any case. */
static inline uint32_t fy_put_tagged(const struct fy_progress *p, uint32_t stream)
{
	return stream & FY_TAGGED ? stream : stream | fy_record_tag(p->link.counts.colour);
}

/* Add a post's future to those that wait for the acceptance of their batch. The record's place is
 * that of the next commit. */
static inline __attribute__((always_inline)) void fy_put_await(struct fy_progress *p,
                                                               struct fy_channel *ch,
                                                               ferry_future *future,
                                                               uint32_t stream, uint32_t op)
{
	future->id = fy_channel_place(ch);
	fy_pending_await(&p->link, future, fy_put_tagged(p, stream), op);
	fy_list_append(ch->pending.first, ch->pending.last, future);
	ch->open->flags |= FY_BATCH_WANTS_ACK;
	p->link.n_pending++;
}

/* The next `n` records of the open batch count into this counter. fy_counted_reserve comes before,
 * so this cannot fail. */
static inline void fy_put_count(struct fy_progress *p, struct fy_channel *ch,
                                ferry_counter *counter, uint32_t n, uint32_t stream)
{
	ch->count_owed = true;
	fy_counted_add(&p->link, &ch->counted, counter, fy_channel_place(ch), n,
	               fy_put_tagged(p, stream));
}

enum fy_put fy_put_record(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                          uint32_t stream);
void fy_put_fail(struct fy_progress *p, const struct fy_record *r, int status, const char *detail);
