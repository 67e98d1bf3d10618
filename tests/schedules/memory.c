/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a run. Nothing is used again before the run ends, so that a touch of freed memory
 * is seen, and each thread has a region of its own, so that addresses hardly depend on the
 * schedule. Static variables are as before in each run.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "schedules/run.h"

#define REGION ((size_t)32 << 20)
#define REGIONS (RUN_THREADS + 1)
#define GRAIN 64u
#define POISON_MAX 4096u

struct memory {
	char *at;
	size_t used[REGIONS];
	unsigned pieces;
	unsigned char lives[REGIONS * (REGION / GRAIN)]; /* 1: a grain of a living piece */
	char *statics;
};
static struct memory *memory;

extern char __data_start[], _edata[], __bss_start[], _end[];

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **at_p, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *at);

static void *map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		abort();
	return at;
}

void memory_keep_statics(void)
{
	size_t data = (size_t)(_edata - __data_start), bss = (size_t)(_end - __bss_start);
	if (!memory) {
		memory = map(sizeof *memory);
		memory->at = map(REGIONS * REGION);
		memory->statics = map(data + bss);
	}
	memcpy(memory->statics, __data_start, data);
	memcpy(memory->statics + data, __bss_start, bss);
}

void memory_restore_statics(void)
{
	size_t data = (size_t)(_edata - __data_start), bss = (size_t)(_end - __bss_start);
	const char *statics = memory->statics;
	memcpy(__data_start, statics, data);
	memcpy(__bss_start, statics + data, bss);
}

void memory_begin(void)
{
	for (size_t r = 0; r < REGIONS; r++) {
		memset(memory->lives + r * (REGION / GRAIN), 0, memory->used[r] / GRAIN + 1);
		memory->used[r] = 0;
	}
	memory->pieces = 0;
}

unsigned memory_pieces(void)
{
	return memory->pieces;
}

static bool is_ours(const void *at)
{
	return memory && (const char *)at >= memory->at &&
	       (const char *)at < memory->at + REGIONS * REGION;
}

static unsigned char *life_of(const void *at)
{
	return &memory->lives[(size_t)((const char *)at - memory->at) / GRAIN];
}

bool memory_is_freed(const void *at)
{
	return is_ours(at) && !*life_of(at);
}

/* A piece is a grain with its size, and what it is for. */
static void *take(size_t size)
{
	size_t grains = (size + GRAIN - 1) / GRAIN + 1, *used = &memory->used[run->current];
	if (*used + grains * GRAIN >= REGION)
		return NULL;
	char *at = memory->at + (size_t)run->current * REGION + *used;
	*used += grains * GRAIN;
	memcpy(at, &size, sizeof size);
	memset(life_of(at) + 1, 1, grains - 1);
	memory->pieces++;
	/* the same rubbish in each run */
	memset(at + GRAIN, 0xA5, size < POISON_MAX ? size : POISON_MAX);
	return at + GRAIN;
}

static size_t size_of(const void *at)
{
	size_t size;
	memcpy(&size, (const char *)at - GRAIN, sizeof size);
	return size;
}

static void give(void *at)
{
	size_t size = size_of(at);
	if (size && !*life_of(at))
		schedule_fail("thread %d frees memory that was freed", run->current);
	memset(life_of(at), 0, (size + GRAIN - 1) / GRAIN);
	memset(at, 0xDD, size < POISON_MAX ? size : POISON_MAX);
	memory->pieces--;
}

/* ---- instead of the system's --------------------------------------------------------------- */

void *__wrap_malloc(size_t size)
{
	return run && run->running ? take(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	if (!run || !run->running)
		return __real_calloc(count, size);
	void *at = take(count * size);
	return at ? memset(at, 0, count * size) : NULL;
}

void *__wrap_realloc(void *at, size_t size)
{
	if (!run || !run->running)
		return __real_realloc(at, size);
	void *more = take(size);
	if (more && at) {
		memcpy(more, at, size_of(at) < size ? size_of(at) : size);
		give(at);
	}
	return more;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	if (!run || !run->running)
		return __real_aligned_alloc(alignment, size);
	return alignment <= GRAIN ? take(size) : NULL;
}

int __wrap_posix_memalign(void **at_p, size_t alignment, size_t size)
{
	*at_p = __wrap_aligned_alloc(alignment, size);
	return *at_p ? 0 : 12;
}

char *__wrap_strdup(const char *text)
{
	char *copy = __wrap_malloc(strlen(text) + 1);
	return copy ? strcpy(copy, text) : NULL;
}

void __wrap_free(void *at)
{
	if (is_ours(at))
		give(at);
	else
		__real_free(at);
}
