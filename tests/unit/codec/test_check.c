/* SPDX-License-Identifier: Apache-2.0 */
/* The look at msgpack bytes before they are believed, and the decoder behind
 * it, held against the decoder of msgpack-c. */
#include "test.h"

#include <msgpack.h>

#include "ferry_msgpack.h"
#include "codec/check.h"
#include "codec/decode.h"

#define NO_LIMIT SIZE_MAX

/* ---- helpers ------------------------------------------------------------ */

static bool check(struct fy_check *c, const void *bytes, size_t nbytes)
{
	/* Memory of exactly this size, so that a sanitizer sees a byte too far. */
	unsigned char *copy = malloc(nbytes ? nbytes : 1);
	if (nbytes)
		memcpy(copy, bytes, nbytes);
	bool good = fy_check(c, copy, nbytes);
	free(copy);
	return good;
}

static void assert_good(const void *bytes, size_t nbytes, size_t objects)
{
	struct fy_check c = { .objects_max = NO_LIMIT };
	assert_true(check(&c, bytes, nbytes));
	assert_int_equal(c.objects, objects);
}

static void assert_bad(const void *bytes, size_t nbytes, size_t offset, const char *reason)
{
	struct fy_check c = { .objects_max = NO_LIMIT };
	assert_false(check(&c, bytes, nbytes));
	assert_string_equal(c.reason, reason);
	assert_int_equal(c.offset, offset);
}

#define GOOD(bytes, objects) assert_good(bytes, sizeof(bytes) - 1, objects)
#define BAD(bytes, offset, reason) assert_bad(bytes, sizeof(bytes) - 1, offset, reason)

/* ---- what is well formed ------------------------------------------------- */

static void every_kind_of_element_is_taken(void **state)
{
	(void)state;
	GOOD("\x00", 1);
	GOOD("\x7f", 1);
	GOOD("\xe0", 1);
	GOOD("\xc0", 1);
	GOOD("\xc2", 1);
	GOOD("\xca\x00\x00\x00\x00", 1);
	GOOD("\xcb\x00\x00\x00\x00\x00\x00\x00\x00", 1);
	GOOD("\xcf\x00\x00\x00\x00\x00\x00\x00\x00", 1);
	GOOD("\xd3\x00\x00\x00\x00\x00\x00\x00\x00", 1);
	GOOD("\xa0", 1);
	GOOD("\xa3"
	     "abc",
	     1);
	GOOD("\xd9\x03"
	     "abc",
	     1);
	GOOD("\xda\x00\x03"
	     "abc",
	     1);
	GOOD("\xdb\x00\x00\x00\x03"
	     "abc",
	     1);
	GOOD("\xc4\x03"
	     "abc",
	     1);
	GOOD("\xc5\x00\x03"
	     "abc",
	     1);
	GOOD("\xc6\x00\x00\x00\x03"
	     "abc",
	     1);
	GOOD("\xc7\x03\x05"
	     "abc",
	     1);
	GOOD("\xc8\x00\x03\x05"
	     "abc",
	     1);
	GOOD("\xc9\x00\x00\x00\x03\x05"
	     "abc",
	     1);
	GOOD("\xd4\x05"
	     "a",
	     1);
	GOOD("\xd8\x05"
	     "0123456789abcdef",
	     1);
	GOOD("\x90", 1);
	GOOD("\x93\x01\x02\x03", 4);
	GOOD("\xdc\x00\x02\x01\x02", 3);
	GOOD("\xdd\x00\x00\x00\x02\x01\x02", 3);
	GOOD("\x80", 1);
	GOOD("\x82\x01\x02\x03\x91\x04", 6);
	GOOD("\xde\x00\x01\x01\x02", 3);
	GOOD("\xdf\x00\x00\x00\x01\x01\x02", 3);
}

/* ---- what is malformed: the classes ------------------------------------- */

static void nothing_at_all_is_refused(void **state)
{
	(void)state;
	BAD("", 0, "there are no bytes");
}

static void a_header_that_is_cut_is_refused(void **state)
{
	(void)state;
	BAD("\xcd\x01", 0, "the bytes end inside a header");
	BAD("\xdd\x00\x00\x00", 0, "the bytes end inside a header");
	BAD("\xc7\x03", 0, "the bytes end inside a header");
	BAD("\xcb\x00\x00\x00\x00\x00\x00\x00", 0, "the bytes end inside a header");
	BAD("\x91\xda\x00", 1, "the bytes end inside a header");
}

static void the_byte_that_msgpack_never_uses_is_refused(void **state)
{
	(void)state;
	BAD("\xc1", 0, "a byte that msgpack does not use");
	BAD("\x92\x01\xc1", 2, "a byte that msgpack does not use");
}

static void a_string_longer_than_the_bytes_is_refused(void **state)
{
	(void)state;
	BAD("\xa3"
	    "ab",
	    0, "a length beyond the end of the bytes");
	BAD("\xdb\xff\xff\xff\xff"
	    "ab",
	    0, "a length beyond the end of the bytes");
}

static void a_binary_longer_than_the_bytes_is_refused(void **state)
{
	(void)state;
	BAD("\xc4\x03"
	    "ab",
	    0, "a length beyond the end of the bytes");
	BAD("\xc6\xff\xff\xff\xff", 0, "a length beyond the end of the bytes");
}

static void an_extension_longer_than_the_bytes_is_refused(void **state)
{
	(void)state;
	BAD("\xd8\x05"
	    "0123456789abcde",
	    0, "a length beyond the end of the bytes");
	BAD("\xc9\xff\xff\xff\xff\x05", 0, "a length beyond the end of the bytes");
}

static void an_array_that_lies_about_its_count_is_refused(void **state)
{
	(void)state;
	BAD("\x93\x01\x02", 0, "a count beyond the end of the bytes");
	BAD("\xdd\xff\xff\xff\xff", 0, "a count beyond the end of the bytes");
	BAD("\xdd\x05\xf5\xe1\x00", 0, "a count beyond the end of the bytes");
}

static void a_map_that_lies_about_its_count_is_refused(void **state)
{
	(void)state;
	BAD("\x82\x01\x02\x03", 0, "a count beyond the end of the bytes");
	BAD("\xdf\xff\xff\xff\xff", 0, "a count beyond the end of the bytes");
	BAD("\xdf\x80\x00\x00\x00\x01", 0, "a count beyond the end of the bytes");
}

/* Each count alone would fit; together they ask for more than there is. */
static void counts_that_lie_only_together_are_refused(void **state)
{
	(void)state;
	BAD("\x94\x94\x01\x02\x03\x04", 1, "a count beyond the end of the bytes");
	unsigned char bytes[300];
	for (size_t i = 0; i < sizeof bytes; i += 3)
		memcpy(bytes + i, "\xdc\x00\x64", 3);
	assert_bad(bytes, sizeof bytes, 6, "a count beyond the end of the bytes");
}

static void bytes_after_the_object_are_refused(void **state)
{
	(void)state;
	BAD("\x01\x02", 1, "bytes after the object");
	BAD("\x90\xc0", 1, "bytes after the object");
}

static size_t nest(unsigned char *bytes, size_t depth, unsigned char header, size_t step)
{
	size_t at = 0;
	for (size_t i = 0; i < depth; i++) {
		if (step == 2)
			bytes[at + 1] = 0x01; /* a map's key; the value is the next level */
		bytes[at] = header;
		at += step;
	}
	bytes[at++] = 0xc0;
	return at;
}

static void nesting_is_taken_to_the_limit_and_refused_beyond(void **state)
{
	(void)state;
	unsigned char bytes[2 * 100001];
	assert_good(bytes, nest(bytes, FERRY_DEPTH_MAX, 0x91, 1), FERRY_DEPTH_MAX + 1);
	assert_good(bytes, nest(bytes, FERRY_DEPTH_MAX, 0x81, 2), 2 * FERRY_DEPTH_MAX + 1);
	assert_bad(bytes, nest(bytes, FERRY_DEPTH_MAX + 1, 0x91, 1), FERRY_DEPTH_MAX,
	           "nested too deeply");
	assert_bad(bytes, nest(bytes, FERRY_DEPTH_MAX + 1, 0x81, 2), 2 * FERRY_DEPTH_MAX,
	           "nested too deeply");
	assert_bad(bytes, nest(bytes, 100000, 0x91, 1), FERRY_DEPTH_MAX, "nested too deeply");
}

static void more_elements_than_allowed_are_refused_at_their_header(void **state)
{
	(void)state;
	struct fy_check c = { .objects_max = 4 };
	assert_true(check(&c, "\x93\x01\x02\x03", 4));
	c.objects_max = 3;
	assert_false(check(&c, "\x93\x01\x02\x03", 4));
	assert_string_equal(c.reason, "the object would take more than decode_memory");
	assert_int_equal(c.offset, 0);
	c.objects_max = 0;
	assert_false(check(&c, "\xc0", 1));
}

/* ---- references to attachments ------------------------------------------- */

static const char *only_the_third(void *arg, uint32_t index)
{
	(void)arg;
	return index == 2 ? NULL : "not the third";
}

static void references_are_judged(void **state)
{
	(void)state;
	struct fy_check c = { .objects_max = NO_LIMIT, .judge = only_the_third };
	assert_true(check(&c, "\xd6\x7f\x02\x00\x00\x00", 6));
	assert_false(check(&c, "\x92\xc0\xd6\x7f\x00\x02\x00\x00", 8));
	assert_string_equal(c.reason, "not the third");
	assert_int_equal(c.offset, 2);
	assert_false(check(&c, "\xd5\x7f\x02\x00", 4));
	assert_string_equal(c.reason, "a reference to an attachment does not have four bytes");
	c.judge = NULL;
	assert_false(check(&c, "\xd6\x7f\x02\x00\x00\x00", 6));
	assert_string_equal(c.reason, "a reference to an attachment that is not there");
}

/* ---- the decoder, against msgpack-c's ------------------------------------ */

static msgpack_object_bin no_reference(void *arg, uint32_t index)
{
	(void)arg;
	(void)index;
	return (msgpack_object_bin){ 0, NULL };
}

/* Both decoders on checked bytes: the same object. True if the bytes were good. */
static bool compare(const unsigned char *bytes, size_t nbytes)
{
	struct fy_check c = { .objects_max = NO_LIMIT };
	size_t end = 0;
	if (!check(&c, bytes, nbytes))
		return false;
	msgpack_object *objects = malloc(c.objects * sizeof *objects);
	fy_decode(bytes, objects, no_reference, NULL);
	msgpack_unpacked theirs;
	msgpack_unpacked_init(&theirs);
	assert_int_equal(msgpack_unpack_next(&theirs, (const char *)bytes, nbytes, &end),
	                 MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(end, nbytes);
	assert_true(msgpack_object_equal(objects[0], theirs.data));
	msgpack_unpacked_destroy(&theirs);
	free(objects);
	return true;
}

static void all_kinds_decode_as_msgpack_c_does(void **state)
{
	(void)state;
#define SAME(bytes) assert_true(compare((const unsigned char *)(bytes), sizeof(bytes) - 1))
	SAME("\xd0\x80");
	SAME("\xd0\x7f");
	SAME("\xd0\x00");
	SAME("\xd1\x80\x01");
	SAME("\xd2\xff\xff\xff\xfe");
	SAME("\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
	SAME("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
	SAME("\xff");
	SAME("\xca\x3f\x80\x00\x00");
	SAME("\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18");
	SAME("\x98\xc2\xc3\xc0\xa1z\xc4\x01\x00\xd4\x05x\x80\x90");
	SAME("\x82\x91\x01\x92\x02\x03\xa1k\x81\x04\x05");
#undef SAME
}

/* Bytes that are often well formed: small containers around all kinds. */
static size_t generate(uint64_t *seed, unsigned char *bytes, size_t room)
{
	static const unsigned char firsts[] = { 0x91, 0x92, 0x93, 0x81, 0x82, 0x90, 0xdc,
		                                0xde, 0x01, 0xe1, 0xa2, 0xc4, 0xd9, 0xd4,
		                                0xd6, 0xc7, 0xcd, 0xd1, 0xca, 0xc0, 0xc3 };
	size_t n = 1 + t_random(seed) % room;
	for (size_t i = 0; i < n; i++) {
		uint64_t r = t_random(seed);
		if (r % 4)
			bytes[i] = firsts[(r >> 8) % sizeof firsts];
		else
			bytes[i] = (unsigned char)(r % 8 ? (r >> 8) % 4 : r >> 8);
	}
	return n;
}

/* An array or map with a count of 32 bits: msgpack-c would take gigabytes to refuse it. */
static bool has_bomb(const unsigned char *bytes, size_t n)
{
	return memchr(bytes, 0xdd, n) || memchr(bytes, 0xdf, n);
}

static bool has_nan(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if ((bytes[i] == 0xca || bytes[i] == 0xcb) && (bytes[i + 1] & 0x7f) == 0x7f)
			return true;
	return false;
}

static void whatever_passes_the_check_decodes_as_msgpack_c_does(void **state)
{
	(void)state;
	unsigned char bytes[64];
	uint64_t seed = t_env("FERRY_SEED", 1);
	unsigned long good = 0, rounds = t_scaled(400000);
	for (unsigned long i = 0; i < rounds; i++) {
		size_t n = generate(&seed, bytes, 1 + i % sizeof bytes);
		if (has_nan(bytes, n))
			continue;
		good += compare(bytes, n);
	}
	assert_true(good > rounds / 100);
}

/* The other direction: what the check refuses for its form alone, msgpack-c refuses too. */
static void what_is_refused_for_its_form_msgpack_c_refuses_too(void **state)
{
	(void)state;
	unsigned char bytes[40];
	uint64_t seed = t_env("FERRY_SEED", 2);
	for (unsigned long i = 0; i < t_scaled(20000); i++) {
		size_t n = generate(&seed, bytes, sizeof bytes), end = 0;
		struct fy_check c = { .objects_max = NO_LIMIT };
		if (has_bomb(bytes, n) || check(&c, bytes, n) || strstr(c.reason, "reference") ||
		    strstr(c.reason, "nested"))
			continue;
		msgpack_unpacked theirs;
		msgpack_unpacked_init(&theirs);
		int result = msgpack_unpack_next(&theirs, (const char *)bytes, n, &end);
		msgpack_unpacked_destroy(&theirs);
		assert_false(result == MSGPACK_UNPACK_SUCCESS && end == n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_element_is_taken),
		cmocka_unit_test(nothing_at_all_is_refused),
		cmocka_unit_test(a_header_that_is_cut_is_refused),
		cmocka_unit_test(the_byte_that_msgpack_never_uses_is_refused),
		cmocka_unit_test(a_string_longer_than_the_bytes_is_refused),
		cmocka_unit_test(a_binary_longer_than_the_bytes_is_refused),
		cmocka_unit_test(an_extension_longer_than_the_bytes_is_refused),
		cmocka_unit_test(an_array_that_lies_about_its_count_is_refused),
		cmocka_unit_test(a_map_that_lies_about_its_count_is_refused),
		cmocka_unit_test(counts_that_lie_only_together_are_refused),
		cmocka_unit_test(bytes_after_the_object_are_refused),
		cmocka_unit_test(nesting_is_taken_to_the_limit_and_refused_beyond),
		cmocka_unit_test(more_elements_than_allowed_are_refused_at_their_header),
		cmocka_unit_test(references_are_judged),
		cmocka_unit_test(all_kinds_decode_as_msgpack_c_does),
		cmocka_unit_test(whatever_passes_the_check_decodes_as_msgpack_c_does),
		cmocka_unit_test(what_is_refused_for_its_form_msgpack_c_refuses_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
