/* SPDX-License-Identifier: Apache-2.0 */
/* Where the library's threads run. place.c says why they do not inherit it. */
#pragma once

#include <stdint.h>
#include <stdbool.h>
#include <stddef.h>

#define FY_PLACE_CPUS_MAX 8192

/* The processors on which a thread may run. */
struct fy_place {
	bool known;
	unsigned long bits[FY_PLACE_CPUS_MAX / (8 * sizeof(unsigned long))];
};

static inline bool fy_place_has(const struct fy_place *place, int cpu)
{
	int width = 8 * (int)sizeof *place->bits;
	return place->bits[cpu / width] >> cpu % width & 1;
}

/* This thread, one of the library's, runs on the processors and in the scheduling class that the
 * process was started with, whatever it inherited from the thread that created it. */
void fy_place_as_process(void);
/* This thread runs on these processors only. 0, or FERRY_EINVAL with a sentence. */
int fy_place_on(const char *list);
/* Where this thread runs now; -1: not known. And how often others took a processor from it. */
int fy_place_here(void);
int64_t fy_place_taken(void);
/* The number by which the system knows this thread. */
int fy_place_thread(void);
/* How many processors this process may run on; 1 when that cannot be told. */
int fy_place_processors(void);
/* Where a thread (0: this one) may run now. Returns place->known. */
bool fy_place_of_thread(int id, struct fy_place *place);
/* Where this thread could run, were it not bound: on the processors of its control group. */
void fy_place_look_around(struct fy_place *around);
/* This thread is the progress thread, `opener` is that of the thread that opens the engine, and
 * `ranks` ranks of this host share its processors. True: both are bound to the same processor,
 * although there are two for each rank. `text` then says so, and what to do. */
bool fy_place_is_shared(const struct fy_place *opener, int ranks, char *text, size_t nbytes);
