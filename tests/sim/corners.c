/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Corners that chance seldom meets, or that its books are too coarse for: two engines over the
 * simulated network, and a program of one thread a rank that does what leads there.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/clock.h"
#include "base/order.h"
#include "base/program.h"
#include "engine/life.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/arrivals.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/drive.h"
#include "helm/gone.h"
#include "helm/lanes.h"
#include "helm/peer.h"
#include "helm/pace.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/header.h"
#include "wire/record.h"
#include "bulk/pair.h"

#include <pthread.h>
#include <sched.h>

enum { OP = 7, OP_MAIL, OP_ASKED, TURNS_MAX = 100000, COUNTED_MAX = 20000 };

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
};

struct pair {
	fy_sim *sim;
	struct side sides[2];
	uint32_t posted, came; /* from rank 0 to rank 1 */
	bool in_order;
};

static void see_number(struct pair *pair, const ferry_message *message)
{
	uint32_t number;
	size_t n;
	const void *body = ferry_message_body(message, &n);
	assert_true(n >= sizeof number);
	memcpy(&number, body, sizeof number);
	pair->in_order &= number == pair->came++;
}

static void on_number(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	see_number(arg, message);
}

static void open_side(struct pair *pair, int rank, const ferry_options *given)
{
	struct side *side = &pair->sides[rank];
	side->engine = t_open(fy_sim_port(pair->sim, rank), given);
	side->p = side->engine->progress;
	side->lane = fy_own_lane_create(side->engine);
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_handle(side->engine, OP, FERRY_INLINE, on_number, pair), 0);
	fy_thread_end(FY_INLINE, before);
}

static void begin_with(struct pair *pair, const ferry_options *given)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	*pair = (struct pair){ .in_order = true, .sim = fy_sim_create(2, 1, &net) };
	open_side(pair, 0, given);
	open_side(pair, 1, given);
}

static void begin(struct pair *pair)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	begin_with(pair, &given);
}

/* Until nothing happens any more, the network included. */
static void settle(struct pair *pair)
{
	for (unsigned idle = 0, turn = 0; idle < 10; turn++) {
		bool worked = false;
		for (int i = 0; i < 2; i++)
			worked |= fy_step_once(pair->sides[i].p, true);
		worked |= fy_sim_advance(pair->sim);
		idle = worked ? 0 : idle + 1;
		assert_true(turn < TURNS_MAX);
	}
}

static void close_side(struct side *side)
{
	assert_true(side->p->close.stopped);
	assert_int_equal(fy_life_destroy(side->engine), 0);
	t_leave(side->engine, side->lane);
	fy_engine_release(side->engine);
}

static void finish(struct pair *pair)
{
	for (unsigned turn = 0;
	     !(pair->sides[0].p->close.stopped && pair->sides[1].p->close.stopped); turn++) {
		assert_true(turn < TURNS_MAX);
		for (int i = 0; i < 2; i++)
			fy_step_once(pair->sides[i].p, true);
		if (!fy_sim_advance(pair->sim))
			fy_sim_advance_to(pair->sim, fy_sim_now(pair->sim) + FERRY_MS(1));
	}
	close_side(&pair->sides[0]);
	close_side(&pair->sides[1]);
	fy_sim_destroy(pair->sim);
}

static void begin_close(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		fy_store_release_32(&pair->sides[i].engine->phase, FY_CLOSING);
		fy_close_begin(pair->sides[i].p);
	}
}

static void end(struct pair *pair)
{
	begin_close(pair);
	finish(pair);
}

/* A number for rank 1, in a body of `nbytes`. */
static int post_through(struct pair *pair, struct fy_lane *lane, size_t nbytes)
{
	static char body[FY_LANE_INLINE];
	memcpy(body, &pair->posted, sizeof pair->posted);
	struct fy_post o = { .engine = pair->sides[0].engine,
		             .lane = lane,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP,
		             .body = body,
		             .nbytes = nbytes };
	int status = fy_post(&o, NULL);
	pair->posted += status == 0;
	return status;
}

static int post(struct pair *pair, size_t nbytes)
{
	return post_through(pair, pair->sides[0].lane, nbytes);
}

/* ---- the hot loop ---------------------------------------------------------------------------- */

/* The credit of a pair grows when it has run out. */
static void grow_credit(struct pair *pair)
{
	struct fy_channel *ch = fy_peer_get(pair->sides[0].p, 1);
	while (ch->credit.limit - ch->credit.spent < 200000) {
		assert_true(pair->posted < COUNTED_MAX);
		while (post(pair, 2000) == 0)
			;
		settle(pair);
	}
}

/*
 * The network takes nothing for a while. Two full batches wait, the third has room for a short
 * record and none for the next long one. That one has been first in its lane for more than a
 * millisecond, so it moves to the channel's queue; the short ones behind it stay behind it.
 */
static void a_short_record_does_not_overtake_the_queue(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	grow_credit(&pair);
	struct fy_channel *ch = pair.sides[0].p->link.channels[1];
	fy_sim_refuse(pair.sim, 0, 1000000);
	for (int i = 0; i < 7; i++)
		assert_int_equal(post(&pair, 3000), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(post(&pair, 8), 0);
	fy_step_once(pair.sides[0].p, true);
	assert_int_equal(ch->out.n_ready, 2);
	assert_null(fy_peer_of(ch)->queue.first);
	fy_sim_advance_to(pair.sim, fy_sim_now(pair.sim) + FERRY_MS(2));
	fy_step_once(pair.sides[0].p, true);
	assert_non_null(fy_peer_of(ch)->queue.first);
	fy_sim_refuse(pair.sim, 0, 0);
	settle(&pair);
	assert_int_equal(pair.came, pair.posted);
	assert_true(pair.in_order);
	end(&pair);
}

/* ---- turns of lanes -------------------------------------------------------------------------- */

static struct {
	struct pair *pair;
	uint32_t came_before;
} other_came;

static void on_other(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	other_came.came_before = other_came.pair->came;
}

/* Two lanes that the helm looks at in this order. */
static struct fy_lane *second_lane(struct pair *pair)
{
	struct fy_progress *p = pair->sides[0].p;
	struct fy_lane *other = fy_own_lane_create(pair->sides[0].engine);
	assert_int_equal(post(pair, 8), 0);
	assert_int_equal(post_through(pair, other, 8), 0);
	fy_lanes_list(p);
	fy_lanes_move_last(p, other);
	settle(pair);
	assert_ptr_equal(p->lanes.active, pair->sides[0].lane);
	return other;
}

static void end_with(struct pair *pair, struct fy_lane *other)
{
	begin_close(pair);
	ferry *engine = pair->sides[0].engine;
	fy_engine_retain(engine);
	finish(pair);
	t_leave(engine, other);
	fy_engine_release(engine);
}

/* A record waits for 8 KiB of each lane that is looked at before its own, and the record that
 * begins there. */
static void a_lane_has_a_turn_of_8_kib(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	grow_credit(&pair);
	struct fy_lane *other = second_lane(&pair);
	ferry *before = fy_thread_begin(FY_INLINE, pair.sides[1].engine);
	assert_int_equal(ferry_handle(pair.sides[1].engine, OP_ASKED, FERRY_INLINE, on_other, NULL),
	                 0);
	fy_thread_end(FY_INLINE, before);
	for (int i = 0; i < 20; i++)
		assert_int_equal(post(&pair, 2000), 0);
	struct fy_post o = { .engine = pair.sides[0].engine,
		             .lane = other,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP_ASKED };
	assert_int_equal(fy_post(&o, NULL), 0);
	other_came.pair = &pair;
	other_came.came_before = UINT32_MAX;
	uint32_t came = pair.came;
	settle(&pair);
	assert_int_equal(pair.came, pair.posted);
	assert_in_range(other_came.came_before - came, 1, 5);
	end_with(&pair, other);
}

/* There is credit for a batch in each step, which is less than the turn of a lane: they have it by
 * turns. */
static void who_found_no_room_is_first(void **state)
{
	(void)state;
	struct pair pair;
	unsigned first = 0, second = 0;
	begin(&pair);
	struct fy_lane *other = second_lane(&pair);
	struct fy_progress *p = pair.sides[0].p;
	struct fy_channel *ch = fy_peer_get(p, 1);
	while (post(&pair, 2000) == 0 && post_through(&pair, other, 2000) == 0)
		;
	while (fy_step_once(p, true) || fy_sim_advance(pair.sim))
		;
	for (int i = 0; i < 20; i++) {
		uint64_t head = pair.sides[0].lane->head, other_head = other->head;
		ch->credit.limit += 3 * (2016 + FY_MESSAGE_CHARGE) + FY_BATCH_CHARGE;
		fy_step_once(p, true);
		fy_sim_advance(pair.sim);
		first += pair.sides[0].lane->head != head;
		second += other->head != other_head;
	}
	assert_in_range(first, 5, 20);
	assert_in_range(second, 5, 20);
	settle(&pair);
	assert_int_equal(pair.came, pair.posted);
	end_with(&pair, other);
}

/* Every byte of credit, on both sides: the way of one record at a time and the hot loop charge
 * the same. */
static void credit_is_spent_to_the_byte(void **state)
{
	(void)state;
	struct pair pair;
	uint64_t random = 1, expected = 0;
	begin(&pair);
	struct fy_channel *out = fy_peer_get(pair.sides[0].p, 1);
	for (unsigned round = 0; round < 100; round++) {
		unsigned n = 1 + (unsigned)(t_random(&random) % 12);
		for (unsigned i = 0; i < n; i++) {
			uint32_t nbytes = 4 + (uint32_t)(t_random(&random) % 60);
			assert_int_equal(post(&pair, nbytes), 0);
			expected += fy_record_size(FY_KIND_POST | nbytes) + FY_MESSAGE_CHARGE;
		}
		expected += FY_BATCH_CHARGE; /* they leave in one batch */
		settle(&pair);
		assert_int_equal(out->credit.spent, expected);
		assert_int_equal(pair.sides[1].p->link.channels[0]->credit.spent_in, expected);
	}
	assert_int_equal(pair.came, pair.posted);
	assert_true(pair.in_order);
	assert_int_equal(pair.sides[1].p->link.channels[0]->credit.unreturned, 0);
	end(&pair);
}

/* ---- what stands for operations of MPI --------------------------------- */

enum { STARTS = 6 }; /* of each of two threads */

/* Instead of mpi/starts.c. */
static struct {
	bool no_memory;
	unsigned taken[2 * STARTS], failed[2 * STARTS];
	struct fy_starts of;
} starts;

static bool take_start(struct fy_starts *s, const void *start, ferry_future *future)
{
	uint32_t number;
	memcpy(&number, start, sizeof number);
	(void)s;
	if (starts.no_memory)
		return false;
	starts.taken[number]++;
	fy_future_complete(future, FERRY_OK, NULL);
	return true;
}

static void fail_start(struct fy_starts *s, const void *start, ferry_future *future, int status,
                       const char *detail)
{
	uint32_t number;
	memcpy(&number, start, sizeof number);
	(void)s;
	starts.failed[number]++;
	fy_future_complete(future, status, detail);
}

static void end_starts(struct fy_starts *s)
{
	(void)s;
}

static size_t abandon_starts(struct fy_starts *s)
{
	(void)s;
	return 0;
}

static const struct fy_start_ops start_ops = { .take = take_start,
	                                       .fail = fail_start,
	                                       .end = end_starts,
	                                       .abandon = abandon_starts,
	                                       .free = end_starts };

static void begin_with_starts(struct pair *pair)
{
	begin(pair);
	memset(&starts, 0, sizeof starts);
	starts.no_memory = true;
	starts.of.ops = &start_ops;
	pair->sides[0].p->starts = &starts.of;
}

/* ---- floods ------------------------------------------------------------ */

enum { FLOODS = 3 };

/* As their producers leave them that sleep for room: full. */
static void flood(struct pair *pair, struct fy_lane **lanes)
{
	for (int i = 0; i < FLOODS; i++) {
		while (post_through(pair, lanes[i], 2000) == 0)
			;
		fy_store_relaxed_32(&lanes[i]->sleep.wants_room, 1);
	}
}

/* How many of them something has left in one step, and the first of these. */
static int drained_lanes(struct pair *pair, struct fy_lane **lanes, int *first_p)
{
	uint64_t heads[FLOODS];
	int n = 0;
	for (int i = 0; i < FLOODS; i++)
		heads[i] = lanes[i]->head;
	fy_step_once(pair->sides[0].p, true);
	for (int i = FLOODS; i-- > 0;)
		if (lanes[i]->head != heads[i]) {
			*first_p = i;
			n++;
		}
	return n;
}

static ferry_future *call_through(struct pair *pair, uint32_t op)
{
	ferry_future *future;
	struct fy_post o = { .engine = pair->sides[0].engine,
		             .lane = pair->sides[0].lane,
		             .kind = FY_KIND_CALL,
		             .rank = 1,
		             .op = op };
	assert_int_equal(fy_post(&o, &future), 0);
	return future;
}

/* A lane whose first record nobody takes: it is asked first in each step. */
static ferry_future *get_stuck(struct pair *pair)
{
	ferry_future *future;
	uint32_t number = 0;
	assert_int_equal(fy_post_start(pair->sides[0].engine, &number, sizeof number, 0, &future),
	                 0);
	return future;
}

/* Floods have their turns together. While an answer is waited for one has, for half a lane, then
 * the next. */
static void give_way(bool beside_a_stuck_lane)
{
	struct pair pair;
	struct fy_lane *lanes[FLOODS];
	int had[FLOODS] = { 0 }, first;
	ferry_future *stuck = NULL;
	begin_with_starts(&pair);
	grow_credit(&pair);
	for (int i = 0; i < FLOODS; i++)
		lanes[i] = fy_own_lane_create(pair.sides[0].engine);
	flood(&pair, lanes);
	assert_int_equal(drained_lanes(&pair, lanes, &first), FLOODS);
	settle(&pair);
	ferry_future *future = call_through(&pair, OP_MAIL);
	settle(&pair);
	if (beside_a_stuck_lane)
		stuck = get_stuck(&pair);
	for (int turn = 0; turn < 60; turn++) {
		flood(&pair, lanes);
		for (int i = 0; i < 20; i++) { /* so that they have credit */
			fy_sim_advance(pair.sim);
			fy_step_once(pair.sides[1].p, true);
		}
		int n = drained_lanes(&pair, lanes, &first);
		assert_in_range(n, 1, 2); /* two when the turn changes */
		had[first]++;
	}
	for (int i = 0; i < FLOODS; i++)
		assert_in_range(had[i], 10, 30);
	starts.no_memory = false;
	settle(&pair);
	ferry_message *request;
	assert_int_equal(ferry_recv(pair.sides[1].engine, FERRY_ANY, OP_MAIL, 0, &request),
	                 FERRY_OK);
	ferry_message_release(request);
	settle(&pair);
	assert_int_equal(ferry_future_poll(future), FERRY_EREMOTE);
	ferry_future_release(future);
	if (stuck)
		assert_int_equal(ferry_future_poll(stuck), FERRY_OK);
	ferry_future_release(stuck);
	assert_int_equal(pair.came, pair.posted);
	begin_close(&pair);
	ferry *engine = pair.sides[0].engine;
	fy_engine_retain(engine);
	finish(&pair);
	for (int i = 0; i < FLOODS; i++)
		t_leave(engine, lanes[i]);
	fy_engine_release(engine);
}

static void floods_give_way_to_answers(void **state)
{
	(void)state;
	give_way(false);
}

static void floods_have_turns_beside_a_lane_that_is_stuck(void **state)
{
	(void)state;
	give_way(true);
}

static void on_asked(ferry *engine, ferry_message *request, void *arg)
{
	(void)engine;
	(void)arg;
	assert_int_equal(ferry_reply(request, NULL, 0), 0);
}

/* What comes behind a call is not all dispatched before the answer leaves. */
static void an_answer_waits_for_four_batches(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	grow_credit(&pair);
	const ferry_stats *stats = &pair.sides[1].p->link.stats;
	ferry *before_it = fy_thread_begin(FY_INLINE, pair.sides[1].engine);
	assert_int_equal(ferry_handle(pair.sides[1].engine, OP_ASKED, FERRY_INLINE, on_asked, NULL),
	                 0);
	fy_thread_end(FY_INLINE, before_it);
	ferry_future *future = call_through(&pair, OP_ASKED);
	for (int i = 0; i < 12; i++) { /* a batch each */
		assert_int_equal(post(&pair, 8), 0);
		fy_step_once(pair.sides[0].p, true);
	}
	uint64_t before = stats->batches_received;
	while (stats->batches_received == before) {
		fy_sim_advance_to(pair.sim, fy_sim_now(pair.sim) + FERRY_MS(1));
		fy_step_once(pair.sides[1].p, true);
	}
	assert_in_range(stats->batches_received - before, 1, 4);
	settle(&pair);
	assert_int_equal(ferry_future_poll(future), FERRY_OK);
	ferry_future_release(future);
	end(&pair);
}

/* ---- waiting for credit ------------------------------------------------ */

static unsigned post_until_full(struct pair *pair)
{
	unsigned n = 0;
	while (post(pair, 2000) == 0)
		n++;
	return n;
}

/*
 * A rank that does not step gives no credit, and what waits for that is no reason for its sender to
 * stay awake: it sleeps, until it is rung for or what waits in the lane is to move out of the
 * others' way. What another thread posts meanwhile is a reason.
 */
static void who_waits_for_credit_sleeps(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[0].p;
	struct fy_lane *other = fy_own_lane_create(pair.sides[0].engine);
	assert_int_equal(post_through(&pair, other, 8), 0);
	settle(&pair);
	assert_true(post_until_full(&pair) > 40);
	while (fy_step_once(p, true))
		;
	post_until_full(&pair);
	while (fy_step_once(p, true) || fy_sim_advance(pair.sim))
		;
	assert_true(fy_lanes_have_work(p));
	assert_false(fy_step_has_input(p, true));
	assert_in_range(fy_pace_sleep_time(p, false), FERRY_US(20), p->policy->drain.slow_after);
	assert_int_equal(post_through(&pair, other, 8), 0);
	assert_true(fy_step_has_input(p, true));
	settle(&pair);
	assert_int_equal(pair.came, pair.posted);
	assert_false(fy_lanes_have_work(p));
	begin_close(&pair);
	ferry *engine = pair.sides[0].engine;
	fy_engine_retain(engine);
	finish(&pair);
	t_leave(engine, other);
	fy_engine_release(engine);
}

/* ---- batches that are not sent ----------------------------------------- */

/* Each rank takes the other one for gone: no orderly close, but all memory is freed. */
static void abandon(struct pair *pair)
{
	for (int i = 0; i < 2; i++)
		pair->sides[i].p->lookout.on = false; /* as with peer_timeout none */
	for (int i = 0; i < 2; i++)
		fy_gone_end(pair->sides[i].p, fy_peer_get(pair->sides[i].p, 1 - i), FERRY_EPEER,
		            "the test says so");
	fy_sim_kill(pair->sim, 0);
	fy_sim_kill(pair->sim, 1);
	begin_close(pair);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 100; k++)
			fy_step_once(pair->sides[i].p, true);
		pair->sides[i].p->close.clean = true; /* this network writes nowhere any more */
	}
	finish(pair);
}

static int post_awaited(struct pair *pair, int rank, uint32_t kind, uint32_t nbytes,
                        ferry_future **future_p)
{
	static char body[FY_LANE_INLINE];
	struct fy_post o = { .engine = pair->sides[0].engine,
		             .lane = pair->sides[0].lane,
		             .kind = kind,
		             .rank = rank,
		             .op = OP,
		             .body = body,
		             .nbytes = nbytes };
	return fy_post(&o, future_p);
}

static void ended(ferry_future *future, int status, const char *why)
{
	assert_int_equal(ferry_future_poll(future), status);
	if (why)
		assert_non_null(strstr(ferry_future_detail(future), why));
	ferry_future_release(future);
}

/* Rank 0 does not send to rank 1 any more; it goes on with others, itself for one. */
static void only_rank_1_is_gone(struct pair *pair)
{
	ferry_future *other;
	assert_int_equal(pair->sides[0].p->link.channels[1]->gone, FERRY_EMPI);
	assert_int_equal(post_awaited(pair, 1, FY_KIND_POST, 8, NULL), FERRY_EPEER);
	assert_int_equal(post_awaited(pair, 0, FY_KIND_POST, 8, &other), 0);
	settle(pair);
	ended(other, FERRY_OK, NULL);
	assert_int_equal(pair->sides[0].p->link.n_flying, 0);
	assert_int_equal(pair->sides[0].p->link.n_pending, 0);
}

/* MPI takes a batch and then says that it did not send it. Rank 1 waits for its number. */
static void a_batch_that_is_not_sent_has_a_status(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *lost, *call, *behind;
	begin(&pair);
	assert_int_equal(post(&pair, 8), 0);
	settle(&pair);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &lost), 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_CALL, 8, &call), 0);
	fy_sim_refuse_ppm(pair.sim, 0, 1000000);
	fy_step_once(pair.sides[0].p, true);
	fy_sim_refuse_ppm(pair.sim, 0, 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &behind), 0);
	settle(&pair);
	ended(lost, FERRY_EMPI, "did not send");
	ended(call, FERRY_EMPI, "did not send");
	ended(behind, FERRY_EMPI, "did not send");
	assert_int_equal(pair.came, 1);
	only_rank_1_is_gone(&pair);
	abandon(&pair);
}

/* It is found while a record is being put, because MPI has as many batches as it gets. */
static void none_of_many_waits_for_a_batch_that_is_not_sent(void **state)
{
	(void)state;
	enum { POSTS = 40 };
	struct pair pair;
	ferry_future *futures[POSTS];
	begin(&pair);
	grow_credit(&pair);
	fy_sim_refuse_ppm(pair.sim, 0, 1000000);
	for (int i = 0; i < POSTS; i++)
		assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 3000, &futures[i]), 0);
	fy_step_once(pair.sides[0].p, true);
	assert_true(pair.sides[0].p->link.n_flying >= 8);
	while (fy_sim_advance(pair.sim))
		;
	fy_sim_refuse_ppm(pair.sim, 0, 0);
	settle(&pair);
	for (int i = 0; i < POSTS; i++)
		ended(futures[i], FERRY_EMPI, NULL);
	only_rank_1_is_gone(&pair);
	abandon(&pair);
}

/* MPI takes nothing: it may for a moment, but not for ever. */
static void a_batch_that_is_not_taken_has_a_status(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *lost;
	begin(&pair);
	assert_int_equal(post(&pair, 8), 0);
	settle(&pair);
	fy_sim_refuse(pair.sim, 0, 1000000);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &lost), 0);
	for (int i = 0; i < 10; i++) {
		fy_step_once(pair.sides[0].p, true);
		fy_sim_advance_to(pair.sim, fy_sim_now(pair.sim) + FERRY_MS(80));
	}
	assert_int_equal(ferry_future_poll(lost), FERRY_PENDING);
	fy_sim_advance_to(pair.sim, fy_sim_now(pair.sim) + FERRY_S(1));
	fy_step_once(pair.sides[0].p, true);
	fy_sim_refuse(pair.sim, 0, 0);
	ended(lost, FERRY_EMPI, "no batch to rank 1");
	only_rank_1_is_gone(&pair);
	abandon(&pair);
}

/* ---- receives that MPI ends with an error ------------------------------ */

/* Time passes in steps that are shorter than what the engines wait for. */
static void let_pass(struct pair *pair, int64_t time)
{
	for (int64_t until = fy_sim_now(pair->sim) + time; fy_sim_now(pair->sim) < until;) {
		for (int i = 0; i < 2; i++)
			fy_step_once(pair->sides[i].p, true);
		fy_sim_advance_to(pair->sim, fy_sim_now(pair->sim) + FERRY_US(500));
	}
}

/* Nothing was in them: they are posted again, and nobody is blamed however long it goes on. */
static void receives_that_fail_are_posted_again(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[1].p;
	for (unsigned i = 0; i < 5; i++) {
		unsigned posted = p->receives.n_posted;
		fy_sim_fail_posted(pair.sim, 1, 1 + 4 * i);
		settle(&pair);
		assert_int_equal(p->receives.n_posted, posted);
		assert_int_equal(post(&pair, 8), 0);
		let_pass(&pair, FERRY_MS(600));
		assert_int_equal(pair.came, pair.posted);
	}
	assert_int_equal(p->link.stats.mpi_errors, 1 + 5 + 9 + 13 + 17 - 1);
	assert_int_equal(p->link.stats.malformed, 0);
	assert_int_equal(p->losses.since, 0);
	end(&pair);
}

/* Neither is a receive forgotten that MPI did not take. */
static void receives_that_are_refused_are_posted_later(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	unsigned posted = pair.sides[1].p->receives.n_posted;
	fy_sim_refuse_receives(pair.sim, 1, 4);
	assert_int_equal(post(&pair, 8), 0);
	fy_step_once(pair.sides[0].p, true);
	while (fy_sim_advance(pair.sim))
		;
	fy_arrivals_look(pair.sides[1].p);
	assert_int_equal(pair.sides[1].p->receives.n_posted, posted - 1);
	settle(&pair);
	assert_int_equal(pair.sides[1].p->receives.n_posted, posted);
	assert_null(pair.sides[1].p->receives.extra);
	assert_int_equal(pair.came, pair.posted);
	end(&pair);
}

/* Both sides were told. MPI has nothing of theirs any more. */
static void finish_apart(struct pair *pair, int64_t time)
{
	begin_close(pair);
	let_pass(pair, time);
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->sides[i];
		assert_true(side->p->close.stopped);
		assert_false(side->p->close.clean);
		t_abandon(pair->sim, side->engine);
		t_leave(side->engine, side->lane);
		fy_engine_release(side->engine);
	}
	fy_sim_destroy(pair->sim);
}

/* A batch was in it, and no other comes of its own accord. Its number is missing, so both sides
 * give up and say so. */
static void a_batch_that_is_lost_is_missed(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *lost, *call;
	begin(&pair);
	assert_int_equal(post(&pair, 8), 0);
	settle(&pair);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &lost), 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_CALL, 8, &call), 0);
	fy_sim_lose_batches(pair.sim, 1, 0, 1);
	let_pass(&pair, FERRY_MS(200));
	assert_int_equal(ferry_future_poll(lost), FERRY_PENDING);
	let_pass(&pair, FERRY_MS(600));
	assert_int_equal(pair.came, 1);
	assert_int_equal(pair.sides[1].p->link.channels[0]->gone, FERRY_EMPI);
	assert_int_equal(pair.sides[0].p->link.channels[1]->gone, FERRY_EPEER);
	assert_int_equal(pair.sides[1].p->link.stats.mpi_errors, 1);
	ended(lost, FERRY_EPEER, "given us up");
	ended(call, FERRY_EPEER, "given us up");
	finish_apart(&pair, FERRY_MS(300));
}

/* What one rank lost and the other one never sent again: the votes of a close. */
static void a_vote_that_is_lost_ends_the_close(void **state)
{
	(void)state;
	for (unsigned skip = 0; skip < 6; skip++)
		for (int rank = 0; rank < 2; rank++) {
			struct pair pair;
			begin(&pair);
			assert_int_equal(post(&pair, 8), 0);
			settle(&pair);
			fy_sim_lose_batches(pair.sim, rank, skip, 1);
			begin_close(&pair);
			/* one may have ended, and does not answer the other one's question */
			let_pass(&pair, FERRY_S(30));
			assert_true(pair.sides[0].p->close.stopped);
			assert_true(pair.sides[1].p->close.stopped);
			for (int i = 0; i < 2; i++) {
				fy_sim_kill(pair.sim, i);
				pair.sides[i].p->close.clean = true;
			}
			close_side(&pair.sides[0]);
			close_side(&pair.sides[1]);
			fy_sim_destroy(pair.sim);
		}
}

/* It was not sent either, as far as MPI says; the other rank hears it. */
static void who_is_given_up_is_told(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *lost;
	begin(&pair);
	assert_int_equal(post(&pair, 8), 0);
	settle(&pair);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &lost), 0);
	fy_sim_refuse_ppm(pair.sim, 0, 1000000);
	fy_step_once(pair.sides[0].p, true);
	fy_sim_refuse_ppm(pair.sim, 0, 0);
	settle(&pair);
	ended(lost, FERRY_EMPI, "did not send");
	assert_int_equal(pair.sides[0].p->link.stats.mpi_errors, 1);
	assert_int_equal(pair.sides[1].p->link.channels[0]->gone, FERRY_EPEER);
	finish_apart(&pair, FERRY_MS(300));
}

/* ---- a borrower of the helm -------------------------------------------- */

/*
 * A thread that waits drives, and runs no handlers. It copies a few messages for them, so that a
 * reply behind these is seen; a batch with many stays where it is, for the progress thread.
 */
static void a_borrower_leaves_batches_as_they_are(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[1].p;
	for (int i = 0; i < 40; i++)
		assert_int_equal(post(&pair, 60), 0);
	while (fy_step_once(pair.sides[0].p, true) || fy_sim_advance(pair.sim))
		;
	for (int i = 0; i < 100; i++) {
		fy_step_once(p, false);
		fy_sim_advance(pair.sim);
	}
	assert_int_equal(pair.came, 0);
	assert_in_range(p->inside.n_left, 1, 16);
	assert_int_equal(p->arrivals.n_undispatched, 1);
	settle(&pair);
	assert_int_equal(pair.came, 40);
	assert_int_equal(p->inside.n_left, 0);
	assert_true(pair.in_order);
	end(&pair);
}

/* Batches that wait here hold their buffers. However many there are, another can come. */
static void receives_do_not_run_out(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	grow_credit(&pair);
	struct fy_progress *p = pair.sides[1].p;
	for (int i = 0; i < 60; i++) { /* a batch each */
		assert_int_equal(post(&pair, 8), 0);
		while (fy_step_once(pair.sides[0].p, true) || fy_sim_advance(pair.sim))
			;
	}
	for (int i = 0; i < 400; i++) {
		fy_step_once(p, false); /* may not run the handler */
		fy_sim_advance(pair.sim);
	}
	assert_in_range(p->arrivals.n_undispatched, 60 - 16, 60);
	assert_in_range(p->receives.n_posted, 1, p->receives.n);
	settle(&pair);
	assert_int_equal(pair.came, pair.posted);
	assert_true(pair.in_order);
	end(&pair);
}

/* ---- senders' memory --------------------------------------------------- */

enum { LONG = 64 << 10, MEMORY = 1 << 20, MANY = 400 };

/* What a program posts long bodies by. */
static ferry_message *long_message(ferry *engine, const char *body)
{
	ferry_message *m;
	assert_int_equal(ferry_message_create(engine, OP_MAIL, &m), 0);
	assert_int_equal(ferry_message_write(m, body, LONG), 0);
	return m;
}

static int post_long(struct pair *pair, int rank, bool as_message)
{
	static char body[LONG];
	struct side *side = &pair->sides[0];
	struct fy_post o = { .engine = side->engine,
		             .lane = side->lane,
		             .kind = FY_KIND_POST,
		             .rank = rank,
		             .op = OP_MAIL,
		             .timeout = FERRY_FOREVER };
	memcpy(body, &pair->posted, sizeof pair->posted);
	if (as_message) {
		o.message = long_message(side->engine, body);
	} else {
		o.body = body;
		o.nbytes = LONG;
	}
	int status = fy_post(&o, NULL);
	ferry_message_release(o.message);
	pair->posted += status == 0 && rank == 1;
	return status;
}

static unsigned read_mail(struct pair *pair, int rank)
{
	ferry_message *m;
	unsigned n = 0;
	for (; ferry_recv(pair->sides[rank].engine, FERRY_ANY, OP_MAIL, 0, &m) == 0; n++) {
		if (rank == 1)
			see_number(pair, m);
		ferry_message_release(m);
	}
	return n;
}

/* Long bodies until no more are taken, with the engines given time for what they can send. */
static void post_all_there_is_room_for(struct pair *pair, bool as_message)
{
	for (uint32_t before = UINT32_MAX; before != pair->posted; settle(pair)) {
		before = pair->posted;
		while (post_long(pair, 1, as_message) == 0)
			assert_true(pair->posted < MANY);
	}
}

static ferry_future *ask_for_room(struct pair *pair)
{
	ferry_future *room;
	ferry *before = fy_thread_begin(FY_INLINE, pair->sides[0].engine);
	assert_int_equal(ferry_room(pair->sides[0].engine, 1, &room), 0);
	/* What is posted here is not held up: others may wait for it. */
	assert_int_equal(post_long(pair, 1, false), 0);
	fy_thread_end(FY_INLINE, before);
	settle(pair);
	return room;
}

static void small_memory(ferry_options *given)
{
	*given = (ferry_options)FERRY_OPTIONS_INIT;
	given->send_memory = given->receive_memory = MEMORY;
	given->lend = FERRY_NONE;
}

/* Rank 1 does not read. What it takes nevertheless is within its receive_memory. */
static void bodies_are_bounded(bool as_message)
{
	struct pair pair;
	ferry_options given;
	small_memory(&given);
	given.flags = FERRY_NONBLOCK;
	begin_with(&pair, &given);
	const ferry *e = pair.sides[0].engine;
	post_all_there_is_room_for(&pair, as_message);
	assert_int_equal(post_long(&pair, 1, as_message), FERRY_EAGAIN);
	assert_non_null(strstr(ferry_last_error(), "send_memory"));
	assert_true((size_t)pair.posted * LONG >= MEMORY / 2);
	assert_true((size_t)pair.posted * LONG <= MEMORY + MEMORY / 2 + LONG);
	assert_true(e->room.bodies <= MEMORY / 2 + LONG && e->room.bodies >= MEMORY / 2);
	assert_int_equal(post_long(&pair, 0, as_message), 0); /* other ranks have their share */
	ferry_future *room = ask_for_room(&pair);
	assert_int_equal(read_mail(&pair, 0), 1);
	assert_int_equal(ferry_future_poll(room), FERRY_PENDING);
	while (read_mail(&pair, 1))
		settle(&pair);
	assert_int_equal(ferry_future_poll(room), FERRY_OK);
	assert_int_equal(pair.came, pair.posted);
	assert_true(pair.in_order);
	assert_true(e->room.bodies == 0 && e->room.bodies_to[0] == 0 && e->room.bodies_to[1] == 0);
	ferry_future_release(room);
	end(&pair);
}

static void long_bodies_are_bounded(void **state)
{
	(void)state;
	bodies_are_bounded(false);
	bodies_are_bounded(true);
}

/* A step of rank 0. What was released of long bodies before is told with it. */
static bool step_and_tell(struct pair *pair)
{
	struct fy_progress *p = pair->sides[0].p;
	const ferry *e = pair->sides[0].engine;
	bool untold = p->link.freed;
	uint32_t room = e->room.word;
	uint64_t bodies = e->room.bodies;
	bool worked = fy_step_once(p, true);
	if (p->link.freed)
		assert_true(worked);
	else if (untold || e->room.bodies < bodies)
		assert_int_not_equal(e->room.word, room);
	return worked;
}

/* Where no channel was full, nobody but this wakes posters that wait for send_memory. */
static void bodies_that_are_sent_are_told(void **state)
{
	(void)state;
	struct pair pair;
	ferry_options given;
	small_memory(&given);
	given.flags = FERRY_NONBLOCK;
	begin_with(&pair, &given);
	const ferry *e = pair.sides[0].engine;
	post_all_there_is_room_for(&pair, false);
	uint32_t room = e->room.word;
	assert_true(e->room.bodies >= MEMORY / 2);
	for (unsigned turn = 0; e->room.bodies || pair.came != pair.posted; turn++) {
		assert_true(turn < TURNS_MAX);
		step_and_tell(&pair);
		fy_step_once(pair.sides[1].p, true);
		read_mail(&pair, 1);
		fy_sim_advance(pair.sim);
	}
	while (step_and_tell(&pair))
		;
	assert_false(pair.sides[0].p->link.freed);
	assert_int_equal(pair.sides[0].p->link.stats.channel_full, 0);
	assert_int_not_equal(e->room.word, room);
	end(&pair);
}

/* Nothing else happens in the step in which they are released: it has to count as work, or the
 * engine would go to sleep, and a poster to another rank with it. */
static void bodies_to_a_rank_that_is_gone_are_told(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[0].p;
	assert_int_equal(post_long(&pair, 1, true), 0);
	fy_step_once(p, true);
	fy_sim_refuse(pair.sim, 0, 1000000);
	settle(&pair);
	struct fy_channel *ch = p->link.channels[1];
	assert_true(fy_pair_out(ch)->active &&
	            !fy_pair_out(ch)->ungranted); /* granted, and MPI takes no chunk */
	fy_gone_end(p, ch, FERRY_EPEER, "the test says so");
	uint32_t room = pair.sides[0].engine->room.word;
	assert_false(p->link.freed);
	while (step_and_tell(&pair))
		;
	assert_int_equal(pair.sides[0].engine->room.bodies, 0);
	assert_false(p->link.freed);
	assert_int_not_equal(pair.sides[0].engine->room.word, room);
	fy_sim_refuse(pair.sim, 0, 0);
	abandon(&pair);
}

static void *post_many(void *arg)
{
	struct pair *pair = arg;
	int status = 0;
	while (status == 0 && pair->posted < MANY)
		status = post_long(pair, 1, false);
	return (void *)(intptr_t)status;
}

/* A thread waits for room again and again, and sleeps until it is told. */
static void who_waits_for_send_memory_is_woken(void **state)
{
	struct pair pair;
	ferry_options given;
	pthread_t poster;
	void *status;
	(void)state;
	small_memory(&given);
	begin_with(&pair, &given);
	assert_int_equal(pthread_create(&poster, NULL, post_many, &pair), 0);
	for (int64_t until = fy_clock_now() + FERRY_S(30); pair.came < MANY;) {
		assert_true(fy_clock_now() < until);
		for (int i = 0; i < 2; i++)
			fy_step_once(pair.sides[i].p, true);
		if (!fy_sim_advance(pair.sim) && !read_mail(&pair, 1))
			sched_yield();
	}
	pthread_join(poster, &status);
	assert_null(status);
	assert_true(pair.in_order);
	assert_true(pair.sides[0].engine->pressure.lane_full > 10);
	end(&pair);
}

/* ---- a batch that its receiver cannot read ----------------------------- */

/* What stands between rank 0 and the network: the first record of the next batches is for
 * no rank. */
static struct {
	struct fy_port_ops ops;
	int (*send)(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
	            fy_request *request);
	unsigned spoil;
	char bytes[FY_BATCH_BYTES];
} spoiler;

static int spoiled_send(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                        fy_request *request)
{
	if (tag != FY_TAG_BATCH || !spoiler.spoil)
		return spoiler.send(port, rank, tag, data, nbytes, request);
	spoiler.spoil--;
	memcpy(spoiler.bytes, data, nbytes);
	struct fy_record *r =
		(struct fy_record *)(void *)(spoiler.bytes + sizeof(struct fy_batch_header));
	r->rank = UINT32_MAX;
	return spoiler.send(port, rank, tag, spoiler.bytes, nbytes, request);
}

static void begin_spoiled(struct pair *pair)
{
	begin(pair);
	fy_port *port = pair->sides[0].p->link.port;
	spoiler.ops = *port->ops;
	spoiler.send = port->ops->send;
	spoiler.ops.send = spoiled_send;
	spoiler.spoil = 0;
	port->ops = &spoiler.ops;
}

/* A record of the stream whose large message is under way is not believed: it ends, and the others
 * do as ever. */
static void a_held_record_that_is_spoiled(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *before, *lost, *behind;
	begin_spoiled(&pair);
	struct fy_progress *p = pair.sides[0].p;
	assert_int_equal(post_long(&pair, 1, true), 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &before), 0);
	fy_step_once(p, true);
	assert_int_equal(p->link.n_streams, 1);
	spoiler.spoil = 1;
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &lost), 0);
	fy_step_once(p, true);
	assert_int_equal(spoiler.spoil, 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &behind), 0);
	settle(&pair);
	ended(before, FERRY_OK, NULL);
	ended(lost, FERRY_EDECODE, "could not read");
	ended(behind, FERRY_OK, NULL);
	assert_int_equal(pair.came, 2);
	assert_int_equal(p->link.n_streams, 0);
	assert_int_equal(read_mail(&pair, 1), 1);
	settle(&pair);
	assert_int_equal(pair.sides[1].p->link.channels[0]->credit.unreturned, 0);
	assert_int_equal(pair.sides[1].p->link.channels[0]->credit.spent_in,
	                 p->link.channels[1]->credit.spent);
	end(&pair);
}

static void answer_nothing(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg; /* an empty reply follows */
}

/* Who cannot read a batch does not know whether the reply to a call was in it, and does not wait
 * for it for ever. */
static void a_reply_that_is_spoiled(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *call;
	begin_spoiled(&pair);
	struct side *side = &pair.sides[1];
	ferry *before = fy_thread_begin(FY_INLINE, pair.sides[0].engine);
	assert_int_equal(ferry_handle(pair.sides[0].engine, OP + 2, FERRY_INLINE, answer_nothing,
	                              NULL),
	                 0);
	fy_thread_end(FY_INLINE, before);
	struct fy_post o = { .engine = side->engine,
		             .lane = side->lane,
		             .kind = FY_KIND_CALL,
		             .rank = 0,
		             .op = OP + 2,
		             .body = "",
		             .nbytes = 1 };
	assert_int_equal(fy_post(&o, &call), 0);
	spoiler.spoil = 1;
	settle(&pair);
	assert_int_equal(spoiler.spoil, 0);
	ended(call, FERRY_EDECODE, "the reply may have been in it");
	assert_int_equal(side->p->link.calls.open, 0);
	assert_int_equal(fy_post(&o, &call), 0);
	settle(&pair);
	ended(call, FERRY_OK, NULL);
	end(&pair);
}

/* As the lane's thread would by ferry_flush, which waits: the flush of rank 1, or of all. */
static ferry_future *flush(struct pair *pair, int rank)
{
	ferry_future *future;
	assert_int_equal(fy_post_flush(pair->sides[0].engine, pair->sides[0].lane, rank, 0,
	                               &future),
	                 0);
	settle(pair);
	return future;
}

/* Fire and forget: the flush tells what failed, in words, once. */
static void a_flush_tells_why_a_post_failed(void **state)
{
	(void)state;
	struct pair pair;
	begin_spoiled(&pair);
	for (int i = 0; i < 2; i++) {
		int rank = i ? FERRY_ALL : 1;
		spoiler.spoil = 1;
		assert_int_equal(post(&pair, 8), 0);
		settle(&pair);
		assert_int_equal(spoiler.spoil, 0);
		ended(flush(&pair, rank), FERRY_EDECODE, "could not read");
		ferry_future *again = flush(&pair, rank);
		assert_string_equal(ferry_future_detail(again), "");
		ended(again, FERRY_OK, NULL);
	}
	end(&pair);
}

/* Likewise the announcement of a large message, with what follows it in its batch. */
static void an_announcement_that_is_spoiled(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *behind;
	begin_spoiled(&pair);
	spoiler.spoil = 1;
	assert_int_equal(post_long(&pair, 1, true), 0);
	assert_int_equal(post_awaited(&pair, 1, FY_KIND_POST, 8, &behind), 0);
	settle(&pair);
	ended(behind, FERRY_EDECODE, "could not read");
	assert_int_equal(pair.sides[0].engine->room.bodies, 0);
	assert_int_equal(post_long(&pair, 1, true), 0);
	settle(&pair);
	assert_int_equal(read_mail(&pair, 1), 1);
	end(&pair);
}

enum { SEEDS = 100, SPOILED_MAX = 400 };

/* What two threads of rank 0 post, any of whose batches lose the op of any record. */
static struct {
	uint64_t random;
	unsigned n, lost, held, delivered[SPOILED_MAX];
	bool call[SPOILED_MAX];
	ferry_future *futures[SPOILED_MAX];
} chance;

static uint32_t pick(uint32_t n)
{
	return (uint32_t)(t_random(&chance.random) >> 33) % n;
}

static int send_spoiled_by_chance(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                                  fy_request *request)
{
	const struct fy_batch_header *h = data;
	if (tag == FY_TAG_BATCH && rank == 1 && spoiler.spoil && h->nrecords && !pick(4)) {
		char *at = (char *)(uintptr_t)data + sizeof *h;
		for (uint32_t k = pick(h->nrecords); k; k--)
			at += fy_record_size(((struct fy_record *)(void *)at)->size_flags);
		((struct fy_record *)(void *)at)->op = FERRY_OP_RESERVED;
		chance.held += !!(((struct fy_record *)(void *)at)->size_flags & FY_HELD);
	}
	return spoiler.send(port, rank, tag, data, nbytes, request);
}

static void on_chance(ferry *engine, ferry_message *message, void *arg)
{
	uint32_t number;
	size_t n;
	(void)engine;
	(void)arg;
	memcpy(&number, ferry_message_body(message, &n), sizeof number);
	assert_true(number < chance.n);
	chance.delivered[number]++;
}

static void post_by_chance(struct pair *pair, struct fy_lane *lane)
{
	static char body[LONG];
	struct fy_post o = { .engine = pair->sides[0].engine,
		             .lane = lane,
		             .rank = 1,
		             .op = OP_MAIL,
		             .body = body };
	chance.call[chance.n] = !pick(4);
	o.kind = chance.call[chance.n] ? FY_KIND_CALL : FY_KIND_POST;
	o.nbytes = pick(8) ? 4 + pick(600) : 20000 + pick(40000);
	memcpy(body, &chance.n, sizeof chance.n);
	if (fy_post(&o, &chance.futures[chance.n]) == 0)
		chance.n++;
}

/* Delivered is what its future says was delivered, but for calls, which all fail with one
 * of them. */
static void check_chance(void)
{
	for (unsigned i = 0; i < chance.n; i++) {
		int status = ferry_future_poll(chance.futures[i]);
		assert_true(status == FERRY_OK || status == FERRY_EDECODE);
		if (!chance.call[i] || status == FERRY_OK)
			assert_int_equal(chance.delivered[i], status == FERRY_OK);
		chance.lost += status != FERRY_OK;
		ferry_future_release(chance.futures[i]);
	}
}

/* Nothing that is announced is prepaid. */
static void spoil_by_chance(uint64_t seed)
{
	struct pair pair;
	memset(&chance, 0, offsetof(typeof(chance), futures));
	chance.random = seed;
	begin_spoiled(&pair);
	spoiler.ops.send = send_spoiled_by_chance;
	spoiler.spoil = 1;
	pair.sides[1].p->link.credit.window_max = pair.sides[1].p->link.credit.first;
	ferry *engine = pair.sides[0].engine,
	      *before = fy_thread_begin(FY_INLINE, pair.sides[1].engine);
	assert_int_equal(ferry_handle(pair.sides[1].engine, OP_MAIL, FERRY_INLINE, on_chance, NULL),
	                 0);
	fy_thread_end(FY_INLINE, before);
	struct fy_lane *lanes[2] = { pair.sides[0].lane, fy_own_lane_create(engine) };
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned n = pick(5); n && chance.n < SPOILED_MAX; n--)
			post_by_chance(&pair, lanes[pick(2)]);
		for (unsigned n = pick(6); n; n--) {
			fy_step_once(pair.sides[pick(2)].p, true);
			fy_sim_advance(pair.sim);
		}
		if (!pick(8))
			settle(&pair);
	}
	spoiler.spoil = 0;
	settle(&pair);
	check_chance();
	assert_int_equal(pair.sides[0].p->link.n_streams, 0);
	assert_int_equal(pair.sides[0].p->bulk.n_out, 0);
	assert_int_equal(pair.sides[1].p->link.channels[0]->credit.unreturned, 0);
	end(&pair);
	fy_lane_release(lanes[1]);
}

static void records_that_are_spoiled_by_chance(void **state)
{
	(void)state;
	unsigned lost = 0, held = 0, posted = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		spoil_by_chance(seed);
		lost += chance.lost;
		held += chance.held;
		posted += chance.n;
	}
	print_message("# %u posts and calls, %u lost with %u HELD records that were spoiled\n",
	              posted, lost, held);
	assert_true(lost > SEEDS && held > SEEDS && posted > 10 * lost / 9);
}

/* ---- a thread that drives while it waits ------------------------------- */

enum { BUSY_STEPS = 2000, WAIT_STEPS = 50 };

/* An engine that finds a command of another thread in every step, each of which takes
 * a microsecond. */
static struct {
	struct fy_port_ops ops;
	fy_sim *sim;
	ferry *engine;
	struct fy_command command;
	unsigned steps, run;
} busy;

static bool run_command(struct fy_progress *p, struct fy_command *c)
{
	(void)p;
	(void)c;
	busy.run++;
	return true;
}

/* A step begins. */
static int64_t busy_now(fy_port *port)
{
	(void)port;
	if (busy.steps++ < BUSY_STEPS)
		fy_inbox_put(&busy.engine->inboxes.commands, &busy.command.entry);
	fy_sim_advance_to(busy.sim, fy_sim_now(busy.sim) + FERRY_US(1));
	return fy_sim_now(busy.sim);
}

static bool never(const void *arg)
{
	(void)arg;
	return false;
}

/* Its timeout ends, however much there is to do for others. */
static void a_wait_that_drives_ends_in_time(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	ferry *engine = pair.sides[0].engine;
	assert_true(engine->at_helm.lendable);
	memset(&busy, 0, sizeof busy);
	busy.ops = *pair.sides[0].p->link.port->ops;
	busy.ops.now = busy_now;
	busy.sim = pair.sim;
	busy.engine = engine;
	busy.command.run = run_command;
	const struct fy_port_ops *ops = pair.sides[0].p->link.port->ops;
	pair.sides[0].p->link.port->ops = &busy.ops;
	fy_drive_until(engine, never, NULL, fy_sim_now(pair.sim) + WAIT_STEPS * FERRY_US(1));
	assert_int_equal(busy.steps, WAIT_STEPS);
	assert_int_equal(busy.run, WAIT_STEPS);
	pair.sides[0].p->link.port->ops = ops;
	end(&pair);
}

/* ---- a thread that drove leaves ---------------------------------------- */

/* Before anything has happened the time between two looks is not nothing. */
static void an_engine_that_was_not_used_sleeps(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	for (int i = 0; i < 2; i++)
		assert_true(fy_pace_sleep_time(pair.sides[i].p, false) >= FERRY_US(1));
	end(&pair);
}

/* As if the progress thread of that side napped: who drives hands the engine back. */
static void let_nap(ferry *engine)
{
	fy_store_release_32(&engine->at_helm.napping, 1);
	fy_store_release_32(&engine->at_helm.asleep, 1);
}

static bool batch_came(const void *arg)
{
	return ((const struct fy_progress *)arg)->link.stats.batches_received > 0;
}

/* What it met asks for an acknowledgement, and waits for more to go with it: it leaves when the
 * driver does. */
static void who_leaves_acknowledges(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *future;
	uint32_t number = 0;
	begin(&pair);
	struct fy_post o = { .engine = pair.sides[0].engine,
		             .lane = pair.sides[0].lane,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP_MAIL,
		             .body = &number,
		             .nbytes = sizeof number };
	assert_int_equal(fy_post(&o, &future), 0);
	for (int turn = 0; turn < 100; turn++) {
		fy_step_once(pair.sides[0].p, true);
		fy_sim_advance(pair.sim);
	}
	let_nap(pair.sides[1].engine);
	fy_drive_until(pair.sides[1].engine, batch_came, pair.sides[1].p, INT64_MAX);
	assert_true(batch_came(pair.sides[1].p));
	for (int turn = 0; turn < 100; turn++) {
		fy_step_once(pair.sides[0].p, true);
		fy_sim_advance(pair.sim);
	}
	assert_int_equal(ferry_future_poll(future), FERRY_OK);
	ferry_future_release(future);
	ferry_message *mail;
	assert_int_equal(ferry_recv(pair.sides[1].engine, FERRY_ANY, FERRY_ANY_OP, 0, &mail),
	                 FERRY_OK);
	ferry_message_release(mail);
	end(&pair);
}

static bool lane_is_empty(const void *arg)
{
	const struct fy_lane *lane = arg;
	return lane->head == lane->tail;
}

/* A large message is under way, and the thread that posted it will wait: it sends, and wakes
 * nobody. A thread whose wait is over does, if the message still is. */
static void who_will_wait_wakes_nobody(void **state)
{
	static const char body[100000];
	(void)state;
	struct pair pair;
	begin(&pair);
	ferry *e = pair.sides[0].engine;
	struct fy_post o = { .engine = e,
		             .lane = pair.sides[0].lane,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP_MAIL,
		             .body = body,
		             .nbytes = sizeof body };
	ferry_future *future;
	assert_int_equal(fy_post(&o, &future), 0);
	let_nap(e);
	assert_true(fy_drive_steer(e, lane_is_empty, pair.sides[0].lane));
	assert_true(fy_pace_is_under_way(pair.sides[0].p));
	assert_int_equal(pair.sides[0].p->link.stats.batches_sent, 1);
	assert_int_equal(e->wake.wakes, 0);
	/* in a long sleep it would not come by itself */
	fy_store_release_32(&e->at_helm.napping, 0);
	assert_false(fy_drive_steer(e, lane_is_empty, pair.sides[0].lane));
	assert_int_equal(e->wake.wakes, 1);
	let_nap(e);
	fy_drive_until(e, never, NULL, 0);
	assert_int_equal(e->wake.wakes, 2);
	fy_store_release_32(&e->at_helm.asleep, 0);
	ferry_future_release(future);
	settle(&pair);
	read_mail(&pair, 1);
	end(&pair);
}

static void *land_here(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes,
                       void *arg)
{
	(void)engine;
	(void)source;
	(void)op;
	(void)index;
	(void)nbytes;
	(void)arg;
	return NULL;
}

static bool after_many(const void *arg)
{
	unsigned *looks = *(unsigned *const *)arg;
	return ++*looks > 1000;
}

/* Where a large message lands is asked of the program, which a driver may not: it leaves
 * for that. */
static void who_drives_leaves_for_a_grant(void **state)
{
	(void)state;
	struct pair pair;
	static char data[300000];
	unsigned looks = 0, *counted = &looks;
	ferry_message *m;
	begin(&pair);
	ferry *before = fy_thread_begin(FY_INLINE, pair.sides[1].engine);
	assert_int_equal(ferry_handle_memory(pair.sides[1].engine, OP_MAIL, land_here, NULL), 0);
	fy_thread_end(FY_INLINE, before);
	assert_int_equal(ferry_message_create(pair.sides[0].engine, OP_MAIL, &m), 0);
	assert_int_equal(ferry_message_attach(m, data, sizeof data, NULL, NULL), 0);
	struct fy_post o = { .engine = pair.sides[0].engine,
		             .lane = pair.sides[0].lane,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP_MAIL,
		             .message = m };
	assert_int_equal(fy_post(&o, NULL), 0);
	ferry_message_release(m);
	for (int turn = 0; turn < 100; turn++) {
		fy_step_once(pair.sides[0].p, true);
		fy_sim_advance(pair.sim);
	}
	let_nap(pair.sides[1].engine);
	fy_drive_until(pair.sides[1].engine, after_many, &counted, INT64_MAX);
	assert_in_range(looks, 1, 100);
	settle(&pair);
	assert_int_equal(ferry_recv(pair.sides[1].engine, FERRY_ANY, FERRY_ANY_OP, 0, &m),
	                 FERRY_OK);
	ferry_message_release(m);
	end(&pair);
}

/* ---- operations of MPI that are left in a lane ------------------------- */

struct starter {
	ferry *engine;
	uint32_t first;
	ferry_future *futures[STARTS];
	int status;
};

static void *post_starts(void *arg)
{
	struct starter *s = arg;
	for (uint32_t i = 0; i < STARTS && s->status == 0; i++) {
		uint32_t number = s->first + i;
		s->status = fy_post_start(s->engine, &number, sizeof number, 0, &s->futures[i]);
	}
	return NULL;
}

/* One thread has ended, the other goes on. The engine has had no memory for their starts so far. */
static void post_from_two(struct pair *pair, struct starter *two)
{
	pthread_t thread;
	two[0] = (struct starter){ .engine = pair->sides[0].engine };
	two[1] = (struct starter){ .engine = pair->sides[0].engine, .first = STARTS };
	assert_int_equal(pthread_create(&thread, NULL, post_starts, &two[0]), 0);
	pthread_join(thread, NULL);
	post_starts(&two[1]);
	assert_true(two[0].status == 0 && two[1].status == 0);
	settle(pair);
	for (int i = 0; i < 2 * STARTS; i++)
		assert_int_equal(ferry_future_poll(two[i / STARTS].futures[i % STARTS]),
		                 FERRY_PENDING);
}

static void all_ended(struct starter *two, int status, unsigned taken)
{
	for (int i = 0; i < 2 * STARTS; i++) {
		ferry_future *future = two[i / STARTS].futures[i % STARTS];
		assert_int_equal(ferry_future_poll(future), status);
		assert_int_equal(starts.taken[i], taken);
		assert_int_equal(starts.failed[i], !taken);
		ferry_future_release(future);
	}
}

static void a_close_waits_for_starts_in_lanes(void **state)
{
	(void)state;
	struct pair pair;
	struct starter two[2];
	begin_with_starts(&pair);
	post_from_two(&pair, two);
	begin_close(&pair);
	for (int i = 0; i < 200; i++) {
		fy_step_once(pair.sides[i % 2].p, true);
		fy_sim_advance_to(pair.sim, fy_sim_now(pair.sim) + FERRY_MS(1));
	}
	assert_false(pair.sides[0].p->close.drained || pair.sides[1].p->close.drained);
	starts.no_memory = false;
	finish(&pair);
	all_ended(two, FERRY_OK, 1);
}

/* A rank is gone: what was never started fails, once, and what it borrowed is given back
 * by that. */
static void starts_in_lanes_fail_when_a_close_gives_up(void **state)
{
	(void)state;
	struct pair pair;
	struct starter two[2];
	begin_with_starts(&pair);
	assert_int_equal(post(&pair, 8), 0); /* the time is no longer 0 */
	post_from_two(&pair, two);
	abandon(&pair);
	all_ended(two, FERRY_ESTOPPED, 0);
}

/* A rank that waits in a fence for one of its own host is rung for what happens: it sleeps longer
 * and longer. */
static void who_waits_in_a_fence_sleeps(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[0].p;
	p->link.port->all_local = true;
	fy_agree_join(p, FY_AGREE_FENCE);
	settle(&pair);
	assert_int_equal(p->agree.kind, FY_AGREE_FENCE);
	int64_t most = 0;
	for (unsigned i = 0; i < 20; i++) {
		int64_t t = fy_pace_sleep_time(p, false);
		assert_true(t >= most || t == FERRY_MS(100));
		most = t;
	}
	assert_int_equal(most, FERRY_MS(100));
	p->link.port->all_local = false; /* then nobody rings */
	for (unsigned i = 0; i < 20; i++)
		most = fy_pace_sleep_time(p, false);
	assert_int_equal(most, FERRY_MS(1));
	fy_agree_join(pair.sides[1].p, FY_AGREE_FENCE);
	settle(&pair);
	assert_int_equal(p->agree.finished, 1);
	end(&pair);
}

/* A rank is asked for a batch, and a fence begins before the question leaves. */
static void a_question_outlives_a_change_of_colour(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair);
	struct fy_progress *p = pair.sides[0].p;
	struct fy_channel *ch = fy_peer_get(p, 1);
	fy_channel_ask(&p->link, ch);
	assert_true(ch->open && !ch->nrecords);
	for (unsigned n = 1; n <= 2; n++) {
		unsigned colour = n % 2 ? FY_BATCH_COLOUR : 0;
		p->link.counts.colour ^= 1;
		fy_channel_new_colour(&p->link);
		assert_int_equal(ch->open->flags, FY_BATCH_WANTS_ACK | colour);
	}
	end(&pair);
}

/* ---- exit -------------------------------------------------------------- */

struct fy_program_inside *__real_fy_program_thread(void);
struct fy_program_inside *__wrap_fy_program_thread(void);
static bool exit_begins; /* just before this thread is inside */

struct fy_program_inside *__wrap_fy_program_thread(void)
{
	if (exit_begins)
		fy_store_release_32(&fy_program_ending, 1);
	return __real_fy_program_thread();
}

/* The look whether it may run comes before the end, and the handler would come behind it: in place,
 * and with a message of its own. */
static void exit_between_a_look_and_its_handler(void **state)
{
	(void)state;
	for (int attached = 0; attached < 2; attached++) {
		struct pair pair;
		ferry_message *m;
		begin(&pair);
		ferry *before = fy_thread_begin(FY_INLINE, pair.sides[1].engine);
		assert_int_equal(ferry_handle(pair.sides[1].engine, 0x12345, FERRY_INLINE,
		                              on_number, &pair),
		                 0);
		fy_thread_end(FY_INLINE, before);
		assert_int_equal(ferry_message_create(pair.sides[0].engine, 0x12345, &m), 0);
		assert_int_equal(ferry_message_write(m, &pair.posted, sizeof pair.posted), 0);
		if (attached)
			assert_int_equal(ferry_message_attach(m, "there", 5, NULL, NULL), 0);
		struct fy_post o = { .engine = pair.sides[0].engine,
			             .lane = pair.sides[0].lane,
			             .kind = FY_KIND_POST,
			             .rank = 1,
			             .op = 0x12345,
			             .message = m };
		assert_int_equal(fy_post(&o, NULL), 0);
		ferry_message_release(m);
		fy_program_inside = NULL; /* as of a thread that was never inside */
		exit_begins = true;
		settle(&pair);
		assert_int_equal(fy_load_relaxed_32(&fy_program_ending), 1);
		assert_int_equal(pair.came, 0);
		assert_int_equal(pair.sides[1].p->link.stats.dropped, 1);
		exit_begins = false;
		fy_store_release_32(&fy_program_ending, 0);
		end(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_record_does_not_overtake_the_queue),
		cmocka_unit_test(a_lane_has_a_turn_of_8_kib),
		cmocka_unit_test(who_found_no_room_is_first),
		cmocka_unit_test(credit_is_spent_to_the_byte),
		cmocka_unit_test(floods_give_way_to_answers),
		cmocka_unit_test(floods_have_turns_beside_a_lane_that_is_stuck),
		cmocka_unit_test(an_answer_waits_for_four_batches),
		cmocka_unit_test(who_waits_for_credit_sleeps),
		cmocka_unit_test(a_batch_that_is_not_sent_has_a_status),
		cmocka_unit_test(none_of_many_waits_for_a_batch_that_is_not_sent),
		cmocka_unit_test(a_batch_that_is_not_taken_has_a_status),
		cmocka_unit_test(receives_that_fail_are_posted_again),
		cmocka_unit_test(receives_that_are_refused_are_posted_later),
		cmocka_unit_test(a_batch_that_is_lost_is_missed),
		cmocka_unit_test(a_vote_that_is_lost_ends_the_close),
		cmocka_unit_test(who_is_given_up_is_told),
		cmocka_unit_test(a_borrower_leaves_batches_as_they_are),
		cmocka_unit_test(receives_do_not_run_out),
		cmocka_unit_test(long_bodies_are_bounded),
		cmocka_unit_test(bodies_that_are_sent_are_told),
		cmocka_unit_test(bodies_to_a_rank_that_is_gone_are_told),
		cmocka_unit_test(who_waits_for_send_memory_is_woken),
		cmocka_unit_test(a_held_record_that_is_spoiled),
		cmocka_unit_test(a_reply_that_is_spoiled),
		cmocka_unit_test(a_flush_tells_why_a_post_failed),
		cmocka_unit_test(an_announcement_that_is_spoiled),
		cmocka_unit_test(records_that_are_spoiled_by_chance),
		cmocka_unit_test(a_wait_that_drives_ends_in_time),
		cmocka_unit_test(an_engine_that_was_not_used_sleeps),
		cmocka_unit_test(who_leaves_acknowledges),
		cmocka_unit_test(who_will_wait_wakes_nobody),
		cmocka_unit_test(who_drives_leaves_for_a_grant),
		cmocka_unit_test(a_close_waits_for_starts_in_lanes),
		cmocka_unit_test(starts_in_lanes_fail_when_a_close_gives_up),
		cmocka_unit_test(who_waits_in_a_fence_sleeps),
		cmocka_unit_test(a_question_outlives_a_change_of_colour),
		cmocka_unit_test(exit_between_a_look_and_its_handler),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
