/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy for when nothing happens: how long the loop spins, yields and sleeps, and how long a
 * thread that waits goes on driving. Only the holder of the helm may call.
 */
#include "helm/policy.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "base/place.h"
#include "bulk/bulk.h"
#include "helm/agree.h"
#include "helm/progress.h"
#include "helm/timer.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/mailbox.h"

/* How long the loop yields before it sleeps, because waking an idle processor takes 10 to 50 us;
 * less where ranks outnumber processors. */
#define YIELD_ALONE FERRY_US(100)
#define YIELD_CROWDED FERRY_US(5)
/* How long a driver goes on while chunks are under way and nothing else happens. On one host a
 * chunk takes up to 0.4 ms, and a thread that slept meanwhile would be woken 30 us too late. */
#define DRIVE_BUSY_ALONE FERRY_MS(1)
#define DRIVE_BUSY_ELSE FERRY_US(50)

#define SLEEP_BUSY FERRY_US(20) /* MPI has something of this engine's under way */
/* As SLEEP_BUSY, but there are other hosts, and no call is open: the NIC keeps draining MPI's
 * buffers while this thread sleeps. */
#define SLEEP_WIRE FERRY_US(500)

/* In a fence or close, words from other hosts are awaited; a few of them come, one by one. */
#define SLEEP_AGREED FERRY_MS(1)
/* The program has operations under way, for which no rank rings. */
#define SLEEP_STARTED FERRY_US(500)

#define RUNG_FOR FERRY_MS(2)      /* how long the message of a ring is looked for */
#define SLEEP_RUNG FERRY_MS(5)    /* an answer from this host is awaited; that rank rings */
#define SLEEP_LOCAL FERRY_MS(100) /* all ranks are on this host, and ring */

bool fy_policy_is_under_way(const struct fy_progress *p)
{
	return p->link.n_flying || !fy_bulk_is_quiet(&p->bulk) || p->link.dirty ||
	       p->commands.press || (p->close.finished && p->receives.n_posted);
}

/* The time between two looks, which doubles while they find nothing. */
static int64_t longer(struct fy_progress *p, int64_t most)
{
	int64_t t = fy_policy_at_most(p->pace.idle_sleep, most);
	p->pace.idle_sleep = fy_policy_at_most(t * 2, most);
	return t;
}

int64_t fy_policy_sleep_time(struct fy_progress *p)
{
	bool under_way = fy_policy_is_under_way(p);
	bool awaited = p->link.calls.open || p->drain.broke_off || p->link.n_pending ||
	               p->link.n_streams || p->queues.first ||
	               p->arrivals.n_undispatched; /* paused batches may wait for memory */
	bool agreeing = p->agree.kind || p->close.begun;
	int64_t sleep_max = p->link.options->sleep_max ? p->link.options->sleep_max : FERRY_US(1);
	int64_t t;
	if (under_way && p->link.port->all_local)
		t = SLEEP_BUSY;
	else if (under_way && !p->link.calls.open)
		t = longer(p, SLEEP_WIRE);
	else if (under_way || awaited)
		t = p->link.port->all_local ? SLEEP_RUNG : FY_SLEEP_AWAITED;
	else if (agreeing) /* a rank of this host that has something to say rings */
		t = longer(p, p->link.port->all_local ? SLEEP_LOCAL
		                                      : fy_policy_at_most(sleep_max, SLEEP_AGREED));
	else if ((t = longer(p, sleep_max)) && p->link.port->all_local)
		t = SLEEP_LOCAL;
	if (p->agree.up_due)
		t = fy_policy_at_most(t, p->agree.again_at - p->link.now);
	if (p->starts && p->starts->under_way)
		t = fy_policy_at_most(t, fy_policy_at_most(p->pace.idle_sleep, SLEEP_STARTED));
	if (p->pace.rung_at && p->link.now - p->pace.rung_at < RUNG_FOR)
		/* a ring may overtake its message, for instance over TCP */
		t = fy_policy_at_most(t, FY_SLEEP_AWAITED);
	if (p->drain.broke_off)
		/* by then the record without room moves to its channel's queue */
		t = fy_policy_at_most(t, FY_SLOW_AFTER / 2);
	if (p->timers.n)
		t = fy_policy_at_most(t, p->timers.heap[0].when - p->link.now);
	if (fy_load_relaxed_64(&p->link.engine->mailbox.bytes) &&
	    p->link.options->handler_grace > 0)
		t = fy_policy_at_most(t, p->link.options->handler_grace / 8);
	if (!p->link.port->all_local || under_way)
		t = fy_policy_at_most(t, sleep_max);
	return t > 0 ? t : 0;
}

/* Ranks that share a processor do not spin: what they wait for comes only after another rank had
 * the processor. */
void fy_policy_set_patience(struct fy_progress *p)
{
	bool crowded = p->link.port->ranks_here > fy_place_processors();
	p->pace.idle_sleep = FY_SLEEP_AWAITED;
	p->pace.spin = crowded ? 0 : p->link.options->spin;
	p->pace.yield = crowded ? YIELD_CROWDED : YIELD_ALONE;
	p->pace.drive_busy =
		crowded || !p->link.port->all_local ? DRIVE_BUSY_ELSE : DRIVE_BUSY_ALONE;
}
