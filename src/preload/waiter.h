/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A waiter: a thread of the program that waits for the holder of the helm (helm.h). It is on the
 * stack of that thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/inbox.h"
#include "base/order.h"
#include "preload/helm.h"

enum { FY_WAITER_AWAKE, FY_WAITER_NAPS, FY_WAITER_ASLEEP, FY_WAITER_HAS_ENDED, FY_WAITER_HAS_HELM };

struct fy_waiter {
	fy_poll *poll; /* NULL: its thread wants the helm itself */
	void *arg;
	struct fy_waiter *next; /* the holder's */
	/* futex: one of the above. Its thread falls asleep and wakes up (compare-and-swap) and,
	 * with the helm, ends the wait itself. The holder ends it (swap) and does not touch the
	 * waiter afterwards. Read by its thread (acquire) */
	uint32_t word;
	fy_inbox_entry entry;
};

/* ---- the holder ---- */

/* The wait is over. `word` is one of the last two. False: its thread was asleep. */
bool fy_waiter_tell(struct fy_waiter *w, uint32_t word);

/* ---- its thread ---- */

static inline bool fy_waiter_is_over(struct fy_waiter *w)
{
	return fy_load_acquire_32(&w->word) >= FY_WAITER_HAS_ENDED;
}
/* Sleep until it is over, or until then (monotonic ns); may return early. It counts as awake. */
void fy_waiter_nap(struct fy_waiter *w, int64_t until);
/* It is asleep from here. False: it is over. */
bool fy_waiter_lie_down(struct fy_waiter *w);
/* Asleep: until it is over, or until then; may return early. */
void fy_waiter_sleep(struct fy_waiter *w, int64_t until);
