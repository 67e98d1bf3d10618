/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option dump_signal: a signal after which the helper writes ferry_dump of the engines that
 * have the option to stderr. The progress thread of an engine calls these.
 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

/* What it keeps for one engine. The caller's memory, all zero before fy_dump_signal_join. */
struct fy_dumped {
	ferry *engine; /* as is `next`, under the lock of dump_signal.c; NULL: none yet */
	bool joined;   /* the caller's */
	struct fy_dumped *next;
};

/* The signal gets its handler, if it has not. FERRY_OK; FERRY_EINVAL for another signal than that
 * of an engine before it, or one that cannot be used; FERRY_ENOMEM; with a sentence. Nothing if the
 * option is off, and so are the others then. */
int fy_dump_signal_join(struct fy_dumped *dumped, const ferry_options *options);
/* From now on this engine is written. */
void fy_dump_signal_begin(struct fy_dumped *dumped, ferry *engine);
/* With the last one the handler of before is there again. */
void fy_dump_signal_leave(struct fy_dumped *dumped);
