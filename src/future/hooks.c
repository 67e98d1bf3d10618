/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine offers to futures and executors: a table that app/hooks.c fills in once. Any
 * thread. Unit tests of this folder leave it empty. Nothing of the engine is known here.
 */
#include "future/hooks.h"

#include "ferry.h"
#include "base/fail.h"

struct fy_future_hooks fy_future_hooks;

int fy_future_hooks_may_wait(ferry *engine)
{
	if (engine && fy_future_hooks.on_progress && fy_future_hooks.on_progress(engine))
		return fy_fail(
			FERRY_EDEADLK,
			"inline code on the progress thread would wait for what only that thread "
			"can bring about; use ferry_future_then, or name an executor");
	return FERRY_OK;
}
