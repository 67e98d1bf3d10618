/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages without a handler: ferry_recv takes them by source and op, in order, waits as long as it
 * was told, and a handler that comes later gets what is left, in order.
 */
#include "system.h"

enum { OPS = 3, NOTES = 30, MORE = 10, OP_NEVER = 99, OP_WAKE = 50, OP_ASK = 60, RANKS_MAX = 16 };

/* Note n has op 1 + n % OPS, so each op has every third number. */
struct note {
	uint32_t number;
};

static ferry *engine;
static uint32_t read_next[RANKS_MAX][OPS + 1]; /* the next number of each source and op */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t handled_next[RANKS_MAX], handled; /* of op 1, under lock */

static int before(void)
{
	return (ferry_rank(engine) + ferry_size(engine) - 1) % ferry_size(engine);
}

static void post_notes(uint32_t from, uint32_t to, uint32_t only)
{
	for (struct note note = { from }; note.number < to; note.number++)
		for (int rank = 0; rank < ferry_size(engine); rank++)
			if (!only || only == 1 + note.number % OPS)
				CHECK_OK(ferry_post(engine, rank, 1 + note.number % OPS, &note,
				                    sizeof note, NULL));
}

/* The message is the next of its source and op; it is released. */
static void check_next(ferry_message *message)
{
	uint32_t op = ferry_message_op(message),
		 *next = &read_next[ferry_message_source(message)][op];
	struct note note;

	CHECK(op >= 1 && op <= OPS);
	memcpy(&note, ferry_message_body(message, NULL), sizeof note);
	CHECK_INT(note.number, *next);
	*next += OPS;
	ferry_message_release(message);
}

static void check_nothing(int source, uint32_t op, unsigned ms)
{
	ferry_message *message = NULL;
	double start = system_now();

	CHECK_STATUS(ferry_recv(engine, source, op, FERRY_MS(ms), &message), FERRY_PENDING);
	CHECK(!message);
	CHECK(system_now() - start >= 0.99e-3 * ms && system_now() - start < 10);
}

static void read_filtered(void)
{
	ferry_message *message;

	check_nothing(FERRY_ANY, OP_NEVER, 0);
	check_nothing(before(), OP_NEVER, 50);
	CHECK_OK(ferry_recv(engine, FERRY_ANY, 2, 0, &message));
	CHECK_INT(ferry_message_op(message), 2);
	check_next(message);
	for (int rank = ferry_size(engine) - 1; rank >= 0; rank--) {
		CHECK_OK(ferry_recv(engine, rank, 3, 0, &message));
		CHECK_INT(ferry_message_source(message), rank);
		CHECK_INT(ferry_message_op(message), 3);
		check_next(message);
	}
	CHECK_OK(ferry_recv(engine, before(), FERRY_ANY_OP, FERRY_FOREVER, &message));
	CHECK_INT(ferry_message_source(message), before());
	check_next(message);
}

/* ---- a handler that comes later ---------------------------------------- */

static void handle(ferry *on, ferry_message *message, void *arg)
{
	struct note note;

	(void)on;
	(void)arg;
	memcpy(&note, ferry_message_body(message, NULL), sizeof note);
	pthread_mutex_lock(&lock);
	CHECK_INT(note.number, handled_next[ferry_message_source(message)]);
	handled_next[ferry_message_source(message)] += OPS;
	handled++;
	pthread_mutex_unlock(&lock);
}

static void await_handled(uint32_t expected)
{
	for (;;) {
		uint32_t now;

		pthread_mutex_lock(&lock);
		now = handled;
		pthread_mutex_unlock(&lock);
		CHECK(now <= expected);
		if (now == expected)
			return;
		system_sleep_ms(1);
	}
}

/* What was read of op 1 is not handled; the rest is, and then what comes. */
static void handle_the_rest(void)
{
	uint32_t expected = 0;
	int size = ferry_size(engine);

	for (int rank = 0; rank < size; rank++) {
		handled_next[rank] = read_next[rank][1];
		expected += (NOTES - handled_next[rank]) / OPS;
	}
	CHECK_OK(ferry_handle(engine, 1, FERRY_INLINE, handle, NULL));
	await_handled(expected);
	check_nothing(FERRY_ANY, 1, 0);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER)); /* no rank is still counting what it had */
	post_notes(NOTES, NOTES + OPS * MORE, 1);
	await_handled(expected + MORE * (uint32_t)size);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
}

static void read_the_rest(void)
{
	ferry_message *message;

	while (ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, 0, &message) == FERRY_OK)
		check_next(message);
	for (int rank = 0; rank < ferry_size(engine); rank++)
		for (uint32_t op = 2; op <= OPS; op++)
			CHECK_INT(read_next[rank][op], NOTES + op - 1);
}

/* Without its handler the op goes to the mailbox again. */
static void read_again(void)
{
	uint32_t first = NOTES + OPS * MORE;
	ferry_message *message;

	CHECK_OK(ferry_handle(engine, 1, FERRY_INLINE, NULL, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	post_notes(first, first + OPS, 1);
	for (int rank = 0; rank < ferry_size(engine); rank++) {
		read_next[rank][1] = first;
		CHECK_OK(ferry_recv(engine, rank, 1, FERRY_FOREVER, &message));
		check_next(message);
	}
}

/* ---- threads that wait ------------------------------------------------- */

/* Each waits for its own op, and is woken by that alone. */
static void *await_one(void *arg)
{
	uint32_t op = *(uint32_t *)arg;
	ferry_message *message;

	CHECK_OK(ferry_recv(engine, FERRY_ANY, op, FERRY_FOREVER, &message));
	CHECK_INT(ferry_message_op(message), op);
	ferry_message_release(message);
	return NULL;
}

static void wake_readers(void)
{
	uint32_t ops[4] = { OP_WAKE, OP_WAKE + 1, OP_WAKE + 2, OP_WAKE + 3 };
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	struct system_crew readers;

	system_crew_start(&readers, COUNT_OF(ops), await_one, ops, sizeof *ops);
	system_sleep_ms(20);
	for (unsigned i = COUNT_OF(ops); i-- > 0;)
		CHECK_OK(ferry_post(engine, next, ops[i], NULL, 0, NULL));
	system_crew_join(&readers);
}

static void answer_by_hand(void)
{
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	ferry_message *request, *reply;
	ferry_future *future;
	size_t nbytes;

	CHECK_OK(ferry_call(engine, next, OP_ASK, "?", 2, &future));
	CHECK_OK(ferry_recv(engine, before(), OP_ASK, FERRY_FOREVER, &request));
	/* all have their request, and none has answered */
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_STATUS(ferry_future_take(future, &reply), FERRY_PENDING);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_reply(request, "!", 2));
	ferry_message_release(request);
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	CHECK(strcmp(ferry_message_body(reply, &nbytes), "!") == 0);
	CHECK_INT(nbytes, 2);
	ferry_message_release(reply);
	ferry_future_release(future);
}

int main(void)
{
	int rank, size;

	system_watch();
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK(size <= RANKS_MAX);
	for (int source = 0; source < size; source++)
		for (uint32_t op = 1; op <= OPS; op++)
			read_next[source][op] = op - 1;
	post_notes(0, NOTES, 0);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	read_filtered();
	handle_the_rest();
	read_the_rest();
	read_again();
	wake_readers();
	answer_by_hand();
	CHECK_OK(ferry_close(engine));
	if (rank == 0)
		printf("mailbox: %d ranks read by source, by op and by neither, in order and in "
		       "time; a later handler got the rest in order; readers were woken by their "
		       "own op\n",
		       size);
	return 0;
}
