/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that hangs, so that ferry-ask is asked for it: `asked HOW DIRECTORY VICTIM`. asked.sh runs
 * it, asks, and lets it go on: who hangs looks for DIRECTORY/go, twice a second.
 *
 * HOW   stop      the rank VICTIM stops itself by SIGSTOP. The others call it, and wait
 *       handler   an inline handler of VICTIM does not return. The others call it, and wait
 *       fence     VICTIM is not in the fence that the others are in
 *       close     VICTIM is not in the close that the others are in
 *       fork      as fence, while a child of each rank has all that its parent had
 *       closed    as fence, and VICTIM closes the sockets at which its process listens
 *       circle    VICTIM reads what rank 0 never sends, the others are in a fence: for ever
 * Each rank writes its process number to DIRECTORY/pid.RANK when it is about to hang.
 */
#include <ferry.h>

#include "system.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

enum { OP = 7, CALLS = 2 };

static ferry *engine;
static const char *how, *directory;
static int me, victim;

static bool is(const char *what)
{
	return strcmp(how, what) == 0;
}

static void wait_to_go_on(void)
{
	char path[300];
	struct stat it;

	snprintf(path, sizeof path, "%s/go", directory);
	for (unsigned i = 0; i < 400 && stat(path, &it) != 0; i++)
		system_sleep_ms(100);
}

static void say_that_i_hang(void)
{
	char path[300], name[300];
	FILE *file;

	snprintf(name, sizeof name, "%s/new.%d", directory, me);
	snprintf(path, sizeof path, "%s/pid.%d", directory, me);
	file = fopen(name, "w");
	CHECK(file);
	fprintf(file, "%d\n", (int)getpid());
	fclose(file);
	CHECK_INT(rename(name, path), 0);
}

static void on_call(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	(void)arg;
	if (is("handler") && me == victim) {
		static bool said;
		if (!said)
			say_that_i_hang();
		said = true;
		wait_to_go_on();
	}
	CHECK_OK(ferry_reply(m, "ok", 2));
}

static void call_victim(void)
{
	ferry_future *futures[CALLS];

	if (is("stop"))
		system_sleep_ms(700); /* so that it is stopped */
	for (unsigned i = 0; i < CALLS; i++)
		CHECK_OK(ferry_call(engine, victim, OP, "?", 1, &futures[i]));
	say_that_i_hang();
	for (unsigned i = 0; i < CALLS; i++) {
		CHECK_OK(ferry_future_wait(futures[i], FERRY_FOREVER));
		ferry_future_release(futures[i]);
	}
}

/* As a daemon at its start closes all descriptors; but MPI needs its own. */
static void close_listeners(void)
{
	unsigned closed = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int listens = 0, domain = 0;
		socklen_t n = sizeof listens;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && listens &&
		    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX)
			closed += close(fd) == 0;
	}
	CHECK(closed > 0);
}

static void hang(void)
{
	pid_t child = -1;

	if (is("fork") && (child = fork()) == 0) {
		wait_to_go_on();
		_exit(0);
	}
	if (is("closed") && me == victim)
		close_listeners();
	if (is("circle") && me == victim) {
		ferry_message *never;
		say_that_i_hang();
		CHECK_OK(ferry_recv(engine, 0, OP, FERRY_FOREVER, &never));
	}
	if (me != victim) {
		if (is("stop") || is("handler"))
			call_victim();
		else
			say_that_i_hang();
	} else if (is("stop")) {
		system_sleep_ms(300); /* so that the others come out of the fence */
		say_that_i_hang();
		kill(getpid(), SIGSTOP);
	} else if (!is("handler")) {
		say_that_i_hang();
		wait_to_go_on();
	}
	if (!is("close"))
		CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	if (child > 0)
		CHECK_INT(waitpid(child, NULL, 0), child);
}

int main(int argc, char **argv)
{
	CHECK_INT(argc, 4);
	how = argv[1];
	directory = argv[2];
	victim = atoi(argv[3]);
	CHECK_OK(ferry_open(NULL, &engine));
	me = ferry_rank(engine);
	if (!is("circle"))
		CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, on_call, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	hang();
	CHECK_OK(ferry_close(engine));
	if (me == 0)
		puts("asked checked");
	return 0;
}
