/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences while other threads post, and call, without a pause. What the main thread posted before a
 * fence, and what the handlers of that post onwards, inline and from a pool, is handled when the
 * fence is over; and it is over soon, although the others go on.
 */
#include "system.h"

enum { POSTERS = 4, FENCES = 5, COUNT = 500 };
enum { NOISE = 1, ASKED, FIRST, SECOND, THIRD };

static ferry *engine;
static int rank, size;
static uint32_t stop;
static uint64_t seen[3]; /* of FIRST, SECOND, THIRD: atomic add */

static void on_noise(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
}

/* Each one sets off the next op, at the next rank. */
static void count(ferry *e, ferry_message *message, void *arg)
{
	uint32_t op = ferry_message_op(message);
	(void)arg;
	if (op != THIRD) {
		int status;
		while ((status = ferry_post(e, (rank + 1) % size, op + 1, "x", 1, NULL)) ==
		       FERRY_EAGAIN)
			/* the lane of this thread is full: it is drained meanwhile, or it is not
			 * this thread's turn */
			;
		CHECK_INT(status, FERRY_OK);
	}
	__atomic_fetch_add(&seen[op - FIRST], 1, __ATOMIC_ACQ_REL);
}

static void *noise(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	for (unsigned i = number; !__atomic_load_n(&stop, __ATOMIC_ACQUIRE); i++) {
		int to = (int)(i % (unsigned)size);
		if (number) {
			CHECK_OK(ferry_post(engine, to, NOISE, "noise", 5, NULL));
			continue;
		}
		ferry_future *future;
		CHECK_OK(ferry_call(engine, to, ASKED, "?", 1, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
		ferry_future_release(future);
	}
	return NULL;
}

static void one_fence(unsigned number)
{
	for (int i = 0; i < COUNT; i++)
		CHECK_OK(ferry_post(engine, (rank + i) % size, FIRST, "x", 1, NULL));
	/* Every rank posts as much as any: so as much comes, when COUNT is a multiple of
	 * their number. */
	CHECK_OK(ferry_fence(engine, FERRY_S(60)));
	for (int i = 0; i < 3; i++)
		CHECK(__atomic_load_n(&seen[i], __ATOMIC_ACQUIRE) >= (uint64_t)number * COUNT);
}

int main(void)
{
	pthread_t posters[POSTERS];
	ferry_executor *pool;
	CHECK_OK(ferry_open(NULL, &engine));
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK_INT(COUNT % size, 0);
	CHECK_OK(ferry_workers_create(engine, 2, &pool));
	CHECK_OK(ferry_handle(engine, NOISE, FERRY_INLINE, on_noise, NULL));
	CHECK_OK(ferry_handle(engine, ASKED, pool, on_noise, NULL));
	CHECK_OK(ferry_handle(engine, FIRST, pool, count, NULL));
	CHECK_OK(ferry_handle(engine, SECOND, pool, count, NULL));
	CHECK_OK(ferry_handle(engine, THIRD, FERRY_INLINE, count, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (uintptr_t i = 0; i < POSTERS; i++)
		CHECK_INT(pthread_create(&posters[i], NULL, noise, (void *)i), 0);
	for (unsigned number = 1; number <= FENCES; number++)
		one_fence(number);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < POSTERS; i++)
		CHECK_INT(pthread_join(posters[i], NULL), 0);
	CHECK_OK(ferry_close(engine));
	ferry_executor_destroy(pool);
	return 0;
}
