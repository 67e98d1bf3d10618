/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks that are gone, as the program learns it and says it; and the end of an engine without the
 * other ranks. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "app/handle.h"
#include "base/fail.h"
#include "base/order.h"
#include "helm/ask.h"
#include "helm/errands.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "wire/bodies.h"

/* The handler of notes, with what the program wants to be called. It is freed as a handler is. */
struct watcher {
	struct fy_handler handler; /* first */
	ferry_peer_fn *fn;
	void *arg;
};

static void call_watcher(ferry *engine, ferry_message *message, void *arg)
{
	const struct watcher *w = arg;
	int status;
	const char *why = fy_errands_read_note(message, &status);
	w->fn(engine, ferry_message_source(message), status, why, w->arg);
}

int ferry_on_peer(ferry *engine, ferry_executor *where, ferry_peer_fn *fn, void *arg)
{
	struct fy_errand_handler r = { .op = FY_OP_GONE };
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_on_peer needs an engine");
	struct watcher *w = fn ? malloc(sizeof *w) : NULL;
	if (fn && !w)
		return fy_fail(FERRY_ENOMEM, "no memory for a watcher of peers");
	if (w) {
		fy_handle_init(&w->handler, FY_OP_GONE, where, call_watcher, w);
		w->fn = fn;
		w->arg = arg;
		r.handler = &w->handler;
	}
	return fy_handle_set(engine, fy_errands_watch_peers, &r);
}

int ferry_peer_status(ferry *engine, int rank)
{
	int status;
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_peer_status needs an engine");
	status = fy_engine_check_rank(engine, "ferry_peer_status needs", rank, "");
	if (status)
		return status;
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	bool gone = fy_load_acquire_8(&engine->full[rank]) == 2;
	fy_engine_leave(engine);
	return gone ? fy_fail(FERRY_EPEER, "rank %d is gone", rank) : FERRY_OK;
}

int ferry_peer_gone(ferry *engine, int rank, const char *why)
{
	struct fy_errand_peer peer = { rank, why ? why : "no reason is given" };
	if (!engine)
		return fy_fail(FERRY_EINVAL, "ferry_peer_gone needs an engine");
	int status = fy_engine_check_rank(engine, "ferry_peer_gone needs", rank, "");
	if (status)
		return status;
	if (rank == engine->rank)
		return fy_fail(FERRY_EINVAL, "ferry_peer_gone is for other ranks: this one ends by "
		                             "ferry_abort");
	status = fy_ask(engine, fy_errands_name_peer, &peer);
	return status == FERRY_ENOTSUP
	               ? fy_fail(status, "ferry_peer_gone needs the option peer_timeout")
	               : status;
}

void ferry_abort(ferry *engine, int status)
{
	if (!engine || !fy_engine_enter(engine))
		return;
	if (fy_cas_32(&engine->end.aborting, 0, 1))
		fy_errands_abort(engine, status < 0 ? status : FERRY_ESTOPPED);
	fy_engine_leave(engine);
}
