/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sched.h>

/* Read a list of processors such as "3", "2-3" or "0,4-6", which `what` was set to. 0, or
 * FERRY_EINVAL with a sentence. */
int fy_cpus_named(const char *what, const char *list, cpu_set_t *set);
