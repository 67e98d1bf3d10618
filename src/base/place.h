/* SPDX-License-Identifier: Apache-2.0 */
/* Where the library's threads run. place.c says why they do not inherit it. */
#pragma once

#include <stdint.h>

/* This thread, one of the library's, runs on the processors and in the scheduling class that the
 * process was started with, whatever it inherited from the thread that created it. */
void fy_place_as_process(void);
/* This thread runs on these processors only. 0, or FERRY_EINVAL with a sentence. */
int fy_place_on(const char *list);
/* Where this thread runs now; -1: not known. And how often others took a processor from it. */
int fy_place_here(void);
int64_t fy_place_taken(void);
/* How many processors this process may run on; 1 when that cannot be told. */
int fy_place_processors(void);
