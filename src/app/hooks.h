/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's side of futures. */
#ifndef FY_APP_HOOKS_H
#define FY_APP_HOOKS_H

/* Let futures know the engine; the first engine of the process does it. */
void fy_app_hooks_set(void);

#endif
