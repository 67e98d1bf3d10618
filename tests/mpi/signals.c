/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profiler's timer interrupts system calls all the time, without SA_RESTART, while an engine
 * without a thread of its own is used, waited for and closed, and finalizes MPI. No wait ends
 * early, nothing is lost.
 */
#include <sys/time.h>

#include "system.h"

enum { OP = 3, POSTS = 2000, TICK_US = 200, WAIT_MS = 150, TICKS_MAX = 300000 };

static volatile sig_atomic_t ticks;
static unsigned came; /* by the thread that drives */

/* It is the watchdog as well, which has this signal elsewhere. */
static void on_tick(int number)
{
	if (++ticks == TICKS_MAX)
		system_too_late(number);
}

static void tick_every(int us)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct itimerval timer = { { 0, us }, { 0, us } };
	CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
	CHECK_INT(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void on_post(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	came++;
}

static double since(double *begin)
{
	double now = system_now(), passed = now - *begin;
	*begin = now;
	return passed;
}

static void check_waits(ferry *engine)
{
	double begin = system_now();
	ferry_message *message;
	ferry_executor *queue;
	ferry_future *promise;
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, OP + 1, FERRY_MS(WAIT_MS), &message),
	             FERRY_PENDING);
	CHECK(since(&begin) >= WAIT_MS / 1e3);
	CHECK_OK(ferry_promise_create(engine, &promise));
	CHECK_STATUS(ferry_future_wait(promise, FERRY_MS(WAIT_MS)), FERRY_PENDING);
	CHECK(since(&begin) >= WAIT_MS / 1e3);
	CHECK_OK(ferry_promise_fulfil(promise, FERRY_OK, NULL));
	ferry_future_release(promise);
	CHECK_OK(ferry_queue_create(engine, &queue));
	CHECK_INT(ferry_executor_run(queue, 0, FERRY_MS(WAIT_MS)), 0);
	CHECK(since(&begin) >= WAIT_MS / 1e3);
	ferry_executor_destroy(queue);
}

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.flags = FERRY_NO_THREAD;
	options.log = "stderr";
	tick_every(TICK_US);
	ferry *engine = system_open(&options);
	int rank = ferry_rank(engine), size = ferry_size(engine);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, on_post, NULL));
	check_waits(engine);
	for (int i = 0; i < POSTS; i++)
		CHECK_OK(ferry_post(engine, (rank + 1) % size, OP, "x", 1, NULL));
	CHECK_OK(ferry_flush(engine, FERRY_ALL, FERRY_S(20)));
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
	CHECK_INT(came, POSTS);
	CHECK_OK(ferry_close(engine));
	CHECK(ticks > 100);
	if (rank == 0)
		printf("%d posts among signals\n", POSTS);
	return 0;
}
