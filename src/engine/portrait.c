/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of this process by any thread. */
#include "engine/portrait.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"
#include "helm/helm.h"
#include "helm/loop.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "shared/engine.h"
#include "shared/thread.h"
#include "watch/picture.h"

static bool try_helm(ferry *engine, int64_t until)
{
	bool mine;
	while (!(mine = fy_helm_try(engine)) && fy_clock_now() < until)
		sched_yield();
	return mine;
}

/* Inside of the engine. */
static void take(ferry *engine, int64_t patience, struct fy_picture *picture)
{
	const uint64_t *steps = fy_loop_steps(engine);
	uint64_t before = fy_load_relaxed_64(steps);
	fy_portray_threads(engine, picture);
	if (fy_thread_on_progress(engine)) {
		fy_portray_engine(fy_progress_of(engine), picture);
	} else if (try_helm(engine, fy_clock_now() + patience)) {
		if (!fy_engine_has_stopped(engine))
			fy_portray_engine(fy_progress_of(engine), picture);
		fy_helm_give(engine);
	} else if (fy_load_relaxed_64(steps) != before) {
		picture->flags |= FY_PICTURE_BUSY;
	}
}

int fy_portrait_take(ferry *engine, int64_t patience, struct fy_picture *picture)
{
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	take(engine, patience, picture);
	fy_engine_leave(engine);
	return FERRY_OK;
}
