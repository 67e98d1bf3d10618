/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

struct fy_lane;

/* The progress thread sleeps, and this thread has posted to its lane; with this future, or NULL. */
void fy_rouse(ferry *e, struct fy_lane *lane, const ferry_future *future);
