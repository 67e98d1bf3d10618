/* SPDX-License-Identifier: Apache-2.0 */
/* Records that wait for room in their channel: their order, their bound, and what becomes of them
 * when their rank is gone. */
#include "support/engine.h"

#include "future/future.h"
#include "helm/queued.h"
#include "shared/message.h"
#include "wire/header.h"
#include "wire/record.h"
#include "helm/peer.h"

enum { BODY = 1000, SIZE = BODY + 16, STREAM = 7 };

static struct fy_progress *p;
static struct fy_channel *slow; /* rank 0's for rank 1: without credit */

static int begin(void **state)
{
	t_begin(state);
	p = t_helm(0);
	slow = t_channel(0, 1);
	slow->credit.limit = slow->credit.spent;
	return 0;
}

static bool add(struct fy_channel *ch, uint32_t number, ferry_future *future, bool always)
{
	static FY_ALIGNED char bytes[SIZE + 8];
	struct fy_record *r = (struct fy_record *)(void *)bytes;
	uint32_t word = FY_KIND_POST | BODY | (future ? FY_EXT : 0);
	*r = (struct fy_record){ word, number, (uint32_t)ch->rank, STREAM };
	if (future)
		fy_record_set_ext(r, (uint64_t)(uintptr_t)future);
	return fy_queued_add(p, ch, r, fy_record_size(word), STREAM, always);
}

static bool is_full(int rank)
{
	return fy_load_acquire_8(&t_engines[0]->full[rank]);
}

/* So many that they are in several blocks. */
static void they_leave_in_their_order(void **state)
{
	enum { N = 60 };
	(void)state;
	for (uint32_t i = 0; i < N; i++)
		assert_true(add(slow, i, NULL, false));
	assert_true(fy_peer_of(slow)->queue.first != fy_peer_of(slow)->queue.last);
	assert_true(is_full(1));
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(p->queues.of[0], N - i);
		assert_int_equal(fy_peer_of(slow)->queue.bytes, (N - i) * SIZE);
		/* room for one, whether it begins a batch or not */
		slow->credit.limit =
			slow->credit.spent + SIZE + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
		fy_queued_step(p);
		const char *last = slow->fill - SIZE;
		assert_int_equal(((const struct fy_record *)(const void *)last)->op, i);
		while (fy_sim_advance(t_sim)) /* full batches leave */
			;
		fy_channel_test_flight(&p->link, slow);
	}
	assert_null(fy_peer_of(slow)->queue.first);
	assert_null(p->queues.first);
	assert_false(is_full(1));
	assert_int_equal(p->queues.bytes, 0);
}

static void what_they_take_is_bounded(void **state)
{
	(void)state;
	t_engines[0]->options.send_memory = 3 * SIZE;
	assert_true(add(slow, 0, NULL, false));
	assert_true(add(t_channel(0, 2), 1, NULL, false));
	assert_true(add(slow, 2, NULL, false));
	assert_false(add(slow, 3, NULL, false));
	assert_false(add(t_channel(0, 2), 3, NULL, false));
	assert_int_equal(p->queues.bytes, 3 * SIZE);
	assert_true(add(slow, 3, NULL, true)); /* markers of a flush have to go */
	assert_int_equal(p->link.stats.channel_full, 4);
	fy_queued_fail(p, slow, FERRY_EPEER, "it is gone");
	assert_int_equal(p->queues.bytes, SIZE);
	fy_queued_fail(p, t_channel(0, 2), FERRY_EPEER, "it is gone");
	assert_int_equal(p->queues.bytes, 0);
}

static void they_fail_when_their_rank_is_gone(void **state)
{
	ferry_future *futures[2];
	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		futures[i] = fy_future_create(t_engines[0], 0);
		assert_non_null(futures[i]);
		assert_true(add(slow, i, futures[i], false));
		assert_true(add(slow, i, NULL, false));
	}
	fy_queued_fail(p, slow, FERRY_EPEER, "it is gone");
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(ferry_future_poll(futures[i]), FERRY_EPEER);
		assert_int_equal(fy_future_refs(futures[i]), 1);
		ferry_future_release(futures[i]);
	}
	assert_null(fy_peer_of(slow)->queue.first);
	assert_false(slow->has_queue);
	assert_int_equal(fy_peer_of(slow)->queue.bytes, 0);
	assert_int_equal(p->queues.of[0], 0);
	fy_queued_step(p);
	assert_null(p->queues.first);
	assert_false(is_full(1));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, t_end)
	static const struct CMUnitTest tests[] = {
		CASE(they_leave_in_their_order),
		CASE(what_they_take_is_bounded),
		CASE(they_fail_when_their_rank_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
