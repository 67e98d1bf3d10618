/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of msgpack bytes before they are decoded. Any thread.
 *
 * A header of five bytes can ask for gigabytes, and the decoder of msgpack-c allocates them before
 * it looks whether so many bytes came. So this walks once over the bytes before they are decoded.
 * What holds for bytes that pass:
 *
 *  1. Each header, string, binary and extension is inside of the bytes, and nothing follows the one
 *     object.
 *  2. At every moment the open arrays and maps need at most as many elements as there are bytes
 *     left, because an element has at least one byte. So a false count is found at its header, not
 *     at the end.
 *  3. Nesting is at most FERRY_DEPTH_MAX.
 *  4. There are at most `objects_max` elements. So the caller knows how much memory decoding takes
 *     before it allocates any.
 *  5. A reference to an attachment has four bytes, and names one that `judge` accepts.
 *
 * decode.c relies on all five and checks none of them again.
 */
#include "codec/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry_msgpack.h"
#include "codec/head.h"

/* Where the walk is: how many elements each open array or map still needs. */
struct walk {
	const unsigned char *bytes;
	size_t nbytes, at;
	uint64_t waiting;                   /* elements that all levels still need */
	uint64_t left[FERRY_DEPTH_MAX + 1]; /* that each level needs; 0 is the one object itself */
	unsigned depth;
};

static const char *check_reference(const struct fy_check *check, const struct walk *w,
                                   const struct fy_head *head)
{
	if (head->nbytes != FY_REFERENCE_BYTES)
		return "a reference to an attachment does not have four bytes";
	if (!check->judge)
		return "a reference to an attachment that is not there";
	return check->judge(check->arg, fy_head_reference(w->bytes + w->at + head->header));
}

/* What is wrong with the element at w->at, whose head is read. NULL: nothing. */
static const char *check_head(const struct fy_check *check, const struct walk *w,
                              const struct fy_head *head)
{
	uint64_t behind = w->nbytes - w->at - head->header;
	if (head->kind == FY_HEAD_CUT)
		return "the bytes end inside a header";
	if (head->kind == FY_HEAD_INVALID)
		return "a byte that msgpack does not use";
	if (head->nbytes > behind)
		return "a length beyond the end of the bytes";
	if (w->waiting + head->children > behind - head->nbytes)
		return "a count beyond the end of the bytes";
	if ((head->kind == FY_HEAD_ARRAY || head->kind == FY_HEAD_MAP) &&
	    w->depth >= FERRY_DEPTH_MAX)
		return "nested too deeply";
	if (check->objects + 1 + w->waiting + head->children > check->objects_max)
		return "the object would take more than decode_memory";
	if (head->kind == FY_HEAD_EXT && head->type == FERRY_EXT_BINARY)
		return check_reference(check, w, head);
	return NULL;
}

/* Go past the element, then close every level that needs no more elements. */
static void advance(struct walk *w, const struct fy_head *head)
{
	w->at += head->header + (size_t)head->nbytes;
	w->waiting += head->children;
	if (head->children)
		w->left[++w->depth] = head->children;
	while (w->depth > 0 && w->left[w->depth] == 0)
		w->depth--;
}

static bool wrong(struct fy_check *check, size_t offset, const char *reason)
{
	check->offset = offset;
	check->reason = reason;
	return false;
}

bool fy_check(struct fy_check *check, const void *bytes, size_t nbytes)
{
	struct walk w = { .bytes = bytes, .nbytes = nbytes, .waiting = 1, .left = { 1 } };
	check->objects = 0;
	if (nbytes == 0)
		return wrong(check, 0, "there are no bytes");
	while (w.waiting) {
		struct fy_head head;
		fy_head_read(w.bytes + w.at, nbytes - w.at, &head);
		w.waiting--;
		w.left[w.depth]--;
		const char *reason = check_head(check, &w, &head);
		if (reason)
			return wrong(check, w.at, reason);
		check->objects++;
		advance(&w, &head);
	}
	return w.at == nbytes || wrong(check, w.at, "bytes after the object");
}
