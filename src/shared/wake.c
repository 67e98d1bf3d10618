/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep and wake: how the progress thread sleeps, and how others wake it. Any thread wakes; wake.h
 * has the protocol. */
#include "shared/wake.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/timeout.h"

void fy_wake_init(struct fy_wake *wake)
{
	*wake = (struct fy_wake){ .word = &wake->alone,
		                  .giver_fences = !fy_barrier_is_everywhere() };
}

void fy_wake_share(struct fy_wake *wake, uint32_t *word)
{
	wake->word = word;
	wake->shared = 1;
}

void fy_wake_fence(void)
{
	fy_fence_full();
}

/* The next even number: the word also says so if it was even before, because the announcement was
 * to this process only. */
static void end_sleep(uint32_t *word)
{
	uint32_t seen;
	do {
		seen = fy_load_relaxed_32(word);
	} while (!fy_cas_32(word, seen, (seen | 1) + 1));
}

/* Counting itself in `wakers` is a full fence. So either fy_wake_stop waits for this thread, or the
 * compare and swap sees FY_WAKE_STOPPED. */
void fy_wake_up(struct fy_wake *wake)
{
	fy_add_32(&wake->wakers, 1);
	if (fy_cas_32(&wake->own, 1, 0)) {
		end_sleep(wake->word);
		fy_add_64(&wake->wakes, 1);
		fy_futex_wake(wake->word, 1, wake->shared);
	}
	fy_sub_32(&wake->wakers, 1);
}

/* Only for a thread with the helm, and while the engine has not stopped. */
void fy_wake_announce(struct fy_wake *wake, bool nap)
{
	uint32_t word;
	do { /* a wake-up for the sleep before may come only now */
		word = fy_load_relaxed_32(wake->word);
	} while (!(word & 1) && !fy_cas_32(wake->word, word, word + 1));
	fy_store_release_32(&wake->own, 1);
	if (nap)
		fy_fence_full();
	else
		fy_barrier_everywhere();
}

void fy_wake_announce_here(struct fy_wake *wake)
{
	fy_store_release_32(&wake->own, 1);
}

bool fy_wake_sleep(struct fy_wake *wake, int64_t nanoseconds)
{
	uint32_t word = fy_load_acquire_32(wake->word);
	if (word & 1)
		fy_futex_wait(wake->word, word, fy_timeout_in(nanoseconds), wake->shared);
	bool rung = wake->shared && !(fy_load_acquire_32(wake->word) & 1) &&
	            fy_load_acquire_32(&wake->own) == 1;
	fy_wake_stay(wake);
	return rung;
}

uint32_t fy_wake_seen(const struct fy_wake *wake)
{
	return fy_load_acquire_32(wake->word);
}

void fy_wake_nap(struct fy_wake *wake, uint32_t seen, int64_t nanoseconds)
{
	fy_futex_wait(wake->word, seen, fy_clock_now() + nanoseconds, wake->shared);
}

/* A thread that slept while the engine stopped calls this as well: `own` then stays
 * FY_WAKE_STOPPED. */
void fy_wake_stay(struct fy_wake *wake)
{
	if (fy_load_relaxed_32(&wake->own) == 1)
		fy_cas_32(&wake->own, 1, 0);
	uint32_t word = fy_load_relaxed_32(wake->word);
	if (word & 1)
		fy_cas_32(wake->word, word, word + 1); /* else somebody rang just now */
}

void fy_wake_stop(struct fy_wake *wake)
{
	fy_swap_32(&wake->own, FY_WAKE_STOPPED);
	fy_barrier_everywhere();
	while (fy_load_acquire_32(&wake->wakers))
		sched_yield();
}

void fy_wake_part(struct fy_wake *wake)
{
	wake->word = &wake->alone;
	wake->shared = 0;
}

void fy_wake_ring(uint32_t *word)
{
	fy_fence_full();
	uint32_t seen = fy_load_relaxed_32(word);
	if (seen & 1 && fy_cas_32(word, seen, seen + 1))
		fy_futex_wake(word, 1, true);
}
