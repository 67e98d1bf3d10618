/* SPDX-License-Identifier: Apache-2.0 */
/* Futures one at a time: completion, waiting, replies, callbacks, cancel, deadlines,
 * promises, races. */
#include "test.h"
#include "base/cache.h"
#include "base/fail.h"
#include "base/order.h"
#include "future/future.h"
#include "future/hooks.h"
#include "future/task.h"

#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

/* ---- an engine's place, and messages that only count ------------------------- */

struct ferry_message {
	uint32_t refs;
};
static uint32_t messages_alive; /* atomic add */

static ferry_message *make_message(void)
{
	ferry_message *message = calloc(1, sizeof *message);

	message->refs = 1;
	fy_add_32(&messages_alive, 1);
	return message;
}

static void message_retain(ferry_message *message)
{
	fy_add_32(&message->refs, 1);
}

static void message_release(ferry_message *message)
{
	if (fy_add_32(&message->refs, (uint32_t)-1) != 1)
		return;
	fy_add_32(&messages_alive, (uint32_t)-1);
	free(message);
}

static ferry_message *message_empty(ferry *engine)
{
	(void)engine;
	return make_message();
}

static char engine_memory;
static ferry *const engine = (ferry *)(void *)&engine_memory;

static int set_up(void **state)
{
	(void)state;
	fy_future_hooks = (struct fy_future_hooks){ .message_retain = message_retain,
		                                    .message_release = message_release,
		                                    .message_empty = message_empty };
	messages_alive = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fy_future_hooks = (struct fy_future_hooks){ 0 };
	return messages_alive != 0;
}

static ferry_future *make_future(uint32_t flags)
{
	ferry_future *future = fy_future_create(engine, flags);

	assert_non_null(future);
	return future;
}

static void count_call(ferry_future *future, int status, void *arg)
{
	(void)future;
	(void)status;
	fy_add_32(arg, 1);
}

/* ---- arguments ------------------------------------------------------------------ */

static void wrong_arguments_get_einval_and_a_sentence(void **state)
{
	ferry_future *f = make_future(0), *promise, *none = NULL;
	ferry_message *reply;

	(void)state;
#define REFUSED(call)                                         \
	do {                                                  \
		fy_fail(0, "%s", "");                         \
		assert_int_equal(call, FERRY_EINVAL);         \
		assert_true(strlen(ferry_last_error()) > 20); \
	} while (0)
	REFUSED(ferry_future_poll(NULL));
	REFUSED(ferry_future_wait(NULL, 0));
	REFUSED(ferry_future_wait(f, -2));
	REFUSED(ferry_future_take(NULL, &reply));
	REFUSED(ferry_future_take(f, NULL));
	REFUSED(ferry_future_then(NULL, FERRY_INLINE, count_call, NULL));
	REFUSED(ferry_future_then(f, FERRY_INLINE, NULL, NULL));
	REFUSED(ferry_future_then(f, FERRY_ANYWHERE, count_call, NULL));
	REFUSED(ferry_future_deadline(NULL, 1));
	REFUSED(ferry_future_deadline(f, -2));
	REFUSED(ferry_future_cancel(NULL));
	REFUSED(ferry_promise_create(NULL, &promise));
	REFUSED(ferry_promise_create(engine, NULL));
	REFUSED(ferry_promise_fulfil(NULL, 0, NULL));
	REFUSED(ferry_promise_fulfil(f, 0, NULL));
	assert_int_equal(ferry_promise_create(engine, &promise), FERRY_OK);
	REFUSED(ferry_promise_fulfil(promise, FERRY_PENDING, NULL));
	assert_string_equal(ferry_future_detail(NULL), "");
	ferry_future_retain(none);
	ferry_future_release(none);
	assert_int_equal(ferry_future_poll(f), FERRY_PENDING);
	assert_int_equal(ferry_promise_fulfil(promise, 0, NULL), FERRY_OK);
	ferry_future_release(promise);
	fy_future_complete(f, 0, NULL);
	ferry_future_release(f);
}

/* ---- looking and waiting ----------------------------------------------------------- */

static void a_future_is_pending_then_done_for_good(void **state)
{
	ferry_future *f = make_future(0);

	(void)state;
	assert_int_equal(ferry_future_poll(f), FERRY_PENDING);
	assert_int_equal(ferry_future_wait(f, 0), FERRY_PENDING);
	assert_string_equal(ferry_future_detail(f), "");
	ferry_future_retain(f); /* a second party that completes */
	assert_true(fy_future_complete(f, FERRY_EPEER, "rank 3 is gone"));
	assert_false(fy_future_complete(f, FERRY_OK, "too late"));
	assert_int_equal(ferry_future_poll(f), FERRY_EPEER);
	assert_int_equal(ferry_future_wait(f, 0), FERRY_EPEER);
	assert_int_equal(ferry_future_wait(f, FERRY_FOREVER), FERRY_EPEER);
	assert_string_equal(ferry_future_detail(f), "rank 3 is gone");
	ferry_future_release(f);
}

/* Each function that returns what a future failed with says why as ferry_last_error(), and a
 * success leaves that alone. */
static void what_failed_is_the_last_error(void **state)
{
	ferry_future *well = make_future(0), *failed = make_future(FY_FUTURE_IS_CALL),
		     *bare = make_future(0);
	ferry_future *all[] = { well, bare, failed };
	ferry_message *reply;
	size_t index;

	(void)state;
	fy_future_complete(well, FERRY_OK, NULL);
	fy_future_complete(failed, FERRY_EREMOTE, "not on a Sunday");
	fy_future_complete(bare, FERRY_EPEER, NULL);
#define SAYS(call, status, text)                               \
	do {                                                   \
		fy_fail(0, "stale");                           \
		assert_int_equal(call, status);                \
		assert_string_equal(ferry_last_error(), text); \
	} while (0)
	SAYS(ferry_future_poll(failed), FERRY_EREMOTE, "not on a Sunday");
	SAYS(ferry_future_wait(failed, 0), FERRY_EREMOTE, "not on a Sunday");
	SAYS(ferry_future_wait(failed, FERRY_FOREVER), FERRY_EREMOTE, "not on a Sunday");
	SAYS(ferry_future_take(failed, &reply), FERRY_EALREADY,
	     "there is no reply to take: not on a Sunday");
	SAYS(ferry_future_wait(bare, FERRY_FOREVER), FERRY_EPEER, ferry_strerror(FERRY_EPEER));
	SAYS(ferry_wait_all(all, 3, FERRY_FOREVER), FERRY_EPEER, "futures[1]: that rank is gone");
	SAYS(ferry_wait_any(all + 2, 1, FERRY_FOREVER, &index), FERRY_EREMOTE, "not on a Sunday");
	SAYS(ferry_future_poll(well), FERRY_OK, "stale");
	SAYS(ferry_future_wait(well, FERRY_FOREVER), FERRY_OK, "stale");
	SAYS(ferry_wait_all(all, 1, FERRY_FOREVER), FERRY_OK, "stale");
	for (int i = 0; i < 3; i++)
		ferry_future_release(all[i]);
}

static void *fail_soon(void *arg)
{
	t_sleep_ms(20);
	fy_future_complete(arg, FERRY_EMPI, "while you slept");
	return NULL;
}

static void a_failure_that_is_waited_for_is_the_last_error(void **state)
{
	(void)state;
	for (int any = 0; any < 2; any++) {
		ferry_future *f = make_future(0);
		pthread_t thread;
		pthread_create(&thread, NULL, fail_soon, f);
		if (any)
			SAYS(ferry_wait_any(&f, 1, FERRY_FOREVER, NULL), FERRY_EMPI,
			     "while you slept");
		else
			SAYS(ferry_future_wait(f, FERRY_FOREVER), FERRY_EMPI, "while you slept");
		pthread_join(thread, NULL);
		ferry_future_release(f);
	}
}

static void a_wait_ends_at_its_time(void **state)
{
	ferry_future *f = make_future(0);
	int64_t before = t_now();

	(void)state;
	assert_int_equal(ferry_future_wait(f, FERRY_MS(30)), FERRY_PENDING);
	assert_true(t_now() - before >= FERRY_MS(30));
	assert_int_equal(ferry_future_wait(f, 1), FERRY_PENDING);
	fy_future_complete(f, FERRY_OK, NULL);
	ferry_future_release(f);
}

struct waiter {
	pthread_t thread;
	ferry_future *future;
	int64_t timeout;
	int status;
	uint32_t entered;
};

static void *wait_in_thread(void *arg)
{
	struct waiter *waiter = arg;

	fy_store_release_32(&waiter->entered, 1);
	waiter->status = ferry_future_wait(waiter->future, waiter->timeout);
	return NULL;
}

static void waiters_are_woken(void **state)
{
	ferry_future *f = make_future(0);
	struct waiter waiters[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		waiters[i] = (struct waiter){ .future = f,
			                      .timeout = i % 2 ? FERRY_FOREVER : FERRY_S(100) };
		pthread_create(&waiters[i].thread, NULL, wait_in_thread, &waiters[i]);
	}
	t_sleep_ms(20);
	fy_future_complete(f, FERRY_ETRUNC, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(waiters[i].thread, NULL);
		assert_int_equal(waiters[i].status, FERRY_ETRUNC);
	}
	ferry_future_release(f);
}

static void *cancelled_waiter(void *arg)
{
	wait_in_thread(arg);
	pthread_testcancel(); /* the first cancellation point */
	return NULL;
}

static void a_waiter_that_is_cancelled_finishes_its_wait(void **state)
{
	ferry_future *f = make_future(0);
	struct waiter waiter = { .future = f, .timeout = FERRY_FOREVER, .status = 77 };
	void *result;

	(void)state;
	pthread_create(&waiter.thread, NULL, cancelled_waiter, &waiter);
	while (!fy_load_acquire_32(&waiter.entered))
		t_sleep_ms(1);
	t_sleep_ms(10);
	pthread_cancel(waiter.thread);
	t_sleep_ms(10);
	fy_future_complete(f, FERRY_OK, NULL);
	pthread_join(waiter.thread, &result);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(waiter.status, FERRY_OK);
	ferry_future_release(f);
}

static bool always_on_progress(const ferry *which)
{
	return which == engine;
}

static void waiting_on_the_progress_thread_is_edeadlk_at_once(void **state)
{
	ferry_future *f = make_future(0), *two[2] = { f, f };
	int64_t before = t_now();

	(void)state;
	fy_future_hooks.on_progress = always_on_progress;
	assert_int_equal(ferry_future_wait(f, FERRY_FOREVER), FERRY_EDEADLK);
	assert_true(strlen(ferry_last_error()) > 20);
	assert_int_equal(ferry_future_wait(f, FERRY_S(100)), FERRY_EDEADLK);
	assert_int_equal(ferry_wait_all(two, 2, FERRY_S(100)), FERRY_EDEADLK);
	assert_int_equal(ferry_wait_any(two, 2, FERRY_S(100), NULL), FERRY_EDEADLK);
	assert_true(t_now() - before < FERRY_S(10));
	assert_int_equal(ferry_future_wait(f, 0), FERRY_PENDING);
	assert_int_equal(ferry_wait_all(two, 2, 0), FERRY_PENDING);
	assert_int_equal(ferry_wait_any(two, 2, 0, NULL), FERRY_PENDING);
	fy_future_complete(f, FERRY_EDECODE, NULL);
	assert_int_equal(ferry_future_wait(f, FERRY_FOREVER), FERRY_EDECODE);
	assert_int_equal(ferry_wait_all(two, 2, FERRY_FOREVER), FERRY_EDECODE);
	ferry_future_release(f);
}

static ferry_future *driven;
static unsigned drives;

static void complete_driven(ferry *which, const ferry_future *future, int64_t until)
{
	(void)until;
	if (which == engine && !fy_future_is_done(future) && drives++ > 0)
		fy_future_complete(driven, FERRY_OK, NULL);
}

static void a_waiting_thread_may_drive_the_engine(void **state)
{
	ferry_future *f[2] = { make_future(0), make_future(0) };
	size_t index = 9;

	(void)state;
	fy_future_hooks.engine_wait = complete_driven;
	driven = f[0];
	drives = 0;
	assert_int_equal(ferry_future_wait(f[0], 1000), FERRY_PENDING); /* it did nothing */
	assert_int_equal(ferry_future_wait(f[0], FERRY_FOREVER), FERRY_OK);
	driven = f[1];
	assert_int_equal(ferry_wait_any(&f[1], 1, FERRY_FOREVER, &index), FERRY_OK);
	assert_int_equal(index, 0);
	assert_int_equal(drives, 3);
	ferry_future_release(f[0]);
	ferry_future_release(f[1]);
}

/* ---- replies ------------------------------------------------------------------------- */

static void a_reply_is_taken_once(void **state)
{
	ferry_future *f = make_future(FY_FUTURE_IS_CALL);
	ferry_message *message = make_message(), *reply = NULL;

	(void)state;
	assert_int_equal(ferry_future_take(f, &reply), FERRY_PENDING);
	assert_true(fy_future_complete_reply(f, message));
	assert_int_equal(ferry_future_take(f, &reply), FERRY_OK);
	assert_ptr_equal(reply, message);
	assert_int_equal(ferry_future_take(f, &reply), FERRY_EALREADY);
	ferry_future_release(f);
	message_release(message);
}

static void an_empty_reply_is_an_empty_message_once(void **state)
{
	ferry_future *f = make_future(FY_FUTURE_IS_CALL);
	ferry_message *reply = NULL;

	(void)state;
	assert_true(fy_future_complete_reply(f, NULL));
	assert_int_equal(ferry_future_take(f, &reply), FERRY_OK);
	assert_non_null(reply);
	message_release(reply);
	assert_int_equal(ferry_future_take(f, &reply), FERRY_EALREADY);
	ferry_future_release(f);
}

static void what_has_no_reply_is_ealready(void **state)
{
	ferry_future *post = make_future(0), *failed = make_future(FY_FUTURE_IS_CALL);
	ferry_message *reply = NULL;

	(void)state;
	fy_future_complete(post, FERRY_OK, NULL);
	fy_future_complete(failed, FERRY_EREMOTE, "no");
	assert_int_equal(ferry_future_take(post, &reply), FERRY_EALREADY);
	assert_int_equal(ferry_future_take(failed, &reply), FERRY_EALREADY);
	assert_null(reply);
	ferry_future_release(post);
	ferry_future_release(failed);
}

static void replies_that_nobody_takes_are_released(void **state)
{
	ferry_future *f = make_future(FY_FUTURE_IS_CALL);

	(void)state;
	ferry_future_retain(f);
	assert_true(fy_future_complete_reply(f, make_message()));
	assert_false(fy_future_complete_reply(f, make_message())); /* lost the race */
	assert_int_equal(messages_alive, 1);
	ferry_future_release(f);
	assert_int_equal(messages_alive, 0);
}

static void a_future_may_be_released_before_it_is_done(void **state)
{
	ferry_future *f = make_future(FY_FUTURE_IS_CALL);

	(void)state;
	ferry_future_release(f);
	assert_true(fy_future_complete_reply(f, make_message()));
	assert_int_equal(messages_alive, 0);
}

/* ---- cancel and deadlines --------------------------------------------------------------- */

static ferry_future *abandoned_one;

static void note_abandoned(ferry *which, ferry_future *future)
{
	assert_ptr_equal(which, engine);
	assert_false(fy_future_is_done(future));
	/* Between the claim and DONE: it is decided, though nobody can read it yet. */
	assert_false(fy_future_claim(future));
	assert_int_equal(ferry_future_cancel(future), FERRY_EALREADY);
	abandoned_one = future;
}

/* Its waiter has been there and left: that is no reason to keep it. */
static void a_future_that_was_awaited_in_vain_and_released_goes_when_it_is_done(void **state)
{
	(void)state;
	for (int variant = 0; variant < 3; variant++) {
		ferry_future *future = make_future(FY_FUTURE_IS_CALL);
		unsigned cached = fy_cache_count(FY_CACHE_FUTURES);

		assert_int_equal(ferry_future_wait(future, FERRY_US(10)), FERRY_PENDING);
		assert_int_equal(ferry_wait_all(&future, 1, FERRY_US(10)), FERRY_PENDING);
		ferry_future_release(future);
		assert_int_equal(fy_cache_count(FY_CACHE_FUTURES), cached);
		if (variant == 0)
			fy_future_complete(future, FERRY_OK, NULL);
		else if (variant == 1)
			fy_future_complete(future, FERRY_EPEER, "gone");
		else
			fy_future_complete_reply(future, make_message());
		assert_int_equal(fy_cache_count(FY_CACHE_FUTURES), cached + 1);
		assert_int_equal(messages_alive, 0);
	}
}

static void cancel_decides_once(void **state)
{
	ferry_future *f = make_future(0);

	(void)state;
	fy_future_hooks.abandoned = note_abandoned;
	assert_int_equal(ferry_future_cancel(f), FERRY_OK);
	assert_ptr_equal(abandoned_one, f);
	assert_int_equal(ferry_future_poll(f), FERRY_ECANCELED);
	assert_non_null(strstr(ferry_future_detail(f), "cancelled"));
	assert_int_equal(ferry_future_cancel(f), FERRY_EALREADY);
	assert_int_equal(ferry_future_deadline(f, 5), FERRY_EALREADY);
	assert_int_equal(ferry_future_deadline(f, 0), FERRY_EALREADY);
	assert_false(fy_future_complete(f, FERRY_OK, NULL));
	assert_int_equal(ferry_future_poll(f), FERRY_ECANCELED);
	ferry_future_release(f);
}

static void some_operations_cannot_be_cancelled(void **state)
{
	ferry_future *f = make_future(FY_FUTURE_NO_CANCEL);

	(void)state;
	assert_int_equal(ferry_future_cancel(f), FERRY_ENOTSUP);
	assert_int_equal(ferry_future_poll(f), FERRY_PENDING);
	fy_future_complete(f, FERRY_OK, NULL);
	ferry_future_release(f);
}

static void the_detail_says_whether_the_message_was_sent(void **state)
{
	ferry_future *before = make_future(FY_FUTURE_IS_POSTED),
		     *after = make_future(FY_FUTURE_IS_POSTED);

	(void)state;
	assert_int_equal(ferry_future_cancel(before), FERRY_OK);
	assert_false(fy_future_depart(before));
	assert_non_null(strstr(ferry_future_detail(before), "had not been sent and will not be"));
	assert_true(fy_future_depart(after));
	assert_int_equal(ferry_future_deadline(after, 0), FERRY_OK);
	assert_int_equal(ferry_future_poll(after), FERRY_ETIMEDOUT);
	assert_non_null(strstr(ferry_future_detail(after), "had been sent"));
	/* a collective, in its lane */
	ferry_future *sure = make_future(FY_FUTURE_IS_STARTED | FY_FUTURE_IS_SURE);
	assert_int_equal(ferry_future_cancel(sure), FERRY_OK);
	assert_non_null(strstr(ferry_future_detail(sure), "goes on all the same"));
	fy_future_complete(sure, FERRY_OK, NULL);
	ferry_future_release(sure);
	fy_future_complete(before, FERRY_OK, NULL);
	fy_future_complete(after, FERRY_OK, NULL);
	ferry_future_release(before);
	ferry_future_release(after);
}

static ferry_future *timed;
static int64_t timed_when;
static int timed_result;

static int note_deadline(ferry *which, ferry_future *future, int64_t when)
{
	assert_ptr_equal(which, engine);
	if (timed_result < 0)
		return timed_result;
	ferry_future_retain(future);
	timed = future;
	timed_when = when;
	return FERRY_OK;
}

static uint32_t cancelling; /* set by the canceller before it cancels */

static void *cancel_in_thread(void *arg)
{
	fy_store_release_32(&cancelling, 1);
	return (void *)(intptr_t)ferry_future_cancel(arg);
}

/* Cancel what the helm has claimed for a moment; *status_p: what the cancel returned. */
static void cancel_while_claimed(ferry_future *f, bool found, int *status_p)
{
	pthread_t thread;
	void *status;

	fy_store_release_32(&cancelling, 0);
	assert_true(fy_future_claim(f));
	pthread_create(&thread, NULL, cancel_in_thread, f);
	while (!fy_load_acquire_32(&cancelling))
		t_sleep_ms(1);
	t_sleep_ms(20);
	assert_int_equal(ferry_future_poll(f), FERRY_PENDING);
	if (found)
		fy_future_finish(f, FERRY_OK);
	else
		fy_future_unclaim(f);
	pthread_join(thread, &status);
	*status_p = (int)(intptr_t)status;
	ferry_future_release(f); /* the engine's */
}

/* Whoever gives up a probe while the helm looks waits for what comes of it, and has decided it,
 * or not. */
static void a_probe_that_is_looked_at_can_be_given_up_afterwards(void **state)
{
	uint32_t flags = FY_FUTURE_IS_STARTED | FY_FUTURE_IS_PROBE;
	ferry_future *f = make_future(flags);
	int status;

	(void)state;
	fy_future_depart(f);
	cancel_while_claimed(f, false, &status);
	assert_int_equal(status, FERRY_OK);
	assert_int_equal(ferry_future_poll(f), FERRY_ECANCELED);
	assert_non_null(strstr(ferry_future_detail(f), "matched no message"));
	ferry_future_release(f);

	f = make_future(flags);
	fy_future_depart(f);
	cancel_while_claimed(f, true, &status);
	assert_int_equal(status, FERRY_EALREADY);
	assert_int_equal(ferry_future_poll(f), FERRY_OK);
	ferry_future_release(f);
}

static void a_deadline_is_a_timer_of_the_engine(void **state)
{
	ferry_future *f = make_future(0), *done = make_future(0);

	(void)state;
	fy_future_hooks.deadline = note_deadline;
	assert_int_equal(ferry_future_deadline(f, FERRY_FOREVER), FERRY_OK);
	assert_null(timed);
	timed_result = FERRY_ESTOPPED;
	assert_int_equal(ferry_future_deadline(f, FERRY_MS(5)), FERRY_ESTOPPED);
	timed_result = 0;
	int64_t before = t_now();
	assert_int_equal(ferry_future_deadline(f, FERRY_MS(5)), FERRY_OK);
	assert_true(timed_when >= before + FERRY_MS(5) && timed_when <= t_now() + FERRY_MS(5));
	assert_int_equal(ferry_future_poll(f), FERRY_PENDING);
	assert_true(fy_future_expire(timed));
	assert_int_equal(ferry_future_poll(f), FERRY_ETIMEDOUT);
	assert_non_null(strstr(ferry_future_detail(f), "deadline"));
	assert_int_equal(ferry_future_deadline(done, INT64_MAX), FERRY_OK);
	assert_true(timed_when == INT64_MAX);
	fy_future_complete(done, FERRY_OK, NULL);
	assert_false(fy_future_expire(timed));
	assert_int_equal(ferry_future_poll(done), FERRY_OK);
	fy_future_hooks.deadline = NULL;
	assert_false(fy_future_complete(f, FERRY_OK, NULL));
	ferry_future_release(f);
	ferry_future_release(done);
}

static void a_deadline_without_an_engine_is_not_supported(void **state)
{
	ferry_future *f = fy_future_create(NULL, 0);

	(void)state;
	assert_int_equal(ferry_future_deadline(f, 1), FERRY_ENOTSUP);
	assert_int_equal(ferry_future_deadline(f, 0), FERRY_OK);
	assert_false(fy_future_complete(f, FERRY_OK, NULL));
	ferry_future_release(f);
}

/* ---- callbacks ----------------------------------------------------------------------------- */

struct seen {
	ferry_future *future;
	int status;
	unsigned calls;
	bool release;
};

/* A callback may print ferry_last_error(), as who waits does. */
static void note_last_error(ferry_future *future, int status, void *arg)
{
	(void)future;
	snprintf(arg, 64, "%d %.50s", status, ferry_last_error());
}

static void a_callback_finds_the_text_of_what_failed(void **state)
{
	ferry_future *f = make_future(0);
	ferry_executor *queue;
	char seen[64] = "";

	(void)state;
	assert_int_equal(ferry_queue_create(engine, &queue), FERRY_OK);
	assert_int_equal(ferry_future_then(f, queue, note_last_error, seen), FERRY_OK);
	fy_future_complete(f, FERRY_EPEER, "rank 3 fell overboard");
	fy_fail(0, "stale");
	assert_int_equal(ferry_executor_run(queue, 0, 0), 1);
	assert_string_equal(seen, "-27 rank 3 fell overboard");
	ferry_future_release(f);
	ferry_executor_destroy(queue);
}

static void see(ferry_future *future, int status, void *arg)
{
	struct seen *seen = arg;

	seen->future = future;
	seen->status = status;
	seen->calls++;
	if (seen->release)
		ferry_future_release(future);
}

static void a_callback_runs_once_on_its_executor_and_never_inside_then(void **state)
{
	ferry_future *early = make_future(0), *late = make_future(0);
	struct seen seen_early = { .release = true }, seen_late = { .release = true };
	ferry_executor *queue;

	(void)state;
	assert_int_equal(ferry_queue_create(engine, &queue), FERRY_OK);
	assert_int_equal(ferry_future_then(early, queue, see, &seen_early), FERRY_OK);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 0);
	fy_future_complete(early, FERRY_ETOOBIG, NULL);
	fy_future_complete(late, FERRY_OK, NULL);
	assert_int_equal(ferry_future_then(late, queue, see, &seen_late), FERRY_OK);
	assert_int_equal(seen_early.calls + seen_late.calls, 0);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 2);
	assert_int_equal(seen_early.calls, 1);
	assert_ptr_equal(seen_early.future, early);
	assert_int_equal(seen_early.status, FERRY_ETOOBIG);
	assert_int_equal(seen_late.calls, 1);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 0);
	ferry_executor_destroy(queue);
}

static void a_second_callback_is_refused(void **state)
{
	ferry_future *f = make_future(0);
	struct seen seen = { 0 };
	ferry_executor *queue;

	(void)state;
	ferry_queue_create(engine, &queue);
	assert_int_equal(ferry_future_then(f, queue, see, &seen), FERRY_OK);
	assert_int_equal(ferry_future_then(f, queue, see, &seen), FERRY_EINVAL);
	fy_future_complete(f, FERRY_OK, NULL);
	assert_int_equal(ferry_executor_run(queue, 0, 0), 1);
	assert_int_equal(ferry_future_then(f, queue, see, &seen), FERRY_EINVAL);
	ferry_future_release(f);
	ferry_executor_destroy(queue);
	assert_int_equal(seen.calls, 1);
}

static struct fy_task *inline_task;
static bool engine_closed;

static int run_inline(ferry *which, struct fy_task *task)
{
	assert_ptr_equal(which, engine);
	if (engine_closed)
		return FERRY_ESTOPPED;
	inline_task = task;
	return FERRY_OK;
}

static void an_inline_callback_goes_to_the_progress_thread(void **state)
{
	ferry_future *f = make_future(0), *late = make_future(0);
	struct seen seen = { 0 }, seen_late = { 0 };

	(void)state;
	fy_future_hooks.run_inline = run_inline;
	engine_closed = false;
	assert_int_equal(ferry_future_then(f, FERRY_INLINE, see, &seen), FERRY_OK);
	fy_future_complete(f, FERRY_OK, NULL);
	assert_int_equal(seen.calls, 0);
	inline_task->run(inline_task);
	assert_int_equal(seen.calls, 1);
	fy_future_complete(late, FERRY_OK, NULL);
	assert_int_equal(ferry_future_then(late, FERRY_INLINE, see, &seen_late), FERRY_OK);
	assert_int_equal(seen_late.calls, 0);
	inline_task->run(inline_task);
	assert_int_equal(seen_late.calls, 1);
	ferry_future_release(f);
	ferry_future_release(late);
}

static void an_inline_callback_after_close_is_estopped_or_runs_at_completion(void **state)
{
	ferry_future *f = make_future(0), *pending = make_future(0);
	struct seen seen = { 0 };

	(void)state;
	fy_future_hooks.run_inline = run_inline;
	engine_closed = true;
	fy_future_complete(f, FERRY_OK, NULL);
	assert_int_equal(ferry_future_then(f, FERRY_INLINE, see, &seen), FERRY_ESTOPPED);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(ferry_future_then(pending, FERRY_INLINE, see, &seen), FERRY_OK);
	fy_future_complete(pending, FERRY_ESTOPPED, NULL);
	assert_int_equal(seen.calls, 1);
	ferry_future_release(f);
	ferry_future_release(pending);
}

static void a_callback_of_a_destroyed_executor_does_not_run_and_leaves_nothing(void **state)
{
	ferry_future *f = make_future(0);
	struct seen seen = { 0 };
	ferry_executor *queue;

	(void)state;
	ferry_queue_create(engine, &queue);
	assert_int_equal(ferry_future_then(f, queue, see, &seen), FERRY_OK);
	ferry_executor_destroy(queue);
	fy_future_complete(f, FERRY_OK, NULL);
	assert_int_equal(seen.calls, 0);
	ferry_future_release(f);
}

/* ---- promises ------------------------------------------------------------------------------ */

static unsigned opened, closed;
static int open_result;

static int promise_opened(ferry *which, ferry_future *future)
{
	(void)future;
	assert_ptr_equal(which, engine);
	opened += open_result == 0;
	return open_result;
}

static void promise_closed(ferry *which, ferry_future *future)
{
	assert_ptr_equal(which, engine);
	assert_false(fy_future_is_done(future));
	assert_false(fy_future_claim(future));
	closed++;
}

static void a_promise_is_fulfilled_once(void **state)
{
	ferry_message *value = make_message(), *got = NULL;
	ferry_future *promise;

	(void)state;
	assert_int_equal(ferry_promise_create(engine, &promise), FERRY_OK);
	assert_int_equal(ferry_future_poll(promise), FERRY_PENDING);
	assert_int_equal(ferry_promise_fulfil(promise, FERRY_OK, value), FERRY_OK);
	assert_int_equal(ferry_promise_fulfil(promise, FERRY_EREMOTE, value), FERRY_EALREADY);
	assert_int_equal(ferry_future_poll(promise), FERRY_OK);
	assert_int_equal(ferry_future_take(promise, &got), FERRY_OK);
	assert_ptr_equal(got, value);
	assert_int_equal(value->refs, 2);
	message_release(got);
	assert_int_equal(ferry_future_take(promise, &got), FERRY_EALREADY);
	message_release(value);
	ferry_future_release(promise);
}

static void whoever_decides_a_promise_takes_it_from_its_engine_once(void **state)
{
	ferry_future *promise;

	(void)state;
	fy_future_hooks.promise_opened = promise_opened;
	fy_future_hooks.promise_closed = promise_closed;
	opened = closed = 0;
	for (int who = 0; who < 4; who++) {
		assert_int_equal(ferry_promise_create(engine, &promise), FERRY_OK);
		if (who == 0)
			assert_int_equal(ferry_promise_fulfil(promise, FERRY_EDECODE, NULL),
			                 FERRY_OK);
		if (who == 1)
			assert_int_equal(ferry_future_cancel(promise), FERRY_OK);
		if (who == 2)
			assert_int_equal(ferry_future_deadline(promise, 0), FERRY_OK);
		ferry_future_retain(promise); /* as close does */
		assert_int_equal(fy_future_complete(promise, FERRY_ESTOPPED, "closed"), who == 3);
		assert_int_equal(opened, who + 1);
		assert_int_equal(closed, who + 1);
		assert_int_equal(fy_future_refs(promise), 1);
		ferry_future_release(promise);
	}
	open_result = FERRY_ESTOPPED;
	promise = NULL;
	assert_int_equal(ferry_promise_create(engine, &promise), FERRY_ESTOPPED);
	assert_null(promise);
	open_result = 0;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void *make_and_release_many(void *arg)
{
	ferry_future *futures[FY_CACHE_MAX + 50];
	size_t count = sizeof futures / sizeof futures[0];
	unsigned *cached = arg;

	for (size_t i = 0; i < count; i++)
		futures[i] = fy_future_create(NULL, 0);
	for (size_t i = 0; i < count; i++) {
		ferry_future_release(futures[i]);
		fy_future_complete(futures[i], FERRY_OK, NULL);
	}
	if (cached)
		*cached = fy_cache_count(FY_CACHE_FUTURES);
	return NULL;
}

static void the_cache_is_bounded_and_used(void **state)
{
	unsigned cached = 0;
	pthread_t thread;
	ferry_future *f;

	(void)state;
	pthread_create(&thread, NULL, make_and_release_many, &cached);
	pthread_join(thread, NULL);
	assert_int_equal(cached, FY_CACHE_MAX);
	f = make_future(0);
	fy_future_complete(f, FERRY_OK, NULL);
	ferry_future_release(f);
	cached = fy_cache_count(FY_CACHE_FUTURES);
	f = make_future(0);
	assert_int_equal(fy_cache_count(FY_CACHE_FUTURES), cached - 1);
	fy_future_complete(f, FERRY_OK, NULL);
	ferry_future_release(f);
	assert_int_equal(fy_cache_count(FY_CACHE_FUTURES), cached);
}

static void threads_that_come_and_go_leave_no_memory_behind(void **state)
{
	unsigned long threads = t_scaled(4000);
	size_t early = 0;

	(void)state;
	for (unsigned long i = 0; i < threads; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, make_and_release_many, NULL), 0);
		pthread_join(thread, NULL);
		if (i == threads / 4)
			early = mallinfo2().uordblks;
	}
	assert_true(mallinfo2().uordblks <= early + (64 << 10));
}

static pthread_key_t late_key;

static void release_late(void *arg)
{
	static _Thread_local int rounds;

	/* Run again and again, so that it surely runs after the cache was emptied. */
	if (++rounds < 3) {
		pthread_setspecific(late_key, arg);
		return;
	}
	fy_future_complete(arg, FERRY_OK, NULL);
	ferry_future_release(arg);
}

static void *leave_a_future_to_a_destructor(void *arg)
{
	make_and_release_many(NULL);
	pthread_setspecific(late_key, fy_future_create(NULL, 0));
	return arg;
}

static void destructors_of_the_program_may_still_release(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_key_create(&late_key, release_late), 0);
	pthread_create(&thread, NULL, leave_a_future_to_a_destructor, NULL);
	pthread_join(thread, NULL);
	pthread_key_delete(late_key); /* a leak is the sanitizer's to find */
}

/* ---- races ------------------------------------------------------------- */

enum { RACERS = 5 };

/* One future (or promise) after another, decided by all racers at once. */
static struct {
	pthread_barrier_t start, end;
	unsigned long rounds;
	bool promise;
	ferry_future *future;
	ferry_executor *where;
	uint32_t winners, callbacks, wrong; /* atomic add */
	struct {
		int status;
	} told[RACERS];
} race;

static bool attempt(int racer)
{
	ferry_future *f = race.future;
	ferry_message *value;
	bool won;

	switch (racer) {
	case 0:
		return ferry_future_cancel(f) == FERRY_OK;
	case 1:
		if (!race.promise)
			return fy_future_complete_reply(f, make_message());
		value = make_message();
		won = ferry_promise_fulfil(f, FERRY_EREMOTE, value) == FERRY_OK;
		message_release(value);
		return won;
	case 2:
		return fy_future_expire(f);
	case 3:
		return fy_future_complete(f, FERRY_ESTOPPED, "the engine closes");
	default: /* waits, and registers the callback */
		if (ferry_future_then(f, race.where, count_call, &race.callbacks) != FERRY_OK)
			fy_add_32(&race.wrong, 1);
		race.told[racer].status = ferry_future_wait(f, FERRY_FOREVER);
		return false;
	}
}

static void *racer(void *arg)
{
	int number = (int)(intptr_t)arg;

	for (unsigned long i = 0; i < race.rounds; i++) {
		pthread_barrier_wait(&race.start);
		if (attempt(number))
			fy_add_32(&race.winners, 1);
		if (number < RACERS - 1)
			race.told[number].status = ferry_future_wait(race.future, FERRY_FOREVER);
		pthread_barrier_wait(&race.end);
	}
	return NULL;
}

static void one_round(void)
{
	ferry_future *f = NULL;

	if (race.promise)
		assert_int_equal(ferry_promise_create(engine, &f), FERRY_OK);
	else
		f = make_future(FY_FUTURE_IS_CALL | FY_FUTURE_IS_POSTED);
	/* References: make_future's second is the replier's; a promise drops its own. */
	ferry_future_retain(f); /* of the timer */
	ferry_future_retain(f); /* of close */
	race.future = f;
	race.winners = 0;
	race.callbacks = 0;
	pthread_barrier_wait(&race.start);
	pthread_barrier_wait(&race.end);
	ferry_executor_run(race.where, 0, 0);
	assert_int_equal(race.winners, 1);
	assert_int_equal(race.callbacks, 1);
	assert_int_equal(race.wrong, 0);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(race.told[i].status, ferry_future_poll(f));
	assert_int_equal(fy_future_refs(f), 1);
	ferry_future_release(f);
	assert_int_equal(messages_alive, 0);
}

static void run_race(bool promise)
{
	pthread_t threads[RACERS];

	memset(&race, 0, sizeof race);
	race.rounds = t_scaled(3000);
	race.promise = promise;
	pthread_barrier_init(&race.start, NULL, RACERS + 1);
	pthread_barrier_init(&race.end, NULL, RACERS + 1);
	ferry_queue_create(engine, &race.where);
	for (intptr_t i = 0; i < RACERS; i++)
		pthread_create(&threads[i], NULL, racer, (void *)i);
	for (unsigned long i = 0; i < race.rounds; i++)
		one_round();
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	ferry_executor_destroy(race.where);
	pthread_barrier_destroy(&race.start);
	pthread_barrier_destroy(&race.end);
}

static void reply_cancel_deadline_and_close_race_and_one_wins(void **state)
{
	(void)state;
	run_race(false);
}

static void fulfilment_cancel_deadline_and_close_race_and_one_wins(void **state)
{
	(void)state;
	run_race(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(wrong_arguments_get_einval_and_a_sentence),
		TEST(a_future_is_pending_then_done_for_good),
		TEST(what_failed_is_the_last_error),
		TEST(a_failure_that_is_waited_for_is_the_last_error),
		TEST(a_wait_ends_at_its_time),
		TEST(waiters_are_woken),
		TEST(a_waiter_that_is_cancelled_finishes_its_wait),
		TEST(waiting_on_the_progress_thread_is_edeadlk_at_once),
		TEST(a_waiting_thread_may_drive_the_engine),
		TEST(a_reply_is_taken_once),
		TEST(an_empty_reply_is_an_empty_message_once),
		TEST(what_has_no_reply_is_ealready),
		TEST(replies_that_nobody_takes_are_released),
		TEST(a_future_may_be_released_before_it_is_done),
		TEST(a_future_that_was_awaited_in_vain_and_released_goes_when_it_is_done),
		TEST(cancel_decides_once),
		TEST(some_operations_cannot_be_cancelled),
		TEST(the_detail_says_whether_the_message_was_sent),
		TEST(a_probe_that_is_looked_at_can_be_given_up_afterwards),
		TEST(a_deadline_is_a_timer_of_the_engine),
		TEST(a_deadline_without_an_engine_is_not_supported),
		TEST(a_callback_runs_once_on_its_executor_and_never_inside_then),
		TEST(a_callback_finds_the_text_of_what_failed),
		TEST(a_second_callback_is_refused),
		TEST(an_inline_callback_goes_to_the_progress_thread),
		TEST(an_inline_callback_after_close_is_estopped_or_runs_at_completion),
		TEST(a_callback_of_a_destroyed_executor_does_not_run_and_leaves_nothing),
		TEST(a_promise_is_fulfilled_once),
		TEST(whoever_decides_a_promise_takes_it_from_its_engine_once),
		TEST(the_cache_is_bounded_and_used),
		TEST(threads_that_come_and_go_leave_no_memory_behind),
		TEST(destructors_of_the_program_may_still_release),
		TEST(reply_cancel_deadline_and_close_race_and_one_wins),
		TEST(fulfilment_cancel_deadline_and_close_race_and_one_wins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
