/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data of any size, from rank 0 to rank 1: whole, without a copy, within the memory that it needs,
 * into memory that the receiver names; larger than the budget, and larger than allowed.
 *
 * LARGE_BYTES sets the size of what is large (k, m, g); make stress runs it with 3 GiB and 5 bytes.
 */
#include <msgpack.h>

#include "copies.h"
#include "ferry_msgpack.h"
#include "system.h"

#define MIB ((size_t)1 << 20)

enum { OP_WHOLE = 1, OP_NEXT, OP_LAND, OP_OBJECT, OP_EQUAL, OP_SMALL, OP_COPIED };
enum { ROUNDS = 20, PARTS = 3, EQUALS = 8, ATTEMPTS = 5 };

static ferry *engine, *roomy; /* roomy: with the usual budget, for what is to go side by side */
static size_t large;
static bool counts;

/* ---- both sides -------------------------------------------------------- */

static size_t read_size(const char *text, size_t otherwise)
{
	char *end;
	size_t n = text && *text ? strtoull(text, &end, 0) : otherwise;

	if (!text || !*text)
		return n;
	return n * (*end == 'g' ? 1024 * MIB : *end == 'm' ? MIB : *end == 'k' ? 1024 : 1);
}

static size_t part_size(unsigned part)
{
	return part == 0 ? 0 : part == 1 ? large : MIB;
}

/* A line of /proc/self/status, in bytes. */
static size_t memory(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	size_t kib = 0;

	CHECK(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoull(line + strlen(name) + 1, NULL, 10);
	fclose(file);
	return kib * 1024;
}

static void say(int rank, uint32_t op)
{
	CHECK_OK(ferry_post(engine, rank, op, NULL, 0, NULL));
}

static void hear(int rank, uint32_t op)
{
	ferry_message *message;

	CHECK_OK(ferry_recv(engine, rank, op, FERRY_FOREVER, &message));
	ferry_message_release(message);
}

/* What is large is compared everywhere at first, later where it is cheap. */
static bool right(const void *data, size_t nbytes, uint64_t seed, bool all)
{
	return all || nbytes <= MIB ? system_right(data, nbytes, seed)
	                            : system_right(data, MIB, seed);
}

/* ---- whole ------------------------------------------------------------- */

static void count_release(void *data, void *arg)
{
	(void)data;
	system_count(arg, 1);
}

static double post_whole(void *const parts[PARTS], struct system_counter *released)
{
	ferry_message *message;
	ferry_future *future;
	char body[1000];
	double start, took;

	system_fill(body, sizeof body, 7);
	CHECK_OK(ferry_message_create(engine, OP_WHOLE, &message));
	CHECK_OK(ferry_message_write(message, body, sizeof body));
	for (unsigned i = 0; i < PARTS; i++)
		CHECK_OK(ferry_message_attach(message, parts[i], part_size(i), count_release,
		                              released));
	start = system_now();
	CHECK_OK(ferry_post_message(engine, 1, message, &future));
	took = system_now() - start;
	ferry_message_release(message);
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
	return took;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void send_whole(void *const parts[PARTS])
{
	struct system_counter released = SYSTEM_COUNTER_INIT;
	size_t before = memory("VmRSS:"), peak;
	double took[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		took[i] = post_whole(parts, &released);
		hear(1, OP_NEXT);
		for (unsigned ms = 0; system_counted(&released) < PARTS * (i + 1) && ms < 5000;
		     ms++)
			system_sleep_ms(1);
		CHECK_INT(system_counted(&released), PARTS * (i + 1));
	}
	peak = memory("VmHWM:") - before;
	qsort(took, ROUNDS, sizeof *took, ascending);
	printf("large: posting took %.1f us (median of %d); the sender's peak memory grew by %.1f "
	       "MiB\n",
	       1e6 * took[ROUNDS / 2], ROUNDS, (double)peak / (double)MIB);
	CHECK(took[ROUNDS / 2] < 1e-3 * (double)check_env("TEST_SLOW", 1));
	CHECK(check_env("TEST_SLOW", 1) > 1 || peak <= 64 * MIB);
	CHECK_INT(copies_counted(), 0);
}

/* Its memory is taken out, looked at, and freed. */
static void take_whole(ferry_message *message, bool all)
{
	size_t nbytes;
	const void *body = ferry_message_body(message, &nbytes), *there;
	void *taken;

	CHECK_INT(nbytes, 1000);
	CHECK(system_right(body, nbytes, 7));
	CHECK_INT(ferry_message_attachments(message), PARTS);
	for (unsigned i = 0; i < PARTS; i++) {
		there = ferry_message_attachment(message, i, &nbytes);
		CHECK_INT(nbytes, part_size(i));
		CHECK(right(there, nbytes, i, all));
	}
	taken = ferry_message_take(message, 1, &nbytes);
	CHECK(taken && taken != ferry_message_attachment(message, 1, NULL));
	CHECK(nbytes == large && !ferry_message_take(message, 1, NULL));
	CHECK(system_right((char *)taken + large - large % 8, large % 8, 1 + large - large % 8));
	ferry_message_release(message);
	free(taken);
}

static void receive_whole(void)
{
	size_t before = memory("VmRSS:"), peak;
	ferry_message *message;

	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK_OK(ferry_recv(engine, 0, OP_WHOLE, FERRY_FOREVER, &message));
		take_whole(message, i == 0);
		say(0, OP_NEXT);
	}
	peak = memory("VmHWM:") - before;
	fprintf(stderr, "large: %zu bytes; the receiver's peak memory grew by them and %.1f MiB\n",
	        large, ((double)peak - (double)large) / (double)MIB);
	CHECK(check_env("TEST_SLOW", 1) > 1 || peak <= large + 64 * MIB);
	CHECK_INT(copies_counted(), 0);
}

/* ---- into memory that the receiver names ------------------------------- */

struct slice {
	char *array;
	size_t at, named;
};

static void *name_memory(ferry *e, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	struct slice *slice = arg;
	void *there = slice->array + slice->at;

	CHECK(e == engine && source == 0 && op == OP_LAND);
	if (index == 2)
		return NULL; /* the library's, for once */
	slice->at += nbytes;
	slice->named++;
	return there;
}

static void send_land(void)
{
	char *data = malloc(3 * MIB);
	ferry_message *message;

	system_fill(data, 3 * MIB, 5);
	CHECK_OK(ferry_message_create(engine, OP_LAND, &message));
	for (unsigned i = 0; i < 3; i++)
		CHECK_OK(ferry_message_attach(message, data + i * MIB, MIB, NULL, NULL));
	CHECK_OK(ferry_post_message(engine, 1, message, NULL));
	ferry_message_release(message);
	hear(1, OP_NEXT);
	free(data);
}

static void receive_land(void)
{
	struct slice slice = { .array = malloc(2 * MIB) };
	ferry_message *message;

	CHECK_OK(ferry_handle_memory(engine, OP_LAND, name_memory, &slice));
	say(0, OP_NEXT);
	CHECK_OK(ferry_recv(engine, 0, OP_LAND, FERRY_FOREVER, &message));
	CHECK_INT(slice.named, 2);
	CHECK(ferry_message_attachment(message, 0, NULL) == slice.array);
	CHECK(ferry_message_attachment(message, 1, NULL) == slice.array + MIB);
	CHECK(system_right(slice.array, 2 * MIB, 5));
	CHECK(system_right(ferry_message_attachment(message, 2, NULL), MIB, 5 + 2 * MIB));
	ferry_message_release(message);
	CHECK_OK(ferry_handle_memory(engine, OP_LAND, NULL, NULL));
	CHECK(system_right(slice.array, 2 * MIB, 5));
	free(slice.array);
	say(0, OP_NEXT);
}

/* ---- an object with binaries beside it --------------------------------- */

static void send_object(void)
{
	char *data = malloc(2 * MIB);
	msgpack_object list[3], whole = { .type = MSGPACK_OBJECT_ARRAY };
	ferry_message *message;

	system_fill(data, 2 * MIB, 3);
	for (uint32_t i = 0; i < 2; i++)
		list[i] = (msgpack_object){ .type = MSGPACK_OBJECT_BIN,
			                    .via.bin = { (uint32_t)MIB, data + i * MIB } };
	list[2] = (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 42 };
	whole.via.array.size = 3;
	whole.via.array.ptr = list;
	CHECK_OK(ferry_message_create(engine, OP_OBJECT, &message));
	CHECK_OK(ferry_message_pack(message, &whole));
	CHECK_OK(ferry_post_message(engine, 1, message, NULL));
	ferry_message_release(message);
	hear(1, OP_NEXT);
	free(data);
}

static void receive_object(void)
{
	const msgpack_object *object;
	ferry_message *message;

	CHECK_OK(ferry_recv(engine, 0, OP_OBJECT, FERRY_FOREVER, &message));
	CHECK_OK(ferry_message_object(message, &object));
	CHECK_INT(object->via.array.size, 3);
	for (uint32_t i = 0; i < 2; i++) {
		const msgpack_object *binary = &object->via.array.ptr[i];

		CHECK_INT(binary->type, MSGPACK_OBJECT_BIN);
		CHECK_INT(binary->via.bin.size, MIB);
		CHECK(binary->via.bin.ptr == ferry_message_attachment(message, i, NULL));
		CHECK(system_right(binary->via.bin.ptr, MIB, 3 + i * MIB));
	}
	ferry_message_release(message);
	say(0, OP_NEXT);
}

/* ---- too large, and what is copied ------------------------------------- */

static void send_too_big(void *const parts[PARTS])
{
	struct system_counter released = SYSTEM_COUNTER_INIT;
	ferry_future *future = (ferry_future *)&released;
	ferry_message *message;

	CHECK_OK(ferry_message_create(engine, OP_WHOLE, &message));
	for (unsigned i = 0; i < 2; i++)
		CHECK_OK(ferry_message_attach(message, parts[1], large, count_release, &released));
	CHECK_STATUS(ferry_post_message(engine, 1, message, &future), FERRY_ETOOBIG);
	CHECK(future == (ferry_future *)&released && system_counted(&released) == 0);
	ferry_message_release(message);
	CHECK_INT(system_counted(&released), 2);
}

/* A body is copied at the post: that the copy is counted shows that copies are. */
static void send_copied(void)
{
	char *body = calloc(1, MIB);

	CHECK_OK(ferry_post(engine, 1, OP_COPIED, body, MIB, NULL));
	free(body);
	CHECK(!counts || copies_counted() >= MIB);
	CHECK_OK(ferry_flush(engine, 1, FERRY_FOREVER));
}

/* ---- equal transfers end together, and a small message passes them ----- */

struct equal {
	double start, took;
};

static void note_end(ferry_future *future, int status, void *arg)
{
	struct equal *equal = arg;

	(void)future;
	CHECK_INT(status, FERRY_OK);
	equal->took = system_now() - equal->start;
}

static ferry_future *post_attached(uint32_t op, const void *data, size_t nbytes)
{
	ferry_message *message;
	ferry_future *future;

	CHECK_OK(ferry_message_create(engine, op, &message));
	CHECK_OK(ferry_message_attach(message, data, nbytes, NULL, NULL));
	CHECK_OK(ferry_post_message(engine, 1, message, &future));
	ferry_message_release(message);
	return future;
}

/* The last one's time over the mean. */
static double race_equals(const void *data, size_t nbytes)
{
	struct equal equals[EQUALS];
	ferry_future *futures[EQUALS];
	double start = system_now(), mean = 0, last = 0;

	for (unsigned i = 0; i < EQUALS; i++) {
		equals[i].start = start;
		futures[i] = post_attached(OP_EQUAL, data, nbytes);
		CHECK_OK(ferry_future_then(futures[i], FERRY_INLINE, note_end, &equals[i]));
	}
	CHECK_OK(ferry_wait_all(futures, EQUALS, FERRY_FOREVER));
	/* callbacks come before what the thread then hears */
	CHECK_OK(ferry_flush(engine, 1, FERRY_FOREVER));
	for (unsigned i = 0; i < EQUALS; i++) {
		mean += equals[i].took / EQUALS;
		last = equals[i].took > last ? equals[i].took : last;
		ferry_future_release(futures[i]);
	}
	return last / mean;
}

/* One thread in one lane would hold the order: each transfer has a thread of its own. */
static const void *equal_data;
static size_t equal_bytes;

static void *post_equal(void *arg)
{
	struct equal *equal = arg;
	ferry_future *future;

	equal->start = system_now();
	future = post_attached(OP_EQUAL, equal_data, equal_bytes);
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	equal->took = system_now() - equal->start;
	ferry_future_release(future);
	return NULL;
}

static double race_threads(void)
{
	struct equal equals[EQUALS];
	struct system_crew crew;
	double first = 0, mean = 0, last = 0, end;

	system_crew_start(&crew, EQUALS, post_equal, equals, sizeof *equals);
	system_crew_join(&crew);
	first = equals[0].start;
	for (unsigned i = 1; i < EQUALS; i++)
		first = equals[i].start < first ? equals[i].start : first;
	for (unsigned i = 0; i < EQUALS; i++) {
		end = equals[i].start + equals[i].took - first;
		mean += end / EQUALS;
		last = end > last ? end : last;
	}
	return last / mean;
}

/* On a machine that others use as well, one of several attempts has to do. */
static void send_equals(const void *data)
{
	double best[2] = { 100, 100 }, now;

	equal_data = data;
	equal_bytes = 8 * MIB; /* all of them fit into the budget */
	for (unsigned i = 0; i < ATTEMPTS && (best[0] > 1.5 || best[1] > 1.5); i++) {
		now = race_equals(data, equal_bytes);
		best[0] = now < best[0] ? now : best[0];
		now = race_threads();
		best[1] = now < best[1] ? now : best[1];
	}
	printf("large: the last of %d equal transfers ended at %.2f of the mean, of %d threads at "
	       "%.2f\n",
	       EQUALS, best[0], EQUALS, best[1]);
	CHECK(best[0] <= 1.5 && best[1] <= 1.5);
}

static void *post_small(void *arg)
{
	ferry_future *large_one = arg, *future;
	unsigned passed = 0;

	for (unsigned i = 0; i < 100 && ferry_future_poll(large_one) == FERRY_PENDING; i++) {
		CHECK_OK(ferry_post(engine, 1, OP_SMALL, &i, sizeof i, &future));
		CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
		ferry_future_release(future);
		passed += ferry_future_poll(large_one) == FERRY_PENDING;
	}
	printf("large: %u small messages of another thread passed a message of %zu bytes\n", passed,
	       large);
	CHECK(passed == 100 || large < 1024 * MIB);
	return NULL;
}

static void send_passed(const void *data)
{
	ferry_future *future = post_attached(OP_EQUAL, data, large);
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, post_small, future), 0);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_OK(ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
}

static void drop(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)message;
	(void)arg;
}

/* ---- all of it --------------------------------------------------------- */

static void run_sender(void)
{
	void *parts[PARTS];

	for (unsigned i = 0; i < PARTS; i++) {
		parts[i] = malloc(part_size(i) + 1);
		CHECK(parts[i]);
		system_fill(parts[i], part_size(i), i);
	}
	send_whole(parts);
	hear(1, OP_NEXT);
	send_land();
	send_object();
	CHECK_INT(copies_counted(), 0);
	send_too_big(parts);
	send_copied();
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	send_passed(parts[1]);
	CHECK_OK(ferry_close(engine));
	engine = roomy;
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	send_equals(parts[1]);
	CHECK_OK(ferry_close(engine));
	for (unsigned i = 0; i < PARTS; i++)
		free(parts[i]);
}

static void run_receiver(void)
{
	receive_whole();
	receive_land();
	receive_object();
	CHECK_INT(copies_counted(), 0);
	hear(0, OP_COPIED);
	CHECK_OK(ferry_handle(engine, OP_EQUAL, FERRY_INLINE, drop, NULL));
	CHECK_OK(ferry_handle(engine, OP_SMALL, FERRY_INLINE, drop, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_close(engine));
	engine = roomy;
	CHECK_OK(ferry_handle(engine, OP_EQUAL, FERRY_INLINE, drop, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	CHECK_OK(ferry_close(engine));
}

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;

	large = read_size(getenv("LARGE_BYTES"), 24 * MIB + 5);
	if (large > 1024 * MIB)
		large += 5;
	else
		system_watch();
	/* less than what is large */
	options.receive_memory = large > 1024 * MIB ? 256 * MIB : 16 * MIB;
	options.message_max = large + 2 * MIB;
	counts = copies_start();
	engine = system_open(&options);
	roomy = system_open(NULL);
	CHECK_INT(ferry_size(engine), 2);
	if (ferry_rank(engine) == 0)
		run_sender();
	else
		run_receiver();
	return 0;
}
