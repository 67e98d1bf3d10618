/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine as part of a process: programs are started while it runs, by the program's threads and
 * by its code on threads of the library; signals go where the header says; a thread that waits is
 * cancelled. `process exit` leaves by exit(7) with an engine that was never closed and work under
 * way; process.sh looks at how that ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "system.h"

enum { OP_LATER = 1, OP_SINK, OP_CHILD, OP_FAULT, POSTS = 2000 };

static ferry *engine;
static int neighbour;
static struct system_counter sunk = SYSTEM_COUNTER_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ferry_message *later; /* the request that is answered later, under lock */
static volatile sig_atomic_t signals;

static void sink(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
	system_count(&sunk, 1);
}

static void keep(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	ferry_message_retain(request);
	pthread_mutex_lock(&lock);
	later = request;
	pthread_mutex_unlock(&lock);
}

static void check_works(void)
{
	ferry_future *future;

	CHECK_OK(ferry_post(engine, neighbour, OP_SINK, "x", 1, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
}

/* ---- programs started while it runs ------------------------------------ */

static void start_program(const char *program)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", program, (char *)NULL);
		_exit(127);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 5);
}

static void *post_meanwhile(void *arg)
{
	(void)arg;
	for (int i = 0; i < POSTS; i++)
		CHECK_OK(ferry_post(engine, neighbour, OP_SINK, &i, sizeof i, NULL));
	return NULL;
}

static void check_programs(void)
{
	pthread_t poster;

	CHECK_INT(pthread_create(&poster, NULL, post_meanwhile, NULL), 0);
	for (int i = 0; i < 5; i++) {
		start_program("exit 5");
		CHECK_INT(WEXITSTATUS(system("exit 6")), 6);
	}
	CHECK_INT(pthread_join(poster, NULL), 0);
	check_works();
}

/* ---- signals ----------------------------------------------------------- */

/* The name and the blocked signals of a thread; false when it is gone. */
static bool read_task(const char *task, char name[64], unsigned long long *blocked)
{
	char path[300], line[300];
	FILE *file;

	*name = 0;
	*blocked = 0;
	snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
	file = fopen(path, "r");
	if (!file)
		return false;
	while (fgets(line, sizeof line, file)) {
		sscanf(line, "Name: %63s", name);
		sscanf(line, "SigBlk: %llx", blocked);
	}
	fclose(file);
	return true;
}

static const int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
static const int others[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGALRM, SIGCHLD,
	                      SIGUSR1, SIGUSR2, SIGPIPE, SIGPROF, SIGWINCH };

static void check_mask(const char *name, unsigned long long blocked, const int *numbers, unsigned n,
                       bool wanted)
{
	for (unsigned i = 0; i < n; i++)
		if ((blocked >> (numbers[i] - 1) & 1) != wanted)
			CHECK_FAIL("the thread %s %s signal %d", name,
			           wanted ? "does not block" : "blocks", numbers[i]);
}

/* The same. Until a thread begins it has the name of the one that made it, and blocks all. */
static bool read_begun(const char *task, char name[64], unsigned long long *blocked)
{
	bool found = read_task(task, name, blocked);

	for (unsigned i = 0; i < 100; i++) {
		if (!found || strcmp(name, "ferry") != 0 || !(*blocked >> (SIGSEGV - 1) & 1))
			break;
		system_sleep_ms(10);
		found = read_task(task, name, blocked);
	}
	return found;
}

/* The progress thread has run no code of the program's yet. What it causes itself goes to the
 * program's handlers, and all else to the program's threads. */
static void check_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned found = 0;

	CHECK(tasks);
	while ((entry = readdir(tasks))) {
		unsigned long long blocked;
		char name[64];

		if (*entry->d_name == '.' || !read_begun(entry->d_name, name, &blocked))
			continue;
		if (strcmp(name, "ferry") == 0) {
			check_mask(name, blocked, synchronous, COUNT_OF(synchronous), false);
			check_mask(name, blocked, others, COUNT_OF(others), true);
			found++;
		}
	}
	closedir(tasks);
	CHECK(found >= 1);
}

/* ---- what the program's code has on a thread of the library ------------ */

/* A child of code that runs here starts with the mask of the thread that opened the engine, or made
 * the pool: nothing but SIGUSR2. */
static void start_children(ferry *on, ferry_message *request, void *arg)
{
	char *grep[] = { (char *)"grep", (char *)"-q", (char *)"^SigBlk:\t0*800$",
		         (char *)"/proc/self/status", NULL };
	int results[2] = { -1, -1 };
	pid_t child;

	(void)on;
	(void)arg;
	if (posix_spawnp(&child, *grep, NULL, NULL, grep, environ) == 0)
		waitpid(child, &results[0], 0);
	child = fork();
	if (child == 0) {
		execvp(*grep, grep);
		_exit(127);
	}
	waitpid(child, &results[1], 0);
	CHECK_OK(ferry_reply(request, results, sizeof results));
}

static volatile char *page; /* that may not be written, until somebody tries */

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_addr != (void *)(uintptr_t)page)
		_exit(1);
	mprotect((void *)(uintptr_t)page, 4096, PROT_READ | PROT_WRITE);
}

static void touch(ferry *on, ferry_message *request, void *arg)
{
	int result = 0;

	(void)on;
	(void)arg;
	page[0] = 1; /* the program's handler repairs it */
	CHECK_OK(ferry_reply(request, &result, sizeof result));
}

/* The handler of `op` answers with numbers that are all 0. */
static void check_answer(uint32_t op)
{
	ferry_future *future;
	ferry_message *reply;
	size_t nbytes;

	CHECK_OK(ferry_call(engine, ferry_rank(engine), op, NULL, 0, &future));
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	const int *results = ferry_message_body(reply, &nbytes);
	for (size_t i = 0; i < nbytes / sizeof *results; i++)
		CHECK_INT(results[i], 0);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void check_code(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, before;
	ferry_executor *pool, *places[2] = { FERRY_INLINE };

	CHECK_OK(ferry_workers_create(engine, 1, &pool));
	places[1] = pool;
	sigaction(SIGSEGV, &action, &before);
	for (unsigned i = 0; i < 2; i++) {
		page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		CHECK_OK(ferry_handle(engine, OP_CHILD, places[i], start_children, NULL));
		CHECK_OK(ferry_handle(engine, OP_FAULT, places[i], touch, NULL));
		check_answer(OP_CHILD);
		check_answer(OP_FAULT);
		CHECK_OK(ferry_handle(engine, OP_CHILD, NULL, NULL, NULL));
		CHECK_OK(ferry_handle(engine, OP_FAULT, NULL, NULL, NULL));
		munmap((void *)(uintptr_t)page, 4096);
	}
	sigaction(SIGSEGV, &before, NULL);
	ferry_executor_destroy(pool);
}

static void note_signal(int number)
{
	(void)number;
	signals++;
}

/* A wait goes on over a signal: the status is not that of an interrupted system call. */
static void check_signals(void)
{
	struct sigaction action = { .sa_handler = note_signal };

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 200; i++) {
		kill(getpid(), SIGUSR1);
		check_works();
	}
	CHECK(signals > 0);
}

/* ---- a waiter that is cancelled ---------------------------------------- */

static void *wait_for_it(void *arg)
{
	int status = ferry_future_wait(arg, FERRY_FOREVER);

	CHECK_OK(status);
	pthread_testcancel();
	return NULL;
}

static void answer_later(void)
{
	ferry_message *request = NULL;

	while (!request) {
		pthread_mutex_lock(&lock);
		request = later;
		later = NULL;
		pthread_mutex_unlock(&lock);
		if (!request)
			system_sleep_ms(1);
	}
	CHECK_OK(ferry_reply(request, NULL, 0));
	ferry_message_release(request);
}

/* Whether the wait itself is left or only what follows it: the thread ends, the future is whole,
 * and the engine goes on. */
static void check_cancelled(void)
{
	ferry_future *future;
	pthread_t waiter;
	void *result;

	CHECK_OK(ferry_call(engine, neighbour, OP_LATER, NULL, 0, &future));
	CHECK_INT(pthread_create(&waiter, NULL, wait_for_it, future), 0);
	system_sleep_ms(20);
	CHECK_INT(pthread_cancel(waiter), 0);
	system_sleep_ms(20);
	check_works();
	/* the neighbour does not answer before the cancellation */
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	answer_later();
	CHECK_INT(pthread_join(waiter, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
	check_works();
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

/* ---- main -------------------------------------------------------------- */

static void leave_unclosed(void)
{
	pthread_t poster;
	ferry_future *future;

	CHECK_OK(ferry_call(engine, neighbour, OP_LATER, NULL, 0, &future));
	CHECK_INT(pthread_create(&poster, NULL, post_meanwhile, NULL), 0);
	system_sleep_ms(5);
	exit(7);
}

int main(int argc, char **argv)
{
	int rank, size;

	system_watch();
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	engine = system_open(NULL);
	check_threads(); /* nobody handles anything so far */
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	neighbour = (rank + 1) % size;
	CHECK_OK(ferry_handle(engine, OP_LATER, FERRY_INLINE, keep, NULL));
	CHECK_OK(ferry_handle(engine, OP_SINK, FERRY_INLINE, sink, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	if (argc > 1 && strcmp(argv[1], "exit") == 0)
		leave_unclosed();
	check_programs();
	check_code();
	check_signals();
	for (int i = 0; i < 10; i++)
		check_cancelled();
	CHECK_OK(ferry_close(engine));
	CHECK_INT(system_counted(&sunk), POSTS + 1 + 200 + 2 * 10);
	if (rank == 0)
		printf("process: %d ranks: programs started meanwhile, also in handlers, the "
		       "engine's threads are named and have the masks that they should, waits go "
		       "on over signals, cancelled waiters leave everything whole\n",
		       size);
	return 0;
}
