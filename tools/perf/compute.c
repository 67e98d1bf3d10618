/* SPDX-License-Identifier: Apache-2.0 */
#include "compute.h"
#include "perf.h"

#define TRIES 20
#define TRY_ROUNDS (1 << 16) /* some 0.2 ms: most tries are not interrupted */

/* Volatile: the compiler must know neither the first value nor that nobody reads the last. */
static _Thread_local volatile double computed = 2.0;

void perf_compute(uint64_t rounds)
{
	double value = computed;

	for (; rounds > 0; rounds--)
		value = value * 0.999999 + 2e-6;
	computed = value;
}

uint64_t perf_compute_rounds(double seconds)
{
	double start, took, least = 1e9;
	int i;

	for (i = 0; i < TRIES; i++) {
		start = perf_seconds();
		perf_compute(TRY_ROUNDS);
		took = perf_seconds() - start;
		least = took < least ? took : least;
	}
	return (uint64_t)(TRY_ROUNDS * seconds / (least > 1e-9 ? least : 1e-9));
}
