/* SPDX-License-Identifier: Apache-2.0 */
#include "cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "order.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CACHE_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define CACHE_ASAN 1
#endif
#ifdef CACHE_ASAN /* what lies in the cache is not to be touched */
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, nbytes) ((void)(at))
#define ASAN_UNPOISON_MEMORY_REGION(at, nbytes) ((void)(at))
#endif

struct piece {
	struct piece *next;
};

/* The sizes are needed for the sanitizer alone, but are the same for all pieces of a kind. */
static _Thread_local struct {
	struct piece *first;
	unsigned count;
	size_t size;
} lists[FY_CACHE_KINDS] __attribute__((tls_model("initial-exec")));
static _Thread_local enum { CACHE_NEW, CACHE_OPEN, CACHE_CLOSED } phase __attribute__((tls_model("initial-exec")));
static pthread_key_t key; /* its destructor empties the lists of a thread that exits */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool works; /* constant after once */

static void empty(void *unused)
{
	(void)unused;
	phase = CACHE_CLOSED; /* destructors that run after this one free at once */
	for (int kind = 0; kind < FY_CACHE_KINDS; kind++)
		while (lists[kind].first)
			free(fy_cache_take((enum fy_cache_kind)kind, lists[kind].size));
}

static void make_key(void)
{
	works = pthread_key_create(&key, empty) == 0;
}

static bool open_cache(void)
{
	if (phase == CACHE_NEW) {
		pthread_once(&once, make_key);
		phase = works && pthread_setspecific(key, lists) == 0 ? CACHE_OPEN : CACHE_CLOSED;
	}
	return phase == CACHE_OPEN;
}

unsigned fy_cache_count(enum fy_cache_kind kind)
{
	return lists[kind].count;
}

void *fy_cache_take(enum fy_cache_kind kind, size_t size)
{
	struct piece *piece = lists[kind].first;

	(void)size;
	if (fy_unlikely(!piece))
		return NULL;
	ASAN_UNPOISON_MEMORY_REGION(piece, size);
	lists[kind].first = piece->next;
	lists[kind].count--;
	return piece;
}

void fy_cache_give(enum fy_cache_kind kind, void *memory, size_t size)
{
	struct piece *piece = memory;

	if (fy_unlikely(lists[kind].count >= FY_CACHE_MAX || (phase != CACHE_OPEN && !open_cache()))) {
		free(memory);
		return;
	}
	piece->next = lists[kind].first;
	lists[kind].first = piece;
	lists[kind].size = size;
	lists[kind].count++;
	ASAN_POISON_MEMORY_REGION(piece, size);
	/* The leak checker follows no pointer in poisoned memory. */
	ASAN_UNPOISON_MEMORY_REGION(&piece->next, sizeof piece->next);
}
