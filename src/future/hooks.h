/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_HOOKS_H
#define FY_FUTURE_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"

struct fy_task;

/* May this thread wait for something of this engine? 0, or FERRY_EDEADLK with a sentence. */
int fy_future_hooks_may_wait(ferry *engine);

/*
 * What the engine offers to a thread that waits: `engine_wait` is called
 * before the thread would sleep, and may drive the engine (lend the helm). It
 * returns when the future is done, or when there is nothing (more) for it to
 * do; the waiter then sleeps on the future's word until `until` (absolute, monotonic ns;
 * INT64_MAX: for ever). `on_progress` tells whether this thread is running inline user code
 * of that engine, where waiting is EDEADLK. Set once by app/hooks.c; NULL in unit tests.
 *
 * A future holds no reference of its engine: while it is not DONE its engine has not closed, but
 * another thread may close it between our look and the call. So hooks other than message_* take an
 * engine that may have closed a moment ago, and do nothing then (or ESTOPPED).
 */
struct fy_future_hooks {
	bool (*on_progress)(ferry *engine);
	/* `future` may be one on the stack (wait_any): good for fy_future_is_done alone. */
	void (*engine_wait)(ferry *engine, const ferry_future *future, int64_t until);
	/* Hand a task to where == FERRY_INLINE: the progress thread of that engine. 0, or
	 * FERRY_ESTOPPED when the engine takes no more: then the task is still the caller's. */
	int (*run_inline)(ferry *engine, struct fy_task *task);
	/* The helm's timers: call fy_future_expire at `when`. The engine takes a
	 * reference of its own for it. 0 or FERRY_ENOMEM, FERRY_ESTOPPED. */
	int (*deadline)(ferry *engine, ferry_future *future, int64_t when);
	/* Tell the engine that a future of it was cancelled or timed out, so that what has not left
	 * the lane is not sent. May be NULL. Called between the claim and DONE. */
	void (*abandoned)(ferry *engine, ferry_future *future);
	/* Promises that are pending when the engine closes are completed by it: the engine lists
	 * them from creation to completion. 0 or FERRY_ESTOPPED. The reference that goes with the
	 * list is future.c's: promise_closed is called once for every promise, by
	 * fy_future_finish just before DONE, and finish then drops that reference, whoever
	 * completes. So close retains each promise that it finds in the list (under the lock that
	 * promise_closed takes), lets go of the lock, and calls fy_future_complete, which drops
	 * what close retained. */
	int (*promise_opened)(ferry *engine, ferry_future *future);
	void (*promise_closed)(ferry *engine, ferry_future *future);
	/* A message's reference count, so that future.c needs nothing else of messages. */
	void (*message_retain)(ferry_message *message);
	void (*message_release)(ferry_message *message);
	/* The reply of a call that had none. The engine may have closed, and be gone. */
	ferry_message *(*message_empty)(ferry *engine);
	/* Has this engine stopped? */
	bool (*stopped)(ferry *engine);
};
extern struct fy_future_hooks fy_future_hooks;

#endif
