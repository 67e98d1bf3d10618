/* SPDX-License-Identifier: Apache-2.0 */
/* The helm of the layer. Any thread of the program; helm.h has the protocol. */
#include "preload/helm.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/futex.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "preload/caller.h"
#include "preload/held.h"
#include "preload/lanes.h"
#include "preload/report.h"

enum { WAITS, HAS_ENDED, HAS_HELM };

/* Looks in vain before the holder lets other threads of the machine run. */
#define LOOKS 16u
/* A waiter lets others run so often before it sleeps. In these few microseconds an answer is often
 * there, and a sleep and a wake-up cost more: a farm of 4 threads does four times as many tasks. */
#define TURNS 20u

/* On the stack of the thread that waits. */
struct waiter {
	fy_poll *poll; /* NULL: its thread wants the helm itself */
	void *arg;
	struct waiter *next; /* the holder's */
	/* futex: one of the above. Written by its thread before the holder knows of it, then by the
	 * holder (release), which does not touch the waiter afterwards; read by the thread
	 * (acquire) */
	uint32_t word;
	fy_inbox_entry entry;
};

static struct {
	/* 1: somebody has the helm. Taken by any thread (compare-and-swap), given back by its
	 * holder (release) */
	FY_ALIGNED uint32_t taken;
	FY_ALIGNED fy_inbox arrived; /* new waiters: put in by their threads */
	/* the holder's: waiters in the order in which they came; the next one to look at is the
	 * first, and goes to the end */
	struct waiter *first, *last;
} helm;

/* ---- taking and giving --------------------------------------------------------------------- */

static bool take(void)
{
	if (fy_load_relaxed_32(&helm.taken) || !fy_cas_32(&helm.taken, 0, 1))
		return false;
	fy_caller_here.inside = true;
	return true;
}

static void take_arrived(void)
{
	if (!fy_inbox_any(&helm.arrived))
		return;
	fy_inbox_each (entry, fy_inbox_take_in_order(&helm.arrived)) {
		struct waiter *w = fy_container_of(entry, struct waiter, entry);
		w->next = NULL;
		fy_list_append(helm.first, helm.last, w);
	}
}

static void wake(struct waiter *w, uint32_t word)
{
	uint32_t *at = &w->word;
	fy_store_release_32(at, word);
	fy_futex_wake(at, 1, false);
}

/* Look once for the first waiter. It goes to the end, or it goes on. True: it goes on. */
static bool look_for_other(void)
{
	struct waiter *w = helm.first;
	if (!w)
		return false;
	fy_list_drop(helm.first, helm.last);
	if (w->poll && w->poll(w->arg)) {
		fy_preload_report.others++;
		wake(w, HAS_ENDED);
		return true;
	}
	w->next = NULL;
	fy_list_append(helm.first, helm.last, w);
	return false;
}

/* Look once for all that wait: many want one look, and need not get the helm for it. True: one of
 * them goes on. */
static bool look_for_all(void)
{
	struct waiter *last = helm.last;
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
	struct waiter *w = helm.first;
	fy_list_drop(helm.first, helm.last);
	fy_caller_here.inside = false;
	wake(w, HAS_HELM);
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

/* Give it to a waiter, or back. A record of which only the ticket is there will be published in a
 * moment. Its thread may find the helm taken then, so this one has to look again. True: another
 * thread can go on now. */
static bool give(void)
{
	bool woke = false;
	for (;;) {
		if (helm.first || is_asked())
			woke |= serve();
		if (helm.first) {
			hand_over();
			return true;
		}
		fy_caller_here.inside = false;
		fy_swap_32(&helm.taken, 0); /* it costs less than a store and a fence */
		if (!is_asked() || !take())
			return woke;
		if (!fy_preload_lanes_drain())
			sched_yield();
	}
}

/* Who goes on first lets others run that can go on now, while the helm is free or theirs. One that
 * ran on would be preempted with the helm held, and they could do nothing in their time. */
void fy_preload_helm_give(void)
{
	if (give())
		sched_yield();
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Wait until the holder has something for this waiter. Returns what. */
static uint32_t sleep_on(struct waiter *w)
{
	uint32_t word;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		if ((word = fy_load_acquire_32(&w->word)) != WAITS)
			return word;
		sched_yield();
	}
	while ((word = fy_load_acquire_32(&w->word)) == WAITS) {
		fy_futex_wait(&w->word, WAITS, fy_preload_held_until(), false);
		fy_preload_held_say(fy_caller_here.call);
	}
	return word;
}

/* The next one has to have the helm itself, as functions of the program have to run on the thread
 * that waits. It gets it, and this one becomes a waiter. False: another one has seen the end of it
 * meanwhile. */
static bool take_turns(struct waiter *own)
{
	own->word = WAITS;
	own->next = NULL;
	fy_list_append(helm.first, helm.last, own);
	hand_over();
	fy_caller_here.inside = sleep_on(own) == HAS_HELM;
	return fy_caller_here.inside;
}

/* With the helm: until the own poll is true. False: it is, and somebody else has the helm. */
static bool drive(struct waiter *own)
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
static bool become_waiter(struct waiter *w)
{
	fy_inbox_put(&helm.arrived, &w->entry);
	fy_fence_full();
	if (take() && fy_load_acquire_32(&w->word) == HAS_ENDED) {
		fy_preload_helm_give(); /* another one had it meanwhile, and has seen the end */
		return false;
	}
	if (fy_caller_here.inside) {
		/* it was given back meanwhile, with nobody waiting but those that just came */
		take_arrived();
		struct waiter **at = &helm.first, *before = NULL;
		for (; *at != w; at = &(*at)->next)
			before = *at;
		*at = w->next;
		if (helm.last == w)
			helm.last = before;
		return true;
	}
	bool has_helm = sleep_on(w) == HAS_HELM;
	fy_caller_here.inside = has_helm;
	return has_helm;
}

void fy_preload_helm_wait(fy_poll *poll, void *arg)
{
	struct waiter w = { .poll = poll, .arg = arg, .word = WAITS };
	if (!take() && !become_waiter(&w))
		return;
	if (drive(&w))
		fy_preload_helm_give();
}

void fy_preload_helm_go_on(fy_poll *poll, void *arg)
{
	struct waiter w = { .poll = poll, .arg = arg, .word = WAITS };
	if (drive(&w))
		fy_preload_helm_give();
}

bool fy_preload_helm_has_others(void)
{
	return helm.first || fy_inbox_any(&helm.arrived);
}

void fy_preload_helm_hold(void)
{
	struct waiter w = { .word = WAITS };
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
	struct waiter w = { .poll = nothing, .word = WAITS };
	fy_store_release_32(&fy_caller_all.alone, 1);
	fy_fence_full();
	while (!take() && !become_waiter(&w))
		w.word = WAITS;
	drive(&w);
}

void fy_preload_helm_flush(void)
{
	fy_fence_full();
	if (fy_preload_lanes_any())
		fy_preload_helm_wait(nothing, NULL);
}

void fy_preload_helm_run(fy_poll *look, void *arg)
{
	for (;;) {
		if (!fy_caller_is_straight() && fy_caller_way_of(NULL) == FY_WAY_HELM) {
			fy_preload_helm_wait(look, arg);
			return;
		}
		if (look(arg))
			return;
	}
}
