/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: writing, attachments, references, and the form inside a batch. */
#include "test.h"
#include "link/fold.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "shared/message.h"

/* ---- helpers ----------------------------------------------------------------------- */

static ferry engine = { .refs = 1, .phase = FY_OPEN };
static unsigned released;
static const void *released_data;

static void on_release(void *data, void *arg)
{
	released += *(unsigned *)arg;
	released_data = data;
}

static int set_up(void **state)
{
	(void)state;
	released = 0;
	return 0;
}

static int nothing_is_left(void **state)
{
	(void)state;
	return engine.refs != 1;
}

static char pattern[4096];

/* A message of the program's with a body and parts of these lengths. */
static ferry_message *make(size_t body, const size_t *parts, size_t n_parts)
{
	ferry_message *m = NULL;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (char)(i * 31 + i / 256);
	assert_int_equal(ferry_message_create(&engine, 9, &m), FERRY_OK);
	assert_int_equal(ferry_message_write(m, pattern, body), FERRY_OK);
	for (size_t i = 0; i < n_parts; i++)
		assert_int_equal(ferry_message_attach(m, pattern + i + 1, parts[i], NULL, NULL),
		                 FERRY_OK);
	return m;
}

static void assert_content(const ferry_message *m, size_t body, const size_t *parts, size_t n_parts)
{
	size_t n;
	const void *data = ferry_message_body(m, &n);
	assert_int_equal(n, body);
	if (n)
		assert_memory_equal(data, pattern, n);
	assert_int_equal(ferry_message_attachments(m), n_parts);
	for (size_t i = 0; i < n_parts; i++) {
		data = ferry_message_attachment(m, i, &n);
		assert_int_equal(n, parts[i]);
		if (n)
			assert_memory_equal(data, pattern + i + 1, n);
	}
}

/* ---- the program's messages -------------------------------------------------------------- */

static void what_is_written_is_appended(void **state)
{
	(void)state;
	ferry_message *m = make(0, NULL, 0);
	for (size_t i = 0, n = 0; n < 3000; n += i++)
		assert_int_equal(ferry_message_write(m, pattern + n, i), FERRY_OK);
	assert_content(m, m->nbytes, NULL, 0);
	assert_true(m->nbytes >= 3000);
	assert_int_equal(ferry_message_write(m, NULL, 1), FERRY_EINVAL);
	assert_int_equal(ferry_message_write(m, pattern, SIZE_MAX / 2), FERRY_ETOOBIG);
	ferry_message_release(m);
}

static void a_posted_message_cannot_be_changed(void **state)
{
	(void)state;
	ferry_message *m = make(3, NULL, 0);
	m->flags |= FY_MESSAGE_POSTED;
	assert_int_equal(ferry_message_write(m, pattern, 1), FERRY_EINVAL);
	assert_int_equal(ferry_message_attach(m, pattern, 1, NULL, NULL), FERRY_EINVAL);
	assert_content(m, 3, NULL, 0);
	ferry_message_release(m);
	assert_int_equal(ferry_message_create(&engine, FERRY_OP_RESERVED, &m), FERRY_EINVAL);
}

static void each_attachment_is_released_once_with_the_last_reference(void **state)
{
	(void)state;
	static unsigned weights[] = { 1, 10, 100, 1000, 10000 };
	ferry_message *m = make(10, NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ferry_message_attach(m, pattern + i, i, on_release, &weights[i]),
		                 FERRY_OK);
	assert_int_equal(ferry_message_attach(m, NULL, 7, on_release, &weights[0]), FERRY_EINVAL);
	ferry_message_retain(m);
	ferry_message_retain(m);
	ferry_message_release(m);
	ferry_message_release(m);
	assert_int_equal(released, 0);
	ferry_message_release(m);
	assert_int_equal(released, 11111);
	assert_ptr_equal(released_data, pattern + 4);
}

static void what_is_not_there_is_not_read(void **state)
{
	(void)state;
	size_t parts[] = { 5 }, n = 77;
	ferry_message *m = make(0, parts, 1);
	assert_null(ferry_message_attachment(m, 1, &n));
	assert_int_equal(n, 0);
	assert_null(ferry_message_take(m, 0, &n)); /* the program's own */
	assert_int_equal(ferry_message_source(m), -1);
	assert_int_equal(ferry_message_op(m), 9);
	assert_null(ferry_message_body(NULL, &n));
	ferry_message_release(m);
	ferry_message_release(NULL);
}

/* ---- the form inside a batch ---------------------------------------------------------------- */

/* Fold into memory of exactly that size, with guards. */
static char *fold(const ferry_message *m, size_t *size_p)
{
	size_t size = fy_fold_size(m);
	char *bytes = malloc(size + 16);
	memset(bytes, 0x5A, size + 16);
	fy_fold_write(m, bytes + 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(bytes[i], 0x5A);
		assert_int_equal(bytes[8 + size + i], 0x5A);
	}
	char *folded = malloc(size ? size : 1);
	memcpy(folded, bytes + 8, size);
	free(bytes);
	*size_p = size;
	return folded;
}

static void round_trip(size_t body, const size_t *parts, size_t n_parts)
{
	size_t size;
	ferry_message *m = make(body, parts, n_parts), *back = NULL;
	char *folded = fold(m, &size);
	assert_int_equal(size % 8, 0);
	assert_int_equal(fy_fold_read(&engine, 9, folded, size, &back), FERRY_OK);
	assert_content(back, body, parts, n_parts);
	assert_int_equal(fy_message_total(back), fy_message_total(m));
	assert_true(back->flags & FY_MESSAGE_RECEIVED);
	free(folded);
	ferry_message_release(back);
	ferry_message_release(m);
}

static void messages_of_all_shapes_come_back(void **state)
{
	(void)state;
	for (size_t body = 0; body <= 17; body++)
		for (size_t a = 0; a <= 17; a++) {
			size_t parts[] = { a, 17 - a, 0, body };
			for (size_t n = 1; n <= 4; n++)
				round_trip(body, parts, n);
		}
	size_t many[200];
	for (size_t i = 0; i < 200; i++)
		many[i] = i * 7 % 300;
	round_trip(2000, many, 200);
}

static void without_attachments_it_is_the_body(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 40; n++) {
		size_t size;
		ferry_message *m = make(n, NULL, 0);
		char *folded = fold(m, &size);
		assert_int_equal(size, n);
		assert_memory_equal(folded, pattern, n);
		free(folded);
		ferry_message_release(m);
	}
}

/* In memory of exactly that size, so that a sanitizer sees a look beyond it. */
static void refused(const char *bytes, size_t nbytes)
{
	ferry_message *m = NULL;
	char *copy = malloc(nbytes ? nbytes : 1);
	memcpy(copy, bytes, nbytes);
	assert_int_equal(fy_fold_read(&engine, 9, copy, nbytes, &m), FERRY_EDECODE);
	assert_null(m);
	assert_int_equal(engine.refs, 1);
	free(copy);
}

static void bytes_that_are_no_message_are_refused(void **state)
{
	(void)state;
	size_t parts[] = { 9, 3 }, size;
	ferry_message *m = make(5, parts, 2);
	char *good = fold(m, &size);
	ferry_message_release(m);
	for (size_t n = 0; n < size; n++)
		refused(good, n);
	static const uint64_t bad[] = {
		0, 1, 1000, 1u << 29, UINT64_C(1) << 61, UINT64_MAX / 8, UINT64_MAX - 7, UINT64_MAX
	};
	for (size_t word = 0; word < 4; word++) /* the number, two lengths, the body's */
		for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
			if (word && bad[i] == 1)
				continue; /* a length that fits as well as 3 or 5 */
			char *copy = malloc(size);
			memcpy(copy, good, size);
			memcpy(copy + 8 * word, &bad[i], 8);
			refused(copy, size);
			free(copy);
		}
	char longer[256] = { 0 };
	memcpy(longer, good, size);
	refused(longer, size + 8);
	free(good);
}

/* ---- received messages ------------------------------------------------- */

static ferry_message *receive(size_t body, const size_t *parts, size_t n_parts)
{
	size_t size;
	ferry_message *m = make(body, parts, n_parts), *back = NULL;
	char *folded = fold(m, &size);
	assert_int_equal(fy_fold_read(&engine, 9, folded, size, &back), FERRY_OK);
	free(folded);
	ferry_message_release(m);
	return back;
}

static void an_attachment_can_be_taken_once_by_its_only_holder(void **state)
{
	(void)state;
	size_t parts[] = { 20, 0, 30 }, n = 0;
	ferry_message *m = receive(4, parts, 3);
	uint64_t before = engine.told.large_returned;
	m->holds.large = 50;
	ferry_message_retain(m);
	assert_null(ferry_message_take(m, 0, &n));
	ferry_message_release(m);
	char *taken = ferry_message_take(m, 0, &n);
	assert_non_null(taken);
	assert_int_equal(n, 20);
	assert_memory_equal(taken, pattern + 1, 20);
	assert_int_equal(engine.told.large_returned - before, 20);
	assert_null(ferry_message_take(m, 0, &n));
	assert_null(ferry_message_take(m, 3, &n));
	char *empty = ferry_message_take(m, 1, &n);
	assert_non_null(empty);
	assert_int_equal(n, 0);
	ferry_message_release(m);
	/* the rest with the message, none twice */
	assert_int_equal(engine.told.large_returned - before, 50);
	memset(taken, 1, 20);
	free(taken);
	free(empty);
}

static void what_a_message_held_goes_back_once(void **state)
{
	(void)state;
	struct fy_account account = { .returned = 0 };
	size_t parts[] = { 8 };
	for (unsigned i = 1; i <= 3; i++) {
		ferry_message *m = receive(4, parts, 1);
		m->holds.account = &account;
		m->holds.charge = 100;
		ferry_message_release(m);
		assert_int_equal(account.returned, 100 * i);
	}
	assert_int_equal(account.dirty, 1);
	assert_ptr_equal(fy_inbox_take(&engine.inboxes.accounts), &account.entry);
	assert_null(CK_STACK_NEXT(&account.entry));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, nothing_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_appended),
		TEST(a_posted_message_cannot_be_changed),
		TEST(each_attachment_is_released_once_with_the_last_reference),
		TEST(what_is_not_there_is_not_read),
		TEST(messages_of_all_shapes_come_back),
		TEST(without_attachments_it_is_the_body),
		TEST(bytes_that_are_no_message_are_refused),
		TEST(an_attachment_can_be_taken_once_by_its_only_holder),
		TEST(what_a_message_held_goes_back_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
