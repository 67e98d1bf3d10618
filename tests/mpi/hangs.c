/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of two ranks that hang, and what is said of them. hangs.sh runs them. The arguments are how
 * it hangs, and a file by which the ranks' helpers agree on when to look.
 *
 * The threads of the library take the pictures, as they do when somebody asks, because a thread
 * that the test had for that would be one of the program's. Rank 0's helper judges twice: at first
 * with one more thread, which sleeps, then without it. While something still moves it looks again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "mpi_test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "engine/portrait.h"
#include "watch/picture.h"
#include "watch/story.h"
#include "watch/verdict.h"

enum { RANKS = 2, TRIES = 20, OP = 5, OP_BACK = 6, OP_OTHER = 7, OP_NEVER = 9 };

/* The file: what the ranks of the job share. */
struct shared {
	uint32_t wanted;       /* the round that is asked for, from 1 on; two make a verdict */
	uint32_t taken[RANKS]; /* the last one that was taken */
	uint32_t awake;        /* 1: the thread too many ends */
	uint32_t end;
	pid_t pids[RANKS];
	struct fy_picture pictures[2][RANKS]; /* of odd rounds, of even ones */
};

static struct shared *shared;
static ferry *engine;
static int rank;
static const char *way;

/* ---- ways to hang -------------------------------------------------------------------------- */

static void receive(uint32_t op)
{
	ferry_message *m;
	printf("rank %d: ferry_recv: %s\n", rank,
	       ferry_strerror(ferry_recv(engine, 1 - rank, op, FERRY_FOREVER, &m)));
}

static void call(uint32_t op)
{
	ferry_future *f;
	CHECK_OK(ferry_call(engine, 1 - rank, op, NULL, 0, &f));
	printf("rank %d: call: %s\n", rank, ferry_strerror(ferry_future_wait(f, FERRY_FOREVER)));
}

static void flood(unsigned posts)
{
	static char body[4000];
	while (posts--)
		CHECK_OK(ferry_post(engine, 1, OP, body, sizeof body, NULL));
}

static void keep(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)arg;
	ferry_message_retain(message);
}

static void block(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
	for (;;)
		pause();
}

static void call_other(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	call(*(const uint32_t *)arg);
}

static void unread(void)
{
	if (rank == 0)
		flood(UINT_MAX);
	ferry_fence(engine, FERRY_FOREVER);
}

static void unread_then_close(void)
{
	if (rank == 0) {
		flood(100);
		receive(OP_NEVER);
	}
	ferry_close(engine);
}

static void blocking_handler(void)
{
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, block, NULL));
	ferry_fence(engine, FERRY_FOREVER);
	if (rank == 0)
		call(OP);
	receive(OP_NEVER);
}

static void retained_request(void)
{
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, keep, NULL));
	if (rank == 0)
		call(OP);
	receive(OP_NEVER);
}

static void both_receive(void)
{
	receive(OP);
}

static void pool_of_one(void)
{
	static const uint32_t next[RANKS] = { OP_BACK, OP_OTHER };
	static void *const args[RANKS] = { (void *)(uintptr_t)&next[0],
		                           (void *)(uintptr_t)&next[1] };
	ferry_executor *pool;
	CHECK_OK(ferry_workers_create(engine, 1, &pool));
	CHECK_OK(ferry_handle(engine, rank == 0 ? OP : OP_BACK, pool, call_other, args[rank]));
	CHECK_OK(ferry_handle(engine, OP_OTHER, pool, keep, NULL));
	if (rank == 1)
		call(OP);
	receive(OP_NEVER);
}

static void stopped(void)
{
	if (rank == 1)
		raise(SIGSTOP);
	call(OP);
}

static void fence_here(void)
{
	if (rank == 0)
		ferry_fence(engine, FERRY_FOREVER);
	receive(OP_NEVER);
}

/* No hang: the fence ends, and its rank closes, too. */
static void fence_here_close_there(void)
{
	int status = rank == 0 ? ferry_fence(engine, FERRY_FOREVER) : FERRY_OK;
	if (rank == 0)
		printf("the fence: %s\n", ferry_strerror(status));
	CHECK_OK(ferry_close(engine));
	exit(0);
}

static void close_here(void)
{
	if (rank == 0)
		ferry_close(engine);
	receive(OP_NEVER);
}

static void wrong_op(void)
{
	if (rank == 0)
		CHECK_OK(ferry_post(engine, 1, OP_OTHER, NULL, 0, NULL));
	receive(rank == 0 ? OP_NEVER : OP);
}

static void promise(void)
{
	ferry_future *f;
	CHECK_OK(ferry_promise_create(engine, &f));
	if (rank == 0)
		ferry_future_wait(f, FERRY_FOREVER);
	receive(OP_NEVER);
}

static void retained_all(void)
{
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, keep, NULL));
	if (rank == 0)
		flood(UINT_MAX);
	receive(OP_NEVER);
}

static const struct {
	const char *name;
	void (*hang)(void);
} ways[] = {
	{ "unread", unread },
	{ "unread_then_close", unread_then_close },
	{ "blocking_handler", blocking_handler },
	{ "retained_request", retained_request },
	{ "both_receive", both_receive },
	{ "pool_of_one", pool_of_one },
	{ "stopped", stopped },
	{ "fence_here", fence_here },
	{ "fence_here_close_there", fence_here_close_there },
	{ "close_here", close_here },
	{ "wrong_op", wrong_op },
	{ "promise", promise },
	{ "retained_all", retained_all },
};

/* ---- looking ------------------------------------------------------------------------------- */

#define PERIOD FERRY_MS(10)
#define SETTLES FERRY_MS(50)

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void take(void)
{
	uint32_t round = load(&shared->wanted);
	if (!round || load(&shared->taken[rank]) == round)
		return;
	CHECK_OK(fy_portrait_take(engine, FERRY_MS(50), &shared->pictures[(round - 1) % 2][rank]));
	store(&shared->taken[rank], round);
}

/* Of the two rounds that were last. False: something moves. */
static bool judge(const char *what, bool is_last)
{
	static char text[8192];
	uint32_t round = load(&shared->wanted);
	const struct fy_picture *of[2][RANKS];
	for (int i = 0; i < 2 * RANKS; i++)
		of[i / RANKS][i % RANKS] = load(&shared->taken[i % RANKS]) == round
		                                   ? &shared->pictures[i / RANKS][i % RANKS]
		                                   : NULL;
	struct fy_verdict_of job = { of[0], of[1], RANKS };
	enum fy_verdict verdict = fy_verdict(&job);
	if (verdict == FY_VERDICT_NO && !is_last)
		return false;
	fy_story_tell(&job, text, sizeof text);
	printf("%s: %s: %s\n%s", way, what, fy_verdict_name(verdict), text);
	fflush(stdout);
	return true;
}

/* A stopped rank is not waited for; others may get no processor for a while. */
static int64_t patience(void)
{
	return strcmp(way, "stopped") == 0 ? FERRY_MS(400) : FERRY_S(10);
}

/* Rank 0: the round is over when all have taken it, or some are silent. The second of two begins
 * as long after the first one as a verdict needs. */
static bool is_over(uint32_t round, int64_t since)
{
	int64_t apart = round % 2 ? FY_VERDICT_APART : 0;
	bool all = true;
	for (int i = 0; i < RANKS; i++)
		all &= load(&shared->taken[i]) == round;
	return (all && fy_clock_now() - since > apart) || fy_clock_now() - since > patience();
}

static void kill_others(void)
{
	store(&shared->end, 1);
	for (int i = 1; i < RANKS; i++)
		if (strcmp(way, "stopped") == 0)
			kill(shared->pids[i], SIGKILL);
}

/* Two rounds are over. */
static void conclude(void)
{
	static int tries;
	bool is_last = ++tries == TRIES;
	if (!load(&shared->awake)) {
		if (!judge("with a thread that sleeps", is_last))
			return;
		tries = 0;
		store(&shared->awake, 1);
	} else if (judge("alone", is_last)) {
		kill_others();
	}
}

/* Rank 0, from round to round, with a moment before two: the thread too many ends in it. */
static void lead(void)
{
	static int64_t since;
	static bool settles = true;
	uint32_t round = load(&shared->wanted);
	if (!since)
		since = fy_clock_now();
	if (settles ? fy_clock_now() - since < SETTLES : !is_over(round, since))
		return;
	since = fy_clock_now();
	if (!settles && round % 2 == 0) {
		settles = true;
		conclude();
		return;
	}
	settles = false;
	store(&shared->wanted, round + 1);
}

static void look(struct fy_helped *self, unsigned why)
{
	(void)why;
	if (load(&shared->end))
		_exit(0);
	take();
	if (rank == 0)
		lead();
	self->due_at = fy_clock_now() + PERIOD;
}

static void *sleep_outside(void *unused)
{
	struct timespec moment = { 0, 10000000 };
	(void)unused;
	while (!load(&shared->awake))
		nanosleep(&moment, NULL);
	return NULL;
}

static void begin_to_look(const char *file)
{
	static struct fy_helped helped = { .run = look, .fd = -1 };
	pthread_t thread;
	int fd = open(file, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && ftruncate(fd, sizeof *shared) == 0);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED);
	shared->pids[rank] = getpid();
	if (rank == (strcmp(way, "stopped") != 0)) {
		CHECK(pthread_create(&thread, NULL, sleep_outside, NULL) == 0);
		pthread_setname_np(thread, "one-too-many");
		pthread_detach(thread);
	}
	CHECK_OK(fy_helper_add(&helped));
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	CHECK(argc == 3);
	way = argv[1];
	options.receive_memory = options.send_memory = 1 << 20;
	options.peer_timeout = FERRY_S(30);
	CHECK_OK(ferry_open(&options, &engine));
	rank = ferry_rank(engine);
	CHECK(ferry_size(engine) == RANKS);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	begin_to_look(argv[2]);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strcmp(ways[i].name, way) == 0)
			ways[i].hang();
	for (;;)
		pause();
}
