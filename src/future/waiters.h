/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_WAITERS_H
#define FY_FUTURE_WAITERS_H

#include <stdint.h>

#include "base/order.h"

/*
 * To wake a thread costs a system call, and often the processor at once. So a thread that makes a
 * step has a list: fy_waiters_wake adds to it, and all are woken at the end of the step
 * (helm/step.c), or before code of the program runs inline. A thread without a list wakes at once.
 * A word on the list is only a key: its memory may be gone.
 */
#define FY_WAITERS_MAX 64u
struct fy_waiters {
	unsigned count;
	uint32_t *words[FY_WAITERS_MAX];
};
/* This thread's list, NULL for none. */
extern _Thread_local struct fy_waiters *fy_waiters_here __attribute__((tls_model("initial-exec")));
void fy_waiters_wake(uint32_t *word);
void fy_waiters_wake_all(struct fy_waiters *waiters);
/* From now on this list, or none; what is in the one before is sent. Returns that one. */
static inline struct fy_waiters *fy_waiters_collect(struct fy_waiters *waiters)
{
	struct fy_waiters *before = fy_waiters_here;
	if (before && fy_unlikely(before->count))
		fy_waiters_wake_all(before);
	fy_waiters_here = waiters;
	return before;
}

#endif
