/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driving: threads that take the helm while they wait. Any thread of the application.
 *
 * The holder of the helm may step the engine. The progress thread lets go of the helm when it
 * yields or sleeps. Threads that wait take a free helm in turns. Each of them steps until what it
 * waits for is there, or until steps move nothing any more. They run no user code meanwhile. One
 * that is alone keeps the helm between its looks.
 *
 * The last of them leaves the engine as the first one found it: the progress thread asleep, and
 * its sleep announced. If that sleep is a nap, and nothing is under way, it does no more than that.
 * What came since its last look is found when the nap ends, or by its next wait. Else it hands the
 * engine back by the same protocol as going to sleep (announce, look once more), and wakes that
 * thread if there is something to do.
 *
 * While threads drive the progress thread stands by: it sleeps on the wake word without announcing
 * it, because the last driver will do that. It sets `asleep`, fences, and looks whether any thread
 * is counted in `drivers`. The last driver counts itself out, by a read-modify-write, and then
 * looks at `asleep`. So if the progress thread saw a driver, the last driver sees it asleep. That
 * sleep is a nap, because a wake-up may have come just before. tests/models/helm.pml has the
 * hand-over as a model.
 *
 * The one exception to "no user code" is for handlers of FERRY_ANYWHERE, on threads of which the
 * program knows that they wait (fy_drive_wait): see inline.c. A thread that drives in a post, or
 * until a command is done, runs none, because the program may hold a lock there.
 *
 * A thread that posts and will probably wait soon (shared/habit.c) drives once, and leaves without
 * an announcement, or leaves its post to that wait altogether. So other threads spend no wake-up on
 * what its wait will see. It does this only while the progress thread naps, so that that thread
 * comes by itself if the wait does not.
 *
 * Without a progress thread (FERRY_NO_THREAD) every thread that waits drives, and runs user code as
 * well.
 */
#include "helm/drive.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/queue.h"
#include "helm/helm.h"
#include "helm/pace.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "shared/company.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/thread.h"
#include "shared/wake.h"
#include "trace/trace.h"

/* What of the program's code may run on a thread that drives: none, handlers of FERRY_ANYWHERE
 * because the program knows that it waits, or all. */
enum code { NO_CODE, GUESTS, ALL_CODE };

static bool step_with(struct fy_progress *p, enum code code)
{
	return code == GUESTS ? fy_step_as_guest(p) : fy_step_once(p, code == ALL_CODE);
}

/* Called with the helm. */
static void count_lend(ferry *engine)
{
	fy_store_release_64(&engine->totals.lends, engine->totals.lends + 1);
}

/* The last driver gives the engine back in the state in which the first one found it: the progress
 * thread asleep, and others ringing. If that thread has something to do it is woken. */
static void hand_back(ferry *engine, enum code code)
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
		step_with(p, code);
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

/* Nothing happened in the last step. */
static enum fy_drive after_nothing(struct fy_progress *p, enum code code)
{
	struct fy_signals s = { .idle_for = p->link.now - p->link.worked_at,
		                .user_code = code == ALL_CODE };
	fy_pace_large(p, &s);
	s.company.drives_alone =
		code == ALL_CODE || fy_load_relaxed_32(&p->link.engine->at_helm.drivers) == 1;
	fy_pace_take_company(p, &s);
	return fy_policy_drive(p->policy, &s);
}

/* This thread begins to drive. */
static void came_back(struct fy_progress *p)
{
	p->pace.comes_back = fy_policy_comes_back(p->policy, p->link.now - p->pace.left_at);
}

/* Step until it is ready, or nothing happens any more. Called with the helm. FY_DRIVE_LEND: others
 * may have the helm for a moment. */
static enum fy_drive drive_untraced(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                                    int64_t until, enum code code)
{
	struct fy_progress *p = fy_progress_of(engine);
	p->link.worked = false; /* the time since the last step was none of a step */
	fy_wake_stay(&engine->wake);
	/* first, because looks at MPI take time */
	bool begun = !p->close.stopped && fy_step_send(p);
	if (begun)
		came_back(p);
	while (!p->close.stopped && !ready(arg)) {
		bool worked = step_with(p, code);
		if (!begun)
			came_back(p);
		begun = true;
		if ((code != ALL_CODE && fy_step_owes_code(p)) || p->link.now >= until)
			return FY_DRIVE_LEAVE; /* even if there is much to do for others */
		enum fy_drive drive = worked ? FY_DRIVE_ON : after_nothing(p, code);
		if (drive != FY_DRIVE_ON)
			return drive;
		if (!worked)
			fy_company_pause();
	}
	return FY_DRIVE_LEAVE;
}

static enum fy_drive drive_on(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                              int64_t until, enum code code)
{
	struct fy_trace *trace = fy_progress_of(engine)->link.trace;
	if (fy_likely(!trace))
		return drive_untraced(engine, ready, arg, until, code);
	uint64_t head = trace->head;
	int64_t begun = fy_trace_now(trace);
	enum fy_drive drive = drive_untraced(engine, ready, arg, until, code);
	fy_trace_lent(trace, begun, fy_progress_of(engine)->link.now, head);
	return drive;
}

/* Called with the helm. May this thread leave to its next wait, which mostly begins at once,
 * without waking the progress thread? Only if that thread naps, and it is not the one who has to
 * act. What MPI has of ours waits until then: to wake a thread for it takes longer. */
static bool may_leave_to_wait(ferry *engine)
{
	struct fy_progress *p = fy_progress_of(engine);
	bool naps = !fy_load_acquire_32(&engine->at_helm.asleep) ||
	            fy_load_acquire_32(&engine->at_helm.napping);
	return naps && !fy_step_owes_code(p) && !p->link.freed && !p->commands.press &&
	       !(p->timers.n && fy_policy_looks_soon(p->policy, fy_pace_sleep_time(p, false)));
}

/* Behind its wait: only if nothing wants a look before that thread wakes by itself. */
static bool may_leave(ferry *engine)
{
	return may_leave_to_wait(engine) && !fy_pace_is_under_way(fy_progress_of(engine));
}

/* Others ring from here on. What came since the last step is found when the nap ends, or by this
 * thread's next wait. */
static void leave(ferry *engine)
{
	struct fy_progress *p = fy_progress_of(engine);
	p->pace.left_at = p->link.now;
	if (p->pace.comes_back)
		fy_wake_announce_here(&engine->wake);
	else if (fy_load_acquire_32(&engine->at_helm.asleep))
		fy_wake_announce(&engine->wake, true);
	fy_helm_give(engine);
}

/* A driver gives the helm. The last one leaves the engine, or hands it back. */
static void give(ferry *engine, enum code code, bool last)
{
	if (fy_engine_has_stopped(engine))
		give_stopped(engine);
	else if (last && may_leave(engine))
		leave(engine);
	else if (last || fy_step_owes_code(fy_progress_of(engine)))
		hand_back(engine, code); /* only the progress thread runs user code */
	else
		fy_helm_give(engine);
}

/* Nobody drives any more: leave the engine, or hand it back. A thread that begins to drive
 * meanwhile gets the helm after that. */
static void give_if_free(ferry *engine, enum code code)
{
	if (fy_helm_try(engine))
		give(engine, code, true);
}

/* True: this thread drives no more. It counts itself out with the helm, so that it need not take
 * that again. If another one counts itself out before the helm is given, and so is the last one, it
 * finds the helm taken, and leaves the rest to this thread. */
static bool take_turn(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until,
                      enum code code)
{
	enum fy_drive drive = FY_DRIVE_LEAVE;
	if (!fy_engine_has_stopped(engine))
		drive = drive_on(engine, ready, arg, until, code);
	bool leaves = drive == FY_DRIVE_LEAVE;
	bool last = leaves && fy_sub_32(&engine->at_helm.drivers, 1) == 1;
	give(engine, code, last);
	if (leaves && !last && !fy_load_acquire_32(&engine->at_helm.drivers))
		give_if_free(engine, code);
	return leaves;
}

/* Waiting threads take turns. Each steps, and lets the others have the helm when nothing happens.
 * So what they post meanwhile leaves at once, and the one that runs next sees what comes. True:
 * this thread has counted itself out. */
static bool take_turns(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                       int64_t until, enum code code)
{
	const struct fy_policy *policy = &engine->policy;
	bool counted = false, in_a_crowd = fy_habit_is_beside_floods(engine);
	int tries = 0;
	while (!ready(arg)) {
		if (fy_helm_try(engine)) {
			tries = 0;
			if (!counted)
				count_lend(engine);
			counted = true;
			if (take_turn(engine, ready, arg, until, code))
				return true;
		} else if (in_a_crowd || fy_company_here.who == FY_STRANGER ||
		           ++tries >= policy->drive.drive_tries) {
			return false;
		}
		fy_company_rest(policy, fy_load_relaxed_32(&engine->at_helm.drivers) == 1);
	}
	return false;
}

/* Without the helm. If that is taken its holder looks at `drivers` once it has given it, or takes
 * over. */
static void stop_driving(ferry *engine, bool unattended, enum code code)
{
	if (fy_sub_32(&engine->at_helm.drivers, 1) == 1 && !unattended)
		give_if_free(engine, code);
}

/* With a progress thread: drive beside it. */
static void drive_beside(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                         int64_t until, enum code code)
{
	if (!engine->at_helm.lendable || ready(arg))
		return;
	int cancel = fy_cancel_later();
	fy_add_32(&engine->at_helm.drivers, 1);
	if (!take_turns(engine, ready, arg, until, code))
		stop_driving(engine, false, code);
	fy_cancel_as(cancel);
}

void fy_drive_until(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	drive_beside(engine, ready, arg, until, NO_CODE);
}

bool fy_drive_steer(ferry *engine, bool (*ready)(const void *arg), const void *arg)
{
	bool left = false;
	if (!engine->at_helm.lendable)
		return false;
	int cancel = fy_cancel_later();
	fy_add_32(&engine->at_helm.drivers, 1);
	if (fy_helm_try(engine)) {
		count_lend(engine);
		if (!fy_engine_has_stopped(engine)) {
			fy_wake_stay(&engine->wake);
			fy_progress_of(engine)->link.worked = false;
			fy_step_once(fy_progress_of(engine), false);
			/* an acknowledgement may have waited to be sent together with more */
			if (fy_progress_of(engine)->link.dirty)
				fy_step_once(fy_progress_of(engine), false);
			left = ready(arg) && may_leave_to_wait(engine);
		}
		fy_helm_give(engine);
	}
	stop_driving(engine, left, NO_CODE);
	fy_cancel_as(cancel);
	return left;
}

static void drive_alone_once(ferry *engine, bool (*ready)(const void *arg), const void *arg,
                             int64_t until)
{
	count_lend(engine);
	while (drive_on(engine, ready, arg, until, ALL_CODE) == FY_DRIVE_LEND)
		fy_company_rest(&engine->policy, true);
}

static void sleep_seen(ferry *engine, int64_t time, int64_t until, struct fy_trace *trace)
{
	struct fy_wait wait = fy_waiting_of(FY_WAITS_DRIVING, engine, NULL, until);
	struct fy_waiting_place place;
	int64_t begun = trace ? fy_trace_now(trace) : 0;
	fy_waiting_begin(&place, &wait);
	fy_wake_sleep(&engine->wake, time);
	fy_waiting_end(&place);
	if (trace)
		fy_trace_slept_aside(trace, begun, fy_trace_now(trace));
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
	struct fy_trace *trace = p->link.trace;
	fy_helm_give(engine);
	if (!more && t > 0)
		sleep_seen(engine, t, until, trace);
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

void fy_drive_wait(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	/* inside of inline code of another engine: its locks and its checks are that code's */
	enum code code = fy_thread_on_progress(NULL) ? NO_CODE : GUESTS;
	if (engine->options.flags & FERRY_NO_THREAD)
		drive_alone(engine, ready, arg, until);
	else
		drive_beside(engine, ready, arg, until, code);
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
	if (!engine || !fy_timeout_ok(timeout))
		return fy_fail(
			FERRY_EINVAL,
			"ferry_progress needs an engine and a timeout >= 0 or FERRY_FOREVER");
	if (!(engine->options.flags & FERRY_NO_THREAD))
		return fy_fail(
			FERRY_EINVAL,
			"ferry_progress is for engines that were opened with FERRY_NO_THREAD");
	if (fy_thread_must_not_wait(engine))
		return fy_fail(FERRY_EDEADLK,
		               "ferry_progress cannot be called in a handler or callback");
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int64_t until = fy_timeout_in(timeout);
	bool worked, stopped;
	int cancel = fy_cancel_later();
	uint32_t tag = fy_thread_tag_posts(engine, 0);
	for (;;) {
		fy_helm_take(engine);
		stopped = fy_progress_of(engine)->close.stopped;
		fy_progress_of(engine)->link.worked = false;
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
