/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at msgpack bytes before they are believed. It allocates nothing,
 * recurses nowhere and reads every byte of a header once, so that what it
 * takes is bounded by the number of bytes, whatever they say.
 */
#ifndef FY_CHECK_H
#define FY_CHECK_H

#include <stdbool.h>
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

/* One element: what stands in front of it, and what it claims to be followed by. */
struct fy_head {
	enum fy_head_kind kind;
	int8_t type;       /* of an extension */
	uint64_t nbytes;   /* of a string, binary, extension or a number that follows the header */
	uint64_t children; /* of an array its elements, of a map its keys and values */
	/* of a number: its value, negative ones in two's complement; floats: their bits */
	uint64_t number;
	size_t header; /* bytes before the payload; a number's payload counts as header */
};

/* Read the head at `bytes`. Reads at most `nbytes` bytes; the payload may lie beyond them. */
void fy_head_read(const unsigned char *bytes, size_t nbytes, struct fy_head *head);

/* May a reference name this attachment? NULL if so, else why not. */
typedef const char *fy_judge_fn(void *arg, uint32_t index);

/* What may be, and what was found. */
struct fy_check {
	size_t objects_max; /* more elements than that are refused */
	fy_judge_fn *judge; /* of references to attachments; NULL: there are no attachments */
	void *arg;
	size_t objects;     /* found: elements, the outermost included */
	size_t offset;      /* found wrong here */
	const char *reason; /* and so, without a full stop */
};

/* Are these bytes exactly one object that may be decoded? On false offset and reason are set. */
bool fy_check(struct fy_check *check, const void *bytes, size_t nbytes);

/* The index of the attachment in the payload of a FERRY_EXT_BINARY. */
static inline uint32_t fy_reference_read(const unsigned char *payload)
{
	return (uint32_t)payload[0] | (uint32_t)payload[1] << 8 | (uint32_t)payload[2] << 16 |
	       (uint32_t)payload[3] << 24;
}
#define FY_REFERENCE_BYTES 4u

#endif
