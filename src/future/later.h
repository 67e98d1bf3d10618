/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_LATER_H
#define FY_FUTURE_LATER_H

/* Something to do on this thread as soon as it holds no lock of a future: one after the
 * other, not one inside the other, so that a chain of a million futures needs no deep stack. */
struct fy_later {
	struct fy_later *next;
	void (*run)(struct fy_later *later);
};
void fy_later(struct fy_later *later);
/* Do it, unless this thread is doing it further up; no lock is held. Unlocking calls this. */
void fy_later_run(void);

#endif
