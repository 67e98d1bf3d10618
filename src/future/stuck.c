/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits that cannot end: a future whose next step is queued behind the thread that would wait for
 * it. Any thread. The look goes through compositions, at most so many of them, and counts itself
 * in where it looks.
 */
#include "future/stuck.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "future/compose.h"
#include "future/executor.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/later.h"
#include "future/watch.h"

/* futures; so that it takes a millisecond at most. What is not seen then is not known */
#define LOOKS_MAX 100000
#define DEPTH_MAX 100 /* compositions of compositions, on the stack */

struct look {
	unsigned left, depth;
};

static bool stuck(const ferry_future *future, struct look *look);

/* Its own step, or what it waits for. */
static bool chain_stuck(struct fy_chain *chain, struct look *look)
{
	fy_add_32(&chain->lookers, 1);
	fy_fence_full(); /* chain_let_go has one as well: it sees us, or we see what it wrote */
	const ferry_future *on = fy_load_acquire_ptr(&chain->on);
	bool is = !fy_load_acquire_32(&chain->stepped) && chain->where != FERRY_INLINE &&
	          fy_executor_alone_inside(chain->where);
	is = is || (on && stuck(on, look));
	fy_add_32(&chain->lookers, (uint32_t)-1);
	return is;
}

/* All: any one of them; any: every one of them. */
static bool group_stuck(struct fy_group *group, struct look *look)
{
	bool decides = group->composed.kind == FY_COMPOSED_ALL;
	size_t i = 0;

	if (!fy_compose_hold(group))
		return false;
	while (i < group->count && stuck(group->watches[i].future, look) != decides)
		i++;
	bool is = decides == (i < group->count);
	fy_compose_drop(group, 1);
	return is;
}

/* Inline code of that engine, or of any: NULL. */
static bool runs_inline(ferry *engine)
{
	return fy_future_hooks.on_progress && fy_future_hooks.on_progress(engine);
}

/* Can it only be done after the task that this thread is running has returned? */
static bool stuck(const ferry_future *future, struct look *look)
{
	struct fy_composed *composed = future->extra;

	if (look->left == 0 || look->depth == 0 ||
	    (fy_load_acquire_32(&future->state) & FY_FUTURE_CLAIMED))
		return false;
	look->left--;
	if (!(future->flags & FY_FUTURE_IS_COMPOSED))
		return future->engine && runs_inline(future->engine);
	look->depth--;
	bool is = composed->kind == FY_COMPOSED_CHAIN
	                  ? chain_stuck((struct fy_chain *)composed, look)
	                  : group_stuck((struct fy_group *)composed, look);
	look->depth++;
	return is;
}

bool fy_stuck_matters(void)
{
	return fy_executor_is_running() || runs_inline(NULL);
}

int fy_stuck_may_wait(const ferry_future *future)
{
	struct look look = { LOOKS_MAX, DEPTH_MAX };

	if (!(future->flags & FY_FUTURE_IS_COMPOSED) || !fy_stuck_matters())
		return FERRY_OK;
	bool is = stuck(future, &look);
	fy_later_run(); /* a group may have been over but for us */
	if (is)
		return fy_fail(FERRY_EDEADLK,
		               "this future is made of one whose next step can only run when what "
		               "this thread is running has returned; use ferry_future_then");
	return FERRY_OK;
}
