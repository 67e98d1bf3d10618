/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wait that cannot end says so, at once: in inline handlers, callbacks, release and memory
 * functions, whichever thread runs them, and on an executor for a chain whose step is queued behind
 * the waiter.
 */
#include "system.h"

enum { OP_WAIT = 1, OP_NEVER, OP_LARGE, OP_UNREAD, TRIES = 20, LARGE = 1 << 20 };

static ferry *engine;
static int rank, peer;
static ferry_future *never; /* a promise that nobody fulfils */
static ferry_executor *queue;

/* ---- how long a refusal takes ------------------------------------------ */

struct place {
	const char *name;
	struct system_counter checked;
	double longest[TRIES]; /* of one call, per try; under the counter's lock */
	unsigned n;
};

static struct place places[] = {
	{ .name = "inline handler", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "inline callback", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "inline callback, FERRY_NO_THREAD", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "memory function", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "release function", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "strand, chain", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "strand, chain on another strand of a pool of one",
	  .checked = SYSTEM_COUNTER_INIT },
	{ .name = "pool of one, chain", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "strand, made of a chain", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "pool of one, made of a chain", .checked = SYSTEM_COUNTER_INIT },
	{ .name = "inline callback, made of two engines' futures", .checked = SYSTEM_COUNTER_INIT },
};
enum {
	HANDLER,
	CALLBACK,
	ALONE,
	MEMORY,
	RELEASE,
	STRAND,
	OTHER_STRAND,
	SINGLE,
	STRAND_MADE,
	SINGLE_MADE,
	ENGINES
};

static void note(struct place *place, double longest)
{
	pthread_mutex_lock(&place->checked.lock);
	if (place->n < TRIES)
		place->longest[place->n++] = longest;
	place->checked.value++;
	pthread_mutex_unlock(&place->checked.lock);
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The half of all tries: one alone may have lost its processor. */
static void report(struct place *place)
{
	CHECK(place->n > 0);
	qsort(place->longest, place->n, sizeof(double), by_time);
	double half = place->longest[place->n / 2], most = place->longest[place->n - 1];
	if (rank == 0)
		printf("deadlock: %-50s FERRY_EDEADLK after %6.1f us, at most %6.1f us\n",
		       place->name, half * 1e6, most * 1e6);
	CHECK(half < 1e-3 * (double)check_env("TEST_SLOW", 1));
}

static void await(struct place *place, uint64_t count)
{
	for (double begin = system_now(); system_counted(&place->checked) < count;
	     system_sleep_ms(1))
		CHECK(system_now() - begin < 40);
}

/* ---- every call that waits --------------------------------------------- */

#define REFUSED(call)                                      \
	do {                                               \
		double begin = system_now(), took;         \
		CHECK_STATUS(call, FERRY_EDEADLK);         \
		CHECK(*ferry_last_error());                \
		took = system_now() - begin;               \
		longest = took > longest ? took : longest; \
	} while (0)

/* `on` is the engine whose inline code this is; `pending` one of its futures. */
static void all_refuse(ferry *on, ferry_future *pending, struct place *place)
{
	double longest = 0;
	ferry *another;
	ferry_message *message;

	REFUSED(ferry_future_wait(pending, FERRY_FOREVER));
	REFUSED(ferry_future_wait(pending, FERRY_S(30)));
	REFUSED(ferry_wait_all(&pending, 1, FERRY_FOREVER));
	REFUSED(ferry_wait_any(&pending, 1, FERRY_FOREVER, NULL));
	REFUSED(ferry_flush(on, ferry_rank(on), FERRY_FOREVER));
	REFUSED(ferry_fence(on, FERRY_FOREVER));
	REFUSED(ferry_recv(on, FERRY_ANY, OP_UNREAD, FERRY_FOREVER, &message));
	REFUSED(ferry_close(on));
	REFUSED(ferry_open(NULL, &another));
	if (on == engine)
		REFUSED(ferry_executor_run(queue, 0, FERRY_FOREVER));
	CHECK_STATUS(ferry_future_wait(pending, 0), FERRY_PENDING);
	CHECK_STATUS(ferry_recv(on, FERRY_ANY, OP_UNREAD, 0, &message), FERRY_PENDING);
	note(place, longest);
}

static void handle(ferry *on, ferry_message *message, void *arg)
{
	(void)message;
	(void)arg;
	all_refuse(on, never, &places[HANDLER]);
}

static void *where_it_lands(ferry *on, int source, uint32_t op, size_t index, size_t nbytes,
                            void *arg)
{
	(void)source;
	(void)op;
	(void)index;
	(void)nbytes;
	(void)arg;
	all_refuse(on, never, &places[MEMORY]);
	return NULL;
}

static pthread_t program;

/* By the engine's thread as a rule; a thread of the program that runs it may wait, and is
 * not asked. */
static void released(void *data, void *arg)
{
	(void)arg;
	if (!pthread_equal(pthread_self(), program))
		all_refuse(engine, never, &places[RELEASE]);
	free(data);
}

static void ignore(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
}

static void call_back(ferry_future *future, int status, void *arg)
{
	CHECK_OK(status);
	all_refuse(engine, never, &places[CALLBACK]);
	ferry_future_release(future);
	(void)arg;
}

/* ---- inline code ------------------------------------------------------- */

static void try_handlers(void)
{
	ferry_future *future;

	for (unsigned i = 0; i < TRIES; i++) {
		CHECK_OK(ferry_call(engine, peer, OP_WAIT, NULL, 0, &future));
		CHECK_OK(ferry_future_then(future, FERRY_INLINE, call_back, NULL));
	}
	await(&places[CALLBACK], TRIES);
	/* The calls of the peer came too: ours were answered by its handlers, its by ours. */
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_INT(system_counted(&places[HANDLER].checked), TRIES);
}

static void try_attachments(void)
{
	CHECK_OK(ferry_handle_memory(engine, OP_LARGE, where_it_lands, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (unsigned i = 0; i < TRIES; i++) {
		ferry_message *message;
		void *data = calloc(1, LARGE);

		CHECK(data);
		CHECK_OK(ferry_message_create(engine, OP_LARGE, &message));
		CHECK_OK(ferry_message_attach(message, data, LARGE, released, NULL));
		CHECK_OK(ferry_post_message(engine, peer, message, NULL));
		ferry_message_release(message);
	}
	CHECK_OK(ferry_flush(engine, peer, FERRY_FOREVER));
	await(&places[MEMORY], TRIES);
	await(&places[RELEASE], 1);
}

/* ---- an engine that the program steps: this thread runs the inline code ---- */

static struct {
	ferry *engine;
	ferry_future *never;
} alone;

static void call_back_alone(ferry_future *future, int status, void *arg)
{
	(void)arg;
	CHECK_OK(status);
	CHECK(pthread_equal(pthread_self(), program));
	all_refuse(alone.engine, alone.never, &places[ALONE]);
	double longest = 0;
	REFUSED(ferry_progress(alone.engine, 0));
	ferry_future_release(future);
}

static void try_alone(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	options.flags = FERRY_NO_THREAD;
	alone.engine = system_open(&options);
	CHECK_OK(ferry_promise_create(alone.engine, &alone.never));
	CHECK_OK(ferry_handle(alone.engine, OP_NEVER, FERRY_INLINE, ignore, NULL));
	for (unsigned i = 0; i < TRIES; i++) {
		ferry_future *future;
		CHECK_OK(ferry_call(alone.engine, ferry_rank(alone.engine), OP_NEVER, NULL, 0,
		                    &future));
		CHECK_OK(ferry_future_then(future, FERRY_INLINE, call_back_alone, NULL));
	}
	while (system_counted(&places[ALONE].checked) < TRIES)
		CHECK(ferry_progress(alone.engine, FERRY_MS(10)) >= 0);
	CHECK_OK(ferry_close(alone.engine));
	CHECK_STATUS(ferry_future_wait(alone.never, FERRY_FOREVER), FERRY_ESTOPPED);
	ferry_future_release(alone.never);
}

/* ---- executors: the next step is queued behind the waiter -------------- */

static ferry_executor *single, *strand, *other;
static ferry_executor *two_threads, *beside, *free_strand; /* a pool of two, and strands of it */

struct stuck {
	struct place *place;
	ferry_executor *where; /* of the step */
	struct system_counter done;
	ferry_future *chain;
};

static int step(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	CHECK_STATUS(status, arg ? *(const int *)arg : FERRY_OK);
	ferry_future_retain(done);
	*next_p = done;
	return FERRY_OK;
}

/* Runs on the executor; the first operation is done, so the step is queued, behind this. */
static void wait_for_chain(ferry_future *future, int status, void *arg)
{
	struct stuck *stuck = arg;
	double longest = 0;

	CHECK_OK(status);
	CHECK_OK(ferry_future_and_then(future, stuck->where, step, NULL, &stuck->chain));
	REFUSED(ferry_future_wait(stuck->chain, FERRY_FOREVER));
	REFUSED(ferry_wait_all(&stuck->chain, 1, FERRY_FOREVER));
	REFUSED(ferry_wait_any(&stuck->chain, 1, FERRY_FOREVER, NULL));
	CHECK_STATUS(ferry_future_wait(stuck->chain, 0), FERRY_PENDING);
	/* With something else to wait for it is no deadlock. */
	ferry_future *two[2] = { stuck->chain, never };
	CHECK_STATUS(ferry_wait_any(two, 2, FERRY_US(100), NULL), FERRY_PENDING);
	note(stuck->place, longest);
	system_count(&stuck->done, 1);
}

/* ---- likewise, for what is made of such a chain ------------------------ */

enum { MADE = 5, MANY = 1000 };

/* All of these can only be done after this task. */
static unsigned make_stuck(ferry_future *done, ferry_executor *where, ferry_future **made)
{
	ferry_future *chain, *second, *mixed[3];
	unsigned n = 0;

	CHECK_OK(ferry_future_and_then(done, where, step, NULL, &chain));
	CHECK_OK(ferry_future_and_then(done, where, step, NULL, &second));
	mixed[0] = never, mixed[1] = chain, mixed[2] = done;
	CHECK_OK(ferry_future_all(mixed, 3, &made[n++])); /* one of them is enough */
	mixed[0] = second;
	CHECK_OK(ferry_future_any(mixed, 2, &made[n++])); /* every one of them is */
	/* a chain on it */
	CHECK_OK(ferry_future_and_then(chain, FERRY_INLINE, step, NULL, &made[n++]));
	CHECK_OK(ferry_future_all(&made[1], 1, &made[n++])); /* all of any */
	CHECK_OK(ferry_future_any(&made[3], 1, &made[n++])); /* any of all of any */
	ferry_future_release(chain);
	ferry_future_release(second);
	return n;
}

static void cannot_wait(struct stuck *stuck, ferry_future *done, ferry_future **made)
{
	double longest = 0;
	ferry_future *many[MANY];

	CHECK_INT(make_stuck(done, stuck->where, made), MADE);
	for (unsigned i = 0; i < MADE; i++) {
		REFUSED(ferry_future_wait(made[i], FERRY_FOREVER));
		CHECK_STATUS(ferry_future_wait(made[i], 0), FERRY_PENDING);
	}
	/* Not after waiting for those that come after it. */
	ferry_future *two[2] = { made[0], never };
	REFUSED(ferry_wait_all(two, 2, FERRY_FOREVER));
	REFUSED(ferry_wait_any(made, MADE, FERRY_FOREVER, NULL));
	for (unsigned i = 0; i < MANY; i++)
		many[i] = i == MANY / 2 ? made[4] : never;
	REFUSED(ferry_wait_all(many, MANY, FERRY_FOREVER));
	note(stuck->place, longest);
}

/* With one among them that is not stuck an `any` can end; so can what runs elsewhere. */
static void may_wait(ferry_future *done, ferry_executor *where)
{
	static int cancelled = FERRY_ECANCELED;
	ferry_future *chain, *any, *elsewhere, *all, *mixed[2];

	CHECK_OK(ferry_future_and_then(done, where, step, &cancelled, &chain));
	mixed[0] = chain, mixed[1] = never;
	CHECK_OK(ferry_future_any(mixed, 2, &any));
	CHECK_STATUS(ferry_future_wait(any, FERRY_US(100)), FERRY_PENDING);
	CHECK_OK(ferry_future_and_then(done, where == beside ? free_strand : FERRY_INLINE, step,
	                               NULL, &elsewhere));
	mixed[0] = done, mixed[1] = elsewhere;
	CHECK_OK(ferry_future_all(mixed, 2, &all));
	CHECK_OK(ferry_future_wait(all, FERRY_S(20)));
	ferry_future_release(all);
	ferry_future_release(elsewhere);
	/* Cancelled, it is done: nobody waits for its step. */
	CHECK_OK(ferry_future_cancel(chain));
	CHECK_STATUS(ferry_future_wait(any, FERRY_S(20)), FERRY_ECANCELED);
	ferry_future_release(any);
	ferry_future_release(chain);
}

static ferry_future *made_there[MADE];

static void wait_for_made(ferry_future *future, int status, void *arg)
{
	struct stuck *stuck = arg;

	CHECK_OK(status);
	cannot_wait(stuck, future, made_there);
	may_wait(future, stuck->where);
	system_count(&stuck->done, 1);
}

static void try_made(unsigned place, ferry_executor *where)
{
	struct stuck stuck = { .place = &places[place],
		               .where = where,
		               .done = SYSTEM_COUNTER_INIT };

	for (unsigned i = 0; i < TRIES; i++) {
		ferry_future *future;

		CHECK_OK(ferry_call(engine, peer, OP_NEVER, NULL, 0, &future));
		CHECK_OK(ferry_future_then(future, where, wait_for_made, &stuck));
		while (system_counted(&stuck.done) <= i)
			system_sleep_ms(1);
		/* They are done now, but for the one with `never` in it. */
		CHECK_OK(ferry_wait_all(&made_there[1], MADE - 1, FERRY_S(20)));
		CHECK_STATUS(ferry_future_poll(made_there[0]), FERRY_PENDING);
		for (unsigned k = 0; k < MADE; k++)
			ferry_future_release(made_there[k]);
		ferry_future_release(future);
	}
}

/* ---- two engines: a future of the other one may hide one of this ------- */

static ferry *second_engine;
static ferry_future *second_never;

static void wait_for_both(ferry_future *future, int status, void *arg)
{
	ferry_future *two[2] = { second_never, never }, *all, *any;
	double longest = 0;

	(void)arg;
	CHECK_OK(status);
	CHECK_OK(ferry_future_all(two, 2, &all));
	CHECK_OK(ferry_future_any(two, 2, &any));
	REFUSED(ferry_future_wait(all, FERRY_FOREVER));
	/* the other engine may end that */
	CHECK_STATUS(ferry_future_wait(any, FERRY_US(10)), FERRY_PENDING);
	note(&places[ENGINES], longest);
	ferry_future_release(any);
	ferry_future_release(all);
	ferry_future_release(future);
}

static void try_engines(void)
{
	second_engine = system_open(NULL);
	CHECK_OK(ferry_promise_create(second_engine, &second_never));
	for (unsigned i = 0; i < TRIES; i++) {
		ferry_future *future;

		CHECK_OK(ferry_call(engine, peer, OP_NEVER, NULL, 0, &future));
		CHECK_OK(ferry_future_then(future, FERRY_INLINE, wait_for_both, NULL));
	}
	await(&places[ENGINES], TRIES);
	CHECK_OK(ferry_close(second_engine));
	ferry_future_release(second_never);
}

static void try_chain(unsigned place, ferry_executor *waiter, ferry_executor *where)
{
	struct stuck stuck = { .place = &places[place],
		               .where = where,
		               .done = SYSTEM_COUNTER_INIT };

	for (unsigned i = 0; i < TRIES; i++) {
		ferry_future *future;

		CHECK_OK(ferry_call(engine, peer, OP_NEVER, NULL, 0, &future));
		CHECK_OK(ferry_future_then(future, waiter, wait_for_chain, &stuck));
		while (system_counted(&stuck.done) <= i)
			system_sleep_ms(1);
		/* It was none for anybody else. */
		CHECK_OK(ferry_future_wait(stuck.chain, FERRY_S(20)));
		ferry_future_release(stuck.chain);
		ferry_future_release(future);
	}
}

/* ---------------------------------------------------------------------------- */

int main(void)
{
	system_watch();
	program = pthread_self();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	peer = (rank + 1) % ferry_size(engine);
	CHECK_OK(ferry_promise_create(engine, &never));
	CHECK_OK(ferry_queue_create(engine, &queue));
	CHECK_OK(ferry_workers_create(engine, 1, &single));
	CHECK_OK(ferry_strand_create(single, &strand));
	CHECK_OK(ferry_strand_create(single, &other));
	CHECK_OK(ferry_workers_create(engine, 2, &two_threads));
	CHECK_OK(ferry_strand_create(two_threads, &beside));
	CHECK_OK(ferry_strand_create(two_threads, &free_strand));
	CHECK_OK(ferry_handle(engine, OP_WAIT, FERRY_INLINE, handle, NULL));
	CHECK_OK(ferry_handle(engine, OP_NEVER, FERRY_INLINE, ignore, NULL));
	CHECK_OK(ferry_handle(engine, OP_LARGE, FERRY_INLINE, ignore, NULL));
	try_handlers();
	try_attachments();
	try_alone();
	try_chain(STRAND, strand, strand);
	try_chain(OTHER_STRAND, strand, other);
	try_chain(SINGLE, single, single);
	try_made(STRAND_MADE, beside);
	try_made(SINGLE_MADE, single);
	try_engines();
	for (unsigned i = 0; i < COUNT_OF(places); i++)
		report(&places[i]);
	CHECK_OK(ferry_close(engine));
	CHECK_STATUS(ferry_future_wait(never, FERRY_FOREVER), FERRY_ESTOPPED);
	ferry_future_release(never);
	ferry_executor_destroy(free_strand);
	ferry_executor_destroy(beside);
	ferry_executor_destroy(two_threads);
	ferry_executor_destroy(other);
	ferry_executor_destroy(strand);
	ferry_executor_destroy(single);
	ferry_executor_destroy(queue);
	return 0;
}
