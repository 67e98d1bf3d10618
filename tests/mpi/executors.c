/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion where the program wants it, over real messages: queues and their descriptors, orders
 * of handlers, unregistering and destroying in the middle, callbacks, chains, deadlines, cancel,
 * late replies, promises.
 */
#include <poll.h>

#include "system.h"

enum {
	OP_ECHO = 1, /* answered at once */
	OP_HOLD,     /* put aside, until an OP_FREE */
	OP_FREE,
	OP_TAKE, /* attachments are verified */
	OP_POOL, /* the ones from here on have handlers of their own in each test */
	OP_SINGLE,
	OP_STRAND,
	OP_QUEUE,
	OP_DOOMED
};

enum { CALLS = 100, POSTERS = 4, WAYS = 4 };

static ferry *engine;
static int rank, peer;
static ferry_executor *pool, *single, *strand, *queue;

static ferry_executor *way(unsigned i)
{
	return i == 0 ? FERRY_INLINE : i == 1 ? pool : i == 2 ? strand : queue;
}

/* Run the queue while waiting for a counter. */
static void await_count(struct system_counter *counter, uint64_t value)
{
	double begin = system_now();

	while (system_counted(counter) < value) {
		CHECK(ferry_executor_run(queue, 0, FERRY_MS(1)) >= 0);
		CHECK(system_now() - begin < 40);
	}
	CHECK_INT(system_counted(counter), value);
}

static ferry_future *ask(uint32_t op, uint64_t value)
{
	ferry_future *future = NULL;

	CHECK_OK(ferry_call(engine, peer, op, &value, sizeof value, &future));
	return future;
}

static uint64_t reply_of(ferry_future *future)
{
	ferry_message *reply;
	uint64_t value;
	size_t nbytes;

	CHECK_OK(ferry_future_take(future, &reply));
	const void *body = ferry_message_body(reply, &nbytes);
	CHECK_INT(nbytes, sizeof value);
	memcpy(&value, body, sizeof value);
	ferry_message_release(reply);
	return value;
}

/* ---- what the peer does ------------------------------------------------ */

static ferry_message *held[256]; /* inline handlers alone */
static unsigned n_held;

static void echo(ferry *on, ferry_message *request, void *arg)
{
	size_t nbytes;
	const void *body = ferry_message_body(request, &nbytes);

	(void)on;
	(void)arg;
	CHECK_OK(ferry_reply(request, body, nbytes));
}

static void hold(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	ferry_message_retain(request);
	CHECK(n_held < COUNT_OF(held));
	held[n_held++] = request;
}

/* All that is held is answered, in order. */
static void let_go(ferry *on, ferry_message *request, void *arg)
{
	uint32_t count = n_held;

	for (unsigned i = 0; i < n_held; i++) {
		echo(on, held[i], arg);
		ferry_message_release(held[i]);
	}
	n_held = 0;
	CHECK_OK(ferry_reply(request, &count, sizeof count));
}

static uint32_t free_held(void)
{
	ferry_future *future = ask(OP_FREE, 0);
	ferry_message *reply;
	uint32_t count;

	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	memcpy(&count, ferry_message_body(reply, NULL), sizeof count);
	ferry_message_release(reply);
	ferry_future_release(future);
	return count;
}

/* ---- a queue and poll(2) ----------------------------------------------- */

struct polled {
	pthread_t runner;
	unsigned done;
	struct {
		struct polled *all;
		uint64_t value;
		unsigned ran;
	} call[CALLS];
};

static void polled_done(ferry_future *future, int status, void *arg)
{
	struct polled *polled = *(struct polled **)arg;
	uint64_t value = reply_of(future);

	CHECK_OK(status);
	CHECK(pthread_equal(pthread_self(), polled->runner));
	CHECK(value < CALLS && arg == &polled->call[value]);
	polled->call[value].ran++;
	polled->done++;
	ferry_future_release(future);
}

static bool readable(int fd, int timeout)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };
	int n = poll(&look, 1, timeout);

	CHECK(n == 0 || (n == 1 && look.revents == POLLIN));
	return n == 1;
}

static void test_poll(void)
{
	struct polled polled = { .runner = pthread_self() };
	int fd = ferry_executor_fd(queue);

	CHECK(fd >= 0);
	CHECK(!readable(fd, 0));
	for (unsigned i = 0; i < CALLS; i++) {
		ferry_future *future = ask(OP_ECHO, i);
		polled.call[i].all = &polled;
		CHECK_OK(ferry_future_then(future, queue, polled_done, &polled.call[i]));
	}
	while (polled.done < CALLS) {
		CHECK(readable(fd, 20000));
		CHECK(ferry_executor_run(queue, 7, 0) > 0);
	}
	CHECK(!readable(fd, 0));
	CHECK_INT(ferry_executor_run(queue, 0, 0), 0);
	for (unsigned i = 0; i < CALLS; i++)
		CHECK_INT(polled.call[i].ran, 1);
}

/* ---- orders of handlers ------------------------------------------------ */

struct numbered {
	uint32_t thread, number;
};

struct arrivals {
	bool ordered;    /* one at a time, in the order of each poster */
	unsigned inside; /* under lock */
	pthread_mutex_t lock;
	uint32_t next[POSTERS];
	struct system_counter count;
};

static struct arrivals arrivals[4];
static unsigned per_poster;

static void arrive(ferry *on, ferry_message *message, void *arg)
{
	struct arrivals *a = arg;
	struct numbered n;

	(void)on;
	memcpy(&n, ferry_message_body(message, NULL), sizeof n);
	pthread_mutex_lock(&a->lock);
	CHECK(a->inside++ == 0 || !a->ordered);
	if (a->ordered)
		CHECK_INT(a->next[n.thread], n.number);
	a->next[n.thread]++;
	pthread_mutex_unlock(&a->lock);
	if (n.number % 16 == 0)
		sched_yield();
	pthread_mutex_lock(&a->lock);
	a->inside--;
	pthread_mutex_unlock(&a->lock);
	system_count(&a->count, 1);
}

static void *post_numbered(void *arg)
{
	struct numbered n = { .thread = *(uint32_t *)arg };

	for (n.number = 0; n.number < per_poster; n.number++)
		for (uint32_t i = 0; i < 4; i++)
			CHECK_OK(ferry_post(engine, peer, OP_POOL + i, &n, sizeof n, NULL));
	CHECK_OK(ferry_flush(engine, FERRY_ALL, FERRY_FOREVER));
	return NULL;
}

static void test_orders(void)
{
	ferry_executor *where[4] = { pool, single, strand, queue };
	uint32_t numbers[POSTERS] = { 0, 1, 2, 3 };
	struct system_crew crew;

	per_poster = (unsigned)check_scaled(500);
	for (uint32_t i = 0; i < 4; i++) {
		pthread_mutex_init(&arrivals[i].lock, NULL);
		pthread_mutex_init(&arrivals[i].count.lock, NULL);
		arrivals[i].ordered = i > 0;
		CHECK_OK(ferry_handle(engine, OP_POOL + i, where[i], arrive, &arrivals[i]));
	}
	system_crew_start(&crew, POSTERS, post_numbered, numbers, sizeof *numbers);
	for (unsigned i = 4; i-- > 0;)
		await_count(&arrivals[i].count, (uint64_t)POSTERS * per_poster);
	system_crew_join(&crew);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_OK(ferry_handle(engine, OP_POOL + i, NULL, NULL, NULL));
		for (unsigned t = 0; t < POSTERS; t++)
			CHECK_INT(arrivals[i].next[t], per_poster);
	}
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

/* ---- unregistering and destroying while messages wait ------------------ */

/* What a handler uses, and must not use once its handler or executor is gone. */
struct fragile {
	pthread_mutex_t lock;
	bool gone;
	uint32_t handled, next;
	unsigned pause_ms;
};

static void handle_fragile(ferry *on, ferry_message *message, void *arg)
{
	struct fragile *f = arg;
	uint32_t number;

	(void)on;
	memcpy(&number, ferry_message_body(message, NULL), sizeof number);
	if (f->pause_ms && number % 8 == 0)
		system_sleep_ms(f->pause_ms);
	pthread_mutex_lock(&f->lock);
	CHECK(!f->gone);
	f->handled++;
	pthread_mutex_unlock(&f->lock);
}

static void post_doomed(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		CHECK_OK(ferry_post(engine, rank, OP_DOOMED, &i, sizeof i, NULL));
	CHECK_OK(ferry_flush(engine, rank, FERRY_FOREVER));
}

static uint32_t end_fragile(struct fragile *f)
{
	pthread_mutex_lock(&f->lock);
	f->gone = true;
	uint32_t handled = f->handled;
	pthread_mutex_unlock(&f->lock);
	return handled;
}

/* The rest is in the mailbox, in order where `first` is known. */
static void read_doomed(uint32_t first, uint32_t count, bool ordered)
{
	for (uint32_t i = 0; i < count; i++) {
		ferry_message *message = NULL;
		uint32_t number;

		if (ferry_recv(engine, FERRY_ANY, OP_DOOMED, FERRY_S(20), &message))
			CHECK_FAIL("%u of %u messages came back to the mailbox", i, count);
		memcpy(&number, ferry_message_body(message, NULL), sizeof number);
		CHECK(!ordered || number == first + i);
		ferry_message_release(message);
	}
	ferry_message *none;
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, OP_DOOMED, 0, &none), FERRY_PENDING);
}

static void unregister_from_queue(void)
{
	struct fragile f = { .lock = PTHREAD_MUTEX_INITIALIZER };

	CHECK_OK(ferry_handle(engine, OP_DOOMED, queue, handle_fragile, &f));
	post_doomed(50);
	CHECK_INT(ferry_executor_run(queue, 10, FERRY_S(20)), 10);
	CHECK_OK(ferry_handle(engine, OP_DOOMED, NULL, NULL, NULL));
	CHECK_INT(end_fragile(&f), 10);
	CHECK_INT(ferry_executor_run(queue, 0, 0), 40);
	read_doomed(10, 40, true);
}

static void unregister_from(ferry_executor *where, unsigned delay_ms)
{
	struct fragile f = { .lock = PTHREAD_MUTEX_INITIALIZER, .pause_ms = 1 };

	CHECK_OK(ferry_handle(engine, OP_DOOMED, where, handle_fragile, &f));
	post_doomed(100);
	system_sleep_ms(delay_ms);
	CHECK_OK(ferry_handle(engine, OP_DOOMED, NULL, NULL, NULL));
	read_doomed(0, 100 - end_fragile(&f), false);
}

static void destroy_under(ferry_executor *where, unsigned delay_ms)
{
	struct fragile f = { .lock = PTHREAD_MUTEX_INITIALIZER, .pause_ms = 1 };

	CHECK_OK(ferry_handle(engine, OP_DOOMED, where, handle_fragile, &f));
	post_doomed(60);
	system_sleep_ms(delay_ms);
	ferry_executor_destroy(where);
	uint32_t handled = end_fragile(&f);
	CHECK_INT(handled, 60); /* what was queued runs first */
	post_doomed(40);
	read_doomed(0, 40, true);
	CHECK_OK(ferry_handle(engine, OP_DOOMED, NULL, NULL, NULL));
}

/* On a pool of two: one handler takes away another that is running, and then itself. */
static struct fragile victim = { .lock = PTHREAD_MUTEX_INITIALIZER, .pause_ms = 30 };
static struct system_counter took = SYSTEM_COUNTER_INIT;

static void take_away(ferry *on, ferry_message *message, void *arg)
{
	(void)message;
	(void)arg;
	system_sleep_ms(5);
	CHECK_OK(ferry_handle(on, OP_DOOMED, NULL, NULL, NULL));
	end_fragile(&victim);
	CHECK_OK(ferry_handle(on, OP_POOL, NULL, NULL, NULL));
	system_count(&took, 1);
}

static void unregister_from_within(void)
{
	uint32_t number = 0;

	CHECK_OK(ferry_handle(engine, OP_DOOMED, pool, handle_fragile, &victim));
	CHECK_OK(ferry_handle(engine, OP_POOL, pool, take_away, NULL));
	CHECK_OK(ferry_post(engine, rank, OP_DOOMED, &number, sizeof number, NULL));
	CHECK_OK(ferry_post(engine, rank, OP_POOL, NULL, 0, NULL));
	await_count(&took, 1);
	if (!victim.handled)
		read_doomed(0, 1, true);
}

static void test_unregister(void)
{
	ferry_executor *doomed;

	unregister_from_queue();
	for (unsigned i = 0; i < 6; i++) {
		unregister_from(pool, i);
		unregister_from(strand, i);
	}
	unregister_from_within();
	for (unsigned i = 0; i < 3; i++) {
		CHECK_OK(ferry_workers_create(engine, 2, &doomed));
		destroy_under(doomed, i);
		CHECK_OK(ferry_strand_create(pool, &doomed));
		destroy_under(doomed, i);
		CHECK_OK(ferry_queue_create(engine, &doomed));
		destroy_under(doomed, 0);
	}
}

/* ---- callbacks --------------------------------------------------------- */

static _Thread_local bool in_then;

struct once {
	struct system_counter *all;
	pthread_mutex_t lock;
	unsigned ran;
};

static void run_once(ferry_future *future, int status, void *arg)
{
	struct once *once = arg;

	CHECK(!in_then);
	CHECK_INT(status, ferry_future_poll(future));
	pthread_mutex_lock(&once->lock);
	once->ran++;
	pthread_mutex_unlock(&once->lock);
	ferry_future_release(future);
	system_count(once->all, 1);
}

static void then(ferry_future *future, ferry_executor *where, struct once *once,
                 struct system_counter *all)
{
	once->all = all;
	pthread_mutex_init(&once->lock, NULL);
	ferry_future_retain(future);
	in_then = true;
	CHECK_OK(ferry_future_then(future, where, run_once, once));
	in_then = false;
	CHECK_STATUS(ferry_future_then(future, where, run_once, once), FERRY_EINVAL);
	ferry_future_release(future);
}

static void test_then(void)
{
	static struct once once[WAYS][2][64];
	struct system_counter all = SYSTEM_COUNTER_INIT;

	for (unsigned i = 0; i < 64; i++)
		for (unsigned w = 0; w < WAYS; w++) {
			ferry_future *done = ask(OP_ECHO, i);
			CHECK_OK(ferry_future_wait(done, FERRY_FOREVER));
			then(done, way(w), &once[w][0][i], &all);
			then(ask(OP_ECHO, i), way(w), &once[w][1][i], &all);
		}
	await_count(&all, 64 * WAYS * 2);
	for (unsigned i = 0; i < 64; i++)
		for (unsigned w = 0; w < WAYS; w++)
			CHECK(once[w][0][i].ran == 1 && once[w][1][i].ran == 1);
}

/* Callbacks given to an executor that is destroyed before they are due are dropped; none runs after
 * its end. */
static void test_destroy_callbacks(void)
{
	ferry_executor *doomed;

	for (unsigned kind = 0; kind < 3; kind++) {
		static struct once once[100];
		struct system_counter all = SYSTEM_COUNTER_INIT;
		ferry_future *futures[100];

		memset(once, 0, sizeof once);
		CHECK_OK(kind == 0   ? ferry_workers_create(engine, 2, &doomed)
		         : kind == 1 ? ferry_strand_create(pool, &doomed)
		                     : ferry_queue_create(engine, &doomed));
		for (unsigned i = 0; i < 100; i++) {
			futures[i] = ask(OP_ECHO, i);
			ferry_future_retain(futures[i]);
			then(futures[i], doomed, &once[i], &all);
		}
		ferry_executor_destroy(doomed);
		uint64_t ran = system_counted(&all);
		CHECK_OK(ferry_wait_all(futures, 100, FERRY_S(40)));
		system_sleep_ms(5);
		CHECK_INT(system_counted(&all), ran);
		for (unsigned i = 0; i < 100; i++) {
			CHECK(once[i].ran <= 1);
			if (!once[i].ran)
				ferry_future_release(futures[i]);
			ferry_future_release(futures[i]);
		}
	}
}

/* ---- all, any, chains -------------------------------------------------- */

static int ask_again(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)arg;
	CHECK_OK(status);
	*next_p = ask(OP_ECHO, reply_of(done) + 1);
	return FERRY_OK;
}

static int give_up(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)done;
	(void)arg;
	(void)next_p;
	CHECK_STATUS(status, FERRY_EREMOTE);
	return FERRY_EREMOTE;
}

static ferry_future *chain_of(unsigned steps, uint64_t first)
{
	ferry_future *future = ask(OP_ECHO, first), *next;

	for (unsigned i = 0; i < steps; i++) {
		CHECK_OK(ferry_future_and_then(future, way(i % WAYS), ask_again, NULL, &next));
		ferry_future_release(future);
		future = next;
	}
	return future;
}

static void run_queue_until(ferry_future *future)
{
	for (double begin = system_now(); ferry_future_poll(future) == FERRY_PENDING;) {
		CHECK(ferry_executor_run(queue, 0, FERRY_MS(1)) >= 0);
		CHECK(system_now() - begin < 40);
	}
}

static void test_chains(void)
{
	ferry_future *chains[50], *all;

	for (unsigned i = 0; i < 50; i++)
		chains[i] = chain_of(10, 1000 * i);
	CHECK_OK(ferry_future_all(chains, 50, &all));
	run_queue_until(all);
	CHECK_OK(ferry_future_poll(all));
	ferry_future_release(all);
	for (unsigned i = 0; i < 50; i++) {
		CHECK_INT(reply_of(chains[i]), 1000 * i + 10);
		ferry_future_release(chains[i]);
	}
}

static void refuse(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	CHECK_OK(ferry_reply_error(request, -1234, "not today"));
}

static void test_groups(void)
{
	ferry_future *futures[3] = { ask(OP_HOLD, 1), ask(OP_STRAND, 2), ask(OP_ECHO, 3) }, *any,
		     *all, *chain;
	size_t index;

	CHECK_OK(ferry_future_any(futures, 3, &any));
	CHECK_OK(ferry_future_all(futures, 3, &all));
	CHECK_OK(ferry_future_and_then(futures[1], pool, give_up, NULL, &chain));
	CHECK(ferry_future_wait(any, FERRY_S(20)) != FERRY_PENDING);
	CHECK(strstr(ferry_future_detail(any), "future 1") ||
	      strstr(ferry_future_detail(any), "future 2"));
	CHECK_STATUS(ferry_future_wait(chain, FERRY_S(20)), FERRY_EREMOTE);
	CHECK_OK(ferry_future_wait(futures[2], FERRY_S(20)));
	CHECK(ferry_wait_any(futures, 3, FERRY_S(20), &index) != FERRY_PENDING && index > 0);
	CHECK_STATUS(ferry_future_poll(all), FERRY_PENDING);
	CHECK_INT(free_held(), 1);
	CHECK_STATUS(ferry_future_wait(all, FERRY_S(20)), FERRY_EREMOTE);
	CHECK(strstr(ferry_future_detail(all), "future 1") &&
	      strstr(ferry_future_detail(all), "not today"));
	CHECK_STATUS(ferry_wait_all(futures, 3, FERRY_S(20)), FERRY_EREMOTE);
	for (unsigned i = 0; i < 3; i++)
		ferry_future_release(futures[i]);
	ferry_future_release(any);
	ferry_future_release(all);
	ferry_future_release(chain);
}

/* ---- deciding against an operation ------------------------------------- */

enum { LENT = 64, LARGE = 1 << 20 };

struct loan {
	uint64_t seed;
	size_t nbytes;
	unsigned char *data;
	pthread_mutex_t lock;
	unsigned released;
};

static struct system_counter released = SYSTEM_COUNTER_INIT, taken = SYSTEM_COUNTER_INIT;

/* Whatever reads the memory after this finds other bytes. */
static void loan_over(void *data, void *arg)
{
	struct loan *loan = arg;

	pthread_mutex_lock(&loan->lock);
	CHECK_INT(loan->released++, 0);
	pthread_mutex_unlock(&loan->lock);
	CHECK(data == loan->data && system_right(data, loan->nbytes, loan->seed));
	memset(data, 0xDD, loan->nbytes);
	system_count(&released, 1);
}

static void take_lent(ferry *on, ferry_message *message, void *arg)
{
	size_t nbytes;
	const void *data = ferry_message_attachment(message, 0, &nbytes);
	uint64_t seed;

	(void)on;
	(void)arg;
	memcpy(&seed, ferry_message_body(message, NULL), sizeof seed);
	CHECK(data && system_right(data, nbytes, seed));
	system_count(&taken, 1);
}

static ferry_future *lend(struct loan *loan, unsigned i)
{
	ferry_message *message;
	ferry_future *future;

	*loan = (struct loan){ .seed = system_mix(i), .nbytes = i % 4 ? LARGE >> i % 8 : 3000 };
	pthread_mutex_init(&loan->lock, NULL);
	loan->data = malloc(loan->nbytes);
	CHECK(loan->data);
	system_fill(loan->data, loan->nbytes, loan->seed);
	CHECK_OK(ferry_message_create(engine, OP_TAKE, &message));
	CHECK_OK(ferry_message_write(message, &loan->seed, sizeof loan->seed));
	CHECK_OK(ferry_message_attach(message, loan->data, loan->nbytes, loan_over, loan));
	CHECK_OK(ferry_call_message(engine, peer, message, &future));
	ferry_message_release(message);
	return future;
}

static void decide_against(ferry_future *future, unsigned i)
{
	int status = i % 3 == 0   ? ferry_future_cancel(future)
	             : i % 3 == 1 ? ferry_future_deadline(future, 0)
	                          : ferry_future_deadline(future, FERRY_US(200));

	CHECK(status == FERRY_OK || status == FERRY_EALREADY);
}

static void test_loans(void)
{
	static struct loan loans[LENT];
	ferry_future *futures[LENT];
	unsigned count = (unsigned)check_scaled(LENT), unsent = 0, over[3] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		futures[i] = lend(&loans[i], i);
		decide_against(futures[i], i);
	}
	for (unsigned i = 0; i < count; i++) {
		int status = ferry_future_wait(futures[i], FERRY_S(40));
		CHECK(status == FERRY_OK || status == FERRY_ETIMEDOUT || status == FERRY_ECANCELED);
		over[status == FERRY_OK ? 0 : status == FERRY_ETIMEDOUT ? 1 : 2]++;
		unsent += strstr(ferry_future_detail(futures[i]), "will not be") != NULL;
		ferry_future_release(futures[i]);
	}
	await_count(&released, count);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER)); /* so the peer's have come too */
	for (unsigned i = 0; i < count; i++) {
		CHECK_INT(loans[i].released, 1);
		free(loans[i].data);
	}
	if (rank == 0)
		printf("executors: of %u calls with lent memory %u were answered, %u timed out, %u "
		       "were cancelled (%u of them unsent): each released once; %ju came here "
		       "whole\n",
		       count, over[0], over[1], over[2], unsent, (uintmax_t)system_counted(&taken));
}

static uint64_t late_replies(void)
{
	ferry_stats stats = FERRY_STATS_INIT;

	CHECK_OK(ferry_stats_read(engine, &stats));
	return stats.late_replies;
}

static void test_late_replies(void)
{
	ferry_future *futures[20];
	uint64_t before;

	/* Those of the tests before have all come: they came before this one. */
	ferry_future *last = ask(OP_ECHO, 0);
	CHECK_OK(ferry_future_wait(last, FERRY_FOREVER));
	ferry_future_release(last);
	before = late_replies();
	for (unsigned i = 0; i < 20; i++)
		futures[i] = ask(OP_HOLD, i);
	CHECK_OK(ferry_flush(engine, peer, FERRY_FOREVER));
	for (unsigned i = 0; i < 20; i++) {
		CHECK_OK(i % 2 ? ferry_future_cancel(futures[i])
		               : ferry_future_deadline(futures[i], 0));
		CHECK_STATUS(ferry_future_cancel(futures[i]), FERRY_EALREADY);
		CHECK_STATUS(ferry_future_poll(futures[i]),
		             i % 2 ? FERRY_ECANCELED : FERRY_ETIMEDOUT);
		CHECK(strstr(ferry_future_detail(futures[i]), "had been sent"));
	}
	CHECK_INT(free_held(), 20); /* its reply is behind theirs */
	CHECK_INT(late_replies() - before, 20);
	for (unsigned i = 0; i < 20; i++) {
		ferry_message *reply;
		CHECK_STATUS(ferry_future_poll(futures[i]),
		             i % 2 ? FERRY_ECANCELED : FERRY_ETIMEDOUT);
		CHECK_STATUS(ferry_future_take(futures[i], &reply), FERRY_EALREADY);
		ferry_future_release(futures[i]);
	}
}

/* ---- promises ---------------------------------------------------------- */

static void test_promises(void)
{
	ferry_future *promise;
	ferry_message *value, *got;

	CHECK_OK(ferry_promise_create(engine, &promise));
	CHECK_OK(ferry_message_create(engine, OP_ECHO, &value));
	CHECK_OK(ferry_message_write(value, "value", 6));
	CHECK_STATUS(ferry_future_wait(promise, FERRY_MS(1)), FERRY_PENDING);
	CHECK_STATUS(ferry_promise_fulfil(promise, FERRY_PENDING, value), FERRY_EINVAL);
	CHECK_OK(ferry_promise_fulfil(promise, FERRY_OK, value));
	CHECK_STATUS(ferry_promise_fulfil(promise, FERRY_EREMOTE, NULL), FERRY_EALREADY);
	CHECK_STATUS(ferry_future_cancel(promise), FERRY_EALREADY);
	ferry_message_release(value);
	CHECK_OK(ferry_future_wait(promise, 0));
	CHECK_OK(ferry_future_take(promise, &got));
	CHECK(strcmp(ferry_message_body(got, NULL), "value") == 0);
	CHECK_STATUS(ferry_future_take(promise, &got), FERRY_EALREADY);
	ferry_message_release(got);
	ferry_future_release(promise);
}

/* The close completes what is pending, and runs what waits for it; also in a queue that
 * nobody runs. */
static struct once at_close[WAYS][3];
static struct system_counter closed = SYSTEM_COUNTER_INIT;
static ferry_future *pending[WAYS][3];

static void before_close(void)
{
	for (unsigned w = 0; w < WAYS; w++) {
		CHECK_OK(ferry_promise_create(engine, &pending[w][0]));
		pending[w][1] = ask(OP_HOLD, 0);
		CHECK_OK(ferry_future_all(pending[w], 2, &pending[w][2]));
		for (unsigned i = 0; i < 3; i++) {
			ferry_future_retain(pending[w][i]);
			then(pending[w][i], way(w), &at_close[w][i], &closed);
		}
	}
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (unsigned w = 0; w < WAYS; w++)
		CHECK_STATUS(ferry_future_poll(pending[w][0]), FERRY_PENDING);
}

static void after_close(void)
{
	for (unsigned w = 0; w < WAYS; w++)
		for (unsigned i = 0; i < 3; i++) {
			CHECK_INT(ferry_future_wait(pending[w][i], FERRY_S(20)), FERRY_ESTOPPED);
			CHECK_STATUS(ferry_future_cancel(pending[w][i]), FERRY_EALREADY);
			ferry_future_release(pending[w][i]);
		}
	for (double begin = system_now(); system_counted(&closed) < WAYS * 3;)
		CHECK(system_now() - begin < 20 && ferry_executor_run(queue, 0, FERRY_MS(1)) >= 0);
	for (unsigned w = 0; w < WAYS; w++)
		for (unsigned i = 0; i < 3; i++)
			CHECK_INT(at_close[w][i].ran, 1);
	for (unsigned i = 0; i < n_held; i++) {
		CHECK_STATUS(ferry_reply(held[i], NULL, 0), FERRY_ESTOPPED);
		ferry_message_release(held[i]);
	}
}

/* ---------------------------------------------------------------------------- */

static void begin(void)
{
	engine = system_open(NULL);
	if (ferry_size(engine) != 2)
		CHECK_FAIL("this needs 2 ranks, not %d", ferry_size(engine));
	rank = ferry_rank(engine);
	peer = 1 - rank;
	CHECK_OK(ferry_workers_create(engine, 3, &pool));
	CHECK_OK(ferry_workers_create(engine, 1, &single));
	CHECK_OK(ferry_strand_create(pool, &strand));
	CHECK_OK(ferry_queue_create(engine, &queue));
	CHECK_OK(ferry_handle(engine, OP_ECHO, FERRY_INLINE, echo, NULL));
	CHECK_OK(ferry_handle(engine, OP_HOLD, FERRY_INLINE, hold, NULL));
	CHECK_OK(ferry_handle(engine, OP_FREE, FERRY_INLINE, let_go, NULL));
	CHECK_OK(ferry_handle(engine, OP_TAKE, FERRY_INLINE, take_lent, NULL));
}

int main(void)
{
	system_watch();
	begin();
	test_poll();
	test_orders();
	test_unregister();
	test_then();
	test_destroy_callbacks();
	test_chains();
	CHECK_OK(ferry_handle(engine, OP_STRAND, strand, refuse, NULL));
	test_groups();
	test_loans();
	test_late_replies();
	test_promises();
	before_close();
	CHECK_OK(ferry_close(engine));
	after_close();
	ferry_executor_destroy(strand);
	ferry_executor_destroy(pool);
	ferry_executor_destroy(single);
	ferry_executor_destroy(queue);
	if (rank == 0)
		printf("executors: %d calls through a queue and poll, orders on a pool, a strand "
		       "and a queue, handlers and executors taken away in the middle, callbacks, "
		       "chains, late replies and promises: as promised\n",
		       CALLS);
	return 0;
}
