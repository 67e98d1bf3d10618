/* SPDX-License-Identifier: Apache-2.0 */
/* A stream with something incomplete, the receiver's side: order, and acknowledgements. */
#include "support/engine.h"

#include "link/stream_in.h"
#include "wire/bodies.h"
#include "wire/record.h"

/* The acknowledgement that is the record number `index` of the open batch. */
static struct fy_ack_stream ack_at(const struct fy_channel *ch, unsigned index)
{
	uint32_t size = fy_record_size(sizeof(struct fy_ack_stream));
	const char *at = ch->fill - (ch->nrecords - index) * size;
	const struct fy_record *r = (const struct fy_record *)(const void *)at;
	struct fy_ack_stream ack;
	assert_true(index < ch->nrecords);
	assert_int_equal(fy_record_kind(r), FY_KIND_CONTROL);
	assert_int_equal(r->op, FY_OP_ACK_STREAM);
	memcpy(&ack, r + 1, sizeof ack);
	return ack;
}

static void a_stream_is_found_again(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_stream_in *seven = fy_stream_in_find(ch, 7);
	(void)state;
	assert_non_null(seven);
	assert_ptr_not_equal(fy_stream_in_find(ch, 8), seven);
	assert_ptr_equal(fy_stream_in_find(ch, 7), seven);
	assert_null(t_channel(0, 2)->streams_in);
}

static void what_came_first_is_first(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_held *held[3];
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		held[i] = fy_stream_in_hold(ch, 7, i & 1, NULL);
	const struct fy_held *at = fy_stream_in_find(ch, 7)->first;
	for (unsigned i = 0; i < 3; i++, at = at->next) {
		assert_ptr_equal(at, held[i]);
		assert_int_equal(at->colour, i & 1);
		assert_false(at->ready);
	}
	assert_null(at);
}

static void what_is_delivered_is_acknowledged_by_count(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	assert_non_null(fy_stream_in_hold(ch, 7, 0, NULL));
	struct fy_stream_in *s = fy_stream_in_find(ch, 7);
	assert_false(ch->on_dirty);
	for (unsigned i = 0; i < 3; i++)
		fy_stream_in_owe_ack(&t_helm(0)->link, ch, s);
	assert_true(ch->stream_ack_owed && ch->on_dirty);
	assert_true(fy_stream_in_put_acks(&t_helm(0)->link, ch));
	assert_false(ch->stream_ack_owed);
	assert_int_equal(ch->nrecords, 1);
	assert_int_equal(ack_at(ch, 0).stream, 7);
	assert_int_equal(ack_at(ch, 0).count, 3);
	assert_int_equal(s->unacked, 0); /* something waits in it: it stays */
	fy_stream_in_owe_ack(&t_helm(0)->link, ch, s);
	assert_true(fy_stream_in_put_acks(&t_helm(0)->link, ch));
	assert_int_equal(ack_at(ch, 1).count, 1);
}

static void a_stream_goes_when_nothing_waits_in_it(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	for (uint32_t stream = 1; stream <= 3; stream++)
		assert_non_null(fy_stream_in_find(ch, stream));
	assert_non_null(fy_stream_in_hold(ch, 2, 0, NULL));
	fy_stream_in_owe_ack(&t_helm(0)->link, ch, fy_stream_in_find(ch, 3));
	assert_true(fy_stream_in_put_acks(&t_helm(0)->link, ch));
	assert_int_equal(ch->nrecords, 1); /* nothing is owed for the others */
	assert_int_equal(ack_at(ch, 0).stream, 3);
	assert_non_null(ch->streams_in);
	assert_int_equal(ch->streams_in->stream, 2);
	assert_null(ch->streams_in->next);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(a_stream_is_found_again),
		T_CASE(what_came_first_is_first),
		T_CASE(what_is_delivered_is_acknowledged_by_count),
		T_CASE(a_stream_goes_when_nothing_waits_in_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
