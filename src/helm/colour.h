/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct fy_progress;

bool fy_colour_all_left(struct fy_progress *p);
/* Has everything of that colour left that was posted before the fence, or by a handler that has
 * returned? */
bool fy_colour_has_left(struct fy_progress *p, unsigned colour);
/* A fence begins: from here on what is posted has the other colour. */
void fy_colour_change(struct fy_progress *p);
