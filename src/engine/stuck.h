/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option stuck_after, on the helper: says what an engine waits for when nothing of it has moved
 * for so long. The progress thread of an engine calls these.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/helper.h"
#include "watch/picture.h"

/* The caller's memory, all zero before fy_engine_stuck_join. The helper's alone once it looks. */
struct fy_stuck {
	struct fy_helped helped;
	ferry *engine;
	const uint64_t *steps; /* of the engine's loop */
	uint64_t steps_seen;
	struct fy_picture_counts seen; /* at the last look */
	int64_t period;                /* ns, between two looks */
	int64_t patience;              /* ns, until the next line: twice as long each time */
	bool said;                     /* since something moved */
	bool joined;                   /* the caller's */
};

/* The engine needs the helper. FERRY_OK; FERRY_ENOMEM, with a sentence. Nothing if the option is
 * off, and so are the others then. */
int fy_engine_stuck_join(struct fy_stuck *stuck, const ferry_options *options);
/* From now on it looks. `steps`: how often the engine's loop has stepped. */
void fy_engine_stuck_begin(struct fy_stuck *stuck, ferry *engine, const uint64_t *steps);
void fy_engine_stuck_leave(struct fy_stuck *stuck);
