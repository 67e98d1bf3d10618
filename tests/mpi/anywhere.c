/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of FERRY_ANYWHERE: all ranks call each other at once with several threads, which serve
 * the calls of the others while they wait. What such a handler finds on a thread of the program is
 * what it would find on the progress thread, and that thread finds everything as it was. Without
 * threads that drive, and without a progress thread, they are inline handlers.
 *
 * `anywhere drive`: waiting threads drive; `apart`: they do not; `alone`: there is no progress
 * thread; all three by turns without an argument.
 */
#include "system.h"

enum { THREADS = 4, OP = 1, OP_INLINE, OP_MAIL, OP_LATE, OP_HASHED = 1000 };

static ferry *engine;
static int rank, size;
static unsigned calls;
static bool lends, alone;
static __thread bool calling; /* a thread of the program, in a call of the library that waits */
static __thread const char *last_error;

static uint64_t on_callers, elsewhere; /* by handlers, of which one runs at a time */
static uint64_t next_number[64][THREADS];
static bool hot; /* a handler is running */

struct question {
	uint32_t thread;
	uint64_t number;
};

/* ---- what a handler finds ---------------------------------------------- */

static void check_signals(void)
{
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	/* the thread that opened the engine blocks the first, callers the second */
	CHECK_INT(sigismember(&mask, SIGUSR1), 1);
	CHECK_INT(sigismember(&mask, SIGUSR2), 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	if (calling)
		sigaddset(&mask, SIGWINCH); /* a handler that does not tidy up */
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void check_refusals(void)
{
	ferry_future *promise;
	ferry_message *message;
	ferry_stats stats = FERRY_STATS_INIT;
	CHECK_OK(ferry_promise_create(engine, &promise));
	CHECK_STATUS(ferry_future_wait(promise, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_OK(ferry_promise_fulfil(promise, FERRY_OK, NULL));
	ferry_future_release(promise);
	CHECK_STATUS(ferry_flush(engine, FERRY_ALL, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_fence(engine, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, OP_MAIL, FERRY_FOREVER, &message),
	             FERRY_EDEADLK);
	CHECK_STATUS(ferry_close(engine), FERRY_EDEADLK);
	CHECK_OK(ferry_stats_read(engine, &stats));
	pthread_testcancel(); /* takes effect after the wait */
}

static void note_order(const ferry_message *message)
{
	struct question question;
	memcpy(&question, ferry_message_body(message, NULL), sizeof question);
	uint64_t *next = &next_number[ferry_message_source(message)][question.thread];
	CHECK_INT(question.number, *next);
	*next += 1;
}

static void answer(ferry *on, ferry_message *message, void *arg)
{
	(void)arg;
	CHECK(on == engine && !hot);
	hot = true;
	CHECK(!last_error || alone || ferry_last_error() != last_error);
	if (calling && !alone)
		on_callers++;
	else
		elsewhere++;
	note_order(message);
	if (!alone)
		check_signals();
	check_refusals();
	CHECK_OK(ferry_post(engine, ferry_message_source(message), OP_LATE, NULL, 0, NULL));
	CHECK_OK(ferry_reply(message, ferry_message_body(message, NULL), sizeof(struct question)));
	hot = false;
}

static void answer_inline(ferry *on, ferry_message *message, void *arg)
{
	CHECK(!calling || alone);
	answer(on, message, arg);
}

static void on_late(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	CHECK(!hot);
	*(uint64_t *)arg += 1;
}

/* ---- who calls --------------------------------------------------------- */

struct caller {
	uint32_t thread;
	int target;
	uint64_t asked;
};

static void check_is_mine(void)
{
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	CHECK_INT(sigismember(&now, SIGUSR1), 0);
	CHECK_INT(sigismember(&now, SIGUSR2), 1);
	CHECK_INT(sigismember(&now, SIGWINCH), 0);
	CHECK(ferry_last_error() == last_error);
	CHECK(strstr(last_error, "ferry_rank needs an engine"));
}

static void call_once(struct caller *caller)
{
	static const uint32_t ops[] = { OP, OP_HASHED, OP, OP_INLINE, OP };
	struct question question = { caller->thread, caller->asked++ };
	uint32_t op = ops[caller->asked % COUNT_OF(ops)];
	ferry_future *future;
	ferry_message *reply;
	/* some with another before it that is not awaited, so that there are several in a batch */
	if (caller->asked % 3 == 0) {
		CHECK_OK(ferry_call(engine, caller->target, OP, &question, sizeof question,
		                    &future));
		ferry_future_release(future);
		question.number = caller->asked++;
	}
	CHECK_OK(ferry_call(engine, caller->target, op, &question, sizeof question, &future));
	calling = true;
	CHECK_OK(ferry_future_wait(future, FERRY_S(50)));
	calling = false;
	if (!alone)
		check_is_mine();
	CHECK_OK(ferry_future_take(future, &reply));
	CHECK(memcmp(ferry_message_body(reply, NULL), &question, sizeof question) == 0);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void *call(void *arg)
{
	struct caller *caller = arg;
	sigset_t mine;
	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR2);
	CHECK_INT(pthread_sigmask(SIG_SETMASK, &mine, NULL), 0);
	CHECK_STATUS(ferry_rank(NULL), FERRY_EINVAL);
	last_error = ferry_last_error();
	for (unsigned i = 0; i < calls; i++)
		call_once(caller);
	pthread_cancel(pthread_self()); /* not in a handler, and not in the wait */
	call_once(caller);
	pthread_testcancel();
	CHECK_FAIL("a cancelled thread goes on");
}

static void call_each_other(void)
{
	struct caller callers[THREADS];
	struct system_crew crew;
	for (uint32_t i = 0; i < THREADS; i++)
		callers[i] = (struct caller){ .thread = i, .target = (rank + 1) % size };
	system_crew_start(&crew, THREADS, call, callers, sizeof *callers);
	system_crew_join(&crew);
}

/* ---- a handler is removed while others run it -------------------------- */

static uint32_t removed, running; /* atomic */

static void linger(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
	CHECK(!__atomic_load_n(&removed, __ATOMIC_SEQ_CST));
	__atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
	for (double until = system_now() + 20e-6; system_now() < until;)
		;
	__atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
}

static void *call_lingering(void *arg)
{
	unsigned *rounds = arg;
	for (unsigned i = 0; i < *rounds; i++) {
		ferry_future *future;
		ferry_message *message;
		CHECK_OK(ferry_call(engine, rank, OP_LATE, NULL, 0, &future));
		int status = ferry_future_wait(future, FERRY_US(200));
		/* handled; not yet; taken out below, by this thread or the other one */
		CHECK(status == FERRY_OK || status == FERRY_PENDING || status == FERRY_EREMOTE);
		ferry_future_release(future);
		while (ferry_recv(engine, rank, OP_LATE, 0, &message) == FERRY_OK)
			ferry_message_release(message);
	}
	return NULL;
}

static void remove_among_calls(void)
{
	unsigned rounds[2] = { calls / 2, calls / 2 };
	struct system_crew crew;
	system_crew_start(&crew, 2, call_lingering, rounds, sizeof *rounds);
	for (unsigned i = 0; i < calls / 10; i++) {
		__atomic_store_n(&removed, 0, __ATOMIC_SEQ_CST);
		CHECK_OK(ferry_handle(engine, OP_LATE, FERRY_ANYWHERE, linger, NULL));
		for (double until = system_now() + 100e-6; system_now() < until;)
			;
		CHECK_OK(ferry_handle(engine, OP_LATE, FERRY_ANYWHERE, NULL, NULL));
		__atomic_store_n(&removed, 1, __ATOMIC_SEQ_CST);
		CHECK_INT(__atomic_load_n(&running, __ATOMIC_SEQ_CST), 0);
	}
	system_crew_join(&crew);
	__atomic_store_n(&removed, 0, __ATOMIC_SEQ_CST);
	CHECK_OK(ferry_handle(engine, OP_LATE, FERRY_INLINE, linger, NULL));
}

/* ------------------------------------------------------------------------ */

static void run(uint32_t flags, int lend)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	uint64_t late = 0;
	options.flags = flags;
	options.lend = lend;
	engine = system_open(&options);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	lends = lend != FERRY_NONE;
	alone = flags & FERRY_NO_THREAD;
	on_callers = elsewhere = 0;
	memset(next_number, 0, sizeof next_number);
	CHECK_OK(ferry_handle(engine, OP, FERRY_ANYWHERE, answer, NULL));
	CHECK_OK(ferry_handle(engine, OP_HASHED, FERRY_ANYWHERE, answer, NULL));
	CHECK_OK(ferry_handle(engine, OP_INLINE, FERRY_INLINE, answer_inline, NULL));
	CHECK_OK(ferry_handle(engine, OP_LATE, FERRY_ANYWHERE, on_late, &late));
	CHECK_OK(ferry_fence(engine, FERRY_S(50)));
	call_each_other();
	CHECK_OK(ferry_fence(engine, FERRY_S(50)));
	CHECK_INT(late, on_callers + elsewhere);
	CHECK(late > THREADS * calls);
	CHECK(lends && !alone ? on_callers > 0 : on_callers == 0);
	if (!alone)
		remove_among_calls();
	CHECK_OK(ferry_close(engine));
	if (rank == 0)
		printf("%llu calls handled by threads that wait, %llu by others\n",
		       (unsigned long long)on_callers, (unsigned long long)elsewhere);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	sigset_t mine;
	system_watch();
	calls = (unsigned)check_scaled(2000);
	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR1);
	CHECK_INT(pthread_sigmask(SIG_SETMASK, &mine, NULL), 0);
	ferry *first = system_open(NULL); /* which has MPI until all are closed */
	if (!*how || strcmp(how, "drive") == 0)
		run(0, 1);
	if (!*how || strcmp(how, "apart") == 0)
		run(0, FERRY_NONE);
	if (!*how || strcmp(how, "alone") == 0)
		run(FERRY_NO_THREAD, 0);
	CHECK_OK(ferry_close(first));
	return 0;
}
