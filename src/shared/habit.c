/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Habits: what a thread did lately, from which the next wait or post without room is judged. Each
 * thread has its own, in its lane; the helm may read.
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
 * Who drives keeps a processor, which is well while all are after throughput. But where threads
 * wait for futures all the time these come first, and others sleep until there is room. (Beside 15
 * such posters, on two processors, 99 % of a thread's round trips took less than 4 ms in this way,
 * and 20 ms when the posters drove; posting alone they get a third more through when they drive.)
 * More than one wait in 16 times without room counts as all the time.
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
 * Somebody sleeps. To wake a thread takes 5 to 30 us where processors are virtual, so a thread that
 * is in the habit of waiting does not do it for what it posts before: it sends the first one
 * itself, and leaves what follows to its wait, which drives. If it does not wait, that stays where
 * it is until the progress thread's nap ends, a millisecond at the most; a thread that let it wait
 * for long twice is not believed for some time.
 */
#define WAITS_SOON FERRY_US(30)
#define SLOW_WAITS 32u

/*
 * Who waits beside threads that post without a pause sleeps at once when it cannot have the helm.
 * To yield would put it behind all of them, for some 0.1 ms each time, and nobody wakes a thread
 * that has only yielded; what sleeps on its future is woken as soon as the answer is there. More
 * than one wait in four beside somebody without room counts.
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
	/* once may be the scheduler's doing */
	fy_habit_note(&lane->habit.slow, late && lane->habit.late, SLOW_WAITS, SLOW_WAITS);
	if (lane->habit.steered_at)
		lane->habit.late = late;
	lane->habit.steered_at = 0;
	lane->quick = 1;
}
