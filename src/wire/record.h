/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record: one posted message. It has the same form in a lane and on the wire, so one copy moves
 * it from the lane to a batch.
 *
 *   word 0   length of the body in bytes (24 bits), flags (5 bits), kind (3 bits)
 *   word 1   op
 *   word 2   destination rank
 *   word 3   stream: the lane that it was posted through, and perhaps a tag with its colour (below)
 *   [8 bytes when FY_EXT: in a lane the future or the counter, on the wire the operation's id]
 *   body, padded to 8 bytes
 *
 * See doc/wire-format.md for what each kind means on the wire.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Ferry's wire format is little endian and this machine is not: please report it"
#endif

struct fy_record {
	uint32_t size_flags;
	uint32_t op;
	uint32_t rank;
	uint32_t stream;
};
_Static_assert(sizeof(struct fy_record) == 16, "the wire format says 16 bytes");

#define FY_BODY_MAX 0xFFFFFFu /* what 24 bits hold */

#define FY_KIND_PAD 0x00000000u /* lanes only: skip to the end of the ring */
#define FY_KIND_POST 0x20000000u
#define FY_KIND_CALL 0x40000000u
#define FY_KIND_REPLY 0x60000000u
#define FY_KIND_CONTROL 0x80000000u /* the library's own: neither credit nor allocation */
#define FY_KIND_MASK 0xE0000000u

#define FY_EXT 0x10000000u      /* 8 more bytes of header */
#define FY_LARGE 0x08000000u    /* wire: an announcement; lane: the body is a message's pointer */
#define FY_HELD 0x04000000u     /* counted and acknowledged by stream, behind a large message */
#define FY_ERROR 0x02000000u    /* a reply that is an error: status, then text */
#define FY_COUNTED FY_ERROR     /* lane: with FY_EXT, of a post: that is its counter */
#define FY_ATTACHED 0x01000000u /* attachments inside the body, after a table of lengths */

/* The colour of a record tells which fence counts it: see agree.c. A record with a tag has the
 * tag's colour. The colour of a record without one follows from its place: in a lane, whether it is
 * before or behind the mark of the last fence; on the wire, the colour of its batch. */
#define FY_STREAM 0x3FFFFFFFu
#define FY_TAGGED 0x80000000u
#define FY_TAG_SHIFT 30
static inline uint32_t fy_record_tag(unsigned colour)
{
	return FY_TAGGED | (uint32_t)colour << FY_TAG_SHIFT;
}
/* The colour of a record with a tag. */
static inline unsigned fy_record_tag_bit(uint32_t stream)
{
	return stream >> FY_TAG_SHIFT & 1;
}
static inline unsigned fy_record_tag_colour(uint32_t stream, unsigned otherwise)
{
	return stream & FY_TAGGED ? fy_record_tag_bit(stream) : otherwise;
}

/* A post without a future and without any flag. */
#define FY_PLAIN_POST (FY_KIND_POST >> 24)
/* In a lane: a post with a future, one with a counter, and a call. */
#define FY_AWAITED_POST ((FY_KIND_POST | FY_EXT) >> 24)
#define FY_COUNTED_POST ((FY_KIND_POST | FY_EXT | FY_COUNTED) >> 24)
#define FY_PLAIN_CALL ((FY_KIND_CALL | FY_EXT) >> 24)
#define FY_PLAIN_REPLY ((FY_KIND_REPLY | FY_EXT) >> 24)

static inline struct fy_record *fy_record_at(const char *bytes)
{
	return (struct fy_record *)(uintptr_t)bytes;
}
static inline uint32_t fy_record_body(const struct fy_record *r)
{
	return r->size_flags & FY_BODY_MAX;
}
static inline uint32_t fy_record_kind(const struct fy_record *r)
{
	return r->size_flags & FY_KIND_MASK;
}
static inline uint32_t fy_record_pad8(uint32_t n)
{
	return (n + 7u) & ~7u;
}
/* The record's whole size in bytes, padding included. */
static inline uint32_t fy_record_size(uint32_t size_flags)
{
	return fy_record_pad8((uint32_t)sizeof(struct fy_record) + (size_flags & FY_EXT ? 8u : 0u) +
	                      (size_flags & FY_BODY_MAX));
}
static inline char *fy_record_data(const struct fy_record *r)
{
	return (char *)(uintptr_t)(r + 1) + (r->size_flags & FY_EXT ? 8 : 0);
}
/* Call it before anything else is written: it makes the bytes that pad the body 0, so that no old
 * memory is sent. */
static inline void fy_record_clear_end(struct fy_record *r, uint32_t size)
{
	uint64_t zero = 0;
	__builtin_memcpy((char *)r + size - 8, &zero, 8);
}
static inline uint64_t fy_record_ext(const struct fy_record *r)
{
	uint64_t ext;
	memcpy(&ext, r + 1, sizeof ext);
	return ext;
}
static inline void fy_record_set_ext(struct fy_record *r, uint64_t ext)
{
	memcpy(r + 1, &ext, sizeof ext);
}
/* Copy a body. Small ones are copied in words that may overlap, without a call. Touches no byte
 * beyond the body. */
static inline void fy_record_copy_body(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;
	if (n > 128) {
		memcpy(t, f, n);
	} else if (n >= 16) {
		for (size_t i = 0; i + 16 < n; i += 16)
			__builtin_memcpy(t + i, f + i, 16);
		__builtin_memcpy(t + n - 16, f + n - 16, 16);
	} else if (n >= 8) {
		__builtin_memcpy(t, f, 8);
		__builtin_memcpy(t + n - 8, f + n - 8, 8);
	} else {
		for (size_t i = 0; i < n; i++)
			t[i] = f[i];
	}
}

/* Copy a record of `size` bytes, a multiple of 8. Small ones are copied in words, without a
 * call. */
static inline void fy_record_copy(void *to, const void *from, uint32_t size)
{
	if (size > 256) {
		memcpy(to, from, size);
		return;
	}
	char *t = to;
	const char *f = from;
	uint32_t i = 0;
	for (; i + 16 <= size; i += 16)
		__builtin_memcpy(t + i, f + i, 16);
	if (i < size)
		__builtin_memcpy(t + i, f + i, 8);
}
