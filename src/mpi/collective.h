/* SPDX-License-Identifier: Apache-2.0 */
/* Collectives on a communicator of their own, in one order an engine. Everything here is the
 * helm's. */
#pragma once

#include <stdbool.h>

#include "ferry.h"

struct fy_mpi_starts;
struct fy_start;

/* Do ranks compare collectives before they start them? Builds with a sanitizer, or with
 * --enable-debug, do. All ranks must be built alike. */
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

/* Start a collective; they start in the order of these calls. Takes the future's reference over.
 * False: no memory now, or MPI did not start it; then the reference is still the caller's. */
bool fy_collective_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future);
/* Try again those for which there was no memory. */
void fy_collective_step(struct fy_mpi_starts *s);
/* The engine ends while a rank is gone: fail those that are not started. */
void fy_collective_abandon(struct fy_mpi_starts *s);
