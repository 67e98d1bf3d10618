/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that wait for what completes in one step are woken together, at its end. Any thread;
 * each has its own list, or none.
 */
#include "base/wakes.h"

#include <limits.h>
#include <stdint.h>

#include "base/futex.h"

_Thread_local struct fy_wakes *fy_wakes __attribute__((tls_model("initial-exec")));

void fy_wakes_send_all(struct fy_wakes *wakes)
{
	for (unsigned i = 0; i < wakes->count; i++)
		fy_futex_wake(wakes->words[i], INT_MAX, false);
	wakes->count = 0;
}

void fy_wakes_later(uint32_t *word)
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
