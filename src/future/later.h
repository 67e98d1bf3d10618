/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Something to do on this thread as soon as it holds no lock of a future. Such work is done one
 * after the other, not nested, so that a chain of a million futures needs no deep stack. */
struct fy_later {
	struct fy_later *next;
	void (*run)(struct fy_later *later);
};
void fy_later(struct fy_later *later);
/* Do all of it, unless this thread is inside of this function already. Call it without a lock;
 * unlocking a future calls it. */
void fy_later_run(void);
