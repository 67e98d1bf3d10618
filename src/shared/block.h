/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/list.h"

struct ferry;

#define FY_BLOCK_STEPS 3u /* 2^3 sizes between two powers of two */

struct fy_block {
	/* on inboxes.blocks: the thread that put it there wrote `size` before (the push is a
	 * release), and the helm reads that. All else is the helm's */
	fy_inbox_entry entry;
	struct fy_block *newer, *older; /* in the list of all kept blocks */
	struct fy_block *next, **here;  /* in that of its size, and what points to it there */
	size_t size;                    /* bytes, this struct included */
	int64_t since;                  /* when the helm got it back, in ns */
};

#define FY_BLOCK_MIN (64u << 10) /* for less malloc is as fast */

static inline unsigned fy_block_log2(size_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}
size_t fy_block_most_kept(const ferry *engine);

static inline struct fy_block *fy_block_of(fy_inbox_entry *entry)
{
	return fy_container_of(entry, struct fy_block, entry);
}
void fy_block_give_back(struct fy_block *b);
/* How many bytes of the budget a block for `nbytes` takes. */
size_t fy_block_size(const struct ferry *engine, size_t nbytes);
/* Any thread: `data` is no longer used. It came from fy_blocks_get for `nbytes`, or from malloc if
 * these are less than FY_BLOCK_MIN, or is NULL. */
void fy_block_put(struct ferry *engine, void *data, size_t nbytes);
/* Give back all blocks that the helm has not taken: when the engine ends, and again with the engine
 * struct, for blocks that were put meanwhile. */
void fy_block_free_all(struct ferry *engine);
