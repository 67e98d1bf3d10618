/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools of worker threads. Any thread creates one, one thread destroys it; its workers run what is
 * queued.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "future/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/waiting.h"
#include "base/place.h"
#include "future/backlog.h"
#include "future/executor.h"

#define THREADS_MAX 4096

static _Thread_local ferry_executor *own_pool; /* of a worker thread */
static _Thread_local unsigned blocked_here;    /* how often fy_pool_blocking is nested */

/* A thread announces that it waits before it asks whether it is the last. So of two threads that
 * are about to wait at least one sees the other. */
bool fy_pool_last_runner(void)
{
	if (!own_pool)
		return false;
	return fy_load_acquire_32(&own_pool->blocked) - (blocked_here > 0) + 1 >= own_pool->threads;
}

void fy_pool_blocking(bool begins)
{
	if (!own_pool)
		return;
	if (begins && blocked_here++ == 0)
		fy_add_32(&own_pool->blocked, 1);
	else if (!begins && --blocked_here == 0)
		fy_sub_32(&own_pool->blocked, 1);
}

static void rest(ferry_executor *pool)
{
	struct fy_wait idle = fy_waiting_of(FY_WAITS_IDLE, NULL, pool, INT64_MAX);
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &idle);
	fy_backlog_sleep(&pool->backlog, INT64_MAX);
	fy_waiting_end(&place);
}

static void *worker(void *arg)
{
	ferry_executor *pool = arg;
	struct fy_task *task;

	/* the signal mask is inherited from the thread that made the pool */
	pthread_setname_np(pthread_self(), "ferry-worker");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fy_place_as_process();
	own_pool = pool;
	fy_waiting_set_role(FY_ROLE_WORKER);
	for (;;) {
		if ((task = fy_backlog_take(&pool->backlog, 1)) != NULL)
			fy_executor_run_as(pool, task, false);
		else if (fy_backlog_over(&pool->backlog))
			break;
		else
			rest(pool);
	}
	own_pool = NULL;
	if (fy_load_acquire_32(&pool->ending))
		pthread_detach(pthread_self());
	fy_executor_release(pool);
	return NULL;
}

static int start_worker(ferry_executor *pool)
{
	int rc;

	fy_executor_retain(pool);
	rc = pthread_create(&pool->ids[pool->threads], NULL, worker, pool);
	if (rc != 0)
		fy_executor_release(pool);
	return rc;
}

static void pool_join(ferry_executor *pool)
{
	struct fy_wait wait = fy_waiting_of(FY_WAITS_EXECUTOR, NULL, pool, INT64_MAX);
	struct fy_waiting_place place;
	fy_backlog_stop(&pool->backlog);
	fy_waiting_begin(&place, &wait);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->ids[i], NULL);
	fy_waiting_end(&place);
	fy_executor_release(pool);
}

int ferry_workers_create(ferry *engine, unsigned threads, ferry_executor **executor_p)
{
	ferry_executor *pool;
	int rc;

	if (!engine || !executor_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_workers_create needs an engine and a place for the executor");
	if (threads < 1 || threads > THREADS_MAX)
		return fy_fail(FERRY_EINVAL, "a pool of %u threads is not possible; give 1 to %d",
		               threads, THREADS_MAX);
	if ((rc = fy_executor_check_open(engine)) < 0)
		return rc;
	pool = fy_executor_create(FY_EXECUTOR_POOL);
	if (!pool || !(pool->ids = calloc(threads, sizeof *pool->ids))) {
		if (pool)
			fy_executor_release(pool);
		return fy_fail(FERRY_ENOMEM, "no memory for a pool of %u threads", threads);
	}
	while (pool->threads < threads) {
		rc = start_worker(pool);
		if (rc != 0) {
			pool_join(pool);
			return fy_fail(FERRY_ENOMEM, "a worker thread cannot be started: %s",
			               strerror(rc));
		}
		pool->threads++;
	}
	*executor_p = pool;
	return FERRY_OK;
}

void fy_pool_destroy(ferry_executor *pool)
{
	fy_executor_gate_close(pool);
	if (!fy_executor_inside(pool)) {
		pool_join(pool);
		return;
	}
	/* This thread is one of the pool's and cannot join itself, so all of them detach. */
	fy_store_release_32(&pool->ending, 1);
	fy_backlog_stop(&pool->backlog);
	fy_executor_release(pool);
}
