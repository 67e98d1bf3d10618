/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancel, deadline, reply (or fulfilment), then and close at the same future at the same time, by
 * real threads. However a race ends: the future is decided once, whoever was told that he decided
 * it did, the callback runs once, lent memory is released once. Mostly for ThreadSanitizer.
 */
#include "system.h"

enum { OP_NOW = 1, OP_LATER, OP_NEVER, BATCH = 24, RACERS = 4, WAYS = 3, LENT_MAX = 40000 };
enum kind { PROMISE, CALL, CALL_LATER, CHAIN, ALL, ANY, KINDS };

struct race {
	enum kind kind;
	ferry_future *future, *part; /* composed ones: what they are made of */
	ferry_message *value;
	/* told to the racers, each writes its own */
	int cancelled, timed_out, fulfilled, then;
	bool timer;
	pthread_mutex_t lock;
	unsigned called, released, lent;
	int status; /* what the callback was told */
	uint64_t seed;
	size_t nbytes;
};

struct racer {
	unsigned number;
	uint64_t random;
};

static ferry *engine;
static int rank, peer;
static ferry_executor *pool, *queue;
static struct race races[BATCH];
static pthread_barrier_t gate; /* the racers and the main thread: before and after each batch */
static bool over, closing;     /* written by main before the gate, read behind it */
static struct kept {
	ferry_message *request;
	struct kept *next;
} * keeps; /* requests that stay unanswered: the inline handler's, after the close main's */
/* the main thread's: fulfilled, cancelled, timed out, stopped, other */
static uint64_t outcomes[5];

static unsigned pick(uint64_t *random, unsigned n)
{
	*random += 1;
	return (unsigned)(system_mix(*random) >> 33) % n;
}

static void dawdle(uint64_t *random)
{
	for (unsigned n = pick(random, 3) ? pick(random, 60) : pick(random, 3000); n > 0; n--)
		__asm__ volatile("" ::: "memory");
}

/* ---- what the racers share --------------------------------------------- */

static void call_back(ferry_future *future, int status, void *arg)
{
	struct race *race = arg;

	CHECK(future == race->future && ferry_future_poll(future) == status);
	pthread_mutex_lock(&race->lock);
	race->called++;
	race->status = status;
	pthread_mutex_unlock(&race->lock);
}

static void release(void *data, void *arg)
{
	struct race *race = arg;

	CHECK(system_right(data, race->nbytes, race->seed));
	pthread_mutex_lock(&race->lock);
	race->released++;
	pthread_mutex_unlock(&race->lock);
	memset(data, 0xDD, race->nbytes);
	free(data);
}

static int follow(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)arg;
	if (status)
		return status;
	ferry_future_retain(done);
	*next_p = done;
	return FERRY_OK;
}

/* ---- the peer's part --------------------------------------------------- */

static void answer(ferry *on, ferry_message *request, void *arg)
{
	size_t nbytes;
	uint64_t seed;
	const void *data = ferry_message_attachment(request, 0, &nbytes);

	(void)on;
	(void)arg;
	memcpy(&seed, ferry_message_body(request, NULL), sizeof seed);
	CHECK(system_right(data, nbytes, seed));
	int status = ferry_reply(request, &seed, sizeof seed);
	CHECK(status == FERRY_OK || status == FERRY_ESTOPPED);
}

static void answer_later(ferry *on, ferry_message *request, void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)request;

	dawdle(&random);
	answer(on, request, arg);
}

static void keep(ferry *on, ferry_message *request, void *arg)
{
	struct kept *kept = malloc(sizeof *kept);

	(void)on;
	(void)arg;
	CHECK(kept);
	ferry_message_retain(request);
	*kept = (struct kept){ request, keeps };
	keeps = kept;
}

static void release_kept(void)
{
	while (keeps) {
		struct kept *kept = keeps;

		keeps = kept->next;
		CHECK_STATUS(ferry_reply(kept->request, NULL, 0), FERRY_ESTOPPED);
		ferry_message_release(kept->request);
		free(kept);
	}
}

/* ---- the racers -------------------------------------------------------- */

static void cancel(struct race *race)
{
	race->cancelled = ferry_future_cancel(race->future);
	CHECK(race->cancelled == FERRY_OK || race->cancelled == FERRY_EALREADY);
}

static void set_deadline(struct race *race, uint64_t *random)
{
	int64_t timeout = pick(random, 2) ? 0 : 1 + pick(random, 200000);
	int status = ferry_future_deadline(race->future, timeout);

	CHECK(status == FERRY_OK || status == FERRY_EALREADY ||
	      (timeout && status == FERRY_ESTOPPED));
	if (timeout == 0)
		race->timed_out = status;
	else
		race->timer = status == FERRY_OK;
}

static void fulfil(struct race *race)
{
	ferry_future *promise = race->part ? race->part : race->future;

	race->fulfilled = ferry_promise_fulfil(promise, FERRY_OK, race->value);
	CHECK(race->fulfilled == FERRY_OK || race->fulfilled == FERRY_EALREADY);
}

static void register_then(struct race *race, uint64_t *random)
{
	unsigned way = pick(random, WAYS);

	ferry_executor *where = way == 0 ? FERRY_INLINE : way == 1 ? pool : queue;
	race->then = ferry_future_then(race->future, where, call_back, race);
	CHECK(race->then == FERRY_OK || (way == 0 && race->then == FERRY_ESTOPPED));
}

static void race_at(struct race *race, struct racer *racer)
{
	bool promised = race->kind != CALL && race->kind != CALL_LATER;

	dawdle(&racer->random);
	if (racer->number == 0 && pick(&racer->random, 2))
		cancel(race);
	else if (racer->number == 1 && pick(&racer->random, 2))
		set_deadline(race, &racer->random);
	else if (racer->number == 2 && promised && !(closing && pick(&racer->random, 2)))
		fulfil(race);
	else if (racer->number == 3)
		register_then(race, &racer->random);
	/* References come and go meanwhile. */
	ferry_future_retain(race->future);
	ferry_future_release(race->future);
}

static void *race_all(void *arg)
{
	struct racer *racer = arg;

	for (;;) {
		pthread_barrier_wait(&gate);
		if (over)
			return NULL;
		for (unsigned i = 0; i < BATCH; i++)
			race_at(&races[i], racer);
		pthread_barrier_wait(&gate);
	}
}

/* ---- one batch --------------------------------------------------------- */

static void make_call(struct race *race)
{
	uint32_t op = race->kind == CALL_LATER    ? OP_LATER
	              : closing && race->seed % 2 ? OP_NEVER
	                                          : OP_NOW;
	ferry_message *message;

	race->nbytes = race->seed % 3 ? race->seed % LENT_MAX : 64;
	race->lent = 1;
	void *data = malloc(race->nbytes + 1);
	CHECK(data);
	system_fill(data, race->nbytes, race->seed);
	CHECK_OK(ferry_message_create(engine, op, &message));
	CHECK_OK(ferry_message_write(message, &race->seed, sizeof race->seed));
	CHECK_OK(ferry_message_attach(message, data, race->nbytes, release, race));
	CHECK_OK(ferry_call_message(engine, peer, message, &race->future));
	ferry_message_release(message);
}

static void make(struct race *race, uint64_t *random)
{
	*race = (struct race){ .kind = pick(random, KINDS), .seed = *random, .then = 1 };
	race->cancelled = race->timed_out = race->fulfilled = 1;
	pthread_mutex_init(&race->lock, NULL);
	if (race->kind == CALL || race->kind == CALL_LATER) {
		make_call(race);
		return;
	}
	CHECK_OK(ferry_message_create(engine, OP_NOW, &race->value));
	CHECK_OK(ferry_promise_create(engine, &race->part));
	if (race->kind == CHAIN) {
		CHECK_OK(ferry_future_and_then(race->part, pool, follow, NULL, &race->future));
	} else if (race->kind == ALL) {
		CHECK_OK(ferry_future_all(&race->part, 1, &race->future));
	} else if (race->kind == ANY) {
		CHECK_OK(ferry_future_any(&race->part, 1, &race->future));
	} else {
		race->future = race->part;
		race->part = NULL;
	}
}

/* What the racers were told fits to what became of it. */
static void judge(struct race *race)
{
	int status = ferry_future_poll(race->future);
	bool timed_out = race->timed_out == FERRY_OK;

	if (status == FERRY_ECANCELED)
		CHECK(race->cancelled == FERRY_OK && !timed_out);
	else if (status == FERRY_ETIMEDOUT)
		CHECK(race->cancelled != FERRY_OK && (timed_out || race->timer));
	else
		CHECK(race->cancelled != FERRY_OK && !timed_out &&
		      (status == FERRY_OK || (closing && status == FERRY_ESTOPPED)));
	if (race->kind == PROMISE)
		CHECK((race->fulfilled == FERRY_OK) == (status == FERRY_OK));
	CHECK_INT(race->called, race->then == FERRY_OK);
	CHECK(!race->called || race->status == status);
	CHECK_INT(race->released, race->lent);
	outcomes[status == FERRY_OK          ? 0
	         : status == FERRY_ECANCELED ? 1
	         : status == FERRY_ETIMEDOUT ? 2
	         : status == FERRY_ESTOPPED  ? 3
	                                     : 4]++;
}

static void end(struct race *race)
{
	ferry_future_release(race->future);
	ferry_future_release(race->part);
	ferry_message_release(race->value);
	pthread_mutex_destroy(&race->lock);
}

static unsigned seen(struct race *race, const unsigned *what)
{
	pthread_mutex_lock(&race->lock);
	unsigned value = *what;
	pthread_mutex_unlock(&race->lock);
	return value;
}

/* Callbacks that are due and releases come soon after. */
static void settle(void)
{
	double begin = system_now();

	for (unsigned i = 0; i < BATCH; i++) {
		struct race *race = &races[i];

		while (ferry_future_wait(race->future, FERRY_MS(1)) == FERRY_PENDING ||
		       seen(race, &race->called) < (race->then == FERRY_OK) ||
		       seen(race, &race->released) < race->lent) {
			CHECK(ferry_executor_run(queue, 0, FERRY_US(100)) >= 0);
			CHECK(system_now() - begin < 40);
		}
	}
}

static void run_batch(uint64_t *random)
{
	for (unsigned i = 0; i < BATCH; i++)
		make(&races[i], random);
	pthread_barrier_wait(&gate);
	if (closing) {
		dawdle(random);
		CHECK_OK(ferry_close(engine));
	}
	pthread_barrier_wait(&gate);
	settle();
	system_sleep_ms(closing); /* whatever comes a second time */
	for (unsigned i = 0; i < BATCH; i++)
		judge(&races[i]);
	if (closing) {
		ferry_executor_destroy(pool);
		ferry_executor_destroy(queue);
		release_kept();
	}
	for (unsigned i = 0; i < BATCH; i++)
		end(&races[i]);
}

/* ---- an engine that ends with a race ----------------------------------- */

static void run_engine(uint64_t *random, unsigned batches)
{
	engine = system_open(NULL);
	CHECK_OK(ferry_workers_create(engine, 2, &pool));
	CHECK_OK(ferry_queue_create(engine, &queue));
	CHECK_OK(ferry_handle(engine, OP_NOW, FERRY_INLINE, answer, NULL));
	CHECK_OK(ferry_handle(engine, OP_LATER, pool, answer_later, NULL));
	CHECK_OK(ferry_handle(engine, OP_NEVER, FERRY_INLINE, keep, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (unsigned i = 0; i < batches; i++) {
		closing = i + 1 == batches;
		run_batch(random);
	}
	closing = false;
}

int main(void)
{
	unsigned engines = (unsigned)check_scaled(20), batches = (unsigned)check_scaled(40) + 1;
	struct racer racers[RACERS];
	struct system_crew crew;

	system_watch();
	ferry *first = system_open(NULL); /* keeps MPI running */
	rank = ferry_rank(first);
	peer = (rank + 1) % ferry_size(first);
	uint64_t random = (uint64_t)rank << 40 ^ check_env("FERRY_SEED", 1);
	pthread_barrier_init(&gate, NULL, RACERS + 1);
	for (unsigned i = 0; i < RACERS; i++)
		racers[i] = (struct racer){ i, system_mix(random + i) };
	system_crew_start(&crew, RACERS, race_all, racers, sizeof *racers);
	for (unsigned i = 0; i < engines; i++)
		run_engine(&random, batches);
	over = true;
	pthread_barrier_wait(&gate);
	system_crew_join(&crew);
	CHECK_OK(ferry_close(first));
	CHECK_INT(outcomes[4], 0);
	CHECK(engines < 4 || (outcomes[0] && outcomes[1] && outcomes[2] && outcomes[3]));
	if (rank == 0)
		printf("races: %u futures of %u engines: %ju fulfilled or answered, %ju cancelled, "
		       "%ju timed out, %ju stopped by the close: each once, with its callback and "
		       "its memory\n",
		       engines * batches * BATCH, engines, (uintmax_t)outcomes[0],
		       (uintmax_t)outcomes[1], (uintmax_t)outcomes[2], (uintmax_t)outcomes[3]);
	return 0;
}
