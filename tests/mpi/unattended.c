/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that has always waited for what it posted does not, for once: it computes, or looks now
 * and then. What it posted arrives all the same, small and large, and so does what another thread
 * posted meanwhile.
 */
#include "system.h"

enum { OP_POST = 1, HABIT = 40, WINDOW = 4, ROUNDS = 12, LARGE = 300000 };
/* seconds: what is left alone for good never arrives, and the machine may be slow */
#define AT_MOST 20.0
/* what is left to the end of a long sleep takes twice that, of a nap a fiftieth */
#define LATE 0.05

static ferry *engine;
static int target;
static char large[LARGE];

static void arrived(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
}

static ferry_future *post(size_t nbytes)
{
	ferry_future *future;

	CHECK_OK(ferry_post(engine, target, OP_POST, large, nbytes, &future));
	return future;
}

static void wait_as_always(size_t nbytes)
{
	ferry_future *futures[WINDOW];

	for (int n = 0; n < HABIT; n++) {
		for (int i = 0; i < WINDOW; i++)
			futures[i] = post(nbytes);
		CHECK_OK(ferry_wait_all(futures, WINDOW, FERRY_FOREVER));
		for (int i = 0; i < WINDOW; i++)
			ferry_future_release(futures[i]);
	}
}

static void only_look(ferry_future *future)
{
	double end = system_now() + AT_MOST;

	while (ferry_future_poll(future) == FERRY_PENDING) {
		CHECK(system_now() < end);
		system_sleep_ms(1);
	}
	CHECK_OK(ferry_future_poll(future));
	ferry_future_release(future);
}

static void *post_elsewhere(void *arg)
{
	(void)arg;
	only_look(post(8));
	return NULL;
}

/* True: it took long. */
static bool round_of(int n)
{
	size_t nbytes = n % 2 ? LARGE : 8;
	ferry_future *futures[WINDOW];
	pthread_t other;
	double begin;

	wait_as_always(nbytes);
	if (n % 4 != 1)
		system_sleep_ms(5); /* the progress thread's sleep is a long one by now */
	begin = system_now();
	for (int i = 0; i < WINDOW; i++)
		futures[i] = post(nbytes);
	if (n % 3 == 0) {
		CHECK_INT(pthread_create(&other, NULL, post_elsewhere, NULL), 0);
		CHECK_INT(pthread_join(other, NULL), 0);
	}
	for (int i = WINDOW; i-- > 0;)
		only_look(futures[i]);
	return system_now() - begin > LATE;
}

int main(void)
{
	int late = 0;

	system_watch();
	engine = system_open(NULL);
	target = (ferry_rank(engine) + 1) % ferry_size(engine);
	CHECK_OK(ferry_handle(engine, OP_POST, FERRY_INLINE, arrived, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER)); /* everybody has the handler */
	for (int n = 0; n < ROUNDS; n++)
		late += round_of(n);
	CHECK(late <= ROUNDS / 4 || check_env("TEST_SLOW", 1) > 1); /* most began in a long sleep */
	CHECK_OK(ferry_close(engine));
	if (target == 0)
		printf("unattended: what a thread posted and did not wait for arrived, %d times\n",
		       ROUNDS);
	return 0;
}
