/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences and closes of four ranks, of which one dies meanwhile: `survivors HOW WHEN FILE`. The
 * others go on: each fence ends, in time, and then all has come that they posted to one another;
 * later fences end with FERRY_OK; the close delivers what was posted right before. survivors.sh
 * runs it, with a launcher that leaves the others alive.
 *
 * HOW   kill, exit, stop (and go on when the others have closed)
 * WHEN  fence, close, or block: after the death the inline handler of another rank blocks for ever,
 *       and its close returns without the progress thread; `block` as HOW: so does the victim's
 * FILE  is where all say how it went
 */
#include <ferry.h>

#include "system.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/types.h>

enum { VICTIM = 2, BLOCKED = 3, RANKS = 4, FENCES = 12, DIES_AT = 5, EACH = 20 };
enum { OP_COUNT = 1, OP_BLOCK, OP_ASK };
#define TIMEOUT FERRY_MS(600)
#define PATIENCE FERRY_S(1) /* of a close */
#define KNOWN (1.5 * (double)TIMEOUT / 1e9 + 2)
#define CLOSED ((double)PATIENCE / 1e9 + 5)

static ferry *engine, *other;
static int me;
static const char *file, *how, *when;
static struct system_counter from[RANKS] = { SYSTEM_COUNTER_INIT, SYSTEM_COUNTER_INIT,
	                                     SYSTEM_COUNTER_INIT, SYSTEM_COUNTER_INIT };
static struct system_counter blocked = SYSTEM_COUNTER_INIT;

static void on_count(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	system_count(&from[ferry_message_source(m)], 1);
}

static void on_block(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)m;
	(void)arg;
	system_count(&blocked, 1);
	for (;;)
		pause();
}

static void on_ask(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	ferry_reply(m, "yes", 3);
}

static void say(const char *what, int figure)
{
	system_say(file, me, what, figure);
}

/* The launcher ends a rank with the others, so these wait until that was said. */
static void wait_until_said(const char *what, int times)
{
	static char text[4096];
	int found = 0;
	while (found < times) {
		system_sleep_ms(10);
		int fd = open(file, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
		text[n < 0 ? 0 : n] = '\0';
		close(fd);
		found = 0;
		for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
			found++;
	}
}

/* The victim goes on by itself when the others have ended. */
static void stop_for(unsigned s)
{
	pid_t parent = getpid();
	if (fork() == 0) {
		sleep(s);
		kill(parent, SIGCONT);
		_exit(0);
	}
	kill(parent, SIGSTOP);
}

/* Beside a fence or a close of this rank. */
static void *die_soon(void *arg)
{
	(void)arg;
	system_sleep_ms(100);
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "exit") == 0)
		_exit(0);
	stop_for(3);
	return NULL;
}

static void begin_to_die(void)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, die_soon, NULL) == 0);
	CHECK(pthread_detach(thread) == 0);
}

static void post_to_all(void)
{
	for (int i = 0; i < RANKS; i++)
		for (int k = 0; k < EACH; k++) {
			int status = ferry_post(engine, i, OP_COUNT, NULL, 0, NULL);
			CHECK(status == FERRY_OK || (i == VICTIM && status == FERRY_EPEER) ||
			      me == VICTIM);
		}
}

static void check_counts(int times)
{
	for (int i = 0; i < RANKS; i++)
		if (i != VICTIM)
			CHECK_INT(system_counted(&from[i]), times * EACH);
}

/* The victim is in a fence that rank 3 joins later, so that none can be over before. */
static void fence_all(void)
{
	int lossy = 0;
	double longest = 0;
	for (int i = 1; i <= FENCES; i++) {
		if (i == DIES_AT && me == VICTIM)
			begin_to_die();
		post_to_all();
		if (i == DIES_AT && me == BLOCKED)
			system_sleep_ms(300);
		double begun = system_now();
		int status = ferry_fence(engine, FERRY_S(20));
		double took = system_now() - begun;
		if (me == VICTIM && status != FERRY_OK)
			return;
		CHECK(status == FERRY_OK || status == FERRY_EPEER);
		CHECK(took < KNOWN);
		longest = took > longest ? took : longest;
		lossy += status == FERRY_EPEER;
		if (status == FERRY_EPEER)
			CHECK(i == DIES_AT);
		check_counts(i);
		/* nobody posts for the next fence before all have counted */
		CHECK(ferry_fence(engine, FERRY_S(20)) == FERRY_OK || me == VICTIM);
	}
	CHECK(lossy == 1 || (me == BLOCKED && !lossy)); /* it may have joined afterwards */
	CHECK(ferry_peer_status(engine, VICTIM) == FERRY_EPEER);
	say("fenced on after ms", (int)(longest * 1000));
}

/* Returns how long it took. */
static double close_one(int expected, double most)
{
	double begun = system_now();
	int status = ferry_close(engine);
	double took = system_now() - begun;
	CHECK_INT(status, expected);
	CHECK(took < most);
	return took;
}

/* The victim dies in the close, which rank 3 calls later. */
static void close_all(void)
{
	post_to_all();
	if (me == VICTIM)
		begin_to_die();
	if (me == BLOCKED)
		system_sleep_ms(300);
	double took = close_one(FERRY_EPEER, KNOWN + CLOSED);
	if (me != VICTIM)
		check_counts(1);
	say("closed after ms", (int)(took * 1000));
}

/* The other engine works, though the first one was left behind. */
static void ask_beside(void)
{
	ferry_future *future;
	CHECK_OK(ferry_call(other, 0, OP_ASK, NULL, 0, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_S(10)));
	ferry_future_release(future);
}

static void close_blocked(double most)
{
	CHECK_OK(ferry_post(engine, me, OP_BLOCK, NULL, 0, NULL));
	while (!system_counted(&blocked))
		system_sleep_ms(1);
	close_one(FERRY_EPEER, most);
	CHECK(strstr(ferry_last_error(), "left behind") != NULL);
	ask_beside();
	say("left its thread behind", 1);
}

/* A rank blocks, perhaps after another one has died, and the others close without both. */
static void block(void)
{
	bool victim_blocks = strcmp(how, "block") == 0;
	if (me == VICTIM && !victim_blocks)
		begin_to_die();
	if (me == VICTIM && victim_blocks) {
		close_blocked(KNOWN + CLOSED);
		return;
	}
	if (!victim_blocks)
		while (ferry_peer_status(engine, VICTIM) == FERRY_OK)
			ferry_fence(engine, 0);
	if (me == BLOCKED && !victim_blocks)
		close_blocked(CLOSED);
	else
		close_one(FERRY_EPEER, 2 * KNOWN + CLOSED);
	wait_until_said("left its thread behind", 1);
}

static void open_engines(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.peer_timeout = TIMEOUT;
	options.close_timeout = PATIENCE;
	options.thread_level = FERRY_THREAD_MULTIPLE;
	CHECK(ferry_open(&options, &engine) == FERRY_OK);
	me = ferry_rank(engine);
	CHECK(ferry_size(engine) == RANKS);
	CHECK_OK(ferry_handle(engine, OP_COUNT, FERRY_INLINE, on_count, NULL));
	CHECK_OK(ferry_handle(engine, OP_BLOCK, FERRY_INLINE, on_block, NULL));
	if (strcmp(when, "block") == 0) {
		CHECK(ferry_open(&options, &other) == FERRY_OK);
		CHECK_OK(ferry_handle(other, OP_ASK, FERRY_INLINE, on_ask, NULL));
	}
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
}

int main(int argc, char **argv)
{
	CHECK(argc == 4);
	how = argv[1];
	when = argv[2];
	file = argv[3];
	system_watch();
	open_engines();
	if (strcmp(when, "fence") == 0)
		fence_all();
	if (strcmp(when, "close") == 0)
		close_all();
	if (strcmp(when, "block") == 0)
		block();
	if (strcmp(when, "fence") == 0)
		close_one(FERRY_EPEER, CLOSED);
	say("ended", 0);
	/* Once one has left the launcher may end the others. */
	if (me != VICTIM || strcmp(how, "block") == 0)
		wait_until_said("ended", strcmp(how, "block") == 0 ? RANKS : RANKS - 1);
	if (strcmp(how, "stop") == 0 && me != VICTIM)
		wait_until_said("ended", RANKS);
	_exit(0);
}
