/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine shows to other programs is what happened to it. Two engines over the simulated
 * network write monitor files, and the test reads them as a tool does.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/order.h"
#include "engine/life.h"
#include "engine/outside.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "monitor/reader.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "wire/record.h"

#include <unistd.h>

enum { RANKS = 2, OP_NOTE = 7, OP_KEEP = 8, OP_MAIL = 300, TURNS_MAX = 200000 };

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
	ferry_message *kept[8];
	unsigned n_kept;
};

static fy_sim *sim;
static struct side sides[RANKS];
static char place[64], why[FY_MONITOR_WHY];
static int64_t handler_takes;

static void note(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	if (handler_takes)
		fy_sim_advance_to(sim, fy_sim_now(sim) + handler_takes);
}

static void keep(ferry *engine, ferry_message *message, void *arg)
{
	struct side *side = arg;
	(void)engine;
	ferry_message_retain(message);
	side->kept[side->n_kept++] = message;
}

static void handle(struct side *side, uint32_t op, ferry_handler_fn *fn)
{
	ferry *before = fy_thread_begin(FY_INLINE, side->engine);
	assert_int_equal(ferry_handle(side->engine, op, FERRY_INLINE, fn, side), 0);
	fy_thread_end(FY_INLINE, before);
}

static int setup(void **state)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	static unsigned n;
	(void)state;
	snprintf(place, sizeof place, "/dev/shm/ferry-sim-%d-%u", (int)getpid(), n++);
	sim = fy_sim_create(RANKS, 1, &net);
	handler_takes = 0;
	for (int i = 0; i < RANKS; i++) {
		struct side *side = &sides[i];
		ferry_options given = FERRY_OPTIONS_INIT;
		*side = (struct side){ 0 };
		given.flags = FERRY_NONBLOCK;
		given.monitor = place;
		given.handler_grace = FERRY_NONE;
		side->engine = t_open(fy_sim_port(sim, i), &given);
		side->p = side->engine->progress;
		fy_outside_show(side->engine, "a simulation");
		assert_non_null(side->p->sample.file.head);
		side->lane = fy_own_lane_create(side->engine);
		handle(side, OP_NOTE, note);
		handle(side, OP_KEEP, keep);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < RANKS; i++)
		while (sides[i].n_kept) {
			ferry_message *m = sides[i].kept[--sides[i].n_kept];
			m->flags &= ~FY_MESSAGE_CALL; /* nobody takes an answer any more */
			ferry_message_release(m);
		}
	for (int i = 0; i < RANKS; i++) {
		t_break_off(sim, sides[i].engine);
		t_leave(sides[i].engine, sides[i].lane);
		assert_int_equal(sides[i].engine->refs, 1);
		fy_engine_release(sides[i].engine);
	}
	fy_sim_destroy(sim);
	return rmdir(place); /* they removed their files */
}

static bool step_all(void)
{
	bool worked = false;
	for (int i = 0; i < RANKS; i++)
		worked |= fy_step_once(sides[i].p, true);
	return worked;
}

/* Some time passes, so much at least. */
static void pass(int64_t time)
{
	int64_t until = fy_sim_now(sim) + time;
	for (unsigned turn = 0; fy_sim_now(sim) < until; turn++) {
		assert_true(turn < TURNS_MAX);
		if (!step_all() && !fy_sim_advance(sim))
			fy_sim_advance_to(sim, fy_sim_now(sim) + FERRY_MS(1));
	}
}

static void send(int from, uint32_t kind, uint32_t op, ferry_future **future)
{
	static const char bytes[100];
	struct fy_post o = { .engine = sides[from].engine,
		             .lane = sides[from].lane,
		             .kind = kind,
		             .rank = 1 - from,
		             .op = op,
		             .body = bytes,
		             .nbytes = sizeof bytes };
	assert_int_equal(fy_post(&o, future), 0);
}

/* What a tool sees of that rank. */
static void look(int rank, struct fy_monitor_copy *copy)
{
	struct fy_monitor_list list;
	assert_int_equal(fy_monitor_list(place, &list, why), 0);
	assert_int_equal(list.n, RANKS);
	for (unsigned i = 0; i < list.n; i++) {
		if (fy_monitor_read(&list, list.names[i], copy, why))
			fail_msg("%s", why);
		if (copy->head->rank == rank)
			break;
		fy_monitor_copy_free(copy);
	}
	assert_non_null(copy->head);
	assert_false(copy->torn);
	fy_monitor_list_free(&list);
}

static int64_t value(const struct fy_monitor_copy *copy, const char *name)
{
	int64_t v;
	if (!fy_monitor_value(copy, name, &v))
		fail_msg("there is no %s", name);
	return v;
}

static int64_t value_of(int rank, const char *name)
{
	struct fy_monitor_copy copy;
	look(rank, &copy);
	int64_t v = value(&copy, name);
	fy_monitor_copy_free(&copy);
	return v;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void counters_are_those_of_the_engine(void **state)
{
	struct fy_monitor_copy copy;
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		send(0, FY_KIND_POST, OP_NOTE, NULL);
	pass(FERRY_MS(1500));
	look(0, &copy);
	assert_int_equal(value(&copy, "posts"), 50);
	assert_int_equal(value(&copy, "batches_sent"), sides[0].p->link.stats.batches_sent);
	assert_int_equal(value(&copy, "channels"), 1);
	assert_int_equal(value(&copy, "lanes"), 1);
	assert_string_equal(copy.head->network, "a simulation");
	fy_monitor_copy_free(&copy);
	assert_int_equal(value_of(1, "handled"), 50);
}

static void samples_end_when_nothing_happens(void **state)
{
	struct fy_monitor_copy copy;
	(void)state;
	send(0, FY_KIND_POST, OP_NOTE, NULL);
	pass(FERRY_S(6));
	look(0, &copy);
	uint64_t samples = copy.head->now.samples;
	assert_int_equal(copy.head->now.period, 0);
	assert_true(samples >= 4 && samples < 20);
	assert_true(sides[0].p->sample.rests);
	fy_monitor_copy_free(&copy);
	pass(FERRY_S(6));
	look(0, &copy);
	assert_int_equal(copy.head->now.samples, samples);
	fy_monitor_copy_free(&copy);
	send(0, FY_KIND_POST, OP_NOTE, NULL); /* and begin again */
	pass(FERRY_MS(250));
	look(0, &copy);
	assert_true(copy.head->now.samples > samples);
	assert_int_equal(value(&copy, "posts"), 2);
	fy_monitor_copy_free(&copy);
}

static void what_is_open_has_its_op_peer_and_age(void **state)
{
	struct fy_monitor_copy copy;
	struct fy_monitor_open open;
	struct fy_monitor_op op;
	ferry_future *first, *second;
	(void)state;
	send(0, FY_KIND_CALL, OP_KEEP, &first);
	int64_t begun = fy_sim_now(sim);
	pass(FERRY_MS(900));
	send(0, FY_KIND_CALL, OP_KEEP, &second);
	pass(FERRY_MS(1300));
	look(0, &copy);
	assert_int_equal(value(&copy, "calls"), 2);
	assert_int_equal(fy_monitor_count(&copy, FY_MONITOR_OPEN), 2);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPEN, 0, &open, sizeof open));
	assert_int_equal(open.kind, FY_MONITOR_CALL);
	assert_int_equal(open.state, FY_MONITOR_AWAITED);
	assert_int_equal(open.op, OP_KEEP);
	assert_int_equal(open.peer, 1);
	assert_in_range(open.since - begun, 0, FERRY_MS(250));
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPEN, 1, &open, sizeof open));
	assert_in_range(open.since - begun, FERRY_MS(900), FERRY_MS(1150));
	fy_monitor_copy_free(&copy);
	look(1, &copy);
	assert_int_equal(fy_monitor_count(&copy, FY_MONITOR_OPS), 1);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPS, 0, &op, sizeof op));
	assert_int_equal(op.op, OP_KEEP);
	assert_int_equal(op.retained, 2);
	assert_int_equal(op.unanswered, 2);
	assert_int_equal(op.unread, 0);
	fy_monitor_copy_free(&copy);
	ferry_future_release(first);
	ferry_future_release(second);
}

static void unread_messages_are_named(void **state)
{
	struct fy_monitor_copy copy;
	struct fy_monitor_op op;
	struct fy_monitor_open open;
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		send(0, FY_KIND_POST, OP_MAIL, NULL);
	pass(FERRY_MS(1200));
	fy_mailbox_try(&sides[1].engine->mailbox); /* a reader looks, and sorts */
	fy_mailbox_unlock(&sides[1].engine->mailbox);
	pass(FERRY_MS(1200));
	look(1, &copy);
	assert_int_equal(value(&copy, "unread"), 3);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPS, 0, &op, sizeof op));
	assert_int_equal(op.op, OP_MAIL);
	assert_int_equal(op.unread, 3);
	assert_int_equal(op.retained, 0);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPEN, 0, &open, sizeof open));
	assert_int_equal(open.kind, FY_MONITOR_MESSAGE);
	assert_int_equal(open.op, OP_MAIL);
	assert_int_equal(open.peer, 0);
	fy_monitor_copy_free(&copy);
}

static void a_peer_that_does_not_step_owes(void **state)
{
	struct fy_monitor_copy copy;
	struct fy_monitor_peer peer;
	struct fy_monitor_open open;
	ferry_future *future;
	(void)state;
	send(0, FY_KIND_POST, OP_NOTE, &future);
	for (unsigned i = 0; i < 3000; i++) {
		fy_step_once(sides[0].p, true);
		fy_sim_advance_to(sim, fy_sim_now(sim) + FERRY_MS(1));
	}
	look(0, &copy);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_PEERS, 0, &peer, sizeof peer));
	assert_int_equal(peer.rank, 1);
	assert_int_equal(peer.sent, 1);
	assert_int_equal(peer.unacknowledged, 1);
	assert_int_equal(peer.heard, 0);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_OPEN, 0, &open, sizeof open));
	assert_int_equal(open.kind, FY_MONITOR_POST);
	assert_int_equal(open.op, OP_NOTE);
	assert_int_equal(open.state, FY_MONITOR_UNDER_WAY);
	fy_monitor_copy_free(&copy);
	pass(FERRY_MS(300));
	look(0, &copy);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_PEERS, 0, &peer, sizeof peer));
	assert_int_equal(peer.unacknowledged, 0);
	assert_true(peer.heard > 0);
	assert_int_equal(fy_monitor_count(&copy, FY_MONITOR_OPEN), 0);
	fy_monitor_copy_free(&copy);
	ferry_future_release(future);
}

static void a_long_step_is_found_with_its_op(void **state)
{
	struct fy_monitor_copy copy;
	(void)state;
	send(0, FY_KIND_POST, OP_NOTE, NULL);
	pass(FERRY_MS(50));
	handler_takes = FERRY_MS(30);
	send(0, FY_KIND_POST, OP_NOTE, NULL);
	pass(FERRY_MS(50));
	handler_takes = 0;
	for (unsigned i = 0; i < 3; i++) {
		send(0, FY_KIND_POST, OP_NOTE, NULL);
		pass(FERRY_MS(110));
	}
	look(1, &copy);
	assert_int_equal(value(&copy, "steps_long"), 1);
	assert_int_equal(value(&copy, "step_longest_op"), OP_NOTE);
	assert_in_range(value(&copy, "step_longest"), FERRY_MS(30), FERRY_MS(31));
	fy_monitor_copy_free(&copy);
}

static void every_stage_has_its_times(void **state)
{
	struct fy_monitor_copy copy;
	struct fy_monitor_histogram h;
	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		ferry_future *future;
		send(0, FY_KIND_POST, OP_NOTE, &future);
		pass(FERRY_US(1500));
		ferry_future_release(future);
	}
	pass(FERRY_MS(1200));
	look(0, &copy);
	for (unsigned i = 0; i < FY_MONITOR_N_STAGES; i++) {
		uint64_t all = 0;
		assert_true(fy_monitor_entry(&copy, FY_MONITOR_HISTOGRAMS, i, &h, sizeof h));
		for (unsigned j = 0; j < FY_MONITOR_BUCKETS; j++)
			all += h.in[j];
		assert_int_equal(all, h.count);
		if (i == FY_MONITOR_LANE || i == FY_MONITOR_BATCH || i == FY_MONITOR_ACCEPT)
			assert_in_range(h.count, 20, 800);
	}
	fy_monitor_copy_free(&copy);
	look(1, &copy);
	assert_true(
		fy_monitor_entry(&copy, FY_MONITOR_HISTOGRAMS, FY_MONITOR_HANDLER, &h, sizeof h));
	assert_in_range(h.count, 20, 400);
	fy_monitor_copy_free(&copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_are_those_of_the_engine),
		TEST(samples_end_when_nothing_happens),
		TEST(what_is_open_has_its_op_peer_and_age),
		TEST(unread_messages_are_named),
		TEST(a_peer_that_does_not_step_owes),
		TEST(a_long_step_is_found_with_its_op),
		TEST(every_stage_has_its_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
