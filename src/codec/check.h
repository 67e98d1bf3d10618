/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of msgpack bytes before they are decoded. It allocates nothing, does not recurse, and
 * reads each byte of a header once. So its time is bounded by the number of bytes, whatever they
 * are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* May a reference name this attachment? NULL: yes. Else why not. */
typedef const char *fy_judge_fn(void *arg, uint32_t index);

/* What is allowed, and what was found. */
struct fy_check {
	size_t objects_max; /* more elements than that are refused */
	fy_judge_fn *judge; /* of references to attachments; NULL: there are no attachments */
	void *arg;
	size_t objects;     /* found: how many elements, the outermost included */
	size_t offset;      /* found: where the first error is */
	const char *reason; /* found: what is wrong there, without a full stop */
};

/* Are these bytes exactly one object that may be decoded? If not, offset and reason are set. */
bool fy_check(struct fy_check *check, const void *bytes, size_t nbytes);
