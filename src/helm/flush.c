/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flush of all ranks: a marker to each peer, and one future for all. Only the holder of the helm
 * may call.
 */
#include "helm/flush.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "future/future.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "helm/queued.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "wire/bodies.h"
#include "wire/record.h"
#include "helm/peer.h"

static bool flush_one(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                      ferry_future *future)
{
	struct {
		struct fy_record r;
		uint64_t future;
	} marker = { { FY_KIND_POST | FY_EXT, FY_OP_FLUSH, (uint32_t)ch->rank, stream },
		     (uint64_t)(uintptr_t)future };
	if (!ch->has_queue && fy_put_record(p, ch, &marker.r, stream) == FY_PUT_DONE)
		return true;
	return fy_queued_add(p, ch, &marker.r, sizeof marker, stream, true);
}

/* Counts the markers of a flush that are not acknowledged. */
struct flush_count {
	uint32_t open;
	int status;
	char *detail; /* of the first failure, malloc'd or NULL */
	ferry_future *whole;
	struct fy_channel *next; /* the first one that has no marker yet */
};

static void flushed_one(ferry_future *future, int status, void *arg)
{
	struct flush_count *count = arg;
	if (status && !count->status) {
		count->status = status;
		count->detail = strdup(fy_future_why(future));
	}
	if (--count->open)
		return;
	const char *unknown = count->status ? "a post before this flush failed" : NULL;
	fy_future_complete(count->whole, count->status, count->detail ? count->detail : unknown);
	free(count->detail);
	free(count);
}

static bool flush_channel(struct fy_progress *p, struct fy_channel *ch, uint32_t stream,
                          struct flush_count *count)
{
	ferry_future *future = fy_future_create(p->link.engine, FY_FUTURE_IS_FLUSH);
	if (!future)
		return false;
	bool put = flush_one(p, ch, stream, future);
	if (put) {
		count->open++;
		ferry_future_then(future, FERRY_INLINE, flushed_one, count);
	} else {
		ferry_future_release(future); /* the engine's */
	}
	ferry_future_release(future);
	return put;
}

/* The count of this flush, which is in its future until all markers are put. NULL: no memory. */
static struct flush_count *count_of(struct fy_progress *p, ferry_future *whole)
{
	struct flush_count *count = whole->extra;
	if (count || !(count = calloc(1, sizeof *count)))
		return count;
	*count = (struct flush_count){ .open = 1, .whole = whole, .next = p->link.all };
	whole->extra = count;
	return count;
}

/* Put a marker to each peer with which anything was exchanged. False: no memory for one; the record
 * stays in its lane, and the next step goes on with that peer. */
bool fy_flush_all(struct fy_progress *p, const struct fy_record *r, uint32_t stream)
{
	struct flush_count *count = count_of(p, fy_put_future_of(r));
	if (!count)
		return false;
	for (; count->next; count->next = count->next->all_next)
		if (!flush_channel(p, count->next, stream, count))
			return false;
	count->whole->extra = NULL;
	flushed_one(NULL, 0, count);
	return true;
}
