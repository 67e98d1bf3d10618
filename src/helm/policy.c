/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions that are taken when nothing happens, or once. Pure functions, see policy.h; what they
 * look at is filled in by pace.c.
 */
#include "helm/policy.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "shared/policy_table.h"

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t power_of_two(int64_t n)
{
	while (n & (n - 1))
		n &= n - 1;
	return n;
}

/* Ranks that share a processor wait for each other's turn, not for what comes within
 * microseconds. */
void fy_policy_choose(struct fy_policy *policy, bool crowded, bool all_local, int64_t spin)
{
	policy->idle.spin = crowded ? 0 : spin;
	if (crowded) {
		policy->yield.look_fellows = 0;
		policy->idle.yield = policy->wire.wire_yield = policy->idle.yield_crowded;
	}
	if (crowded || !all_local)
		policy->drive.drive_busy = policy->drive.drive_busy_else;
	policy->look.look_ahead_steps = power_of_two(policy->look.look_ahead_steps);
	policy->look.look_all_steps = power_of_two(policy->look.look_all_steps);
	policy->look.seldom =
		(uint64_t)(at_most(policy->look.look_ahead_steps, policy->look.look_all_steps) - 1);
}

/* How long the loop looks before it sleeps. */
static int64_t yields_for(const struct fy_policy *policy, const struct fy_signals *s,
                          bool on_the_wire)
{
	int64_t t = on_the_wire && !s->calls ? 0 : policy->idle.yield;
	return fy_policy_on_fast_wire(policy, s) ? at_least(t, policy->wire.wire_yield) : t;
}

enum fy_idle fy_policy_idle(const struct fy_policy *policy, const struct fy_signals *s)
{
	/* What goes to another host takes longer than it pays to look for. */
	bool on_the_wire = policy->idle.wire_sleeps && !s->all_local && s->under_way;
	int64_t looks = yields_for(policy, s, on_the_wire);
	if (s->company.stranger)
		looks = at_most(looks, policy->yield.look_stranger);
	if (s->idle_for < policy->idle.spin)
		return FY_IDLE_SPIN;
	if (s->idle_for < policy->idle.spin + looks)
		return s->company.yields ? FY_IDLE_YIELD : FY_IDLE_SPIN;
	return !s->napped || on_the_wire ? FY_IDLE_NAP : FY_IDLE_SLEEP;
}

/* The time between two looks, longer and longer while they find nothing. */
static struct fy_sleep longer(int64_t t, int64_t most)
{
	t = at_most(t, most);
	return (struct fy_sleep){ t, at_most(t * 2, most) };
}

/* Large messages move over a slow wire, and did until now: a receiver may take its time. */
static bool moves_slowly(const struct fy_policy *policy, const struct fy_signals *s)
{
	return s->large.any && s->large.ago == 0 && fy_policy_is_slow(policy, s->large.refill) &&
	       s->idle_for < policy->wire.wire_patience * s->large.refill;
}

static struct fy_sleep without_timers(const struct fy_policy *policy, const struct fy_signals *s)
{
	struct fy_sleep sleep = { .next = s->idle_sleep };
	if (moves_slowly(policy, s)) {
		sleep.time = at_most(s->large.refill / 2, policy->sleep.sleep_wire);
	} else if (s->under_way && (s->all_local || !s->calls)) {
		sleep = longer(s->idle_sleep, policy->sleep.sleep_wire);
	} else if (s->under_way || s->awaited) {
		sleep.time = s->all_local ? policy->sleep.sleep_rung : policy->sleep.sleep_awaited;
	} else if (s->agreeing) { /* whoever has something to say rings, on this host */
		sleep = longer(s->idle_sleep,
		               s->all_local ? policy->sleep.sleep_local
		                            : at_most(s->sleep_max, policy->sleep.sleep_agreed));
	} else {
		sleep = longer(s->idle_sleep, s->sleep_max);
		if (s->all_local)
			sleep.time = policy->sleep.sleep_local;
	}
	return sleep;
}

struct fy_sleep fy_policy_sleep(const struct fy_policy *policy, const struct fy_signals *s)
{
	struct fy_sleep sleep = without_timers(policy, s);
	int64_t t = at_most(sleep.time, s->agree_in);
	if (s->starts)
		t = at_most(t, at_most(sleep.next, policy->sleep.sleep_started));
	if (s->rung_ago < policy->sleep.rung_for)
		/* the ring may overtake the message, over TCP for one */
		t = at_most(t, policy->sleep.sleep_awaited);
	if (s->broke_off)
		/* then what waits for room moves out of the others' way */
		t = at_most(t, policy->drain.slow_after / 2);
	t = at_most(t, s->timer_in);
	if (s->grace != FY_NEVER)
		t = at_most(t, s->grace / 8);
	if (!s->all_local || s->under_way)
		t = at_most(t, s->sleep_max);
	if (s->nap) /* nobody paid for the barrier: see wake.h */
		t = at_most(t, policy->idle.nap);
	sleep.time = t > 0 ? t : 0;
	return sleep;
}

int64_t fy_policy_stand_by(const struct fy_policy *policy, int64_t last)
{
	return at_most(last * 2, policy->idle.stand_by);
}

unsigned fy_policy_receives(const struct fy_policy *policy, unsigned ranks)
{
	int64_t wanted = policy->look.receives_a_rank * ranks;
	if (wanted < policy->look.receives_least)
		return (unsigned)policy->look.receives_least;
	return (unsigned)at_most(wanted, policy->look.receives_most);
}
