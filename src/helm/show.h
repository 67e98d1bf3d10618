/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_progress;

/* Write a sample into the monitor file, with what the helm counts. `period`: until the next one, in
 * ns; 0: none is due. */
void fy_show(struct fy_progress *p, const ferry_stats *stats, int64_t period);
