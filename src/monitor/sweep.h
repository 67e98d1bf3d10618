/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what dead processes left behind. */
#pragma once

/* In the directory of that name; NULL: the default one. Files of processes that are dead for ten
 * minutes, or all of dead ones if they are many. Returns how many were removed. */
unsigned fy_sweep(const char *directory);
