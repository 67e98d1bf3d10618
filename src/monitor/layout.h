/* SPDX-License-Identifier: Apache-2.0 */
/* Where this library puts the sections of a monitor file. Its writer alone. */
#pragma once

#include "monitor/format.h"

/* The table of sections, in a head; and, in the whole file, the constant names of entries. */
void fy_layout_set(struct fy_monitor_head *head);
void fy_layout_name(struct fy_monitor_head *file);
/* The section of that kind, and its first entry. */
struct fy_monitor_section *fy_layout_section(struct fy_monitor_head *file,
                                             enum fy_monitor_kind kind);
void *fy_layout_entries(struct fy_monitor_head *file, enum fy_monitor_kind kind);
