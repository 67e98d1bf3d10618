/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C: the examples of RFC 3720, B.4, and the check value that catalogues give. */
#include "support/test.h"

#include "base/crc32c.h"

typedef uint32_t way(uint32_t sum, const void *data, size_t nbytes);
static way *const ways[] = { fy_crc32c, fy_crc32c_by_table };

static void expect(const void *data, size_t nbytes, uint32_t sum)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(ways[i](0, data, nbytes), sum);
}

static void published_examples(void **state)
{
	static const unsigned char read_10[48] = { 0x01, 0xc0, 0,    0, 0, 0, 0,    0,    0, 0,
		                                   0,    0,    0,    0, 0, 0, 0x14, 0,    0, 0,
		                                   0,    0,    0x04, 0, 0, 0, 0,    0x14, 0, 0,
		                                   0,    0x18, 0x28, 0, 0, 0, 0,    0,    0, 0,
		                                   0x02, 0,    0,    0, 0, 0, 0,    0 };
	unsigned char bytes[32];

	(void)state;
	memset(bytes, 0, sizeof bytes);
	expect(bytes, sizeof bytes, 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	expect(bytes, sizeof bytes, 0x62a8ab43);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)i;
	expect(bytes, sizeof bytes, 0x46dd794e);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(31 - i);
	expect(bytes, sizeof bytes, 0x113fdb5c);
	expect(read_10, sizeof read_10, 0xd9963a56);
	expect("123456789", 9, 0xe3069283);
	expect("", 0, 0);
}

static unsigned char *noise(size_t nbytes)
{
	unsigned char *bytes = malloc(nbytes);
	uint64_t random = 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char)(t_random(&random) >> 40);
	return bytes;
}

/* Lengths around those at which the way changes, at every place in a word. */
static void both_ways_are_the_same(void **state)
{
	enum { MOST = 4096 };
	unsigned char *bytes = noise(MOST + 8);

	(void)state;
	for (size_t n = 0; n < MOST; n += n < 40 ? 1 : n % 768 > 750 || n % 768 < 20 ? 1 : 37)
		for (size_t from = 0; from < 8; from++)
			assert_int_equal(fy_crc32c(7, bytes + from, n),
			                 fy_crc32c_by_table(7, bytes + from, n));
	free(bytes);
}

static void a_sum_goes_on_where_it_was(void **state)
{
	enum { ALL = 3000 };
	unsigned char *bytes = noise(ALL);

	(void)state;
	for (size_t first = 0; first <= ALL; first += 129)
		for (int i = 0; i < 2; i++)
			assert_int_equal(ways[i](ways[i](0, bytes, first), bytes + first,
			                         ALL - first),
			                 fy_crc32c(0, bytes, ALL));
	free(bytes);
}

/* Any one bit, anywhere. */
static void a_bit_is_seen(void **state)
{
	enum { ALL = 2000 };
	unsigned char *bytes = noise(ALL);
	uint32_t sum = fy_crc32c(0, bytes, ALL);

	(void)state;
	for (size_t bit = 0; bit < 8 * (size_t)ALL; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_not_equal(fy_crc32c(0, bytes, ALL), sum);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_examples),
		cmocka_unit_test(both_ways_are_the_same),
		cmocka_unit_test(a_sum_goes_on_where_it_was),
		cmocka_unit_test(a_bit_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
