/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain: threads' lanes of rank 0, records in them, and what one step puts into which channel.
 * Nothing is delivered here, so a channel takes what its batches hold and no more.
 */
#include "support/engine.h"

#include "app/own_lane.h"
#include "base/order.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/colour.h"
#include "helm/drain.h"
#include "helm/lanes.h"
#include "helm/policy.h"
#include "link/batch.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/header.h"
#include "wire/record.h"
#include "helm/peer.h"

enum { LANES = 3, BODY = 496, SIZE = BODY + 16, OP = 1, FLOOD = 100 << 10 };
enum {
	TURN = FY_BATCH_BYTES,    /* of one lane, then it is the next one's turn */
	STEP = FY_LANE_BYTES,     /* of all of them in one step, */
	BESIDE = 2 * TURN,        /* and beside floods while answers matter */
	SHARE = FY_LANE_BYTES / 2 /* of one flood, then it is the next one's turn */
};

static struct fy_progress *p;
static struct fy_lane *lanes[LANES];

static int begin(void **state)
{
	t_begin(state);
	p = t_helm(0);
	p->link.now = FERRY_S(1);
	for (int i = 0; i < LANES; i++) {
		lanes[i] = fy_own_lane_create(t_engines[0]);
		assert_non_null(lanes[i]);
		fy_own_lane_list(t_engines[0], lanes[i]);
	}
	for (int rank = 0; rank < T_RANKS; rank++)
		t_channel(0, rank)->credit.limit = UINT64_C(1) << 40;
	return 0;
}

static int end(void **state)
{
	while (fy_sim_advance(t_sim))
		; /* batches that left are let go by MPI */
	for (int rank = 0; rank < T_RANKS; rank++)
		fy_channel_test_flight(&p->link, t_channel(0, rank));
	for (int i = 0; i < LANES; i++)
		fy_lane_release(lanes[i]);
	return t_end(state);
}

static void post(struct fy_lane *lane, int to, ferry_future *future)
{
	uint32_t word = FY_KIND_POST | BODY | (future ? FY_EXT : 0), size = fy_record_size(word);
	struct fy_record *r = fy_lane_reserve(lane, size);
	assert_non_null(r);
	*r = (struct fy_record){ word, OP, (uint32_t)to, lane->stream };
	if (future)
		fy_record_set_ext(r, (uint64_t)(uintptr_t)future);
	memset(fy_record_data(r), 0, BODY);
	fy_lane_publish(lane, size);
	fy_own_lane_list(t_engines[0], lane);
}

/* To one rank after the other, so that no channel fills up first. */
static void post_bytes(struct fy_lane *lane, uint32_t nbytes)
{
	for (uint32_t i = 0; i < nbytes / SIZE; i++)
		post(lane, (int)(i % T_RANKS), NULL);
}

static uint64_t left_in(const struct fy_lane *lane)
{
	return lane->tail - lane->head;
}

/* ---- what is in a channel ---------------------------------------------------------------- */

struct reader {
	const struct fy_channel *ch;
	const struct fy_batch *b; /* the next one; `open` comes last */
	const char *at, *end;
};

static const struct fy_record *next(struct reader *r)
{
	while (r->at == r->end) {
		if (!r->b)
			return NULL;
		bool open = r->b == r->ch->open;
		r->at = r->b->bytes + sizeof(struct fy_batch_header);
		r->end = open ? r->ch->fill : r->b->bytes + r->b->fill;
		if (open)
			r->b = NULL;
		else if (r->b->next)
			r->b = r->b->next;
		else
			r->b = r->b == r->ch->out.flight_last && r->ch->out.ready ? r->ch->out.ready
			                                                          : r->ch->open;
	}
	const struct fy_record *record = (const struct fy_record *)(const void *)r->at;
	r->at += fy_record_size(record->size_flags);
	return record;
}

static struct reader read(int rank)
{
	const struct fy_channel *ch = t_channel(0, rank);
	const struct fy_batch *first = ch->out.flight  ? ch->out.flight
	                               : ch->out.ready ? ch->out.ready
	                                               : ch->open;
	return (struct reader){ ch, first, NULL, NULL };
}

static unsigned count(int rank)
{
	struct reader r = read(rank);
	unsigned n = 0;
	while (next(&r))
		n++;
	return n;
}

/* ---- turns ------------------------------------------------------------------------------- */

static void all_lanes_have_their_turns(void **state)
{
	const struct fy_record *record;
	uint32_t run = 0, longest = 0, n = 0, last = UINT32_MAX;
	(void)state;
	for (int i = 0; i < 4 * TURN / SIZE; i++)
		for (int lane = 0; lane < 2; lane++)
			post(lanes[lane], 1, NULL);
	fy_drain_step(p);
	for (struct reader r = read(1); (record = next(&r)); n++) {
		run = record->stream == last ? run + SIZE : SIZE;
		last = record->stream;
		longest = run > longest ? run : longest;
	}
	assert_int_equal(n, 2 * (4 * TURN / SIZE));
	assert_int_equal(longest, TURN);
	assert_true(p->link.worked);
	assert_int_equal(left_in(lanes[0]) + left_in(lanes[1]), 0);
}

static void a_step_ends(void **state)
{
	(void)state;
	post_bytes(lanes[0], FLOOD);
	post_bytes(lanes[1], FLOOD);
	fy_drain_step(p);
	uint64_t taken = 2 * FLOOD - left_in(lanes[0]) - left_in(lanes[1]);
	assert_false(p->drain.broke_off); /* there was room for all of it */
	assert_int_equal(taken, STEP);
	assert_int_equal(left_in(lanes[0]), left_in(lanes[1]));
}

/* ---- room -------------------------------------------------------------------------------- */

static void what_finds_no_room_holds_up_nobody_else(void **state)
{
	struct fy_channel *narrow = t_channel(0, 1);
	(void)state;
	narrow->credit.limit = narrow->credit.spent;
	post(lanes[0], 2, NULL);
	post(lanes[0], 1, NULL);
	post(lanes[0], 2, NULL);
	post(lanes[1], 2, NULL);
	post(lanes[2], 2, NULL);
	fy_drain_step(p);
	assert_int_equal(count(1), 0);
	assert_int_equal(count(2), 3);
	assert_int_equal(left_in(lanes[0]), 2 * SIZE); /* in its order */
	assert_true(p->drain.broke_off);
	assert_true(lanes[0]->turn.lacks_room);
	assert_false(lanes[1]->turn.lacks_room);
	assert_false(fy_lanes_have_input(p));
	assert_true(narrow->credit.hungry);
	/* there is room again: nothing is left of it */
	narrow->credit.limit = UINT64_C(1) << 40;
	fy_drain_step(p);
	assert_int_equal(count(1), 1);
	assert_int_equal(count(2), 4);
	assert_int_equal(p->link.stats.posts, 5);
	assert_false(p->drain.broke_off);
	assert_false(lanes[0]->turn.lacks_room);
	assert_int_equal(fy_peer_of(narrow)->queue.no_room_since, 0);
}

static void who_found_no_room_is_first_next_time(void **state)
{
	struct fy_channel *narrow = t_channel(0, 1);
	(void)state;
	fy_lanes_list(p);
	struct fy_lane *first = p->lanes.active, *second = first->next;
	narrow->credit.limit = narrow->credit.spent;
	post(first, 2, NULL);
	post(second, 1, NULL);
	fy_drain_step(p);
	assert_ptr_equal(p->lanes.active, second);
	/* so it gets what room there is */
	post(first, 1, NULL);
	narrow->credit.limit = narrow->credit.spent + SIZE + FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	fy_drain_step(p);
	assert_int_equal(left_in(second), 0);
	assert_int_equal(left_in(first), SIZE);
	assert_ptr_equal(p->lanes.active, first);
}

static void what_waits_for_long_moves_to_the_queue(void **state)
{
	struct fy_channel *slow = t_channel(0, 1);
	(void)state;
	slow->credit.limit = slow->credit.spent;
	post(lanes[0], 1, NULL);
	post(lanes[0], 2, NULL);
	fy_drain_step(p);
	p->link.now += p->policy->drain.slow_after - 1;
	fy_drain_step(p);
	assert_int_equal(left_in(lanes[0]), 2 * SIZE);
	assert_null(fy_peer_of(slow)->queue.first);
	p->link.now++;
	fy_drain_step(p);
	assert_int_equal(left_in(lanes[0]), 0);
	assert_int_equal(fy_peer_of(slow)->queue.bytes, SIZE);
	assert_int_equal(count(2), 1);
	assert_int_equal(fy_load_acquire_8(&t_engines[0]->full[1]), 1);
	/* what comes later does not overtake it, room or not */
	slow->credit.limit = UINT64_C(1) << 40;
	post(lanes[0], 1, NULL);
	fy_drain_step(p);
	assert_int_equal(count(1), 0);
	assert_int_equal(fy_peer_of(slow)->queue.bytes, 2 * SIZE);
	fy_queued_step(p);
	assert_int_equal(count(1), 2);
	assert_int_equal(fy_load_acquire_8(&t_engines[0]->full[1]), 0);
}

/* ---- fences ------------------------------------------------------------------------------ */

static ferry_future *post_awaited(struct fy_lane *lane, int to)
{
	ferry_future *future = fy_future_create(t_engines[0], 0);
	assert_non_null(future);
	post(lane, to, future);
	return future;
}

static void what_was_posted_before_a_fence_is_of_its_colour(void **state)
{
	const struct fy_record *record;
	ferry_future *futures[2];
	(void)state;
	fy_lanes_list(p);
	post(lanes[0], 1, NULL);
	post(lanes[0], 1, NULL);
	futures[0] = post_awaited(lanes[0], 1);
	fy_lanes_mark(p);
	fy_colour_change(p);
	post(lanes[0], 1, NULL);
	futures[1] = post_awaited(lanes[0], 1);
	fy_drain_step(p);
	assert_int_equal(p->link.counts.issued[0], 3);
	assert_int_equal(p->link.counts.issued[1], 2);
	assert_int_equal(p->link.counts.awaited[0], 1);
	assert_int_equal(p->link.counts.awaited[1], 1);
	struct reader r = read(1);
	for (int i = 0; i < 5; i++) {
		record = next(&r);
		assert_int_equal(fy_record_tag_colour(record->stream, 1), i < 3 ? 0 : 1);
		assert_int_equal(record->stream & FY_STREAM, lanes[0]->stream);
	}
	assert_null(next(&r));
	ferry_future_release(futures[0]);
	ferry_future_release(futures[1]);
}

/* ---- floods ------------------------------------------------------------------------------ */

/* Its producer has filled it and sleeps. */
static void flood(struct fy_lane *lane)
{
	post_bytes(lane, FLOOD);
	fy_store_release_32(&lane->sleep.wants_room, 1);
}

/* Which of the two gave something in this step; both: LANES. */
static int drained(void)
{
	uint64_t left[] = { left_in(lanes[0]), left_in(lanes[1]) };
	fy_drain_step(p);
	bool first = left[0] != left_in(lanes[0]), second = left[1] != left_in(lanes[1]);
	return first && second ? LANES : second;
}

static void beside_answers_one_flood_is_drained(void **state)
{
	ferry_future *future = post_awaited(lanes[2], 1);
	(void)state;
	fy_drain_step(p);
	assert_int_equal(p->link.n_pending, 1);
	flood(lanes[0]);
	flood(lanes[1]);
	int one = drained();
	assert_in_range(one, 0, 1);
	assert_int_equal(left_in(lanes[one]), FLOOD - BESIDE);
	/* until it had its share; what is no flood is drained all the time */
	for (int bytes = BESIDE; bytes < SHARE; bytes += BESIDE) {
		post(lanes[2], 2, NULL);
		assert_int_equal(drained(), one);
		assert_int_equal(left_in(lanes[2]), 0);
	}
	assert_int_equal(left_in(lanes[!one]), FLOOD);
	assert_int_equal(drained(), !one);
	ferry_future_release(future);
}

static void where_no_answer_is_awaited_all_floods_are_drained(void **state)
{
	(void)state;
	flood(lanes[0]);
	flood(lanes[1]);
	assert_int_equal(drained(), LANES);
	assert_true(p->drain.a_lane_floods);
}

static void an_agreement_waits_for_all_floods(void **state)
{
	(void)state;
	flood(lanes[0]);
	flood(lanes[1]);
	p->link.n_pending = 1;
	assert_int_not_equal(drained(), LANES);
	p->agree.kind = FY_AGREE_FENCE;
	assert_int_equal(drained(), LANES);
	p->agree.kind = 0;
	p->link.n_pending = 0;
}

/* ---- threads that leave ------------------------------------------------------------------ */

static void what_a_thread_leaves_behind_is_sent(void **state)
{
	(void)state;
	post(lanes[0], 1, NULL);
	fy_own_lane_leaves(t_engines[0], lanes[0]);
	fy_drain_step(p);
	assert_int_equal(count(1), 1);
	fy_drain_step(p);
	assert_int_equal(fy_load_acquire_32(&lanes[0]->life.let_go), 1);
	for (const struct fy_lane *lane = p->lanes.active; lane; lane = lane->next)
		assert_ptr_not_equal(lane, lanes[0]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
	static const struct CMUnitTest tests[] = {
		CASE(all_lanes_have_their_turns),
		CASE(a_step_ends),
		CASE(what_finds_no_room_holds_up_nobody_else),
		CASE(who_found_no_room_is_first_next_time),
		CASE(what_waits_for_long_moves_to_the_queue),
		CASE(what_was_posted_before_a_fence_is_of_its_colour),
		CASE(beside_answers_one_flood_is_drained),
		CASE(where_no_answer_is_awaited_all_floods_are_drained),
		CASE(an_agreement_waits_for_all_floods),
		CASE(what_a_thread_leaves_behind_is_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
