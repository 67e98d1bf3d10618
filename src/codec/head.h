/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fy_head_kind {
	FY_HEAD_INVALID, /* the one byte that msgpack never uses */
	FY_HEAD_NIL,
	FY_HEAD_FALSE,
	FY_HEAD_TRUE,
	FY_HEAD_UINT,
	FY_HEAD_INT,
	FY_HEAD_FLOAT32,
	FY_HEAD_FLOAT64,
	FY_HEAD_STR,
	FY_HEAD_BIN,
	FY_HEAD_EXT,
	FY_HEAD_ARRAY,
	FY_HEAD_MAP,
	FY_HEAD_CUT, /* the bytes end inside the header */
};

/* The header of one element, and how much follows according to it. */
struct fy_head {
	enum fy_head_kind kind;
	int8_t type;       /* of an extension */
	uint64_t nbytes;   /* of a string, binary, extension or a number that follows the header */
	uint64_t children; /* of an array its elements, of a map its keys and values */
	/* of a number: its value, negative ones in two's complement; floats: their bits */
	uint64_t number;
	size_t header; /* bytes before the payload; a number's payload counts as header */
};

/* Read the head at `bytes`. Reads at most `nbytes` bytes; the payload may be beyond them. */
void fy_head_read(const unsigned char *bytes, size_t nbytes, struct fy_head *head);

/* The index of the attachment in the payload of a FERRY_EXT_BINARY. */
static inline uint32_t fy_head_reference(const unsigned char *payload)
{
	return (uint32_t)payload[0] | (uint32_t)payload[1] << 8 | (uint32_t)payload[2] << 16 |
	       (uint32_t)payload[3] << 24;
}
#define FY_REFERENCE_BYTES 4u
