/* SPDX-License-Identifier: Apache-2.0 */
/* A stream whose records are counted, the sender's side: what is acknowledged and what refused. */
#include "support/engine.h"

#include "link/stream_out.h"
#include "wire/bodies.h"
#include "wire/record.h"

/* So many records of the stream, one behind the other in the open batch. */
static struct fy_stream_out *count(struct fy_channel *ch, uint32_t stream, unsigned n)
{
	struct fy_stream_out *s = fy_stream_out_find(&t_helm(0)->link, ch, stream, true);
	assert_non_null(s);
	for (; n; n--) {
		assert_non_null(fy_channel_reserve(&t_helm(0)->link, ch, 16));
		assert_true(fy_stream_out_reserve(ch, s));
		fy_stream_out_count(s);
		fy_channel_commit(ch, 16);
	}
	return s;
}

static void acked(struct fy_channel *ch, uint32_t stream, uint32_t n)
{
	struct fy_ack_stream ack = { stream, n };
	uint32_t upto;
	fy_stream_out_acked(&t_helm(0)->link, ch, &ack, &upto);
}

static void records_of_one_batch_are_one_run(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_out *s = count(ch, 7, 3);
	(void)state;
	assert_ptr_equal(s->runs, s->runs_last);
	assert_int_equal(s->runs->count, 3);
	count(ch, 8, 1); /* another one lies between them */
	count(ch, 7, 2);
	assert_ptr_not_equal(s->runs, s->runs_last);
	assert_int_equal(s->runs_last->count, 2);
	assert_int_equal(s->runs_last->number, 4);
	assert_int_equal(s->outstanding, 5);
}

static void an_acknowledgement_means_the_oldest(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_out *s = count(ch, 7, 3);
	(void)state;
	acked(ch, 7, 2);
	assert_int_equal(s->outstanding, 1);
	assert_int_equal(s->acked, 2);
	assert_int_equal(s->runs->number, 3);
	count(ch, 7, 1);
	acked(ch, 7, 2);
	assert_null(ch->streams_out); /* as before: not counted */
	assert_int_equal(t_helm(0)->link.stats.malformed, 0);
}

static void more_than_there_are_is_malformed(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_out *s = count(ch, 7, 2);
	(void)state;
	acked(ch, 7, 3);
	acked(ch, 8, 1); /* no such stream */
	assert_int_equal(t_helm(0)->link.stats.malformed, 2);
	assert_int_equal(s->outstanding, 2);
}

static void refused_ones_leave_the_count(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_out *s = count(ch, 7, 4);
	struct fy_refused r = { .seq = s->runs->seq, .index = 1, .status = FERRY_EDECODE };
	(void)state;
	fy_stream_out_refuse(&t_helm(0)->link, ch, s, &r); /* all but the first */
	assert_int_equal(s->outstanding, 1);
	acked(ch, 7, 1);
	assert_null(ch->streams_out);
	assert_int_equal(t_helm(0)->link.stats.malformed, 0);
}

static void a_refusal_is_of_one_batch(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_out *s = count(ch, 7, 2);
	struct fy_refused r = { .seq = s->runs->seq + 1, .status = FERRY_EDECODE };
	(void)state;
	fy_stream_out_refuse(&t_helm(0)->link, ch, s, &r);
	assert_int_equal(s->outstanding, 2);
	assert_int_equal(s->acked, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(records_of_one_batch_are_one_run),
		T_CASE(an_acknowledgement_means_the_oldest),
		T_CASE(more_than_there_are_is_malformed),
		T_CASE(refused_ones_leave_the_count),
		T_CASE(a_refusal_is_of_one_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
