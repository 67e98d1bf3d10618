/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a thread keeps for its own next use (cache.h): a thread's lists, made at its first
 * piece and emptied when it exits. Any thread.
 */
#include "base/cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/order.h"

FY_THREAD_LOCAL struct fy_cache fy_cache_lists[FY_CACHE_KINDS];
static pthread_key_t key; /* its destructor empties the lists of a thread that exits */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool works; /* constant after once */

#define LEAVING UINT32_MAX /* as `size` of each list of a thread that exits */

static void empty(void *unused)
{
	(void)unused;
	for (int kind = 0; kind < FY_CACHE_KINDS; kind++) {
		struct fy_cache *cache = &fy_cache_lists[kind];
		size_t size = cache->size;
		cache->room = 0;
		cache->size = LEAVING; /* destructors that run later free their pieces at once */
		while (cache->first)
			free(fy_cache_take((enum fy_cache_kind)kind, size));
	}
}

static void make_key(void)
{
	works = pthread_key_create(&key, empty) == 0;
}

void *fy_cache_new(size_t size)
{
	return aligned_alloc(FY_CACHE_LINE,
	                     (size + FY_CACHE_LINE - 1) / FY_CACHE_LINE * FY_CACHE_LINE);
}

unsigned fy_cache_count(enum fy_cache_kind kind)
{
	return fy_cache_lists[kind].count;
}

void fy_cache_give_slow(enum fy_cache_kind kind, void *memory, size_t size)
{
	struct fy_cache *cache = &fy_cache_lists[kind];
	pthread_once(&once, make_key);
	if (cache->room || cache->size == LEAVING || !works ||
	    pthread_setspecific(key, fy_cache_lists) != 0) {
		free(memory);
		return;
	}
	cache->room = FY_CACHE_MAX;
	cache->size = (uint32_t)size;
	fy_cache_give(kind, memory, size);
}
