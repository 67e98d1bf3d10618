/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Habits: what a thread did lately. They decide what it does at its next wait, or post without
 * room. Each thread writes its own, in its lane; the helm may read them.
 */
#include "shared/habit.h"

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/policy_table.h"
#include "shared/thread.h"

/*
 * A call when the progress thread sleeps. To wake it takes 5 to 30 us where processors are virtual.
 * So a thread that usually waits after its calls does not wake it. It sends the call itself, and
 * leaves the rest to its wait, which drives: also what MPI has under way then. If the last wait
 * began within `waits_at_once` it leaves the sending to the wait, too, which then has the helm once
 * for both. If the thread does not wait after all, the call stays in its lane until the progress
 * thread's nap ends, 1 ms at most. A thread whose wait began more than `waits_soon` after the call,
 * twice in a row, is not treated so for its next `slow_waits` waits.
 */
enum fy_after_post fy_habit_after_post(const struct fy_policy *policy,
                                       const struct fy_habit_signals *s)
{
	if (!s->quick || !s->may_drive || !policy->post.post_drives)
		return FY_POST_WAKES;
	if (s->slow)
		return FY_POST_DRIVES;
	return s->at_once && s->napping ? FY_POST_LEAVES : FY_POST_STEERS;
}

/*
 * A poster without room drives, or lets others come first.
 *
 * A driving thread occupies a processor. That is fine when every thread wants throughput. But
 * threads that wait for futures should go first, so beside such threads a poster without room
 * sleeps. (Beside 15 such posters, on two processors, 99 % of a thread's round trips took less than
 * 4 ms in this way, and 20 ms when the posters drove. With no other threads, posters that drive get
 * a third more through.) Others count as waiting if, of the times when this thread had no room,
 * more than one in `others_step` saw a new wait.
 */
bool fy_habit_sleeps_without_room(const struct fy_policy *policy, const struct fy_habit_signals *s)
{
	return s->may_drive && s->others > policy->post.others_step;
}

bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e)
{
	uint64_t waits = fy_load_relaxed_64(&e->pressure.waits);
	fy_habit_note(&lane->habit.waits_level, waits != lane->habit.waits_seen,
	              (uint32_t)e->policy.post.others_step, (uint32_t)e->policy.post.others_max);
	lane->habit.waits_seen = waits;
	struct fy_habit_signals s = { .others = lane->habit.waits_level,
		                      .may_drive = !(e->options.flags & FERRY_NO_THREAD) };
	return fy_habit_sleeps_without_room(&e->policy, &s);
}

/*
 * A thread that waits while others flood the engine sleeps immediately if the helm is taken.
 * Yielding would put it behind all of them in the run queue, for some 0.1 ms each time, and nobody
 * wakes a thread that has only yielded. A thread that sleeps on its future is woken as soon as its
 * answer is there. Others count as floods if they had no room between more than one in
 * `floods_step` of this thread's waits.
 */
bool fy_habit_sleeps_at_helm(const struct fy_policy *policy, const struct fy_habit_signals *s)
{
	return s->floods > policy->post.floods_step;
}

static void note_floods(struct fy_lane *lane)
{
	uint64_t full = fy_load_relaxed_64(&lane->engine->pressure.lane_full);
	const struct fy_policy *policy = &lane->engine->policy;
	fy_habit_note(&lane->habit.floods_level,
	              full != lane->habit.full_seen && !lane->habit.waited_for_room,
	              (uint32_t)policy->post.floods_step, (uint32_t)policy->post.floods_max);
	lane->habit.full_seen = full;
}

bool fy_habit_is_beside_floods(const ferry *engine)
{
	if (fy_thread_recent.serial != engine->serial)
		return false;
	struct fy_habit_signals s = { .floods = fy_thread_recent.lane->habit.floods_level };
	return fy_habit_sleeps_at_helm(&engine->policy, &s);
}

void fy_habit_left(struct fy_lane *lane, const ferry_future *future)
{
	lane->habit.left_at = fy_clock_now();
	lane->habit.left_for = future;
}

/* A thread that has many calls under way waits for another one than its last: to leave that one
 * would hold up all of them. */
static void note_gap(struct fy_lane *lane, const ferry_future *future)
{
	const struct fy_policy *policy = &lane->engine->policy;
	const ferry_future *left_for = lane->habit.left_for;
	uint32_t slow_waits = (uint32_t)policy->post.slow_waits;
	int64_t gap = lane->habit.left_at ? fy_clock_now() - lane->habit.left_at : 0;
	bool late = left_for && gap > policy->post.waits_soon;
	/* only the second time: once may be the scheduler's doing */
	fy_habit_note(&lane->habit.slow, late && lane->habit.late, slow_waits, slow_waits);
	if (!lane->habit.left_at)
		return;
	lane->habit.at_once[left_for != NULL] =
		gap < policy->post.waits_at_once && (!left_for || left_for == future);
	if (left_for)
		lane->habit.late = late;
}

void fy_habit_waits(struct fy_lane *lane, const ferry_future *future)
{
	note_floods(lane);
	note_gap(lane, future);
	lane->habit.left_at = 0;
	lane->habit.behind = 0;
	lane->quick = 1;
}
