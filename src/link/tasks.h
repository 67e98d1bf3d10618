/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_TASKS_H
#define FY_LINK_TASKS_H

struct fy_progress;
struct fy_task;

void fy_tasks_defer(struct fy_progress *p, struct fy_task *task);

#endif
