/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: order, filters, removal, and what readers asked for. */
#include "test.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "shared/message.h"

#include <pthread.h>

/* ---- helpers ----------------------------------------------------------------------- */

static ferry engine = { .refs = 1, .phase = FY_STOPPED };
static struct fy_mailbox box;

static int set_up(void **state)
{
	(void)state;
	fy_mailbox_init(&box);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return pthread_mutex_destroy(&box.lock) || engine.refs != 1;
}

/* A message whose number is its charge. */
static ferry_message *push(int source, uint32_t op, unsigned number)
{
	ferry_message *m = fy_message_new(&engine, op, 0);
	assert_non_null(m);
	m->source = source;
	m->holds.charge = number;
	fy_mailbox_push(&box, m);
	return m;
}

static void discard(ferry_message *m)
{
	m->holds.charge = 0;
	ferry_message_release(m);
}

/* The number of the oldest message that matches, which is taken; 0: none. */
static unsigned take(int source, uint32_t op)
{
	assert_true(fy_mailbox_try(&box));
	ferry_message *m = fy_mailbox_take(&box, source, op);
	fy_mailbox_unlock(&box);
	unsigned number = m ? (unsigned)m->holds.charge : 0;
	if (m)
		discard(m);
	return number;
}

static void assert_empty(void)
{
	assert_int_equal(take(FERRY_ANY, FERRY_ANY_OP), 0);
	assert_null(box.all.first);
	assert_null(box.all.last);
	for (int i = 0; i < FY_MAILBOX_OPS; i++) {
		assert_null(box.by_op[i].first);
		assert_null(box.by_op[i].last);
	}
	assert_int_equal(box.bytes, 0);
}

/* ---- order and filters ---------------------------------------------------------------- */

static void the_oldest_comes_first(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		push(0, 5, i);
	assert_int_equal(take(FERRY_ANY, FERRY_ANY_OP), 1); /* sorts the ten */
	for (unsigned i = 11; i <= 20; i++)
		push(0, 5, i);
	for (unsigned i = 2; i <= 20; i++)
		assert_int_equal(take(FERRY_ANY, i % 2 ? FERRY_ANY_OP : 5), i);
	assert_empty();
}

static void a_reader_gets_what_it_asks_for(void **state)
{
	(void)state;
	push(0, 1, 1);
	push(1, 1, 2);
	push(0, 2, 3);
	push(1, 2, 4);
	push(0, 1, 5);
	assert_int_equal(take(2, FERRY_ANY_OP), 0);
	assert_int_equal(take(FERRY_ANY, 3), 0);
	assert_int_equal(take(1, 2), 4);
	assert_int_equal(take(1, 2), 0);
	assert_int_equal(take(1, FERRY_ANY_OP), 2);
	assert_int_equal(take(FERRY_ANY, 2), 3);
	assert_int_equal(take(0, 1), 1);
	assert_int_equal(take(FERRY_ANY, FERRY_ANY_OP), 5);
	assert_empty();
}

/* More ops than lists: those of one list do not get in each other's way. */
static void ops_that_share_a_list_are_kept_apart(void **state)
{
	(void)state;
	enum { OPS = 10 * FY_MAILBOX_OPS };
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < OPS; i++)
			push(0, i * 7919, round * OPS + i + 1);
	for (unsigned i = OPS; i-- > 0;) {
		assert_int_equal(take(FERRY_ANY, i * 7919), i + 1);
		assert_int_equal(take(FERRY_ANY, i * 7919), OPS + i + 1);
		assert_int_equal(take(FERRY_ANY, i * 7919), 0);
	}
	assert_empty();
}

static void the_librarys_own_ops_are_not_any_op(void **state)
{
	(void)state;
	push(0, FERRY_OP_RESERVED, 1);
	push(0, FERRY_OP_RESERVED - 1, 2);
	assert_int_equal(take(FERRY_ANY, FERRY_ANY_OP), 2);
	assert_int_equal(take(FERRY_ANY, FERRY_ANY_OP), 0);
	assert_int_equal(take(FERRY_ANY, FERRY_OP_RESERVED), 1);
	assert_empty();
}

static void any_message_can_be_removed(void **state)
{
	(void)state;
	for (unsigned gone = 1; gone <= 5; gone++) {
		ferry_message *m[6];
		for (unsigned i = 1; i <= 5; i++)
			m[i] = push(0, i % 2, i);
		assert_true(fy_mailbox_try(&box));
		fy_mailbox_remove(&box, m[gone]);
		fy_mailbox_unlock(&box);
		discard(m[gone]);
		assert_int_equal(box.bytes, 15 - gone);
		for (unsigned i = 1; i <= 5; i++)
			if (i != gone)
				assert_int_equal(take(FERRY_ANY, gone % 2 ? i % 2 : FERRY_ANY_OP),
				                 i);
		assert_empty();
	}
}

static void bytes_are_what_is_held(void **state)
{
	(void)state;
	ferry_message *m = push(0, 1, 100);
	assert_int_equal(box.bytes, 100);
	assert_int_equal(box.news, 1);
	assert_true(fy_mailbox_try(&box));
	fy_mailbox_remove(&box, m);
	fy_mailbox_unlock(&box);
	m->holds.large = 1000;
	fy_mailbox_push(&box, m);
	assert_int_equal(box.bytes, 1100);
	assert_true(fy_mailbox_try(&box));
	fy_mailbox_take(&box, 0, 1);
	fy_mailbox_unlock(&box);
	m->holds.large = 0;
	discard(m);
	assert_empty();
}

/* Many pushes and takes against a list that is searched by hand. */
static void it_agrees_with_a_simple_list(void **state)
{
	(void)state;
	enum { N = 2000 };
	static struct {
		int source;
		uint32_t op;
		bool there;
	} model[N + 1];
	uint64_t random = 1;
	unsigned last = 0;
	for (unsigned long i = t_scaled(6000); i; i--) {
		int source = (int)(t_random(&random) % 4) - 1;
		uint32_t op = (uint32_t)(t_random(&random) % 5);
		if (t_random(&random) % 2 && last < N) {
			last++;
			model[last].source = source < 0 ? 3 : source;
			model[last].op = op;
			model[last].there = true;
			push(model[last].source, op, last);
			continue;
		}
		unsigned expected = 0;
		op = op ? op : FERRY_ANY_OP;
		for (unsigned k = last; k; k--)
			if (model[k].there && (source < 0 || model[k].source == source) &&
			    (op == FERRY_ANY_OP || model[k].op == op))
				expected = k;
		model[expected].there = false;
		assert_int_equal(take(source < 0 ? FERRY_ANY : source, op), expected);
	}
	while (take(FERRY_ANY, FERRY_ANY_OP))
		;
	assert_empty();
}

/* ---- what readers asked for --------------------------------------------------------------- */

static bool wanted(int source, uint32_t op, int64_t since)
{
	ferry_message m = { .source = source, .op = op };
	return fy_mailbox_wanted(&box, &m, since);
}

static void what_was_asked_for_is_remembered(void **state)
{
	(void)state;
	assert_false(wanted(0, 1, 0));
	struct fy_mail_pattern *p = fy_mailbox_ask(&box, 3, 1, 100);
	assert_non_null(p);
	assert_true(wanted(3, 1, 100));
	assert_false(wanted(3, 1, 101));
	assert_false(wanted(2, 1, 0));
	assert_false(wanted(3, 2, 0));
	p->n_waiters = 1; /* however long ago it came */
	assert_true(wanted(3, 1, 101));
	assert_ptr_equal(fy_mailbox_ask(&box, 3, 1, 200), p);
	assert_int_equal(box.n_patterns, 1);
	assert_int_equal(p->n_waiters, 1);
	assert_non_null(fy_mailbox_ask(&box, FERRY_ANY, FERRY_ANY_OP, 300));
	assert_true(wanted(9, 9, 300));
	assert_false(wanted(9, FERRY_OP_RESERVED, 0));
}

static void the_pattern_that_is_oldest_and_not_waited_for_gives_way(void **state)
{
	(void)state;
	struct fy_mail_pattern *p[FY_MAILBOX_PATTERNS];
	for (unsigned i = 0; i < FY_MAILBOX_PATTERNS; i++) {
		p[i] = fy_mailbox_ask(&box, 0, i, 1000 + i);
		assert_non_null(p[i]);
		p[i]->n_waiters = 1;
	}
	assert_null(fy_mailbox_ask(&box, 0, 1000, 5000));
	p[40]->n_waiters = p[20]->n_waiters = 0;
	assert_ptr_equal(fy_mailbox_ask(&box, 0, 1000, 5000), p[20]);
	assert_false(wanted(0, 20, 0));
	assert_true(wanted(0, 40, 0) && wanted(0, 0, 9000) && wanted(0, 1000, 5000));
	assert_int_equal(box.n_patterns, FY_MAILBOX_PATTERNS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_oldest_comes_first),
		TEST(a_reader_gets_what_it_asks_for),
		TEST(ops_that_share_a_list_are_kept_apart),
		TEST(the_librarys_own_ops_are_not_any_op),
		TEST(any_message_can_be_removed),
		TEST(bytes_are_what_is_held),
		TEST(it_agrees_with_a_simple_list),
		TEST(what_was_asked_for_is_remembered),
		TEST(the_pattern_that_is_oldest_and_not_waited_for_gives_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
