/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C, Castagnoli's, as iSCSI has it (RFC 3720, 12.1). Any thread.
 *
 * Where the processor has an instruction for it that is used. This is asked at run time, at each
 * call: a load and a branch beside hundreds of bytes. An instruction needs the result of the one
 * before it and takes three cycles, of which x86 can overlap three. So there a block of bytes is
 * taken as three lanes side by side. The sums of the first two are then moved over what comes
 * behind them: multiplied by a power of x, modulo the polynomial.
 */
#include "base/crc32c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

/* The sum of a byte with the single bit k; the sum of any other byte is the sum of its bits. */
#define BIT(byte, k, sum) ((byte) >> (k)&1 ? UINT32_C(sum) : 0)
#define OF(byte)                                                                          \
	(BIT(byte, 0, 0xf26b8303) ^ BIT(byte, 1, 0xe13b70f7) ^ BIT(byte, 2, 0xc79a971f) ^ \
	 BIT(byte, 3, 0x8ad958cf) ^ BIT(byte, 4, 0x105ec76f) ^ BIT(byte, 5, 0x20bd8ede) ^ \
	 BIT(byte, 6, 0x417b1dbc) ^ BIT(byte, 7, 0x82f63b78))
#define OF_4(byte) OF(byte), OF((byte) + 1), OF((byte) + 2), OF((byte) + 3)
#define OF_16(byte) OF_4(byte), OF_4((byte) + 4), OF_4((byte) + 8), OF_4((byte) + 12)
#define OF_64(byte) OF_16(byte), OF_16((byte) + 16), OF_16((byte) + 32), OF_16((byte) + 48)

static const uint32_t sums[256] = { OF_64(0), OF_64(64), OF_64(128), OF_64(192) };

uint32_t fy_crc32c_by_table(uint32_t sum, const void *data, size_t nbytes)
{
	const unsigned char *at = data;
	sum = ~sum;
	for (size_t i = 0; i < nbytes; i++)
		sum = sums[(sum ^ at[i]) & 0xff] ^ sum >> 8;
	return ~sum;
}

#if defined(__x86_64__) || defined(__aarch64__)
static uint64_t word_at(const unsigned char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}
#endif

#if defined(__x86_64__)

#define WITH_INSTRUCTION __attribute__((target("sse4.2,pclmul")))
#define LANE 256u /* bytes */
/* x^(8 LANE - 33) and x^(16 LANE - 33) modulo the polynomial, bit 31 first. The product of two such
 * numbers lacks a factor x, and the instruction that reduces it adds x^32. */
#define OVER_ONE UINT32_C(0xb9e02b86)
#define OVER_TWO UINT32_C(0xdd7e3b0c)

static bool has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

WITH_INSTRUCTION static uint64_t product(uint64_t sum, uint32_t power)
{
	__m128i p = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)sum),
	                                 _mm_cvtsi64_si128((long long)power), 0);
	return (uint64_t)_mm_cvtsi128_si64(p);
}

WITH_INSTRUCTION static uint32_t three_lanes(uint32_t sum, const unsigned char *at)
{
	uint64_t a = sum, b = 0, c = 0;
	for (unsigned i = 0; i < LANE; i += 8) {
		a = _mm_crc32_u64(a, word_at(at + i));
		b = _mm_crc32_u64(b, word_at(at + LANE + i));
		c = _mm_crc32_u64(c, word_at(at + 2 * LANE + i));
	}
	return (uint32_t)(c ^ _mm_crc32_u64(0, product(a, OVER_TWO) ^ product(b, OVER_ONE)));
}

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t sum, const unsigned char *at,
                                                size_t nbytes)
{
	for (; nbytes >= 3 * LANE; at += 3 * LANE, nbytes -= 3 * LANE)
		sum = three_lanes(sum, at);
	for (; nbytes >= 8; at += 8, nbytes -= 8)
		sum = (uint32_t)_mm_crc32_u64(sum, word_at(at));
	for (; nbytes; at++, nbytes--)
		sum = _mm_crc32_u8(sum, *at);
	return sum;
}

#elif defined(__aarch64__)

/* In assembly, because compilers do not agree on a name for it. */
#define OF_WORD ".arch_extension crc\n\tcrc32cx %w0, %w0, %x1"
#define OF_BYTE ".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"

static bool has_instruction(void)
{
	return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

static uint32_t by_instruction(uint32_t sum, const unsigned char *at, size_t nbytes)
{
	for (; nbytes >= 8; at += 8, nbytes -= 8)
		__asm__(OF_WORD : "+r"(sum) : "r"(word_at(at)));
	for (; nbytes; at++, nbytes--)
		__asm__(OF_BYTE : "+r"(sum) : "r"((uint32_t)*at));
	return sum;
}

#endif

uint32_t fy_crc32c(uint32_t sum, const void *data, size_t nbytes)
{
#if defined(__x86_64__) || defined(__aarch64__)
	if (has_instruction())
		return ~by_instruction(~sum, data, nbytes);
#endif
	return fy_crc32c_by_table(sum, data, nbytes);
}
