/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C ranks of a job that has one rank in Python: each kind of exchange with
 * it, both ways, and checks of all that comes.
 *
 *	mpiexec -n 2 ./python_host : -n 1 python3 python_peer.py
 *
 * Nothing here is particular to Python. python_peer.py has the functions of the
 * other end in the same order, and the same numbers as below.
 */
#include <ferry.h>
#include <ferry_msgpack.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO = 1, COUNT, MIRROR, SPECIMEN, NOBODY, REFUSE, LETTER, BROKEN };
enum { COUNTS = 300, ABANDONED = 10, LETTERS = 20, LETTER_SIZE = 3000 };
enum { LARGE = 300000, OUT_OF_BAND = 262144, MIB = 1048576 };
enum { TOO_MUCH = 10 * MIB }; /* too much for the Python rank; it sends 11, too much here */

static const size_t count_sizes[] = { 0, 1, 5, 8, 100, 1000, 3990, 4088, 4089, 6000, 9000, 70000 };
static const size_t bodies[] = { 0, 10, 3000, 5000 };
static const struct {
	size_t count, sizes[4];
} attached[] = {
	{ 0, { 0 } },     { 1, { 0 } },           { 1, { 100 } },
	{ 1, { 65536 } }, { 1, { 3 * MIB + 5 } }, { 4, { 0, 100, 65536, 3 * MIB + 5 } },
};
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
enum { CASES = COUNT_OF(bodies) * COUNT_OF(attached) };

struct host {
	ferry *engine;
	int me, peer;                  /* this rank, the one in Python */
	int64_t deadline;              /* of every wait, in ns */
	msgpack_object *mine, *theirs; /* the specimens of both */
	uint32_t counted;              /* written by on_count only, read after the fence */
	uint32_t mirrored, described;  /* written by their handlers, read after the fence */
};

static void must(int status, const char *what)
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "python_host: %s: %s (%s)\n", what, ferry_strname(status),
	        ferry_last_error());
	_exit(1);
}

static void check(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "python_host: %s\n", what);
	_exit(1);
}

static void *memory(size_t nbytes)
{
	void *allocated = malloc(nbytes ? nbytes : 1);
	check(allocated, "no memory");
	return allocated;
}

static void release_memory(void *data, void *arg)
{
	(void)arg;
	free(data);
}

/* Bytes that show the seed: byte i is (seed + i) modulo 251. */
static unsigned char *pattern(size_t seed, size_t nbytes)
{
	unsigned char *bytes = memory(nbytes);
	for (size_t i = 0; i < nbytes; i++)
		bytes[i] = (seed + i) % 251;
	return bytes;
}

static bool is_pattern(const void *data, size_t seed, size_t nbytes)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < nbytes; i++)
		if (bytes[i] != (seed + i) % 251)
			return false;
	return true;
}

/* Is this the pattern backwards? */
static bool is_mirrored(const void *data, size_t seed, size_t nbytes)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < nbytes; i++)
		if (bytes[nbytes - 1 - i] != (seed + i) % 251)
			return false;
	return true;
}

static void write_pattern(ferry_message *message, size_t seed, size_t nbytes)
{
	unsigned char *bytes = pattern(seed, nbytes);
	must(ferry_message_write(message, bytes, nbytes), "writing a body");
	free(bytes);
}

static void attach_pattern(ferry_message *message, size_t seed, size_t nbytes)
{
	must(ferry_message_attach(message, pattern(seed, nbytes), nbytes, release_memory, NULL),
	     "attaching");
}

/* ---- objects ------------------------------------------------------------------ */

static void pack_text(msgpack_packer *packer, const char *text)
{
	msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_pattern(msgpack_packer *packer, size_t seed, size_t nbytes)
{
	unsigned char *bytes = pattern(seed, nbytes);
	msgpack_pack_bin_with_body(packer, bytes, nbytes);
	free(bytes);
}

static void pack_specimen(msgpack_packer *packer, int rank)
{
	msgpack_pack_map(packer, 7);
	pack_text(packer, "rank");
	msgpack_pack_int(packer, rank);
	pack_text(packer, "text");
	pack_text(packer, "F\xc3\xa4hre");
	pack_text(packer, "numbers");
	msgpack_pack_array(packer, 5);
	msgpack_pack_int(packer, 0);
	msgpack_pack_int(packer, -1);
	msgpack_pack_uint64(packer, UINT64_C(1) << 63);
	msgpack_pack_int64(packer, INT64_MIN);
	msgpack_pack_double(packer, 0.5);
	pack_text(packer, "nothing");
	msgpack_pack_nil(packer);
	pack_text(packer, "truth");
	msgpack_pack_array(packer, 2);
	msgpack_pack_true(packer);
	msgpack_pack_false(packer);
	pack_text(packer, "small");
	pack_pattern(packer, rank, 100);
	pack_text(packer, "nested");
	msgpack_pack_array(packer, 2);
	msgpack_pack_array(packer, 1);
	msgpack_pack_map(packer, 1);
	pack_text(packer, "large");
	pack_pattern(packer, rank, LARGE);
	pack_pattern(packer, rank + 1, OUT_OF_BAND);
}

/* An object with each kind of msgpack in it. It lives as long as the program. */
static msgpack_object *specimen(int rank)
{
	static msgpack_sbuffer buffers[2];
	static msgpack_unpacked objects[2];
	static int used;
	msgpack_sbuffer *buffer = &buffers[used];
	msgpack_packer packer;

	msgpack_sbuffer_init(buffer);
	msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
	pack_specimen(&packer, rank);
	msgpack_unpacked_init(&objects[used]);
	check(msgpack_unpack_next(&objects[used], buffer->data, buffer->size, NULL) ==
	              MSGPACK_UNPACK_SUCCESS,
	      "the specimen does not decode");
	return &objects[used++].data;
}

/* The object of a message is the Python rank's specimen, and its large binaries are not copies. */
static void check_specimen(struct host *host, ferry_message *message)
{
	const msgpack_object *object, *nested;
	must(ferry_message_object(message, &object), "the object of a message");
	check(msgpack_object_equal(*object, *host->theirs), "another object came than was sent");
	check(ferry_message_attachments(message) == 2, "two binaries were to be attached");
	nested = &object->via.map.ptr[6].val.via.array.ptr[1];
	check(nested->via.bin.ptr == ferry_message_attachment(message, 1, NULL),
	      "a large binary was copied");
}

static ferry_message *packed(struct host *host, uint32_t op)
{
	ferry_message *message;
	must(ferry_message_create(host->engine, op, &message), "a message");
	must(ferry_message_pack(message, host->mine), "packing");
	return message;
}

/* ---- what the Python rank sends -------------------------------------------------- */

/* A post: number of the thread, number of the message, pattern; sometimes with an attachment. */
static void on_count(ferry *engine, ferry_message *message, void *arg)
{
	struct host *host = arg;
	uint32_t head[2];
	size_t nbytes, k = host->counted++, size = count_sizes[k % COUNT_OF(count_sizes)];
	const char *body = ferry_message_body(message, &nbytes);

	(void)engine;
	check(nbytes == sizeof head + size, "a count of another length");
	memcpy(head, body, sizeof head);
	check(head[0] == 0 && head[1] == k, "a count out of order");
	check(is_pattern(body + sizeof head, k, size), "a count with other bytes");
	check(ferry_message_attachments(message) == (k % 5 == 0), "a count with other attachments");
	if (k % 5 == 0) {
		const void *data = ferry_message_attachment(message, 0, &nbytes);
		check(nbytes == 100 && is_pattern(data, k + 1, 100),
		      "an attachment with other bytes");
	}
}

static unsigned char *reversed(const void *data, size_t nbytes)
{
	const unsigned char *bytes = data;
	unsigned char *copy = memory(nbytes);
	for (size_t i = 0; i < nbytes; i++)
		copy[i] = bytes[nbytes - 1 - i];
	return copy;
}

/* A call that is answered with its own bytes, each part backwards. */
static void on_mirror(ferry *engine, ferry_message *message, void *arg)
{
	struct host *host = arg;
	ferry_message *reply;
	size_t nbytes;
	const void *data = ferry_message_body(message, &nbytes);
	unsigned char *body = reversed(data, nbytes);

	must(ferry_message_create(engine, 0, &reply), "a reply");
	must(ferry_message_write(reply, body, nbytes), "the body of a reply");
	free(body);
	for (size_t i = 0; i < ferry_message_attachments(message); i++) {
		data = ferry_message_attachment(message, i, &nbytes);
		must(ferry_message_attach(reply, reversed(data, nbytes), nbytes, release_memory,
		                          NULL),
		     "attaching");
	}
	must(ferry_reply_message(message, reply), "replying");
	ferry_message_release(reply);
	host->mirrored++;
}

static void on_specimen(ferry *engine, ferry_message *message, void *arg)
{
	struct host *host = arg;
	ferry_message *reply = packed(host, 0);

	(void)engine;
	check_specimen(host, message);
	must(ferry_reply_message(message, reply), "replying with an object");
	ferry_message_release(reply);
	host->described++;
}

static void on_refuse(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)arg;
	must(ferry_reply_error(message, 7, "not today"), "replying with an error");
}

/* Never called: of each message with this op a part is missing. */
static void on_broken(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(void)arg;
	check(false, "half a message was delivered");
}

/* Find out which rank is the Python rank. It says so first, and is answered once the handlers are
 * registered. */
static void meet(struct host *host)
{
	ferry_message *hello;
	must(ferry_recv(host->engine, FERRY_ANY, HELLO, host->deadline, &hello),
	     "waiting for HELLO");
	host->peer = ferry_message_source(hello);
	host->mine = specimen(host->me);
	host->theirs = specimen(host->peer);
	ferry_message_release(hello);
	must(ferry_handle(host->engine, COUNT, FERRY_INLINE, on_count, host), "a handler");
	must(ferry_handle(host->engine, MIRROR, FERRY_INLINE, on_mirror, host), "a handler");
	must(ferry_handle(host->engine, SPECIMEN, FERRY_INLINE, on_specimen, host), "a handler");
	must(ferry_handle(host->engine, REFUSE, FERRY_INLINE, on_refuse, host), "a handler");
	must(ferry_handle(host->engine, BROKEN, FERRY_INLINE, on_broken, host), "a handler");
	must(ferry_post(host->engine, host->peer, HELLO, NULL, 0, NULL), "HELLO");
}

/* ---- what this rank sends ---------------------------------------------------------- */

/* Numbered posts of one thread: of all sizes from thread 0, small ones from thread 1. */
static void count(struct host *host, uint32_t thread)
{
	for (uint32_t k = 0; k < COUNTS; k++) {
		ferry_message *message;
		must(ferry_message_create(host->engine, COUNT, &message), "a message");
		must(ferry_message_write(message, (uint32_t[]){ thread, k }, 8),
		     "the head of a count");
		write_pattern(message, k, thread ? k % 50 : count_sizes[k % COUNT_OF(count_sizes)]);
		if (k % 5 == 0)
			attach_pattern(message, k + 1, 100);
		must(ferry_post_message(host->engine, host->peer, message, NULL), "posting");
		ferry_message_release(message);
	}
	must(ferry_flush(host->engine, host->peer, host->deadline),
	     "waiting for posts to be delivered");
}

static void *count_on_thread(void *arg)
{
	count(arg, 1);
	return NULL;
}

static ferry_future *call_mirror(struct host *host, size_t nbytes, size_t set)
{
	ferry_message *message;
	ferry_future *future;
	must(ferry_message_create(host->engine, MIRROR, &message), "a message");
	write_pattern(message, host->peer, nbytes);
	for (size_t i = 0; i < attached[set].count; i++)
		attach_pattern(message, nbytes + i, attached[set].sizes[i]);
	must(ferry_call_message(host->engine, host->peer, message, &future), "calling");
	ferry_message_release(message);
	return future;
}

static void check_mirrored(struct host *host, ferry_future *future, size_t nbytes, size_t set)
{
	ferry_message *reply;
	size_t came;
	must(ferry_future_take(future, &reply), "the reply of a call");
	const void *data = ferry_message_body(reply, &came);
	check(came == nbytes && is_mirrored(data, host->peer, nbytes), "a reply with another body");
	check(ferry_message_attachments(reply) == attached[set].count,
	      "a reply with other attachments");
	for (size_t i = 0; i < attached[set].count; i++) {
		data = ferry_message_attachment(reply, i, &came);
		check(came == attached[set].sizes[i] && is_mirrored(data, nbytes + i, came),
		      "a reply with other attachments");
	}
	ferry_message_release(reply);
	ferry_future_release(future);
}

/* Calls with attachments, all at once. Each reply is the request reversed. */
static void mirror(struct host *host)
{
	ferry_future *futures[CASES];
	for (size_t i = 0; i < CASES; i++)
		futures[i] =
			call_mirror(host, bodies[i / COUNT_OF(attached)], i % COUNT_OF(attached));
	must(ferry_wait_all(futures, CASES, host->deadline), "calls with attachments");
	for (size_t i = 0; i < CASES; i++)
		check_mirrored(host, futures[i], bodies[i / COUNT_OF(attached)],
		               i % COUNT_OF(attached));
}

static void exchange_specimens(struct host *host)
{
	ferry_message *message = packed(host, SPECIMEN), *reply;
	ferry_future *future;
	must(ferry_call_message(host->engine, host->peer, message, &future),
	     "calling with an object");
	ferry_message_release(message);
	must(ferry_future_wait(future, host->deadline), "a reply that is an object");
	must(ferry_future_take(future, &reply), "a reply that is an object");
	check_specimen(host, reply);
	ferry_message_release(reply);
	ferry_future_release(future);
}

static void expect_failure(struct host *host, uint32_t op, int status, const char *text)
{
	ferry_future *future;
	must(ferry_call(host->engine, host->peer, op, NULL, 0, &future), "calling");
	check(ferry_future_wait(future, host->deadline) == status,
	      "a call that was to fail did not, or otherwise");
	check(strstr(ferry_future_detail(future), text) != NULL, "a failed call does not say why");
	ferry_future_release(future);
}

/* Send more than the Python rank admits. */
static void expect_too_big(struct host *host)
{
	ferry_message *message;
	ferry_future *futures[2];
	must(ferry_message_create(host->engine, MIRROR, &message), "a message");
	attach_pattern(message, 0, TOO_MUCH);
	must(ferry_call_message(host->engine, host->peer, message, &futures[0]), "calling");
	must(ferry_post_message(host->engine, host->peer, message, &futures[1]), "posting");
	ferry_message_release(message);
	for (int i = 0; i < 2; i++) {
		check(ferry_future_wait(futures[i], host->deadline) == FERRY_ETOOBIG,
		      "too much was not refused");
		ferry_future_release(futures[i]);
	}
}

/* Calls that are cancelled while they, or their large replies, are under way. */
static void abandon_calls(struct host *host)
{
	ferry_message *message = packed(host, SPECIMEN);
	for (int i = 0; i < ABANDONED; i++) {
		ferry_future *future;
		must(ferry_call_message(host->engine, host->peer, message, &future), "calling");
		usleep(300 * i);
		int status = ferry_future_cancel(future);
		check(status == FERRY_OK || status == FERRY_EALREADY,
		      "a call that cannot be cancelled");
		ferry_future_release(future);
	}
	ferry_message_release(message);
}

/* Post more than the credit: the posts wait until they are read. */
static void exchange_letters(struct host *host)
{
	for (size_t k = 0; k < LETTERS; k++) {
		unsigned char *bytes = pattern(k, LETTER_SIZE);
		must(ferry_post(host->engine, host->peer, LETTER, bytes, LETTER_SIZE, NULL),
		     "a letter");
		free(bytes);
	}
	for (size_t k = 0; k < LETTERS; k++) {
		ferry_message *letter;
		size_t nbytes;
		must(ferry_recv(host->engine, host->peer, LETTER, host->deadline, &letter),
		     "waiting for a letter");
		const void *data = ferry_message_body(letter, &nbytes);
		check(nbytes == LETTER_SIZE && is_pattern(data, k, nbytes), "another letter");
		ferry_message_release(letter);
	}
}

static void send_routines(struct host *host)
{
	msgpack_object parts[2] = {
		{ .type = MSGPACK_OBJECT_STR, .via.str = { strlen("send_object"), "send_object" } },
		{ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = host->me },
	};
	msgpack_object object = { .type = MSGPACK_OBJECT_ARRAY, .via.array = { 2, parts } };
	unsigned char *bytes = pattern(host->me, MIB);

	/* The Python rank is sent its own number. */
	parts[1].via.u64 = host->peer;
	must(ferry_send_object(host->engine, host->peer, &object), "ferry_send_object");
	must(ferry_send_buffer(host->engine, host->peer, bytes, MIB), "ferry_send_buffer");
	must(ferry_send_complex_data(host->engine, host->peer, host->mine, NULL),
	     "ferry_send_complex_data");
	free(bytes);
}

static void recv_routines(struct host *host)
{
	ferry_message *message;
	const msgpack_object *object;
	void *data = NULL;
	size_t nbytes;

	must(ferry_recv_object(host->engine, host->peer, host->deadline, &message),
	     "ferry_recv_object");
	must(ferry_message_object(message, &object), "the object of ferry_recv_object");
	check(object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == 2 &&
	              object->via.array.ptr[1].via.u64 == (uint64_t)host->me,
	      "another object");
	ferry_message_release(message);
	must(ferry_recv_buffer(host->engine, host->peer, host->deadline, &data, &nbytes),
	     "ferry_recv_buffer");
	check(nbytes == MIB && is_pattern(data, host->me, MIB), "another buffer");
	free(data);
	must(ferry_recv_complex_data(host->engine, host->peer, host->deadline, &message),
	     "ferry_recv_complex_data");
	check_specimen(host, message);
	ferry_message_release(message);
}

/* ---- the job ------------------------------------------------------------------------- */

static void exchange(struct host *host)
{
	pthread_t thread;
	meet(host);
	check(pthread_create(&thread, NULL, count_on_thread, host) == 0, "no thread");
	count(host, 0);
	mirror(host);
	exchange_specimens(host);
	expect_failure(host, NOBODY, FERRY_ENOHANDLER, "handler");
	expect_failure(host, REFUSE, FERRY_EREMOTE, "not today");
	expect_too_big(host);
	abandon_calls(host);
	exchange_letters(host);
	send_routines(host);
	recv_routines(host);
	pthread_join(thread, NULL);
}

/* Called after the fence, when all that the Python rank posted is handled. */
static void check_tally(struct host *host)
{
	must(ferry_fence(host->engine, host->deadline), "the fence");
	check(host->counted == COUNTS, "not all posts of the Python rank were handled");
	/* CASES calls, and the one with many attachments. */
	check(host->mirrored == CASES + 1 && host->described == 1,
	      "not all calls of the Python rank were handled");
}

static int64_t read_deadline(int argc, char **argv)
{
	char *end = "";
	long seconds = 60;
	if (argc == 3 && strcmp(argv[1], "--deadline") == 0)
		seconds = strtol(argv[2], &end, 10);
	if ((argc != 1 && argc != 3) || *end || seconds < 1 || seconds > 1000000) {
		fprintf(stderr, "usage: python_host [--deadline SECONDS]   (of every wait: 60)\n");
		exit(2);
	}
	return FERRY_S(seconds);
}

int main(int argc, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_stats stats = FERRY_STATS_INIT;
	struct host host = { .deadline = read_deadline(argc, argv) };

	/* For what has no deadline of its own: open, post and close. */
	alarm(4 * host.deadline / FERRY_S(1) + 10);
	options.handler_grace = FERRY_MS(50);
	options.message_max = TOO_MUCH;
	must(ferry_open(&options, &host.engine), "opening");
	host.me = ferry_rank(host.engine);
	exchange(&host);
	check_tally(&host);
	/* Between the fences the Python rank may send malformed or incomplete messages. */
	must(ferry_fence(host.engine, host.deadline), "the second fence");
	must(ferry_stats_read(host.engine, &stats), "the counters");
	must(ferry_close(host.engine), "closing");
	printf("python_host, rank %d: verified posts, calls, large messages, objects and fences "
	       "with rank %d; %" PRIu64 " malformed\n",
	       host.me, host.peer, stats.malformed);
	return 0;
}
