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
#ifndef FY_SHARED_WAKE_H
#define FY_SHARED_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/order.h"

struct fy_wake {
	/* what givers of this process look at: 0 awake, or nobody is to be woken (helm/helm.c), 1
	 * asleep, 2 stopped for good */
	uint32_t own;
	/* constant from open to fy_wake_part: what is slept on: `own`, or a word shared with the
	 * ranks of this host */
	uint32_t *word;
	uint32_t shared;       /* likewise: the word is in shared memory */
	uint32_t giver_fences; /* constant after open */
	uint64_t wakes;        /* statistics: atomic add by wakers */
	/* threads inside fy_wake_up: atomic add; the word is unmapped only when it is 0 */
	uint32_t wakers;
};

#define FY_WAKE_STOPPED 2u

void fy_wake_init(struct fy_wake *wake);
/* Sleep on a word in shared memory instead: before anybody else knows the engine. */
void fy_wake_share(struct fy_wake *wake, uint32_t *word);

void fy_wake_up(struct fy_wake *wake);
/* A full fence, out of line: where membarrier works no giver pays for it. */
void fy_wake_fence(void) __attribute__((cold));
/* After giving work: what does the sleeper say? */
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
#define FY_NAP 500000 /* ns */

/* The sleeper: announce, then the caller looks for work once more, then either
 * fy_wake_sleep or fy_wake_stay. */
void fy_wake_announce(struct fy_wake *wake, bool nap);
/* True when a rank of this host rang. */
bool fy_wake_sleep(struct fy_wake *wake, int64_t nanoseconds);
void fy_wake_stay(struct fy_wake *wake);
/* Sleep without announcing it: somebody else announces, and may do so any moment. */
void fy_wake_nap(struct fy_wake *wake, int64_t nanoseconds);
/* The engine has stopped: givers find out, and do not touch the shared word any more. */
void fy_wake_stop(struct fy_wake *wake);
/* Nor does anybody who could sleep: they are gone, and the word may be unmapped. */
void fy_wake_part(struct fy_wake *wake);
/* Ring another rank of this host, after a batch for it was handed to MPI. */
void fy_wake_ring(uint32_t *word);

#endif
