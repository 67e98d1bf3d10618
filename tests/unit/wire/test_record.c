/* SPDX-License-Identifier: Apache-2.0 */
/* The record: its sizes, its fields, and the copies of the hot path. */
#include "test.h"
#include "wire/record.h"

#define ROOM 512
#define GUARD 0x5A

static void sizes_are_whole_words(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 100; n++) {
		assert_int_equal(fy_record_size(FY_KIND_POST | n), 16 + (n + 7) / 8 * 8);
		assert_int_equal(fy_record_size(FY_KIND_CALL | FY_EXT | n), 24 + (n + 7) / 8 * 8);
	}
	assert_int_equal(fy_record_size(FY_KIND_MASK | FY_LARGE | FY_HELD | FY_ERROR | FY_ATTACHED |
	                                8),
	                 24);
	assert_int_equal(fy_record_size(FY_KIND_POST | FY_BODY_MAX), 16 + 0x1000000);
}

static void a_word_keeps_kind_flags_and_length_apart(void **state)
{
	(void)state;
	static const uint32_t kinds[] = { FY_KIND_PAD, FY_KIND_POST, FY_KIND_CALL, FY_KIND_REPLY,
		                          FY_KIND_CONTROL };
	uint32_t flags = FY_EXT | FY_LARGE | FY_HELD | FY_ERROR | FY_ATTACHED;
	for (unsigned i = 0; i < 5; i++) {
		struct fy_record r = { kinds[i] | flags | FY_BODY_MAX, 0, 0, 0 };
		assert_int_equal(fy_record_kind(&r), kinds[i]);
		assert_int_equal(fy_record_body(&r), FY_BODY_MAX);
	}
	assert_int_equal(FY_KIND_MASK | flags | FY_BODY_MAX, UINT32_MAX);
	assert_int_equal(FY_KIND_MASK & flags, 0);
	assert_int_equal((FY_KIND_MASK | flags) & FY_BODY_MAX, 0);
}

static void the_body_is_behind_the_header(void **state)
{
	(void)state;
	struct fy_record r[3] = { { FY_KIND_POST | 5, 1, 2, 3 } };
	assert_ptr_equal(fy_record_data(&r[0]), &r[1]);
	r[0].size_flags |= FY_EXT;
	assert_ptr_equal(fy_record_data(&r[0]), (char *)&r[1] + 8);
	fy_record_set_ext(&r[0], UINT64_C(0x1122334455667788));
	assert_true(fy_record_ext(&r[0]) == UINT64_C(0x1122334455667788));
	assert_int_equal(r[0].stream, 3);
	assert_int_equal(((uint64_t *)&r[1])[1], 0);
}

static void what_pads_a_body_is_zero(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= 24; n++) {
		_Alignas(8) unsigned char bytes[64];
		struct fy_record *r = (struct fy_record *)(void *)bytes;
		uint32_t size = fy_record_size(FY_KIND_POST | n);
		memset(bytes, GUARD, sizeof bytes);
		fy_record_clear_end(r, size);
		*r = (struct fy_record){ FY_KIND_POST | n, 0, 0, 0 };
		memset(fy_record_data(r), 1, n);
		for (uint32_t i = 16 + n; i < size; i++)
			assert_int_equal(bytes[i], 0);
		for (uint32_t i = size; i < sizeof bytes; i++)
			assert_int_equal(bytes[i], GUARD);
	}
}

/* `to` has exactly the n bytes of `from` at `at`, and guards around them. */
static void assert_copied(const unsigned char *to, const unsigned char *from, size_t at, size_t n)
{
	assert_memory_equal(to + at, from, n);
	for (size_t i = 0; i < ROOM; i++)
		if (i < at || i >= at + n)
			assert_int_equal(to[i], GUARD);
}

static void random_bytes(unsigned char *to, size_t n)
{
	uint64_t random = 1;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)t_random(&random);
}

/* The source ends where its memory does, so that a sanitizer sees a read beyond it. */
static void bodies_of_every_length_are_copied(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 300; n++)
		for (size_t at = 8; at < 24; at++) {
			unsigned char to[ROOM], *from = malloc(n + 1);
			random_bytes(from, n);
			memset(to, GUARD, sizeof to);
			from = realloc(from, n ? n : 1);
			fy_record_copy_body(to + at, from, n);
			assert_copied(to, from, at, n);
			free(from);
		}
}

static void records_of_every_size_are_copied(void **state)
{
	(void)state;
	for (uint32_t size = 16; size <= 400; size += 8) {
		_Alignas(16) unsigned char to[ROOM];
		unsigned char *from = malloc(size);
		random_bytes(from, size);
		memset(to, GUARD, sizeof to);
		fy_record_copy(to + 16, from, size);
		assert_copied(to, from, 16, size);
		free(from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_whole_words),
		cmocka_unit_test(a_word_keeps_kind_flags_and_length_apart),
		cmocka_unit_test(the_body_is_behind_the_header),
		cmocka_unit_test(what_pads_a_body_is_zero),
		cmocka_unit_test(bodies_of_every_length_are_copied),
		cmocka_unit_test(records_of_every_size_are_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
