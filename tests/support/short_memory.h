/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out: one allocation of the library fails, the n-th from now on. For programs that link the
 * library's parts with $(short_memory) of tests/local.mk: the linker then brings the calls of the parts and of the
 * program here, and no others.
 */
#ifndef SHORT_MEMORY_H
#define SHORT_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "order.h"

void *__real_malloc(size_t nbytes);
void *__real_calloc(size_t count, size_t nbytes);
void *__real_realloc(void *memory, size_t nbytes);
void *__real_aligned_alloc(size_t alignment, size_t nbytes);
char *__real_strdup(const char *text);
void __real_free(void *memory);

static uint32_t short_of;   /* written by short_memory_begin, read by any thread; 0: nothing fails */
static uint32_t short_asked; /* allocations since then: atomic add */
static uint32_t short_held; /* blocks that were not freed: atomic add */

static inline void short_memory_begin(unsigned n)
{
	fy_store_release_32(&short_asked, 0);
	fy_store_release_32(&short_of, n);
}

/* Did it fail? */
static inline bool short_memory_end(void)
{
	uint32_t n = fy_load_acquire_32(&short_of);
	fy_store_release_32(&short_of, 0);
	return n && fy_load_acquire_32(&short_asked) >= n;
}

static inline uint32_t short_memory_held(void)
{
	return fy_load_acquire_32(&short_held);
}

static inline bool short_now(void)
{
	uint32_t n = fy_load_acquire_32(&short_of);
	if (!n || fy_add_32(&short_asked, 1) + 1 != n)
		return false;
	errno = ENOMEM;
	return true;
}

static inline void *short_count(void *memory)
{
	if (memory)
		fy_add_32(&short_held, 1);
	return memory;
}

void *__wrap_malloc(size_t nbytes);
void *__wrap_calloc(size_t count, size_t nbytes);
void *__wrap_realloc(void *memory, size_t nbytes);
void *__wrap_aligned_alloc(size_t alignment, size_t nbytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t nbytes)
{
	return short_now() ? NULL : short_count(__real_malloc(nbytes));
}

void *__wrap_calloc(size_t count, size_t nbytes)
{
	return short_now() ? NULL : short_count(__real_calloc(count, nbytes));
}

void *__wrap_realloc(void *memory, size_t nbytes)
{
	if (short_now())
		return NULL;
	return memory ? __real_realloc(memory, nbytes) : short_count(__real_malloc(nbytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t nbytes)
{
	return short_now() ? NULL : short_count(__real_aligned_alloc(alignment, nbytes));
}

char *__wrap_strdup(const char *text)
{
	return short_now() ? NULL : short_count(__real_strdup(text));
}

void __wrap_free(void *memory)
{
	if (memory)
		fy_add_32(&short_held, (uint32_t)-1);
	__real_free(memory);
}

#endif
