/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work for whoever may run code of the program, in order. Called by the holder of the helm alone.
 * Others use the inbox of the engine.
 */
#include "link/tasks.h"

#include <stddef.h>

#include "future/task.h"
#include "helm/progress.h"

void fy_tasks_defer(struct fy_progress *p, struct fy_task *task)
{
	task->next = NULL;
	*(p->link.tasks.last ? &p->link.tasks.last->next : &p->link.tasks.first) = task;
	p->link.tasks.last = task;
}
