/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Busy processes beside each rank: strangers that want processors all the time. They end with the
 * rank, however it ends: perf_beside_end kills them by their ids, and each looks every millisecond
 * or so whether its parent is still there.
 */
#ifndef PERF_BESIDE_H
#define PERF_BESIDE_H

#include "perf.h"

/* Create the processes, asleep. Call it before MPI is initialized: what a forked process inherits
 * of MPI is undefined. */
void perf_beside_create(int count);
/* Wake them. `bound`: each runs on one processor only; the processes of all ranks of a host take
 * the processors in turn. Collective. */
void perf_beside_start(struct perf_world *world, bool bound);
/* The share of a processor that each process, of all ranks, has had since then. Collective. */
double perf_beside_share(const struct perf_world *world);
void perf_beside_end(void);

#endif /* PERF_BESIDE_H */
