/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driving: threads that take the helm while they wait. Any thread of the application.
 *
 * The holder of the helm may step the engine. The progress thread lets go of the helm when it
 * yields or sleeps. Threads that wait take a free helm in turns. Each of them steps until what it
 * waits for is there, or until steps move nothing any more. They run no user code meanwhile. The
 * last of them hands the engine back as the first one found it: the progress thread asleep, and its
 * sleep announced, by the same protocol as going to sleep (announce, look once more).
 *
 * While threads drive the progress thread stands by: it sleeps on the wake word without announcing
 * it, because the last driver will do that. It sets `asleep`, fences, and looks whether any thread
 * is counted in `drivers`. The last driver counts itself out, by a read-modify-write, and then
 * looks at `asleep`. So if the progress thread saw a driver, the last driver sees it asleep. That
 * sleep is a nap, because a wake-up may have come just before.
 *
 * A thread that posts and will probably wait soon (shared/habit.c) drives once, and leaves without
 * an announcement. So other threads spend no wake-up on what its wait will see. It does this only
 * while the progress thread naps, so that that thread comes by itself if the wait does not.
 *
 * Without a progress thread (FERRY_NO_THREAD) every thread that waits drives, and runs user code as
 * well.
 */
#include "helm/drive.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"
#include "future/queue.h"
#include "helm/helm.h"
#include "helm/pace.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/thread.h"
#include "shared/wake.h"

/* The last driver gives the engine back in the state in which the first one found it: the progress
 * thread asleep, and others ringing. If that thread has something to do it is woken. */
static void hand_back(ferry *engine)
{
	struct fy_progress *p = fy_progress_of(engine);
	if (!fy_load_acquire_32(&engine->at_helm.asleep)) {
		fy_helm_give(engine); /* the progress thread is up, and takes over */
		return;
	}
	fy_wake_announce(&engine->wake, true);
	/* The progress thread only naps from here on: going back to a long sleep would need the
	 * process-wide barrier. */
	bool more = !fy_load_acquire_32(&engine->at_helm.napping), came = fy_step_look(p);
	/* what waited to be sent together with more, and posters that wait for room */
	if (came || p->link.dirty || p->link.freed)
		fy_step_once(p, false);
	more = more || came || fy_step_owes_code(p) || fy_step_has_input(p, true) ||
	       fy_policy_looks_soon(p->policy, fy_pace_sleep_time(p, false));
	fy_helm_give(engine);
	if (more)
		fy_wake_up(&engine->wake);
}

/* The engine has stopped: give the helm back, and wake the progress thread, which has to end and
 * may be in a long sleep. */
static void give_stopped(ferry *engine)
{
	/* while the progress thread sleeps it cannot end: to end it needs the helm */
	bool asleep = fy_load_acquire_32(&engine->at_helm.asleep);
	if (asleep)
		fy_wake_announce(&engine->wake, true);
	fy_helm_give(engine);
	if (asleep)
		fy_wake_up(&engine->wake);
}

/* Step as long as something happens. Called with the helm. False: this thread should not drive any
 * more. */
static bool drive_on(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until,
                     bool user_code)
{
	struct fy_progress *p = fy_progress_of(engine);
	fy_wake_stay(&engine->wake);
	while (!p->close.stopped && !ready(arg)) {
		bool worked = fy_step_once(p, user_code);
		if ((!user_code && fy_step_owes_code(p)) || p->link.now >= until)
			return false; /* even if there is much to do for others */
		if (worked)
			continue;
		struct fy_signals s = { .idle_for = p->link.now - p->link.worked_at,
			                .user_code = user_code };
		fy_pace_large(p, &s);
		enum fy_drive drive = fy_policy_drive(p->policy, &s);
		if (drive != FY_DRIVE_ON)
			return drive == FY_DRIVE_LEND;
	}
	return false;
}

/* Waiting threads take turns. Each steps, and lets the others have the helm when nothing happens.
 * So what they post meanwhile leaves at once, and the one that runs next sees what comes. */
static void take_turns(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                       int64_t until)
{
	struct fy_progress *p = fy_progress_of(engine);
	bool goes_on = true, counted = false, in_a_crowd = fy_habit_is_beside_floods(engine);
	for (int tries = 0; goes_on && tries < p->policy->drive.drive_tries && !ready(arg);
	     sched_yield()) {
		if (!fy_helm_try(engine)) {
			if (in_a_crowd)
				return;
			tries++;
			continue;
		}
		tries = 0;
		if (!counted)
			fy_add_64(&engine->totals.lends, 1);
		counted = true;
		goes_on = !fy_engine_has_stopped(engine) &&
		          drive_on(engine, ready, arg, until, false);
		if (fy_engine_has_stopped(engine))
			give_stopped(engine);
		else if (fy_step_owes_code(p))
			hand_back(engine); /* only the progress thread runs user code */
		else
			fy_helm_give(engine);
		if (!goes_on)
			return;
	}
}

/* The last driver hands the engine back. A thread that begins to drive meanwhile gets the helm
 * after that. */
static void stop_driving(ferry *engine, bool unattended)
{
	if (fy_sub_32(&engine->at_helm.drivers, 1) != 1 || unattended || !fy_helm_try(engine))
		return;
	if (fy_engine_has_stopped(engine))
		give_stopped(engine);
	else
		hand_back(engine);
}

void fy_drive_until(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	if (!engine->at_helm.lendable || ready(arg))
		return;
	int cancel = fy_cancel_later();
	fy_add_32(&engine->at_helm.drivers, 1);
	take_turns(engine, ready, arg, until);
	stop_driving(engine, false);
	fy_cancel_as(cancel);
}

/* Called with the helm. May this thread leave without waking the progress thread? Only if the
 * progress thread will wake soon anyway, and this thread's next wait does all that is left. */
static bool may_leave(ferry *engine)
{
	bool naps = !fy_load_acquire_32(&engine->at_helm.asleep) ||
	            fy_load_acquire_32(&engine->at_helm.napping);
	return naps && !fy_step_owes_code(fy_progress_of(engine)) &&
	       !fy_progress_of(engine)->link.dirty;
}

bool fy_drive_steer(ferry *engine, bool (*ready)(const void *arg), const void *arg)
{
	bool left = false;
	if (!engine->at_helm.lendable)
		return false;
	int cancel = fy_cancel_later();
	fy_add_32(&engine->at_helm.drivers, 1);
	if (fy_helm_try(engine)) {
		fy_add_64(&engine->totals.lends, 1);
		if (!fy_engine_has_stopped(engine)) {
			fy_wake_stay(&engine->wake);
			fy_step_once(fy_progress_of(engine), false);
			/* an acknowledgement may have waited to be sent together with more */
			if (fy_progress_of(engine)->link.dirty)
				fy_step_once(fy_progress_of(engine), false);
			left = ready(arg) && may_leave(engine);
		}
		fy_helm_give(engine);
	}
	stop_driving(engine, left);
	fy_cancel_as(cancel);
	return left;
}

static void drive_alone_once(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                             int64_t until)
{
	fy_add_64(&engine->totals.lends, 1);
	while (drive_on(engine, ready, arg, until, true))
		sched_yield();
}

/* Sleep, on behalf of an engine without a progress thread: announce, look once more, sleep. Called
 * with the helm, returns without it. */
static void sleep_alone(ferry *engine, int64_t until)
{
	struct fy_progress *p = fy_progress_of(engine);
	fy_wake_announce(&engine->wake, false);
	bool more = fy_step_once(p, true) || fy_step_has_input(p, true);
	int64_t t = fy_pace_sleep_time(p, false);
	if (until != INT64_MAX && until - p->link.now < t)
		t = until - p->link.now;
	fy_helm_give(engine);
	if (!more && t > 0)
		fy_wake_sleep(&engine->wake, t);
	else
		fy_wake_stay(&engine->wake);
}

/* Without a progress thread a thread that waits drives until its wait is over. */
static void drive_alone(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                        int64_t until)
{
	int cancel = fy_cancel_later();
	/* this thread may be in a handler, whose tag must not get onto what other code posts */
	uint32_t tag = fy_thread_tag_posts(engine, 0);
	while (!ready(arg) && fy_clock_now() < until && !fy_engine_has_stopped(engine)) {
		fy_helm_take(engine);
		drive_alone_once(engine, ready, arg, until);
		if (ready(arg) || fy_progress_of(engine)->close.stopped)
			fy_helm_give(engine);
		else
			sleep_alone(engine, until);
	}
	fy_thread_tag_posts(engine, tag);
	fy_cancel_as(cancel);
}

void fy_drive_help(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	if (engine->options.flags & FERRY_NO_THREAD)
		drive_alone(engine, ready, arg, until);
	else
		fy_drive_until(engine, ready, arg, until);
}

static bool close_is_over(const void *arg)
{
	return fy_progress_of(arg)->close.stopped;
}

int64_t fy_drive_close_look(const ferry *engine, int64_t begun)
{
	int64_t now = fy_clock_now();
	return now + (now - begun < FERRY_S(1) ? engine->policy.close.close_look
	                                       : engine->policy.close.close_look_later);
}

/* Looks whether the close is over only with the helm, because another thread may still be inside of
 * the last step. */
void fy_drive_close(ferry *engine, void (*look)(void *arg), void *arg)
{
	int64_t begun = fy_clock_now();
	for (bool over = false; !over;) {
		fy_future_queue_engine_closing(engine);
		fy_helm_take(engine);
		drive_alone_once(engine, close_is_over, engine, fy_drive_close_look(engine, begun));
		over = close_is_over(engine);
		look(arg);
		if (over)
			fy_helm_give(engine);
		else
			sleep_alone(engine, fy_drive_close_look(engine, begun));
	}
}

int ferry_progress(ferry *engine, int64_t timeout)
{
	if (!engine || !fy_clock_timeout_ok(timeout))
		return fy_fail(
			FERRY_EINVAL,
			"ferry_progress needs an engine and a timeout >= 0 or FERRY_FOREVER");
	if (!(engine->options.flags & FERRY_NO_THREAD))
		return fy_fail(
			FERRY_EINVAL,
			"ferry_progress is for engines that were opened with FERRY_NO_THREAD");
	if (fy_thread_on_progress(engine))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_progress cannot be called in a handler or callback");
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int64_t until = fy_clock_until(fy_clock_now(), timeout);
	bool worked, stopped;
	int cancel = fy_cancel_later();
	uint32_t tag = fy_thread_tag_posts(engine, 0);
	for (;;) {
		fy_helm_take(engine);
		stopped = fy_progress_of(engine)->close.stopped;
		worked = !stopped && fy_step_once(fy_progress_of(engine), true);
		if (worked || stopped || fy_clock_now() >= until)
			break;
		sleep_alone(engine, until);
	}
	fy_helm_give(engine);
	fy_thread_tag_posts(engine, tag);
	fy_engine_leave(engine);
	fy_cancel_as(cancel);
	if (stopped)
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	return worked ? FERRY_OK : FERRY_PENDING;
}
