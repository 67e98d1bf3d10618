/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 8 threads with windows of 64 calls each; a quarter of the calls is answered later, by
 * another thread. Every reply is the right one: it is computed from the request, the caller
 * and the answerer.
 */
#include "system.h"

enum { THREADS = 8, WINDOW = 64, OP = 1, BODY_MAX = 3000, LARGE = 200000 };

/* What a request begins with; its size and the size of its reply follow from the key. */
struct question {
	uint64_t key;
	uint64_t caller;
};

struct caller {
	unsigned thread;
	uint64_t asked;
};

/* Requests that the handler put aside, for the answering thread. */
struct aside {
	pthread_mutex_t lock;
	pthread_cond_t came;
	ferry_message **requests;
	size_t count;
	size_t room;
	bool over;
	uint64_t answered;
};

static ferry *engine;
static unsigned rounds;
static uint64_t at_once; /* written by the handler alone until the close */
static struct aside aside = { .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER };

static size_t question_size(uint64_t key)
{
	size_t size = key % 97 == 0 ? LARGE : key / 97 % BODY_MAX;

	return size < sizeof(struct question) ? sizeof(struct question) : size;
}

static size_t answer_size(uint64_t key)
{
	return key % 89 == 0 ? LARGE : key / 89 % BODY_MAX;
}

static uint64_t answer_seed(const struct question *question, int answerer)
{
	return system_mix(question->key ^ question->caller << 40 ^ (uint64_t)answerer << 52);
}

/* ---- answering --------------------------------------------------------- */

static void answer(ferry_message *request)
{
	struct question question;
	size_t nbytes;
	const char *body = ferry_message_body(request, &nbytes);
	char *reply;

	memcpy(&question, body, sizeof question);
	CHECK_INT(nbytes, question_size(question.key));
	CHECK(system_right(body + sizeof question, nbytes - sizeof question, question.key));
	CHECK_INT(question.caller, ferry_message_source(request));
	nbytes = answer_size(question.key);
	reply = malloc(nbytes + 1);
	CHECK(reply);
	system_fill(reply, nbytes, answer_seed(&question, ferry_rank(engine)));
	CHECK_OK(ferry_reply(request, reply, nbytes));
	free(reply);
}

static void put_aside(ferry_message *request)
{
	ferry_message_retain(request);
	pthread_mutex_lock(&aside.lock);
	if (aside.count == aside.room) {
		aside.room = 2 * aside.room + 64;
		aside.requests = realloc(aside.requests, aside.room * sizeof *aside.requests);
		CHECK(aside.requests);
	}
	aside.requests[aside.count++] = request;
	pthread_cond_signal(&aside.came);
	pthread_mutex_unlock(&aside.lock);
}

static void handle(ferry *on, ferry_message *request, void *arg)
{
	uint64_t key;

	(void)on;
	(void)arg;
	memcpy(&key, ferry_message_body(request, NULL), sizeof key);
	if (key % 4 == 0) {
		put_aside(request);
	} else {
		answer(request);
		at_once++;
	}
}

/* The last that came first, so that replies leave in another order than requests came. */
static void *answer_later(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&aside.lock);
	while (!aside.over || aside.count) {
		ferry_message *request;

		if (!aside.count) {
			pthread_cond_wait(&aside.came, &aside.lock);
			continue;
		}
		request = aside.requests[--aside.count];
		aside.answered++;
		pthread_mutex_unlock(&aside.lock);
		answer(request);
		ferry_message_release(request);
		pthread_mutex_lock(&aside.lock);
	}
	pthread_mutex_unlock(&aside.lock);
	return NULL;
}

/* ---- asking ------------------------------------------------------------ */

struct pending {
	struct question question;
	int target;
	ferry_future *future;
};

static void ask(struct caller *caller, struct pending *pending)
{
	uint64_t serial = caller->asked++ * THREADS + caller->thread;
	struct question question = { system_mix(serial), (uint64_t)ferry_rank(engine) };
	size_t nbytes = question_size(question.key);
	char *body = malloc(nbytes);

	CHECK(body);
	memcpy(body, &question, sizeof question);
	system_fill(body + sizeof question, nbytes - sizeof question, question.key);
	pending->question = question;
	pending->target = (int)((question.key >> 32) % (unsigned)ferry_size(engine));
	CHECK_OK(ferry_call(engine, pending->target, OP, body, nbytes, &pending->future));
	free(body);
}

static void check_reply(struct pending *pending)
{
	ferry_message *reply;
	size_t nbytes;
	const void *body;

	CHECK_OK(ferry_future_wait(pending->future, FERRY_FOREVER));
	CHECK_OK(ferry_future_take(pending->future, &reply));
	body = ferry_message_body(reply, &nbytes);
	CHECK_INT(nbytes, answer_size(pending->question.key));
	CHECK(system_right(body, nbytes, answer_seed(&pending->question, pending->target)));
	CHECK_STATUS(ferry_future_take(pending->future, &reply), FERRY_EALREADY);
	ferry_message_release(reply);
	ferry_future_release(pending->future);
}

static void *ask_all(void *arg)
{
	struct caller *caller = arg;
	struct pending window[WINDOW];

	for (unsigned i = 0; i < WINDOW; i++)
		ask(caller, &window[i]);
	for (unsigned i = 0; i < rounds * WINDOW; i++) {
		check_reply(&window[i % WINDOW]);
		ask(caller, &window[i % WINDOW]);
	}
	for (unsigned i = 0; i < WINDOW; i++)
		check_reply(&window[i]);
	return NULL;
}

static void end_answering(pthread_t thread)
{
	pthread_mutex_lock(&aside.lock);
	aside.over = true;
	pthread_cond_signal(&aside.came);
	pthread_mutex_unlock(&aside.lock);
	CHECK_INT(pthread_join(thread, NULL), 0);
}

int main(void)
{
	struct caller callers[THREADS] = { 0 };
	struct system_crew crew;
	pthread_t later;
	int rank, size;

	system_watch();
	rounds = (unsigned)check_scaled(20);
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	for (unsigned i = 0; i < THREADS; i++)
		callers[i].thread = i;
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, handle, NULL));
	CHECK_INT(pthread_create(&later, NULL, answer_later, NULL), 0);
	system_crew_start(&crew, THREADS, ask_all, callers, sizeof *callers);
	system_crew_join(&crew);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER)); /* nobody asks any more */
	end_answering(later);
	CHECK_OK(ferry_close(engine));
	CHECK(aside.answered > 0 && at_once > 0);
	free(aside.requests);
	if (rank == 0)
		printf("calls: %d threads on each of %d ranks, windows of %d, %ju calls each: "
		       "every reply right; rank 0 answered %ju at once, %ju later from another "
		       "thread\n",
		       THREADS, size, WINDOW, (uintmax_t)callers[0].asked, (uintmax_t)at_once,
		       (uintmax_t)aside.answered);
	return 0;
}
