/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/order.h"

/*
 * Waking a thread costs a system call, and the woken thread often takes the processor at once. So a
 * thread that steps has a list, to which fy_waiters_wake adds words, and wakes their sleepers
 * together: at the end of the step (helm/step.c), and before user code runs inline. On a thread
 * without a list fy_waiters_wake wakes at once. A word in the list is only a key: its memory may be
 * freed.
 */
#define FY_WAITERS_MAX 64u
struct fy_waiters {
	unsigned count;
	uint32_t *words[FY_WAITERS_MAX];
};
/* This thread's list, NULL for none. */
extern FY_THREAD_LOCAL struct fy_waiters *fy_waiters_here;
void fy_waiters_wake(uint32_t *word);
void fy_waiters_wake_all(struct fy_waiters *waiters);
/* From now on this thread uses `waiters`, or no list. Wakes those that the list before names, and
 * returns that list. */
static inline struct fy_waiters *fy_waiters_wake_and_use(struct fy_waiters *waiters)
{
	struct fy_waiters *before = fy_waiters_here;
	if (before && fy_unlikely(before->count))
		fy_waiters_wake_all(before);
	fy_waiters_here = waiters;
	return before;
}
