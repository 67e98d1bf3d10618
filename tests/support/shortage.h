/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is short: allocations are counted, those of all threads, and some of them fail.
 *
 * A program that uses this is linked with $(shortage_ldflags) (tests/local.mk), which sends every
 * malloc, calloc, realloc, aligned_alloc, posix_memalign, strdup and free of its own objects, and
 * so of the library's, through here. What the simulated network allocates is not counted on ports
 * that were given to shortage_spare_port.
 */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_port;

#define SHORTAGE_ALL ULONG_MAX

/* From now on allocations are counted, from 1 on. Those from number `first` on fail, `count` of
 * them at most, but only those of at least `nbytes`. first 0: none fails. */
void shortage_begin(unsigned long first, unsigned long count, size_t nbytes);
/* Likewise, of any length, and none fails any more `lasts` ns after the first. */
void shortage_begin_for(unsigned long first, unsigned long count, int64_t lasts);
/* Likewise, and one in `one_in` (0: none) fails, as chance has it: the same seed is the
 * same run. */
void shortage_begin_random(unsigned long seed, unsigned one_in);
/* No more fail and none is counted. Returns how many failed; 0 if none was counted any more. */
unsigned long shortage_end(void);
/* How many were counted, and how many of them failed, since the last begin. */
unsigned long shortage_counted(void);
unsigned long shortage_failed(void);
/* Blocks that were not freed, whether they were counted or not. */
unsigned long shortage_held(void);
/* Between these none is counted: for the test's own, in a program of one thread. They nest. */
void shortage_pause(void);
void shortage_resume(void);
/* A simulated port pauses it for whatever the network does. */
void shortage_spare_port(struct fy_port *port);

#endif
