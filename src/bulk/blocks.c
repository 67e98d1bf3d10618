/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: what large messages land in.
 *
 * New memory of the system costs a page fault for each page, or for each huge page
 * the time to clear it. That is about as much as receiving into it. So blocks that
 * the program gives back are kept for a while and used again.
 *
 * Sizes. A block has one of eight sizes between two powers of two: at most an eighth of
 * it is too much, and whatever was received before, a kept block of a size serves every
 * message of that size. So a block is found without a search, the one that came back last,
 * because it is still in the cache.
 *
 * Bounds. What is kept, and what large messages hold, is together at most the budget of
 * large requests (large_cap, 3/8 of receive_memory). Messages come first: before a new block
 * is made as many kept ones go back as the budget wants, the oldest first. A block that was
 * not used for KEEP_FOR goes back, too. Blocks are counted by their size, in the budget as here.
 *
 * Blocks are malloc's and stay so: ferry_message_take hands them over, and the
 * program calls free(). What is known of a kept block stands in the block.
 * Whoever frees a message pushes its blocks onto a lock-free stack; the helm takes
 * them from there into lists of its own. malloc may keep what is freed for itself, and for how
 * much of it that is so changes with what was freed before. So the pages of a block go back
 * to the system first.
 *
 * Really new blocks are marked for huge pages, which are in place with fewer faults. They are not
 * aligned to them: the memory that messages are sent from mostly comes from malloc as well, begins
 * as far behind the beginning of a page, and is copied faster for that.
 */
#include "bulk/blocks.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ferry.h"
#include "base/cache.h"
#include "base/inbox.h"
#include "base/order.h"
#include "bulk/bulk.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "link/link.h"

#define HUGE_PAGE (2u << 20)
#define HUGE_MIN (2u * HUGE_PAGE)
/* programs that exchange something in each of their steps find it again */
#define KEEP_FOR FERRY_S(1)

static struct fy_block **list_of(struct fy_bulk *bulk, size_t room)
{
	unsigned log2 = fy_block_log2(room),
		 part = (unsigned)(room >> (log2 - FY_BLOCK_STEPS)) & ((1u << FY_BLOCK_STEPS) - 1);
	return &bulk->blocks.sizes[((log2 - fy_block_log2(FY_BLOCK_MIN)) << FY_BLOCK_STEPS) + part];
}

static void keep(struct fy_bulk *bulk, struct fy_block *b)
{
	struct fy_blocks *all = &bulk->blocks;
	struct fy_block **list = list_of(bulk, b->size);
	b->since = bulk->link->now;
	b->newer = NULL;
	b->older = all->newest;
	*(b->older ? &b->older->newer : &all->oldest) = b;
	all->newest = b;
	b->next = *list;
	b->here = list;
	if (b->next)
		b->next->here = &b->next;
	*list = b;
}

static void take_out(struct fy_bulk *bulk, struct fy_block *b)
{
	struct fy_blocks *all = &bulk->blocks;
	*(b->newer ? &b->newer->older : &all->newest) = b->older;
	*(b->older ? &b->older->newer : &all->oldest) = b->newer;
	*b->here = b->next;
	if (b->next)
		b->next->here = b->here;
	fy_add_64(&bulk->link->engine->told.block_bytes, -(uint64_t)b->size);
	ASAN_UNPOISON_MEMORY_REGION(b, b->room);
}

/* The stack gives the newest first; it is to be the first of the lists. */
static void collect(struct fy_bulk *bulk)
{
	if (!fy_inbox_any(&bulk->link->engine->inboxes.blocks))
		return;
	fy_inbox_each (entry, fy_inbox_take_in_order(&bulk->link->engine->inboxes.blocks))
		keep(bulk, fy_block_of(entry));
}

static void *new_block(struct fy_bulk *bulk, size_t nbytes)
{
	bulk->blocks.made++;
	char *data = nbytes <= SIZE_MAX / 2 ? malloc(nbytes) : NULL;
	if (!data || nbytes < HUGE_MIN)
		return data;
	size_t before = -(uintptr_t)data & (HUGE_PAGE - 1);
	/* likewise */
	madvise(data + before, (nbytes - before) & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
	return data;
}

/* The oldest go until no more than `most` bytes are kept. */
static void trim(struct fy_bulk *bulk, uint64_t most)
{
	while (bulk->blocks.oldest &&
	       fy_load_relaxed_64(&bulk->link->engine->told.block_bytes) > most) {
		struct fy_block *b = bulk->blocks.oldest;
		take_out(bulk, b);
		fy_block_give_back(b);
	}
}

/* What may be kept beside what messages hold, and `more`. What a thread frees just now may count
 * twice for a moment: then one block too many goes. */
static uint64_t may_keep(const struct fy_bulk *bulk, uint64_t more)
{
	uint64_t returned =
		fy_load_acquire_64(&bulk->link->engine->told.large_returned) - bulk->budget.seen;
	uint64_t used = bulk->budget.used[0] + bulk->budget.used[1] - returned + more,
		 cap = fy_block_most_kept(bulk->link->engine);
	return used < cap ? cap - used : 0;
}

void *fy_blocks_get(struct fy_bulk *bulk, size_t nbytes, uint64_t beside)
{
	size_t room = fy_block_size(bulk->link->engine, nbytes);
	if (room < FY_BLOCK_MIN)
		return malloc(nbytes ? nbytes : 1);
	collect(bulk);
	struct fy_block *b = *list_of(bulk, room);
	if (b && b->size != room)
		b = NULL; /* what is wanted is too large for a size */
	if (b)
		take_out(bulk, b);
	trim(bulk, may_keep(bulk, beside + room));
	void *data = b ? b : new_block(bulk, room);
	if (!data && bulk->blocks.oldest) {
		trim(bulk, 0); /* what is kept is not to be what is missing */
		data = new_block(bulk, room);
	}
	return data;
}

void fy_blocks_step(struct fy_bulk *bulk)
{
	collect(bulk);
	trim(bulk, may_keep(bulk, 0));
	while (bulk->blocks.oldest && bulk->link->now - bulk->blocks.oldest->since > KEEP_FOR) {
		struct fy_block *b = bulk->blocks.oldest;
		take_out(bulk, b);
		fy_block_give_back(b);
	}
}

void fy_blocks_free(struct fy_bulk *bulk)
{
	collect(bulk);
	trim(bulk, 0);
}
