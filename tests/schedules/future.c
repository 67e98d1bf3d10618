/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures (future/future.c, wait.c, watch.c): completion against cancel, deadline, wait, callback
 * and release. Who decides is one, who waits is woken, a callback runs once, and the memory goes
 * once.
 */
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/task.h"
#include "schedules/schedule.h"

static ferry_future *future;
static uint32_t decided; /* how many say that they did: atomic add */
static uint32_t called;  /* callbacks: atomic add */
static int told;         /* the status that the callback got */
static uint32_t messages;

/* Messages that only count. */
struct ferry_message {
	uint32_t refs;
};

static void message_release(ferry_message *message)
{
	SCHEDULE_CHECK(message->refs == 1);
	message->refs = 0;
	fy_sub_32(&messages, 1);
	free(message);
}

static ferry_message *make_message(void)
{
	ferry_message *message = calloc(1, sizeof *message);
	message->refs = 1;
	fy_add_32(&messages, 1);
	return message;
}

/* As if this thread had the helm. */
static int run_inline(ferry *engine, struct fy_task *task)
{
	(void)engine;
	task->run(task);
	return FERRY_OK;
}

static void begin(void)
{
	fy_future_hooks = (struct fy_future_hooks){ .message_release = message_release,
		                                    .run_inline = run_inline };
	future = fy_future_create(NULL, 0);
}

static void note(bool won)
{
	if (won)
		fy_add_32(&decided, 1);
}

/* ---- the library's side ---------------------------------------------------------------- */

static void completes(void)
{
	note(fy_future_complete(future, FERRY_OK, NULL));
}

static void fails(void)
{
	note(fy_future_complete(future, FERRY_EMPI, "it failed"));
}

static void replies(void)
{
	note(fy_future_complete_reply(future, make_message()));
}

static void expires(void)
{
	note(fy_future_expire(future));
}

/* ---- the program's ---------------------------------------------------------------------- */

static void cancels(void)
{
	note(ferry_future_cancel(future) == FERRY_OK);
	ferry_future_release(future);
}

static void waits(void)
{
	int status = ferry_future_wait(future, FERRY_FOREVER);
	SCHEDULE_CHECK(ferry_future_poll(future) == status);
	ferry_future_release(future);
}

/* The time is up at any moment. */
static void waits_a_while(void)
{
	ferry_future_wait(future, FERRY_MS(1));
	ferry_future_release(future);
}

static void takes(void)
{
	ferry_message *reply = NULL;
	ferry_future_wait(future, FERRY_FOREVER);
	if (ferry_future_take(future, &reply) == FERRY_OK)
		message_release(reply);
	ferry_future_release(future);
}

static void callback(ferry_future *done, int status, void *arg)
{
	(void)arg;
	SCHEDULE_CHECK(done == future && ferry_future_poll(done) == status);
	told = status;
	fy_add_32(&called, 1);
}

static void registers(void)
{
	SCHEDULE_CHECK(ferry_future_then(future, FERRY_INLINE, callback, NULL) == FERRY_OK);
	ferry_future_release(future);
}

/* Two futures; the first that is done ends the wait. */
static void waits_for_any(void)
{
	ferry_future *both[2] = { future, fy_future_create(NULL, 0) };
	size_t index = 9;
	ferry_wait_any(both, 2, FERRY_FOREVER, &index);
	SCHEDULE_CHECK(index == 0);
	fy_future_discard(both[1]);
	ferry_future_release(future);
}

/* ---- what holds at the end ---------------------------------------------------------------- */

static void end(void)
{
	SCHEDULE_CHECK(decided == 1);
	SCHEDULE_CHECK(messages == 0);
}

static void end_called(void)
{
	SCHEDULE_CHECK(decided == 1);
	SCHEDULE_CHECK(called == 1);
	SCHEDULE_CHECK(told == FERRY_OK || told == FERRY_EMPI || told == FERRY_ECANCELED);
}

/* As many references as threads give back. */
static void begin_three(void)
{
	begin();
	ferry_future_retain(future);
}

static void begin_call(void)
{
	begin();
	future->flags |= FY_FUTURE_IS_CALL;
	ferry_future_retain(future);
}

static const struct schedule_case cases[] = {
	{ .name = "complete-cancel",
	  .begin = begin_three,
	  .threads = { completes, cancels, waits },
	  .end = end,
	  .mistakes = { { "claim", "or", SCHEDULE_SPLIT },
	                { "mark_waited", "or", SCHEDULE_LATE },
	                { "finish", "or", SCHEDULE_SPLIT } } },
	{ .name = "fail-wait",
	  .begin = begin,
	  .threads = { fails, waits },
	  .end = end,
	  .mistakes = { { "mark_waited", "or", SCHEDULE_SPLIT } } },
	{ .name = "reply-deadline",
	  .begin = begin_call,
	  .threads = { replies, expires, takes },
	  .end = end,
	  .mistakes = { { "keep_reply", "or", SCHEDULE_LEFT_OUT } } },
	{ .name = "complete-wait-ends",
	  .begin = begin,
	  .threads = { completes, waits_a_while },
	  .end = end,
	  .early = true,
	  .mistakes = { { "succeed", "cas", SCHEDULE_SPLIT } } },
	{ .name = "complete-then",
	  .begin = begin_three,
	  .threads = { completes, registers, cancels },
	  .end = end_called,
	  .mistakes = { { "ferry_future_then", "or", SCHEDULE_SPLIT } } },
	{ .name = "any",
	  .begin = begin,
	  .threads = { completes, waits_for_any },
	  .end = end,
	  .mistakes = { { "fy_watch_add", "or", SCHEDULE_SPLIT } } },
};

int main(void)
{
	return schedule_main(cases, sizeof cases / sizeof cases[0]);
}
