/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design notes
 *
 * The decoder of msgpack-c allocates what a header asks for before it looks
 * whether so many bytes came: five bytes can ask for gigabytes. So the bytes
 * are walked once before they are decoded. What holds of bytes that pass:
 *
 *  1. Each header, string, binary and extension lies inside them, and nothing
 *     follows the one object.
 *  2. At every moment the elements that open arrays and maps still wait for
 *     are at most the bytes that are left, one byte being the least that an
 *     element takes. A lying count is found at its header, not at the end.
 *  3. Nesting is at most FERRY_DEPTH_MAX.
 *  4. The elements are at most `objects_max`, so that the caller knows the
 *     memory that decoding takes before it allocates any.
 *  5. A reference to an attachment has four bytes and names one that will do.
 *
 * decode.c relies on all five and checks none of them again.
 */
#include "check.h"

#include "ferry_msgpack.h"

/* The first bytes 0xc0 to 0xdf: kind, bytes of the length field, and, where
 * that is 0, the length. */
struct shape {
	uint8_t kind, width, fixed;
};
static const struct shape shapes[32] = {
	[0x00] = { FY_HEAD_NIL, 0, 0 },     [0x01] = { FY_HEAD_INVALID, 0, 0 },
	[0x02] = { FY_HEAD_FALSE, 0, 0 },   [0x03] = { FY_HEAD_TRUE, 0, 0 },
	[0x04] = { FY_HEAD_BIN, 1, 0 },     [0x05] = { FY_HEAD_BIN, 2, 0 },
	[0x06] = { FY_HEAD_BIN, 4, 0 },     [0x07] = { FY_HEAD_EXT, 1, 0 },
	[0x08] = { FY_HEAD_EXT, 2, 0 },     [0x09] = { FY_HEAD_EXT, 4, 0 },
	[0x0a] = { FY_HEAD_FLOAT32, 0, 4 }, [0x0b] = { FY_HEAD_FLOAT64, 0, 8 },
	[0x0c] = { FY_HEAD_UINT, 0, 1 },    [0x0d] = { FY_HEAD_UINT, 0, 2 },
	[0x0e] = { FY_HEAD_UINT, 0, 4 },    [0x0f] = { FY_HEAD_UINT, 0, 8 },
	[0x10] = { FY_HEAD_INT, 0, 1 },     [0x11] = { FY_HEAD_INT, 0, 2 },
	[0x12] = { FY_HEAD_INT, 0, 4 },     [0x13] = { FY_HEAD_INT, 0, 8 },
	[0x14] = { FY_HEAD_EXT, 0, 1 },     [0x15] = { FY_HEAD_EXT, 0, 2 },
	[0x16] = { FY_HEAD_EXT, 0, 4 },     [0x17] = { FY_HEAD_EXT, 0, 8 },
	[0x18] = { FY_HEAD_EXT, 0, 16 },    [0x19] = { FY_HEAD_STR, 1, 0 },
	[0x1a] = { FY_HEAD_STR, 2, 0 },     [0x1b] = { FY_HEAD_STR, 4, 0 },
	[0x1c] = { FY_HEAD_ARRAY, 2, 0 },   [0x1d] = { FY_HEAD_ARRAY, 4, 0 },
	[0x1e] = { FY_HEAD_MAP, 2, 0 },     [0x1f] = { FY_HEAD_MAP, 4, 0 },
};

static uint64_t big_endian(const unsigned char *bytes, size_t n)
{
	uint64_t value = 0;
	while (n--)
		value = value << 8 | *bytes++;
	return value;
}

/* What follows a header of this kind whose length field, or fixed length, says `length`. */
static void set_length(struct fy_head *head, uint64_t length)
{
	if (head->kind == FY_HEAD_ARRAY)
		head->children = length;
	else if (head->kind == FY_HEAD_MAP)
		head->children = 2 * length;
	else
		head->nbytes = length;
}

/* A first byte that is the whole header. */
static void read_short(unsigned first, struct fy_head *head)
{
	head->header = 1;
	if (first <= 0x7f || first >= 0xe0) {
		head->kind = first <= 0x7f ? FY_HEAD_UINT : FY_HEAD_INT;
		head->number = first <= 0x7f ? first : (uint64_t)(int64_t)(int8_t)first;
		return;
	}
	head->kind = first <= 0x8f ? FY_HEAD_MAP : first <= 0x9f ? FY_HEAD_ARRAY : FY_HEAD_STR;
	set_length(head, first & (first <= 0x9f ? 0x0f : 0x1f));
}

/* The number after its first byte, sign extended. */
static void read_number(const unsigned char *bytes, size_t width, struct fy_head *head)
{
	head->number = big_endian(bytes, width);
	head->header = 1 + width;
	if (head->kind == FY_HEAD_INT && width < 8) {
		/* Every number has a width, 0 is not among them.
		 * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		uint64_t sign = (uint64_t)1 << (8 * width - 1);
		head->number = (head->number ^ sign) - sign;
	}
}

static bool is_number(enum fy_head_kind kind)
{
	return kind >= FY_HEAD_UINT && kind <= FY_HEAD_FLOAT64;
}

/* A first byte from 0xc0 to 0xdf, all bytes of the header being there. */
static void read_long(const unsigned char *bytes, struct shape shape, struct fy_head *head)
{
	head->kind = shape.kind;
	if (is_number(head->kind)) {
		read_number(bytes + 1, shape.fixed, head);
		return;
	}
	head->header = 1u + shape.width;
	set_length(head, shape.width ? big_endian(bytes + 1, shape.width) : shape.fixed);
	if (head->kind == FY_HEAD_EXT)
		head->type = (int8_t)bytes[head->header++];
}

void fy_head_read(const unsigned char *bytes, size_t nbytes, struct fy_head *head)
{
	*head = (struct fy_head){ .kind = FY_HEAD_CUT };
	if (nbytes == 0)
		return;
	if (bytes[0] < 0xc0 || bytes[0] > 0xdf) {
		read_short(bytes[0], head);
		return;
	}
	struct shape shape = shapes[bytes[0] - 0xc0];
	size_t needed = 1u + shape.width + (shape.kind == FY_HEAD_EXT) +
	                (is_number(shape.kind) ? shape.fixed : 0);
	if (nbytes >= needed)
		read_long(bytes, shape, head);
}

/* Where the walk is: for each open array or map what it still waits for. */
struct walk {
	const unsigned char *bytes;
	size_t nbytes, at;
	uint64_t waiting;                   /* elements that are still to come, of all levels */
	uint64_t left[FERRY_DEPTH_MAX + 1]; /* of each level; 0 is the one object itself */
	unsigned depth;
};

static const char *check_reference(const struct fy_check *check, const struct walk *w,
                                   const struct fy_head *head)
{
	if (head->nbytes != FY_REFERENCE_BYTES)
		return "a reference to an attachment does not have four bytes";
	if (!check->judge)
		return "a reference to an attachment that is not there";
	return check->judge(check->arg, fy_reference_read(w->bytes + w->at + head->header));
}

/* What is wrong with the element at w->at, whose head is read; NULL: nothing. */
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

/* Go over the element; then close every level that waits for nothing more. */
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
