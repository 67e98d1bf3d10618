/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Every running thread of this process passes a full fence before this returns. Without membarrier
 * only the calling thread does. */
void fy_barrier_everywhere(void);
/* False: there is no membarrier, and the other threads have to fence by themselves. */
bool fy_barrier_is_everywhere(void);
