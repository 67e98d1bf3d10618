/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: its making and its end, its lanes, the helm, and commands.
 *
 * The memory of struct ferry is never given back to the system: closed engines
 * go to a list and are used again. So a thread that holds the pointer of an engine that another
 * thread closed a moment ago (a future does, while it is pending) looks at
 * valid memory, finds the phase FY_STOPPED, and goes away.
 */
#define _GNU_SOURCE
#include "engine.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include "block.h"
#include "executor.h"
#include "log.h"
#include "options.h"
#include "progress.h"
#include "status.h"

#define CREDIT_FIRST 16384u         /* each pair of ranks starts with room for one small batch */
#define WINDOW_MAX (16u << 20)      /* and gets no more than this */
#define CHUNK_BYTES (256u << 10)
#define CALLS_SHARE 8               /* an eighth of receive_memory is for replies */

static pthread_mutex_t shells_lock = PTHREAD_MUTEX_INITIALIZER;
static ferry *shells;               /* under shells_lock: closed engines, linked by next_shell */
static uint64_t next_serial;        /* atomic add */

/* ---- this thread ------------------------------------------------------------------- */

static _Thread_local ferry *inline_engine __attribute__((tls_model("initial-exec")));

static _Thread_local ferry *stepping_engine __attribute__((tls_model("initial-exec")));
static _Thread_local ferry *handling_engine __attribute__((tls_model("initial-exec")));

ferry *fy_engine_begin_step(ferry *engine)
{
	ferry *before = stepping_engine;
	stepping_engine = engine;
	return before;
}

void fy_engine_end_step(ferry *before)
{
	stepping_engine = before;
}

bool fy_engine_in_handler(const ferry *engine)
{
	return handling_engine == engine;
}

ferry *fy_engine_enter_handler(ferry *engine)
{
	ferry *before = handling_engine;
	handling_engine = engine;
	return before;
}

void fy_engine_leave_handler(ferry *before)
{
	handling_engine = before;
}

bool fy_engine_on_progress(const ferry *engine)
{
	return inline_engine && (!engine || inline_engine == engine);
}

ferry *fy_engine_enter_inline(ferry *engine)
{
	ferry *before = inline_engine;
	inline_engine = engine;
	return before;
}

void fy_engine_leave_inline(ferry *before)
{
	inline_engine = before;
}

/* ---- lanes --------------------------------------------------------------------------- */

_Thread_local struct fy_recent fy_recent __attribute__((tls_model("initial-exec")));
static _Thread_local struct fy_lane *my_lanes __attribute__((tls_model("initial-exec")));
static pthread_key_t leaving_key;
static pthread_once_t leaving_once = PTHREAD_ONCE_INIT;

void fy_engine_list_lane(ferry *engine, struct fy_lane *lane)
{
	if (fy_swap_32(&lane->listed, 1) == 0)
		ck_stack_push_upmc(&engine->lanes, &lane->entry);
}

void fy_engine_lane_orphaned(ferry *engine, struct fy_lane *lane)
{
	while (!fy_load_acquire_32(&engine->abandoned) && !fy_load_acquire_32(&lane->gone))
		sched_yield();
	if (fy_load_acquire_32(&lane->gone))
		return;
	fy_store_release_32(&lane->gone, 1);
	fy_lane_release(lane); /* the engine's reference */
}

/* The thread exits: its lanes are given back; the helm frees each once it is empty. */
static void leave(void *unused)
{
	(void)unused;
	while (my_lanes) {
		struct fy_lane *lane = my_lanes;
		my_lanes = lane->thread_next;
		if (!fy_load_acquire_32(&lane->gone)) {
			ferry *engine = lane->engine;
			fy_store_release_32(&lane->left, 1);
			fy_engine_list_lane(engine, lane);
			uint32_t sleeper = fy_wake_look(&engine->wake);
			if (sleeper == FY_WAKE_STOPPED)
				fy_engine_lane_orphaned(engine, lane);
			else
				fy_engine_notify(engine);
		}
		fy_lane_release(lane);
	}
	fy_recent = (struct fy_recent){ 0 };
}

static void leaving_create(void)
{
	pthread_key_create(&leaving_key, leave);
}

struct fy_lane *fy_engine_lane_create(ferry *engine)
{
	return fy_lane_create(engine, engine->serial, fy_add_32(&engine->next_stream, 1));
}

/* Lanes of engines that were closed meanwhile are forgotten on the way. */
static struct fy_lane *find_my_lane(uint64_t serial)
{
	struct fy_lane *found = NULL;
	for (struct fy_lane **at = &my_lanes; *at;) {
		struct fy_lane *lane = *at;
		if (fy_load_acquire_32(&lane->gone)) {
			*at = lane->thread_next;
			fy_lane_release(lane);
			continue;
		}
		if (lane->serial == serial)
			found = lane;
		at = &lane->thread_next;
	}
	return found;
}

struct fy_lane *fy_engine_lane(ferry *engine)
{
	if (fy_recent.serial == engine->serial)
		return fy_recent.lane;
	struct fy_lane *lane = find_my_lane(engine->serial);
	if (!lane) {
		pthread_once(&leaving_once, leaving_create);
		lane = fy_engine_lane_create(engine);
		if (!lane)
			return NULL;
		pthread_setspecific(leaving_key, lane);
		lane->thread_next = my_lanes;
		my_lanes = lane;
	}
	fy_recent = (struct fy_recent){ engine->serial, lane };
	return lane;
}

/* ---- the helm -------------------------------------------------------------------------- */

bool fy_helm_try(ferry *engine)
{
	return fy_load_relaxed_32(&engine->helm) == 0 && fy_cas_32(&engine->helm, 0, 1);
}

void fy_helm_take(ferry *engine)
{
	if (fy_helm_try(engine))
		return;
	while (fy_swap_32(&engine->helm, 2) != 0)
		fy_futex_wait(&engine->helm, 2, INT64_MAX, false);
}

void fy_helm_give(ferry *engine)
{
	if (fy_swap_32(&engine->helm, 0) == 2)
		fy_futex_wake(&engine->helm, 1, false);
}

/* ---- a waiting thread drives ------------------------------------------------------------- */

#define DRIVE_IDLE FERRY_US(50) /* without anything happening, before the thread rather sleeps */
#define DRIVE_TRIES 4

/* The thread that drove gives the engine back in the state in which it found it: with the
 * progress thread asleep and everybody ringing, unless there is something to do for it. */
static void hand_back(ferry *engine)
{
	struct fy_progress *p = engine->progress;
	if (!fy_load_acquire_32(&engine->asleep)) {
		fy_helm_give(engine); /* the progress thread is up, and takes over */
		return;
	}
	fy_wake_announce(&engine->wake);
	bool more = fy_progress_step(p, false) || p->tasks || fy_progress_has_input(p, true) ||
	            fy_progress_sleep_time(p) < FERRY_MS(1);
	fy_helm_give(engine);
	if (more)
		fy_wake_up(&engine->wake);
}

static void drive_once(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until, bool user_code)
{
	struct fy_progress *p = engine->progress;
	int64_t idle_since = 0;
	fy_wake_stay(&engine->wake);
	fy_add_64(&engine->lends, 1);
	while (!p->stopped && !ready(arg)) {
		if (fy_progress_step(p, user_code)) {
			idle_since = 0;
			if (!user_code && p->tasks)
				break;
			continue;
		}
		if (!idle_since)
			idle_since = p->now;
		if (p->now - idle_since > DRIVE_IDLE || p->now >= until)
			break;
		if (p->now - idle_since > p->options->spin)
			sched_yield();
	}
}

void fy_engine_drive(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	if (!engine->lendable)
		return;
	for (int tries = 0; tries < DRIVE_TRIES; tries++) {
		if (ready(arg))
			return;
		if (!fy_helm_try(engine)) {
			sched_yield();
			continue;
		}
		if (fy_load_acquire_32(&engine->phase) == FY_STOPPED) {
			fy_helm_give(engine);
			return;
		}
		drive_once(engine, ready, arg, until, false);
		hand_back(engine);
		return;
	}
}

/* The idle thread of an engine without one of its own: announce, look once more, sleep.
 * Comes with the helm and goes without. */
static void sleep_alone(ferry *engine, int64_t until)
{
	struct fy_progress *p = engine->progress;
	fy_wake_announce(&engine->wake);
	bool more = fy_progress_step(p, true) || fy_progress_has_input(p, true);
	int64_t t = fy_progress_sleep_time(p);
	if (until != INT64_MAX && until - p->now < t)
		t = until - p->now;
	fy_helm_give(engine);
	if (!more && t > 0)
		fy_wake_sleep(&engine->wake, t);
	else
		fy_wake_stay(&engine->wake);
}

/* Without a thread of the engine's own, who waits drives until it is over. */
static void drive_alone(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	while (!ready(arg) && fy_now() < until && fy_load_acquire_32(&engine->phase) != FY_STOPPED) {
		fy_helm_take(engine);
		drive_once(engine, ready, arg, until, true);
		if (ready(arg) || engine->progress->stopped)
			fy_helm_give(engine);
		else
			sleep_alone(engine, until);
	}
}

bool fy_engine_enter(ferry *engine)
{
	fy_add_64(&engine->guests, 1);
	if (fy_load_acquire_32(&engine->phase) != FY_STOPPED)
		return true;
	fy_engine_leave(engine);
	return false;
}

void fy_engine_leave(ferry *engine)
{
	fy_add_64(&engine->guests, (uint64_t)-1);
}

void fy_engine_help(ferry *engine, bool (*ready)(const void *arg), const void *arg, int64_t until)
{
	if (engine->options.flags & FERRY_NO_THREAD)
		drive_alone(engine, ready, arg, until);
	else
		fy_engine_drive(engine, ready, arg, until);
}

static bool close_is_over(const void *arg)
{
	return ((const ferry *)arg)->progress->stopped;
}

void fy_engine_step_close(ferry *engine)
{
	while (!close_is_over(engine)) {
		fy_executor_engine_closing(engine);
		fy_helm_take(engine);
		drive_once(engine, close_is_over, engine, INT64_MAX, true);
		int64_t t = engine->progress->stopped ? 0 : fy_progress_sleep_time(engine->progress);
		if (t > FERRY_US(50))
			t = FERRY_US(50);
		fy_helm_give(engine);
		if (t) {
			fy_wake_announce(&engine->wake);
			fy_wake_sleep(&engine->wake, t);
		}
	}
}

void fy_engine_nudge(ferry *engine)
{
	fy_add_32(&engine->room, 1);
	fy_futex_wake(&engine->room, INT_MAX, false);
	fy_engine_notify(engine);
}

int ferry_progress(ferry *engine, int64_t timeout)
{
	if (!engine || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL, "ferry_progress needs an engine and a timeout >= 0 or FERRY_FOREVER");
	if (!(engine->options.flags & FERRY_NO_THREAD))
		return fy_fail(FERRY_EINVAL, "ferry_progress is for engines that were opened with FERRY_NO_THREAD");
	if (fy_engine_on_progress(engine))
		return fy_fail(FERRY_EDEADLK, "ferry_progress cannot be called in a handler or callback");
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	int64_t until = fy_until(fy_now(), timeout);
	bool worked;
	for (;;) {
		fy_helm_take(engine);
		worked = fy_progress_step(engine->progress, true);
		if (worked || fy_now() >= until)
			break;
		sleep_alone(engine, until);
	}
	fy_helm_give(engine);
	fy_engine_leave(engine);
	return worked ? FERRY_OK : FERRY_PENDING;
}

/* ---- commands -------------------------------------------------------------------------------- */

static bool command_done(const void *arg)
{
	return fy_load_acquire_32(&((const struct fy_command *)arg)->done);
}

int fy_engine_command(ferry *engine, struct fy_command *c)
{
	c->done = 0;
	if (fy_engine_on_progress(engine)) {
		while (!c->run(engine->progress, c))
			sched_yield();
		return c->status;
	}
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	ck_stack_push_upmc(&engine->commands, &c->entry);
	fy_engine_notify(engine);
	if (engine->options.flags & FERRY_NO_THREAD)
		drive_alone(engine, command_done, c, INT64_MAX);
	while (!command_done(c))
		fy_futex_wait(&c->done, 0, INT64_MAX, false);
	fy_engine_leave(engine);
	return c->status;
}

/* ---- hooks of futures ---------------------------------------------------------------------------- */

static bool future_ready(const void *future)
{
	return fy_future_is_done(future);
}

static void hook_wait(ferry *engine, const ferry_future *future, int64_t until)
{
	if (!fy_engine_enter(engine))
		return;
	if (fy_recent.serial == engine->serial)
		fy_recent.lane->quick = 1;
	fy_engine_help(engine, future_ready, future, until);
	fy_engine_leave(engine);
}

static bool hook_on_progress(ferry *engine)
{
	return fy_engine_on_progress(engine);
}

static int hook_run_inline(ferry *engine, struct fy_task *task)
{
	if (stepping_engine == engine && engine) {
		fy_dispatch_defer(engine->progress, task);
		return FERRY_OK;
	}
	if (!fy_engine_enter(engine))
		return FERRY_ESTOPPED;
	ck_stack_push_upmc(&engine->tasks, &task->entry);
	fy_engine_notify(engine);
	fy_engine_leave(engine);
	return FERRY_OK;
}

struct deadline {
	struct fy_command command;
	ferry_future *future;
	int64_t when;
};

static bool add_deadline(struct fy_progress *p, struct fy_command *c)
{
	struct deadline *d = c->arg;
	c->status = fy_timer_add(p, d->when, d->future);
	if (c->status == 0)
		ferry_future_retain(d->future);
	return true;
}

static int hook_deadline(ferry *engine, ferry_future *future, int64_t when)
{
	struct deadline d = { .command = { .run = add_deadline, .arg = &d }, .future = future, .when = when };
	return fy_engine_command(engine, &d.command);
}

/* A receive that nobody waits for any more must not take a message away. */
static void hook_abandoned(ferry *engine, ferry_future *future)
{
	if (!(future->flags & FY_FUTURE_IS_STARTED) || !fy_engine_enter(engine))
		return;
	fy_add_32(&engine->starts_given_up, 1);
	fy_engine_notify(engine);
	fy_engine_leave(engine);
}

static int hook_promise_opened(ferry *engine, ferry_future *future)
{
	int status = FERRY_OK;
	pthread_mutex_lock(&engine->aside);
	if (fy_load_acquire_32(&engine->phase) == FY_STOPPED) {
		status = FERRY_ESTOPPED;
	} else {
		future->next = engine->promises;
		engine->promises = future;
	}
	pthread_mutex_unlock(&engine->aside);
	return status;
}

static void hook_promise_closed(ferry *engine, ferry_future *future)
{
	pthread_mutex_lock(&engine->aside);
	ferry_future **at = &engine->promises;
	while (*at && *at != future)
		at = &(*at)->next;
	if (*at)
		*at = future->next;
	pthread_mutex_unlock(&engine->aside);
}

static ferry_message *hook_empty(ferry *engine)
{
	ferry_message *m = fy_message_new(engine, 0, 0);
	if (m)
		m->flags = FY_MESSAGE_RECEIVED;
	return m;
}

static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;

static void set_hooks(void)
{
	fy_future_hooks = (struct fy_future_hooks){
		.on_progress = hook_on_progress,
		.engine_wait = hook_wait,
		.run_inline = hook_run_inline,
		.deadline = hook_deadline,
		.abandoned = hook_abandoned,
		.promise_opened = hook_promise_opened,
		.promise_closed = hook_promise_closed,
		.message_retain = ferry_message_retain,
		.message_release = ferry_message_release,
		.message_empty = hook_empty,
	};
}

/* ---- making ----------------------------------------------------------------------------------------- */

static ferry *shell_get(void)
{
	pthread_mutex_lock(&shells_lock);
	ferry *e = shells;
	if (e)
		shells = e->next_shell;
	pthread_mutex_unlock(&shells_lock);
	if (!e) {
		e = aligned_alloc(FY_CACHE_LINE, sizeof *e);
		if (e)
			memset(e, 0, sizeof *e);
	}
	return e;
}

static void shell_init(ferry *e, const fy_port *port)
{
	memset(e, 0, offsetof(ferry, guests));
	e->serial = fy_add_64(&next_serial, 1) + 1;
	e->rank = port->rank;
	e->size = port->size;
	e->refs = 1;
	fy_wake_init(&e->wake);
	ck_stack_init(&e->lanes);
	ck_stack_init(&e->commands);
	ck_stack_init(&e->replies);
	ck_stack_init(&e->tasks);
	ck_stack_init(&e->accounts);
	ck_stack_init(&e->blocks);
	fy_mailbox_init(&e->mailbox);
	pthread_mutex_init(&e->aside, NULL);
}

struct handshake {
	uint32_t magic, version, batch_bytes, first_seq, credit_first, fold_max, reply_room, tag_span;
};

/* Ranks that were built or configured so that they would not understand each other are told so. */
static int agree_on_limits(fy_port *port, uint32_t first_seq)
{
	struct handshake mine = { FY_WIRE_MAGIC, FY_WIRE_VERSION, FY_BATCH_BYTES, first_seq, CREDIT_FIRST, FY_FOLD_MAX,
		                  FY_REPLY_ROOM, (uint32_t)port->tag_max - 1 };
	struct handshake theirs = mine;
	int rank = 0;
	if (port->ops->agree(port, &mine, &theirs, sizeof mine, &rank) == 0)
		return FERRY_OK;
	if (mine.version != theirs.version)
		return fy_fail(FERRY_ENOTSUP, "rank %d speaks version %u of the wire format, rank 0 version %u", rank,
		               mine.version, theirs.version);
	return fy_fail(FERRY_ENOTSUP, "rank %d was built with other limits than rank 0: use the same build on all ranks",
	               rank);
}

static void share_memory(struct fy_progress *p, const ferry_options *o)
{
	uint64_t half = o->receive_memory / 2;
	uint64_t first = (uint64_t)CREDIT_FIRST * (uint64_t)p->engine->size;
	p->credit_first = CREDIT_FIRST;
	p->credit_pool = half > first ? half - first : 0;
	p->window_max = half / 4 < WINDOW_MAX ? half / 4 : WINDOW_MAX;
	p->large_cap[0] = o->receive_memory / 8 * 3;
	p->large_cap[1] = o->receive_memory / CALLS_SHARE;
	p->calls_max = (uint32_t)(o->receive_memory / CALLS_SHARE / FY_REPLY_ROOM);
}

static struct fy_progress *progress_create(ferry *e, fy_port *port, uint32_t first_seq)
{
	struct fy_progress *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->channels = calloc((size_t)port->size, sizeof *p->channels);
	p->engine = e;
	p->port = port;
	p->options = &e->options;
	p->first_seq = first_seq;
	p->tag_span = port->tag_max - 1;
	p->chunk_bytes = port->chunk_max < CHUNK_BYTES ? port->chunk_max : CHUNK_BYTES;
	p->now = port->ops->now(port);
	p->stats.size = sizeof p->stats;
	share_memory(p, &e->options);
	e->progress = p;
	if (p->channels && fy_dispatch_open(p) == FERRY_OK)
		return p;
	p->clean = false;
	fy_dispatch_free(p);
	free(p->channels);
	free(p);
	e->progress = NULL;
	return NULL;
}

int fy_engine_create(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p)
{
	pthread_once(&hooks_once, set_hooks);
	int bad = agree_on_limits(port, first_seq);
	if (bad)
		return bad;
	ferry *e = shell_get();
	if (!e)
		return fy_fail(FERRY_ENOMEM, "no memory for an engine");
	shell_init(e, port);
	e->options = *resolved;
	e->full = calloc((size_t)port->size, 1);
	uint32_t *bell = port->ops->doorbell(port, port->rank);
	if (bell)
		fy_wake_share(&e->wake, bell);
	e->lendable = port->lendable && e->options.lend;
	if (fy_log_open(e->options.log, port->rank, &e->log) || !e->full || !progress_create(e, port, first_seq)) {
		free(e->full);
		fy_log_close(e->log);
		memset(resolved, 0, sizeof *resolved);
		fy_options_free(&e->options);
		e->phase = FY_STOPPED;
		fy_engine_release(e);
		return fy_fail(FERRY_ENOMEM, "no memory for an engine");
	}
	memset(resolved, 0, sizeof *resolved);
	fy_options_warn(e->log);
	*engine_p = e;
	return FERRY_OK;
}

/* ---- the end ------------------------------------------------------------------------------------------- */

static void fail_commands(ferry *e)
{
	fy_progress_fail_commands(e->progress, FERRY_ESTOPPED);
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&e->commands);
	while (entry) {
		struct fy_command *c = (struct fy_command *)(void *)((char *)entry - offsetof(struct fy_command, entry));
		entry = CK_STACK_NEXT(entry);
		c->status = FERRY_ESTOPPED;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
}

static void nudge_everybody(ferry *e)
{
	fy_add_32(&e->room, 1);
	fy_futex_wake(&e->room, INT_MAX, false);
	fy_mailbox_nudge(&e->mailbox);
	for (struct fy_lane *lane = e->progress->all_lanes; lane; lane = lane->all_next)
		fy_lane_nudge(lane);
}

static void wait_for_guests(ferry *e)
{
	while (fy_load_acquire_64(&e->guests)) {
		fail_commands(e);
		nudge_everybody(e);
		sched_yield();
	}
	fail_commands(e);
}

static void fail_promises(ferry *e)
{
	for (;;) {
		pthread_mutex_lock(&e->aside);
		ferry_future *f = e->promises;
		if (f)
			ferry_future_retain(f);
		pthread_mutex_unlock(&e->aside);
		if (!f)
			return;
		fy_future_complete(f, FERRY_ESTOPPED, "the engine was closed before the promise was fulfilled");
	}
}

static void run_last_tasks(struct fy_progress *p)
{
	p->user_code = true;
	while (p->tasks || fy_load_relaxed_ptr(&p->engine->tasks.head))
		if (!fy_dispatch_run_tasks(p))
			break;
}

static void drop_mail(ferry *e, struct fy_progress *p)
{
	pthread_mutex_lock(&e->mailbox.lock);
	fy_mailbox_sort(&e->mailbox);
	while (e->mailbox.all.first) {
		ferry_message *m = e->mailbox.all.first;
		fy_mailbox_remove(&e->mailbox, m);
		m->flags &= ~FY_MESSAGE_CALL;
		ferry_message_release(m);
		p->stats.dropped++;
	}
	pthread_mutex_unlock(&e->mailbox.lock);
}

static void drop_late_answers(ferry *e)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&e->replies);
	while (entry) {
		ferry_message *m = (ferry_message *)(void *)((char *)entry - offsetof(ferry_message, entry));
		entry = CK_STACK_NEXT(entry);
		ferry_message_release(m);
	}
}

void fy_engine_set_stopped(ferry *e)
{
	fy_store_release_32(&e->phase, FY_STOPPED);
	fy_store_release_32(&e->stopped, 1);
}

int fy_engine_destroy(ferry *e)
{
	struct fy_progress *p = e->progress;
	int status = p->clean ? FERRY_OK : e->status;
	fy_engine_set_stopped(e);
	fy_wake_stop(&e->wake);
	fy_outgoing_abandon(p, FERRY_ESTOPPED); /* posts that raced with the close */
	fy_store_release_32(&e->abandoned, 1);
	wait_for_guests(e);
	fail_promises(e);
	fy_executor_engine_closing(e);
	run_last_tasks(p);
	drop_mail(e, p);
	drop_late_answers(e);
	while (p->rooms) {
		ferry_future *f = p->rooms;
		p->rooms = f->next;
		fy_future_complete(f, FERRY_ESTOPPED, NULL);
	}
	fy_timer_free(p);
	if (p->starts)
		p->port->ops->starts->abandon(p);
	run_last_tasks(p);
	if (p->starts)
		p->port->ops->starts->free(p);
	fy_transfer_free(p);
	fy_dispatch_free(p);
	fy_channel_free_all(p);
	e->last_stats = p->stats;
	if (p->port->ops->close(p->port, p->clean) != 0 && status == FERRY_OK)
		status = FERRY_EMPI;
	fy_block_free_all(e);
	free(p->calls);
	free(p->channels);
	free(p);
	e->progress = NULL;
	for (int i = 0; i < FY_ENGINE_SLOTS; i++)
		if (e->slots[i] && e->slot_free[i])
			e->slot_free[i](e->slots[i]);
	memset(e->slots, 0, sizeof e->slots);
	fy_log_close(e->log);
	e->log = NULL;
	return status;
}

void fy_engine_retain(ferry *e)
{
	fy_add_32(&e->refs, 1);
}

void fy_engine_release(ferry *e)
{
	if (fy_add_32(&e->refs, (uint32_t)-1) != 1)
		return;
	fy_block_free_all(e);
	free(e->full);
	e->full = NULL;
	fy_options_free(&e->options);
	while (e->account_list) {
		struct fy_account *a = e->account_list;
		e->account_list = a->next;
		free(a);
	}
	pthread_mutex_destroy(&e->aside);
	pthread_mutex_destroy(&e->mailbox.lock);
	pthread_mutex_lock(&shells_lock);
	e->next_shell = shells;
	shells = e;
	pthread_mutex_unlock(&shells_lock);
}

/* ---- slots ------------------------------------------------------------------------------------------------ */

void **fy_engine_slot(ferry *e, void (*free_fn)(void *slot))
{
	int i = 0;
	pthread_mutex_lock(&e->aside);
	while (i < FY_ENGINE_SLOTS && e->slot_free[i] && e->slot_free[i] != free_fn)
		i++;
	if (i < FY_ENGINE_SLOTS)
		e->slot_free[i] = free_fn;
	pthread_mutex_unlock(&e->aside);
	return i < FY_ENGINE_SLOTS ? &e->slots[i] : NULL;
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

void fy_message_send_answer(ferry_message *request)
{
	ferry *e = request->engine;
	if (fy_engine_on_progress(e) && fy_outgoing_reply(e->progress, request))
		return;
	if (!fy_engine_enter(e)) {
		fy_message_free(request);
		return;
	}
	ck_stack_push_upmc(&e->replies, &request->entry);
	fy_engine_notify(e);
	fy_engine_leave(e);
}
