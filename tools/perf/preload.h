/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer of plain MPI through libferry-preload. The job is started by ferry-preload. The layer is
 * switched on for these trials and off for all others, so that both take turns in one job.
 */
#ifndef PERF_PRELOAD_H
#define PERF_PRELOAD_H

#include <string.h>

#include "perf.h"

/* Is the layer there, and not off? It is switched off. */
bool perf_preload_find(void);
/* The name of a peer that has the layer. */
#define PERF_PRELOADED "preload"
static inline bool perf_is_preloaded(const struct perf_contestant *contestant)
{
	return strcmp(contestant->name, PERF_PRELOADED) == 0;
}
/* The peer of --preload, by that name. */
const struct perf_contestant *perf_preloaded(const struct perf_options *options);
/* A trial of this contestant, with what --second and --barrier ask for. Collective. */
void perf_preload_run(struct perf_world *world, struct perf_trial *trial,
                      const struct perf_contestant *contestant);

#endif /* PERF_PRELOAD_H */
