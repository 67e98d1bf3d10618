/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that the program runs itself, and the descriptor that is readable while a queue has tasks.
 * Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "future/queue.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ferry.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "future/backlog.h"
#include "future/executor.h"
#include "future/hooks.h"

#define FD_LOCK 1u
#define FD_AGAIN 2u

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static ferry_executor *queues; /* under queues_lock */

/* Under FD_LOCK. */
static void fd_write(ferry_executor *queue, bool readable)
{
	int fd = (int)fy_load_relaxed_32(&queue->fd_plus_1) - 1, kept = errno, cancel;
	eventfd_t value;

	if (fd < 0 || readable == queue->fd_readable)
		return;
	queue->fd_readable = readable;
	cancel = fy_cancel_later();
	if (readable)
		eventfd_write(fd, 1);
	else
		eventfd_read(fd, &value);
	fy_cancel_as(cancel);
	errno = kept;
}

/* Called under FD_LOCK, which it gives back. Sets the descriptor until nobody asks for another
 * look. */
static void fd_settle(ferry_executor *queue)
{
	do {
		/* A thread that changed the count has set FD_AGAIN. Either it did so before this
		 * clears it, and we see its count; or the attempt to unlock below fails. */
		fy_cas_32(&queue->fd_word, FD_LOCK | FD_AGAIN, FD_LOCK);
		fd_write(queue, fy_backlog_count(&queue->backlog) > 0);
	} while (!fy_cas_32(&queue->fd_word, FD_LOCK, 0));
}

/* A submitter must not wait. If another thread has FD_LOCK, FD_AGAIN makes that thread look
 * again. */
void fy_future_queue_submitted(ferry_executor *queue)
{
	uint32_t word;

	if (!fy_load_acquire_32(&queue->fd_plus_1))
		return;
	do {
		word = fy_load_relaxed_32(&queue->fd_word);
	} while (!fy_cas_32(&queue->fd_word, word, word & FD_LOCK ? word | FD_AGAIN : FD_LOCK));
	if (!(word & FD_LOCK))
		fd_settle(queue);
}

static void fd_lock(ferry_executor *queue)
{
	for (unsigned tries = 0; !fy_cas_32(&queue->fd_word, 0, FD_LOCK); tries++) {
		if (tries < FY_EXECUTOR_SPINS)
			fy_pause();
		else
			sched_yield();
	}
}

/* A runner waits for FD_LOCK, so that the descriptor is right when it goes on. */
static void fd_taken(ferry_executor *queue)
{
	if (!fy_load_acquire_32(&queue->fd_plus_1) || fy_backlog_count(&queue->backlog) > 0)
		return;
	fd_lock(queue);
	fd_settle(queue);
}

static int check_queue(const char *function, const ferry_executor *executor)
{
	if (executor != FERRY_INLINE && executor != FERRY_ANYWHERE &&
	    executor->kind == FY_EXECUTOR_QUEUE)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL, "%s needs an executor of ferry_queue_create", function);
}

int ferry_executor_fd(ferry_executor *executor)
{
	int bad = check_queue("ferry_executor_fd", executor);

	if (bad)
		return bad;
	fd_lock(executor);
	int fd = (int)fy_load_relaxed_32(&executor->fd_plus_1) - 1;
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		/* An atomic step: a submitter sees the descriptor, or we see the task. */
		fy_swap_32(&executor->fd_plus_1, (uint32_t)(fd + 1));
	}
	fd_settle(executor);
	return fd >= 0 ? fd
	               : fy_fail(FERRY_ENOMEM, "no descriptor for the queue: %s", strerror(errno));
}

int ferry_queue_create(ferry *engine, ferry_executor **executor_p)
{
	ferry_executor *queue;
	int rc;

	if (!engine || !executor_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_queue_create needs an engine and a place for the executor");
	if ((rc = fy_executor_check_open(engine)) < 0)
		return rc;
	queue = fy_executor_create(FY_EXECUTOR_QUEUE);
	if (!queue)
		return fy_fail(FERRY_ENOMEM, "no memory for a queue");
	queue->engine = engine;
	pthread_mutex_lock(&queues_lock);
	queue->next_queue = queues;
	queue->link = &queues;
	if (queues)
		queues->link = &queue->next_queue;
	queues = queue;
	pthread_mutex_unlock(&queues_lock);
	*executor_p = queue;
	return FERRY_OK;
}

static unsigned queue_run(ferry_executor *queue, unsigned max)
{
	struct fy_task *task;
	unsigned ran = 0;

	while (ran < max && (task = fy_backlog_take(&queue->backlog, 1)) != NULL) {
		fd_taken(queue);
		fy_executor_run_as(queue, task, false);
		ran++;
	}
	return ran;
}

static struct fy_wait describe(enum fy_waits kind, const ferry_executor *queue, int64_t until)
{
	return fy_waiting_of(kind, fy_load_relaxed_ptr(&queue->engine), queue, until);
}

static void await_runs(ferry_executor *queue, uint32_t own_runs)
{
	struct fy_wait wait = describe(FY_WAITS_EXECUTOR, queue, INT64_MAX);
	struct fy_waiting_place place;
	uint32_t running;

	fy_waiting_begin(&place, &wait);
	while ((running = fy_load_acquire_32(&queue->running)) > own_runs)
		fy_futex_wait(&queue->running, running, INT64_MAX, false);
	fy_waiting_end(&place);
}

/* The gate is closed. Run what is left, and wait for runs on other threads. */
static void queue_end(ferry_executor *queue, unsigned own_runs)
{
	pthread_mutex_lock(&queues_lock);
	*queue->link = queue->next_queue;
	if (queue->next_queue)
		queue->next_queue->link = queue->link;
	pthread_mutex_unlock(&queues_lock);
	fy_backlog_stop(&queue->backlog);
	queue_run(queue, UINT_MAX);
	await_runs(queue, own_runs);
	if (queue->fd_plus_1)
		close((int)queue->fd_plus_1 - 1);
	fy_executor_release(queue);
}

static void run_begins(ferry_executor *queue)
{
	fy_executor_retain(queue);
	fy_add_32(&queue->running, 1);
}

static void run_ends(ferry_executor *queue)
{
	/* Destroyed by one of its tasks: that takes effect now that the task has returned. */
	if (fy_load_acquire_32(&queue->ending) && fy_swap_32(&queue->ending, 0))
		queue_end(queue, fy_executor_runs_here(queue) + 1);
	fy_sub_32(&queue->running, 1);
	if (fy_backlog_stopped(&queue->backlog))
		fy_futex_wake(&queue->running, INT_MAX, false);
	fy_executor_release(queue);
}

static void rest(ferry_executor *queue, int64_t until)
{
	struct fy_wait wait = describe(FY_WAITS_TASK, queue, until);
	struct fy_waiting_place place;

	fy_waiting_begin(&place, &wait);
	fy_backlog_sleep(&queue->backlog, until);
	fy_waiting_end(&place);
}

/* Wait for something to run: FERRY_OK, FERRY_PENDING, or why there will be nothing. */
static int queue_wait(ferry_executor *queue, int64_t timeout)
{
	int64_t until;
	int rc;

	if (fy_backlog_count(&queue->backlog) > 0)
		return FERRY_OK;
	if (timeout == 0)
		return FERRY_PENDING;
	if ((rc = fy_future_hooks_may_wait(fy_load_relaxed_ptr(&queue->engine))) < 0)
		return rc;
	until = fy_timeout_in(timeout);
	while (fy_backlog_count(&queue->backlog) == 0) {
		if (fy_backlog_stopped(&queue->backlog))
			return fy_fail(FERRY_ESTOPPED, "the queue was destroyed");
		if (until != INT64_MAX && fy_clock_now() >= until)
			return FERRY_PENDING;
		rest(queue, until);
	}
	return FERRY_OK;
}

int ferry_executor_run(ferry_executor *executor, unsigned max, int64_t timeout)
{
	int rc = check_queue("ferry_executor_run", executor), cancel;

	if (rc < 0)
		return rc;
	if (!fy_timeout_ok(timeout))
		return fy_timeout_fail("ferry_executor_run", timeout);
	cancel = fy_cancel_later();
	run_begins(executor);
	rc = queue_wait(executor, timeout);
	if (rc == FERRY_OK) {
		/* Only what is queued now: tasks that queue tasks must not keep the caller
		 * here. */
		uint32_t count = fy_backlog_count(&executor->backlog);
		if (max == 0 || max > count)
			max = count;
		rc = (int)queue_run(executor, max > INT_MAX ? INT_MAX : max);
	} else if (rc == FERRY_PENDING) {
		rc = 0;
	}
	run_ends(executor);
	fy_cancel_as(cancel);
	return rc;
}

void fy_future_queue_destroy(ferry_executor *queue)
{
	fy_executor_gate_close(queue);
	if (fy_executor_inside(queue))
		fy_store_release_32(&queue->ending, 1);
	else
		queue_end(queue, 0);
}

unsigned fy_future_queue_drain(ferry_executor *where)
{
	unsigned ran;

	if (where->kind != FY_EXECUTOR_QUEUE)
		return 0;
	run_begins(where);
	ran = queue_run(where, UINT_MAX);
	run_ends(where);
	return ran;
}

static ferry_executor *find_loaded(const ferry *engine)
{
	ferry_executor *queue;

	pthread_mutex_lock(&queues_lock);
	queue = queues;
	while (queue && (queue->engine != engine || fy_backlog_count(&queue->backlog) == 0))
		queue = queue->next_queue;
	if (queue)
		fy_executor_retain(queue);
	pthread_mutex_unlock(&queues_lock);
	return queue;
}

void fy_future_queue_engine_closed(ferry *engine)
{
	pthread_mutex_lock(&queues_lock);
	for (ferry_executor *queue = queues; queue; queue = queue->next_queue)
		if (queue->engine == engine)
			fy_store_release_ptr(&queue->engine, NULL);
	pthread_mutex_unlock(&queues_lock);
}

unsigned fy_future_queue_engine_closing(ferry *engine)
{
	ferry_executor *queue;
	unsigned ran = 0;

	while ((queue = find_loaded(engine)) != NULL) {
		static const struct fy_wait none; /* the close does not wait meanwhile */
		struct fy_waiting_place place;
		fy_waiting_begin(&place, &none);
		ran += fy_future_queue_drain(queue);
		fy_waiting_end(&place);
		fy_executor_release(queue);
	}
	return ran;
}
