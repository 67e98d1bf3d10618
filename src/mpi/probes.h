/* SPDX-License-Identifier: Apache-2.0 */
/* Matched probes that have found no message yet: see probes.c. Everything here is the helm's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ferry_future;
struct fy_pattern;
struct fy_mpi_starts;
struct fy_start;

struct fy_probes {
	struct fy_pattern *first, *last; /* in the order of their first probes */
	struct fy_pattern *cursor;       /* where the next step begins; NULL: at the first */
	size_t n, n_patterns;
};

/* Begin a probe. Takes the future's reference over. False: no memory, and nothing happened. */
bool fy_probes_begin(struct fy_mpi_starts *s, const struct fy_start *a,
                     struct ferry_future *future);
/* Ask MPI for some patterns. Returns how many probes ended. */
unsigned fy_probes_look(struct fy_probes *probes);
/* Forget probes whose future was given up. */
void fy_probes_sweep(struct fy_probes *probes);
/* End all probes with FERRY_ESTOPPED. */
void fy_probes_stop(struct fy_probes *probes, const char *why);
