/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Busy processes beside each rank: strangers that want processors all the time.
 * They end with the rank, however it ends: perf_beside_end kills them by their
 * ids, and each looks every millisecond or so whether its parent is still there.
 */
#ifndef PERF_BESIDE_H
#define PERF_BESIDE_H

#include "perf.h"

/* Make them, before MPI is there: what a forked process inherits of it is undefined. They sleep. */
void perf_beside_create(int count);
/* Wake them. Bound: each to one of the processors that this rank may use, those of all ranks of the
 * host in turn. Collective. */
void perf_beside_start(struct perf_world *world, bool bound);
/* The share of a processor that each of all ranks' has had since then. Collective. */
double perf_beside_share(const struct perf_world *world);
void perf_beside_end(void);

#endif /* PERF_BESIDE_H */
