/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BASE_BARRIER_H
#define FY_BASE_BARRIER_H

#include <stdbool.h>

/* Every running thread of this process passes a full fence before this
 * returns (or, without membarrier, this thread does and the others fence by themselves). */
void fy_barrier_everywhere(void);
bool fy_barrier_is_everywhere(void);

#endif
