/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a thread keeps for its own next use: futures, and the messages that replies come in.
 * Any thread.
 *
 * With it a thread that posts and waits in a loop allocates nothing. Each thread has its own lists
 * of at most FY_CACHE_MAX pieces, freed when it exits: no locks, no shared words, and threads that
 * come and go leave nothing behind. A piece may be taken on one thread and given back on another.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/order.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FY_CACHE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FY_CACHE_ASAN 1
#endif
#ifdef FY_CACHE_ASAN /* the sanitizer reports who touches a piece that lies in the cache */
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, nbytes) ((void)(at))
#define ASAN_UNPOISON_MEMORY_REGION(at, nbytes) ((void)(at))
#endif

enum fy_cache_kind { FY_CACHE_FUTURES, FY_CACHE_MESSAGES, FY_CACHE_KINDS };

#define FY_CACHE_MAX 256u

struct fy_piece {
	struct fy_piece *next;
};

/* One list of one thread. No other thread touches it. Small: static thread-local storage is
 * scarce. */
struct fy_cache {
	struct fy_piece *first;
	uint16_t count;
	/* how many pieces it may hold: FY_CACHE_MAX, or 0 before the first one and at exit */
	uint16_t room;
	/* of its pieces, in bytes; for the sanitizer. UINT32_MAX: the thread exits */
	uint32_t size;
};
_Static_assert(FY_CACHE_MAX <= UINT16_MAX, "`count` and `room` have room for a full list");

extern FY_THREAD_LOCAL struct fy_cache fy_cache_lists[FY_CACHE_KINDS];

/* A new piece, at the beginning of a line of the cache. NULL: no memory. */
void *fy_cache_new(size_t size);
/* For a list that takes no more pieces. A thread's first piece opens the list; others are freed. */
void fy_cache_give_slow(enum fy_cache_kind kind, void *memory, size_t size);
/* Pieces that this thread keeps. */
unsigned fy_cache_count(enum fy_cache_kind kind);

/* A piece of this kind, or NULL: the list is empty, make a new one. */
static inline void *fy_cache_take(enum fy_cache_kind kind, size_t size)
{
	struct fy_cache *cache = &fy_cache_lists[kind];
	struct fy_piece *piece = cache->first;

	(void)size;
	if (fy_unlikely(!piece))
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(piece, size);
	cache->first = piece->next;
	cache->count--;
	return piece;
}

/* Keep a piece of fy_cache_new, or free it. */
static inline void fy_cache_give(enum fy_cache_kind kind, void *memory, size_t size)
{
	struct fy_cache *cache = &fy_cache_lists[kind];
	struct fy_piece *piece = memory;

	if (fy_unlikely(cache->count >= cache->room)) {
		fy_cache_give_slow(kind, memory, size);
		return;
	}
	piece->next = cache->first;
	cache->first = piece;
	cache->count++;
	ASAN_POISON_MEMORY_REGION(piece, size);
	/* The leak checker follows no pointer in poisoned memory. */
	ASAN_UNPOISON_MEMORY_REGION(&piece->next, sizeof piece->next);
}
