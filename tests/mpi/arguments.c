/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrong arguments: each gets its status and a sentence, writes nothing, and nothing else happens.
 * Every case runs in a thread of its own, where the last error is empty at first, so that a
 * sentence that is found there was made by this case.
 */
#include "system.h"

enum { OP = 1 };

#define UNTOUCHED(type) ((type *)&untouched)

static char untouched;
static ferry *engine;
static ferry_future *future = UNTOUCHED(ferry_future);
static ferry_executor *executor = UNTOUCHED(ferry_executor);
static ferry_future *no_futures[1];
static ferry_message *message = UNTOUCHED(ferry_message);
static ferry_message *posted; /* was posted, so that it cannot be changed any more */
static ferry *opened = UNTOUCHED(ferry);
static ferry_counter *counter = UNTOUCHED(ferry_counter);
static size_t index_found = 77;
static int handled; /* written by the handler alone until a fence */

/* The options of a program that is newer than the library. */
static struct {
	ferry_options known;
	int64_t unknown;
} newer = { FERRY_OPTIONS_INIT, 1 };

static int open_newer(void)
{
	newer.known.size = sizeof newer;
	return ferry_open(&newer.known, &opened);
}

static int open_without_size(void)
{
	ferry_options options = { 0 };

	return ferry_open(&options, &opened);
}

static int open_with_wrong_field(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	options.handler_grace = -5;
	return ferry_open(&options, &opened);
}

static int open_with_wrong_flag(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	options.flags = 0x80000000u;
	return ferry_open(&options, &opened);
}

static int open_with_environment(const char *name, const char *value)
{
	int status;

	CHECK_INT(setenv(name, value, 1), 0);
	status = ferry_open(NULL, &opened);
	CHECK_INT(unsetenv(name), 0);
	return status;
}

static void called(ferry_future *done, int status, void *arg)
{
	(void)done;
	(void)status;
	(void)arg;
	CHECK_FAIL("a callback that was refused was called");
}

static void handle(ferry *on, ferry_message *received, void *arg)
{
	(void)on;
	(void)received;
	(void)arg;
	handled++;
}

/* What is refused before there is an engine; one that opened all the same would change `opened`. */
#define REFUSED_AT_OPEN(X)                                             \
	X(ferry_open(NULL, NULL))                                      \
	X(open_newer())                                                \
	X(open_without_size())                                         \
	X(open_with_wrong_field())                                     \
	X(open_with_wrong_flag())                                      \
	X(open_with_environment("FERRY_SPIN", "banana"))               \
	X(open_with_environment("FERRY_FLAGS", "exclusive,banana"))    \
	X(open_with_environment("FERRY_RECEIVE_MEMORY", "12 bananas")) \
	X(open_with_environment("FERRY_HANDLER_GRACE", "-3"))          \
	X(open_with_environment("FERRY_THREAD_LEVEL", "9"))

#define BEYOND ferry_size(engine)

#define REFUSED(X)                                                             \
	X(ferry_on_peer(NULL, FERRY_INLINE, NULL, NULL))                       \
	X(ferry_peer_status(NULL, 0))                                          \
	X(ferry_peer_status(engine, -1))                                       \
	X(ferry_peer_status(engine, BEYOND))                                   \
	X(ferry_peer_gone(NULL, 0, "why"))                                     \
	X(ferry_peer_gone(engine, BEYOND, "why"))                              \
	X(ferry_peer_gone(engine, ferry_rank(engine), NULL))                   \
	X(ferry_post(NULL, 0, OP, "x", 1, &future))                            \
	X(ferry_post(engine, -1, OP, "x", 1, &future))                         \
	X(ferry_post(engine, BEYOND, OP, "x", 1, &future))                     \
	X(ferry_post(engine, INT32_MIN, OP, "x", 1, &future))                  \
	X(ferry_post(engine, 0, OP, NULL, 1, &future))                         \
	X(ferry_post(engine, 0, FERRY_OP_RESERVED, "x", 1, &future))           \
	X(ferry_post(engine, 0, FERRY_ANY_OP, "x", 1, &future))                \
	X(ferry_post_for(engine, BEYOND, OP, "x", 1, 0, &future))              \
	X(ferry_post_for(engine, 0, OP, "x", 1, -2, &future))                  \
	X(ferry_call(NULL, 0, OP, "x", 1, &future))                            \
	X(ferry_call(engine, -1, OP, "x", 1, &future))                         \
	X(ferry_call(engine, BEYOND, OP, "x", 1, &future))                     \
	X(ferry_call(engine, 0, OP, NULL, 1, &future))                         \
	X(ferry_call(engine, 0, FERRY_OP_RESERVED, "x", 1, &future))           \
	X(ferry_call_for(engine, 0, OP, "x", 1, INT64_MIN, &future))           \
	X(ferry_message_create(NULL, OP, &message))                            \
	X(ferry_message_create(engine, OP, NULL))                              \
	X(ferry_message_create(engine, FERRY_OP_RESERVED, &message))           \
	X(ferry_message_write(NULL, "x", 1))                                   \
	X(ferry_message_write(posted, NULL, 1))                                \
	X(ferry_message_write(posted, "x", 1))                                 \
	X(ferry_message_attach(NULL, "x", 1, NULL, NULL))                      \
	X(ferry_message_attach(posted, "x", 1, NULL, NULL))                    \
	X(ferry_post_message(NULL, 0, posted, &future))                        \
	X(ferry_post_message(engine, BEYOND, posted, &future))                 \
	X(ferry_post_message(engine, 0, NULL, &future))                        \
	X(ferry_call_message(engine, -1, posted, &future))                     \
	X(ferry_call_message(engine, 0, NULL, &future))                        \
	X(ferry_handle(NULL, OP, FERRY_INLINE, handle, NULL))                  \
	X(ferry_handle(engine, FERRY_OP_RESERVED, FERRY_INLINE, handle, NULL)) \
	X(ferry_strand_create(FERRY_ANYWHERE, &executor))                      \
	X(ferry_executor_run(FERRY_ANYWHERE, 0, 0))                            \
	X(ferry_executor_fd(FERRY_ANYWHERE))                                   \
	X(ferry_handle_memory(NULL, OP, NULL, NULL))                           \
	X(ferry_handle_memory(engine, FERRY_OP_RESERVED, NULL, NULL))          \
	X(ferry_room(NULL, 0, &future))                                        \
	X(ferry_room(engine, 0, NULL))                                         \
	X(ferry_room(engine, BEYOND, &future))                                 \
	X(ferry_room(engine, -1, &future))                                     \
	X(ferry_message_source(NULL))                                          \
	X(ferry_reply(NULL, "x", 1))                                           \
	X(ferry_reply(posted, "x", 1))                                         \
	X(ferry_reply_message(NULL, posted))                                   \
	X(ferry_reply_error(NULL, FERRY_ETRUNC, "x"))                          \
	X(ferry_recv(NULL, FERRY_ANY, FERRY_ANY_OP, 0, &message))              \
	X(ferry_recv(engine, BEYOND, FERRY_ANY_OP, 0, &message))               \
	X(ferry_recv(engine, -2, FERRY_ANY_OP, 0, &message))                   \
	X(ferry_recv(engine, FERRY_ANY, FERRY_OP_RESERVED, 0, &message))       \
	X(ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, -7, &message))           \
	X(ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, 0, NULL))                \
	X(ferry_future_poll(NULL))                                             \
	X(ferry_future_wait(NULL, 0))                                          \
	X(ferry_future_take(NULL, &message))                                   \
	X(ferry_wait_all(NULL, 1, 0))                                          \
	X(ferry_wait_all(no_futures, 1, -2))                                   \
	X(ferry_finish_all(NULL, 1, 0))                                        \
	X(ferry_finish_all(no_futures, 1, -2))                                 \
	X(ferry_wait_any(NULL, 1, 0, &index_found))                            \
	X(ferry_wait_any(no_futures, 0, 0, &index_found))                      \
	X(ferry_counter_create(NULL, &counter))                                \
	X(ferry_counter_create(engine, NULL))                                  \
	X(ferry_post_counted(engine, 0, OP, "x", 1, NULL))                     \
	X(ferry_counter_read(NULL, NULL, NULL))                                \
	X(ferry_counter_wait(NULL, 0, 0))                                      \
	X(ferry_counter_then(NULL, 0, FERRY_INLINE, called, NULL))             \
	X(ferry_flush(NULL, 0, 0))                                             \
	X(ferry_flush(engine, BEYOND, 0))                                      \
	X(ferry_flush(engine, -2, 0))                                          \
	X(ferry_flush(engine, 0, -3))                                          \
	X(ferry_fence(NULL, 0))                                                \
	X(ferry_fence(engine, -3))                                             \
	X(ferry_status(NULL))                                                  \
	X(ferry_rank(NULL))                                                    \
	X(ferry_size(NULL))                                                    \
	X(ferry_dump(NULL, 1))                                                 \
	X(ferry_dump(engine, -1))                                              \
	X(ferry_dump(engine, 1 << 20)) /* of nothing */                        \
	X(ferry_stats_read(NULL, NULL))                                        \
	X(ferry_stats_read(engine, NULL))                                      \
	X(ferry_options_resolved(engine, NULL))

struct result {
	unsigned number;
	int status;
	char sentence[400];
};

#define AS_CASE(call)                  \
	case __COUNTER__ - FIRST_CASE: \
		return call;
#define AS_TEXT(call) #call,

static const char *const at_open[] = { REFUSED_AT_OPEN(AS_TEXT) };
static const char *const on_engine[] = { REFUSED(AS_TEXT) };

static int try_at_open(unsigned number)
{
	enum { FIRST_CASE = __COUNTER__ + 1 };

	switch (number) {
		REFUSED_AT_OPEN(AS_CASE)
	default:
		return FERRY_OK;
	}
}

static int try_on_engine(unsigned number)
{
	enum { FIRST_CASE = __COUNTER__ + 1 };

	switch (number) {
		REFUSED(AS_CASE)
	default:
		return FERRY_OK;
	}
}

/* In a new thread: one case, its status, and its sentence. */
static void *try_one(void *arg)
{
	struct result *result = arg;

	result->status = (engine ? try_on_engine : try_at_open)(result->number);
	snprintf(result->sentence, sizeof result->sentence, "%s", ferry_last_error());
	return NULL;
}

static void check_refused(unsigned number, const char *call)
{
	struct result result = { .number = number };
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, try_one, &result), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	if (result.status != FERRY_EINVAL || !strchr(result.sentence, ' '))
		CHECK_FAIL("%s is %s: \"%s\"", call, ferry_strname(result.status), result.sentence);
	if (future != UNTOUCHED(ferry_future) || message != UNTOUCHED(ferry_message) ||
	    opened != UNTOUCHED(ferry) || executor != UNTOUCHED(ferry_executor) ||
	    counter != UNTOUCHED(ferry_counter) || index_found != 77)
		CHECK_FAIL("%s wrote to its output argument", call);
}

/* What may be NULL, zero or unknown. */
static void check_accepted(void)
{
	CHECK_OK(ferry_close(NULL));
	ferry_abort(NULL, FERRY_EMPI);
	ferry_future_release(NULL);
	ferry_message_release(NULL);
	ferry_counter_release(NULL);
	CHECK_OK(ferry_wait_all(NULL, 0, 0));
	CHECK_OK(ferry_wait_all(no_futures, 1, FERRY_FOREVER));
	CHECK_OK(ferry_finish_all(no_futures, 1, FERRY_FOREVER));
	CHECK_OK(ferry_post(engine, 0, OP, NULL, 0, NULL));
	CHECK(strcmp(ferry_strname(FERRY_EINVAL), "FERRY_EINVAL") == 0);
	CHECK(strcmp(ferry_strname(12345), "unknown status") == 0);
	CHECK(*ferry_strerror(FERRY_EINVAL) && *ferry_strerror(12345));
	CHECK(strcmp(ferry_version(), FERRY_VERSION) == 0);
}

/* An options struct that is longer, but with zeros in what the library does not know, is good; so
 * is an unknown variable of the environment. */
static ferry *open_accepted(void)
{
	newer.known.size = sizeof newer;
	newer.unknown = 0;
	CHECK_INT(setenv("FERRY_BANANA", "1", 1), 0);
	return system_open(&newer.known);
}

static void post_one(void)
{
	CHECK_OK(ferry_message_create(engine, OP, &posted));
	CHECK_OK(ferry_message_write(posted, "x", 1));
	CHECK_STATUS(ferry_message_write(posted, NULL, 1), FERRY_EINVAL);
	CHECK_STATUS(ferry_message_attach(posted, NULL, 1, NULL, NULL), FERRY_EINVAL);
	CHECK_OK(ferry_post_message(engine, 0, posted, NULL));
}

int main(void)
{
	ferry_stats stats = FERRY_STATS_INIT;
	ferry_message *nothing;
	int rank, size;

	system_watch();
	for (unsigned i = 0; i < COUNT_OF(at_open); i++)
		check_refused(i, at_open[i]);
	engine = open_accepted();
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, handle, NULL));
	post_one();
	for (unsigned i = 0; i < COUNT_OF(on_engine); i++)
		check_refused(i, on_engine[i]);
	check_accepted();
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_status(engine));
	CHECK_OK(ferry_stats_read(engine, &stats));
	CHECK_INT(stats.posts, 2); /* post_one and check_accepted */
	CHECK_INT(stats.calls, 0);
	CHECK_STATUS(ferry_recv(engine, FERRY_ANY, FERRY_ANY_OP, 0, &nothing), FERRY_PENDING);
	ferry_message_release(posted);
	CHECK_OK(ferry_close(engine));
	CHECK_INT(handled, rank == 0 ? 2 * size : 0);
	if (rank == 0)
		printf("arguments: %zu wrong calls: each FERRY_EINVAL with a sentence, outputs "
		       "untouched, and nothing was delivered but what was posted rightly\n",
		       COUNT_OF(at_open) + COUNT_OF(on_engine));
	return 0;
}
