/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

void fy_pool_destroy(ferry_executor *pool);
/* Is the calling thread the last of its pool that is not blocked? Then it must not wait for room.
 * False on threads that belong to no pool. */
bool fy_pool_last_runner(void);
/* A pool's thread says that it begins or ends to wait. No effect on other threads. */
void fy_pool_blocking(bool begins);
