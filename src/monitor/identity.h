/* SPDX-License-Identifier: Apache-2.0 */
/* Which process a monitor file belongs to, and the file's name, which says so, too. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/format.h"

#define FY_IDENTITY_TEMPORARY ".new" /* ends the names of files that are being made */

/* This process. */
struct fy_monitor_process fy_identity_here(void);
/* "PID-ENGINE-NAMESPACE" and `suffix`. */
void fy_identity_name(const struct fy_monitor_process *process, uint32_t engine, const char *suffix,
                      char *name, size_t nbytes);
/* The process of a name with that suffix, without its start time and user. False: it is no such
 * name. */
bool fy_identity_of_name(const char *name, const char *suffix, struct fy_monitor_process *process);

/* Does that process live? Not known, if it is in another namespace. `started` 0: any with its
 * number. */
enum fy_identity_life { FY_IDENTITY_LIVES, FY_IDENTITY_GONE, FY_IDENTITY_UNKNOWN };
enum fy_identity_life fy_identity_look(const struct fy_monitor_process *process);
