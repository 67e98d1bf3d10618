/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the mailbox. Any thread of the application, and the communication routines for the
 * library's own ops.
 */
#include "app/recv.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/futex.h"
#include "base/order.h"
#include "base/timeout.h"
#include "base/waiting.h"
#include "helm/drive.h"
#include "shared/engine.h"
#include "shared/habit.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/thread.h"

struct reader {
	ferry *engine;
	uint32_t seen;
};

static bool has_news(const void *arg)
{
	const struct reader *r = arg;
	return fy_load_acquire_32(&r->engine->mailbox.news) != r->seen;
}

/* Unread messages of other ops fill most of receive_memory, and no other thread reads: the message
 * that this one waits for can never come. */
static bool hopeless(ferry *e, uint32_t op)
{
	struct fy_mailbox *box = &e->mailbox;
	return fy_load_acquire_64(&box->bytes) >= e->options.receive_memory / 4 * 3 &&
	       box->all.first && fy_load_acquire_32(&e->mailbox.threads) == 1 && op != FERRY_ANY_OP;
}

static int fail_hopeless(ferry *e)
{
	char ops[160] = "";
	size_t at = 0;
	uint32_t last = FERRY_ANY_OP;
	for (ferry_message *m = e->mailbox.all.first; m && at < sizeof ops - 16; m = m->next)
		if (m->op != last) {
			at += (size_t)snprintf(ops + at, sizeof ops - at, "%s%#x", at ? ", " : "",
			                       m->op);
			last = m->op;
		}
	return fy_fail(FERRY_EDEADLK,
	               "unread messages fill the receive budget (ops %s): read those first", ops);
}

static __attribute__((noinline)) void sleep_on(struct reader *r, int source, uint32_t op,
                                               int64_t until)
{
	struct fy_wait wait = {
		.kind = FY_WAITS_RECV, .op = op, .peer = source, .engine = r->engine, .until = until
	};
	struct fy_waiting_place place;
	fy_waiting_begin(&place, &wait);
	fy_futex_wait(&r->engine->mailbox.news, r->seen, until, false);
	fy_waiting_end(&place);
}

static void sleep_for_news(ferry *e, struct reader *r, int source, uint32_t op, int64_t until)
{
	fy_add_32(&e->mailbox.readers, 1);
	if (fy_thread_recent.serial == e->serial)
		fy_habit_waits(fy_thread_recent.lane, NULL);
	fy_drive_wait(e, has_news, r, until);
	if (!has_news(r))
		sleep_on(r, source, op, until);
	fy_sub_32(&e->mailbox.readers, 1);
}

static int receive(ferry *e, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	struct fy_mailbox *box = &e->mailbox;
	struct reader r = { .engine = e };
	int64_t until = fy_timeout_in(timeout);
	bool must_drive = e->options.flags & FERRY_NO_THREAD;
	for (;;) {
		r.seen = fy_load_acquire_32(&box->news);
		pthread_mutex_lock(&box->lock);
		fy_mailbox_sort(box);
		struct fy_mail_pattern *pattern = fy_mailbox_ask(box, source, op, fy_clock_now());
		ferry_message *m = fy_mailbox_take(box, source, op);
		int status = m ? FERRY_OK : hopeless(e, op) ? fail_hopeless(e) : FERRY_PENDING;
		bool wait = status == FERRY_PENDING && fy_clock_now() < until;
		if (wait && pattern)
			pattern->n_waiters++;
		pthread_mutex_unlock(&box->lock);
		if (m)
			*message_p = m;
		if (!wait && !(status == FERRY_PENDING && must_drive))
			return status;
		if (fy_engine_has_stopped(e))
			return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
		must_drive = false;
		sleep_for_news(e, &r, source, op, wait ? until : fy_clock_now() + 1);
		if (wait && pattern) {
			pthread_mutex_lock(&box->lock);
			pattern->n_waiters--;
			pattern->asked_at = fy_clock_now();
			pthread_mutex_unlock(&box->lock);
		}
	}
}

int fy_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	if (!engine || !message_p || !fy_timeout_ok(timeout))
		return fy_fail(FERRY_EINVAL, "ferry_recv needs an engine, a timeout >= 0 or "
		                             "FERRY_FOREVER, and a place for the message");
	int status = source == FERRY_ANY
	                     ? FERRY_OK
	                     : fy_engine_check_rank(engine, "source", source, ", or FERRY_ANY");
	if (status)
		return status;
	if (timeout && fy_thread_must_not_wait(engine))
		return fy_fail(
			FERRY_EDEADLK,
			"ferry_recv would wait for the progress thread, which is running this");
	if (!fy_engine_enter(engine))
		return fy_fail(FERRY_ESTOPPED, "the engine has stopped");
	fy_add_32(&engine->mailbox.threads, 1);
	status = receive(engine, source, op, timeout, message_p);
	fy_sub_32(&engine->mailbox.threads, 1);
	fy_engine_leave(engine);
	return status;
}

int ferry_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p)
{
	int bad = op == FERRY_ANY_OP ? FERRY_OK : fy_message_check_op(op);
	return bad ? bad : fy_recv(engine, source, op, timeout, message_p);
}
