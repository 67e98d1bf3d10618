/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_task;

/* May this thread wait for something of this engine? 0, or FERRY_EDEADLK with a sentence. */
int fy_future_hooks_may_wait(ferry *engine);

/*
 * What the engine offers to futures. app/hooks.c sets the table once; all are NULL in unit tests.
 *
 * A future has no reference of its engine. While a future is not DONE its engine has not closed,
 * but another thread may close it between our look and the call of a hook. So all hooks except
 * message_* take an engine that may just have closed. They then do nothing, or return ESTOPPED.
 */
struct fy_future_hooks {
	/* Does this thread run inline user code of that engine, where waiting is EDEADLK? NULL: of
	 * any engine. */
	bool (*on_progress)(const ferry *engine);
	/* Called before a thread would sleep; may drive the engine. Returns when the future is
	 * done, or when this thread has nothing more to drive. The thread then sleeps on the
	 * future's word until `until` (absolute, monotonic ns; INT64_MAX: for ever). `future` may
	 * be on the stack (ferry_wait_any): use it for fy_future_is_done only. */
	void (*engine_wait)(ferry *engine, const ferry_future *future, int64_t until);
	/* Hand a task to the progress thread of that engine. 0, or FERRY_ESTOPPED when the engine
	 * takes no more tasks: then the task is still the caller's. */
	int (*run_inline)(ferry *engine, struct fy_task *task);
	/* Have a timer of the helm call fy_future_expire at `when` (monotonic ns). The engine takes
	 * a reference of its own for the timer. 0, or FERRY_ENOMEM, FERRY_ESTOPPED. */
	int (*deadline)(ferry *engine, ferry_future *future, int64_t when);
	/* Tell the engine that a future of its was cancelled or timed out. May be NULL. Called
	 * between the claim and DONE. */
	void (*abandoned)(ferry *engine, ferry_future *future);
	/* The engine lists promises from creation to completion, because its close completes those
	 * that are pending. promise_opened: 0 or FERRY_ESTOPPED. promise_closed is called once for
	 * each promise, by fy_future_finish just before DONE. fy_future_finish then drops the
	 * list's reference, whoever completes. So close does this for each promise in the list: it
	 * retains it under the lock that promise_closed takes, lets go of the lock, and calls
	 * fy_future_complete, which drops what close retained. */
	int (*promise_opened)(ferry *engine, ferry_future *future);
	void (*promise_closed)(ferry *engine, ferry_future *future);
	/* A message's reference count: future.c needs nothing else of messages. */
	void (*message_retain)(ferry_message *message);
	void (*message_release)(ferry_message *message);
	/* Make an empty reply. The engine may have closed, and its struct may be used anew. */
	ferry_message *(*message_empty)(ferry *engine);
	/* Has this engine stopped? */
	bool (*stopped)(const ferry *engine);
};
extern struct fy_future_hooks fy_future_hooks;
