/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks, the memory that large messages land in: their sizes, their way back to the helm and to
 * the system. Any thread frees a block; the kept ones are the helm's (bulk/blocks.h).
 */
#include "shared/block.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ferry.h"
#include "base/cache.h"
#include "base/inbox.h"
#include "base/order.h"
#include "shared/engine.h"

size_t fy_block_most_kept(const ferry *engine)
{
	return engine->options.receive_memory / 8 * 3;
}

/* Sizes that are too small or too large to be kept are not rounded. */
size_t fy_block_size(const ferry *engine, size_t nbytes)
{
	if (nbytes < FY_BLOCK_MIN || nbytes > fy_block_most_kept(engine))
		return nbytes;
	size_t step = (size_t)1 << (fy_block_log2(nbytes) - FY_BLOCK_STEPS),
	       room = (nbytes + step - 1) & ~(step - 1);
	return room > fy_block_most_kept(engine) ? nbytes : room;
}

/* Whole pages of the block go back to the system at once, whatever free() does. */
void fy_block_give_back(struct fy_block *b)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *end = (char *)b + b->size, *from = (char *)b + (-(uintptr_t)b & (page - 1));
	/* a hint, whose result does not matter */
	madvise(from, (size_t)(end - from) & ~(page - 1), MADV_DONTNEED);
	free(b);
}

void fy_block_put(ferry *engine, void *data, size_t nbytes)
{
	size_t room = fy_block_size(engine, nbytes);
	if (!data || room < FY_BLOCK_MIN || fy_engine_has_stopped(engine)) {
		free(data);
		return;
	}
	if (fy_add_64(&engine->told.block_bytes, room) + room > fy_block_most_kept(engine)) {
		fy_sub_64(&engine->told.block_bytes, room);
		free(data);
		return;
	}
	struct fy_block *b = data;
	b->size = room;
	ASAN_POISON_MEMORY_REGION(b + 1, room - sizeof *b);
	fy_inbox_put(&engine->inboxes.blocks, &b->entry);
}

void fy_block_free_all(ferry *engine)
{
	fy_inbox_each (entry, fy_inbox_take(&engine->inboxes.blocks)) {
		ASAN_UNPOISON_MEMORY_REGION(fy_block_of(entry), fy_block_of(entry)->size);
		fy_block_give_back(fy_block_of(entry));
	}
}
