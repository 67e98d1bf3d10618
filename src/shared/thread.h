/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"

struct fy_lane;

/* What this thread is doing for an engine: a step, a handler that an executor runs, inline user
 * code. Of each kind only the innermost counts. fy_thread_begin returns the engine of the one
 * around it; pass that to fy_thread_end. */
enum fy_doing { FY_STEPPING, FY_HANDLING, FY_INLINE, FY_DOINGS };

/* The lane that this thread used last. */
struct fy_thread_recent {
	uint64_t serial;
	struct fy_lane *lane;
};

/* This thread forgets its lanes of engines that have closed. */
void fy_thread_forget_lanes(void);
ferry *fy_thread_begin(enum fy_doing what, ferry *engine);
void fy_thread_end(enum fy_doing what, ferry *before);
bool fy_thread_is_stepping(const ferry *engine);
bool fy_thread_in_handler(const ferry *engine);
/* Does this thread run inline user code of this engine? NULL: of any engine. */
bool fy_thread_on_progress(const ferry *engine);

/* Would a wait of this thread for this engine (NULL: for any) be one for itself? So it is on the
 * progress thread, and inside of the function of ferry_log_to, which may be called there with locks
 * of the library held. */
bool fy_thread_must_not_wait(const ferry *engine);

extern FY_THREAD_LOCAL struct fy_thread_recent fy_thread_recent;

/* From now on what this thread posts has this tag. Returns the tag that it had. */
uint32_t fy_thread_tag_posts(ferry *engine, uint32_t tag);
extern FY_THREAD_LOCAL struct fy_lane *fy_thread_lanes;
struct fy_lane *fy_thread_find_lane(uint64_t serial);
/* fy_engine_release for a reference that came from any thread's lane. It goes into the stock of
 * this thread's lane, if there is one. */
void fy_thread_release_engine(ferry *engine);
