/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving the memory of posted messages back to the program, by release functions, which are user
 * code. Only the holder of the helm may call.
 */
#include "link/release.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "base/order.h"
#include "future/task.h"
#include "link/link.h"
#include "shared/message.h"
#include "shared/engine.h"
#include "shared/room.h"
#include "shared/tasks.h"
#include "shared/thread.h"

void fy_release_body(struct fy_link *link, int rank, ferry_message *m)
{
	size_t long_bytes = fy_message_long_bytes(m);
	fy_release_message(link, m);
	if (!long_bytes)
		return;
	fy_room_bodies_lower(&link->engine->room, rank, long_bytes);
	link->freed = true;
	link->worked = true; /* so that there is a next step, which wakes posters at the latest */
}

static void release_later(struct fy_task *task)
{
	fy_message_free(fy_container_of(task, ferry_message, task));
}

void fy_release_message(struct fy_link *link, ferry_message *m)
{
	if (m->flags & FY_MESSAGE_RECEIVED) {
		/* a received message that was sent on: it runs no user code, and if it is a
		 * request its release answers it */
		ferry_message_release(m);
		return;
	}
	if (fy_sub_32(&m->refs, 1) != 1)
		return;
	if (!fy_message_runs_code(m)) {
		fy_message_free(m);
		return;
	}
	if (link->user_code) {
		ferry *before = fy_thread_begin(FY_INLINE, link->engine);
		fy_message_free(m);
		fy_thread_end(FY_INLINE, before);
		return;
	}
	m->task.run = release_later;
	fy_tasks_defer(&link->tasks, &m->task);
}
