/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm (helm/helm.c, drive.c, loop.c, with shared/wake.c and the policy): its hand-over between
 * the progress thread, threads that wait and drive, and threads that post. A step is this file's,
 * because a real one has too many steps of the scheduler: it answers what was asked. So nothing may
 * stay unanswered while all sleep for longer than a nap, and no two threads may step at once.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"
#include "helm/drive.h"
#include "helm/helm.h"
#include "helm/loop.h"
#include "helm/pace.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "schedules/schedule.h"
#include "shared/engine.h"
#include "shared/policy_table.h"
#include "shared/wake.h"

static struct fy_policy policy; /* resolved once */
static ferry *engine;
static uint32_t asked;    /* by threads: atomic add */
static uint32_t answered; /* futex: written with the helm (release) */
static uint32_t came;     /* from another rank, and not known before a look: atomic add */
static uint32_t noticed;  /* futex: so much of that was seen; written with the helm (release) */
static uint32_t stopping; /* the engine is to stop: written by the last thread (release) */
static uint32_t alive;    /* threads that are not done: atomic add */
static uint32_t taken;    /* of asked: the holder's */
static bool stepping;     /* the holder's: somebody steps */

/* ---- instead of helm/step.c ------------------------------------------------------------- */

static bool answer(void)
{
	uint32_t seen = fy_load_acquire_32(&asked);
	if (seen == taken)
		return false;
	taken = seen;
	fy_store_release_32(&answered, taken);
	fy_futex_wake(&answered, INT_MAX, false);
	return true;
}

static bool look(void)
{
	uint32_t seen = fy_load_acquire_32(&came);
	if (seen == noticed)
		return false;
	fy_store_release_32(&noticed, seen);
	fy_futex_wake(&noticed, INT_MAX, false);
	return true;
}

static bool stop(struct fy_progress *p)
{
	if (p->close.stopped)
		return false;
	p->close.stopped = true;
	fy_engine_set_stopped(engine);
	return true;
}

static bool step(struct fy_progress *p, bool all)
{
	SCHEDULE_CHECK(!stepping);
	stepping = true;
	p->link.now = schedule_now();
	bool stops = fy_load_acquire_32(&stopping), worked = answer();
	if (all) {
		worked |= look();
		worked |= stops && stop(p);
	}
	if (worked)
		p->link.worked_at = p->link.now;
	SCHEDULE_CHECK(stepping);
	stepping = false;
	return worked;
}

bool fy_step_once(struct fy_progress *p, bool user_code)
{
	(void)user_code;
	return step(p, true);
}

bool fy_step_as_guest(struct fy_progress *p)
{
	return step(p, true);
}

bool fy_step_send(struct fy_progress *p)
{
	return step(p, false);
}

bool fy_step_look(struct fy_progress *p)
{
	SCHEDULE_CHECK(!stepping);
	p->link.now = schedule_now();
	return look();
}

bool fy_step_has_input(struct fy_progress *p, bool user_code)
{
	(void)p;
	(void)user_code;
	return fy_load_acquire_32(&asked) != taken || fy_load_acquire_32(&stopping);
}

static int64_t port_now(fy_port *port)
{
	(void)port;
	return schedule_now();
}

static const struct fy_port_ops port_ops = { .now = port_now };
static fy_port port = { .ops = &port_ops, .size = 1, .lendable = true, .all_local = true };

/* ---- an engine with its bell -------------------------------------------------------------- */

static uint32_t *bell;

static void make_engine(uint32_t threads)
{
	struct fy_progress *p = calloc(1, sizeof *p);
	engine = aligned_alloc(FY_CACHE_LINE, sizeof *engine);
	memset(engine, 0, sizeof *engine);
	bell = calloc(1, sizeof *bell);
	engine->serial = 1;
	engine->size = 1;
	engine->refs = 1;
	engine->options.sleep_max = FERRY_S(60);
	engine->policy = policy;
	engine->progress = p;
	engine->at_helm.lendable = true;
	fy_wake_init(&engine->wake);
	fy_wake_share(&engine->wake, bell);
	p->policy = &engine->policy;
	p->link.engine = engine;
	p->link.options = &engine->options;
	p->link.port = &port;
	p->lookout.look_at = INT64_MAX;
	p->sample.rests = true;
	p->pace.napped = true; /* so that the first sleep is a long one */
	alive = threads;
}

static void begin_one(void)
{
	make_engine(1);
}

static void begin_two(void)
{
	make_engine(2);
}

static void end(void)
{
	SCHEDULE_CHECK(taken == asked && noticed == came);
	SCHEDULE_CHECK(engine->at_helm.word == 0 && engine->at_helm.drivers == 0);
	free(engine->progress);
	free(engine);
	free(bell);
}

/* ---- the threads --------------------------------------------------------------------------- */

static void progress(void)
{
	fy_loop_run(engine);
}

/* What came is seen before the engine stops. */
static void leaves(void)
{
	if (fy_sub_32(&alive, 1) != 1)
		return;
	fy_store_release_32(&stopping, 1);
	fy_wake_check(&engine->wake);
}

static bool is_answered(const void *arg)
{
	return fy_load_acquire_32(&answered) >= *(const uint32_t *)arg;
}

static void await(uint32_t mine)
{
	uint32_t seen;
	fy_drive_wait(engine, is_answered, &mine, INT64_MAX);
	while ((seen = fy_load_acquire_32(&answered)) < mine)
		fy_futex_wait(&answered, seen, INT64_MAX, false);
}

/* Asks, and waits for the answer, as a call does. */
static void calls(void)
{
	uint32_t mine = fy_add_32(&asked, 1) + 1;
	fy_wake_check(&engine->wake);
	await(mine);
	leaves();
}

/* Asks only; somebody else has to answer it. */
static void posts(void)
{
	fy_add_32(&asked, 1);
	fy_wake_check(&engine->wake);
	leaves();
}

/* Steers once behind its call, and leaves the rest to its wait (app/rouse.c). */
static void steers(void)
{
	uint32_t mine = fy_add_32(&asked, 1) + 1;
	if (fy_wake_look(&engine->wake) && !fy_drive_steer(engine, is_answered, &mine))
		fy_wake_up(&engine->wake);
	await(mine);
	leaves();
}

/* Another rank of this host has something for this one. */
static void rings(void)
{
	fy_add_32(&came, 1);
	fy_wake_ring(bell);
	while (fy_load_acquire_32(&noticed) == 0)
		fy_futex_wait(&noticed, 0, INT64_MAX, false);
	leaves();
}

/* A nap, and what stands by, may end by itself; longer sleeps may not (helm/policy.h). */
#define NAPS FERRY_MS(2)

static const struct schedule_case cases[] = {
	{ .name = "call",
	  .begin = begin_one,
	  .threads = { progress, calls },
	  .end = end,
	  .longest = NAPS,
	  .mistakes = { { "fy_helm_give", "swap", SCHEDULE_LEFT_OUT },
	                { "fy_helm_take", "swap", SCHEDULE_SPLIT } } },
	{ .name = "call-post",
	  .begin = begin_two,
	  .threads = { progress, calls, posts },
	  .end = end,
	  .longest = NAPS,
	  .preemptions = 2,
	  .mistakes = { { "fy_wake_announce", "store", SCHEDULE_LEFT_OUT },
	                { "fy_helm_give", "swap", SCHEDULE_SPLIT } } },
	{ .name = "call-call",
	  .begin = begin_two,
	  .threads = { progress, calls, calls },
	  .end = end,
	  .longest = NAPS,
	  .preemptions = 2,
	  .mistakes = { { "fy_helm_try", "cas", SCHEDULE_SPLIT },
	                { "take_turn", "add", SCHEDULE_SPLIT } } },
	{ .name = "steer-steer",
	  .begin = begin_two,
	  .threads = { progress, steers, steers },
	  .end = end,
	  .longest = NAPS,
	  .preemptions = 2,
	  .mistakes = { { "stop_driving", "add", SCHEDULE_SPLIT } } },
	{ .name = "steer-ring",
	  .begin = begin_two,
	  .threads = { progress, steers, rings },
	  .end = end,
	  .longest = NAPS,
	  .preemptions = 2,
	  .mistakes = { { "fy_wake_ring", "cas", SCHEDULE_LEFT_OUT } } },
};

/* Looks without an end are no schedules: who finds nothing sleeps at once. */
static bool choose_policy(void)
{
	if (fy_policy_table_resolve(&policy) != FERRY_OK)
		return false;
	fy_policy_choose(&policy, true, true, 0);
	policy.idle.yield = 0;
	policy.drive.drive_idle = 0;
	policy.drive.drive_busy = 0;
	policy.drive.drive_tries = 2;
	return true;
}

int main(void)
{
	return choose_policy() ? schedule_main(cases, sizeof cases / sizeof cases[0]) : 1;
}
