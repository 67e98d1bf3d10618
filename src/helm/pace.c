/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an idle loop tells the policy. Called by the holder of the helm alone.
 */
#include "helm/pace.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "base/place.h"
#include "bulk/bulk.h"
#include "bulk/speed.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/lookout.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/sample.h"
#include "helm/timer.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/company.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "shared/policy_table.h"

void fy_pace_begin(struct fy_progress *p)
{
	const fy_port *port = p->link.port;
	struct fy_policy *policy = &p->link.engine->policy;
	fy_policy_choose(policy, port->ranks_here > fy_place_processors(), port->all_local,
	                 p->link.options->spin);
	p->policy = policy;
	p->pace.idle_sleep = policy->sleep.sleep_awaited;
}

void fy_pace_worked(struct fy_progress *p)
{
	p->pace.idle_sleep = p->policy->sleep.sleep_awaited;
}

bool fy_pace_is_under_way(const struct fy_progress *p)
{
	return p->link.n_flying || !fy_bulk_is_quiet(&p->bulk) || p->link.dirty ||
	       p->commands.press || (p->close.finished && p->receives.n_posted);
}

void fy_pace_take_company(const struct fy_progress *p, struct fy_signals *s)
{
	s->company.yields = fy_company_yields(&fy_company_here, p->policy, p->link.now);
	s->company.turn = fy_company_has_turn(&fy_company_here, p->policy);
	s->company.stranger = fy_company_here.who == FY_STRANGER;
}

void fy_pace_large(const struct fy_progress *p, struct fy_signals *s)
{
	s->large.any = p->bulk.wanted_at != 0;
	s->large.ago = p->link.now - p->bulk.wanted_at;
	s->large.refill = fy_speed_refill(&p->bulk);
	s->large.chunks = p->bulk.n_chunks;
}

enum fy_idle fy_pace_idle(const struct fy_progress *p, int64_t idle_for)
{
	struct fy_signals s = { .idle_for = idle_for,
		                .all_local = p->link.port->all_local,
		                .under_way = fy_pace_is_under_way(p),
		                .calls = p->link.calls.open,
		                .napped = p->pace.napped };
	fy_pace_take_company(p, &s);
	fy_pace_large(p, &s);
	return fy_policy_idle(p->policy, &s);
}

/* Of what is under way or waited for. */
static void take_work(const struct fy_progress *p, struct fy_signals *s)
{
	fy_pace_large(p, s);
	s->all_local = p->link.port->all_local;
	s->under_way = fy_pace_is_under_way(p);
	s->calls = p->link.calls.open;
	s->broke_off = p->drain.broke_off;
	s->awaited = s->calls || s->broke_off || p->link.n_pending || p->link.n_streams ||
	             p->link.counted.n_open || p->queues.first ||
	             p->arrivals.n_undispatched; /* which may wait for memory */
	s->agreeing = p->agree.kind || p->close.begun;
	s->starts = p->starts && p->starts->under_way;
}

static void take_times(const struct fy_progress *p, struct fy_signals *s)
{
	const ferry_options *options = p->link.options;
	int64_t now = p->link.now;
	s->idle_for = now - p->link.worked_at;
	s->idle_sleep = p->pace.idle_sleep;
	s->sleep_max = options->sleep_max ? options->sleep_max : FERRY_US(1);
	s->rung_ago = p->pace.rung_at ? now - p->pace.rung_at : FY_NEVER;
	s->agree_in = p->agree.up_due ? p->agree.again_at - now : FY_NEVER;
	s->timer_in = p->timers.n ? p->timers.heap[0].when - now : FY_NEVER;
	if (fy_lookout_watches(p, s->awaited || s->calls || s->agreeing) &&
	    p->lookout.look_at - now < s->timer_in)
		s->timer_in = p->lookout.look_at - now;
	int64_t sample_at = fy_sample_wakes_at(&p->sample);
	if (sample_at != INT64_MAX && sample_at - now < s->timer_in)
		s->timer_in = sample_at - now;
	int64_t late_at = fy_close_late_at(p);
	if (late_at != INT64_MAX && late_at - now < s->timer_in)
		s->timer_in = late_at - now;
	bool mail =
		fy_load_relaxed_64(&p->link.engine->mailbox.bytes) && options->handler_grace > 0;
	s->grace = mail ? options->handler_grace : FY_NEVER;
}

int64_t fy_pace_sleep_time(struct fy_progress *p, bool nap)
{
	struct fy_signals s = { .nap = nap };
	take_work(p, &s);
	take_times(p, &s);
	struct fy_sleep sleep = fy_policy_sleep(p->policy, &s);
	p->pace.idle_sleep = sleep.next;
	return sleep.time;
}
