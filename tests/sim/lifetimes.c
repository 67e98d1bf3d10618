/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gives back what, when threads leave and calls come while an engine ends or after that: an engine of one rank over
 * the simulated network, and its threads' parts played in every order.
 */
#include "support/test.h"

#include "options.h"
#include "port_sim.h"
#include "progress.h"
#include "status.h"

enum { OP = 7, TURNS_MAX = 100000 };

struct one {
	fy_sim *sim;
	ferry *engine;
	struct fy_progress *p;
};

static void begin(struct one *one)
{
	ferry_options given = FERRY_OPTIONS_INIT, options;
	*one = (struct one){ .sim = fy_sim_create(1, 1, NULL) };
	assert_non_null(one->sim);
	assert_int_equal(fy_options_resolve(&given, &options), 0);
	assert_int_equal(fy_engine_create(fy_sim_port(one->sim, 0), &options, 1, &one->engine), 0);
	one->p = one->engine->progress;
}

/* Until nothing happens any more. */
static void settle(struct one *one)
{
	for (unsigned idle = 0, turn = 0; idle < 5 && !one->p->stopped; turn++) {
		bool worked = fy_progress_step(one->p, true);
		worked |= fy_sim_advance(one->sim);
		idle = worked ? 0 : idle + 1;
		assert_true(turn < TURNS_MAX);
	}
}

/* As a close does it, up to where it takes the engine apart. */
static void stop(struct one *one)
{
	fy_store_release_32(&one->engine->phase, FY_CLOSING);
	fy_progress_begin_close(one->p);
	for (unsigned turn = 0; !one->p->stopped; turn++) {
		assert_true(turn < TURNS_MAX);
		fy_progress_step(one->p, true);
		if (!fy_sim_advance(one->sim))
			fy_sim_advance_to(one->sim, fy_sim_now(one->sim) + FERRY_MS(1));
	}
}

static void destroy(struct one *one)
{
	assert_int_equal(fy_engine_destroy(one->engine), 0);
}

static void end(struct one *one)
{
	fy_engine_release(one->engine);
	fy_sim_destroy(one->sim);
}

/* ---- a thread exits while its engine closes ---------------------------------------------------------- */

static void post(struct one *one, struct fy_lane *lane)
{
	struct fy_post o = { .engine = one->engine, .lane = lane, .kind = FY_KIND_POST, .op = OP, .body = "x",
		             .nbytes = 1 };
	assert_int_equal(fy_post(&o, NULL), 0);
}

/* The thread's two steps among the engine's three: `order` has a bit for each of five turns, 1 for the thread's. */
static void leave_in_order(unsigned order, bool posted)
{
	static void (*const engines[])(struct one *) = { settle, stop, destroy };
	static void (*const threads[])(ferry *, struct fy_lane *) = { fy_engine_lane_leaves, fy_engine_lane_left };
	struct one one;
	unsigned engine_at = 0, thread_at = 0;
	begin(&one);
	struct fy_lane *lane = fy_engine_lane_create(one.engine);
	assert_non_null(lane);
	fy_add_32(&lane->refs, 1); /* the test's, to look at it afterwards */
	if (posted)
		post(&one, lane);
	for (unsigned turn = 0; turn < 5; turn++)
		if (!(order >> turn & 1))
			engines[engine_at++](&one);
		else if (thread_at || !fy_load_acquire_32(&lane->gone))
			threads[thread_at++](one.engine, lane);
		else
			break; /* a thread that finds its lane gone has nothing to say */
	while (engine_at < 3)
		engines[engine_at++](&one);
	if (fy_load_acquire_32(&lane->refs) != 2)
		fail_msg("in order %#x %s: the lane has %u references, not 2", order, posted ? "after a post" : "unused",
		         fy_load_acquire_32(&lane->refs));
	fy_lane_release(lane);
	fy_lane_release(lane);
	end(&one);
}

static unsigned bits(unsigned word)
{
	return word ? (word & 1) + bits(word >> 1) : 0;
}

static void a_lane_is_given_back_once_in_every_order(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 32; order++)
		if (bits(order) == 2) {
			leave_in_order(order, false);
			leave_in_order(order, true);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lane_is_given_back_once_in_every_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
