/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_BLOCK_H
#define FY_SHARED_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/list.h"

struct ferry;

#define FY_BLOCK_STEPS 3u /* 2^3 sizes between two powers of two */

struct fy_block {
	/* on engine->inboxes.blocks: whoever put it there wrote `room` before (the push is a
	 * release), and the helm reads it. The rest is the helm's */
	fy_inbox_entry entry;
	struct fy_block *newer, *older; /* all that are kept */
	struct fy_block *next, **here;  /* of its size; what points to it */
	size_t size;
	int64_t since; /* when the helm got it back */
};

#define FY_BLOCK_MIN (64u << 10) /* smaller ones malloc finds as fast */

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
/* What a block for `nbytes` takes of the budget. */
size_t fy_block_size(const struct ferry *engine, size_t nbytes);
/* Any thread: `data` came from fy_blocks_get for so many bytes, or is NULL, or is smaller than
 * FY_BLOCK_MIN and came from malloc. It is no longer used. */
void fy_block_put(struct ferry *engine, void *data, size_t nbytes);
/* The engine ends: all that the helm has not taken is given back. Once more when the engine struct
 * goes, for what others put meanwhile. */
void fy_block_free_all(struct ferry *engine);

#endif
