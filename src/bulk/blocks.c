/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: the memory that large messages land in. Everything here is the helm's; shared/block.c has
 * what any thread may call.
 *
 * New memory costs a page fault for each page, or the time to clear each huge page. That is about
 * as much as receiving into it. So blocks that the program gives back are kept for a while and used
 * again.
 *
 * Sizes. There are eight sizes of blocks between two powers of two, so at most an eighth of a block
 * is unused. A kept block serves every message of its size, whatever it was used for before. So a
 * block is found without a search: the one that came back last, which is still in the cache.
 *
 * Bounds. Kept blocks and the large messages that are not freed together take at most the budget
 * for large requests (3/8 of receive_memory). Messages come first: before a new block is made as
 * many kept ones go back to the system as the budget needs, the oldest first. A block that was not
 * used for KEEP_FOR goes back, too. The budget counts blocks by their sizes, as here.
 *
 * Blocks are malloc's, because the program calls free() for one that ferry_message_take gave it.
 * What is known of a kept block is in the block. A thread that frees a message puts its blocks into
 * an inbox, and the helm takes them into lists of its own. malloc may not give freed memory back to
 * the system, depending on what was freed before. So the pages of a block are given back first.
 *
 * New blocks are marked for huge pages, which need fewer faults. They are not aligned to huge
 * pages: the memory that messages are sent from is mostly malloc's as well, begins at the same
 * offset in a page, and is copied faster for that.
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
/* How long an unused block is kept: a program that exchanges large data in each of its steps finds
 * its blocks again. */
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
	fy_sub_64(&bulk->link->engine->told.block_bytes, b->size);
	ASAN_UNPOISON_MEMORY_REGION(b, b->size);
}

/* Take blocks from the inbox into the lists. The newest has to be the first in each list. */
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
	/* a hint, whose result does not matter */
	madvise(data + before, (nbytes - before) & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
	return data;
}

/* Give the oldest blocks back to the system until at most `most` bytes are kept. */
static void trim(struct fy_bulk *bulk, uint64_t most)
{
	while (bulk->blocks.oldest &&
	       fy_load_relaxed_64(&bulk->link->engine->told.block_bytes) > most) {
		struct fy_block *b = bulk->blocks.oldest;
		take_out(bulk, b);
		fy_block_give_back(b);
	}
}

/* How many bytes may be kept beside those of messages and `more`. What a thread frees just now may
 * be counted twice for a moment; then one block too many is given back. */
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
		b = NULL; /* it is too large to have one of the sizes */
	if (b)
		take_out(bulk, b);
	trim(bulk, may_keep(bulk, beside + room));
	void *data = b ? b : new_block(bulk, room);
	if (!data && bulk->blocks.oldest) {
		trim(bulk, 0); /* kept blocks may be what the system lacks */
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
