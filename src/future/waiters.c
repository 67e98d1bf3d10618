/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait for a future, such as that of a reply, are woken here. Whoever completes the
 * future (future.c) puts them on its list; fy_step_once (helm/step.c) wakes all of them together at
 * its end. Any thread; each has its own list, or none, and then it wakes at once.
 */
#include "future/waiters.h"

#include <limits.h>
#include <stdint.h>

#include "base/futex.h"

FY_THREAD_LOCAL struct fy_waiters *fy_waiters_here;

void fy_waiters_wake_all(struct fy_waiters *waiters)
{
	for (unsigned i = 0; i < waiters->count; i++)
		fy_futex_wake(waiters->words[i], INT_MAX, false);
	waiters->count = 0;
}

void fy_waiters_wake(uint32_t *word)
{
	struct fy_waiters *waiters = fy_waiters_here;
	if (!waiters) {
		fy_futex_wake(word, INT_MAX, false);
		return;
	}
	if (waiters->count == FY_WAITERS_MAX)
		fy_waiters_wake_all(waiters);
	waiters->words[waiters->count++] = word;
}
