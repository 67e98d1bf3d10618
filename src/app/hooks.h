/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's side of futures. Any thread. */
#pragma once

/* Fill in the table of hooks. The first engine of the process does it. */
void fy_app_hooks_set(void);
