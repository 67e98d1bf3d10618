/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BASE_WAKES_H
#define FY_BASE_WAKES_H

#include <stdint.h>

#include "base/order.h"

/*
 * Waking a thread costs a system call, and often the processor at once. What completes in one step
 * is therefore announced together, at its end, and before user code runs inline: a thread that
 * steps has a list, to which fy_wakes_later adds; elsewhere it wakes at once. A word in the list is
 * only a key, its memory may be gone.
 */
#define FY_WAKES_MAX 64u
struct fy_wakes {
	unsigned count;
	uint32_t *words[FY_WAKES_MAX];
};
/* This thread's list, NULL for none. */
extern _Thread_local struct fy_wakes *fy_wakes __attribute__((tls_model("initial-exec")));
void fy_wakes_later(uint32_t *word);
void fy_wakes_send_all(struct fy_wakes *wakes);
/* From now on this list, or none; what is in the one before is sent. Returns that one. */
static inline struct fy_wakes *fy_wakes_collect(struct fy_wakes *wakes)
{
	struct fy_wakes *before = fy_wakes;
	if (before && fy_unlikely(before->count))
		fy_wakes_send_all(before);
	fy_wakes = wakes;
	return before;
}

#endif
