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
#define _GNU_SOURCE
#include "block.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache.h" /* for what AddressSanitizer is told: kept blocks are not to be touched */
#include "progress.h"

#define STEPS 3u /* 2^3 sizes between two powers of two */
#define HUGE_PAGE (2u << 20)
#define HUGE_MIN (2u * HUGE_PAGE)
/* programs that exchange something in each of their steps find it again */
#define KEEP_FOR FERRY_S(1)

struct fy_block {
	/* on engine->blocks: whoever put it there wrote `room` before (the push is a release), and
	 * the helm reads it. The rest is the helm's */
	ck_stack_entry_t entry;
	struct fy_block *newer, *older; /* all that are kept */
	struct fy_block *next, **here;  /* of its size; what points to it */
	size_t room;
	int64_t since; /* when the helm got it back */
};

/* ---- sizes -------------------------------------------------------------------- */

static unsigned log2_of(size_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

static size_t most_kept(const ferry *engine)
{
	return engine->options.receive_memory / 8 * 3;
}

/* What cannot be kept, because it is too small or too large for it, is not rounded. */
size_t fy_block_room(const ferry *engine, size_t nbytes)
{
	if (nbytes < FY_BLOCK_MIN || nbytes > most_kept(engine))
		return nbytes;
	size_t step = (size_t)1 << (log2_of(nbytes) - STEPS),
	       room = (nbytes + step - 1) & ~(step - 1);
	return room > most_kept(engine) ? nbytes : room;
}

static struct fy_block **list_of(struct fy_progress *p, size_t room)
{
	unsigned log2 = log2_of(room),
		 part = (unsigned)(room >> (log2 - STEPS)) & ((1u << STEPS) - 1);
	return &p->blocks.sizes[((log2 - log2_of(FY_BLOCK_MIN)) << STEPS) + part];
}

/* ---- what is kept --------------------------------------------------------------- */

static struct fy_block *block_of(ck_stack_entry_t *entry)
{
	return (struct fy_block *)(void *)((char *)entry - offsetof(struct fy_block, entry));
}

static void keep(struct fy_progress *p, struct fy_block *b)
{
	struct fy_blocks *all = &p->blocks;
	struct fy_block **list = list_of(p, b->room);
	b->since = p->now;
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

static void take_out(struct fy_progress *p, struct fy_block *b)
{
	struct fy_blocks *all = &p->blocks;
	*(b->newer ? &b->newer->older : &all->newest) = b->older;
	*(b->older ? &b->older->newer : &all->oldest) = b->newer;
	*b->here = b->next;
	if (b->next)
		b->next->here = b->here;
	fy_add_64(&p->engine->block_bytes, -(uint64_t)b->room);
	ASAN_UNPOISON_MEMORY_REGION(b, b->room);
}

/* The stack gives the newest first; it is to be the first of the lists. */
static void collect(struct fy_progress *p)
{
	if (!fy_load_relaxed_ptr(&p->engine->blocks.head))
		return;
	struct fy_block *oldest = NULL;
	for (ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->blocks), *next; entry;
	     entry = next) {
		next = CK_STACK_NEXT(entry);
		block_of(entry)->older = oldest;
		oldest = block_of(entry);
	}
	for (struct fy_block *next; oldest; oldest = next) {
		next = oldest->older;
		keep(p, oldest);
	}
}

/* ---- to the system and from it ---------------------------------------------------- */

/* The pages that are the block's alone go at once. */
static void give_back(struct fy_block *b)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *end = (char *)b + b->room, *from = (char *)b + (-(uintptr_t)b & (page - 1));
	/* a hint: what it says does not matter */
	madvise(from, (size_t)(end - from) & ~(page - 1), MADV_DONTNEED);
	free(b);
}

static void *new_block(struct fy_progress *p, size_t nbytes)
{
	p->blocks.made++;
	char *data = nbytes <= SIZE_MAX / 2 ? malloc(nbytes) : NULL;
	if (!data || nbytes < HUGE_MIN)
		return data;
	size_t before = -(uintptr_t)data & (HUGE_PAGE - 1);
	/* likewise */
	madvise(data + before, (nbytes - before) & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
	return data;
}

/* The oldest go until no more than `most` bytes are kept. */
static void trim(struct fy_progress *p, uint64_t most)
{
	while (p->blocks.oldest && fy_load_relaxed_64(&p->engine->block_bytes) > most) {
		struct fy_block *b = p->blocks.oldest;
		take_out(p, b);
		give_back(b);
	}
}

/* What may be kept beside what messages hold, and `more`. What a thread frees just now may count
 * twice for a moment: then one block too many goes. */
static uint64_t may_keep(const struct fy_progress *p, uint64_t more)
{
	uint64_t returned = fy_load_acquire_64(&p->engine->large_returned) - p->large_seen;
	uint64_t used = p->large_used[0] + p->large_used[1] - returned + more,
		 cap = most_kept(p->engine);
	return used < cap ? cap - used : 0;
}

/* ---- get and put --------------------------------------------------------------------- */

void fy_block_put(ferry *engine, void *data, size_t nbytes)
{
	size_t room = fy_block_room(engine, nbytes);
	if (!data || room < FY_BLOCK_MIN || fy_load_acquire_32(&engine->phase) == FY_STOPPED) {
		free(data);
		return;
	}
	if (fy_add_64(&engine->block_bytes, room) + room > most_kept(engine)) {
		fy_add_64(&engine->block_bytes, -(uint64_t)room);
		free(data);
		return;
	}
	struct fy_block *b = data;
	b->room = room;
	ASAN_POISON_MEMORY_REGION(b + 1, room - sizeof *b);
	ck_stack_push_upmc(&engine->blocks, &b->entry);
}

void *fy_block_get(struct fy_progress *p, size_t nbytes, uint64_t beside)
{
	size_t room = fy_block_room(p->engine, nbytes);
	if (room < FY_BLOCK_MIN)
		return malloc(nbytes ? nbytes : 1);
	collect(p);
	struct fy_block *b = *list_of(p, room);
	if (b && b->room != room)
		b = NULL; /* what is wanted is too large for a size */
	if (b)
		take_out(p, b);
	trim(p, may_keep(p, beside + room));
	void *data = b ? b : new_block(p, room);
	if (!data && p->blocks.oldest) {
		trim(p, 0); /* what is kept is not to be what is missing */
		data = new_block(p, room);
	}
	return data;
}

void fy_block_step(struct fy_progress *p)
{
	if (!fy_load_relaxed_64(&p->engine->block_bytes))
		return;
	collect(p);
	trim(p, may_keep(p, 0));
	while (p->blocks.oldest && p->now - p->blocks.oldest->since > KEEP_FOR) {
		struct fy_block *b = p->blocks.oldest;
		take_out(p, b);
		give_back(b);
	}
}

void fy_block_free_all(ferry *engine)
{
	if (engine->progress) {
		collect(engine->progress);
		trim(engine->progress, 0);
	}
	for (ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&engine->blocks), *next; entry;
	     entry = next) {
		next = CK_STACK_NEXT(entry);
		ASAN_UNPOISON_MEMORY_REGION(block_of(entry), block_of(entry)->room);
		give_back(block_of(entry));
	}
}
