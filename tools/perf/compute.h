/* SPDX-License-Identifier: Apache-2.0 */
/* Work that takes processor time, not time on the clock: a thread that waits for a processor does
 * none of it. */
#ifndef PERF_COMPUTE_H
#define PERF_COMPUTE_H

#include <stdint.h>

void perf_compute(uint64_t rounds);
/* How many rounds take so long when nothing else runs. It is the fastest of several tries. */
uint64_t perf_compute_rounds(double seconds);

#endif /* PERF_COMPUTE_H */
