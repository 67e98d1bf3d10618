/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzer's bytes, read as numbers. Bytes that are used up read as 0, so that every input is
 * a program. */
#ifndef WIRE_INPUT_H
#define WIRE_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct wire_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t in_8(struct wire_input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint16_t in_16(struct wire_input *in)
{
	uint16_t low = in_8(in);
	return (uint16_t)(low | in_8(in) << 8);
}

static inline uint32_t in_32(struct wire_input *in)
{
	uint32_t low = in_16(in);
	return low | (uint32_t)in_16(in) << 16;
}

static inline uint64_t in_64(struct wire_input *in)
{
	uint64_t low = in_32(in);
	return low | (uint64_t)in_32(in) << 32;
}

/* Mostly the number that an honest peer would say or one beside it, sometimes any. */
static inline uint64_t in_near(struct wire_input *in, uint64_t honest)
{
	switch (in_8(in) & 7) {
	case 3:
		return honest + 1;
	case 4:
		return honest - 1;
	case 5:
		return in_8(in);
	case 6:
		return in_16(in);
	case 7:
		return in_64(in);
	default:
		return honest;
	}
}

#endif
