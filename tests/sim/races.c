/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancel, deadline, reply, fulfilment, callback and close meet at the same futures, in an order
 * that the seed draws: two engines over the simulated network, stepped by this thread. In the end
 * each future was decided once, by one that could, each callback ran once, each buffer was released
 * once and not before MPI was done with it, and no reference is left. FERRY_SEEDS says how many
 * (2000), FERRY_SEED names one. Real threads: tests/mpi/races.c.
 */
#include "digest.h"
#include "world.h"
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/order.h"
#include "engine/life.h"
#include "future/future.h"
#include "helm/close.h"
#include "helm/mail.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "helm/timer.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/record.h"

#include <stdlib.h>

enum {
	RACES = 10,
	SPAN = 60,
	ROUNDS_MAX = 20000,
	OP_RACE = 3,
	LENT_MAX = 60000,
	NEVER = SPAN * 10
};
enum subject { CALL, PROMISE, CHAIN, GROUP_ALL, GROUP_ANY, SUBJECTS };
enum way { AT_ONCE, LATER, DROPPED, UNANSWERED, OTHERWISE, ANSWERS };

struct race {
	struct match *match;
	enum subject subject;
	enum way answer;
	bool begun, in_queue, registered, by_timer, cancelled, fulfilled;
	unsigned begin_at, cancel_at, fulfil_at, then_at, answer_at; /* rounds */
	/* the one that is raced for, and what it is made of */
	ferry_future *future, *call, *promise;
	ferry_message *request; /* at the other rank */
	bool answered;
	char *data;
	size_t nbytes;
	unsigned released, called;
};

struct side {
	ferry *engine;
	struct fy_progress *p;
	struct fy_lane *lane;
	ferry_executor *queue;
	unsigned close_at;
	bool closing, stopped;
};

/* All of one seed. */
struct match {
	struct world chance; /* its random numbers alone */
	uint64_t seed;
	fy_sim *sim;
	struct side sides[2];
	struct race races[RACES];
	unsigned round;
};

static uint64_t ends[4]; /* of all seeds: done, cancelled, timed out, stopped or dropped */
static uint64_t late, unsent;

#define HOLDS(match, condition)                                                                  \
	do {                                                                                     \
		if (!(condition))                                                                \
			fail_msg("seed %llu, round %u: not so: %s",                              \
			         (unsigned long long)(match)->seed, (match)->round, #condition); \
	} while (0)

static unsigned pick(struct match *m, uint32_t n)
{
	return w_pick(&m->chance, n);
}

static size_t index_of(const struct race *race)
{
	return (size_t)(race - race->match->races);
}

/* For the digest: that it came here, and with what. */
static void note(const struct race *race, int rank, unsigned what)
{
	fy_sim_note(race->match->sim, rank, (uint64_t)index_of(race) << 32 | what);
}

/* ---- the two sides ----------------------------------------------------- */

static void let_go(struct race *race)
{
	ferry_message *request = race->request;

	race->request = NULL;
	ferry_message_release(request);
}

static void answer(struct race *race)
{
	int status = ferry_reply(race->request, &race->nbytes, sizeof race->nbytes);

	HOLDS(race->match,
	      status == FERRY_OK || (status == FERRY_ESTOPPED && race->match->sides[1].closing));
	HOLDS(race->match, ferry_reply(race->request, NULL, 0) != FERRY_OK);
	race->answered = status == FERRY_OK;
}

static void handle(ferry *engine, ferry_message *request, void *arg)
{
	struct match *m = arg;
	size_t nbytes, i;
	const char *data = ferry_message_attachment(request, 0, &nbytes);

	(void)engine;
	memcpy(&i, ferry_message_body(request, NULL), sizeof i);
	struct race *race = &m->races[i];
	note(race, 1, 0);
	HOLDS(m, nbytes == race->nbytes &&
	                 (nbytes == 0 || (data[0] == 'x' && data[nbytes - 1] == 'x')));
	race->request = request;
	if (race->answer == AT_ONCE) {
		answer(race);
		race->request = NULL;
	} else if (race->answer == OTHERWISE) {
		race->request = NULL; /* the engine answers for it */
	} else {
		ferry_message_retain(request);
	}
}

static void side_open(struct match *m, int rank)
{
	struct side *side = &m->sides[rank];
	ferry_options given = FERRY_OPTIONS_INIT;
	struct fy_handler *h = calloc(1, sizeof *h), *old = NULL;

	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = FERRY_NONE;
	side->engine = t_open(fy_sim_port(m->sim, rank), &given);
	side->p = side->engine->progress;
	side->lane = fy_own_lane_create(side->engine);
	side->close_at = pick(m, 3) ? pick(m, 2 * SPAN) : 2 * SPAN;
	assert_int_equal(ferry_queue_create(side->engine, &side->queue), FERRY_OK);
	*h = (struct fy_handler){ .op = OP_RACE, .fn = handle, .arg = m, .refs = 1 };
	assert_true(fy_mail_set_handler(side->p, h, OP_RACE, &old));
}

static void side_close(struct match *m, struct side *side)
{
	if (side->closing || m->round < side->close_at || side->p->agree.kind)
		return;
	side->closing = true;
	fy_store_release_32(&side->engine->phase, FY_CLOSING);
	fy_close_begin(side->p);
}

static void side_stop(struct side *side)
{
	assert_int_equal(fy_life_destroy(side->engine), FERRY_OK);
	side->stopped = true;
	t_leave(side->engine, side->lane);
}

static bool side_step(struct match *m, struct side *side)
{
	bool worked = fy_step_once(side->p, pick(m, 3) > 0);

	if (pick(m, 2))
		assert_true(ferry_executor_run(side->queue, pick(m, 3), 0) >= 0);
	if (side->p->close.stopped)
		side_stop(side);
	return worked;
}

/* ---- what is raced for ------------------------------------------------- */

static void release(void *data, void *arg)
{
	struct race *race = arg;

	note(race, 0, 0);
	HOLDS(race->match, race->released++ == 0 && data == race->data);
	memset(data, 'D', race->nbytes);
	free(data);
}

static void call_back(ferry_future *future, int status, void *arg)
{
	struct race *race = arg;

	note(race, 0, (unsigned)status);
	race->called++;
	HOLDS(race->match, future == race->future && status == ferry_future_poll(future) &&
	                           status != FERRY_PENDING);
}

static int follow(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)arg;
	if (status)
		return status;
	ferry_future_retain(done);
	*next_p = done;
	return FERRY_OK;
}

static void make_call(struct match *m, struct race *race)
{
	struct side *side = &m->sides[0];
	ferry_message *message;
	size_t i = index_of(race);

	race->nbytes = pick(m, 2) ? pick(m, LENT_MAX) : pick(m, 100);
	race->data = malloc(race->nbytes + 1);
	memset(race->data, 'x', race->nbytes + 1);
	assert_int_equal(ferry_message_create(side->engine, OP_RACE, &message), FERRY_OK);
	assert_int_equal(ferry_message_write(message, &i, sizeof i), FERRY_OK);
	assert_int_equal(ferry_message_attach(message, race->data, race->nbytes, release, race),
	                 FERRY_OK);
	struct fy_post post = { .engine = side->engine,
		                .lane = side->lane,
		                .kind = FY_KIND_CALL,
		                .rank = 1,
		                .op = OP_RACE,
		                .message = message };
	assert_int_equal(fy_post(&post, &race->call), FERRY_OK);
	ferry_message_release(message);
}

static void make_composed(struct race *race)
{
	ferry_executor *where = race->in_queue ? race->match->sides[0].queue : FERRY_INLINE;
	ferry_future *parts[2] = { race->call, race->promise };

	if (race->subject == CHAIN)
		assert_int_equal(ferry_future_and_then(race->call, where, follow, NULL,
		                                       &race->future),
		                 FERRY_OK);
	else if (race->subject == GROUP_ALL)
		assert_int_equal(ferry_future_all(parts, 2, &race->future), FERRY_OK);
	else if (race->subject == GROUP_ANY)
		assert_int_equal(ferry_future_any(parts, 2, &race->future), FERRY_OK);
	else
		race->future = race->subject == CALL ? race->call : race->promise;
}

/* A round from now on, mostly soon, or never. */
static unsigned sometimes(struct match *m, unsigned percent)
{
	return pick(m, 100) < percent ? m->round + pick(m, pick(m, 2) ? 5 : SPAN) : NEVER;
}

static void make(struct match *m, struct race *race)
{
	*race = (struct race){ .match = m,
		               .begun = true,
		               .begin_at = NEVER,
		               .subject = pick(m, SUBJECTS),
		               .answer = pick(m, ANSWERS),
		               .in_queue = pick(m, 2),
		               .cancel_at = sometimes(m, 40),
		               .fulfil_at = sometimes(m, 70),
		               .then_at = m->round + pick(m, SPAN),
		               .answer_at = m->round + pick(m, SPAN),
		               .by_timer = pick(m, 100) < 40 };
	if (race->subject != PROMISE)
		make_call(m, race);
	if (race->subject == PROMISE || race->subject >= GROUP_ALL)
		assert_int_equal(ferry_promise_create(m->sides[0].engine, &race->promise),
		                 FERRY_OK);
	make_composed(race);
	if (!race->by_timer)
		return;
	ferry_future_retain(race->future); /* the timer's */
	assert_int_equal(fy_timer_add(m->sides[0].p, fy_sim_now(m->sim) + pick(m, 150000),
	                              race->future),
	                 FERRY_OK);
}

/* ---- a round ----------------------------------------------------------- */

static void race_on(struct match *m, struct race *race)
{
	struct side *side = &m->sides[0];

	if (m->round == race->begin_at && !side->closing)
		make(m, race);
	if (!race->begun)
		return;
	if (m->round == race->cancel_at) {
		int status = ferry_future_cancel(race->future);
		race->cancelled = status == FERRY_OK;
		HOLDS(m, status == FERRY_OK || status == FERRY_EALREADY);
	}
	if (m->round == race->fulfil_at && race->promise)
		race->fulfilled = ferry_promise_fulfil(race->promise, FERRY_OK, NULL) == FERRY_OK;
	if (m->round == race->then_at) {
		ferry_executor *where = race->in_queue ? side->queue : FERRY_INLINE;
		int status = ferry_future_then(race->future, where, call_back, race);
		race->registered = status == FERRY_OK;
		HOLDS(m, status == FERRY_OK || (status == FERRY_ESTOPPED && !race->in_queue &&
		                                side->engine->phase == FY_STOPPED));
	}
	if (race->request && race->answer != UNANSWERED && m->round >= race->answer_at) {
		if (race->answer == LATER)
			answer(race);
		let_go(race);
	}
}

static void run_round(struct match *m)
{
	bool worked = false;
	unsigned first = pick(m, RACES + 2);

	for (unsigned i = 0; i < RACES + 2; i++) {
		unsigned which = (first + i) % (RACES + 2);
		if (which < RACES)
			race_on(m, &m->races[which]);
		else if (!m->sides[which - RACES].stopped)
			worked |= side_step(m, &m->sides[which - RACES]);
	}
	for (int rank = 0; rank < 2; rank++)
		if (!m->sides[rank].stopped)
			side_close(m, &m->sides[rank]);
	if (!worked && !fy_sim_advance(m->sim))
		fy_sim_advance_to(m->sim, fy_sim_now(m->sim) + FERRY_US(20));
	m->round++;
}

/* ---- what came of it --------------------------------------------------- */

/* The engine answers for a handler that returned or let go; an error of the peer's is none
 * of ours. */
static void check_status(struct match *m, struct race *race, int status)
{
	HOLDS(m, (status == FERRY_ECANCELED) == race->cancelled);
	HOLDS(m, status != FERRY_ETIMEDOUT || race->by_timer);
	if (race->subject == PROMISE)
		HOLDS(m, (status == FERRY_OK) == race->fulfilled);
	if (race->subject == CALL && status == FERRY_OK)
		HOLDS(m, race->answered || race->answer == OTHERWISE);
	if (status == FERRY_EREMOTE)
		HOLDS(m, race->subject != PROMISE && race->answer == DROPPED);
	HOLDS(m, status == FERRY_OK || status == FERRY_ECANCELED || status == FERRY_ETIMEDOUT ||
	                 status == FERRY_EREMOTE || status == FERRY_ESTOPPED);
	ends[status == FERRY_OK          ? 0
	     : status == FERRY_ECANCELED ? 1
	     : status == FERRY_ETIMEDOUT ? 2
	                                 : 3]++;
	unsent += strstr(ferry_future_detail(race->future), "not been sent") != NULL;
}

static void check(struct match *m, struct race *race)
{
	int status = ferry_future_poll(race->future);

	HOLDS(m, status != FERRY_PENDING);
	note(race, 0, (unsigned)status);
	check_status(m, race, status);
	HOLDS(m, race->called == race->registered);
	HOLDS(m, race->released == (race->call != NULL));
	if (race->request)
		let_go(race);
	if (race->future != race->call && race->future != race->promise) {
		HOLDS(m, fy_future_refs(race->future) == 1);
		ferry_future_release(race->future);
	}
	HOLDS(m, !race->call || fy_future_refs(race->call) == 1);
	HOLDS(m, !race->promise || fy_future_refs(race->promise) == 1);
	ferry_future_release(race->call);
	ferry_future_release(race->promise);
}

static void finish(struct match *m)
{
	assert_int_equal(fy_sim_outstanding(m->sim, FY_PORT_ANY), 0);
	late += m->sides[0].engine->totals.last.late_replies;
	for (int rank = 0; rank < 2; rank++)
		while (ferry_executor_run(m->sides[rank].queue, 0, 0) > 0)
			;
	for (unsigned i = 0; i < RACES; i++)
		if (m->races[i].begun)
			check(m, &m->races[i]);
	for (int rank = 0; rank < 2; rank++) {
		ferry_executor_destroy(m->sides[rank].queue);
		HOLDS(m, m->sides[rank].engine->refs == 1);
		fy_engine_release(m->sides[rank].engine);
	}
	fy_sim_note(m->sim, FY_PORT_ANY, m->chance.random);
	t_digest("races", m->seed, m->sim);
	fy_sim_destroy(m->sim);
}

static void run(uint64_t seed)
{
	struct match *m = calloc(1, sizeof *m);
	struct fy_sim_options net = { .delay_max = 20000 };

	assert_non_null(m);
	m->seed = seed;
	m->chance.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	net.eager_max = pick(m, 2) ? 1 : 8192;
	net.refuse_ppm = pick(m, 4) ? 0 : 100000;
	m->sim = fy_sim_create(2, seed, &net);
	assert_non_null(m->sim);
	for (int rank = 0; rank < 2; rank++)
		side_open(m, rank);
	for (unsigned i = 0; i < RACES; i++)
		m->races[i].begin_at = pick(m, SPAN);
	while (!m->sides[0].stopped || !m->sides[1].stopped || m->round <= 2 * SPAN) {
		HOLDS(m, m->round < ROUNDS_MAX);
		run_round(m);
	}
	finish(m);
	free(m);
}

static void races(void **state)
{
	unsigned long only = t_env("FERRY_SEED", 0), seeds = only ? 1 : t_seeds(2000);

	(void)state;
	for (unsigned long i = 1; i <= seeds; i++)
		run(only ? only : i);
	printf("# %lu seeds: %llu futures fulfilled or answered, %llu cancelled, %llu timed out, "
	       "%llu stopped or dropped; %llu replies came late, %llu messages were not sent\n",
	       seeds, (unsigned long long)ends[0], (unsigned long long)ends[1],
	       (unsigned long long)ends[2], (unsigned long long)ends[3], (unsigned long long)late,
	       (unsigned long long)unsent);
	if (seeds >= 200)
		assert_true(ends[0] && ends[1] && ends[2] && ends[3] && late && unsent);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(races) };

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
