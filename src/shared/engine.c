/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as all threads see it: its references and its slots. Any thread. The struct outlives
 * ferry_close while messages, lanes or executors of it are alive; what the helm owns does not.
 */
#include "shared/engine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/options.h"
#include "base/order.h"
#include "shared/account.h"
#include "shared/block.h"
#include "shared/shell.h"
#include "shared/tally.h"
#include "trace/trace.h"

void fy_engine_set_stopped(ferry *e)
{
	fy_store_release_32(&e->phase, FY_STOPPED);
	fy_store_release_32(&e->end.stopped, 1);
}

int fy_engine_check_rank(const ferry *e, const char *what, int rank, const char *or_else)
{
	if (rank >= 0 && rank < e->size)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL, "%s %d: this job has ranks 0 to %d%s", what, rank, e->size - 1,
	               or_else);
}

/* fy_life_destroy does not do it: whoever closes the engine may log more after that. */
void fy_engine_close_log(ferry *e)
{
	fy_log_close(e->log);
	e->log = NULL;
}

void fy_engine_retain(ferry *e)
{
	fy_add_32(&e->refs, 1);
}

bool fy_engine_try_retain(ferry *e)
{
	uint32_t refs;
	do {
		refs = fy_load_relaxed_32(&e->refs);
		if (refs == 0)
			return false;
	} while (!fy_cas_32(&e->refs, refs, refs + 1));
	return true;
}

/* The engine of messages that are made when theirs has ended. */
static ferry ended = {
	.phase = FY_STOPPED,
	.refs = 1,
	.end.stopped = 1,
	.end.abandoned = 1,
	.end.closed = 1,
	.options = { .message_max = SIZE_MAX, .out_of_band = SIZE_MAX, .decode_memory = 4096 }
};

ferry *fy_engine_retain_or_ended(ferry *e)
{
	if (fy_engine_try_retain(e))
		return e;
	fy_engine_retain(&ended);
	return &ended;
}

void fy_engine_release(ferry *e)
{
	if (fy_sub_32(&e->refs, 1) != 1)
		return;
	fy_block_free_all(e);
	fy_tally_free_all(e);
	fy_engine_close_log(e);
	fy_trace_free(e->helm_side.trace);
	e->helm_side.trace = NULL;
	free(e->full);
	free(e->room.bodies_to);
	e->full = NULL;
	e->room.bodies_to = NULL;
	fy_options_free(&e->options);
	while (e->account_list) {
		struct fy_account *a = e->account_list;
		e->account_list = a->next;
		free(a);
	}
	if (e->shelf.is_unseen)
		fy_shell_put_unseen(e);
	else
		fy_shell_rest(e);
}

void **fy_engine_slot(ferry *e, void (*free_fn)(void *slot))
{
	int i = 0;
	pthread_mutex_lock(&e->aside.lock);
	while (i < FY_ENGINE_SLOTS && e->aside.slot_free[i] && e->aside.slot_free[i] != free_fn)
		i++;
	if (i < FY_ENGINE_SLOTS)
		e->aside.slot_free[i] = free_fn;
	pthread_mutex_unlock(&e->aside.lock);
	return i < FY_ENGINE_SLOTS ? &e->aside.slots[i] : NULL;
}

bool fy_engine_enter(ferry *engine)
{
	fy_add_64(&engine->guests, 1);
	if (!fy_engine_has_stopped(engine))
		return true;
	fy_engine_leave(engine);
	return false;
}

void fy_engine_leave(ferry *engine)
{
	fy_sub_64(&engine->guests, 1);
}

void fy_engine_add_totals(const ferry *engine, ferry_stats *stats)
{
	stats->lane_full = fy_load_acquire_64(&engine->pressure.lane_full);
	stats->lends = fy_load_acquire_64(&engine->totals.lends);
	stats->wakes = fy_load_acquire_64(&engine->wake.wakes);
	stats->handled += fy_engine_handled(engine);
}

uint64_t fy_engine_handled(const ferry *engine)
{
	return fy_load_acquire_64(&engine->told.handled_elsewhere[0]) +
	       fy_load_acquire_64(&engine->told.handled_elsewhere[1]);
}
