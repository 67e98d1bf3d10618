/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of the program that does not return, and a process that exits while it runs: `leaving WHERE
 * HOW`. One rank. WHERE is where the code runs; HOW is `thread`: it calls pthread_exit, or one of
 * those of exit_while below. leaving.sh looks at how it ends.
 */
#include <sys/wait.h>

#include "system.h"

#include "ferry_mpi.h"

enum { OP = 1, OP_LARGE, OP_STEADY, LARGE = 300000, STATUS = 7 };

static ferry *engine;
static ferry_executor *where; /* FERRY_INLINE, or what the first argument says */
static void (*act)(void);     /* what the code does where it is wanted */
static uint32_t torn_down;    /* set by the program's exit function: what handlers use is gone */
static uint32_t began, ended; /* a slow handler */

#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_ACQUIRE)
#define STORE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELEASE)

/* Each code of the program's looks whether it may still be called. */
static void look(const char *what)
{
	if (LOAD(torn_down)) {
		fprintf(stderr, "%s was called after exit\n", what);
		_exit(1);
	}
}

/* ---- what does not return ---------------------------------------------- */

static void end_thread(void)
{
	pthread_exit(NULL);
}

static void handle(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
	look("a handler");
	LOAD(act)();
}

static void ignore(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
	look("a handler");
}

static void call_back(ferry_future *future, int status, void *arg)
{
	(void)future;
	(void)status;
	(void)arg;
	look("a callback");
	LOAD(act)();
}

static int follow(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)next_p;
	call_back(done, status, arg);
	return FERRY_OK;
}

static void release(void *data, void *arg)
{
	(void)data;
	(void)arg;
	look("a release function");
	LOAD(act)();
}

static void *give_memory(ferry *on, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	(void)on;
	(void)source;
	(void)op;
	(void)index;
	(void)nbytes;
	(void)arg;
	look("a memory function");
	LOAD(act)();
	return NULL;
}

static int start(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	look("a function of ferry_run");
	LOAD(act)();
	return MPI_SUCCESS;
}

static void post_attached(uint32_t op, ferry_release_fn *end)
{
	static char data[LARGE];
	ferry_message *message;

	int status = ferry_message_create(engine, op, &message);
	if (status == FERRY_ESTOPPED)
		return; /* an exit function has closed it */
	CHECK_OK(status);
	CHECK_OK(ferry_message_attach(message, data, sizeof data, end, NULL));
	status = ferry_post_message(engine, 0, message, NULL);
	CHECK(status == FERRY_OK || status == FERRY_ESTOPPED);
	ferry_message_release(message);
}

static void post_callback(bool chain)
{
	ferry_future *future, *next;

	CHECK_OK(ferry_post(engine, 0, OP_STEADY, NULL, 0, &future));
	if (chain)
		CHECK_OK(ferry_future_and_then(future, where, follow, NULL, &next));
	else
		CHECK_OK(ferry_future_then(future, where, call_back, NULL));
}

/* The main thread goes on in the library, where it may run the code as well. */
static void go_on(bool runs)
{
	for (;;) {
		if (runs)
			ferry_executor_run(where, 0, FERRY_MS(10));
		ferry_future *future;
		if (ferry_promise_create(engine, &future) == FERRY_OK) {
			ferry_future_wait(future, FERRY_MS(10));
			ferry_promise_fulfil(future, FERRY_OK, NULL);
			ferry_future_release(future);
		}
	}
}

static void set_off(const char *what)
{
	STORE(act, end_thread);
	if (strcmp(what, "callback") == 0)
		post_callback(false);
	else if (strcmp(what, "chain") == 0)
		post_callback(true);
	else if (strcmp(what, "release") == 0)
		post_attached(OP_STEADY, release);
	else if (strcmp(what, "memory") == 0)
		post_attached(OP_LARGE, NULL);
	else if (strcmp(what, "run") == 0)
		CHECK_OK(ferry_run(engine, start, NULL, NULL));
	else
		CHECK_OK(ferry_post(engine, 0, OP, "x", 1, NULL));
}

/* ---- exit meanwhile ---------------------------------------------------- */

static void carry_on(void)
{
}

static void be_slow(void)
{
	STORE(began, 1);
	system_sleep_ms(300);
	look("the rest of a handler");
	STORE(ended, 1);
}

static void be_stuck(void)
{
	STORE(began, 1);
	for (;;)
		system_sleep_ms(100);
}

/* What the destructors of a C++ program do. The engine goes on, and so does whoever posts to it. */
static void tear_down(void)
{
	STORE(torn_down, 1);
	system_sleep_ms(30);
}

static void tear_down_and_close(void)
{
	tear_down();
	if (ferry_close(engine) != FERRY_OK)
		_exit(1);
}

static void *post_on(void *arg)
{
	for (;;) {
		ferry_future *future = NULL;
		if (ferry_post(engine, 0, OP, "x", 1, &future) != FERRY_OK)
			return arg;
		ferry_future_then(future, where, call_back, NULL);
		ferry_future_wait(future, FERRY_S(5));
		ferry_future_release(future);
		post_attached(OP_LARGE, release);
		ferry_run(engine, start, NULL, NULL);
	}
}

static void *run_on(void *arg)
{
	while (ferry_executor_run(where, 0, FERRY_FOREVER) >= 0)
		;
	return arg;
}

static void begin_thread(void *(*fn)(void *))
{
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_detach(thread);
}

static void *leave(void *arg)
{
	(void)arg;
	exit(STATUS);
}

static void exit_now(void)
{
	static uint32_t once;

	if (!__atomic_exchange_n(&once, 1, __ATOMIC_ACQ_REL))
		exit(STATUS);
}

/* The child of a fork that ends by exit has nobody to wait for. */
static void fork_beside_a_handler(void)
{
	int status;
	double before = system_now();
	pid_t child = fork();

	if (child == 0) {
		torn_down = 0;
		exit(5);
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 5);
	CHECK(system_now() - before < 0.9);
}

static void exit_while(const char *how)
{
	bool slow = strcmp(how, "slow") == 0, stuck = strcmp(how, "stuck") == 0,
	     forked = strcmp(how, "fork") == 0;

	STORE(act, slow ? be_slow : stuck || forked ? be_stuck : carry_on);
	if (!slow && !stuck && !forked)
		begin_thread(post_on);
	else
		CHECK_OK(ferry_post(engine, 0, OP, "x", 1, NULL));
	while ((slow || stuck || forked) && !LOAD(began))
		system_sleep_ms(1);
	system_sleep_ms(20);
	if (forked) {
		fork_beside_a_handler();
		_exit(STATUS);
	}
	if (strcmp(how, "inside") == 0)
		STORE(act, exit_now);
	else if (strcmp(how, "other") == 0)
		begin_thread(leave);
	else
		exit(STATUS);
	for (;;)
		system_sleep_ms(100);
}

static void check_slow(void)
{
	if (LOAD(began) && !LOAD(ended))
		_exit(1);
}

int main(int argc, char **argv)
{
	const char *place = argc > 1 ? argv[1] : "inline", *how = argc > 2 ? argv[2] : "thread";
	ferry_options options = FERRY_OPTIONS_INIT;
	bool queue = strcmp(place, "queue") == 0, ends = strcmp(how, "thread") == 0;
	bool anywhere = strcmp(place, "anywhere") == 0;

	system_watch();
	if (!ends)
		atexit(strcmp(how, "close") == 0 ? tear_down_and_close : tear_down);
	if (strcmp(how, "slow") == 0)
		atexit(check_slow);
	if (strcmp(place, "nothread") == 0)
		options.flags = FERRY_NO_THREAD;
	engine = system_open(&options);
	if (strcmp(place, "pool") == 0 || strcmp(place, "strand") == 0)
		CHECK_OK(ferry_workers_create(engine, 2, &where));
	if (strcmp(place, "strand") == 0)
		CHECK_OK(ferry_strand_create(where, &where));
	if (queue)
		CHECK_OK(ferry_queue_create(engine, &where));
	STORE(act, carry_on);
	CHECK_OK(ferry_handle(engine, OP, anywhere ? FERRY_ANYWHERE : where, handle, NULL));
	CHECK_OK(ferry_handle(engine, OP_STEADY, FERRY_INLINE, ignore, NULL));
	CHECK_OK(ferry_handle_memory(engine, OP_LARGE, give_memory, NULL));
	CHECK_OK(ferry_handle(engine, OP_LARGE, FERRY_INLINE, handle, NULL));
	if (!ends && queue)
		begin_thread(run_on);
	if (!ends)
		exit_while(how);
	set_off(argc > 3 ? argv[3] : "handler");
	go_on(queue);
	return 0;
}
