/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and waking of those that wait for the helm's holder. Any thread of the program. */
#include "preload/waiter.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/futex.h"
#include "base/order.h"

/* The waiter may be gone as soon as its word is written, and so may its stack: a futex that is
 * woken there wakes nobody, or somebody who looks again. */
bool fy_waiter_tell(struct fy_waiter *w, uint32_t word)
{
	uint32_t *at = &w->word;
	uint32_t before = fy_swap_32(at, word);
	if (before != FY_WAITER_AWAKE)
		fy_futex_wake(at, 1, false);
	return before != FY_WAITER_ASLEEP;
}

void fy_waiter_nap(struct fy_waiter *w, int64_t until)
{
	if (!fy_cas_32(&w->word, FY_WAITER_AWAKE, FY_WAITER_NAPS))
		return;
	fy_futex_wait(&w->word, FY_WAITER_NAPS, until, false);
	fy_cas_32(&w->word, FY_WAITER_NAPS, FY_WAITER_AWAKE);
}

bool fy_waiter_lie_down(struct fy_waiter *w)
{
	return fy_cas_32(&w->word, FY_WAITER_AWAKE, FY_WAITER_ASLEEP);
}

void fy_waiter_sleep(struct fy_waiter *w, int64_t until)
{
	fy_futex_wait(&w->word, FY_WAITER_ASLEEP, until, false);
}
