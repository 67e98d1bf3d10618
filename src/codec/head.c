/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of one msgpack element: its kind, and how much follows according to it. Any thread; only
 * the bytes are looked at.
 */
#include "codec/head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the first bytes 0xc0 to 0xdf: the kind, the width of the length field in bytes, and the
 * length where there is no such field. */
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

/* Set what follows a header of this kind. `length` is from its length field, or fixed. */
static void set_length(struct fy_head *head, uint64_t length)
{
	if (head->kind == FY_HEAD_ARRAY)
		head->children = length;
	else if (head->kind == FY_HEAD_MAP)
		head->children = 2 * length;
	else
		head->nbytes = length;
}

/* For a first byte that is the whole header. */
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

/* Read the number behind the first byte, and extend its sign. */
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

/* For a first byte from 0xc0 to 0xdf. All bytes of the header are there. */
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
