/* SPDX-License-Identifier: Apache-2.0 */
/* The helm of the layer. Any thread of the program; helm.h has the protocol. */
#include "preload/helm.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "preload/caller.h"
#include "preload/held.h"
#include "preload/lanes.h"
#include "preload/report.h"
#include "preload/waiter.h"

/* Looks in vain before the holder lets other threads of the machine run. */
#define LOOKS 16u
/* A waiter lets others run so often before it sleeps. In these few microseconds an answer is often
 * there, and a sleep and a wake-up cost more: a farm of 4 threads does four times as many tasks. */
#define TURNS 20u
/* ns. So long a message may lie, at most, if who had the helm last does not call MPI again. */
#define NAP 50000

static struct {
	/* 1: somebody has the helm. Taken by any thread (compare-and-swap), given back by its
	 * holder (swap) */
	FY_ALIGNED uint32_t taken;
	FY_ALIGNED fy_inbox arrived; /* new waiters: put in by their threads */
	/* the holder's: waiters in the order in which they came; the next one to look at is the
	 * first, and goes to the end */
	struct fy_waiter *first, *last;
	unsigned itself; /* the holder's: how many of them want the helm itself */
	/* how often it was given back: written by holders (relaxed), read by who naps (relaxed: a
	 * late look costs one more nap, or one wake-up) */
	uint32_t given;
	/* how many waiters are awake: they look themselves whether the helm is free. A waiter adds
	 * itself, and takes itself off when it lies down or has the helm; the holder takes off
	 * those whose wait it ends. Read by who gave the helm back (all full: of one who lies down
	 * and one who gives it back, one sees the other) */
	FY_ALIGNED uint32_t awake;
	uint32_t napping; /* 1: one of them naps. Compare-and-swap, given back by it (release) */
} helm;

/* ---- taking and giving --------------------------------------------------------------------- */

static bool take(void)
{
	if (fy_load_relaxed_32(&helm.taken) || !fy_cas_32(&helm.taken, 0, 1))
		return false;
	fy_caller_here.inside = true;
	return true;
}

static void append(struct fy_waiter *w)
{
	w->next = NULL;
	helm.itself += !w->poll;
	fy_list_append(helm.first, helm.last, w);
}

static struct fy_waiter *drop_first(void)
{
	struct fy_waiter *w = helm.first;
	helm.itself -= !w->poll;
	fy_list_drop(helm.first, helm.last);
	return w;
}

static void take_arrived(void)
{
	if (!fy_inbox_any(&helm.arrived))
		return;
	fy_inbox_each (entry, fy_inbox_take_in_order(&helm.arrived))
		append(fy_container_of(entry, struct fy_waiter, entry));
}

/* Look once for the first waiter. It goes to the end, or it goes on. True: it goes on. */
static bool look_for_other(void)
{
	if (!helm.first)
		return false;
	struct fy_waiter *w = drop_first();
	if (w->poll && w->poll(w->arg)) {
		fy_preload_report.others++;
		if (fy_waiter_tell(w, FY_WAITER_HAS_ENDED))
			fy_sub_32(&helm.awake, 1);
		return true;
	}
	append(w);
	return false;
}

/* Look once for all that wait: many want one look, and need not get the helm for it. True: one of
 * them goes on. */
static bool look_for_all(void)
{
	struct fy_waiter *last = helm.last;
	bool found = false;
	for (bool more = last; more;) {
		more = helm.first != last;
		found |= look_for_other();
	}
	return found;
}

/* Give the helm to the waiter that is first. */
static void hand_over(void)
{
	fy_caller_here.inside = false;
	fy_waiter_tell(drop_first(), FY_WAITER_HAS_HELM);
}

bool fy_preload_helm_try(void)
{
	if (!take())
		return false;
	fy_preload_lanes_drain();
	return true;
}

/* Has anybody left something for the holder? After a fence. */
static bool is_asked(void)
{
	return fy_preload_lanes_any() || fy_inbox_any(&helm.arrived);
}

/* Do what others wait for. True: one of them goes on. */
static bool serve(void)
{
	take_arrived();
	fy_preload_lanes_drain();
	return !fy_load_acquire_32(&fy_caller_all.alone) && look_for_all();
}

/* With waiters: does one of them have to get the helm now? If not, one that is awake takes it, or
 * who gives it back now comes again: who has an answer goes on with it, instead of a switch to
 * another thread for each. */
static bool has_to_hand_over(bool in_turn)
{
	return in_turn || helm.itself || fy_load_acquire_32(&fy_caller_all.alone) ||
	       !fy_load_acquire_32(&helm.awake);
}

/* Give it to a waiter, or back. A record of which only the ticket is there will be published in a
 * moment. Its thread may find the helm taken then, so this one has to look again. So it has to if
 * the last waiter that was awake fell asleep. True: another thread can go on now. */
static bool give(bool in_turn)
{
	bool woke = false;
	for (;;) {
		if (helm.first || is_asked())
			woke |= serve();
		bool others = helm.first;
		if (others && has_to_hand_over(in_turn)) {
			hand_over();
			return true;
		}
		fy_store_relaxed_32(&helm.given, helm.given + 1);
		fy_caller_here.inside = false;
		fy_swap_32(&helm.taken, 0); /* it costs less than a store and a fence */
		bool all_sleep = others && !fy_load_acquire_32(&helm.awake);
		if ((!all_sleep && !is_asked()) || !take())
			return woke;
		if (!fy_preload_lanes_drain() && !all_sleep)
			sched_yield();
	}
}

/* Who goes on first lets others run that can go on now, while the helm is free or theirs. One that
 * ran on would be preempted with the helm held, and they could do nothing in their time. */
static void give_and_yield(bool in_turn)
{
	if (give(in_turn))
		sched_yield();
}

void fy_preload_helm_give(void)
{
	give_and_yield(false);
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* A waiter takes the helm itself. */
static void leave(struct fy_waiter *w)
{
	struct fy_waiter **at = &helm.first, *before = NULL;
	take_arrived();
	for (; *at != w; at = &(*at)->next)
		before = *at;
	*at = w->next;
	if (helm.last == w)
		helm.last = before;
	helm.itself -= !w->poll;
	fy_store_relaxed_32(&w->word, FY_WAITER_HAS_HELM);
}

/* A waiter: is it over? It is, too, if the helm is free: then this thread has it now. */
static bool look_up(struct fy_waiter *w)
{
	if (fy_waiter_is_over(w))
		return true;
	if (!take())
		return false;
	if (fy_waiter_is_over(w))
		fy_preload_helm_give(); /* another one had it meanwhile, and has seen the end */
	else
		leave(w);
	return true;
}

/* True: it is over. One of the waiters naps as long as the helm is given back now and then. If it
 * is not, who gives it back wakes somebody. */
static bool stay_awake(struct fy_waiter *w)
{
	uint32_t given;
	bool over = false;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		if (look_up(w))
			return true;
		sched_yield();
	}
	if (!fy_cas_32(&helm.napping, 0, 1))
		return false;
	do {
		given = fy_load_relaxed_32(&helm.given);
		fy_waiter_nap(w, fy_clock_now() + NAP);
		over = look_up(w);
	} while (!over && given != fy_load_relaxed_32(&helm.given));
	fy_store_release_32(&helm.napping, 0);
	return over;
}

/* Until it is over. Who lies down looks once more whether the helm is free. True: this thread has
 * it now. */
static bool rest(struct fy_waiter *w)
{
	bool is_awake = stay_awake(w) || !fy_waiter_lie_down(w);
	if (!is_awake) {
		fy_sub_32(&helm.awake, 1);
		while (!look_up(w)) {
			fy_waiter_sleep(w, fy_preload_held_until());
			fy_preload_held_say(fy_caller_here.call);
		}
	}
	fy_caller_here.inside = fy_load_acquire_32(&w->word) == FY_WAITER_HAS_HELM;
	if (fy_caller_here.inside && is_awake)
		fy_sub_32(&helm.awake, 1);
	return fy_caller_here.inside;
}

/* The next one has to have the helm itself, as functions of the program have to run on the thread
 * that waits. It gets it, and this one becomes a waiter. False: another one has seen the end of it
 * meanwhile. */
static bool take_turns(struct fy_waiter *own)
{
	own->word = FY_WAITER_AWAKE;
	fy_add_32(&helm.awake, 1);
	append(own);
	hand_over();
	return rest(own);
}

/* With the helm: until the own poll is true. False: it is, and somebody else has the helm. */
static bool drive(struct fy_waiter *own)
{
	for (unsigned in_vain = 1;; in_vain++) {
		take_arrived();
		fy_preload_lanes_drain();
		if (own->poll(own->arg)) {
			fy_preload_report.own++;
			return true;
		}
		if (helm.first && (!helm.first->poll || fy_load_acquire_32(&fy_caller_all.alone))) {
			if (!take_turns(own))
				return false;
		} else if (look_for_other()) {
			in_vain = 0;
		}
		if (in_vain % LOOKS == LOOKS - 1)
			sched_yield();
		else if (in_vain)
			fy_pause();
	}
}

/* Somebody has the helm. True: this thread has it now; false: the poll was true. */
static bool become_waiter(struct fy_waiter *w)
{
	fy_add_32(&helm.awake, 1);
	fy_inbox_put(&helm.arrived, &w->entry);
	fy_fence_full();
	return rest(w);
}

static void wait_for(fy_poll *poll, void *arg, bool in_turn)
{
	struct fy_waiter w = { .poll = poll, .arg = arg };
	if (!take() && !become_waiter(&w))
		return;
	if (drive(&w))
		give_and_yield(in_turn);
}

void fy_preload_helm_wait(fy_poll *poll, void *arg)
{
	wait_for(poll, arg, false);
}

void fy_preload_helm_go_on(fy_poll *poll, void *arg)
{
	struct fy_waiter w = { .poll = poll, .arg = arg };
	if (drive(&w))
		fy_preload_helm_give();
}

bool fy_preload_helm_has_others(void)
{
	return helm.first || fy_inbox_any(&helm.arrived);
}

void fy_preload_helm_hold(void)
{
	struct fy_waiter w = { .poll = NULL };
	if (!take())
		become_waiter(&w); /* it has no poll, so nobody ends it */
	take_arrived();
	fy_preload_lanes_drain();
}

static bool nothing(void *arg)
{
	(void)arg;
	return true;
}

/* Who looked at `alone` before may see the end of this, and keep the helm: then once more. */
void fy_preload_helm_keep(void)
{
	struct fy_waiter w = { .poll = nothing };
	fy_store_release_32(&fy_caller_all.alone, 1);
	fy_fence_full();
	while (!take() && !become_waiter(&w))
		w.word = FY_WAITER_AWAKE;
	drive(&w);
}

void fy_preload_helm_flush(void)
{
	fy_fence_full();
	if (fy_preload_lanes_any())
		fy_preload_helm_wait(nothing, NULL);
}

static void run(fy_poll *look, void *arg, bool in_turn)
{
	for (;;) {
		if (!fy_caller_is_straight() && fy_caller_way_of(NULL) == FY_WAY_HELM) {
			wait_for(look, arg, in_turn);
			return;
		}
		if (look(arg))
			return;
	}
}

void fy_preload_helm_run(fy_poll *look, void *arg)
{
	run(look, arg, false);
}

void fy_preload_helm_run_in_turn(fy_poll *look, void *arg)
{
	run(look, arg, true);
}
