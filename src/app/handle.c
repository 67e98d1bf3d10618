/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registering handlers. Any thread of the application.
 */
#include "app/handle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/waiting.h"
#include "future/executor.h"
#include "helm/ask.h"
#include "helm/errands.h"
#include "shared/handler.h"
#include "shared/message.h"

static void sleep_on(struct fy_handler *old, uint32_t mine)
{
	struct fy_wait wait = { .kind = FY_WAITS_HANDLER,
		                .op = old->op,
		                .peer = FY_WAITS_NOBODY,
		                .object = old,
		                .until = INT64_MAX };
	struct fy_waiting_place place;
	uint32_t running;
	fy_waiting_begin(&place, &wait);
	while ((running = fy_load_acquire_32(&old->running)) > mine)
		fy_futex_wait(&old->running, running, INT64_MAX, false);
	fy_waiting_end(&place);
}

/* After this the old handler does not run and will not run again. Messages in its executor will
 * find it closed. This waits for calls of it on other threads. Calls by the holder of the helm,
 * whichever thread that was, ended before the command ran. */
static void await_idle(struct fy_handler *old)
{
	uint32_t mine = old ? fy_handler_runs_here(old) : 0;
	if (!old)
		return;
	if (old->where && fy_load_acquire_32(&old->running) > mine)
		sleep_on(old, mine);
	fy_handler_release(old);
}

void fy_handle_init(struct fy_handler *h, uint32_t op, ferry_executor *where, ferry_handler_fn *fn,
                    void *arg)
{
	bool anywhere = where == FERRY_ANYWHERE;
	*h = (struct fy_handler){ .op = op,
		                  .where = anywhere ? FERRY_INLINE : where,
		                  .anywhere = anywhere,
		                  .fn = fn,
		                  .arg = arg,
		                  .refs = 1 };
	fy_executor_retain(h->where);
}

int fy_handle_set(ferry *engine, fy_command_fn *errand, struct fy_errand_handler *r)
{
	int status = fy_ask(engine, errand, r);
	if (status && r->handler)
		fy_handler_release(r->handler);
	await_idle(r->old);
	return status;
}

static int check(const char *function, const ferry *engine, uint32_t op)
{
	return engine ? fy_message_check_op(op)
	              : fy_fail(FERRY_EINVAL, "%s needs an engine", function);
}

int ferry_handle(ferry *engine, uint32_t op, ferry_executor *where, ferry_handler_fn *fn, void *arg)
{
	struct fy_errand_handler r = { .op = op };
	int status = check("ferry_handle", engine, op);
	if (status)
		return status;
	if (fn && !(r.handler = malloc(sizeof *r.handler)))
		return fy_fail(FERRY_ENOMEM, "no memory for a handler");
	if (fn)
		fy_handle_init(r.handler, op, where, fn, arg);
	return fy_handle_set(engine, fy_errands_set_handler, &r);
}

int ferry_handle_memory(ferry *engine, uint32_t op, ferry_memory_fn *fn, void *arg)
{
	struct fy_errand_memory r = { op, fn, arg };
	int bad = check("ferry_handle_memory", engine, op);
	return bad ? bad : fy_ask(engine, fy_errands_set_memory, &r);
}
