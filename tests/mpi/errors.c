/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How calls end that get no good answer: nobody handles them, the handler says no, the request is
 * released unanswered; and what is EALREADY and EDEADLK. Every rank asks every rank.
 */
#include "system.h"

enum op {
	OP_NOBODY = 1, /* is never handled */
	OP_REFUSE,     /* the handler says no */
	OP_FORGET, /* the handler keeps the request, and another thread releases it unanswered */
	OP_SILENT, /* the handler neither replies nor retains */
	OP_TWICE,  /* the handler replies twice */
	OP_NESTED, /* the handler does what is not allowed there */
	OP_LATE,   /* the handler comes within the grace */
	OP_READ,   /* no handler, but somebody reads */
};

enum { GRACE_MS = 400, KEPT_MAX = 64 };

static ferry *engine;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ferry_message *kept[KEPT_MAX]; /* under lock */
static unsigned kept_count;           /* under lock */

/* ---- handlers ---------------------------------------------------------- */

static void refuse(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	CHECK_STATUS(ferry_reply_error(request, FERRY_OK, "no error"), FERRY_EINVAL);
	CHECK_OK(ferry_reply_error(request, FERRY_ETRUNC, "not on a Sunday"));
}

static void forget(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	ferry_message_retain(request);
	pthread_mutex_lock(&lock);
	CHECK(kept_count < KEPT_MAX);
	kept[kept_count++] = request;
	pthread_mutex_unlock(&lock);
}

static void stay_silent(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)request;
	(void)arg;
}

static void reply_twice(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)arg;
	CHECK_STATUS(ferry_reply(request, NULL, 5), FERRY_EINVAL);
	CHECK_OK(ferry_reply(request, "first", 6));
	CHECK_STATUS(ferry_reply(request, "second", 7), FERRY_EALREADY);
	CHECK_STATUS(ferry_reply_error(request, FERRY_ETRUNC, "third"), FERRY_EALREADY);
}

/* Nothing that waits is allowed on the progress thread; a call is, its future just cannot be
 * awaited here. */
static void do_forbidden(ferry *on, ferry_message *request, void *arg)
{
	ferry_future *future;

	(void)arg;
	CHECK_OK(ferry_call(on, ferry_rank(on), OP_SILENT, NULL, 0, &future));
	CHECK_STATUS(ferry_future_wait(future, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_wait_all(&future, 1, FERRY_FOREVER), FERRY_EDEADLK);
	CHECK_STATUS(ferry_close(on), FERRY_EDEADLK);
	CHECK(*ferry_last_error());
	ferry_future_release(future);
	CHECK_OK(ferry_reply(request, "fine", 5));
}

/* ---- calls ------------------------------------------------------------- */

static ferry_future *call(int rank, enum op op)
{
	ferry_future *future;

	CHECK_OK(ferry_call(engine, rank, op, "please", 7, &future));
	return future;
}

/* The future ends with this status, and its detail contains the text. */
static void check_fails(ferry_future *future, int status, const char *text)
{
	ferry_message *reply = NULL;

	CHECK_STATUS(ferry_future_wait(future, FERRY_FOREVER), status);
	if (!*ferry_future_detail(future) || !strstr(ferry_future_detail(future), text))
		CHECK_FAIL("the detail is \"%s\", without \"%s\"", ferry_future_detail(future),
		           text);
	CHECK(ferry_future_take(future, &reply) != FERRY_OK && !reply);
	ferry_future_release(future);
}

static void check_replies(ferry_future *future, const char *text, size_t expected)
{
	ferry_message *reply;
	size_t nbytes;
	const void *body;

	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(future, &reply));
	body = ferry_message_body(reply, &nbytes);
	CHECK_INT(nbytes, expected);
	CHECK(nbytes == 0 || memcmp(body, text, nbytes) == 0);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void check_nobody(int rank)
{
	double start = system_now();

	check_fails(call(rank, OP_NOBODY), FERRY_ENOHANDLER, "");
	CHECK(system_now() - start > 0.9e-3 * GRACE_MS);
	CHECK(system_now() - start < 10);
}

/* Every rank asked every rank, so `size` requests come to be released here. */
static void check_forgotten(int size)
{
	ferry_future *futures[KEPT_MAX];

	CHECK(size <= KEPT_MAX);
	for (int rank = 0; rank < size; rank++)
		futures[rank] = call(rank, OP_FORGET);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (int rank = 0; rank < size; rank++)
		CHECK_STATUS(ferry_future_poll(futures[rank]), FERRY_PENDING);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	pthread_mutex_lock(&lock);
	CHECK_INT(kept_count, size);
	while (kept_count)
		ferry_message_release(kept[--kept_count]);
	pthread_mutex_unlock(&lock);
	for (int rank = 0; rank < size; rank++)
		check_fails(futures[rank], FERRY_EREMOTE, "");
}

static void check_late_handler(int rank)
{
	ferry_future *future = call(rank, OP_LATE);

	system_sleep_ms(GRACE_MS / 8);
	CHECK_OK(ferry_handle(engine, OP_LATE, FERRY_INLINE, stay_silent, NULL));
	check_replies(future, NULL, 0);
}

static void check_read(int rank)
{
	ferry_future *future = call(rank, OP_READ);
	ferry_message *request;

	CHECK_OK(ferry_recv(engine, FERRY_ANY, OP_READ, FERRY_FOREVER, &request));
	CHECK_OK(ferry_reply(request, "read", 5));
	CHECK_STATUS(ferry_reply(request, "again", 6), FERRY_EALREADY);
	ferry_message_release(request);
	check_replies(future, "read", 5);
}

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	int mine, next, size;

	system_watch();
	options.handler_grace = FERRY_MS(GRACE_MS);
	engine = system_open(&options);
	mine = ferry_rank(engine);
	size = ferry_size(engine);
	next = (mine + 1) % size;
	CHECK_OK(ferry_handle(engine, OP_REFUSE, FERRY_INLINE, refuse, NULL));
	CHECK_OK(ferry_handle(engine, OP_FORGET, FERRY_INLINE, forget, NULL));
	CHECK_OK(ferry_handle(engine, OP_SILENT, FERRY_INLINE, stay_silent, NULL));
	CHECK_OK(ferry_handle(engine, OP_TWICE, FERRY_INLINE, reply_twice, NULL));
	CHECK_OK(ferry_handle(engine, OP_NESTED, FERRY_INLINE, do_forbidden, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	for (int rank = 0; rank < size; rank++) {
		check_fails(call(rank, OP_REFUSE), FERRY_EREMOTE, "not on a Sunday");
		check_replies(call(rank, OP_SILENT), NULL, 0);
		check_replies(call(rank, OP_TWICE), "first", 6);
		check_replies(call(rank, OP_NESTED), "fine", 5);
	}
	check_forgotten(size);
	check_nobody(next);
	check_nobody(mine);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	check_late_handler(next);
	check_read(next);
	CHECK_OK(ferry_status(engine));
	CHECK_OK(ferry_close(engine));
	if (mine == 0)
		printf("errors: %d ranks: ENOHANDLER after the grace, EREMOTE with its text, a "
		       "request released unanswered, EALREADY, EDEADLK in a handler, a late "
		       "handler, a reader\n",
		       size);
	return 0;
}
