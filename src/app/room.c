/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_room: a future that is done when there is room for posts to a rank. Any thread.
 */
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "future/future.h"
#include "helm/ask.h"
#include "helm/command.h"
#include "helm/errands.h"
#include "shared/engine.h"

int ferry_room(ferry *engine, int rank, ferry_future **future_p)
{
	if (!engine || !future_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_room needs an engine and a place for the future");
	if (rank < 0 || rank >= engine->size)
		return fy_fail(FERRY_EINVAL, "rank %d: this job has ranks 0 to %d", rank,
		               engine->size - 1);
	ferry_future *future = fy_future_create(engine, 0);
	if (!future)
		return fy_fail(FERRY_ENOMEM, "no memory for a future");
	future->id = (uint64_t)rank;
	struct fy_command c = { .run = fy_errands_add_room, .arg = future };
	int status = fy_ask_and_wait(engine, &c);
	if (status) {
		ferry_future_release(future);
		ferry_future_release(future);
		return status;
	}
	*future_p = future;
	return FERRY_OK;
}
