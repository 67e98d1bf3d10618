/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_DUEL_H
#define PERF_DUEL_H

#include "perf.h"

/* Whether the command line wants this contestant, and MPI's thread level allows it. */
bool perf_wanted(const struct perf_world *world, const struct perf_contestant *contestant);

/* Run all contestants of the mode in turn, at all points. Collective; the
 * result is rank 0's. Free it with perf_result_destroy. */
struct perf_result *perf_duel(struct perf_world *world);
void perf_result_destroy(struct perf_result *result);

#endif /* PERF_DUEL_H */
