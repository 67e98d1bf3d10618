/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work for whoever may run code of the program, in order. Called by the holder of the helm alone.
 * Others use the inbox of the engine.
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
