/* SPDX-License-Identifier: Apache-2.0 */
/* Large messages that leave: their announcement, and that what the program lent comes back once,
 * also when the engine ends before they are sent. */
#include "support/engine.h"

#include "bulk/announce.h"
#include "bulk/outbound.h"
#include "bulk/pair.h"
#include "link/batch.h"
#include "link/stream_out.h"
#include "shared/message.h"
#include "wire/header.h"
#include "wire/record.h"
#include "bulk/pair.h"

enum { LENGTH = 1 << 20, OP = 1, STREAM = 7 };

static char data[LENGTH];
static unsigned released;

static void on_release(void *lent, void *arg)
{
	assert_ptr_equal(lent, data);
	(void)arg;
	released++;
}

/* Rank 0's, for rank 1, with an attachment that is lent. */
static void announce(size_t nbytes)
{
	struct fy_channel *ch = t_channel(0, 1);
	ferry_message *m;
	assert_int_equal(ferry_message_create(t_engines[0], OP, &m), FERRY_OK);
	assert_int_equal(ferry_message_attach(m, data, nbytes, on_release, NULL), FERRY_OK);
	assert_true(fy_announce_admits(&t_helm(0)->bulk, ch, m));
	assert_true(fy_announce_put(&t_helm(0)->bulk, ch, m, FY_KIND_POST, STREAM, 0, NULL, NULL));
}

static int begin(void **state)
{
	released = 0;
	return t_begin(state);
}

static void what_half_the_credit_covers_is_prepaid(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	(void)state;
	ch->credit.limit = ch->credit.spent + (1 << 20);
	announce(100000);
	assert_non_null(fy_pair_out(ch)->active);
	assert_true(fy_pair_out(ch)->active->admitted);
	assert_null(fy_pair_out(ch)->ungranted);
	assert_true(ch->credit.spent > 100000 && ch->credit.spent < 110000);
	announce((ch->credit.limit - ch->credit.spent) / 2 + 1);
	assert_non_null(fy_pair_out(ch)->ungranted);
	assert_false(fy_pair_out(ch)->ungranted->admitted);
	assert_null(fy_pair_out(ch)->active->next);
	assert_true(ch->credit.spent < 120000);
	assert_int_equal(t_helm(0)->link.stats.grants_waited, 1);
	assert_int_equal(t_helm(0)->bulk.n_out, 2);
}

static void a_grant_is_for_one_message(void **state)
{
	struct fy_channel *ch = t_channel(0, 1);
	struct fy_grant g = { .status = FERRY_OK };
	(void)state;
	for (int i = 0; i < 3; i++)
		announce(LENGTH);
	struct fy_outbound *second = fy_pair_out(ch)->ungranted->next;
	g.xid = second->xid;
	fy_outbound_granted(&t_helm(0)->bulk, ch, &g);
	assert_ptr_equal(fy_pair_out(ch)->active, second);
	assert_true(second->admitted);
	assert_ptr_equal(fy_pair_out(ch)->ungranted->next, fy_pair_out(ch)->ungranted_last);
	assert_int_not_equal(fy_pair_out(ch)->ungranted->xid, g.xid);
	g.xid = fy_pair_out(ch)->ungranted_last->xid;
	fy_outbound_granted(&t_helm(0)->bulk, ch, &g);
	assert_ptr_equal(fy_pair_out(ch)->ungranted_last, fy_pair_out(ch)->ungranted);
	assert_int_equal(second->next->xid, g.xid);
	assert_int_equal(t_helm(0)->link.stats.malformed, 0);
	g.xid = 77;
	fy_outbound_granted(&t_helm(0)->bulk, ch, &g);
	assert_int_equal(t_helm(0)->link.stats.malformed, 1);
	assert_non_null(fy_pair_out(ch)->ungranted);
}

static int all_comes_back(void **state)
{
	unsigned sent = t_helm(0)->bulk.n_out;
	assert_int_equal(released, 0);
	t_end(state);
	assert_int_equal(released, sent);
	return 0;
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, all_comes_back)
	static const struct CMUnitTest tests[] = {
		CASE(what_half_the_credit_covers_is_prepaid),
		CASE(a_grant_is_for_one_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
