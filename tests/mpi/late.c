/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ranks of a host know of one another beside MPI: `late HOW FILE MS`. late.sh runs it,
 * with a launcher that leaves the others alive.
 *
 * HOW   late      an inline handler of the last rank blocks for three times peer_timeout: its call
 *                 is answered, and nobody is accused
 *       callback  likewise, a function of ferry_run
 *       apart     likewise, and the ranks share no memory: it is taken for dead, and says before in
 *                 its log that it will be
 *       kill      the last rank is killed: that is proved, long before peer_timeout
 *       stop      it is stopped: it is accused after peer_timeout, and not before
 * FILE  is where all say how it went: the launcher loses what is printed right before the end
 * MS    is peer_timeout, but for kill
 */
#include <ferry.h>
#include <ferry_mpi.h>

#include "system.h"

#include <fcntl.h>
#include <sys/types.h>

enum { OP_BLOCK = 1, OP_HERE };
#define LONG FERRY_S(20)

static ferry *engine;
static int me, victim;
static unsigned timeout_ms;
static const char *how, *file;
static struct system_counter told = SYSTEM_COUNTER_INIT;

static bool is(const char *what)
{
	return strcmp(how, what) == 0;
}

static void say(const char *what, int figure)
{
	system_say(file, me, what, figure);
}

static void on_block(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	system_sleep_ms(3 * timeout_ms);
	ferry_reply(m, "done", 4); /* which fails on a rank that was left out */
}

static void on_here(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	ferry_reply(m, "here", 4);
}

static void on_gone(ferry *e, int rank, int status, const char *why, void *arg)
{
	(void)e;
	(void)why;
	(void)arg;
	CHECK(status == FERRY_EPEER);
	system_count(&told, rank == victim);
}

static int block_here(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	system_sleep_ms(3 * timeout_ms);
	return MPI_SUCCESS;
}

static int ask(int rank, uint32_t op)
{
	ferry_future *future;
	int status = ferry_call(engine, rank, op, "?", 1, &future);
	if (status != FERRY_OK)
		return status;
	status = ferry_future_wait(future, FERRY_S(30));
	ferry_future_release(future);
	return status;
}

/* ---- who is late -------------------------------------------------------------------------- */

/* Ask until an answer was late. */
static void meet_it_late(void)
{
	double begun = system_now(), took;
	do {
		double asked = system_now();
		CHECK_OK(ask(victim, is("late") && me == 0 ? OP_BLOCK : OP_HERE));
		took = system_now() - asked;
		CHECK(system_now() - begun < 20);
	} while (took < 2e-3 * timeout_ms);
}

static void wait_for_late(void)
{
	if (me != victim) {
		meet_it_late();
	} else if (is("callback")) {
		ferry_future *future;
		CHECK_OK(ferry_run(engine, block_here, NULL, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
		ferry_future_release(future);
	}
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_INT(system_counted(&told), 0);
	CHECK_OK(ferry_close(engine));
	say("waited", 1);
}

/* ---- who goes ----------------------------------------------------------------------------- */

static void go(void)
{
	if (is("kill"))
		kill(getpid(), SIGKILL);
	pid_t process = getpid();
	if (is("stop") && fork() == 0) {
		system_sleep_ms(4 * timeout_ms);
		kill(process, SIGCONT);
		_exit(0);
	}
	if (is("stop"))
		kill(process, SIGSTOP);
	while (ferry_status(engine) == FERRY_OK)
		system_sleep_ms(1);
	CHECK_INT(ferry_status(engine), FERRY_EPEER);
	CHECK_INT(ferry_close(engine), FERRY_EPEER);
	say("stopped", 1);
}

static void lose(void)
{
	double begun = system_now(), limit = 1e-3 * timeout_ms;
	int status;
	if (is("apart") && me == 0)
		CHECK_INT(ask(victim, OP_BLOCK), FERRY_EPEER);
	while ((status = ask(victim, OP_HERE)) == FERRY_OK) /* it is not gone yet */
		CHECK(system_now() - begun < 20);
	CHECK_INT(status, FERRY_EPEER);
	double took = system_now() - begun;
	if (is("kill")) /* a quarter of a second, and a machine that is busy */
		CHECK(took < 5);
	else
		CHECK(took > 0.9 * limit && took < 1.5 * limit + 2);
	CHECK_INT(ferry_peer_status(engine, victim), FERRY_EPEER);
	for (int rank = 0; rank < ferry_size(engine); rank++)
		if (rank != victim)
			CHECK_OK(ask(rank, OP_HERE));
	while (!system_counted(&told))
		system_sleep_ms(1);
	say("lost it after ms", (int)(took * 1000));
	system_sleep_ms(300); /* the others have been answered */
	CHECK_INT(ferry_close(engine), FERRY_EPEER);
	if (!is("kill"))
		system_sleep_ms(4 * timeout_ms); /* the launcher would end it with the others */
}

int main(int argc, char **argv)
{
	how = argc > 1 ? argv[1] : "late";
	file = argc > 2 ? argv[2] : "/dev/stdout";
	timeout_ms = argc > 3 ? (unsigned)atoi(argv[3]) : 500;
	ferry_options options = FERRY_OPTIONS_INIT;

	system_watch();
	options.peer_timeout = is("kill") ? LONG : FERRY_MS(timeout_ms);
	engine = system_open(&options);
	me = ferry_rank(engine);
	victim = ferry_size(engine) - 1;
	CHECK_OK(ferry_handle(engine, OP_BLOCK, FERRY_INLINE, on_block, NULL));
	CHECK_OK(ferry_handle(engine, OP_HERE, FERRY_INLINE, on_here, NULL));
	CHECK_OK(ferry_on_peer(engine, FERRY_INLINE, on_gone, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(20)));
	if (is("late") || is("callback"))
		wait_for_late();
	else if (me == victim)
		go();
	else
		lose();
	_exit(0);
}
