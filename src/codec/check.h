/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at msgpack bytes before they are believed. It allocates nothing,
 * recurses nowhere and reads every byte of a header once, so that what it
 * takes is bounded by the number of bytes, whatever they say.
 */
#ifndef FY_CODEC_CHECK_H
#define FY_CODEC_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
