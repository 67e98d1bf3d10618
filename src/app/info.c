/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is to know of an engine: rank, size, status, counters, options. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/options.h"
#include "base/order.h"
#include "helm/ask.h"
#include "shared/engine.h"
#include "shared/thread.h"
#include "shared/wake.h"

int ferry_stats_read(const ferry *engine, ferry_stats *stats)
{
	if (!engine || !stats || stats->size < sizeof stats->size)
		return fy_fail(FERRY_EINVAL, "ferry_stats_read needs an engine and statistics made "
		                             "with FERRY_STATS_INIT");
	ferry *e = (ferry *)(uintptr_t)engine;
	ferry_stats now;
	bool inline_code = fy_thread_on_progress(e);
	if (!inline_code && !fy_engine_enter(e))
		return fy_fail(FERRY_ESTOPPED,
		               "the engine has stopped: read the counters before it is closed");
	fy_ask_stats(e, &now);
	if (!inline_code)
		fy_engine_leave(e);
	fy_engine_add_totals(e, &now);
	size_t size = stats->size < sizeof now ? stats->size : sizeof now;
	memcpy(stats, &now, size);
	stats->size = size;
	return FERRY_OK;
}

int ferry_rank(const ferry *engine)
{
	return engine ? engine->rank : fy_fail(FERRY_EINVAL, "ferry_rank needs an engine");
}

int ferry_size(const ferry *engine)
{
	return engine ? engine->size : fy_fail(FERRY_EINVAL, "ferry_size needs an engine");
}

int ferry_status(const ferry *engine)
{
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_status needs an engine");
	if (!fy_engine_has_stopped(engine))
		return FERRY_OK;
	if (engine->status)
		return fy_fail(engine->status, "the engine has stopped: %s",
		               ferry_strerror(engine->status));
	return fy_fail(FERRY_ESTOPPED, "the engine was closed");
}

int ferry_options_resolved(const ferry *engine, ferry_options *options)
{
	if (!engine || !options)
		return fy_fail(FERRY_EINVAL, "ferry_options_resolved needs an engine and options "
		                             "made with FERRY_OPTIONS_INIT");
	ferry *e = (ferry *)(uintptr_t)engine; /* for the count of threads inside */
	if (!fy_engine_enter(e))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int status = fy_options_report(&engine->options, options);
	fy_engine_leave(e);
	return status;
}
