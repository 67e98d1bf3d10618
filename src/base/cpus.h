/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_BASE_CPUS_H
#define FY_BASE_CPUS_H

#include <sched.h>

int fy_cpus_named(const char *what, const char *list, cpu_set_t *set);
/* Read a list of processors such as "3", "2-3" or "0,4-6". 0, or FERRY_EINVAL with a sentence. */
int fy_cpus_of_progress(const char *list, cpu_set_t *set);

#endif
