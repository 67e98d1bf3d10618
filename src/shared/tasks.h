/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct fy_task;

/* Tasks for the thread that may run code of the program, in order. The helm's. */
struct fy_tasks {
	struct fy_task *first, *last;
};

void fy_tasks_defer(struct fy_tasks *tasks, struct fy_task *task);
