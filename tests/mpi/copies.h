/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what the library copies: the program's memcpy and memmove come before the C library's, for
 * all shared libraries too, and look at who called. What MPI copies is MPI's.
 */
#ifndef COPIES_H
#define COPIES_H

#include <stdbool.h>
#include <stdint.h>

#define COPIES_LARGE 65536 /* shorter copies are not counted */

/* Find the library, and begin to count. False: copies cannot be counted in this build. */
bool copies_start(void);
/* Bytes copied by the library so far, in copies of at least COPIES_LARGE. */
uint64_t copies_counted(void);

#endif
