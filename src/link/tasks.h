/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_LINK_TASKS_H
#define FY_LINK_TASKS_H

struct fy_progress;
struct fy_task;

/* Work for whoever may run code of the program, in order. */
struct fy_tasks {
	/* inline work, in order */
	struct fy_task *first, *last;
};

void fy_tasks_defer(struct fy_progress *p, struct fy_task *task);

#endif
