/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks for the thread that may run code of the program, in order. Only the holder of the helm may
 * call; other threads use the engine's inbox.
 */
#include "shared/tasks.h"

#include <stddef.h>

#include "base/list.h"
#include "future/task.h"

void fy_tasks_defer(struct fy_tasks *tasks, struct fy_task *task)
{
	task->next = NULL;
	fy_list_append(tasks->first, tasks->last, task);
}
