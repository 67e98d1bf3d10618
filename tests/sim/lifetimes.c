/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gives back what, when threads leave and calls come while an engine ends or after that: an
 * engine of one rank over the simulated network, and its threads' parts played in every order.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/order.h"
#include "engine/life.h"
#include "future/future.h"
#include "future/queue.h"
#include "helm/close.h"
#include "helm/command.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/record.h"

enum { OP = 7, TURNS_MAX = 100000 };

struct one {
	fy_sim *sim;
	ferry *engine;
	struct fy_progress *p;
};

static void begin(struct one *one)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	*one = (struct one){ .sim = fy_sim_create(1, 1, NULL) };
	assert_non_null(one->sim);
	one->engine = t_open(fy_sim_port(one->sim, 0), &given);
	one->p = one->engine->progress;
}

/* Until nothing happens any more. */
static void settle(struct one *one)
{
	for (unsigned idle = 0, turn = 0; idle < 5 && !one->p->close.stopped; turn++) {
		bool worked = fy_step_once(one->p, true);
		worked |= fy_sim_advance(one->sim);
		idle = worked ? 0 : idle + 1;
		assert_true(turn < TURNS_MAX);
	}
}

/* As a close does it, up to where it takes the engine apart. */
static void stop(struct one *one)
{
	fy_store_release_32(&one->engine->phase, FY_CLOSING);
	fy_close_begin(one->p);
	for (unsigned turn = 0; !one->p->close.stopped; turn++) {
		assert_true(turn < TURNS_MAX);
		fy_step_once(one->p, true);
		if (!fy_sim_advance(one->sim))
			fy_sim_advance_to(one->sim, fy_sim_now(one->sim) + FERRY_MS(1));
	}
}

static void destroy(struct one *one)
{
	assert_int_equal(fy_life_destroy(one->engine), 0);
}

static void end(struct one *one)
{
	fy_engine_release(one->engine);
	fy_sim_destroy(one->sim);
}

/* ---- a thread exits while its engine closes ---------------------------- */

static void post(struct one *one, struct fy_lane *lane)
{
	struct fy_post o = { .engine = one->engine,
		             .lane = lane,
		             .kind = FY_KIND_POST,
		             .op = OP,
		             .body = "x",
		             .nbytes = 1 };
	assert_int_equal(fy_post(&o, NULL), 0);
}

/* The thread's two steps among the engine's three: `order` has a bit for each of five turns, 1 for
 * the thread's. */
static void leave_in_order(unsigned order, bool posted)
{
	static void (*const engines[])(struct one *) = { settle, stop, destroy };
	static void (*const threads[])(ferry *, struct fy_lane *) = { fy_own_lane_leaves,
		                                                      fy_own_lane_left };
	struct one one;
	unsigned engine_at = 0, thread_at = 0;
	begin(&one);
	struct fy_lane *lane = fy_own_lane_create(one.engine);
	assert_non_null(lane);
	fy_add_32(&lane->life.refs, 1); /* the test's, to look at it afterwards */
	if (posted)
		post(&one, lane);
	for (unsigned turn = 0; turn < 5; turn++)
		if (!(order >> turn & 1))
			engines[engine_at++](&one);
		else if (thread_at || !fy_load_acquire_32(&lane->life.let_go))
			threads[thread_at++](one.engine, lane);
		else
			break; /* a thread that finds its lane gone has nothing to say */
	while (engine_at < 3)
		engines[engine_at++](&one);
	if (fy_load_acquire_32(&lane->life.refs) != 2)
		fail_msg("in order %#x %s: the lane has %u references, not 2", order,
		         posted ? "after a post" : "unused", fy_load_acquire_32(&lane->life.refs));
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

/* ---- calls on an engine that was closed -------------------------------- */

enum { REST = 256 }; /* how many other engines are closed before the struct of one is used again */

static void nothing(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
}

static void close_whole(struct one *one)
{
	settle(one);
	stop(one);
	destroy(one);
	end(one);
}

static void a_closed_engine_says_that_it_has_stopped(void **state)
{
	struct one one;
	ferry *e;
	ferry_future *future;
	ferry_message *message;
	ferry_executor *executor;
	ferry_stats stats = FERRY_STATS_INIT;
	ferry_options options = FERRY_OPTIONS_INIT;
	(void)state;
	begin(&one);
	e = one.engine;
	close_whole(&one);
	assert_int_equal(ferry_status(e), FERRY_ESTOPPED);
	assert_int_equal(ferry_post(e, 0, OP, "x", 1, NULL), FERRY_ESTOPPED);
	assert_int_equal(ferry_post(e, 0, OP, "x", 1, &future), FERRY_ESTOPPED);
	assert_int_equal(ferry_call(e, 0, OP, "x", 1, &future), FERRY_ESTOPPED);
	assert_int_equal(ferry_post_for(e, 0, OP, "x", 1, 0, NULL), FERRY_ESTOPPED);
	assert_int_equal(ferry_message_create(e, OP, &message), FERRY_ESTOPPED);
	assert_int_equal(ferry_promise_create(e, &future), FERRY_ESTOPPED);
	assert_true(strstr(ferry_last_error(), "promise") != NULL);
	assert_int_equal(ferry_room(e, 0, &future), FERRY_ESTOPPED);
	assert_int_equal(ferry_handle(e, OP, FERRY_INLINE, nothing, NULL), FERRY_ESTOPPED);
	assert_int_equal(ferry_handle_memory(e, OP, NULL, NULL), FERRY_ESTOPPED);
	assert_int_equal(ferry_recv(e, FERRY_ANY, OP, 0, &message), FERRY_ESTOPPED);
	assert_int_equal(ferry_flush(e, 0, 0), FERRY_ESTOPPED);
	assert_int_equal(ferry_fence(e, 0), FERRY_ESTOPPED);
	assert_int_equal(ferry_stats_read(e, &stats), FERRY_ESTOPPED);
	assert_int_equal(ferry_options_resolved(e, &options), FERRY_ESTOPPED);
	assert_int_equal(ferry_workers_create(e, 1, &executor), FERRY_ESTOPPED);
	assert_int_equal(ferry_queue_create(e, &executor), FERRY_ESTOPPED);
	assert_int_equal(e->refs, 0);
}

static void a_struct_rests_before_it_is_used_again(void **state)
{
	ferry *seen[REST + 1];
	struct one one;
	(void)state;
	for (unsigned i = 0; i <= REST; i++) {
		begin(&one);
		seen[i] = one.engine;
		for (unsigned k = 0; k < i; k++)
			assert_ptr_not_equal(seen[i], seen[k]);
		close_whole(&one);
	}
	begin(&one);
	assert_ptr_equal(one.engine, seen[0]); /* and no sooner, so that nothing grows for ever */
	assert_int_equal(ferry_status(one.engine), FERRY_OK);
	close_whole(&one);
}

/* A thread that has posted keeps the struct, and what its post looks at, while it lives. */
static void a_lane_keeps_its_engine(void **state)
{
	struct one one;
	(void)state;
	begin(&one);
	struct fy_lane *lane = fy_own_lane_create(one.engine);
	post(&one, lane);
	ferry *e = one.engine;
	close_whole(&one);
	assert_int_equal(e->refs, 1);
	assert_non_null(e->full);
	fy_lane_release(lane);
	assert_int_equal(e->refs, 0);
	assert_null(fy_own_lane_create(e));
	assert_int_equal(e->refs, 0);
}

/* A call without a reply, whose future is looked at when the engine has gone. */
static void an_empty_reply_may_be_taken_when_the_engine_is_gone(void **state)
{
	struct one one, other;
	ferry_future *future;
	ferry_message *reply;
	size_t nbytes = 1;
	(void)state;
	begin(&one);
	future = fy_future_create(one.engine, FY_FUTURE_IS_CALL);
	fy_future_complete(future, FERRY_OK, NULL);
	ferry *e = one.engine;
	close_whole(&one);
	assert_int_equal(ferry_future_take(future, &reply), FERRY_OK);
	ferry_message_body(reply, &nbytes);
	assert_int_equal(nbytes, 0);
	assert_int_equal(ferry_reply(reply, NULL, 0), FERRY_EINVAL);
	ferry_message_release(reply);
	ferry_future_release(future);
	assert_int_equal(e->refs, 0);
	begin(&one);
	begin(&other);
	assert_ptr_not_equal(one.engine, other.engine);
	close_whole(&one);
	close_whole(&other);
}

static void a_fence_that_nobody_came_back_for_is_freed(void **state)
{
	struct one one;
	(void)state;
	begin(&one);
	ferry_future *fence = fy_future_create(one.engine, FY_FUTURE_NO_CANCEL);
	fy_future_complete(fence, FERRY_OK, NULL);
	ferry_future_retain(fence);
	one.engine->aside.fence = fence;
	close_whole(&one);
	assert_int_equal(fy_future_refs(fence), 1);
	ferry_future_release(fence);
}

static void count(ferry_future *future, int status, void *arg)
{
	(void)future;
	(void)status;
	++*(unsigned *)arg;
}

/* The struct that a queue's engine had may be another's by then: its close leaves this
 * queue alone. */
static void a_queue_is_nobodys_when_its_engine_is_gone(void **state)
{
	struct one one;
	ferry_executor *queue;
	ferry_future *future;
	unsigned called = 0;
	(void)state;
	begin(&one);
	assert_int_equal(ferry_queue_create(one.engine, &queue), 0);
	future = fy_future_create(one.engine, 0);
	fy_future_complete(future, FERRY_OK, NULL);
	ferry *e = one.engine;
	close_whole(&one);
	assert_int_equal(ferry_future_then(future, queue, count, &called), 0);
	ferry_future_release(future);
	assert_int_equal(fy_future_queue_engine_closing(e), 0);
	ferry_executor_destroy(queue);
	assert_int_equal(called, 1);
}

static bool never(struct fy_progress *p, struct fy_command *c)
{
	(void)p;
	(void)c;
	return false;
}

/* Between the engine's last step and its end; one of them was seen. */
static void a_command_that_comes_late_is_told(void **state)
{
	struct fy_command seen = { .run = never }, late = { .run = never };
	struct one one;
	(void)state;
	begin(&one);
	settle(&one);
	stop(&one);
	fy_inbox_put(&one.engine->inboxes.commands, &seen.entry);
	fy_command_step(one.p);
	fy_inbox_put(&one.engine->inboxes.commands, &late.entry);
	assert_int_equal(fy_load_acquire_32(&seen.done) + fy_load_acquire_32(&late.done), 0);
	destroy(&one);
	assert_int_equal(fy_load_acquire_32(&seen.done), 1);
	assert_int_equal(fy_load_acquire_32(&late.done), 1);
	assert_int_equal(seen.status, FERRY_ESTOPPED);
	assert_int_equal(late.status, FERRY_ESTOPPED);
	end(&one);
}

/* The thread looks whether the engine is open, and then the engine ends: what it posts is void, and
 * its place in the lane is free again. */
static void a_post_that_comes_late_is_told(void **state)
{
	struct one one;
	(void)state;
	begin(&one);
	struct fy_lane *lane = fy_own_lane_create(one.engine);
	ferry_future *future = NULL;
	struct fy_post o = { .engine = one.engine, .lane = lane, .kind = FY_KIND_POST, .op = OP };
	post(&one, lane);
	settle(&one);
	stop(&one);
	destroy(&one);
	uint64_t tail = lane->tail;
	fy_store_release_32(&one.engine->phase, FY_OPEN);
	assert_int_equal(fy_post(&o, &future), FERRY_ESTOPPED);
	assert_null(future);
	assert_int_equal(lane->tail, tail);
	fy_store_release_32(&one.engine->phase, FY_STOPPED);
	fy_lane_release(lane);
	end(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lane_is_given_back_once_in_every_order),
		cmocka_unit_test(a_closed_engine_says_that_it_has_stopped),
		cmocka_unit_test(a_struct_rests_before_it_is_used_again),
		cmocka_unit_test(a_lane_keeps_its_engine),
		cmocka_unit_test(an_empty_reply_may_be_taken_when_the_engine_is_gone),
		cmocka_unit_test(a_fence_that_nobody_came_back_for_is_freed),
		cmocka_unit_test(a_command_that_comes_late_is_told),
		cmocka_unit_test(a_post_that_comes_late_is_told),
		cmocka_unit_test(a_queue_is_nobodys_when_its_engine_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
