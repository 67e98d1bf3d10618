/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order per (thread, rank), and exactly once: 6 threads on each rank send to every rank, sizes from
 * 0 to 700 kB, with and without attachments, as posts and as calls, from futures and without.
 *
 * Both sides can compute the n-th letter from a thread to a rank: its form, its sizes, its
 * contents. The receiver knows which letter must come next and takes nothing else, so a letter that
 * is lost, doubled, late, or mixed up with another is seen at once, even an empty one.
 *
 * usage: order [letters from each thread to each rank]
 */
#include "system.h"

enum {
	THREADS = 6,
	RANKS_MAX = 16,
	PARTS_MAX = 3,
	SIZE_MAX_BYTES = 700000,
	KEPT = 16,
	OP_FIRST = 10
};

struct letter {
	uint64_t seed;
	bool call, message; /* ferry_call; ferry_*_message */
	size_t body;
	size_t parts; /* attachments */
	size_t part[PARTS_MAX];
};

struct sender {
	unsigned thread;
	ferry_future *kept[KEPT]; /* the last futures, awaited when their place is needed */
	unsigned next;
};

static ferry *engine;
static unsigned letters;
/* the next letter; written by the handler alone until the close */
static uint64_t expected[RANKS_MAX][THREADS];
static struct system_counter attached = SYSTEM_COUNTER_INIT;
static struct system_counter released = SYSTEM_COUNTER_INIT;

/* Mostly small, now and then up to the largest. */
static size_t size_of(uint64_t random)
{
	unsigned kind = (unsigned)(random % 100);
	size_t most = kind < 50 ? 64 : kind < 85 ? 4096 : kind < 97 ? 65536 : SIZE_MAX_BYTES;

	return kind % 10 == 0 ? 0 : kind == 99 ? SIZE_MAX_BYTES : (random >> 8) % (most + 1);
}

static struct letter letter_of(int source, unsigned thread, int target, uint64_t number)
{
	uint64_t key = ((uint64_t)source * THREADS + thread) * RANKS_MAX + (unsigned)target;
	struct letter letter = { .seed = system_mix(key << 32 | number) };
	uint64_t random = system_mix(letter.seed);

	letter.call = random % 8 == 0;
	letter.message = random / 8 % 2;
	letter.parts = letter.message ? random / 16 % (PARTS_MAX + 1) : 0;
	letter.body = size_of(system_mix(letter.seed + 1));
	for (size_t i = 0; i < letter.parts; i++)
		letter.part[i] = size_of(system_mix(letter.seed + 2 + i));
	return letter;
}

static void *content(size_t nbytes, uint64_t seed)
{
	void *data = malloc(nbytes + 1);

	CHECK(data);
	system_fill(data, nbytes, seed);
	return data;
}

/* ---- sending ----------------------------------------------------------- */

static ferry_message *write_letter(const struct letter *letter, uint32_t op, const char *body)
{
	ferry_message *message;
	size_t half = letter->body / 2;

	CHECK_OK(ferry_message_create(engine, op, &message));
	CHECK_OK(ferry_message_write(message, body, half));
	for (size_t i = 0; i < letter->parts; i++) {
		CHECK_OK(ferry_message_attach(message,
		                              content(letter->part[i], letter->seed + 100 + i),
		                              letter->part[i], system_release, &released));
		system_count(&attached, 1);
	}
	CHECK_OK(ferry_message_write(message, body + half, letter->body - half));
	return message;
}

/* Keeps the future, and awaits the one that had its place. */
static void keep(struct sender *sender, ferry_future *future)
{
	ferry_future **place = &sender->kept[sender->next++ % KEPT];

	if (*place) {
		CHECK_OK(ferry_future_wait(*place, FERRY_FOREVER));
		ferry_future_release(*place);
	}
	*place = future;
}

static void send_letter(struct sender *sender, int target, uint64_t number)
{
	struct letter letter = letter_of(ferry_rank(engine), sender->thread, target, number);
	uint32_t op = OP_FIRST + sender->thread;
	char *body = content(letter.body, letter.seed);
	ferry_future *future = NULL, **future_p = letter.seed % 3 == 0 ? &future : NULL;

	if (letter.message) {
		ferry_message *message = write_letter(&letter, op, body);

		CHECK_OK((letter.call ? ferry_call_message
		                      : ferry_post_message)(engine, target, message, future_p));
		ferry_message_release(message);
	} else {
		CHECK_OK((letter.call ? ferry_call : ferry_post)(engine, target, op, body,
		                                                 letter.body, future_p));
	}
	free(body);
	if (future_p)
		keep(sender, future);
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	int size = ferry_size(engine);

	for (uint64_t number = 0; number < letters; number++)
		for (int i = 0; i < size; i++)
			send_letter(sender, (i + (int)sender->thread) % size, number);
	if (sender->thread % 2)
		CHECK_OK(ferry_flush(engine, FERRY_ALL, FERRY_FOREVER));
	for (unsigned i = 0; i < KEPT; i++)
		keep(sender, NULL);
	return NULL;
}

/* ---- receiving --------------------------------------------------------- */

static void receive(ferry *on, ferry_message *message, void *arg)
{
	unsigned thread = ferry_message_op(message) - OP_FIRST;
	int source = ferry_message_source(message);
	uint64_t number = expected[source][thread]++;
	struct letter letter = letter_of(source, thread, ferry_rank(on), number);
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes);

	(void)arg;
	if (number >= letters || nbytes != letter.body || !system_right(body, nbytes, letter.seed))
		CHECK_FAIL("letter %ju of thread %u of rank %d has the wrong body, of %zu bytes, "
		           "not %zu",
		           (uintmax_t)number, thread, source, nbytes, letter.body);
	CHECK_INT(ferry_message_attachments(message), letter.parts);
	for (size_t i = 0; i < letter.parts; i++) {
		const void *part = ferry_message_attachment(message, i, &nbytes);

		CHECK_INT(nbytes, letter.part[i]);
		CHECK(system_right(part, nbytes, letter.seed + 100 + i));
	}
}

int main(int argc, char **argv)
{
	struct sender senders[THREADS] = { 0 };
	struct system_crew crew;
	int rank, size;

	system_watch();
	letters = (unsigned)check_scaled(argc > 1 ? strtoul(argv[1], NULL, 10) : 120);
	engine = system_open(NULL);
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	CHECK(size <= RANKS_MAX);
	for (unsigned i = 0; i < THREADS; i++) {
		senders[i].thread = i;
		CHECK_OK(ferry_handle(engine, OP_FIRST + i, FERRY_INLINE, receive, NULL));
	}
	system_crew_start(&crew, THREADS, send_all, senders, sizeof *senders);
	system_crew_join(&crew);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_close(engine));
	for (int source = 0; source < size; source++)
		for (unsigned i = 0; i < THREADS; i++)
			CHECK_INT(expected[source][i], letters);
	CHECK_INT(system_counted(&released), system_counted(&attached));
	if (rank == 0)
		printf("order: %d letters from %d threads of %d ranks to %d ranks, 0 to %d bytes, "
		       "%ju attachments a rank: each once and in order\n",
		       (int)letters, THREADS, size, size, SIZE_MAX_BYTES,
		       (uintmax_t)system_counted(&attached));
	return 0;
}
