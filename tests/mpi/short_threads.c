/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 4000 threads that live for a few posts each: nothing is lost, and the memory of a rank grows by
 * less than 1 MiB between the 1000th and the 4000th, since lanes are given back and used again.
 */
#include "system.h"

enum { ALIVE = 8, POSTS = 5, OP = 1, OP_ASK = 2, WARM = 1000, ALL = 4000, GROWTH_MAX = 1 << 20 };

struct slip {
	uint32_t serial; /* of the thread on its rank */
	uint32_t number;
	char padding[40];
};

static ferry *engine;
static uint64_t slips;    /* received; written by the handler alone until a fence */
static uint8_t seen[ALL]; /* slips of each thread of the rank before this one; likewise */

static void receive(ferry *on, ferry_message *message, void *arg)
{
	struct slip slip;

	(void)arg;
	memcpy(&slip, ferry_message_body(message, NULL), sizeof slip);
	CHECK(slip.serial < ALL);
	CHECK_INT(ferry_message_source(message),
	          (ferry_rank(on) + ferry_size(on) - 1) % ferry_size(on));
	CHECK_INT(seen[slip.serial]++, slip.number);
	slips++;
}

static void answer(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	CHECK_OK(ferry_reply(request, "yes", 3));
}

/* Every 16th also asks something and waits: a thread that ends right after a wait. */
static void ask(int target)
{
	ferry_future *future;

	CHECK_OK(ferry_call(engine, target, OP_ASK, NULL, 0, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
}

static void *live_shortly(void *arg)
{
	struct slip slip = { .serial = *(uint32_t *)arg };
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);

	for (; slip.number < POSTS; slip.number++)
		CHECK_OK(ferry_post(engine, next, OP, &slip, sizeof slip, NULL));
	if (slip.serial % 16 == 0)
		ask(next);
	return NULL;
}

/* Threads number `from` to `to`, a few at a time. Between the two fences nobody posts, and all
 * is handled. */
static void run_threads(uint32_t from, uint32_t to)
{
	for (uint32_t serial = from; serial < to; serial += ALIVE) {
		struct system_crew crew;
		uint32_t serials[ALIVE];
		unsigned count = to - serial < ALIVE ? to - serial : ALIVE;

		for (unsigned i = 0; i < count; i++)
			serials[i] = serial + i;
		system_crew_start(&crew, count, live_shortly, serials, sizeof *serials);
		system_crew_join(&crew);
	}
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_INT(slips, (uint64_t)to * POSTS);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

/* What of this process is in memory, in bytes. */
static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total, pages;

	CHECK(file);
	CHECK_INT(fscanf(file, "%ld %ld", &total, &pages), 2);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

int main(void)
{
	bool slow = check_env("TEST_SLOW", 1) > 1; /* a sanitizer's own memory would be measured */
	long before, growth;
	int rank, size;

	system_watch();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, receive, NULL));
	CHECK_OK(ferry_handle(engine, OP_ASK, FERRY_INLINE, answer, NULL));
	run_threads(0, WARM);
	before = resident();
	run_threads(WARM, ALL);
	growth = resident() - before;
	CHECK_OK(ferry_close(engine));
	if (!slow && growth >= GROWTH_MAX)
		CHECK_FAIL("rank %d grew by %ld kB from thread %d to thread %d", rank,
		           growth / 1024, WARM, ALL);
	if (rank == 0)
		printf("short_threads: %d threads on each of %d ranks, %d posts each: nothing "
		       "lost; grown by %ld kB after the first %d%s\n",
		       ALL, size, POSTS, growth / 1024, WARM,
		       slow ? " (not judged in this build)" : "");
	return 0;
}
