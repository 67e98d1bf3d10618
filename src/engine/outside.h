/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

/* Show the engine to other programs, in a monitor file. `network`: a name for it, such as MPI's.
 * Only the thread that will step the engine, before it does. Without one the engine runs as well,
 * and a line says why. fy_life_destroy removes it. */
void fy_outside_show(ferry *engine, const char *network);
