/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep and wake-up (shared/wake.c): a sleeper, givers of this process, a rank of this host that
 * rings, and the end.
 */
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "schedules/schedule.h"
#include "schedules/step.h"
#include "shared/wake.h"

static struct fy_wake wake;
static uint32_t *word;  /* shared with other ranks */
static uint32_t work;   /* what was given: atomic add */
static uint32_t taken;  /* the sleeper's */
static uint32_t wanted; /* so much in all */

static void begin_with(uint32_t gifts)
{
	word = calloc(1, sizeof *word);
	fy_wake_init(&wake);
	fy_wake_share(&wake, word);
	wanted = gifts;
}

static void begin_two(void)
{
	begin_with(2);
}

static void end_all(void)
{
	SCHEDULE_CHECK(taken == wanted);
	free(word);
}

static bool look(void)
{
	uint32_t seen = fy_load_acquire_32(&work);
	bool any = seen != taken;
	taken = seen;
	return any;
}

/* As helm/loop.c sleeps. */
static void sleep_until_work(bool nap)
{
	while (taken < wanted) {
		if (look())
			continue;
		fy_wake_announce(&wake, nap);
		if (look())
			fy_wake_stay(&wake);
		else
			fy_wake_sleep(&wake, nap ? FERRY_MS(1) : FERRY_S(60));
	}
}

static void sleeper(void)
{
	sleep_until_work(false);
}

static void giver(void)
{
	fy_add_32(&work, 1);
	fy_wake_check(&wake);
}

static void ringer(void)
{
	fy_add_32(&work, 1);
	fy_wake_ring(word);
}

/* ---- one announces for another one that sleeps (helm/drive.c) ------------------------- */

static uint32_t asleep, driven; /* as at_helm has them */

static void begin_one(void)
{
	begin_with(1);
	driven = 1;
}

/* Sleeps without an announcement, while the other one drives. */
static void stands_by(void)
{
	while (taken < wanted) {
		uint32_t seen = fy_wake_seen(&wake);
		fy_store_release_32(&asleep, 1);
		fy_fence_full();
		if (fy_load_acquire_32(&driven))
			fy_wake_nap(&wake, seen, FERRY_S(60));
		else
			schedule_yield();
		fy_store_release_32(&asleep, 0);
		look();
	}
	fy_wake_stay(&wake);
}

static void drives(void)
{
	fy_wake_stay(&wake);
	fy_swap_32(&driven, 0);
	if (!fy_load_acquire_32(&asleep))
		return;
	fy_wake_announce_here(&wake);
	if (fy_load_acquire_32(&work))
		fy_wake_up(&wake);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* What was shared is unmapped, while others still give. */
static void stopper(void)
{
	fy_wake_announce(&wake, false);
	fy_wake_stop(&wake);
	fy_wake_part(&wake);
	free(word);
	word = NULL;
}

static void late_giver(void)
{
	if (fy_wake_look(&wake) == 1)
		fy_wake_up(&wake);
}

static void end_stopped(void)
{
	SCHEDULE_CHECK(fy_wake_look(&wake) == FY_WAKE_STOPPED);
}

static const struct schedule_case cases[] = {
	{ .name = "sleep",
	  .begin = begin_two,
	  .threads = { sleeper, giver, ringer },
	  .end = end_all,
	  .mistakes = { { "fy_wake_announce", "store", SCHEDULE_LATE },
	                { "fy_wake_ring", "cas", SCHEDULE_LEFT_OUT } } },
	{ .name = "stand-by",
	  .begin = begin_one,
	  .threads = { stands_by, drives, giver },
	  .end = end_all,
	  .mistakes = { { "end_sleep", "cas", SCHEDULE_LEFT_OUT } } },
	{ .name = "stop",
	  .begin = begin_two,
	  .threads = { stopper, late_giver, late_giver },
	  .end = end_stopped,
	  .mistakes = { { "fy_wake_up", "add", SCHEDULE_LATE } } },
};

int main(void)
{
	return schedule_main(cases, sizeof cases / sizeof cases[0]);
}
