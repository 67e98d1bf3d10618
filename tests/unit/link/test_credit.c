/* SPDX-License-Identifier: Apache-2.0 */
/* Credit: what a request costs, how far a peer may go, and what is lent and given back. */
#include "support/engine.h"

#include "link/batch.h"
#include "link/credit.h"
#include "link/stream_out.h"
#include "shared/message.h"
#include "wire/header.h"

static void a_request_costs_its_bytes_and_a_charge(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	uint64_t before = ch->credit.spent;
	(void)state;
	assert_non_null(fy_channel_reserve(&t_helm(0)->link, ch, 64));
	fy_credit_spend(ch, 64);
	assert_int_equal(ch->credit.spent - before, 64 + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE);
	fy_channel_commit(ch, 64);
	fy_credit_spend(ch, 24); /* of the same batch */
	assert_int_equal(ch->credit.spent - before,
	                 64 + 24 + 2 * (uint64_t)FY_MESSAGE_CHARGE + FY_BATCH_CHARGE);
}

static void credit_is_used_to_the_byte(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	ch->credit.limit = ch->credit.spent + 64 + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	assert_true(fy_credit_admits(&t_helm(0)->link, ch, 64));
	assert_false(ch->credit.hungry);
	ch->credit.limit--;
	assert_false(fy_credit_admits(&t_helm(0)->link, ch, 64));
	assert_true(ch->credit.hungry);
	assert_int_equal(t_helm(0)->link.stats.credit_out, 1);
	assert_false(fy_credit_admits(&t_helm(0)->link, ch, 64));
	assert_int_equal(t_helm(0)->link.stats.credit_out, 1); /* it is said once */
}

static void only_without_a_stream_the_next_ones_are_fast(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	ch->credit.limit = ch->credit.spent + (1 << 20);
	assert_non_null(fy_channel_reserve(&t_helm(0)->link, ch, 64));
	fy_credit_spend(ch, 64);
	assert_ptr_equal(ch->fast_end, fy_channel_open_end(ch));
	assert_true(ch->fast_records > 0);
	struct fy_stream_out *s = fy_stream_out_find(&t_helm(0)->link, ch, 7, true);
	assert_non_null(s);
	assert_null(ch->fast_end);
	fy_credit_spend(ch, 64);
	assert_null(ch->fast_end);
	assert_int_equal(ch->fast_records, 0);
	fy_stream_out_settle(&t_helm(0)->link, ch, s);
	fy_credit_spend(ch, 64);
	assert_non_null(ch->fast_end);
}

static void what_is_held_is_not_lent_and_comes_back(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	uint64_t first = fy_credit_limit(ch);
	(void)state;
	assert_int_equal(first, ch->credit.spent_in + ch->credit.window);
	ch->credit.limit_sent = first;
	ch->credit.spent_in += 10000;
	ch->credit.unreturned = 10000;
	assert_int_equal(fy_credit_limit(ch), first);
	fy_credit_returned(&t_helm(0)->link, ch, 1000);
	assert_int_equal(ch->credit.unreturned, 9000);
	assert_int_equal(fy_credit_limit(ch), first + 1000);
	assert_false(ch->credit.limit_owed); /* too little for a word of its own */
	fy_credit_returned(&t_helm(0)->link, ch, ch->credit.window / 4);
	assert_true(ch->credit.limit_owed);
}

static void a_limit_never_falls(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	ch->credit.limit_sent = fy_credit_limit(ch);
	ch->credit.unreturned = 5000;
	assert_int_equal(fy_credit_limit(ch), ch->credit.limit_sent);
}

static void a_hungry_peer_hears_of_every_byte(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	ch->credit.limit_sent = fy_credit_limit(ch);
	ch->credit.spent_in += 100;
	ch->credit.unreturned = 100;
	ch->credit.peer_hungry = true;
	assert_true(fy_credit_lacks(&t_helm(0)->link));
	fy_credit_returned(&t_helm(0)->link, ch, 100);
	assert_true(ch->credit.limit_owed);
	assert_false(fy_credit_lacks(&t_helm(0)->link));
}

static void a_window_grows_out_of_the_pool_and_shrinks_into_it(void **state)
{
	struct fy_progress *p = t_helm(0);
	struct fy_channel *ch = t_channel(0, 1);
	uint64_t pool = p->link.credit.pool, first = ch->credit.window;
	(void)state;
	fy_credit_grow_window(&p->link, ch, true, 0);
	assert_int_equal(ch->credit.window, 2 * first);
	assert_int_equal(p->link.credit.pool, pool - first);
	fy_credit_given(&p->link, ch, first + 1); /* more than was lent */
	assert_int_equal(p->link.stats.malformed, 1);
	assert_int_equal(ch->credit.window, 2 * first);
	fy_credit_given(&p->link, ch, first);
	assert_int_equal(ch->credit.window, first);
	assert_int_equal(p->link.credit.pool, pool);
}

static void an_empty_pool_asks_those_that_have_most(void **state)
{
	struct fy_progress *p = t_helm(0);
	struct fy_channel *ch = t_channel(0, 1), *other = t_channel(0, 2);
	(void)state;
	p->link.credit.pool = 0;
	other->credit.window = 2 * p->link.credit.first;
	fy_credit_grow_window(&p->link, ch, true, 0);
	assert_false(other->credit.recall_owed);
	other->credit.window++;
	fy_credit_grow_window(&p->link, ch, true, 0);
	assert_true(other->credit.recall_owed);
	assert_false(ch->credit.recall_owed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(a_request_costs_its_bytes_and_a_charge),
		T_CASE(credit_is_used_to_the_byte),
		T_CASE(only_without_a_stream_the_next_ones_are_fast),
		T_CASE(what_is_held_is_not_lent_and_comes_back),
		T_CASE(a_limit_never_falls),
		T_CASE(a_hungry_peer_hears_of_every_byte),
		T_CASE(a_window_grows_out_of_the_pool_and_shrinks_into_it),
		T_CASE(an_empty_pool_asks_those_that_have_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
