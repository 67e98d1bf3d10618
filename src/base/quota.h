/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>

#define FY_QUOTA_NONE INT_MAX

/* How many processors' time the control groups of this process grant, rounded down; at least 1, or
 * FY_QUOTA_NONE. Any thread. */
int fy_quota(void);
/* The same of these: a file such as /proc/self/cgroup, and where the groups' files are. */
int fy_quota_in(const char *groups, const char *root);
