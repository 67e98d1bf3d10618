/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a thread keeps for its own next use: futures, and the messages that replies come in.
 *
 * A thread that posts and waits in a loop allocates nothing. Each thread has its own lists, at most
 * FY_CACHE_MAX pieces each, freed when it exits: no locks, no shared words, and threads
 * that come and go leave nothing behind. Pieces may be taken by one thread and given by another.
 */
#ifndef FY_CACHE_H
#define FY_CACHE_H

#include <stddef.h>

enum fy_cache_kind { FY_CACHE_FUTURES, FY_CACHE_MESSAGES, FY_CACHE_KINDS };

#define FY_CACHE_MAX 256u

/* A piece of this kind, or NULL: the cache is empty, allocate one. */
void *fy_cache_take(enum fy_cache_kind kind, size_t size);
/* Keep a piece that came from malloc, or free it. */
void fy_cache_give(enum fy_cache_kind kind, void *piece, size_t size);
/* Pieces that this thread keeps. */
unsigned fy_cache_count(enum fy_cache_kind kind);

#endif
