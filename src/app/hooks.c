/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine does for futures (future/hooks.h says what each hook has to do): it lets a
 * waiting thread drive, runs inline callbacks, keeps deadlines, and completes promises that are
 * left at the end. Any thread.
 */
#include "app/hooks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/inbox.h"
#include "base/order.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/task.h"
#include "helm/ask.h"
#include "helm/command.h"
#include "helm/drive.h"
#include "helm/errands.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "shared/tasks.h"
#include "shared/thread.h"

static bool future_ready(const void *future)
{
	return fy_future_is_done(future);
}

static void hook_wait(ferry *engine, const ferry_future *future, int64_t until)
{
	if (!fy_engine_enter(engine))
		return;
	struct fy_lane *lane =
		fy_thread_recent.serial == engine->serial ? fy_thread_recent.lane : NULL;
	fy_store_relaxed_64(&engine->pressure.waits,
	                    fy_load_relaxed_64(&engine->pressure.waits) + 1);
	if (lane) {
		fy_habit_waits(lane, future);
		lane->habit.waited_for_room = false;
	}
	fy_drive_wait(engine, future_ready, future, until);
	fy_engine_leave(engine);
}

static int hook_run_inline(ferry *engine, struct fy_task *task)
{
	if (fy_thread_is_stepping(engine)) {
		fy_tasks_defer(engine->helm_side.deferred, task);
		return FERRY_OK;
	}
	if (!engine || !fy_engine_enter(engine)) /* ferry_future_all of none has no engine */
		return FERRY_ESTOPPED;
	fy_inbox_put(&engine->inboxes.tasks, &task->entry);
	fy_engine_notify(engine);
	fy_engine_leave(engine);
	return FERRY_OK;
}

static int hook_deadline(ferry *engine, ferry_future *future, int64_t when)
{
	struct fy_errand_deadline d = { future, when };
	return fy_ask(engine, fy_errands_add_deadline, &d);
}

/* Tells the helm, so that a receive whose future is given up takes no message. */
static void hook_abandoned(ferry *engine, ferry_future *future)
{
	if (!(future->flags & FY_FUTURE_IS_STARTED) || !fy_engine_enter(engine))
		return;
	fy_add_32(&engine->told.starts_given_up, 1);
	fy_engine_notify(engine);
	fy_engine_leave(engine);
}

/* Called under aside. `id` is the address of the pointer to this future, so that it can be taken
 * out without a search among 100,000. */
static void list_promise(ferry *engine, ferry_future *future)
{
	future->next = engine->aside.promises;
	future->id = (uintptr_t)&engine->aside.promises;
	if (future->next)
		future->next->id = (uintptr_t)&future->next;
	engine->aside.promises = future;
}

static int hook_promise_opened(ferry *engine, ferry_future *future)
{
	int status = FERRY_OK;
	pthread_mutex_lock(&engine->aside.lock);
	if (fy_engine_has_stopped(engine)) {
		status = fy_fail(FERRY_ESTOPPED, "a promise cannot be made: the engine was closed");
	} else {
		list_promise(engine, future);
	}
	pthread_mutex_unlock(&engine->aside.lock);
	return status;
}

static void hook_promise_closed(ferry *engine, ferry_future *future)
{
	pthread_mutex_lock(&engine->aside.lock);
	*(ferry_future **)(uintptr_t)future->id = future->next;
	if (future->next)
		future->next->id = future->id;
	pthread_mutex_unlock(&engine->aside.lock);
}

static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;

static void set_hooks(void)
{
	fy_future_hooks = (struct fy_future_hooks){
		.on_progress = fy_thread_must_not_wait,
		.engine_wait = hook_wait,
		.run_inline = hook_run_inline,
		.deadline = hook_deadline,
		.abandoned = hook_abandoned,
		.promise_opened = hook_promise_opened,
		.promise_closed = hook_promise_closed,
		.message_retain = ferry_message_retain,
		.message_release = ferry_message_release,
		.message_empty = fy_message_empty,
		.stopped = fy_engine_has_stopped,
	};
}

void fy_app_hooks_set(void)
{
	pthread_once(&hooks_once, set_hooks);
}
