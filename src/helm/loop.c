/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress thread's loop; only that thread runs it. It steps while something happens, then
 * spins a while, yields a while, and sleeps on the wake word. Sleeps get longer up to a bound; they
 * are short while something is awaited that only MPI can tell (policy.c). The thread holds the helm
 * while it works, and lets go of it when it yields or sleeps; a thread that waits may take it
 * meanwhile (drive.c).
 */
#include "helm/loop.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/helm.h"
#include "helm/lanes.h"
#include "helm/pace.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "port/port.h"
#include "shared/company.h"
#include "shared/engine.h"
#include "shared/wake.h"
#include "trace/trace.h"

/* Take the helm again, which threads that drive may have. While they drive, and leave nothing
 * undone that a step would find, this thread goes on sleeping, because each check costs the thread
 * that runs on this processor 20 us. A check is a whole step, because a driver may not get a
 * processor soon. True: threads drove. */
static bool come_back(struct fy_progress *p)
{
	ferry *engine = p->link.engine;
	bool driven = false, worked = false;
	for (int64_t nap = p->policy->idle.nap;; nap = fy_policy_stand_by(p->policy, nap)) {
		if (fy_helm_try(engine)) {
			if (!fy_load_acquire_32(&engine->at_helm.drivers) || p->close.stopped ||
			    (worked = fy_step_once(p, true)))
				break;
			fy_helm_give(engine);
		}
		if (!fy_helm_stand_by(engine, nap)) {
			fy_helm_take(engine);
			break;
		}
		driven = true;
		fy_store_relaxed_32(&p->sample.duty.idles, FY_IDLES_STANDS_BY);
	}
	if (driven)
		fy_wake_stay(&engine->wake);
	if (driven || worked)
		fy_pace_worked(p);
	p->link.worked = false; /* no step went before, as far as its length is measured */
	return driven || worked;
}

/* Announce, look once more, sleep. Work from before the announcement is found by the second look; a
 * later giver sees the word. Returns with the helm. True: threads drove meanwhile. */
static bool sleep_a_while(struct fy_progress *p, bool nap)
{
	ferry *engine = p->link.engine;
	if (!nap && !engine->wake.giver_fences) /* a poster looks at `listed` before its fence */
		fy_lanes_delist(p);
	fy_store_release_32(&engine->at_helm.napping, nap);
	fy_store_release_32(&engine->at_helm.asleep, 1);
	fy_wake_announce(&engine->wake, nap);
	bool input = fy_lanes_relist(p);
	if (fy_step_once(p, true) || input || fy_step_has_input(p, true)) {
		fy_wake_stay(&engine->wake);
		fy_store_release_32(&engine->at_helm.asleep, 0);
		return false;
	}
	int64_t t = fy_pace_sleep_time(p, nap);
	uint64_t lends = fy_load_acquire_64(&engine->totals.lends);
	p->link.stats.sleeps++;
	fy_helm_give(engine);
	int64_t begun = p->link.trace ? fy_trace_now(p->link.trace) : 0;
	bool rung = fy_wake_sleep(&engine->wake, t);
	int64_t ended = p->link.trace ? fy_trace_now(p->link.trace) : 0;
	fy_store_release_32(&engine->at_helm.asleep, 0);
	bool driven = come_back(p) || lends != fy_load_acquire_64(&engine->totals.lends);
	if (p->link.trace)
		fy_trace_slept(p->link.trace, begun, ended);
	if (rung)
		p->pace.rung_at = p->link.port->ops->now(p->link.port);
	/* If no thread drove meanwhile the next sleep may be long. */
	p->pace.napped = !driven;
	return driven;
}

static bool let_others(struct fy_progress *p)
{
	ferry *engine = p->link.engine;
	fy_helm_give(engine);
	if (!fy_load_acquire_32(&engine->at_helm.drivers))
		fy_company_yield(p->policy);
	return come_back(p);
}

const uint64_t *fy_loop_steps(ferry *engine)
{
	return &fy_progress_of(engine)->link.stats.steps;
}

void fy_loop_run(ferry *engine)
{
	struct fy_progress *p = fy_progress_of(engine);
	int64_t idle_since = 0;
	fy_helm_take(engine);
	while (!p->close.stopped) {
		if (fy_step_once(p, true)) {
			fy_sample_busy(&p->sample.duty, p->link.now);
			idle_since = 0;
			p->pace.napped = false;
			fy_pace_worked(p);
			continue;
		}
		int64_t now = p->link.now;
		if (!idle_since)
			idle_since = now;
		enum fy_idle idle = fy_pace_idle(p, now - idle_since);
		bool driven = false;
		fy_sample_idle(&p->sample.duty, now, (enum fy_idles)idle);
		/* Not to sleep while threads drive: one that steers has seen that this one naps. */
		if (fy_load_relaxed_32(&engine->at_helm.drivers) || idle == FY_IDLE_YIELD)
			driven = let_others(p);
		else if (idle == FY_IDLE_SPIN)
			fy_company_pause();
		else
			driven = sleep_a_while(p, idle == FY_IDLE_NAP);
		/* If threads drive go to sleep at once, so that the next driver finds the helm
		 * free. */
		if (driven)
			idle_since = now - p->policy->idle.spin - p->policy->idle.yield;
	}
	fy_helm_give(engine);
}
