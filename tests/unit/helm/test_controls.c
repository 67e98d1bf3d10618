/* SPDX-License-Identifier: Apache-2.0 */
/* Control records: rank 0 owes words and writes them into its batch, rank 1 reads them there. */
#include "support/engine.h"
#include "support/shortage.h"

#include "bulk/grants.h"
#include "bulk/inbound.h"
#include "helm/controls.h"
#include "helm/owed.h"
#include "link/batch.h"
#include "link/stream_in.h"
#include "link/stream_out.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"
#include "helm/peer.h"

static struct fy_channel *out, *in; /* rank 0's for rank 1, and rank 1's for rank 0 */

static int begin(void **state)
{
	t_begin(state);
	out = t_channel(0, 1);
	in = t_channel(1, 0);
	return 0;
}

/* The ops of the open batch, in order, each read by rank 1. */
static unsigned carry(uint32_t *ops)
{
	const char *at = out->open ? out->open->bytes + sizeof(struct fy_batch_header) : NULL;
	for (unsigned i = 0; at && i < out->nrecords; i++) {
		const struct fy_record *r = (const struct fy_record *)(const void *)at;
		ops[i] = r->op;
		assert_int_equal(fy_record_kind(r), FY_KIND_CONTROL);
		assert_int_equal(fy_controls_take(t_helm(1), in, r), FY_TAKEN);
		at += fy_record_size(r->size_flags);
	}
	return at ? out->nrecords : 0;
}

static void nothing_is_written_where_nothing_is_owed(void **state)
{
	uint32_t ops[8];
	(void)state;
	assert_false(out->control_owed);
	fy_owed_put(t_helm(0), out);
	assert_int_equal(carry(ops), 0);
}

static void a_recall_is_answered_by_a_gift(void **state)
{
	uint32_t ops[8];
	(void)state;
	out->credit.recall_owed = true;
	fy_owed_put(t_helm(0), out);
	assert_int_equal(carry(ops), 1);
	assert_int_equal(ops[0], FY_OP_RECALL);
	assert_false(out->control_owed);
	assert_true(in->credit.give_owed);
}

static void a_gift_is_all_but_a_first_window(void **state)
{
	uint64_t first = t_helm(0)->link.credit.first, pool = t_helm(1)->link.credit.pool;
	uint32_t ops[8];
	(void)state;
	in->credit.window = first + 5000;
	out->credit.limit = out->credit.spent + first + 5000;
	out->credit.give_owed = true;
	fy_owed_put(t_helm(0), out);
	assert_int_equal(out->credit.limit - out->credit.spent, first);
	assert_int_equal(carry(ops), 1);
	assert_int_equal(ops[0], FY_OP_GIVE);
	assert_int_equal(in->credit.window, first);
	assert_int_equal(t_helm(1)->link.credit.pool, pool + 5000);
	out->credit.give_owed = true; /* there is no more */
	fy_owed_put(t_helm(0), out);
	assert_false(out->credit.give_owed);
	assert_int_equal(out->nrecords, 1);
}

static void a_stream_is_acknowledged(void **state)
{
	struct fy_stream_out *s = fy_stream_out_find(&t_helm(1)->link, in, 7, true);
	uint32_t ops[8];
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_non_null(fy_channel_reserve(&t_helm(1)->link, in, 16));
		assert_true(fy_stream_out_reserve(in, s));
		fy_stream_out_count(s);
		fy_channel_commit(in, 16);
	}
	fy_stream_in_owe_ack(&t_helm(0)->link, out, fy_stream_in_find(out, 7));
	fy_owed_put(t_helm(0), out);
	assert_int_equal(carry(ops), 1);
	assert_int_equal(ops[0], FY_OP_ACK_STREAM);
	assert_int_equal(s->outstanding, 1);
}

static void news_go_before_the_vote(void **state)
{
	(void)state;
	fy_peer_of(out)->owed.up_owed = fy_peer_of(out)->owed.news_owed =
		fy_peer_of(out)->owed.down_owed = true;
	fy_owed_put(t_helm(0), out);
	const char *at = out->open->bytes + sizeof(struct fy_batch_header);
	const uint32_t ops[] = { FY_OP_AGREE_NEWS, FY_OP_AGREE_UP, FY_OP_AGREE_DOWN };
	assert_int_equal(out->nrecords, 3);
	for (unsigned i = 0; i < 3; i++) {
		const struct fy_record *r = (const struct fy_record *)(const void *)at;
		assert_int_equal(r->op, ops[i]);
		at += fy_record_size(r->size_flags);
	}
	assert_false(out->control_owed);
}

static void owe(uint32_t op)
{
	static struct fy_inbound granted;
	out->in.n_refused = op == FY_OP_REFUSED;
	fy_peer_of(out)->owed.news_owed = op == FY_OP_AGREE_NEWS;
	fy_peer_of(out)->owed.up_owed = op == FY_OP_AGREE_UP;
	fy_peer_of(out)->owed.down_owed = op == FY_OP_AGREE_DOWN;
	out->credit.recall_owed = op == FY_OP_RECALL;
	out->credit.give_owed = op == FY_OP_GIVE;
	if (op == FY_OP_GIVE)
		out->credit.limit = out->credit.spent + t_helm(0)->link.credit.first + 5000;
	if (op == FY_OP_ACK_STREAM)
		fy_stream_in_owe_ack(&t_helm(0)->link, out, fy_stream_in_find(out, 7));
	if (op == FY_OP_GRANT) {
		granted = (struct fy_inbound){ .ch = out, .announced.xid = 1 };
		fy_grants_owe(&t_helm(0)->bulk, &granted);
	}
}

static uint32_t words[] = { FY_OP_REFUSED,  FY_OP_GRANT,      FY_OP_ACK_STREAM, FY_OP_AGREE_NEWS,
	                    FY_OP_AGREE_UP, FY_OP_AGREE_DOWN, FY_OP_RECALL,     FY_OP_GIVE };

static void every_word_counts_as_owed(void **state)
{
	const uint32_t *op = *state;
	owe(*op);
	shortage_begin(1, SHORTAGE_ALL, 0);
	fy_owed_put(t_helm(0), out);
	assert_int_equal(shortage_end(), 1); /* there was no batch for it */
	assert_null(out->open);
	assert_true(out->control_owed);
	fy_owed_put(t_helm(0), out);
	const char *at = out->open->bytes + sizeof(struct fy_batch_header);
	assert_int_equal(((const struct fy_record *)(const void *)at)->op, *op);
	assert_false(out->control_owed);
	fy_owed_put(t_helm(0), out); /* and not twice */
	assert_int_equal(out->nrecords, 1);
}

static void another_length_is_malformed(void **state)
{
	static const uint32_t ops[] = { FY_OP_ACK_STREAM, FY_OP_REFUSED,    FY_OP_GRANT,
		                        FY_OP_AGREE_UP,   FY_OP_AGREE_DOWN, FY_OP_AGREE_NEWS,
		                        FY_OP_RECALL,     FY_OP_GIVE,       FY_OP_LOST };
	FY_ALIGNED char bytes[128] = { 0 };
	struct fy_record *r = (struct fy_record *)(void *)bytes;
	(void)state;
	for (unsigned i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		*r = (struct fy_record){ FY_KIND_CONTROL | 4, ops[i], 1, 0 };
		assert_int_equal(fy_controls_take(t_helm(1), in, r), FY_MALFORMED);
	}
	*r = (struct fy_record){ FY_KIND_CONTROL | 8, FY_OP_FLUSH_ALL, 1, 0 };
	assert_int_equal(fy_controls_take(t_helm(1), in, r), FY_MALFORMED);
	assert_false(in->credit.give_owed);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, t_end)
#define WORD(i) \
	cmocka_unit_test_prestate_setup_teardown(every_word_counts_as_owed, begin, t_end, &words[i])
	static const struct CMUnitTest tests[] = {
		CASE(nothing_is_written_where_nothing_is_owed),
		CASE(a_recall_is_answered_by_a_gift),
		CASE(a_gift_is_all_but_a_first_window),
		CASE(a_stream_is_acknowledged),
		CASE(news_go_before_the_vote),
		WORD(0),
		WORD(1),
		WORD(2),
		WORD(3),
		WORD(4),
		WORD(5),
		WORD(6),
		WORD(7),
		CASE(another_length_is_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
