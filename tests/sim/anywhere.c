/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of FERRY_ANYWHERE: on which threads they run, in which order, and what they find there.
 * Two engines over the simulated network, rank 0 posts to rank 1. What a seed draws is run
 * FERRY_SEEDS times (100); FERRY_SEED names one.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/program.h"
#include "engine/life.h"
#include "helm/close.h"
#include "helm/drive.h"
#include "helm/helm.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/thread.h"
#include "wire/header.h"
#include "wire/record.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
	OP_INLINE = 1,
	OP_ANY,
	OP_ANY_HASHED = 5000,
	OP_QUEUE,
	OP_MAIL,
	LANES = 3,
	TURNS_MAX = 20000
};

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
};

struct pair;

struct sender {
	struct pair *pair;
	struct fy_lane *lane;
	uint32_t posted, came;
};

struct pair {
	uint64_t seed;
	fy_sim *sim;
	struct side sides[2];
	struct sender senders[LANES];
	ferry_executor *queue;
	uint32_t came;
	void (*meanwhile)(struct pair *pair, ferry_message *message); /* in a handler */
};

struct body {
	uint32_t lane, number;
};

static void on_message(ferry *engine, ferry_message *message, void *arg)
{
	struct pair *pair = arg;
	struct body body;
	assert_true(fy_thread_on_progress(engine));
	memcpy(&body, ferry_message_body(message, NULL), sizeof body);
	if (body.number != pair->senders[body.lane].came++)
		fail_msg("seed %llu: message %u of lane %u comes as number %u",
		         (unsigned long long)pair->seed, body.number, body.lane,
		         pair->senders[body.lane].came - 1);
	pair->came++;
	if (pair->meanwhile)
		pair->meanwhile(pair, message);
}

static void on_queue(ferry *engine, ferry_message *message, void *arg)
{
	struct pair *pair = arg;
	assert_false(fy_thread_on_progress(engine));
	if (pair->meanwhile)
		pair->meanwhile(pair, message);
}

/* As if this thread were in inline code, which has the helm. */
static int handle(ferry *engine, uint32_t op, ferry_executor *where, ferry_handler_fn *fn,
                  void *arg)
{
	ferry *before = fy_thread_begin(FY_INLINE, engine);
	int status = ferry_handle(engine, op, where, fn, arg);
	fy_thread_end(FY_INLINE, before);
	return status;
}

static void begin(struct pair *pair, uint64_t seed)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	*pair = (struct pair){ .seed = seed, .sim = fy_sim_create(2, seed, &net) };
	for (int rank = 0; rank < 2; rank++) {
		struct side *side = &pair->sides[rank];
		side->engine = t_open(fy_sim_port(pair->sim, rank), &given);
		side->p = side->engine->progress;
		side->lane = fy_own_lane_create(side->engine);
	}
	for (int i = 0; i < LANES; i++)
		pair->senders[i] = (struct sender){
			.pair = pair,
			.lane = i ? fy_own_lane_create(pair->sides[0].engine) : pair->sides[0].lane,
		};
	ferry *engine = pair->sides[1].engine;
	assert_int_equal(ferry_queue_create(engine, &pair->queue), 0);
	assert_int_equal(handle(engine, OP_INLINE, FERRY_INLINE, on_message, pair), 0);
	assert_int_equal(handle(engine, OP_ANY, FERRY_ANYWHERE, on_message, pair), 0);
	assert_int_equal(handle(engine, OP_ANY_HASHED, FERRY_ANYWHERE, on_message, pair), 0);
	assert_int_equal(handle(engine, OP_QUEUE, pair->queue, on_queue, pair), 0);
}

static void end(struct pair *pair)
{
	pair->meanwhile = NULL;
	for (int i = 0; i < 2; i++) {
		fy_store_release_32(&pair->sides[i].engine->phase, FY_CLOSING);
		fy_close_begin(pair->sides[i].p);
	}
	for (unsigned turn = 0;
	     !(pair->sides[0].p->close.stopped && pair->sides[1].p->close.stopped); turn++) {
		assert_true(turn < TURNS_MAX);
		for (int i = 0; i < 2; i++)
			fy_step_once(pair->sides[i].p, true);
		ferry_executor_run(pair->queue, 0, 0);
		if (!fy_sim_advance(pair->sim))
			fy_sim_advance_to(pair->sim, fy_sim_now(pair->sim) + FERRY_MS(1));
	}
	for (int i = 0; i < 2; i++) {
		struct side *side = &pair->sides[i];
		assert_int_equal(fy_life_destroy(side->engine), 0);
		for (int l = 1; l < LANES && i == 0; l++)
			t_leave(side->engine, pair->senders[l].lane);
		t_leave(side->engine, side->lane);
		fy_engine_release(side->engine);
	}
	ferry_executor_destroy(pair->queue);
	fy_sim_destroy(pair->sim);
}

static int post_as(struct pair *pair, unsigned lane, uint32_t op, uint32_t kind, size_t attached,
                   ferry_future **future_p)
{
	struct sender *s = &pair->senders[lane];
	struct body body = { lane, s->posted };
	static char data[100000];
	struct fy_post o = { .engine = pair->sides[0].engine,
		             .lane = s->lane,
		             .kind = kind,
		             .rank = 1,
		             .op = op,
		             .body = &body,
		             .nbytes = sizeof body };
	if (attached) {
		assert_int_equal(ferry_message_create(o.engine, op, &o.message), 0);
		assert_int_equal(ferry_message_write(o.message, &body, sizeof body), 0);
		assert_int_equal(ferry_message_attach(o.message, data, attached, NULL, NULL), 0);
	}
	int status = fy_post(&o, future_p);
	ferry_message_release(o.message);
	s->posted += status == 0 && op != OP_QUEUE;
	return status;
}

static void post(struct pair *pair, uint32_t op)
{
	assert_int_equal(post_as(pair, 0, op, FY_KIND_POST, 0, NULL), 0);
}

/* What rank 0 posted is at rank 1, which has not looked. */
static void send(struct pair *pair)
{
	while (fy_step_once(pair->sides[0].p, true) || fy_sim_advance(pair->sim))
		;
}

/* A step of a thread that drives: one that waits, or one that posts or asks. */
static bool step_borrowed(struct side *side, bool waits)
{
	return waits ? fy_step_as_guest(side->p) : fy_step_once(side->p, false);
}

static void settle(struct pair *pair)
{
	for (unsigned idle = 0, turn = 0; idle < 10; turn++) {
		bool worked = false;
		for (int i = 0; i < 2; i++)
			worked |= fy_step_once(pair->sides[i].p, true);
		worked |= ferry_executor_run(pair->queue, 0, 0) > 0;
		worked |= fy_sim_advance(pair->sim);
		idle = worked ? 0 : idle + 1;
		assert_true(turn < TURNS_MAX);
	}
}

/* ---- who runs it ------------------------------------------------------- */

static void who_waits_runs_it(void **state)
{
	(void)state;
	static const uint32_t ops[] = { OP_ANY, OP_ANY_HASHED };
	for (unsigned i = 0; i < 2; i++) {
		struct pair pair;
		begin(&pair, 1);
		post(&pair, ops[i]);
		post(&pair, ops[1 - i]);
		assert_int_equal(post_as(&pair, 0, ops[i], FY_KIND_POST, 100, NULL), 0);
		assert_int_equal(post_as(&pair, 0, ops[i], FY_KIND_POST, 50000, NULL), 0);
		post(&pair, ops[i]);
		for (unsigned turn = 0; pair.came < 5; turn++) {
			assert_true(turn < 1000);
			send(&pair);
			step_borrowed(&pair.sides[1], true);
			fy_sim_advance(pair.sim);
		}
		assert_false(fy_step_owes_code(pair.sides[1].p));
		end(&pair);
	}
}

static void a_call_is_answered_by_who_waits(void **state)
{
	(void)state;
	struct pair pair;
	ferry_future *future;
	begin(&pair, 1);
	assert_int_equal(post_as(&pair, 0, OP_ANY, FY_KIND_CALL, 0, &future), 0);
	for (unsigned turn = 0; ferry_future_poll(future) == FERRY_PENDING; turn++) {
		assert_true(turn < 1000);
		send(&pair);
		step_borrowed(&pair.sides[1], true);
	}
	assert_int_equal(ferry_future_poll(future), FERRY_OK);
	ferry_future_release(future);
	end(&pair);
}

/* A thread that drives in a post, or until a command is done, may hold any lock: it runs none. It
 * leaves the batch where it is, which costs no switch of threads if it waits next. */
static void who_does_not_wait_leaves_it(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	struct fy_progress *p = pair.sides[1].p;
	for (int i = 0; i < 3; i++)
		post(&pair, OP_ANY);
	send(&pair);
	for (int i = 0; i < 10; i++) {
		step_borrowed(&pair.sides[1], false);
		fy_sim_advance(pair.sim);
	}
	assert_int_equal(pair.came, 0);
	assert_false(fy_step_owes_code(p));
	assert_int_equal(p->arrivals.n_undispatched, 1);
	/* if nobody waits the progress thread has to */
	assert_true(fy_step_has_input(p, true));
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 3);
	assert_false(fy_step_has_input(p, true));
	end(&pair);
}

static bool never(const void *arg)
{
	(void)arg;
	return false;
}

static void a_command_runs_none(void **state)
{
	(void)state;
	struct pair pair;
	ferry_stats stats = FERRY_STATS_INIT;
	begin(&pair, 1);
	ferry *engine = pair.sides[1].engine;
	post(&pair, OP_ANY);
	send(&pair);
	assert_int_equal(ferry_stats_read(engine, &stats), 0);
	fy_drive_until(engine, never, NULL, 0);
	fy_drive_steer(engine, never, NULL);
	assert_int_equal(pair.came, 0);
	fy_drive_wait(engine, never, NULL, 0);
	assert_int_equal(pair.came, 1);
	end(&pair);
}

/* Its checks, and its locks, are those of the engine whose code it is in. */
static void a_wait_in_code_of_another_engine_runs_none(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	ferry *engine = pair.sides[1].engine;
	post(&pair, OP_ANY);
	send(&pair);
	ferry *before = fy_thread_begin(FY_INLINE, pair.sides[0].engine);
	fy_drive_wait(engine, never, NULL, 0);
	fy_thread_end(FY_INLINE, before);
	assert_int_equal(pair.came, 0);
	fy_drive_wait(engine, never, NULL, 0);
	assert_int_equal(pair.came, 1);
	end(&pair);
}

/* ---- order ------------------------------------------------------------- */

/* A message for an inline handler is left for the progress thread; what comes behind it waits, in
 * the batch as well as in the next one. */
static void it_does_not_overtake_inline(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	struct fy_progress *p = pair.sides[1].p;
	post(&pair, OP_ANY);
	post(&pair, OP_INLINE);
	post(&pair, OP_ANY);
	post(&pair, OP_ANY_HASHED);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 1);
	assert_true(fy_step_owes_code(p));
	for (int i = 0; i < 20; i++)
		post(&pair, OP_ANY);
	send(&pair);
	for (int i = 0; i < 20; i++) {
		step_borrowed(&pair.sides[1], i % 2);
		fy_sim_advance(pair.sim);
	}
	assert_int_equal(pair.came, 1);
	settle(&pair);
	assert_int_equal(pair.came, 24);
	end(&pair);
}

/* It registers, posts, replies and cancels like any inline handler, also for itself. */
static void change_everything(struct pair *pair, ferry_message *message)
{
	ferry *engine = pair->sides[1].engine;
	ferry_stats stats = FERRY_STATS_INIT;
	(void)message;
	assert_int_equal(ferry_stats_read(engine, &stats), 0);
	assert_int_equal(ferry_handle(engine, OP_MAIL, FERRY_ANYWHERE, on_message, pair), 0);
	assert_int_equal(ferry_handle(engine, OP_ANY, FERRY_INLINE, on_message, pair), 0);
	assert_int_equal(ferry_handle(engine, OP_MAIL, FERRY_INLINE, NULL, NULL), 0);
	pair->meanwhile = NULL;
}

static void it_may_change_handlers(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	pair.meanwhile = change_everything;
	for (int i = 0; i < 3; i++)
		post(&pair, OP_ANY);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 1); /* from now on they are for the progress thread */
	settle(&pair);
	assert_int_equal(pair.came, 3);
	end(&pair);
}

/* Two messages are in the mailbox of rank 1. */
static void begin_with_mail(struct pair *pair)
{
	begin(pair, 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(post_as(pair, 1, OP_MAIL, FY_KIND_POST, 0, NULL), 0);
	send(pair);
	step_borrowed(&pair->sides[1], true);
	assert_int_equal(pair->came, 0);
}

static void give_mail_to_inline(struct pair *pair, ferry_message *message)
{
	(void)message;
	pair->meanwhile = NULL;
	assert_int_equal(ferry_handle(pair->sides[1].engine, OP_MAIL, FERRY_INLINE, on_message,
	                              pair),
	                 0);
}

/* What was in the mailbox is then for the progress thread, and what comes behind waits for it. */
static void it_does_not_overtake_what_it_gives_away(void **state)
{
	(void)state;
	struct pair pair;
	begin_with_mail(&pair);
	pair.meanwhile = give_mail_to_inline;
	post(&pair, OP_ANY);
	send(&pair);
	assert_int_equal(post_as(&pair, 1, OP_ANY, FY_KIND_POST, 0, NULL), 0);
	post(&pair, OP_ANY);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 1);
	settle(&pair);
	assert_int_equal(pair.came, 5);
	end(&pair);
}

/* The same within one batch. The second one does it: the loop that takes one after the other
 * begins behind the first. */
static void give_mail_at_the_second(struct pair *pair, ferry_message *message)
{
	if (pair->came == 2)
		give_mail_to_inline(pair, message);
}

static void nor_in_the_same_batch(void **state)
{
	(void)state;
	struct pair pair;
	begin_with_mail(&pair);
	pair.meanwhile = give_mail_at_the_second;
	for (int i = 0; i < 4; i++)
		post(&pair, OP_ANY);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 2);
	settle(&pair);
	assert_int_equal(pair.came, 6);
	end(&pair);
}

/* ---- what it finds ----------------------------------------------------- */

static void fail_in_it(struct pair *pair, ferry_message *message)
{
	ferry *engine = pair->sides[1].engine;
	ferry_future *promise;
	ferry_message *other;
	assert_string_equal(ferry_last_error(), pair->came == 1 ? "" : "of the handler");
	assert_int_equal(ferry_promise_create(engine, &promise), 0);
	assert_int_equal(ferry_future_wait(promise, FERRY_FOREVER), FERRY_EDEADLK);
	assert_int_equal(ferry_promise_fulfil(promise, FERRY_OK, message), 0);
	ferry_future_release(promise);
	assert_int_equal(ferry_recv(engine, FERRY_ANY, OP_MAIL, FERRY_FOREVER, &other),
	                 FERRY_EDEADLK);
	assert_int_equal(ferry_flush(engine, FERRY_ALL, FERRY_FOREVER), FERRY_EDEADLK);
	assert_int_equal(ferry_fence(engine, FERRY_FOREVER), FERRY_EDEADLK);
	fy_fail(FERRY_EINVAL, "of the handler");
}

static void its_errors_are_its_own(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	pair.meanwhile = fail_in_it;
	fy_fail(FERRY_EINVAL, "of the program");
	const char *text = ferry_last_error();
	for (int i = 0; i < 4; i++) {
		post(&pair, i % 2 ? OP_ANY : OP_ANY_HASHED);
		send(&pair);
		step_borrowed(&pair.sides[1], true);
		assert_int_equal(pair.came, i + 1);
		assert_ptr_equal(ferry_last_error(), text);
		assert_string_equal(text, "of the program");
	}
	end(&pair);
}

static void give_mail_to_itself(struct pair *pair, ferry_message *message)
{
	if (ferry_message_op(message) == OP_MAIL) {
		assert_string_equal(ferry_last_error(),
		                    pair->came == 2 ? "of the handler" : "of the one inside");
		fy_fail(FERRY_EINVAL, "of the one inside");
		return;
	}
	fy_fail(FERRY_EINVAL, "of the handler");
	assert_int_equal(ferry_handle(pair->sides[1].engine, OP_MAIL, FERRY_ANYWHERE, on_message,
	                              pair),
	                 0);
	assert_int_equal(pair->came, 3);
	assert_string_equal(ferry_last_error(), "of the one inside");
}

/* A handler runs inside of another one. */
static void its_errors_are_also_those_of_handlers_inside(void **state)
{
	(void)state;
	struct pair pair;
	begin_with_mail(&pair);
	pair.meanwhile = give_mail_to_itself;
	fy_fail(FERRY_EINVAL, "of the program");
	const char *text = ferry_last_error();
	post(&pair, OP_ANY);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(pair.came, 3);
	assert_ptr_equal(ferry_last_error(), text);
	assert_string_equal(text, "of the program");
	end(&pair);
}

static sigset_t handlers_mask;

static void look_at_mask(struct pair *pair, ferry_message *message)
{
	sigset_t mask;
	(void)pair;
	(void)message;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_true(sigismember(&mask, SIGUSR1));
	assert_false(sigismember(&mask, SIGUSR2));
	sigemptyset(&mask); /* and does not tidy up */
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void its_signal_mask_is_its_own(void **state)
{
	(void)state;
	struct pair pair;
	sigset_t mine, before, now;
	begin(&pair, 1);
	sigemptyset(&handlers_mask);
	sigaddset(&handlers_mask, SIGUSR1);
	pair.sides[1].p->inside.signals = &handlers_mask;
	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mine, &before);
	pair.meanwhile = look_at_mask;
	for (int i = 0; i < 4; i++) {
		post(&pair, i % 2 ? OP_ANY : OP_ANY_HASHED);
		send(&pair);
		step_borrowed(&pair.sides[1], true);
		assert_int_equal(pair.came, i + 1);
		pthread_sigmask(SIG_SETMASK, NULL, &now);
		assert_false(sigismember(&now, SIGUSR1));
		assert_true(sigismember(&now, SIGUSR2));
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	end(&pair);
}

static uint32_t tag_of(const struct fy_lane *lane)
{
	return lane->stream & ~FY_STREAM;
}

/* In a handler of a queue that waits: what that one posts has the colour of its message, what the
 * guest posts the colour of the rank. */
static void wait_in_a_handler(struct pair *pair, ferry_message *message)
{
	struct side *side = &pair->sides[1];
	if (ferry_message_op(message) != OP_QUEUE) {
		assert_int_equal(tag_of(side->lane), 0);
		return;
	}
	uint32_t tag = tag_of(side->lane);
	assert_int_not_equal(tag, 0);
	post(pair, OP_ANY);
	post(pair, OP_ANY_HASHED);
	send(pair);
	fy_drive_wait(side->engine, never, NULL, 0);
	assert_int_equal(pair->came, 2);
	assert_int_equal(tag_of(side->lane), tag);
}

static void what_it_posts_has_its_own_colour(void **state)
{
	(void)state;
	struct pair pair;
	begin(&pair, 1);
	pair.meanwhile = wait_in_a_handler;
	/* what this thread posts at rank 1 goes through that lane */
	assert_ptr_equal(fy_thread_find_lane(pair.sides[1].engine->serial), NULL);
	pair.sides[1].lane->thread_next = fy_thread_lanes;
	fy_thread_lanes = pair.sides[1].lane;
	post(&pair, OP_QUEUE);
	send(&pair);
	step_borrowed(&pair.sides[1], true);
	assert_int_equal(ferry_executor_run(pair.queue, 0, 0), 1);
	assert_int_equal(tag_of(pair.sides[1].lane), 0);
	fy_thread_lanes = pair.sides[1].lane->thread_next;
	pair.sides[1].lane->thread_next = NULL;
	end(&pair);
}

/* ---- ferry_handle(NULL) ------------------------------------------------ */

static struct {
	uint32_t inside, let_go, removed; /* set by one thread, read by the other two */
	uint32_t returned;                /* of the handler */
	ferry *engine;
	int status;
} removal;

static void stay_inside(struct pair *pair, ferry_message *message)
{
	(void)pair;
	(void)message;
	fy_store_release_32(&removal.inside, 1);
	while (!fy_load_acquire_32(&removal.let_go))
		sched_yield();
	fy_store_release_32(&removal.returned, 1);
}

static void *wait_for_it(void *arg)
{
	struct pair *pair = arg;
	while (!fy_load_acquire_32(&removal.returned))
		fy_drive_wait(pair->sides[1].engine, never, NULL, 0);
	return NULL;
}

static void *remove_it(void *arg)
{
	(void)arg;
	removal.status = ferry_handle(removal.engine, OP_ANY, FERRY_ANYWHERE, NULL, NULL);
	if (!fy_load_acquire_32(&removal.returned))
		removal.status = FERRY_EALREADY; /* too early */
	fy_store_release_32(&removal.removed, 1);
	return NULL;
}

static void removing_it_waits_for_it(void **state)
{
	(void)state;
	struct pair pair;
	pthread_t waits, removes;
	struct timespec some = { 0, 20000000 };
	begin(&pair, 1);
	pair.meanwhile = stay_inside;
	memset(&removal, 0, sizeof removal);
	removal.engine = pair.sides[1].engine;
	post(&pair, OP_ANY);
	send(&pair);
	assert_int_equal(pthread_create(&waits, NULL, wait_for_it, &pair), 0);
	while (!fy_load_acquire_32(&removal.inside))
		sched_yield();
	assert_int_equal(pthread_create(&removes, NULL, remove_it, NULL), 0);
	nanosleep(&some, NULL);
	assert_int_equal(fy_load_acquire_32(&removal.removed), 0);
	fy_store_release_32(&removal.let_go, 1);
	pthread_join(waits, NULL);
	for (fy_helm_take(removal.engine); !fy_load_acquire_32(&removal.removed);
	     fy_helm_take(removal.engine)) {
		fy_step_once(pair.sides[1].p, true);
		fy_helm_give(removal.engine);
		sched_yield();
	}
	fy_helm_give(removal.engine);
	pthread_join(removes, NULL);
	assert_int_equal(removal.status, FERRY_OK);
	pair.meanwhile = NULL;
	end(&pair);
}

/* ---- what a seed draws ------------------------------------------------- */

static uint32_t pick(uint64_t *chance, uint32_t n)
{
	return (uint32_t)(t_random(chance) >> 33) % n;
}

static bool percent(uint64_t *chance, unsigned of_100)
{
	return pick(chance, 100) < of_100;
}

/* Posts and calls of three lanes for all kinds of handlers, and steps of threads that may run them,
 * that may run some, and that may run none: on_message looks at the order of each lane. */
static uint32_t run_seed(uint64_t seed)
{
	static const uint32_t ops[] = { OP_INLINE, OP_ANY, OP_ANY, OP_ANY_HASHED, OP_QUEUE };
	uint64_t chance = seed;
	struct pair pair;
	uint32_t posted = 0, guests = 0; /* those that borrowers handled */
	begin(&pair, seed);
	for (unsigned turn = 0; turn < 300; turn++) {
		unsigned n = pick(&chance, 6);
		while (n--) {
			uint32_t op = ops[pick(&chance, 5)];
			ferry_future *future = NULL;
			bool call = percent(&chance, 30);
			size_t attached = percent(&chance, 10) ? pick(&chance, 20000) : 0;
			int status = post_as(&pair, pick(&chance, LANES), op,
			                     call ? FY_KIND_CALL : FY_KIND_POST, attached,
			                     call ? &future : NULL);
			assert_true(status == FERRY_OK || status == FERRY_EAGAIN);
			posted += status == FERRY_OK && op != OP_QUEUE;
			ferry_future_release(future);
		}
		fy_step_once(pair.sides[0].p, true);
		uint32_t before = pair.came;
		if (percent(&chance, 20))
			fy_step_once(pair.sides[1].p, true);
		else if (percent(&chance, 70))
			step_borrowed(&pair.sides[1], true), guests += pair.came - before;
		else
			step_borrowed(&pair.sides[1], false), assert_int_equal(pair.came, before);
		if (percent(&chance, 60))
			fy_sim_advance(pair.sim);
	}
	settle(&pair);
	if (pair.came != posted)
		fail_msg("seed %llu: %u of %u messages came", (unsigned long long)seed, pair.came,
		         posted);
	end(&pair);
	return guests;
}

static void any_order_of_threads(void **state)
{
	(void)state;
	const char *one = getenv("FERRY_SEED"), *many = getenv("FERRY_SEEDS");
	uint64_t seed = one ? strtoull(one, NULL, 0) : 1, guests = 0;
	uint64_t n = one ? 1 : many ? strtoull(many, NULL, 0) : 100;
	for (uint64_t last = seed + n; seed < last; seed++)
		guests += run_seed(seed);
	assert_true(guests > n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_runs_it),
		cmocka_unit_test(a_call_is_answered_by_who_waits),
		cmocka_unit_test(who_does_not_wait_leaves_it),
		cmocka_unit_test(a_command_runs_none),
		cmocka_unit_test(a_wait_in_code_of_another_engine_runs_none),
		cmocka_unit_test(it_does_not_overtake_inline),
		cmocka_unit_test(it_may_change_handlers),
		cmocka_unit_test(it_does_not_overtake_what_it_gives_away),
		cmocka_unit_test(nor_in_the_same_batch),
		cmocka_unit_test(its_errors_are_its_own),
		cmocka_unit_test(its_errors_are_also_those_of_handlers_inside),
		cmocka_unit_test(its_signal_mask_is_its_own),
		cmocka_unit_test(what_it_posts_has_its_own_colour),
		cmocka_unit_test(removing_it_waits_for_it),
		cmocka_unit_test(any_order_of_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
