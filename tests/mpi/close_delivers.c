/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is posted right before ferry_close is delivered: 8 threads post, unfenced and unflushed, and
 * the main thread closes as soon as the last post has returned. Half of the threads have ended by
 * then, half are still there.
 */
#include "system.h"

enum { THREADS = 8, RANKS_MAX = 16, OP = 1, LARGE = 300000 };

struct note {
	uint32_t thread;
	uint32_t number;
};

struct poster {
	unsigned thread;
	ferry_future *last;
};

static ferry *engine;
static unsigned notes;
static uint32_t expected[RANKS_MAX][THREADS]; /* written by the handler alone until the close */
static uint64_t large_ones;                   /* likewise */
static struct system_counter released = SYSTEM_COUNTER_INIT;
static pthread_barrier_t posted, closed;

static void receive(ferry *on, ferry_message *message, void *arg)
{
	struct note note;
	size_t nbytes;
	const char *body = ferry_message_body(message, &nbytes);

	(void)on;
	(void)arg;
	CHECK(nbytes >= sizeof note);
	memcpy(&note, body, sizeof note);
	CHECK_INT(note.number, expected[ferry_message_source(message)][note.thread]);
	expected[ferry_message_source(message)][note.thread]++;
	if (ferry_message_attachments(message)) {
		const void *data = ferry_message_attachment(message, 0, &nbytes);

		CHECK_INT(nbytes, LARGE);
		CHECK(system_right(data, nbytes, note.number));
		large_ones++;
	}
}

/* The last note of all is large: it is still on its way when the close begins. */
static void post_large(int target, const struct note *note, ferry_future **future_p)
{
	void *data = malloc(LARGE);
	ferry_message *message;

	CHECK(data);
	system_fill(data, LARGE, note->number);
	CHECK_OK(ferry_message_create(engine, OP, &message));
	CHECK_OK(ferry_message_write(message, note, sizeof *note));
	CHECK_OK(ferry_message_attach(message, data, LARGE, system_release, &released));
	CHECK_OK(ferry_post_message(engine, target, message, future_p));
	ferry_message_release(message);
}

static void *post_all(void *arg)
{
	struct poster *poster = arg;
	char body[200] = { 0 };
	int size = ferry_size(engine);
	struct note note = { .thread = poster->thread };

	for (; note.number < notes; note.number++) {
		memcpy(body, &note, sizeof note);
		for (int target = 0; target < size; target++)
			CHECK_OK(ferry_post(engine, target, OP, body,
			                    sizeof note + note.number % (sizeof body - sizeof note),
			                    NULL));
	}
	for (int target = 0; target < size; target++)
		post_large(target, &note, target == size - 1 ? &poster->last : NULL);
	pthread_barrier_wait(&posted);
	if (poster->thread % 2)
		pthread_barrier_wait(&closed);
	return NULL;
}

static void check_delivered(int size, const struct poster *posters)
{
	for (int source = 0; source < size; source++)
		for (unsigned i = 0; i < THREADS; i++)
			CHECK_INT(expected[source][i], notes + 1);
	CHECK_INT(large_ones, (uint64_t)size * THREADS);
	CHECK_INT(system_counted(&released), (uint64_t)size * THREADS);
	for (unsigned i = 0; i < THREADS; i++) {
		CHECK_STATUS(ferry_future_poll(posters[i].last), FERRY_OK);
		ferry_future_release(posters[i].last);
	}
}

int main(void)
{
	struct poster posters[THREADS] = { 0 };
	struct system_crew crew;
	int rank, size;

	system_watch();
	notes = (unsigned)check_scaled(3000);
	CHECK_INT(pthread_barrier_init(&posted, NULL, THREADS + 1), 0);
	CHECK_INT(pthread_barrier_init(&closed, NULL, THREADS / 2 + 1), 0);
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK(size <= RANKS_MAX);
	for (unsigned i = 0; i < THREADS; i++)
		posters[i].thread = i;
	CHECK_OK(ferry_handle(engine, OP, FERRY_INLINE, receive, NULL));
	system_crew_start(&crew, THREADS, post_all, posters, sizeof *posters);
	pthread_barrier_wait(&posted);
	CHECK_OK(ferry_close(engine));
	check_delivered(size, posters);
	pthread_barrier_wait(&closed);
	system_crew_join(&crew);
	if (rank == 0)
		printf("close_delivers: %u posts of %d threads to each of %d ranks right before "
		       "the close: all delivered, in order, with their attachments\n",
		       notes + 1, THREADS, size);
	return 0;
}
