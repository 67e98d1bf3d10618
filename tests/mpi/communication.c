/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The communication routines, each against what its counterpart in unidist
 * does, in a function of its own. The ranks stand in a ring: each sends to the
 * next and receives from the one before, also alone; a fence parts the tests.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "ferry_msgpack.h"
#include "mpi_test.h"

#define OUT_OF_BAND 4096
#define BIG 300000
#define MANY 100

static ferry *engine;
static int rank, next, before;
static char big[BIG]; /* the same on all ranks: pattern() */

/* ---- helpers ------------------------------------------------------------ */

static void pattern(void)
{
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
}

static msgpack_object number(uint64_t n)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER };
	o.via.u64 = n;
	return o;
}

static msgpack_object bin(const char *data, size_t nbytes)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_BIN };
	o.via.bin.size = (uint32_t)nbytes;
	o.via.bin.ptr = data;
	return o;
}

static msgpack_object array(msgpack_object *elements, size_t count)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_ARRAY };
	o.via.array.size = (uint32_t)count;
	o.via.array.ptr = elements;
	return o;
}

static const msgpack_object *object_of(ferry_message *message)
{
	const msgpack_object *object = NULL;
	CHECK_OK(ferry_message_object(message, &object));
	return object;
}

/* The message holds this object; it is released. */
static void check_object(ferry_message *message, const msgpack_object *expected)
{
	CHECK(msgpack_object_equal(*object_of(message), *expected));
	CHECK_INT(ferry_message_source(message), before);
	ferry_message_release(message);
}

static void check_number(ferry_message *message, uint64_t expected)
{
	msgpack_object o = number(expected);
	check_object(message, &o);
}

static void wait_for(ferry_future *future)
{
	CHECK_OK(ferry_future_wait(future, FERRY_S(30)));
	ferry_future_release(future);
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void expect_operation(uint32_t op)
{
	uint32_t got_op = 0;
	int source = -5;
	CHECK_OK(ferry_recv_operation_type(engine, FERRY_S(30), &got_op, &source));
	CHECK_INT(got_op, op);
	CHECK_INT(source, before);
}

/* ---- objects ------------------------------------------------------------ */

static void send_object(void)
{
	ferry_message *message;
	msgpack_object pair[2], o;
	for (unsigned i = 0; i < MANY; i++) {
		pair[0] = number(i);
		pair[1] = bin(big, i * 3000); /* some inline, some attached */
		o = array(pair, 2);
		CHECK_OK(ferry_send_object(engine, next, &o));
	}
	for (unsigned i = 0; i < MANY; i++) {
		pair[0] = number(i);
		pair[1] = bin(big, i * 3000);
		o = array(pair, 2);
		CHECK_OK(ferry_recv_object(engine, before, FERRY_S(30), &message));
		CHECK_INT(ferry_message_attachments(message), i * 3000 >= OUT_OF_BAND);
		check_object(message, &o);
	}
}

static void isend_object(void)
{
	ferry_future *futures[MANY];
	ferry_message *message;
	msgpack_object o;
	for (unsigned i = 0; i < MANY; i++) {
		o = number(i);
		CHECK_OK(ferry_isend_object(engine, next, &o, &futures[i]));
	}
	for (unsigned i = 0; i < MANY; i++)
		wait_for(futures[i]);
	for (unsigned i = 0; i < MANY; i++) {
		CHECK_OK(ferry_recv_object(engine, FERRY_ANY, FERRY_S(30), &message));
		check_number(message, i);
	}
}

/* Without a future nothing says when the memory may be used again: at once, then. */
static void isend_object_without_a_future_borrows_nothing(void)
{
	ferry_message *message;
	char *mine = malloc(BIG);
	memcpy(mine, big, BIG);
	msgpack_object o = bin(mine, BIG), expected = bin(big, BIG);
	CHECK_OK(ferry_isend_object(engine, next, &o, NULL));
	memset(mine, 0, BIG);
	free(mine);
	CHECK_OK(ferry_recv_object(engine, before, FERRY_S(30), &message));
	check_object(message, &expected);
}

static void recv_object(void)
{
	ferry_message *message = NULL;
	int64_t start = now();
	CHECK_STATUS(ferry_recv_object(engine, before, 0, &message), FERRY_PENDING);
	CHECK_STATUS(ferry_recv_object(engine, before, FERRY_MS(20), &message), FERRY_PENDING);
	CHECK(message == NULL);
	CHECK(now() - start >= FERRY_MS(20));
}

/* ---- buffers ------------------------------------------------------------ */

static void send_and_recv_buffer(void)
{
	static const size_t sizes[] = { 0, 1, 1000, OUT_OF_BAND, BIG };
	for (unsigned i = 0; i < 5; i++)
		CHECK_OK(ferry_send_buffer(engine, next, sizes[i] ? big : NULL, sizes[i]));
	for (unsigned i = 0; i < 5; i++) {
		void *data = NULL;
		size_t nbytes = 77;
		CHECK_OK(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes));
		CHECK_INT(nbytes, sizes[i]);
		CHECK(data != NULL);
		CHECK(memcmp(data, big, nbytes) == 0);
		free(data);
	}
}

static void recv_buffer_into_memory_of_the_caller(void)
{
	char memory[100], *at = memory;
	void *data = memory;
	size_t nbytes = sizeof memory;
	memset(memory, 'x', sizeof memory);
	CHECK_OK(ferry_send_buffer(engine, next, big, 60));
	CHECK_OK(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes));
	CHECK_INT(nbytes, 60);
	CHECK(data == at);
	CHECK(memcmp(memory, big, 60) == 0);
	CHECK(memory[60] == 'x');
}

static void recv_buffer_truncates_without_loss(void)
{
	char memory[100];
	void *data = memory;
	size_t nbytes = 10;
	memset(memory, 'x', sizeof memory);
	CHECK_OK(ferry_send_buffer(engine, next, big, 60));
	CHECK_OK(ferry_send_buffer(engine, next, big + 60, 40));
	CHECK_STATUS(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes), FERRY_ETRUNC);
	CHECK_INT(nbytes, 60);
	CHECK(memory[0] == 'x');
	nbytes = 59;
	CHECK_STATUS(ferry_recv_buffer(engine, FERRY_ANY, 0, &data, &nbytes), FERRY_ETRUNC);
	CHECK(memory[0] == 'x');
	CHECK_OK(ferry_recv_buffer(engine, before, 0, &data, &nbytes));
	CHECK_INT(nbytes, 60);
	CHECK(memcmp(memory, big, 60) == 0);
	data = NULL;
	CHECK_OK(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes));
	CHECK_INT(nbytes, 40);
	CHECK(memcmp(data, big + 60, 40) == 0);
	free(data);
}

static int released;

static void count_release(void *data, void *arg)
{
	CHECK(data == big && arg == &released);
	__atomic_add_fetch(&released, 1, __ATOMIC_ACQ_REL);
}

static void isend_buffer(void)
{
	ferry_future *future, *borrowed;
	char *mine = malloc(BIG);
	memcpy(mine, big, BIG);
	released = 0;
	CHECK_STATUS(ferry_isend_buffer(engine, ferry_size(engine), big, BIG, count_release,
	                                &released, NULL),
	             FERRY_EINVAL);
	CHECK_INT(released, 0);
	CHECK_OK(ferry_isend_buffer(engine, next, big, BIG, count_release, &released, &future));
	CHECK_OK(ferry_isend_buffer(engine, next, big, 10, count_release, &released, NULL));
	CHECK_OK(ferry_isend_buffer(engine, next, big, BIG, NULL, NULL, &borrowed));
	CHECK_OK(ferry_isend_buffer(engine, next, mine, BIG, NULL, NULL, NULL));
	memset(mine, 0, BIG);
	free(mine);
	for (unsigned i = 0; i < 4; i++) {
		void *data = NULL;
		size_t nbytes;
		CHECK_OK(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes));
		CHECK_INT(nbytes, i == 1 ? 10 : BIG);
		CHECK(memcmp(data, big, nbytes) == 0);
		free(data);
	}
	wait_for(future);
	wait_for(borrowed);
	CHECK_OK(ferry_flush(engine, next, FERRY_S(30)));
	for (unsigned i = 0; i < 1000 && __atomic_load_n(&released, __ATOMIC_ACQUIRE) < 2; i++)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	CHECK_INT(__atomic_load_n(&released, __ATOMIC_ACQUIRE), 2);
}

#define HUGE_SIZE ((size_t)4 << 20)

static bool all_are(const char *data, size_t nbytes, char c)
{
	size_t i = 0;
	while (i < nbytes && data[i] == c)
		i++;
	return i == nbytes;
}

/* When a blocking send returns, the target has the bytes, and the memory is the caller's again. */
static void blocking_sends_give_the_memory_back(void)
{
	char *mine = malloc(HUGE_SIZE);
	msgpack_object o = bin(mine, HUGE_SIZE);
	ferry_message *message;
	void *data = NULL;
	size_t nbytes;
	memset(mine, 'a', HUGE_SIZE);
	CHECK_OK(ferry_send_buffer(engine, next, mine, HUGE_SIZE));
	memset(mine, 'b', HUGE_SIZE);
	CHECK_OK(ferry_send_object(engine, next, &o));
	memset(mine, 'c', HUGE_SIZE);
	CHECK_OK(ferry_send_complex_data(engine, next, &o, NULL));
	memset(mine, 'd', HUGE_SIZE);
	CHECK_OK(ferry_recv_buffer(engine, before, FERRY_S(30), &data, &nbytes));
	CHECK(nbytes == HUGE_SIZE && all_are(data, nbytes, 'a'));
	free(data);
	CHECK_OK(ferry_recv_object(engine, before, FERRY_S(30), &message));
	CHECK(all_are(object_of(message)->via.bin.ptr, HUGE_SIZE, 'b'));
	ferry_message_release(message);
	CHECK_OK(ferry_recv_complex_data(engine, before, FERRY_S(30), &message));
	CHECK(all_are(object_of(message)->via.bin.ptr, HUGE_SIZE, 'c'));
	ferry_message_release(message);
	free(mine);
}

/* ---- simple operations --------------------------------------------------- */

static void send_simple_operation(void)
{
	ferry_message *message;
	msgpack_object o = number(17);
	CHECK_OK(ferry_send_simple_operation(engine, next, 3, &o));
	expect_operation(3);
	CHECK_OK(ferry_recv_simple_operation(engine, before, 0, &message));
	CHECK_INT(ferry_message_op(message), 3);
	check_number(message, 17);
}

static void isend_simple_operation(void)
{
	ferry_future *future;
	ferry_message *message;
	msgpack_object o = number(18);
	CHECK_OK(ferry_isend_simple_operation(engine, next, 4, &o, &future));
	CHECK_OK(ferry_isend_simple_operation(engine, next, 5, &o, NULL));
	expect_operation(4);
	CHECK_OK(ferry_recv_simple_operation(engine, before, 0, &message));
	check_number(message, 18);
	expect_operation(5);
	CHECK_OK(ferry_recv_simple_operation(engine, FERRY_ANY, 0, &message));
	check_number(message, 18);
	wait_for(future);
}

/* The original tells its workers to end by an operation that nothing follows. */
static void operations_without_data_leave_nothing_to_fetch(void)
{
	CHECK_OK(ferry_send_simple_operation(engine, next, 6, NULL));
	CHECK_OK(ferry_isend_simple_operation(engine, next, 7, NULL, NULL));
	expect_operation(6);
	expect_operation(7);
	uint32_t op;
	int source;
	CHECK_STATUS(ferry_recv_operation_type(engine, 0, &op, &source), FERRY_PENDING);
}

/* Without an operation before it, it is what receives an object. */
static void recv_simple_operation(void)
{
	ferry_message *message;
	msgpack_object o = number(19);
	CHECK_OK(ferry_send_object(engine, next, &o));
	CHECK_OK(ferry_recv_simple_operation(engine, before, FERRY_S(30), &message));
	check_number(message, 19);
}

/* ---- complex data --------------------------------------------------------- */

static msgpack_object complex_object(msgpack_object *parts)
{
	parts[0] = bin(big, BIG);
	parts[1] = number(20);
	parts[2] = bin(big + 1, OUT_OF_BAND);
	parts[3] = bin(big + 2, OUT_OF_BAND - 1);
	return array(parts, 4);
}

/* The object came, and its large binaries are the attachments themselves. */
static void check_complex(ferry_message *message)
{
	msgpack_object parts[4], expected = complex_object(parts);
	const msgpack_object *o = object_of(message);
	CHECK_INT(ferry_message_attachments(message), 2);
	CHECK(o->via.array.ptr[0].via.bin.ptr == ferry_message_attachment(message, 0, NULL));
	CHECK(o->via.array.ptr[2].via.bin.ptr == ferry_message_attachment(message, 1, NULL));
	check_object(message, &expected);
}

static void send_and_recv_complex_data(void)
{
	ferry_message *message;
	msgpack_object parts[4], o = complex_object(parts);
	CHECK_OK(ferry_send_complex_data(engine, next, &o, NULL));
	CHECK_OK(ferry_recv_complex_data(engine, before, FERRY_S(30), &message));
	check_complex(message);
	CHECK_STATUS(ferry_recv_complex_data(engine, before, 0, &message), FERRY_PENDING);
}

/* What is sent again is the same message: nothing is serialized, so changing the object
 * changes nothing. */
static void send_complex_data_again(void)
{
	ferry_message *message, *packed = NULL, *first;
	msgpack_object parts[4], o = complex_object(parts);
	CHECK_OK(ferry_send_complex_data(engine, next, &o, &packed));
	first = packed;
	parts[1] = number(99);
	CHECK_OK(ferry_send_complex_data(engine, next, NULL, &packed));
	CHECK_OK(ferry_isend_complex_data(engine, next, NULL, &packed, NULL));
	CHECK(packed == first);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_OK(ferry_recv_complex_data(engine, before, FERRY_S(30), &message));
		check_complex(message);
	}
	CHECK_OK(ferry_flush(engine, next, FERRY_S(30)));
	ferry_message_release(packed);
}

static void isend_complex_data(void)
{
	ferry_future *futures[2];
	ferry_message *message, *packed = NULL;
	msgpack_object parts[4], o = complex_object(parts);
	CHECK_OK(ferry_isend_complex_data(engine, next, &o, &packed, &futures[0]));
	CHECK(ferry_message_attachment(packed, 0, NULL) == big);
	CHECK_OK(ferry_isend_complex_data(engine, next, NULL, &packed, &futures[1]));
	for (unsigned i = 0; i < 2; i++) {
		CHECK_OK(ferry_recv_complex_data(engine, before, FERRY_S(30), &message));
		check_complex(message);
		wait_for(futures[i]);
	}
	ferry_message_release(packed);
}

static void isend_complex_operation(void)
{
	ferry_future *futures[4];
	ferry_message *message, *packed = NULL, *data = NULL;
	msgpack_object parts[4], o = complex_object(parts);
	CHECK_OK(ferry_isend_complex_operation(engine, next, 8, &o, &packed, &futures[0]));
	CHECK_OK(ferry_isend_complex_operation(engine, next, 8, NULL, &packed, &futures[1]));
	CHECK_OK(ferry_isend_complex_operation(engine, next, 9, NULL, &packed, &futures[2]));
	CHECK_OK(ferry_isend_complex_data(engine, next, &o, &data, NULL));
	CHECK_OK(ferry_isend_complex_operation(engine, next, 10, NULL, &data, &futures[3]));
	for (uint32_t i = 0; i < 4; i++) {
		expect_operation(i < 2 ? 8 : i == 2 ? 9 : 10);
		CHECK_OK(ferry_recv_complex_data(engine, before, 0, &message));
		check_complex(message);
		wait_for(futures[i]);
	}
	CHECK_OK(ferry_recv_complex_data(engine, before, FERRY_S(30), &message));
	check_complex(message);
	ferry_message_release(packed);
	ferry_message_release(data);
}

/* ---- serialized operations ------------------------------------------------ */

static void isend_serialized_operation(void)
{
	ferry_future *future;
	ferry_message *message;
	char mine[] = "any bytes, not msgpack: \xc1";
	size_t nbytes;
	void *data = NULL;
	CHECK_OK(ferry_isend_serialized_operation(engine, next, 11, mine, sizeof mine, &future));
	CHECK_OK(ferry_isend_serialized_operation(engine, next, 12, big, BIG, NULL));
	memset(mine, 0, 4);
	expect_operation(11);
	CHECK_OK(ferry_recv_serialized_data(engine, before, 0, &message));
	CHECK(strncmp(ferry_message_data(message, &nbytes), "any bytes", 9) == 0);
	CHECK_INT(nbytes, sizeof mine);
	CHECK(ferry_message_data(message, NULL) == ferry_message_body(message, NULL));
	ferry_message_release(message);
	wait_for(future);
	expect_operation(12);
	CHECK_OK(ferry_recv_buffer(engine, before, 0, &data, &nbytes));
	CHECK_INT(nbytes, BIG);
	CHECK(memcmp(data, big, BIG) == 0);
	free(data);
}

static void recv_serialized_data(void)
{
	ferry_message *message;
	size_t nbytes;
	CHECK_OK(ferry_send_buffer(engine, next, big, 100));
	CHECK_OK(ferry_recv_serialized_data(engine, before, FERRY_S(30), &message));
	CHECK(memcmp(ferry_message_data(message, &nbytes), big, 100) == 0);
	CHECK_INT(nbytes, 100);
	ferry_message_release(message);
}

/* ---- busy_wait_recv ------------------------------------------------------- */

static void *send_late(void *arg)
{
	msgpack_object o = number(21);
	(void)arg;
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	CHECK_OK(ferry_send_object(engine, next, &o));
	return NULL;
}

static void busy_wait_recv(void)
{
	static const int64_t backoffs[] = { FERRY_US(100), 0 };
	ferry_message *message;
	pthread_t thread;
	for (unsigned i = 0; i < 2; i++) {
		CHECK_INT(pthread_create(&thread, NULL, send_late, NULL), 0);
		CHECK_OK(ferry_busy_wait_recv(engine, before, backoffs[i], &message));
		check_number(message, 21);
		pthread_join(thread, NULL);
	}
	CHECK_STATUS(ferry_busy_wait_recv(engine, before, FERRY_FOREVER, &message), FERRY_EINVAL);
	/* the data of an operation too, as in the original */
	msgpack_object o = number(22);
	CHECK_OK(ferry_send_simple_operation(engine, next, 13, &o));
	expect_operation(13);
	CHECK_OK(ferry_busy_wait_recv(engine, before, 0, &message));
	check_number(message, 22);
}

/* ---- recv_operation_type --------------------------------------------------- */

static void unfetched_data_holds_up_its_thread(void)
{
	ferry_message *message;
	uint32_t op = 0;
	int source;
	msgpack_object o = number(23);
	CHECK_OK(ferry_send_simple_operation(engine, next, 14, &o));
	CHECK_OK(ferry_send_simple_operation(engine, next, 15, &o));
	expect_operation(14);
	CHECK_STATUS(ferry_recv_operation_type(engine, FERRY_S(30), &op, &source), FERRY_EINVAL);
	CHECK_OK(ferry_recv_complex_data(engine, before, 0, &message));
	check_number(message, 23);
	expect_operation(15);
	CHECK_OK(ferry_recv_simple_operation(engine, before, 0, &message));
	CHECK_INT(ferry_message_op(message), 15);
	check_number(message, 23);
}

/* What is sent between an operation and its data does not come between them. */
static void other_data_does_not_come_between(void)
{
	ferry_message *message;
	msgpack_object o = number(24), other = number(25);
	CHECK_OK(ferry_send_object(engine, next, &other));
	CHECK_OK(ferry_send_simple_operation(engine, next, 16, &o));
	expect_operation(16);
	CHECK_OK(ferry_recv_simple_operation(engine, before, FERRY_S(30), &message));
	check_number(message, 24);
	CHECK_OK(ferry_recv_simple_operation(engine, before, FERRY_S(30), &message));
	check_number(message, 25);
}

#define WORKERS 4
#define OPERATIONS 200

static void *serve(void *arg)
{
	bool *seen = arg;
	for (unsigned i = 0; i < OPERATIONS / WORKERS; i++) {
		uint32_t op;
		int source;
		ferry_message *message;
		CHECK_OK(ferry_recv_operation_type(engine, FERRY_S(30), &op, &source));
		if (i % 4 == 0)
			nanosleep(&(struct timespec){ 0, 100000 }, NULL);
		CHECK_OK(ferry_recv_simple_operation(engine, source, 0, &message));
		CHECK_INT(object_of(message)->via.u64, op - 1000);
		CHECK(!__atomic_exchange_n(&seen[op - 1000], true, __ATOMIC_ACQ_REL));
		ferry_message_release(message);
	}
	return NULL;
}

/* Several workers in a rank: each operation's data is its receiver's, whoever else
 * asks meanwhile. */
static void an_operations_data_is_its_receivers(void)
{
	static bool seen[OPERATIONS];
	pthread_t workers[WORKERS];
	memset(seen, 0, sizeof seen);
	for (unsigned i = 0; i < WORKERS; i++)
		CHECK_INT(pthread_create(&workers[i], NULL, serve, seen), 0);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		msgpack_object o = number(i);
		CHECK_OK(ferry_isend_simple_operation(engine, next, 1000 + i, &o, NULL));
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	for (unsigned i = 0; i < OPERATIONS; i++)
		CHECK(seen[i]);
}

static void a_buffer_of_an_operation_truncates_without_loss(void)
{
	char memory[100];
	void *data = memory;
	size_t nbytes = 10;
	uint32_t op;
	int source;
	CHECK_OK(ferry_isend_serialized_operation(engine, next, 17, big, 60, NULL));
	expect_operation(17);
	CHECK_STATUS(ferry_recv_buffer(engine, before, 0, &data, &nbytes), FERRY_ETRUNC);
	CHECK_STATUS(ferry_recv_operation_type(engine, 0, &op, &source), FERRY_EINVAL);
	CHECK_OK(ferry_recv_buffer(engine, before, 0, &data, &nbytes));
	CHECK(nbytes == 60 && memcmp(memory, big, 60) == 0);
}

/* ---- what is wrong --------------------------------------------------------- */

/* Bytes that are no object fail where they are read, stay readable, and harm nothing
 * behind them. */
static void malformed_data_fails_where_it_is_read(void)
{
	static const struct {
		const char *bytes;
		size_t nbytes;
	} malformed[] = { { "\xc1", 1 },
		          { "\xdd\x05\xf5\xe1\x00", 5 },
		          { "\xdf\xff\xff\xff\xff", 5 },
		          { "\xc6\xff\xff\xff\xff", 5 },
		          { "\x92\x01", 2 },
		          { "\x01\x02", 2 },
		          { "\xd6\x7f\x00\x00\x00\x00", 6 } };
	ferry_message *message;
	const msgpack_object *object;
	size_t nbytes;
	for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++)
		CHECK_OK(ferry_isend_serialized_operation(engine, next, 20, malformed[i].bytes,
		                                          malformed[i].nbytes, NULL));
	for (unsigned i = 0; i < sizeof malformed / sizeof *malformed; i++) {
		expect_operation(20);
		CHECK_OK(ferry_recv_complex_data(engine, before, 0, &message));
		CHECK_STATUS(ferry_message_object(message, &object), FERRY_EDECODE);
		CHECK(strncmp(ferry_last_error(), "at byte ", 8) == 0);
		CHECK(memcmp(ferry_message_body(message, &nbytes), malformed[i].bytes,
		             malformed[i].nbytes) == 0);
		CHECK_INT(nbytes, malformed[i].nbytes);
		ferry_message_release(message);
	}
	send_simple_operation();
}

static void wrong_arguments(void)
{
	ferry_message *message, *none = NULL;
	msgpack_object o = number(1);
	uint32_t op;
	int source, size = ferry_size(engine);
	size_t nbytes;
	CHECK_STATUS(ferry_send_object(NULL, 0, &o), FERRY_EINVAL);
	CHECK_STATUS(ferry_send_object(engine, 0, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend_object(engine, size, &o, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_send_buffer(engine, 0, NULL, 1), FERRY_EINVAL);
	CHECK_STATUS(ferry_send_simple_operation(engine, 0, 0xFFFF0000u, &o), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend_simple_operation(engine, 0, FERRY_ANY_OP, &o, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend_complex_operation(engine, 0, 1, NULL, NULL, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend_complex_operation(engine, 0, 1, NULL, &none, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_isend_serialized_operation(engine, 0, 1, NULL, 1, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_object(engine, size, 0, &message), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_object(engine, -2, 0, &message), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_object(engine, 0, -2, &message), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_object(engine, 0, 0, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_buffer(engine, 0, 0, NULL, &nbytes), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_operation_type(engine, 0, &op, NULL), FERRY_EINVAL);
	CHECK_STATUS(ferry_recv_operation_type(engine, 0, NULL, &source), FERRY_EINVAL);
}

static int inline_status = 1, inline_sum;

static void in_a_handler(ferry *e, ferry_message *message, void *arg)
{
	const msgpack_object *o;
	ferry_message *other;
	(void)arg;
	CHECK_OK(ferry_message_object(message, &o));
	CHECK_STATUS(ferry_busy_wait_recv(e, FERRY_ANY, 0, &other), FERRY_EDEADLK);
	__atomic_store_n(&inline_status, ferry_send_object(e, before, o), __ATOMIC_RELEASE);
	__atomic_add_fetch(&inline_sum, (int)o->via.array.ptr[0].via.u64, __ATOMIC_ACQ_REL);
}

/* A handler takes operations too, and reads its object in place; the blocking forms refuse to
 * wait there. */
static void handlers_take_operations(void)
{
	msgpack_object element = number(26), o = array(&element, 1);
	ferry_message *message;
	CHECK_OK(ferry_handle(engine, 18, FERRY_INLINE, in_a_handler, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_OK(ferry_send_simple_operation(engine, next, 18, &o));
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_INT(__atomic_load_n(&inline_sum, __ATOMIC_ACQUIRE), 26);
	CHECK_STATUS(__atomic_load_n(&inline_status, __ATOMIC_ACQUIRE), FERRY_EDEADLK);
	CHECK_STATUS(ferry_recv_object(engine, FERRY_ANY, 0, &message), FERRY_PENDING);
	CHECK_OK(ferry_handle(engine, 18, FERRY_INLINE, NULL, NULL));
}

static ferry_message *kept;
static const msgpack_object *kept_object;

static void read_and_keep(ferry *e, ferry_message *message, void *arg)
{
	(void)e;
	(void)arg;
	CHECK_OK(ferry_message_object(message, &kept_object));
	ferry_message_retain(message);
	__atomic_store_n(&kept, message, __ATOMIC_RELEASE);
}

static void only_read(ferry *e, ferry_message *message, void *arg)
{
	const msgpack_object *o;
	(void)e;
	(void)arg;
	CHECK_OK(ferry_message_object(message, &o));
	CHECK_INT(o->via.u64, 28);
}

/* What a handler decoded lives as long as the message, and decoding alone does not keep
 * a request. */
static void objects_outlive_their_handler(void)
{
	msgpack_object parts[4], o = complex_object(parts);
	parts[0] = bin(big, 100);
	CHECK_OK(ferry_handle(engine, 21, FERRY_INLINE, read_and_keep, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	parts[2] = number(27);
	CHECK_OK(ferry_send_simple_operation(engine, next, 21, &o));
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK(msgpack_object_equal(*kept_object, o));
	CHECK(object_of(kept) == kept_object);
	ferry_message_release(kept);
	CHECK_OK(ferry_handle(engine, 21, FERRY_INLINE, NULL, NULL));
}

static void a_request_that_is_only_decoded_gets_its_empty_reply(void)
{
	ferry_message *request, *reply;
	ferry_future *future;
	msgpack_object o = number(28);
	CHECK_OK(ferry_handle(engine, 22, FERRY_INLINE, only_read, NULL));
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_OK(ferry_message_create(engine, 22, &request));
	CHECK_OK(ferry_message_pack(request, &o));
	CHECK_OK(ferry_call_message(engine, next, request, &future));
	ferry_message_release(request);
	CHECK_OK(ferry_future_wait(future, FERRY_S(30)));
	CHECK_OK(ferry_future_take(future, &reply));
	size_t nbytes = 1;
	ferry_message_body(reply, &nbytes);
	CHECK_INT(nbytes, 0);
	ferry_message_release(reply);
	ferry_future_release(future);
	CHECK_OK(ferry_fence(engine, FERRY_S(30)));
	CHECK_OK(ferry_handle(engine, 22, FERRY_INLINE, NULL, NULL));
}

/* ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
#define TEST(name)          \
	{                   \
#name, name \
	}
	TEST(send_object),
	TEST(isend_object),
	TEST(isend_object_without_a_future_borrows_nothing),
	TEST(recv_object),
	TEST(send_and_recv_buffer),
	TEST(recv_buffer_into_memory_of_the_caller),
	TEST(recv_buffer_truncates_without_loss),
	TEST(isend_buffer),
	TEST(blocking_sends_give_the_memory_back),
	TEST(send_simple_operation),
	TEST(isend_simple_operation),
	TEST(operations_without_data_leave_nothing_to_fetch),
	TEST(recv_simple_operation),
	TEST(send_and_recv_complex_data),
	TEST(send_complex_data_again),
	TEST(isend_complex_data),
	TEST(isend_complex_operation),
	TEST(isend_serialized_operation),
	TEST(recv_serialized_data),
	TEST(busy_wait_recv),
	TEST(unfetched_data_holds_up_its_thread),
	TEST(other_data_does_not_come_between),
	TEST(an_operations_data_is_its_receivers),
	TEST(a_buffer_of_an_operation_truncates_without_loss),
	TEST(malformed_data_fails_where_it_is_read),
	TEST(wrong_arguments),
	TEST(handlers_take_operations),
	TEST(objects_outlive_their_handler),
	TEST(a_request_that_is_only_decoded_gets_its_empty_reply),
#undef TEST
};

int main(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.out_of_band = OUT_OF_BAND;
	CHECK_OK(ferry_open(&options, &engine));
	rank = ferry_rank(engine);
	next = (rank + 1) % ferry_size(engine);
	before = (rank + ferry_size(engine) - 1) % ferry_size(engine);
	pattern();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
		if (rank == 0)
			printf("%s\n", tests[i].name);
		tests[i].run();
		CHECK_OK(ferry_fence(engine, FERRY_S(60)));
	}
	CHECK_OK(ferry_close(engine));
	return 0;
}
