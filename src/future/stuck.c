/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits that cannot end: a future's next step is queued behind the thread that would wait for the
 * future. Any thread. The search goes through compositions, up to a limit. While it looks at one it
 * is counted there, so that the composition keeps its futures.
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

/* How many futures are looked at, so that the search takes a millisecond at most. Behind the limits
 * a wait that cannot end is not found. */
#define LOOKS_MAX 100000
#define DEPTH_MAX 100 /* compositions of compositions, on the stack */

struct look {
	unsigned left, depth;
};

static bool stuck(const ferry_future *future, struct look *look);

/* The chain's own step cannot run, or what it waits for cannot end. */
static bool chain_stuck(struct fy_chain *chain, struct look *look)
{
	fy_add_32(&chain->lookers, 1);
	fy_fence_full(); /* pairs with chain_let_go's: it sees us, or we see what it wrote */
	const ferry_future *on = fy_load_acquire_ptr(&chain->on);
	bool is = !fy_load_acquire_32(&chain->stepped) && chain->where != FERRY_INLINE &&
	          fy_executor_alone_inside(chain->where);
	is = is || (on && stuck(on, look));
	fy_sub_32(&chain->lookers, 1);
	return is;
}

/* `all` cannot end if one of its futures cannot; `any` only if none can. */
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

/* Does this thread run inline code of that engine? NULL: of any engine. */
static bool runs_inline(ferry *engine)
{
	return fy_future_hooks.on_progress && fy_future_hooks.on_progress(engine);
}

/* Can the future only be done after the task that this thread is running has returned? */
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
	fy_later_run(); /* our look may have been the last thing that kept a group */
	if (is)
		return fy_fail(FERRY_EDEADLK,
		               "this future is made of one whose next step can only run when what "
		               "this thread is running has returned; use ferry_future_then");
	return FERRY_OK;
}
