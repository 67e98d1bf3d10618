/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: what large messages land in.
 *
 * New memory of the system costs a page fault for each page, about as much as
 * receiving into it. So blocks that the program gives back are kept for a while
 * and used again, the last one first, because it is still in the cache.
 *
 * Blocks are malloc's and stay so: ferry_message_take hands them over, and the
 * program calls free(). What is known of a kept block stands in the block.
 * Whoever frees a message pushes its blocks onto a lock-free stack; the helm takes
 * them from there into a list of its own. Their number of bytes is bounded by
 * what the budget of large messages does not use at that moment (transfer.c), so
 * that kept blocks never add to the memory that a rank may hold.
 *
 * Really new blocks are aligned and marked for huge pages: 512 times fewer faults.
 */
#define _GNU_SOURCE
#include "block.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "progress.h"

#define BLOCK_MIN (64u << 10)  /* smaller ones malloc finds as fast */
#define LOOKS 32u              /* kept blocks that are compared with what is wanted */
#define HUGE_PAGE (2u << 20)
#define HUGE_MIN (2u * HUGE_PAGE)
#define KEEP_FOR FERRY_S(1)        /* programs that exchange something in each of their steps find it again */

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS 0 /* a use after free is to be seen */
#else
#define KEEPS 1
#endif

struct fy_block {
	ck_stack_entry_t entry;
	struct fy_block *next;
	size_t room;
};

static size_t most_kept(const ferry *engine)
{
	return KEEPS ? engine->options.receive_memory / 8 : 0;
}

void fy_block_put(ferry *engine, void *data, size_t nbytes)
{
	if (!data || nbytes < BLOCK_MIN || fy_load_acquire_32(&engine->phase) == FY_STOPPED) {
		free(data);
		return;
	}
	size_t room = malloc_usable_size(data);
	if (fy_add_64(&engine->block_bytes, room) + room > most_kept(engine)) {
		fy_add_64(&engine->block_bytes, -(uint64_t)room);
		free(data);
		return;
	}
	struct fy_block *b = data;
	b->room = room;
	ck_stack_push_upmc(&engine->blocks, &b->entry);
}

/* The stack gives the newest first, and so does the list. */
static void collect(struct fy_progress *p)
{
	if (!fy_load_relaxed_ptr(&p->engine->blocks.head))
		return;
	struct fy_block **at = &p->blocks, *before = p->blocks;
	for (ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->blocks), *next; entry; entry = next) {
		next = CK_STACK_NEXT(entry);
		*at = (struct fy_block *)(void *)((char *)entry - offsetof(struct fy_block, entry));
		at = &(*at)->next;
	}
	*at = before;
}

static struct fy_block *take_out(struct fy_progress *p, struct fy_block **at)
{
	struct fy_block *b = *at;
	*at = b->next;
	fy_add_64(&p->engine->block_bytes, -(uint64_t)b->room);
	return b;
}

static void *new_block(size_t nbytes)
{
	if (nbytes < HUGE_MIN || nbytes > SIZE_MAX / 2)
		return malloc(nbytes ? nbytes : 1);
	void *data = NULL;
	if (posix_memalign(&data, HUGE_PAGE, nbytes) != 0)
		return NULL;
	madvise(data, nbytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE); /* a hint: what it says does not matter */
	return data;
}

/* One that is not much larger than what is wanted. What never fits goes, from the old end. */
void *fy_block_get(struct fy_progress *p, size_t nbytes)
{
	if (nbytes < BLOCK_MIN)
		return new_block(nbytes);
	collect(p);
	p->blocks_at = p->now;
	struct fy_block **at = &p->blocks, **last = NULL;
	for (unsigned looks = LOOKS; *at && looks; looks--) {
		if ((*at)->room >= nbytes && (*at)->room - nbytes <= nbytes / 4)
			return take_out(p, at);
		last = at;
		at = &(*at)->next;
	}
	if (last)
		free(take_out(p, last));
	return new_block(nbytes);
}

void fy_block_trim(struct fy_progress *p, size_t most)
{
	if (fy_load_relaxed_64(&p->engine->block_bytes) <= most)
		return;
	collect(p);
	while (p->blocks && fy_load_relaxed_64(&p->engine->block_bytes) > most)
		free(take_out(p, &p->blocks));
}

void fy_block_step(struct fy_progress *p)
{
	if (fy_load_relaxed_64(&p->engine->block_bytes) && p->now - p->blocks_at > KEEP_FOR)
		fy_block_trim(p, 0);
}

void fy_block_free_all(ferry *engine)
{
	if (engine->progress)
		fy_block_trim(engine->progress, 0);
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&engine->blocks);
	while (entry) {
		struct fy_block *b = (struct fy_block *)(void *)((char *)entry - offsetof(struct fy_block, entry));
		entry = CK_STACK_NEXT(entry);
		free(b);
	}
}
