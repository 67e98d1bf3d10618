/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors: pools of worker threads, strands over them, and queues that the
 * program runs itself.
 *
 * The backlog. Whoever submits pushes onto a lock-free stack (never blocks,
 * however many do it and whoever is preempted); whoever runs empties it in one
 * step and turns it round, under a mutex that only those who run share. One word counts
 * what is queued and who sleeps for it, so that one atomic add both queues a
 * task and tells whether to wake somebody: neither can miss the other.
 *
 * The count may lag behind the stack (pushed, not yet counted), never run
 * ahead of it, and no more is taken out than is counted.
 *
 * Sleeping. A thread adds itself to the word's idle count and sleeps for a
 * permit. It stays counted until either it takes one from the idle count back (the time is up,
 * or there was work after all), or somebody who gave work took one from it and
 * put a permit there instead. So every submission wakes at most one sleeper, and none is
 * counted twice.
 *
 * The gate. Submitting happens between gate_enter and gate_leave; destroying
 * closes the gate and waits for those inside, a few instructions each. A task that comes
 * later is discarded: it is run with fy_executor_discarding() true, to clean up. After the gate is
 * closed and what is left was run, nothing of the executor runs any more.
 *
 * A strand is a backlog whose `turn` is queued in its pool while it has
 * anything to run: the submission that makes its count 1 queues the turn, the turn counts a
 * task off only after it has run, so that nobody else queues the turn meanwhile.
 *
 * References: the program's until destroy, one of each worker thread, of each
 * queued turn, of each run, and those of callbacks and handlers that will submit.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "executor.h"
#include "future.h"
#include "place.h"
#include "program.h"
#include "status.h"
#include "wake.h"

#define COUNT(load) ((uint32_t)(load))
#define IDLE(load) ((uint32_t)((load) >> 32) & 0x7FFFFFFFu)
#define ONE_IDLE ((uint64_t)1 << 32)
#define STOPPED ((uint64_t)1 << 63)

#define GATE_CLOSED 1u
#define GATE_ONE 2u

#define FD_LOCK 1u
#define FD_AGAIN 2u

#define TURN_TASKS 16 /* a strand lets others have the thread after so many */
#define THREADS_MAX 4096
#define SPINS 64

struct backlog {
	ck_stack_t inbox; /* pushed by submitters, emptied under `runners` */
	uint64_t load;    /* STOPPED, idle, count: atomic add and compare-and-swap by all */
	uint32_t permits; /* futex: added to by wakers, taken by sleepers (compare-and-swap) */
	pthread_mutex_t runners; /* who takes out; never taken by who submits */
	struct fy_task *first;   /* under runners: what came out of the inbox, oldest first */
};

enum executor_kind { KIND_POOL, KIND_STRAND, KIND_QUEUE };

struct ferry_executor {
	enum executor_kind kind;
	uint32_t refs;   /* atomic add by all holders */
	uint32_t gate;   /* submitters inside, and GATE_CLOSED: atomic add and or by all */
	uint32_t ending; /* 1: destroyed from inside; swapped to 0 by whoever ends it */
	struct backlog backlog;

	/* pool */
	unsigned threads; /* constant once the pool is made */
	uint32_t blocked; /* threads that wait: atomic add by them */
	pthread_t *ids;   /* the creator's and destroyer's */

	/* strand */
	ferry_executor *pool;
	struct fy_task turn;
	pthread_mutex_t turn_lock; /* held by who runs its tasks: a turn, or destroy */

	/* queue */
	/* compared, never looked into. Cleared at its close under queues_lock (release), read there
	 * and by who waits (relaxed) */
	ferry *engine;
	uint32_t running;   /* futex: runs under way: atomic add */
	uint32_t fd_word;   /* FD_LOCK, FD_AGAIN: compare-and-swap by who submits and runs */
	uint32_t fd_plus_1; /* 0: nobody asked for a descriptor yet. Swapped in under FD_LOCK */
	bool fd_readable;   /* under FD_LOCK */
	ferry_executor *next_queue, **link; /* under queues_lock */
};

/* What this thread is running, innermost first. */
struct frame {
	const ferry_executor *executor;
	struct frame *up;
};
static _Thread_local struct frame *frames;
static _Thread_local bool discards;
static _Thread_local ferry_executor *own_pool; /* of a worker thread */
static _Thread_local unsigned blocked_here;    /* fy_executor_blocking, nested */

static pthread_mutex_t queues_lock = PTHREAD_MUTEX_INITIALIZER;
static ferry_executor *queues; /* under queues_lock */

/* ---- the backlog ------------------------------------------------------------ */

static void backlog_init(struct backlog *backlog)
{
	ck_stack_init(&backlog->inbox);
	pthread_mutex_init(&backlog->runners, NULL);
}

/* Take one sleeper off the idle count. */
static bool take_idle(struct backlog *backlog)
{
	uint64_t load;

	do {
		load = fy_load_relaxed_64(&backlog->load);
		if (IDLE(load) == 0)
			return false;
	} while (!fy_cas_64(&backlog->load, load, load - ONE_IDLE));
	return true;
}

static bool wake_one(struct backlog *backlog)
{
	if (!take_idle(backlog))
		return false;
	fy_add_32(&backlog->permits, 1);
	fy_futex_wake(&backlog->permits, 1, false);
	return true;
}

/* How many were counted before. */
static uint32_t backlog_push(struct backlog *backlog, struct fy_task *task)
{
	uint64_t load;

	ck_stack_push_upmc(&backlog->inbox, &task->entry);
	load = fy_add_64(&backlog->load, 1);
	if (IDLE(load) > 0)
		wake_one(backlog);
	return COUNT(load);
}

static uint32_t backlog_count(const struct backlog *backlog)
{
	return COUNT(fy_load_acquire_64(&backlog->load));
}

/* Stopped and empty: one look at both, as a task may have come since the last look. */
static bool backlog_over(const struct backlog *backlog)
{
	uint64_t load = fy_load_acquire_64(&backlog->load);

	return (load & STOPPED) && COUNT(load) == 0;
}

static bool backlog_stopped(const struct backlog *backlog)
{
	return (fy_load_acquire_64(&backlog->load) & STOPPED) != 0;
}

static void refill(struct backlog *backlog)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&backlog->inbox);

	while (entry) {
		struct fy_task *task =
			(struct fy_task *)((char *)entry - offsetof(struct fy_task, entry));
		entry = entry->next;
		task->next = backlog->first;
		backlog->first = task;
	}
}

/* The oldest task, or NULL. `off`: 1 to count it off now, 0 when the caller does that later. */
static struct fy_task *backlog_take(struct backlog *backlog, uint64_t off)
{
	struct fy_task *task = NULL;

	pthread_mutex_lock(&backlog->runners);
	if (backlog_count(backlog) > 0) {
		if (!backlog->first)
			refill(backlog);
		task = backlog->first;
		backlog->first = task->next;
		fy_add_64(&backlog->load, -off);
	}
	pthread_mutex_unlock(&backlog->runners);
	return task;
}

/* Leave the idle count by either way; false when the time is up first. */
static bool take_permit(struct backlog *backlog, int64_t until)
{
	for (;;) {
		uint32_t permits = fy_load_relaxed_32(&backlog->permits);
		if (permits > 0 && fy_cas_32(&backlog->permits, permits, permits - 1))
			return true;
		if (permits > 0)
			continue;
		if (until != INT64_MAX && fy_now() >= until)
			return false;
		fy_futex_wait(&backlog->permits, 0, until, false);
	}
}

/* Sleep until there may be something to run, the backlog is stopped, or the time is up. */
static void backlog_sleep(struct backlog *backlog, int64_t until)
{
	uint64_t load = fy_add_64(&backlog->load, ONE_IDLE);

	if (COUNT(load) == 0 && !(load & STOPPED) && take_permit(backlog, until))
		return;
	/* Nobody is left in the idle count: then a permit is there for us, or about to be. */
	if (!take_idle(backlog))
		take_permit(backlog, INT64_MAX);
}

static void backlog_stop(struct backlog *backlog)
{
	fy_add_64(&backlog->load, STOPPED);
	while (wake_one(backlog))
		;
}

/* ---- the gate ----------------------------------------------------------------- */

static void gate_leave(ferry_executor *executor)
{
	fy_add_32(&executor->gate, -GATE_ONE);
}

static bool gate_enter(ferry_executor *executor)
{
	/* The look first, so that latecomers do not keep gate_close waiting. */
	if (fy_load_relaxed_32(&executor->gate) & GATE_CLOSED)
		return false;
	if (!(fy_add_32(&executor->gate, GATE_ONE) & GATE_CLOSED))
		return true;
	gate_leave(executor);
	return false;
}

static void gate_close(ferry_executor *executor)
{
	fy_or_32(&executor->gate, GATE_CLOSED);
	for (unsigned tries = 0; fy_load_acquire_32(&executor->gate) != GATE_CLOSED; tries++) {
		if (tries < SPINS)
			fy_pause();
		else
			sched_yield();
	}
}

/* ---- running ------------------------------------------------------------------- */

static void run_as(const ferry_executor *executor, struct fy_task *task, bool discarding)
{
	struct frame frame = { .executor = executor, .up = frames };
	bool before = discards;

	frames = &frame;
	discards = discarding;
	fy_program_enter();
	task->run(task);
	fy_program_leave();
	discards = before;
	frames = frame.up;
}

bool fy_executor_discarding(void)
{
	return discards;
}

bool fy_executor_is_running(void)
{
	return frames != NULL;
}

bool fy_executor_inside(const ferry_executor *where)
{
	for (const struct frame *frame = frames; frame && where; frame = frame->up)
		if (frame->executor == where)
			return true;
	return false;
}

bool fy_executor_alone_inside(const ferry_executor *where)
{
	bool inside = fy_executor_inside(where);

	if (where->kind == KIND_STRAND) /* or another strand has the only thread */
		return inside || fy_executor_alone_inside(where->pool);
	return inside && where->kind == KIND_POOL && where->threads == 1;
}

/* Waiting must be announced before asking whether one is the last: of two threads
 * that are about to wait at least one then sees the other. */
bool fy_executor_last_runner(void)
{
	if (!own_pool)
		return false;
	return fy_load_acquire_32(&own_pool->blocked) - (blocked_here > 0) + 1 >= own_pool->threads;
}

void fy_executor_blocking(bool begins)
{
	if (!own_pool)
		return;
	if (begins && blocked_here++ == 0)
		fy_add_32(&own_pool->blocked, 1);
	else if (!begins && --blocked_here == 0)
		fy_add_32(&own_pool->blocked, (uint32_t)-1);
}

/* ---- references -------------------------------------------------------------------- */

static ferry_executor *create_executor(enum executor_kind kind)
{
	ferry_executor *executor = calloc(1, sizeof *executor);

	if (!executor)
		return NULL;
	executor->kind = kind;
	executor->refs = 1;
	backlog_init(&executor->backlog);
	pthread_mutex_init(&executor->turn_lock, NULL);
	return executor;
}

void fy_executor_retain(ferry_executor *where)
{
	fy_add_32(&where->refs, 1);
}

void fy_executor_release(ferry_executor *where)
{
	if (fy_add_32(&where->refs, (uint32_t)-1) != 1)
		return;
	pthread_mutex_destroy(&where->backlog.runners);
	pthread_mutex_destroy(&where->turn_lock);
	if (where->pool)
		fy_executor_release(where->pool);
	free(where->ids);
	free(where);
}

/* ---- a queue's descriptor ------------------------------------------------------------ */

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

/* Under FD_LOCK, which it gives back: until nobody asks to look again. */
static void fd_settle(ferry_executor *queue)
{
	do {
		/* Either this clears FD_AGAIN of those who changed the count before we look,
		 * or the attempt to unlock below fails. */
		fy_cas_32(&queue->fd_word, FD_LOCK | FD_AGAIN, FD_LOCK);
		fd_write(queue, backlog_count(&queue->backlog) > 0);
	} while (!fy_cas_32(&queue->fd_word, FD_LOCK, 0));
}

/* Who submits must not wait: if somebody is at it, he looks again. */
static void fd_submitted(ferry_executor *queue)
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
		if (tries < SPINS)
			fy_pause();
		else
			sched_yield();
	}
}

/* Who runs waits its turn, so that the descriptor is right when it goes on. */
static void fd_taken(ferry_executor *queue)
{
	if (!fy_load_acquire_32(&queue->fd_plus_1) || backlog_count(&queue->backlog) > 0)
		return;
	fd_lock(queue);
	fd_settle(queue);
}

int ferry_executor_fd(ferry_executor *executor)
{
	if (!executor || executor->kind != KIND_QUEUE)
		return fy_fail(FERRY_EINVAL,
		               "ferry_executor_fd needs an executor of ferry_queue_create");
	fd_lock(executor);
	int fd = (int)fy_load_relaxed_32(&executor->fd_plus_1) - 1;
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		/* An atomic step, so that who submits sees it, or we see what was submitted. */
		fy_swap_32(&executor->fd_plus_1, (uint32_t)(fd + 1));
	}
	fd_settle(executor);
	return fd >= 0 ? fd
	               : fy_fail(FERRY_ENOMEM, "no descriptor for the queue: %s", strerror(errno));
}

/* ---- submitting ------------------------------------------------------------------------ */

void fy_executor_submit(ferry_executor *where, struct fy_task *task)
{
	ferry_executor *pool = NULL;

	if (!gate_enter(where)) {
		run_as(NULL, task, true);
		return;
	}
	bool first = backlog_push(&where->backlog, task) == 0;
	if (where->kind == KIND_QUEUE) {
		fd_submitted(where);
	} else if (where->kind == KIND_STRAND && first) {
		fy_executor_retain(where); /* the turn's */
		pool = where->pool;
	}
	gate_leave(where);
	/* Outside the gate: if the pool is gone, this runs the turn to discard what it has. */
	if (pool)
		fy_executor_submit(pool, &where->turn);
}

/* ---- pools ------------------------------------------------------------------------------- */

static void *worker(void *arg)
{
	ferry_executor *pool = arg;
	struct fy_task *task;

	/* its signal mask is that of who made the pool */
	pthread_setname_np(pthread_self(), "ferry-worker");
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	fy_place_as_process();
	own_pool = pool;
	for (;;) {
		if ((task = backlog_take(&pool->backlog, 1)) != NULL)
			run_as(pool, task, false);
		else if (backlog_over(&pool->backlog))
			break;
		else
			backlog_sleep(&pool->backlog, INT64_MAX);
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
	backlog_stop(&pool->backlog);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->ids[i], NULL);
	fy_executor_release(pool);
}

/* Tests of this part alone have no engine to look into. */
static int check_open(ferry *engine)
{
	if (fy_future_hooks.stopped && fy_future_hooks.stopped(engine))
		return fy_fail(FERRY_ESTOPPED, "an executor cannot be made: the engine was closed");
	return FERRY_OK;
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
	if ((rc = check_open(engine)) < 0)
		return rc;
	pool = create_executor(KIND_POOL);
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

static void destroy_pool(ferry_executor *pool)
{
	gate_close(pool);
	if (!fy_executor_inside(pool)) {
		pool_join(pool);
		return;
	}
	/* One of its threads cannot join itself: they all leave by themselves. */
	fy_store_release_32(&pool->ending, 1);
	backlog_stop(&pool->backlog);
	fy_executor_release(pool);
}

/* ---- strands -------------------------------------------------------------------------------- */

/* Run at most `max` tasks, under turn_lock. True when there is more. */
static bool strand_run(ferry_executor *strand, unsigned max, bool discarding)
{
	while (backlog_count(&strand->backlog) > 0) {
		if (max-- == 0)
			return true;
		run_as(strand, backlog_take(&strand->backlog, 0), discarding);
		/* Counted off when it has run: at 0 the next submission queues the turn. */
		if (COUNT(fy_add_64(&strand->backlog.load, (uint64_t)-1)) == 1)
			return false;
	}
	return false;
}

/* Destroyed from inside, and nothing left to run: the last turn ends it. */
static void strand_end(ferry_executor *strand)
{
	gate_close(strand);
	if (backlog_count(&strand->backlog) == 0 && fy_swap_32(&strand->ending, 0))
		fy_executor_release(strand);
}

static void strand_turn(struct fy_task *task)
{
	ferry_executor *strand = (ferry_executor *)((char *)task - offsetof(ferry_executor, turn));
	bool discarding = discards, more;

	pthread_mutex_lock(&strand->turn_lock);
	more = strand_run(strand, discarding ? UINT_MAX : TURN_TASKS, discarding);
	if (!more && fy_load_acquire_32(&strand->ending))
		strand_end(strand);
	pthread_mutex_unlock(&strand->turn_lock);
	/* Not through the pool's gate: on a thread of the pool, which looks again before
	 * it ends. */
	if (more)
		backlog_push(&strand->pool->backlog, &strand->turn);
	else
		fy_executor_release(strand);
}

int ferry_strand_create(ferry_executor *pool, ferry_executor **executor_p)
{
	ferry_executor *strand;

	if (!pool || !executor_p || pool->kind != KIND_POOL)
		return fy_fail(FERRY_EINVAL, "ferry_strand_create needs a pool of "
		                             "ferry_workers_create and a place for the executor");
	strand = create_executor(KIND_STRAND);
	if (!strand)
		return fy_fail(FERRY_ENOMEM, "no memory for a strand");
	fy_executor_retain(pool);
	strand->pool = pool;
	strand->turn.run = strand_turn;
	*executor_p = strand;
	return FERRY_OK;
}

/* What is left is run here: the pool may have no thread for it, if this is its last one. */
static void destroy_strand(ferry_executor *strand)
{
	if (fy_executor_inside(strand)) {
		fy_store_release_32(&strand->ending, 1);
		gate_close(strand);
		return;
	}
	gate_close(strand);
	pthread_mutex_lock(&strand->turn_lock);
	while (strand_run(strand, UINT_MAX, false))
		;
	pthread_mutex_unlock(&strand->turn_lock);
	fy_executor_release(strand);
}

/* ---- queues ------------------------------------------------------------ */

int ferry_queue_create(ferry *engine, ferry_executor **executor_p)
{
	ferry_executor *queue;
	int rc;

	if (!engine || !executor_p)
		return fy_fail(FERRY_EINVAL,
		               "ferry_queue_create needs an engine and a place for the executor");
	if ((rc = check_open(engine)) < 0)
		return rc;
	queue = create_executor(KIND_QUEUE);
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

	while (ran < max && (task = backlog_take(&queue->backlog, 1)) != NULL) {
		fd_taken(queue);
		run_as(queue, task, false);
		ran++;
	}
	return ran;
}

static unsigned runs_on_this_thread(const ferry_executor *queue)
{
	unsigned runs = 0;

	for (const struct frame *frame = frames; frame; frame = frame->up)
		runs += frame->executor == queue;
	return runs;
}

/* The gate is closed. Run what is left, and wait for runs on other threads. */
static void queue_end(ferry_executor *queue, unsigned own_runs)
{
	uint32_t running;

	pthread_mutex_lock(&queues_lock);
	*queue->link = queue->next_queue;
	if (queue->next_queue)
		queue->next_queue->link = queue->link;
	pthread_mutex_unlock(&queues_lock);
	backlog_stop(&queue->backlog);
	queue_run(queue, UINT_MAX);
	while ((running = fy_load_acquire_32(&queue->running)) > own_runs)
		fy_futex_wait(&queue->running, running, INT64_MAX, false);
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
	/* Destroyed from inside: it takes effect when that task has returned. */
	if (fy_load_acquire_32(&queue->ending) && fy_swap_32(&queue->ending, 0))
		queue_end(queue, runs_on_this_thread(queue) + 1);
	fy_add_32(&queue->running, (uint32_t)-1);
	if (backlog_stopped(&queue->backlog))
		fy_futex_wake(&queue->running, INT_MAX, false);
	fy_executor_release(queue);
}

/* Wait for something to run: FERRY_OK, FERRY_PENDING, or why there will be nothing. */
static int queue_wait(ferry_executor *queue, int64_t timeout)
{
	int64_t until;
	int rc;

	if (backlog_count(&queue->backlog) > 0)
		return FERRY_OK;
	if (timeout == 0)
		return FERRY_PENDING;
	if ((rc = fy_future_may_wait(fy_load_relaxed_ptr(&queue->engine))) < 0)
		return rc;
	until = fy_until(fy_now(), timeout);
	while (backlog_count(&queue->backlog) == 0) {
		if (backlog_stopped(&queue->backlog))
			return fy_fail(FERRY_ESTOPPED, "the queue was destroyed");
		if (until != INT64_MAX && fy_now() >= until)
			return FERRY_PENDING;
		backlog_sleep(&queue->backlog, until);
	}
	return FERRY_OK;
}

int ferry_executor_run(ferry_executor *executor, unsigned max, int64_t timeout)
{
	int rc, cancel;

	if (!executor || executor->kind != KIND_QUEUE)
		return fy_fail(FERRY_EINVAL,
		               "ferry_executor_run needs an executor of ferry_queue_create");
	if (!fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL,
		               "ferry_executor_run: the timeout is %lld ns; give 0, a positive "
		               "time or FERRY_FOREVER",
		               (long long)timeout);
	cancel = fy_cancel_later();
	run_begins(executor);
	rc = queue_wait(executor, timeout);
	if (rc == FERRY_OK) {
		/* What is queued now and no more, so that tasks that queue tasks leave the
		 * caller alone. */
		uint32_t count = backlog_count(&executor->backlog);
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

static void destroy_queue(ferry_executor *queue)
{
	gate_close(queue);
	if (fy_executor_inside(queue))
		fy_store_release_32(&queue->ending, 1);
	else
		queue_end(queue, 0);
}

unsigned fy_executor_drain(ferry_executor *where)
{
	unsigned ran;

	if (where->kind != KIND_QUEUE)
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
	while (queue && (queue->engine != engine || backlog_count(&queue->backlog) == 0))
		queue = queue->next_queue;
	if (queue)
		fy_executor_retain(queue);
	pthread_mutex_unlock(&queues_lock);
	return queue;
}

void fy_executor_engine_closed(ferry *engine)
{
	pthread_mutex_lock(&queues_lock);
	for (ferry_executor *queue = queues; queue; queue = queue->next_queue)
		if (queue->engine == engine)
			fy_store_release_ptr(&queue->engine, NULL);
	pthread_mutex_unlock(&queues_lock);
}

unsigned fy_executor_engine_closing(ferry *engine)
{
	ferry_executor *queue;
	unsigned ran = 0;

	while ((queue = find_loaded(engine)) != NULL) {
		ran += fy_executor_drain(queue);
		fy_executor_release(queue);
	}
	return ran;
}

/* ---------------------------------------------------------------------------- */

void ferry_executor_destroy(ferry_executor *executor)
{
	int cancel;

	if (!executor)
		return;
	cancel = fy_cancel_later();
	if (executor->kind == KIND_POOL)
		destroy_pool(executor);
	else if (executor->kind == KIND_STRAND)
		destroy_strand(executor);
	else
		destroy_queue(executor);
	fy_cancel_as(cancel);
}
