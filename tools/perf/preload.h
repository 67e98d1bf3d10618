/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer of plain MPI through libferry-preload. The job is started by ferry-preload. The layer is
 * switched on for these trials and off for all others, so that both take turns in one job.
 */
#ifndef PERF_PRELOAD_H
#define PERF_PRELOAD_H

#include "perf.h"

/* Is the layer there, and not off? It is switched off. */
bool perf_preload_find(void);
/* The peer of --preload, as "preload". */
const struct perf_contestant *perf_preloaded(const struct perf_options *options);
bool perf_is_preloaded(const struct perf_contestant *contestant);
/* A trial of this contestant, with what --second and --barrier ask for. Collective. */
void perf_preload_run(struct perf_world *world, struct perf_trial *trial,
                      const struct perf_contestant *contestant);

#endif /* PERF_PRELOAD_H */
