/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function of ferry_log_to beside engines of two ranks. The watchdog has a line for it while an
 * inline handler keeps the progress thread: what the function calls then does not wait, though
 * nothing moves.
 */
#include "mpi_test.h"

#include <string.h>
#include <unistd.h>

enum { OP = 7, OP_LATE, OP_FROM_LOG };

static ferry *engine;
static ferry_future *pending;
static uint32_t heard, called; /* the line came; the message that the function posted */
static uint32_t lines[FERRY_LOG_DEBUG + 1], closes;

static void note(uint32_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL);
}

static bool is_noted(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE) != 0;
}

/* Everything that would wait says so. */
static void try_waits(void)
{
	ferry_message *message;
	CHECK_STATUS(ferry_flush(engine, FERRY_ALL, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_fence(engine, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, FERRY_FOREVER, &message),
	             FERRY_EDEADLK);
	CHECK_STATUS(ferry_future_wait(pending, FERRY_FOREVER), FERRY_EDEADLK);
}

static void try_others(void)
{
	ferry_stats stats = FERRY_STATS_INIT;
	ferry *other;
	CHECK_STATUS(ferry_handle(engine, OP_LATE, FERRY_INLINE, NULL, NULL), FERRY_EDEADLK);
	CHECK_OK(ferry_stats_read(engine, &stats));
	CHECK_STATUS(ferry_open(NULL, &other), FERRY_EDEADLK);
	CHECK_STATUS(ferry_close(engine), FERRY_EDEADLK);
	CHECK_OK(ferry_post(engine, ferry_rank(engine), OP_FROM_LOG, NULL, 0, NULL));
}

static void hear(int level, const char *line, void *arg)
{
	CHECK(arg == lines);
	CHECK(level >= FERRY_LOG_ERROR && level <= FERRY_LOG_DEBUG);
	note(&lines[level]);
	if (strstr(line, "the engine is closed (FERRY_OK)"))
		note(&closes);
	if (is_noted(&heard) || !strstr(line, " warning ferry-watch/") ||
	    !strstr(line, "the inline handler of op 0x7"))
		return;
	try_waits();
	try_others();
	note(&heard);
}

static void on_op(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)arg;
	for (int ms = 0; !is_noted(&heard) && ms < 30000; ms++)
		usleep(1000);
	ferry_reply(message, NULL, 0);
}

static void on_posted(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
	note(&called);
}

static void open_engine(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.peer_timeout = FERRY_S(2);
	options.log_level = FERRY_LOG_DEBUG;
	CHECK_OK(ferry_open(&options, &engine));
	CHECK_INT(lines[FERRY_LOG_INFO], 1); /* it is open */
	CHECK(lines[FERRY_LOG_DEBUG] > 20);  /* a line for each option */
}

static void prepare(void)
{
	CHECK_OK(ferry_promise_create(engine, &pending));
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, on_op, NULL));
	CHECK_OK(ferry_handle(engine, OP_FROM_LOG, FERRY_INLINE, on_posted, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

/* Rank 1 asks, and rank 0 answers late. */
static void ask(void)
{
	ferry_future *call;
	CHECK_OK(ferry_call(engine, 0, OP, NULL, 0, &call));
	CHECK_OK(ferry_future_wait(call, FERRY_FOREVER));
	ferry_future_release(call);
}

static void wait_for_line(void)
{
	for (int ms = 0; !is_noted(&heard) && ms < 30000; ms++)
		usleep(1000);
	CHECK(is_noted(&heard));
}

static void finish(void)
{
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_INT(called, ferry_rank(engine) == 0);
	ferry_future_release(pending);
	CHECK_OK(ferry_close(engine));
	CHECK_INT(closes, 1);
}

int main(void)
{
	CHECK_OK(ferry_log_to(hear, lines));
	open_engine();
	prepare();
	if (ferry_rank(engine) == 1)
		ask();
	else
		wait_for_line();
	finish();
	CHECK_OK(ferry_log_to(NULL, NULL));
	return 0;
}
