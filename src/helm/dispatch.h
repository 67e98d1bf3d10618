/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct fy_channel;
struct fy_progress;
struct fy_slot;

/* Dispatch a batch whose turn it is, or go on with a paused one. False: it is paused, and keeps its
 * buffer. */
bool fy_dispatch_batch(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot);
