/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "wake.h"

#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_once_t barrier_once = PTHREAD_ONCE_INIT;
static bool barrier_works; /* constant after barrier_once */

static void barrier_register(void)
{
	long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	if (can > 0 && (can & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		barrier_works = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		                        0, 0) == 0;
}

bool fy_barrier_is_everywhere(void)
{
	pthread_once(&barrier_once, barrier_register);
	return barrier_works;
}

void fy_barrier_everywhere(void)
{
	if (fy_barrier_is_everywhere())
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	fy_fence_full();
}

void fy_futex_wait(uint32_t *word, uint32_t expected, int64_t until, bool shared)
{
	/* FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock. */
	int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000),
		              .tv_nsec = (long)(until % 1000000000) };
	syscall(SYS_futex, word, op, expected, until == INT64_MAX ? NULL : &t, NULL,
	        FUTEX_BITSET_MATCH_ANY);
}

void fy_futex_wake(uint32_t *word, int threads, bool shared)
{
	syscall(SYS_futex, word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG), threads, NULL,
	        NULL, 0);
}

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

/* ---- all at once ---- */

_Thread_local struct fy_wakes *fy_wakes __attribute__((tls_model("initial-exec")));

void fy_wakes_send_all(struct fy_wakes *wakes)
{
	for (unsigned i = 0; i < wakes->count; i++)
		fy_futex_wake(wakes->words[i], INT_MAX, false);
	wakes->count = 0;
}

void fy_wake_later(uint32_t *word)
{
	struct fy_wakes *wakes = fy_wakes;
	if (!wakes) {
		fy_futex_wake(word, INT_MAX, false);
		return;
	}
	if (wakes->count == FY_WAKES_MAX)
		fy_wakes_send_all(wakes);
	wakes->words[wakes->count++] = word;
}
