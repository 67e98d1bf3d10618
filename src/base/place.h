/* SPDX-License-Identifier: Apache-2.0 */
/* Where the library's threads run. */
#ifndef FY_BASE_PLACE_H
#define FY_BASE_PLACE_H

/* This thread, one of the library's, runs as the process was started: on its processors, in its
 * scheduling class, and not as the thread that made it. */
void fy_place_as_process(void);
/* This thread runs on these processors only. 0, or FERRY_EINVAL with a sentence. */
int fy_place_on(const char *list);
/* How many processors this process may run on; 1 when that cannot be told. */
int fy_place_processors(void);

#endif
