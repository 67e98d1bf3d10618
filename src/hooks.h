/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's side of futures. */
#ifndef FY_HOOKS_H
#define FY_HOOKS_H

/* Let futures know the engine; the first engine of the process does it. */
void fy_hooks_set(void);

#endif
