/* SPDX-License-Identifier: Apache-2.0 */
/* Work that takes a processor's time, not the clock's: a thread that waits for a processor gets
 * nothing done. */
#ifndef PERF_COMPUTE_H
#define PERF_COMPUTE_H

#include <stdint.h>

void perf_compute(uint64_t rounds);
/* How many rounds last so long when nothing else runs: the fastest of several tries. */
uint64_t perf_compute_rounds(double seconds);

#endif /* PERF_COMPUTE_H */
