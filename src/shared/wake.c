/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep and wake.
 *
 * The progress thread sleeps on a word. Whoever gives it work (a record in a
 * lane, a task, a command, a batch from a rank of this host) does so first and looks at the
 * word afterwards; the sleeper sets the word first and looks for work afterwards. With
 * a full fence between the two on both sides, either the giver sees a sleeper or
 * the sleeper sees the work. The givers are many and frequent, so where the
 * kernel has membarrier(2) (private expedited) the sleeper pays for both: the call makes every
 * running thread of the process pass a full fence. Where there is none the
 * givers fence (`giver_fences`). Ranks of the same host, which no membarrier of ours
 * reaches, always fence before they look (fy_wake_ring).
 *
 * That call is dear where processors are virtual (10 to 30 us were measured), so it is kept for
 * sleeps that are long. A *nap* of at most FY_NAP is announced with a fence of the sleeper alone.
 * Then a giver whose store is still on its way when it looks can miss the sleeper; it takes a store
 * that is slower than the sleeper's whole second look, and costs the rest of the nap. Threads that
 * wait for room in a lane take the same chance, and look again after a while (lane.c).
 *
 * There are two words, because the one that other processes ring is unmapped when the engine
 * closes, and a thread that posts at that moment must not touch it. Both are written to 1 by the
 * sleeper and to 0 by the sleeper or by who wakes it (compare and swap); `own` is read by givers of
 * this process (relaxed), `*word` by ranks of this host.
 */
#include "shared/wake.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/barrier.h"
#include "base/futex.h"
#include "base/order.h"

void fy_wake_init(struct fy_wake *wake)
{
	*wake = (struct fy_wake){ .word = &wake->own, .giver_fences = !fy_barrier_is_everywhere() };
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

/* `wakers` first, a full fence: fy_wake_stop either waits for us or is seen by the compare
 * and swap. */
void fy_wake_up(struct fy_wake *wake)
{
	fy_add_32(&wake->wakers, 1);
	if (fy_cas_32(&wake->own, 1, 0)) {
		if (wake->shared)
			fy_store_release_32(wake->word, 0);
		fy_add_64(&wake->wakes, 1);
		fy_futex_wake(wake->word, 1, wake->shared);
	}
	fy_add_32(&wake->wakers, (uint32_t)-1);
}

/* With the helm, and while the engine has not stopped: only such a thread announces. */
void fy_wake_announce(struct fy_wake *wake, bool nap)
{
	if (wake->shared)
		fy_store_release_32(wake->word, 1);
	fy_store_release_32(&wake->own, 1);
	if (nap)
		fy_fence_full();
	else
		fy_barrier_everywhere();
}

bool fy_wake_sleep(struct fy_wake *wake, int64_t nanoseconds)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t until = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	until = nanoseconds < INT64_MAX - until ? until + nanoseconds : INT64_MAX;
	fy_futex_wait(wake->word, 1, until, wake->shared);
	bool rung = wake->shared && !fy_load_acquire_32(wake->word) &&
	            fy_load_acquire_32(&wake->own) == 1;
	fy_wake_stay(wake);
	return rung;
}

void fy_wake_nap(struct fy_wake *wake, int64_t nanoseconds)
{
	struct timespec now;
	uint32_t word = fy_load_acquire_32(wake->word);
	clock_gettime(CLOCK_MONOTONIC, &now);
	fy_futex_wait(wake->word, word,
	              (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + nanoseconds, wake->shared);
}

/* Also by who slept while the engine stopped: that stays said. */
void fy_wake_stay(struct fy_wake *wake)
{
	if (fy_load_relaxed_32(&wake->own) == 1)
		fy_cas_32(&wake->own, 1, 0);
	if (wake->shared)
		fy_store_release_32(wake->word, 0);
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
	wake->word = &wake->own;
	wake->shared = 0;
}

void fy_wake_ring(uint32_t *word)
{
	fy_fence_full();
	if (fy_load_relaxed_32(word) && fy_swap_32(word, 0))
		fy_futex_wake(word, 1, true);
}
