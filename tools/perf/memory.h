/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_MEMORY_H
#define PERF_MEMORY_H

/* Bytes in touched pages of this process, shared memory included; 0 if the kernel does not say. */
double perf_memory_held(void);

#endif /* PERF_MEMORY_H */
