/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and replies as they come from elsewhere: cut, too long, with lies in every number. */
#include "test.h"

#include <string.h>

#include "base/bits.h"
#include "query/protocol.h"

struct request {
	struct fy_query_request q;
	uint64_t set[4];
};

static struct request good(enum fy_query_what what, int size)
{
	struct request r = { .q = { .magic = FY_QUERY_MAGIC,
		                    .version = FY_QUERY_VERSION,
		                    .what = (uint16_t)what,
		                    .time = 3000,
		                    .patience = 2000,
		                    .size = size } };
	return r;
}

static void what_is_right_is_taken(void **state)
{
	(void)state;
	struct request r = good(FY_QUERY_ENGINE, 0);
	assert_null(fy_protocol_refuse(&r, sizeof r.q));
	for (int size = 1; size <= 256; size++) {
		r = good(FY_QUERY_JOB, size);
		fy_bits_add(r.set, size - 1);
		assert_null(fy_protocol_refuse(&r, sizeof r.q + 8 * fy_bits_words(size)));
	}
}

static void another_length_is_refused(void **state)
{
	(void)state;
	struct request engine = good(FY_QUERY_ENGINE, 0), job = good(FY_QUERY_JOB, 100);
	for (size_t n = 0; n <= sizeof engine; n++) {
		assert_int_equal(fy_protocol_refuse(&engine, n) == NULL, n == sizeof engine.q);
		assert_int_equal(fy_protocol_refuse(&job, n) == NULL, n == sizeof job.q + 16);
	}
}

static void lies_are_refused(void **state)
{
	(void)state;
	static const int sizes[] = { 0, -1, FY_QUERY_RANKS_MAX + 1, INT32_MIN, INT32_MAX };
	struct request r;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		r = good(FY_QUERY_JOB, sizes[i]);
		assert_non_null(fy_protocol_refuse(&r, sizeof r));
		assert_non_null(fy_protocol_refuse(&r, sizeof r.q));
	}
	r = good(FY_QUERY_JOB, 100);
	for (int bit = 100; bit < 128; bit++) { /* ranks that there are not */
		memset(r.set, 0, sizeof r.set);
		fy_bits_add(r.set, bit);
		assert_non_null(fy_protocol_refuse(&r, sizeof r.q + 16));
	}
	for (unsigned i = 0; i < 6; i++) {
		r = good(FY_QUERY_ENGINE, 0);
		r.q.magic += i == 0;
		r.q.version += i == 1;
		r.q.what = i == 2 ? 0 : i == 3 ? FY_QUERY_JOB + 1 : r.q.what;
		r.q.time = i == 4 ? FY_QUERY_TIME_MAX + 1 : r.q.time;
		r.q.patience = i == 5 ? r.q.time + 1 : r.q.patience;
		assert_non_null(fy_protocol_refuse(&r, sizeof r.q));
	}
}

static void replies_are_looked_at(void **state)
{
	(void)state;
	struct {
		struct fy_query_reply reply;
		char rest[8];
	} r, right = { .reply = { .magic = FY_QUERY_MAGIC,
		                  .version = FY_QUERY_VERSION,
		                  .kind = FY_QUERY_ANSWER,
		                  .about = 3,
		                  .nbytes = 5 } };
	struct fy_query_reply got;
	const char *rest;
	for (size_t n = 0; n <= sizeof right; n++)
		assert_int_equal(fy_protocol_read_reply(&right, n, 4, &got, &rest),
		                 n == sizeof right.reply + 5);
	for (unsigned i = 0; i < 8; i++) {
		r = right;
		r.reply.magic += i == 0;
		r.reply.version += i == 1;
		r.reply.kind = i == 2 ? 0 : i == 3 ? FY_QUERY_NO + 1 : FY_QUERY_ANSWER;
		r.reply.about = i == 4 ? 4 : i == 5 ? -1 : 3;
		r.reply.from = i == 6 ? 4 : 0;
		r.reply.nbytes = i == 7 ? UINT32_MAX : 5;
		assert_false(fy_protocol_read_reply(&r, sizeof r.reply + 5, 4, &got, &rest));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_is_taken),
		cmocka_unit_test(another_length_is_refused),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(replies_are_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
