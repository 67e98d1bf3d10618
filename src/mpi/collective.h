/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives on their own duplicate, in one order per engine. */
#ifndef FY_MPI_COLLECTIVE_H
#define FY_MPI_COLLECTIVE_H

#include <stdbool.h>

#include "ferry.h"

struct fy_mpi_starts;
struct fy_start;

/* Do ranks compare what they are about to do, before they do it? Sanitizer builds, or
 * configured with --enable-debug, on all ranks or on none. */
#if defined(FERRY_DEBUG) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FY_COLLECTIVE_CHECKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FY_COLLECTIVE_CHECKS 1
#endif
#endif
#ifndef FY_COLLECTIVE_CHECKS
#define FY_COLLECTIVE_CHECKS 0
#endif

/* Start one, in the order of these calls. The reference of the future goes over. False: no
 * memory now. */
bool fy_collective_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future);
/* What found no memory before tries again. */
void fy_collective_step(struct fy_mpi_starts *s);
/* The engine ends in disorder: those that wait to be compared. */
void fy_collective_abandon(struct fy_mpi_starts *s);

#endif
