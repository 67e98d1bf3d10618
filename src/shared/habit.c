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
#include "shared/thread.h"

/*
 * A poster without room drives, or lets others come first.
 *
 * A driving thread occupies a processor. That is fine when every thread wants throughput. But
 * threads that wait for futures should go first, so beside such threads a poster without room
 * sleeps. (Beside 15 such posters, on two processors, 99 % of a thread's round trips took less than
 * 4 ms in this way, and 20 ms when the posters drove. With no other threads, posters that drive get
 * a third more through.) Others count as waiting if, of the times when this thread had no room,
 * more than one in 16 saw a new wait.
 */
#define OTHERS_STEP 16u
#define OTHERS_MAX 64u

bool fy_habit_others_come_first(struct fy_lane *lane, const ferry *e)
{
	uint64_t waits = fy_load_relaxed_64(&e->pressure.waits);
	fy_habit_note(&lane->habit.waits_level, waits != lane->habit.waits_seen, OTHERS_STEP,
	              OTHERS_MAX);
	lane->habit.waits_seen = waits;
	return lane->habit.waits_level > OTHERS_STEP && !(e->options.flags & FERRY_NO_THREAD);
}

/*
 * A call when the progress thread sleeps. To wake it takes 5 to 30 us where processors are virtual.
 * So a thread that usually waits after its calls does not wake it. It sends the first call itself,
 * and leaves later ones to its wait, which drives. If it does not wait after all, those stay in its
 * lane until the progress thread's nap ends, 1 ms at most. A thread whose wait began more than
 * WAITS_SOON after the call, twice in a row, is not treated so for its next SLOW_WAITS waits.
 */
#define WAITS_SOON FERRY_US(30)
#define SLOW_WAITS 32u

/*
 * A thread that waits while others flood the engine sleeps immediately if the helm is taken.
 * Yielding would put it behind all of them in the run queue, for some 0.1 ms each time, and nobody
 * wakes a thread that has only yielded. A thread that sleeps on its future is woken as soon as its
 * answer is there. Others count as floods if they had no room between more than one in four of this
 * thread's waits.
 */
#define FLOODS_STEP 4u
#define FLOODS_MAX 16u

static void note_floods(struct fy_lane *lane)
{
	uint64_t full = fy_load_relaxed_64(&lane->engine->pressure.lane_full);
	fy_habit_note(&lane->habit.floods_level,
	              full != lane->habit.full_seen && !lane->habit.waited_for_room, FLOODS_STEP,
	              FLOODS_MAX);
	lane->habit.full_seen = full;
}

bool fy_habit_is_beside_floods(const ferry *engine)
{
	return fy_thread_recent.serial == engine->serial &&
	       fy_thread_recent.lane->habit.floods_level > FLOODS_STEP;
}

void fy_habit_waits(struct fy_lane *lane)
{
	note_floods(lane);
	bool late = lane->habit.steered_at && fy_clock_now() - lane->habit.steered_at > WAITS_SOON;
	/* only the second time: once may be the scheduler's doing */
	fy_habit_note(&lane->habit.slow, late && lane->habit.late, SLOW_WAITS, SLOW_WAITS);
	if (lane->habit.steered_at)
		lane->habit.late = late;
	lane->habit.steered_at = 0;
	lane->quick = 1;
}
