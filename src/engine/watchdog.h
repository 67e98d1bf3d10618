/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog of an engine that has a progress thread: see watchdog.c. That thread calls these.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/helper.h"

/* What it keeps for one engine. The caller's memory, all zero before fy_watchdog_join. The helper's
 * alone once it watches. */
struct fy_watched {
	struct fy_helped helped;
	ferry *engine;
	/* for ranks of this host: written by the watchdog (relaxed), read by their helms
	 * (relaxed). NULL: none can see it */
	uint32_t *word;
	uint32_t beats;        /* the value of *word */
	const uint64_t *steps; /* of the engine's loop */
	uint64_t seen;         /* how many these were at the last look */
	int64_t period;        /* ns, between two looks */
	int64_t blocked;       /* ns: so long no step, and code of the program runs */
	bool apart, said;
	bool joined; /* the caller's */
};

/* The engine needs the helper, which is started if there is none. FERRY_OK; FERRY_ENOMEM, with a
 * sentence. */
int fy_watchdog_join(struct fy_watched *watched);
/* From now on it looks at that engine. `steps`: how often its loop has stepped; the holder of the
 * helm writes it, relaxed. `apart`: the job has ranks that cannot see the word. */
void fy_watchdog_watch(struct fy_watched *watched, ferry *engine, const uint64_t *steps,
                       uint32_t *word, bool apart);
/* It does not look at that engine any more, and the engine does not need the helper. Nothing unless
 * joined. */
void fy_watchdog_leave(struct fy_watched *watched);
