/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

struct fy_picture;
struct fy_picture_counts;
struct fy_progress;

/* A picture without the helm's part: the process and its threads. Any thread inside the engine. */
void fy_portray_threads(const ferry *engine, struct fy_picture *picture);
/* The helm's part, after the threads': it says to which rank the calls went that they wait for.
 * Only the holder of the helm may call, as for what follows. */
void fy_portray_engine(struct fy_progress *p, struct fy_picture *picture);
void fy_portray_counts(const struct fy_progress *p, struct fy_picture_counts *counts);
/* Is something open that other ranks, or this one's progress thread, have to end? Not a reader that
 * waits, as a server's does for ever. */
bool fy_portray_is_open(struct fy_progress *p);
