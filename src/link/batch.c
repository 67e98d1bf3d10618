/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: memory for records that travel together, used again and again. Only the holder of the
 * helm may call.
 */
#include "link/batch.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/order.h"
#include "link/link.h"
#include "wire/header.h"

#define POOL_MAX 64u

struct fy_batch *fy_batch_get(struct fy_link *link)
{
	struct fy_batch *b = link->pool.first;
	if (b) {
		link->pool.first = b->next;
		link->pool.n--;
	} else if (!(b = aligned_alloc(FY_CACHE_LINE, sizeof *b))) {
		link->pool.starved = true;
		return NULL;
	}
	link->pool.starved = false;
	b->next = NULL;
	b->fill = sizeof(struct fy_batch_header);
	b->nrecords = 0;
	b->flags = link->counts.colour ? FY_BATCH_COLOUR : 0;
	b->charged = false;
	b->opened = link->now;
	return b;
}

void fy_batch_put(struct fy_link *link, struct fy_batch *b)
{
	if (link->pool.n >= POOL_MAX) {
		free(b);
		return;
	}
	b->next = link->pool.first;
	link->pool.first = b;
	link->pool.n++;
}

void fy_batch_drop_all(struct fy_link *link, struct fy_batch **list)
{
	while (*list) {
		struct fy_batch *b = *list;
		*list = b->next;
		fy_batch_put(link, b);
	}
}
