/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that go on calling everything while another one closes the engine, and for a while after
 * that: each call does what it says, or returns FERRY_ESTOPPED; what was made ends; nothing is
 * touched that the close has freed. Also threads that exit meanwhile. Mostly for the sanitizers.
 */
#include "system.h"

#include "ferry_mpi.h"
#include "ferry_msgpack.h"

enum { OP = 1, OP_ASK, OP_MAIL, CALLERS = 4, LEAVERS = 4 };

struct caller {
	unsigned number;
	uint64_t random;
	uint64_t calls, late; /* its own until it is joined */
};

static ferry *engine;  /* written by main before the gate */
static uint32_t flags; /* likewise */
static pthread_barrier_t gate;
static struct system_counter closed = SYSTEM_COUNTER_INIT;

static unsigned pick(struct caller *caller, unsigned n)
{
	caller->random++;
	return (unsigned)(system_mix(caller->random) >> 33) % n;
}

/* What a call may say: the first two always, the others where they can. */
static void judge(const char *what, int status, int also)
{
	if (status != FERRY_OK && status != FERRY_ESTOPPED && status != also)
		CHECK_FAIL("%s: %s (%s)", what, ferry_strname(status), ferry_last_error());
}
#define TRY(call, also) judge(#call, (call), also)

static void ignore(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
}

static void answer(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	TRY(ferry_reply(request, "yes", 3), FERRY_OK);
}

static void note(ferry_future *future, int status, void *arg)
{
	(void)future;
	(void)arg;
	CHECK(status != FERRY_PENDING);
}

/* ---- one call each ----------------------------------------------------- */

static void end_future(ferry_future *future, int also)
{
	int status = ferry_future_wait(future, FERRY_S(30));

	judge("what a future ends with", status, also);
	ferry_future_release(future);
}

static void call_posts(struct caller *caller)
{
	static char body[8192];
	ferry_future *future = NULL;
	size_t nbytes = pick(caller, 4) ? pick(caller, 100) : pick(caller, sizeof body);
	int status = ferry_post(engine, 0, OP, body, nbytes, pick(caller, 2) ? &future : NULL);

	judge("ferry_post", status, FERRY_OK);
	if (future)
		end_future(future, FERRY_OK);
	future = NULL;
	TRY(ferry_call_for(engine, 0, OP_ASK, body, nbytes, FERRY_MS(1), &future), FERRY_EAGAIN);
	if (!future)
		return;
	if (pick(caller, 2))
		TRY(ferry_future_then(future, FERRY_INLINE, note, NULL), FERRY_OK);
	if (pick(caller, 3) == 0)
		TRY(ferry_future_deadline(future, FERRY_MS(pick(caller, 3))), FERRY_EALREADY);
	else if (pick(caller, 3) == 0)
		TRY(ferry_future_cancel(future), FERRY_EALREADY);
	int end = ferry_future_wait(future, FERRY_S(30));
	ferry_message *reply;
	if (end == FERRY_OK && ferry_future_take(future, &reply) == FERRY_OK)
		ferry_message_release(reply);
	CHECK(end == FERRY_OK || end == FERRY_ESTOPPED || end == FERRY_ECANCELED ||
	      end == FERRY_ETIMEDOUT);
	ferry_future_release(future);
}

static void call_messages(struct caller *caller)
{
	static char lent[20000];
	ferry_message *message = NULL, *mail = NULL;
	ferry_future *future = NULL;

	TRY(ferry_message_create(engine, OP_MAIL, &message), FERRY_OK);
	if (message) {
		CHECK_OK(ferry_message_write(message, "body", 4));
		CHECK_OK(
			ferry_message_attach(message, lent, pick(caller, sizeof lent), NULL, NULL));
		TRY(ferry_post_message(engine, 0, message, &future), FERRY_OK);
		ferry_message_release(message);
	}
	TRY(ferry_recv(engine, FERRY_ANY, OP_MAIL, FERRY_MS(pick(caller, 2)), &mail),
	    FERRY_PENDING);
	ferry_message_release(mail);
	if (future)
		end_future(future, FERRY_OK);
}

static void call_futures(struct caller *caller)
{
	ferry_future *promise = NULL, *room = NULL;

	TRY(ferry_promise_create(engine, &promise), FERRY_OK);
	if (promise && pick(caller, 2))
		TRY(ferry_promise_fulfil(promise, FERRY_OK, NULL), FERRY_EALREADY);
	else if (promise)
		TRY(ferry_future_cancel(promise), FERRY_EALREADY);
	ferry_future_release(promise);
	TRY(ferry_room(engine, 0, &room), FERRY_OK);
	if (room)
		end_future(room, FERRY_OK);
	TRY(ferry_flush(engine, FERRY_ALL, FERRY_MS(1)), FERRY_PENDING);
}

static void call_rest(struct caller *caller)
{
	ferry_stats stats = FERRY_STATS_INIT;
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_executor *queue = NULL;
	ferry_future *future = NULL;
	ferry_message *object = NULL;
	int token = 0, fence;

	TRY(ferry_stats_read(engine, &stats), FERRY_OK);
	TRY(ferry_options_resolved(engine, &options), FERRY_OK);
	TRY(ferry_status(engine), FERRY_OK);
	CHECK_INT(ferry_size(engine), 1);
	TRY(ferry_handle(engine, 100 + caller->number, FERRY_INLINE, ignore, NULL), FERRY_OK);
	TRY(ferry_handle_memory(engine, 100 + caller->number, NULL, NULL), FERRY_OK);
	fence = ferry_fence(engine, FERRY_MS(1));
	CHECK(fence == FERRY_EINVAL || fence == FERRY_PENDING || fence == FERRY_OK ||
	      fence == FERRY_ESTOPPED);
	TRY(ferry_queue_create(engine, &queue), FERRY_OK);
	ferry_executor_destroy(queue);
	TRY(ferry_recv_object(engine, FERRY_ANY, 0, &object), FERRY_PENDING);
	ferry_message_release(object);
	TRY(ferry_isend(engine, &token, 1, MPI_INT, MPI_PROC_NULL, 0, MPI_COMM_SELF, &future),
	    FERRY_OK);
	if (future)
		end_future(future, FERRY_OK);
	if (flags & FERRY_NO_THREAD)
		TRY(ferry_progress(engine, FERRY_US(pick(caller, 500))), FERRY_PENDING);
}

static void *call_all(void *arg)
{
	static void (*const calls[])(struct caller *) = { call_posts, call_messages, call_futures,
		                                          call_rest };
	struct caller *caller = arg;

	pthread_barrier_wait(&gate);
	while (caller->late < 20) {
		bool late = system_counted(&closed);

		calls[pick(caller, COUNT_OF(calls))](caller);
		caller->calls++;
		caller->late += late;
		if (late)
			CHECK_STATUS(ferry_post(engine, 0, OP, NULL, 0, NULL), FERRY_ESTOPPED);
	}
	return NULL;
}

/* It has posted, and exits about when the engine closes. */
static void *leave(void *arg)
{
	struct caller *caller = arg;

	TRY(ferry_post(engine, 0, OP, "x", 1, NULL), FERRY_OK);
	pthread_barrier_wait(&gate);
	for (unsigned n = pick(caller, 40) * pick(caller, 10000); n > 0; n--)
		__asm__ volatile("" ::: "memory");
	return NULL;
}

/* ---- an engine --------------------------------------------------------- */

static uint64_t run_engine(uint64_t seed)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	struct caller callers[CALLERS], leavers[LEAVERS];
	struct system_crew crew, leaving;
	uint64_t calls = 0;

	flags = seed % 3 ? 0 : FERRY_NO_THREAD;
	options.flags = flags;
	engine = system_open(&options);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, ignore, NULL));
	CHECK_OK(ferry_handle(engine, OP_ASK, FERRY_INLINE, answer, NULL));
	for (unsigned i = 0; i < CALLERS; i++)
		callers[i] = (struct caller){ .number = i, .random = system_mix(seed * 100 + i) };
	for (unsigned i = 0; i < LEAVERS; i++)
		leavers[i] =
			(struct caller){ .number = i, .random = system_mix(seed * 100 + 50 + i) };
	system_crew_start(&crew, CALLERS, call_all, callers, sizeof *callers);
	system_crew_start(&leaving, LEAVERS, leave, leavers, sizeof *leavers);
	pthread_barrier_wait(&gate);
	system_sleep_ms(seed % 4);
	CHECK_OK(ferry_close(engine));
	system_count(&closed, 1);
	system_crew_join(&crew);
	system_crew_join(&leaving);
	for (unsigned i = 0; i < CALLERS; i++)
		calls += callers[i].calls;
	system_count(&closed, (uint64_t)-1);
	return calls;
}

int main(void)
{
	unsigned engines = (unsigned)check_scaled(60);
	ferry_options options = FERRY_OPTIONS_INIT;
	uint64_t calls = 0;

	system_watch();
	pthread_barrier_init(&gate, NULL, CALLERS + LEAVERS + 1);
	options.thread_level = FERRY_THREAD_MULTIPLE;
	ferry *first = system_open(&options); /* keeps MPI running */
	for (unsigned i = 0; i < engines; i++)
		calls += run_engine(check_env("FERRY_SEED", 1) + i);
	CHECK_OK(ferry_close(first));
	printf("closing: %u engines, closed under %d threads that went on with %ju rounds of "
	       "calls, and %d that left: each call did what it says or was told that the engine "
	       "has stopped\n",
	       engines, CALLERS, (uintmax_t)calls, LEAVERS);
	return 0;
}
