/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleep and wake.
 *
 * The progress thread sleeps on a word. A giver of work (a record in a lane, a task, a command, a
 * batch from a rank of this host) publishes the work first and looks at the word afterwards. The
 * sleeper sets the word first and looks for work afterwards. With a full fence between the two
 * actions on both sides, either the giver sees the sleeper or the sleeper sees the work.
 *
 * Givers are many and frequent. So where the kernel has membarrier(2) (private expedited) the
 * sleeper pays for both sides: the call makes every running thread of the process pass a full
 * fence. Without membarrier the givers fence (`giver_fences`). Ranks of the same host, which our
 * membarrier does not reach, always fence before they look (fy_wake_ring).
 *
 * The call is expensive where processors are virtual (10 to 30 us were measured), so only long
 * sleeps use it. A *nap* (at most the policy's `nap`) is announced with a fence of the sleeper
 * only. A giver whose store is not visible yet when it looks may then miss the sleeper. This needs
 * a store that stays in the store buffer longer than the sleeper's entire second look; the cost is
 * at most the rest of the nap. Threads that wait for room in a lane take the same risk, and look
 * again after a while (lane.c).
 *
 * There are two words. Other processes ring `*word`, which is unmapped when the engine closes; a
 * thread that posts at that moment must not touch it, and looks at `own`. Givers of this process
 * read `own` (relaxed), ranks of this host read `*word`.
 *
 * `own` is 1 while somebody sleeps. The sleeper, or whoever wakes it, makes that 0 (compare and
 * swap). `*word` is odd then. It only grows: an announcement makes an even word odd, and a ring, a
 * wake-up or the sleeper makes it the next even number. So a thread may load the word first, have
 * somebody else announce, and then sleep as long as the word is the same: if it was rung meanwhile
 * the word is another one (fy_wake_nap).
 *
 * tests/models/wake.pml has it as a model.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"

struct fy_wake {
	/* What givers of this process look at. 0: awake, or there is nobody to wake (helm/helm.c);
	 * 1: asleep; 2: stopped for good */
	uint32_t own;
	/* what the progress thread sleeps on: `alone`, or a word shared with the ranks of this
	 * host. Constant from open to fy_wake_part */
	uint32_t *word;
	uint32_t alone;        /* as `*word` */
	uint32_t shared;       /* the word is in shared memory; constant as `word` is */
	uint32_t giver_fences; /* constant after open */
	uint64_t wakes;        /* statistics: atomic add by wakers */
	/* threads inside fy_wake_up: atomic add by them; at 0 the word may be unmapped */
	uint32_t wakers;
};

#define FY_WAKE_STOPPED 2u

void fy_wake_init(struct fy_wake *wake);
/* Sleep on a word in shared memory instead. Call it before any other thread has the engine. */
void fy_wake_share(struct fy_wake *wake, uint32_t *word);

void fy_wake_up(struct fy_wake *wake);
/* A full fence, out of line, because where membarrier works givers do not call it. */
void fy_wake_fence(void) __attribute__((cold));
/* After giving work: the value of `own`. */
static inline uint32_t fy_wake_look(struct fy_wake *wake)
{
	if (fy_unlikely(wake->giver_fences))
		fy_wake_fence();
	return fy_load_relaxed_32(&wake->own);
}
/* After giving work: wake the sleeper if there is one. */
static inline void fy_wake_check(struct fy_wake *wake)
{
	if (fy_unlikely(fy_wake_look(wake)))
		fy_wake_up(wake);
}

/* The sleeper says that it is about to sleep. Then it looks for work once more, and calls either
 * fy_wake_sleep or fy_wake_stay. */
void fy_wake_announce(struct fy_wake *wake, bool nap);
/* The same, to givers of this process only: ranks of this host do not ring. For a thread that
 * leaves the engine for a moment while the sleeper naps. */
void fy_wake_announce_here(struct fy_wake *wake);
/* True: a rank of this host rang. */
bool fy_wake_sleep(struct fy_wake *wake, int64_t nanoseconds);
void fy_wake_stay(struct fy_wake *wake);
/* Sleep without announcing it, while other threads drive; any of them may announce. `seen`: what
 * fy_wake_seen said before they could know that this thread sleeps. */
uint32_t fy_wake_seen(const struct fy_wake *wake);
void fy_wake_nap(struct fy_wake *wake, uint32_t seen, int64_t nanoseconds);
/* The engine has stopped: from here on givers do not touch the shared word. */
void fy_wake_stop(struct fy_wake *wake);
/* No thread can sleep on the word any more: it may be unmapped. */
void fy_wake_part(struct fy_wake *wake);
/* Ring another rank of this host, after a batch for it was handed to MPI. */
void fy_wake_ring(uint32_t *word);
