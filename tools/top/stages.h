/* SPDX-License-Identifier: Apache-2.0 */
/* The histograms of an engine: how long operations were in each stage. */
#pragma once

#include "engine.h"

/* Histogram `i`, with a name that ends and no bucket beyond those that there can be. False: there
 * is none. */
bool top_stage(const struct top_engine *engine, unsigned i, struct fy_monitor_histogram *stage);
/* Is anything in them? */
bool top_stages_sampled(const struct top_engine *engine);
/* A time that so many percent do not exceed: the end of its bucket. */
int64_t top_stage_percentile(const struct fy_monitor_histogram *stage, double percent);
int64_t top_stage_longest(const struct fy_monitor_histogram *stage);
/* What the stage is, for people. */
const char *top_stage_says(const char *name);
