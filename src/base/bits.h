/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of ranks, a bit each, as arrays of words whose length the caller knows. Plain memory: no
 * thread safety.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many words hold so many bits. */
static inline size_t fy_bits_words(int size)
{
	return ((size_t)size + 63) / 64;
}
static inline bool fy_bits_has(const uint64_t *set, int i)
{
	return set[i / 64] >> (i % 64) & 1;
}
static inline void fy_bits_add(uint64_t *set, int i)
{
	set[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline void fy_bits_remove(uint64_t *set, int i)
{
	set[i / 64] &= ~(UINT64_C(1) << (i % 64));
}
static inline void fy_bits_copy(uint64_t *to, const uint64_t *from, int size)
{
	memcpy(to, from, fy_bits_words(size) * sizeof *to);
}
static inline void fy_bits_clear(uint64_t *set, int size)
{
	memset(set, 0, fy_bits_words(size) * sizeof *set);
}
static inline bool fy_bits_same(const uint64_t *a, const uint64_t *b, int size)
{
	return memcmp(a, b, fy_bits_words(size) * sizeof *a) == 0;
}
static inline void fy_bits_unite(uint64_t *set, const uint64_t *with, int size)
{
	for (size_t i = 0; i < fy_bits_words(size); i++)
		set[i] |= with[i];
}
static inline void fy_bits_keep(uint64_t *set, const uint64_t *only, int size)
{
	for (size_t i = 0; i < fy_bits_words(size); i++)
		set[i] &= only[i];
}
static inline void fy_bits_drop(uint64_t *set, const uint64_t *those, int size)
{
	for (size_t i = 0; i < fy_bits_words(size); i++)
		set[i] &= ~those[i];
}
static inline int fy_bits_count(const uint64_t *set, int size)
{
	int n = 0;
	for (size_t i = 0; i < fy_bits_words(size); i++)
		n += __builtin_popcountll(set[i]);
	return n;
}
/* Is a bit behind the last one set? */
static inline bool fy_bits_beyond(const uint64_t *set, int size)
{
	return size % 64 && set[fy_bits_words(size) - 1] >> (size % 64);
}
/* How many bits are set below i. */
static inline int fy_bits_below(const uint64_t *set, int i)
{
	int n = fy_bits_count(set, i / 64 * 64);
	return n + __builtin_popcountll(set[i / 64] & ((UINT64_C(1) << (i % 64)) - 1));
}
/* The first bit from `from` on that is set; `size` if there is none. */
static inline int fy_bits_next(const uint64_t *set, int from, int size)
{
	while (from < size && !fy_bits_has(set, from))
		from = set[from / 64] >> (from % 64) ? from + 1 : (from / 64 + 1) * 64;
	return from < size ? from : size;
}
/* The bit that is set and has `n` set ones below it; `size` if there is none. */
static inline int fy_bits_nth(const uint64_t *set, int n, int size)
{
	int i = fy_bits_next(set, 0, size);
	while (n-- && i < size)
		i = fy_bits_next(set, i + 1, size);
	return i;
}
/* All i of a set, in order. */
#define fy_bits_each(i, set, size) \
	for (int i = fy_bits_next(set, 0, size); i < (size); i = fy_bits_next(set, i + 1, size))
