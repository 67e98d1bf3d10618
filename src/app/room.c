/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_room: a future that is done when there is room for posts to a rank. Any thread.
 */
#include <stdint.h>

#include "ferry.h"
#include "base/fail.h"
#include "future/future.h"
#include "helm/ask.h"
#include "helm/errands.h"
#include "shared/engine.h"

int ferry_room(ferry *engine, int rank, ferry_future **future_p)
{
	if (!engine || !future_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_room needs an engine and a place for the future");
	int bad = fy_engine_check_rank(engine, "rank", rank, "");
	if (bad)
		return bad;
	ferry_future *future = fy_future_create(engine, 0);
	if (!future)
		return fy_fail(FERRY_ENOMEM, "no memory for a future");
	future->id = (uint64_t)rank;
	int status = fy_ask(engine, fy_errands_add_room, future);
	if (status)
		fy_future_discard(future);
	else
		*future_p = future;
	return status;
}
