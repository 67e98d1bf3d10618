/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every public function while memory is short: its n-th allocation fails, for n = 1, 2 and so on
 * until none fails; once, or each one from then on for a while. That goes on while the function
 * runs, or until its future is done as well, so that what the engine does for it is hit, too.
 *
 * One rank, which drives its engine itself, so a run is nearly the same each time. What must hold:
 *
 *  - the function returns FERRY_OK, or FERRY_ENOMEM, and then nothing happened: no output argument
 *    is touched, and the same call works when memory is there again;
 *  - a wait that ends with FERRY_PENDING ends well when it is made again;
 *  - its future ends with FERRY_OK or FERRY_ENOMEM;
 *  - what it does is done once;
 *  - a post of before, which has nothing to do with it, is delivered;
 *  - the close is FERRY_OK, and nothing of the engine's memory is left.
 *
 *     allocations              all of it
 *     allocations list         the functions that have a case, a line each (tests/api/failures.sh)
 *     allocations FUNCTION     the cases of one function, with what came of each try
 *
 * msgpack-c allocates nothing for the library: its packers write into messages, and the library
 * decodes by itself. What the engine does by itself between ranks is in tests/sim/memory.c, opens
 * of several ranks are in opens.c, gathers in gather_memory.c.
 */
#include <mpi.h>
#include <unistd.h>

#include "system.h"

#include "ferry_mpi.h"
#include "ferry_msgpack.h"
#include "base/cache.h"
#include "support/shortage.h"

enum { OP = 1, OP_ASK, OP_KEEP, OP_BESIDE, OP_MAIL, OP_LAND, OP_SEVERAL };
enum {
	TRIES_MAX = 500,
	WARM = 260,
	SMALL = 40,
	MIDDLE = 3000,
	LARGE = 100000,
	SHORT_MS = 8,
	SOON_S = 10
};

/* What a case has. Everything that is not NULL at its end is given back. */
static struct {
	ferry *engine, *second;
	ferry_future *future, *other, *beside, *composed[2];
	ferry_message *message, *request, *received;
	ferry_executor *executor, *pool;
	ferry_counter *counter;
	const msgpack_object *object;
	void *data, *value;
	size_t nbytes;
	MPI_Request request_of_mpi;
	MPI_Message matched;
	unsigned done; /* how often what the call does was done */
	unsigned several, beside_done;
	int sum, word;
} t;

static bool talks;
static char large[LARGE], landing[LARGE];

/* ---- what the program does --------------------------------------------------------------- */

static void on_message(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)message;
	(*(unsigned *)arg)++;
}

static void on_ask(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(*(unsigned *)arg)++;
	int status = ferry_reply(message, large, 3000);
	CHECK(status == FERRY_OK || status == FERRY_ENOMEM);
}

static void on_keep(ferry *engine, ferry_message *message, void *arg)
{
	(void)engine;
	(void)arg;
	CHECK(!t.request);
	ferry_message_retain(message);
	t.request = message;
}

static void on_peer(ferry *engine, int rank, int status, const char *why, void *arg)
{
	(void)engine;
	(void)rank;
	(void)status;
	(void)why;
	(void)arg;
}

static void on_done(ferry_future *future, int status, void *arg)
{
	(void)future;
	(void)arg;
	CHECK_STATUS(status, FERRY_OK);
	t.done++;
}

static void on_release(void *data, void *arg)
{
	(void)data;
	(void)arg;
	t.done++;
}

static void *on_memory(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes,
                       void *arg)
{
	(void)engine;
	(void)source;
	(void)op;
	(void)index;
	(void)arg;
	return nbytes <= sizeof landing ? landing : NULL;
}

static int next_step(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	(void)done;
	(void)arg;
	CHECK_STATUS(status, FERRY_OK);
	return ferry_post(t.engine, 0, OP, "then", 5, next_p);
}

static int start_barrier(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)arg;
	t.done++;
	return MPI_Ibarrier(comm, request);
}

static int run_nothing(MPI_Comm comm, void *arg)
{
	(void)comm;
	(void)arg;
	t.done++;
	return MPI_SUCCESS;
}

static int encode(ferry_message *message, const void *value, void *arg)
{
	(void)arg;
	int status = ferry_message_write(message, value, 5000);
	return status ? status : ferry_message_attach(message, large, 10, NULL, NULL);
}

static int decode(const ferry_message *message, const void *data, size_t nbytes, void **value_p,
                  void *arg)
{
	static char value;
	(void)message;
	(void)data;
	(void)arg;
	CHECK_INT(nbytes, 5000);
	*value_p = &value;
	return FERRY_OK;
}

/* ---- objects --------------------------------------------------------------------------------- */

static msgpack_object elements[3] = {
	{ .type = MSGPACK_OBJECT_STR, .via.str = { 5, "seven" } },
	{ .type = MSGPACK_OBJECT_BIN, .via.bin = { SMALL, large } },
	{ .type = MSGPACK_OBJECT_BIN, .via.bin = { LARGE, large } },
};
static const msgpack_object small_object = { .type = MSGPACK_OBJECT_ARRAY,
	                                     .via.array = { 2, elements } };
static const msgpack_object large_object = { .type = MSGPACK_OBJECT_ARRAY,
	                                     .via.array = { 3, elements } };

/* ---- what a case begins with ------------------------------------------------------------ */

static void nothing(void)
{
}

static void a_message(void)
{
	CHECK_OK(ferry_message_create(t.engine, OP, &t.message));
}

static void a_written_message(void)
{
	a_message();
	CHECK_OK(ferry_message_write(t.message, large, SMALL));
	CHECK_OK(ferry_message_attach(t.message, large, LARGE, NULL, NULL));
}

static void a_small_message(void)
{
	a_message();
	CHECK_OK(ferry_message_write(t.message, large, SMALL));
	CHECK_OK(ferry_message_attach(t.message, large, SMALL, NULL, NULL));
}

static void an_asking_message(void)
{
	CHECK_OK(ferry_message_create(t.engine, OP_ASK, &t.message));
	CHECK_OK(ferry_message_write(t.message, large, SMALL));
}

static void a_packed_message(void)
{
	a_message();
	CHECK_OK(ferry_message_pack(t.message, &large_object));
}

static void a_promise(void)
{
	CHECK_OK(ferry_promise_create(t.engine, &t.other));
}

static void a_done_future(void)
{
	a_promise();
	CHECK_OK(ferry_promise_fulfil(t.other, FERRY_OK, NULL));
}

static void two_futures(void)
{
	CHECK_OK(ferry_post(t.engine, 0, OP_SEVERAL, "a", 1, &t.composed[0]));
	CHECK_OK(ferry_post(t.engine, 0, OP_SEVERAL, large, MIDDLE, &t.composed[1]));
}

static void a_post(void)
{
	CHECK_OK(ferry_post(t.engine, 0, OP, large, MIDDLE, NULL));
}

static void a_post_with_future(void)
{
	CHECK_OK(ferry_post(t.engine, 0, OP, large, MIDDLE, &t.other));
}

/* A request that nobody has answered. */
static void a_request(void)
{
	CHECK_OK(ferry_call(t.engine, 0, OP_KEEP, "?", 1, &t.other));
	for (double begin = system_now(); !t.request && system_now() - begin < SOON_S;)
		ferry_progress(t.engine, FERRY_MS(1));
	CHECK(t.request);
}

static void a_request_and_a_message(void)
{
	a_request();
	a_written_message();
}

static void an_empty_reply(void)
{
	CHECK_OK(ferry_call(t.engine, 0, OP, "?", 1, &t.other));
	CHECK_OK(ferry_future_wait(t.other, FERRY_S(SOON_S)));
	t.done = 0;
}

static void mail(void)
{
	CHECK_OK(ferry_post(t.engine, 0, OP_MAIL, large, MIDDLE, NULL));
}

static void a_received_message(void)
{
	mail();
	CHECK_OK(ferry_recv(t.engine, 0, OP_MAIL, FERRY_S(SOON_S), &t.received));
}

static void a_received_attachment(void)
{
	a_written_message();
	CHECK_OK(ferry_handle(t.engine, OP, FERRY_INLINE, NULL, NULL));
	CHECK_OK(ferry_post_message(t.engine, 0, t.message, NULL));
	CHECK_OK(ferry_recv(t.engine, 0, OP, FERRY_S(SOON_S), &t.received));
}

static void a_codec(void)
{
	CHECK_OK(ferry_codec_register(t.engine, 1, encode, decode, NULL));
	a_message();
}

static void a_received_object(void)
{
	CHECK_OK(ferry_isend_complex_data(t.engine, 0, &large_object, &t.message, NULL));
	CHECK_OK(ferry_recv_complex_data(t.engine, 0, FERRY_S(SOON_S), &t.received));
}

static void a_received_value(void)
{
	a_codec();
	CHECK_OK(ferry_message_pack_value(t.message, 1, large));
	CHECK_OK(ferry_handle(t.engine, OP, FERRY_INLINE, NULL, NULL));
	CHECK_OK(ferry_post_message(t.engine, 0, t.message, NULL));
	CHECK_OK(ferry_recv(t.engine, 0, OP, FERRY_S(SOON_S), &t.received));
	CHECK_OK(ferry_message_object(t.received, &t.object));
}

/* All that was sent is here: it needs no memory any more. */
static void settle(void)
{
	CHECK_OK(ferry_flush(t.engine, FERRY_ALL, FERRY_S(SOON_S)));
}

static void an_object_sent(void)
{
	CHECK_OK(ferry_isend_object(t.engine, 0, &small_object, NULL));
	settle();
}

static void complex_data_sent(void)
{
	CHECK_OK(ferry_isend_complex_data(t.engine, 0, &large_object, NULL, NULL));
	settle();
}

static void a_buffer_sent(void)
{
	CHECK_OK(ferry_isend_buffer(t.engine, 0, large, LARGE, NULL, NULL, NULL));
	settle();
}

static void an_operation_sent(void)
{
	CHECK_OK(ferry_isend_simple_operation(t.engine, 0, OP_MAIL, &small_object, NULL));
}

static void an_operation(void)
{
	uint32_t op;
	int source;
	an_operation_sent();
	CHECK_OK(ferry_recv_operation_type(t.engine, FERRY_S(SOON_S), &op, &source));
}

static void a_pool(void)
{
	CHECK_OK(ferry_workers_create(t.engine, 1, &t.pool));
}

static void a_queue(void)
{
	CHECK_OK(ferry_queue_create(t.engine, &t.executor));
}

static void a_task(void)
{
	a_queue();
	a_done_future();
	CHECK_OK(ferry_future_then(t.other, t.executor, on_done, NULL));
}

static void a_counter(void)
{
	CHECK_OK(ferry_counter_create(t.engine, &t.counter));
}

static void a_counted_post(void)
{
	a_counter();
	CHECK_OK(ferry_post_counted(t.engine, 0, OP_SEVERAL, large, MIDDLE, t.counter));
}

static void a_message_of_mpi(void)
{
	t.word = 7;
	MPI_Isend(&t.word, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, &t.request_of_mpi);
}

static void a_matched_message(void)
{
	MPI_Status status;
	a_message_of_mpi();
	MPI_Mprobe(0, 5, MPI_COMM_WORLD, &t.matched, &status);
}

static void a_receive_of_mpi(void)
{
	MPI_Irecv(&t.sum, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, &t.request_of_mpi);
}

static void a_done_start(void)
{
	CHECK_OK(ferry_barrier(t.engine, &t.other));
	CHECK_OK(ferry_future_wait(t.other, FERRY_S(SOON_S)));
}

/* ---- calls that are more than an expression ---------------------------------------------- */

static int open_second(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.flags = FERRY_KEEP_MPI | FERRY_NO_THREAD;
	options.log = "/dev/null";
	return ferry_open(&options, &t.second);
}

static int open_on_comm(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	options.flags = FERRY_KEEP_MPI | FERRY_NO_THREAD;
	return ferry_open_comm(MPI_COMM_SELF, &options, &t.second);
}

static int close_engine(void)
{
	ferry *engine = t.engine;
	t.engine = NULL;
	return ferry_close(engine);
}

static void hear_line(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

static int log_elsewhere(void)
{
	int status = ferry_log_to(hear_line, NULL);
	return status ? status : ferry_log_to(NULL, NULL);
}

static int resolve(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	return ferry_options_resolved(t.engine, &options);
}

static int read_stats(void)
{
	ferry_stats stats = FERRY_STATS_INIT;
	return ferry_stats_read(t.engine, &stats);
}

static int dump(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int status = ferry_dump(t.engine, null);
	close(null);
	return status;
}

static int progress(void)
{
	int status = ferry_progress(t.engine, 0);
	return status == FERRY_PENDING ? FERRY_OK : status;
}

static int take_attachment(void)
{
	t.data = ferry_message_take(t.received, 0, &t.nbytes);
	return t.data ? FERRY_OK : FERRY_EINVAL;
}

static int pack_by_packer(void)
{
	msgpack_packer *packer = ferry_message_packer(t.message);
	return packer ? FERRY_OK : FERRY_ENOMEM;
}

static int receive_operation(void)
{
	uint32_t op = 0;
	int source = -1;
	int status = ferry_recv_operation_type(t.engine, FERRY_MS(50), &op, &source);
	CHECK_INT(op, status ? 0 : OP_MAIL);
	return status;
}

static int receive_buffer(void)
{
	return ferry_recv_buffer(t.engine, 0, FERRY_MS(50), &t.data, &t.nbytes);
}

static int read_counter(void)
{
	uint64_t posted, done;
	return ferry_counter_read(t.counter, &posted, &done);
}

static int run_executor(void)
{
	int n = ferry_executor_run(t.executor, 0, 0);
	return n < 0 ? n : n == 1 ? FERRY_OK : FERRY_EINVAL;
}

static int mpi_status(void)
{
	MPI_Status status;
	return ferry_future_mpi_status(t.other, &status);
}

static int wait_any(void)
{
	size_t index;
	return ferry_wait_any(t.composed, 2, FERRY_MS(50), &index);
}

static int finish_all(void)
{
	ferry_future *futures[2] = { t.composed[0], t.composed[1] };
	int status = ferry_finish_all(futures, 2, FERRY_MS(50));
	t.composed[0] = futures[0];
	t.composed[1] = futures[1];
	return status;
}

static int retain_inline(void)
{
	ferry_message_retain(t.received);
	ferry_message_release(t.received);
	return FERRY_OK;
}

static int retain_future(void)
{
	ferry_future_retain(t.other);
	ferry_future_release(t.other);
	return FERRY_OK;
}

static int release_counter(void)
{
	ferry_counter_release(t.counter);
	t.counter = NULL;
	return FERRY_OK;
}

static int destroy_executor(void)
{
	ferry_executor_destroy(t.executor);
	t.executor = NULL;
	return FERRY_OK;
}

static int isend_twice(void)
{
	return ferry_isend_complex_operation(t.engine, 0, OP, &large_object, &t.message, &t.future);
}

static int so(bool it_is)
{
	return it_is ? FERRY_OK : FERRY_EINVAL;
}

/*
 * The cases: the function, what is there before, the call, and how often the call does something
 * that is counted (t.done) by the time the engine is closed.
 */
#define ANY_OP MPI_INT, MPI_SUM
#define CASES(X)                                                                                   \
	X(ferry_strname, nothing, so(ferry_strname(FERRY_ENOMEM)), 0)                              \
	X(ferry_strerror, nothing, so(ferry_strerror(FERRY_ENOMEM)), 0)                            \
	X(ferry_last_error, nothing, so(ferry_last_error()), 0)                                    \
	X(ferry_version, nothing, so(ferry_version()), 0)                                          \
	X(ferry_open, nothing, open_second(), 0)                                                   \
	X(ferry_open_comm, nothing, open_on_comm(), 0)                                             \
	X(ferry_close, a_post, close_engine(), 1)                                                  \
	X(ferry_log_to, nothing, log_elsewhere(), 0)                                               \
	X(ferry_close, a_request,                                                                  \
	  (ferry_message_release(t.request), t.request = NULL, close_engine()), 0)                 \
	X(ferry_rank, nothing, ferry_rank(t.engine), 0)                                            \
	X(ferry_size, nothing, so(ferry_size(t.engine) == 1), 0)                                   \
	X(ferry_flush, a_post, ferry_flush(t.engine, FERRY_ALL, FERRY_MS(50)), 1)                  \
	X(ferry_fence, a_post, ferry_fence(t.engine, FERRY_MS(50)), 1)                             \
	X(ferry_options_resolved, nothing, resolve(), 0)                                           \
	X(ferry_stats_read, nothing, read_stats(), 0)                                              \
	X(ferry_status, nothing, ferry_status(t.engine), 0)                                        \
	X(ferry_dump, nothing, dump(), 0)                                                          \
	X(ferry_on_peer, nothing, ferry_on_peer(t.engine, FERRY_INLINE, on_peer, NULL), 0)         \
	X(ferry_peer_status, nothing, ferry_peer_status(t.engine, 0), 0)                           \
	X(ferry_peer_gone, nothing, so(ferry_peer_gone(t.engine, 0, NULL) == FERRY_EINVAL), 0)     \
	X(ferry_room, nothing, ferry_room(t.engine, 0, &t.future), 0)                              \
	X(ferry_progress, a_post, progress(), 1)                                                   \
	X(ferry_post, nothing, ferry_post(t.engine, 0, OP, large, SMALL, &t.future), 1)            \
	X(ferry_post, nothing, ferry_post(t.engine, 0, OP, large, LARGE, &t.future), 1)            \
	X(ferry_post, nothing, ferry_post(t.engine, 0, OP, large, SMALL, NULL), 1)                 \
	X(ferry_call, nothing, ferry_call(t.engine, 0, OP_ASK, large, SMALL, &t.future), 1)        \
	X(ferry_call, nothing, ferry_call(t.engine, 0, OP_ASK, large, LARGE, &t.future), 1)        \
	X(ferry_post_for, nothing,                                                                 \
	  ferry_post_for(t.engine, 0, OP, large, LARGE, FERRY_MS(50), &t.future), 1)               \
	X(ferry_call_for, nothing,                                                                 \
	  ferry_call_for(t.engine, 0, OP_ASK, large, SMALL, FERRY_MS(50), &t.future), 1)           \
	X(ferry_message_create, nothing, ferry_message_create(t.engine, OP, &t.message), 0)        \
	X(ferry_message_write, a_message, ferry_message_write(t.message, large, LARGE), 0)         \
	X(ferry_message_attach, a_message,                                                         \
	  ferry_message_attach(t.message, large, LARGE, on_release, NULL), 1)                      \
	X(ferry_post_message, a_written_message,                                                   \
	  ferry_post_message(t.engine, 0, t.message, &t.future), 1)                                \
	X(ferry_post_message, a_small_message,                                                     \
	  ferry_post_message(t.engine, 0, t.message, &t.future), 1)                                \
	X(ferry_call_message, an_asking_message,                                                   \
	  ferry_call_message(t.engine, 0, t.message, &t.future), 1)                                \
	X(ferry_message_retain, a_received_message, retain_inline(), 0)                            \
	X(ferry_message_release, a_received_message, retain_inline(), 0)                           \
	X(ferry_message_source, a_received_message, ferry_message_source(t.received), 0)           \
	X(ferry_message_op, a_received_message, so(ferry_message_op(t.received) == OP_MAIL), 0)    \
	X(ferry_message_body, a_received_message, so(ferry_message_body(t.received, NULL)), 0)     \
	X(ferry_message_attachments, a_received_attachment,                                        \
	  so(ferry_message_attachments(t.received) == 1), 0)                                       \
	X(ferry_message_attachment, a_received_attachment,                                         \
	  so(ferry_message_attachment(t.received, 0, NULL)), 0)                                    \
	X(ferry_message_take, a_received_attachment, take_attachment(), 0)                         \
	X(ferry_handle, mail, ferry_handle(t.engine, OP_MAIL, FERRY_INLINE, on_message, &t.done),  \
	  1)                                                                                       \
	X(ferry_handle_memory, nothing, ferry_handle_memory(t.engine, OP_LAND, on_memory, NULL),   \
	  0)                                                                                       \
	X(ferry_reply, a_request, ferry_reply(t.request, large, SMALL), 0)                         \
	X(ferry_reply, a_request, ferry_reply(t.request, large, LARGE), 0)                         \
	X(ferry_reply_message, a_request_and_a_message, ferry_reply_message(t.request, t.message), \
	  0)                                                                                       \
	X(ferry_reply_error, a_request, ferry_reply_error(t.request, FERRY_ETRUNC, "no"), 0)       \
	X(ferry_recv, mail, ferry_recv(t.engine, 0, OP_MAIL, FERRY_MS(50), &t.received), 0)        \
	X(ferry_future_poll, a_done_future, ferry_future_poll(t.other), 0)                         \
	X(ferry_future_wait, a_post_with_future, ferry_future_wait(t.other, FERRY_MS(50)), 1)      \
	X(ferry_future_take, an_empty_reply, ferry_future_take(t.other, &t.received), 0)           \
	X(ferry_future_detail, a_done_future, so(ferry_future_detail(t.other)), 0)                 \
	X(ferry_future_then, a_done_future,                                                        \
	  ferry_future_then(t.other, FERRY_INLINE, on_done, NULL), 1)                              \
	X(ferry_future_deadline, a_promise, ferry_future_deadline(t.other, FERRY_S(100)), 0)       \
	X(ferry_future_cancel, a_promise, ferry_future_cancel(t.other), 0)                         \
	X(ferry_future_retain, a_promise, retain_future(), 0)                                      \
	X(ferry_future_release, a_promise, retain_future(), 0)                                     \
	X(ferry_wait_all, two_futures, ferry_wait_all(t.composed, 2, FERRY_MS(50)), 0)             \
	X(ferry_finish_all, two_futures, finish_all(), 0)                                          \
	X(ferry_wait_any, two_futures, wait_any(), 0)                                              \
	X(ferry_future_all, two_futures, ferry_future_all(t.composed, 2, &t.future), 0)            \
	X(ferry_future_any, two_futures, ferry_future_any(t.composed, 2, &t.future), 0)            \
	X(ferry_future_and_then, a_done_future,                                                    \
	  ferry_future_and_then(t.other, FERRY_INLINE, next_step, NULL, &t.future), 1)             \
	X(ferry_promise_create, nothing, ferry_promise_create(t.engine, &t.other), 0)              \
	X(ferry_promise_fulfil, a_promise, ferry_promise_fulfil(t.other, FERRY_OK, NULL), 0)       \
	X(ferry_counter_create, nothing, ferry_counter_create(t.engine, &t.counter), 0)            \
	X(ferry_post_counted, a_counter,                                                           \
	  ferry_post_counted(t.engine, 0, OP, large, SMALL, t.counter), 1)                         \
	X(ferry_post_counted, a_counter,                                                           \
	  ferry_post_counted(t.engine, 0, OP, large, MIDDLE, t.counter), 1)                        \
	X(ferry_counter_read, a_counted_post, read_counter(), 0)                                   \
	X(ferry_counter_wait, a_counted_post, ferry_counter_wait(t.counter, 1, FERRY_MS(50)), 0)   \
	X(ferry_counter_then, a_counted_post,                                                      \
	  ferry_counter_then(t.counter, 1, FERRY_INLINE, on_done, NULL), 1)                        \
	X(ferry_counter_release, a_counted_post, release_counter(), 0)                             \
	X(ferry_workers_create, nothing, ferry_workers_create(t.engine, 2, &t.executor), 0)        \
	X(ferry_strand_create, a_pool, ferry_strand_create(t.pool, &t.executor), 0)                \
	X(ferry_queue_create, nothing, ferry_queue_create(t.engine, &t.executor), 0)               \
	X(ferry_executor_run, a_task, run_executor(), 1)                                           \
	X(ferry_executor_fd, a_queue, so(ferry_executor_fd(t.executor) >= 0), 0)                   \
	X(ferry_executor_destroy, a_task, destroy_executor(), 1)                                   \
	X(ferry_start, nothing, ferry_start(t.engine, start_barrier, NULL, &t.future), 1)          \
	X(ferry_start_release, nothing,                                                            \
	  ferry_start_release(t.engine, start_barrier, NULL, on_release, &t.future), 2)            \
	X(ferry_future_mpi_status, a_done_start, mpi_status(), 0)                                  \
	X(ferry_run, nothing, ferry_run(t.engine, run_nothing, NULL, &t.future), 1)                \
	X(ferry_isend, a_receive_of_mpi,                                                           \
	  ferry_isend(t.engine, large, 4, MPI_BYTE, 0, 5, MPI_COMM_WORLD, &t.future), 0)           \
	X(ferry_irecv, a_message_of_mpi,                                                           \
	  ferry_irecv(t.engine, &t.sum, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, &t.future), 0)           \
	X(ferry_sendrecv, nothing,                                                                 \
	  ferry_sendrecv(t.engine, &t.word, 1, MPI_INT, 0, 6, &t.sum, 1, MPI_INT, 0, 6,            \
	                 MPI_COMM_WORLD, &t.future),                                               \
	  0)                                                                                       \
	X(ferry_improbe, a_message_of_mpi,                                                         \
	  ferry_improbe(t.engine, 0, 5, MPI_COMM_WORLD, &t.matched, &t.future), 0)                 \
	X(ferry_imrecv, a_matched_message,                                                         \
	  ferry_imrecv(t.engine, &t.sum, 1, MPI_INT, &t.matched, &t.future), 0)                    \
	X(ferry_barrier, nothing, ferry_barrier(t.engine, &t.future), 0)                           \
	X(ferry_bcast, nothing, ferry_bcast(t.engine, &t.word, 1, MPI_INT, 0, &t.future), 0)       \
	X(ferry_reduce, nothing, ferry_reduce(t.engine, &t.word, &t.sum, 1, ANY_OP, 0, &t.future), \
	  0)                                                                                       \
	X(ferry_allreduce, nothing,                                                                \
	  ferry_allreduce(t.engine, &t.word, &t.sum, 1, ANY_OP, &t.future), 0)                     \
	X(ferry_gather, nothing, ferry_gather(t.engine, large, LARGE, 0, &t.future), 0)            \
	X(ferry_message_packer, a_message, pack_by_packer(), 0)                                    \
	X(ferry_message_pack, a_message, ferry_message_pack(t.message, &large_object), 0)          \
	X(ferry_message_object, a_received_object, ferry_message_object(t.received, &t.object), 0) \
	X(ferry_codec_register, nothing, ferry_codec_register(t.engine, 2, encode, decode, NULL),  \
	  0)                                                                                       \
	X(ferry_message_pack_value, a_codec, ferry_message_pack_value(t.message, 1, large), 0)     \
	X(ferry_message_value, a_received_value,                                                   \
	  ferry_message_value(t.received, t.object, &t.value), 0)                                  \
	X(ferry_send_object, nothing, ferry_send_object(t.engine, 0, &large_object), 0)            \
	X(ferry_isend_object, nothing, ferry_isend_object(t.engine, 0, &large_object, &t.future),  \
	  0)                                                                                       \
	X(ferry_recv_object, an_object_sent,                                                       \
	  ferry_recv_object(t.engine, 0, FERRY_MS(50), &t.received), 0)                            \
	X(ferry_send_buffer, nothing, ferry_send_buffer(t.engine, 0, large, LARGE), 0)             \
	X(ferry_isend_buffer, nothing,                                                             \
	  ferry_isend_buffer(t.engine, 0, large, LARGE, on_release, NULL, &t.future), 1)           \
	X(ferry_isend_buffer, nothing,                                                             \
	  ferry_isend_buffer(t.engine, 0, large, LARGE, NULL, NULL, NULL), 0)                      \
	X(ferry_recv_buffer, a_buffer_sent, receive_buffer(), 0)                                   \
	X(ferry_send_simple_operation, nothing,                                                    \
	  ferry_send_simple_operation(t.engine, 0, OP, &small_object), 1)                          \
	X(ferry_isend_simple_operation, nothing,                                                   \
	  ferry_isend_simple_operation(t.engine, 0, OP, &small_object, &t.future), 1)              \
	X(ferry_recv_simple_operation, an_operation,                                               \
	  ferry_recv_simple_operation(t.engine, 0, FERRY_MS(50), &t.received), 0)                  \
	X(ferry_send_complex_data, nothing,                                                        \
	  ferry_send_complex_data(t.engine, 0, &large_object, &t.message), 0)                      \
	X(ferry_isend_complex_data, nothing,                                                       \
	  ferry_isend_complex_data(t.engine, 0, &large_object, &t.message, &t.future), 0)          \
	X(ferry_isend_complex_data, a_packed_message,                                              \
	  ferry_isend_complex_data(t.engine, 0, NULL, &t.message, &t.future), 0)                   \
	X(ferry_recv_complex_data, complex_data_sent,                                              \
	  ferry_recv_complex_data(t.engine, 0, FERRY_MS(50), &t.received), 0)                      \
	X(ferry_isend_complex_operation, nothing, isend_twice(), 1)                                \
	X(ferry_isend_serialized_operation, nothing,                                               \
	  ferry_isend_serialized_operation(t.engine, 0, OP, large, LARGE, &t.future), 1)           \
	X(ferry_recv_serialized_data, a_buffer_sent,                                               \
	  ferry_recv_serialized_data(t.engine, 0, FERRY_MS(50), &t.received), 0)                   \
	X(ferry_message_data, a_received_message, so(ferry_message_data(t.received, NULL)), 0)     \
	X(ferry_busy_wait_recv, an_object_sent, ferry_busy_wait_recv(t.engine, 0, 0, &t.received), \
	  0)                                                                                       \
	X(ferry_recv_operation_type, an_operation_sent, receive_operation(), 0)

static const struct test {
	const char *function;
	void (*set_up)(void);
	unsigned does;
} tests[] = {
#define TEST(function, set_up, call, does) { #function, set_up, does },
	CASES(TEST)
#undef TEST
};

static int make_call(unsigned n)
{
	unsigned i = 0;
#define CALL(function, set_up, call, does) \
	if (n == i++)                      \
		return call;
	CASES(CALL)
#undef CALL
	return FERRY_EINVAL;
}

/* ---- one try --------------------------------------------------------------------------------- */

struct
try {
	unsigned test;
	unsigned long first, count;
	bool through; /* memory is short until the future is done, too */
	bool retried, had_message;
};

static void complain(const struct try *try, const char *what, int status)
{
	CHECK_FAIL("%s (case %u), allocation %lu%s%s: %s: %s (%s)", tests[try->test].function,
	           try->test, try->first, try->count > 1 ? " and those behind it" : "",
	           try->through ? ", until the end" : "", what, ferry_strname(status),
	           ferry_last_error());
}

static bool is(const struct test *test, const char *start)
{
	return strncmp(test->function, start, strlen(start)) == 0;
}

static void begin(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	memset(&t, 0, sizeof t);
	t.request_of_mpi = MPI_REQUEST_NULL;
	t.matched = MPI_MESSAGE_NULL;
	options.flags = FERRY_KEEP_MPI | FERRY_NO_THREAD;
	options.handler_grace = FERRY_NONE;
	options.out_of_band = LARGE / 2;
	t.engine = system_open(&options);
	CHECK_OK(ferry_handle(t.engine, OP, FERRY_INLINE, on_message, &t.done));
	CHECK_OK(ferry_handle(t.engine, OP_SEVERAL, FERRY_INLINE, on_message, &t.several));
	CHECK_OK(ferry_handle(t.engine, OP_BESIDE, FERRY_INLINE, on_message, &t.beside_done));
	CHECK_OK(ferry_handle(t.engine, OP_ASK, FERRY_INLINE, on_ask, &t.done));
	CHECK_OK(ferry_handle(t.engine, OP_KEEP, FERRY_INLINE, on_keep, NULL));
}

/* The future by which it is known that what the call began is over. */
static ferry_future *outcome_of(const struct test *test)
{
	return is(test, "ferry_reply") ? t.other : t.future;
}

/* No output argument was touched. */
static void check_untouched(const struct try *try, int status)
{
	if (t.future || (t.message && !try->had_message) || t.second || t.data || t.value)
		complain(try, "an output argument was touched", status);
}

static int call_and_wait(const struct try *try, bool short_of)
{
	const struct test *test = &tests[try->test];
	int status = make_call(try->test);
	if (status)
		check_untouched(try, status);
	if (!status && short_of && try->through && outcome_of(test))
		ferry_future_wait(outcome_of(test), FERRY_S(SOON_S));
	return status;
}

/* How the operation ended, whose call was good. */
static int outcome(const struct try *try)
{
	const struct test *test = &tests[try->test];
	ferry_future *future = outcome_of(test);
	int good = is(test, "ferry_reply_error") ? FERRY_EREMOTE : FERRY_OK;
	int status = future ? ferry_future_wait(future, FERRY_S(SOON_S)) : good;
	return status == good ? FERRY_OK : status ? status : FERRY_EREMOTE;
}

/* Nothing happened the first time, so the second is a first one. */
static void call_again(struct try *try)
{
	try->retried = true;
	ferry_future_release(t.future);
	t.future = NULL;
	if (!try->had_message) {
		ferry_message_release(t.message);
		t.message = NULL;
	}
	int status = call_and_wait(try, false);
	if (status)
		complain(try, "it does not work when memory is there again", status);
	status = outcome(try);
	if (status)
		complain(try, "its future, when memory is there again", status);
}

/* Requests of MPI that the case itself made. */
static void end_mpi(void)
{
	if (t.matched != MPI_MESSAGE_NULL)
		MPI_Mrecv(&t.sum, 1, MPI_INT, &t.matched, MPI_STATUS_IGNORE);
	if (t.request_of_mpi != MPI_REQUEST_NULL)
		MPI_Wait(&t.request_of_mpi, MPI_STATUS_IGNORE);
}

/* What a send has left unread. */
static void read_rest(void)
{
	ferry_message *m;
	while (ferry_recv_object(t.engine, 0, 0, &m) == FERRY_OK ||
	       ferry_recv_complex_data(t.engine, 0, 0, &m) == FERRY_OK ||
	       ferry_recv_serialized_data(t.engine, 0, 0, &m) == FERRY_OK ||
	       ferry_recv(t.engine, 0, FERRY_ANY_OP, 0, &m) == FERRY_OK)
		ferry_message_release(m);
}

static void close_all(const struct try *try)
{
	int status = FERRY_OK;
	if (t.engine)
		read_rest();
	ferry_message_release(t.message);
	ferry_message_release(t.request);
	ferry_message_release(t.received);
	if (t.second)
		CHECK_OK(ferry_close(t.second));
	if (t.engine)
		status = ferry_close(t.engine);
	if (status)
		complain(try, "the close", status);
	ferry_executor_destroy(t.executor);
	ferry_executor_destroy(t.pool);
	ferry_counter_release(t.counter);
	ferry_future *futures[] = { t.future, t.other, t.beside, t.composed[0], t.composed[1] };
	for (unsigned i = 0; i < COUNT_OF(futures); i++)
		ferry_future_release(futures[i]);
	free(t.data);
	end_mpi();
}

static void check_beside(const struct try *try)
{
	int status = t.engine ? ferry_future_wait(t.beside, FERRY_S(SOON_S)) : FERRY_OK;
	if (status)
		complain(try, "what was posted before has ended with", status);
}

/* What this thread keeps for its next use would hide an allocation. */
static void empty_caches(void)
{
	for (int kind = 0; kind < FY_CACHE_KINDS; kind++) {
		struct fy_cache *cache = &fy_cache_lists[kind];
		while (cache->first)
			free(fy_cache_take((enum fy_cache_kind)kind, cache->size));
	}
}

/* Returns how many allocations failed. */
static unsigned long make_try(struct try *try)
{
	const struct test *test = &tests[try->test];
	begin();
	test->set_up();
	try->had_message = t.message;
	CHECK_OK(ferry_post(t.engine, 0, OP_BESIDE, "b", 1, &t.beside));
	empty_caches();
	shortage_begin_for(try->first, try->count, FERRY_MS(SHORT_MS));
	int status = call_and_wait(try, true);
	unsigned long failed = shortage_end();
	bool may = failed && (status == FERRY_ENOMEM || status == FERRY_PENDING);
	if (status && !may)
		complain(try, "it returns", status);
	if (talks)
		printf("%s: %lu: %s\n", test->function, try->first, ferry_strname(status));
	int end = status ? FERRY_OK : outcome(try);
	if (end && !(end == FERRY_ENOMEM && failed && try->through))
		complain(try, "its future ends with", end);
	if (status || (end && !is(test, "ferry_reply"))) /* a reply is given once */
		call_again(try);
	check_beside(try);
	close_all(try);
	empty_caches(); /* so that what is held afterwards is comparable */
	/* Of a call that ended with FERRY_ENOMEM the request was handled, or was not. What was lent
	 * is released after a failure, too. */
	bool twice = is(test, "ferry_call") || is(test, "ferry_start_release") ||
	             is(test, "ferry_isend_buffer");
	unsigned more = end && twice;
	if (t.done < test->does || t.done > test->does + more || t.beside_done != 1)
		CHECK_FAIL("%s (case %u), allocation %lu%s%s: it was done %u times, not %u, and "
		           "what was beside it %u times",
		           test->function, try->test, try->first,
		           try->count > 1 ? " and those behind it" : "",
		           try->through ? ", until the end" : "", t.done, test->does,
		           t.beside_done);
	return failed;
}

/* A try, and how much more is held after it than before. What the C library allocates and the
 * library frees counts as less, so the number itself says nothing. */
static long make_measured(struct try *try, unsigned long *failed)
{
	long before = (long)shortage_held();
	*failed = make_try(try);
	return (long)shortage_held() - before;
}

/* Is more left than after a try in which nothing failed? What is lost is lost each time. */
static void check_left(struct try *try, long left, long usual)
{
	unsigned long failed;
	for (unsigned i = 0; left > usual; i++) {
		if (i == 3)
			complain(try, "memory is lost each time", FERRY_OK);
		left = make_measured(try, &failed);
	}
}

static unsigned long tries;

static void make_tries(unsigned test, unsigned long count, bool through)
{
	struct try try = { .test = test, .count = count, .through = through };
	unsigned long failed;
	make_try(&try); /* none fails: what is kept for the next time is made */
	long usual = make_measured(&try, &failed), left;
	do {
		try.first++;
		if (try.first > TRIES_MAX)
			complain(&try, "there is no end of allocations", FERRY_OK);
		tries++;
		left = make_measured(&try, &failed);
		check_left(&try, left, usual);
	} while (failed);
}

int main(int argc, char **argv)
{
	bool list = argc > 1 && strcmp(argv[1], "list") == 0;
	const char *only = argc > 1 && !list ? argv[1] : NULL;
	int provided;
	for (unsigned i = 0; list && i < COUNT_OF(tests); i++)
		puts(tests[i].function);
	if (list)
		return 0;
	talks = only;
	system_watch();
	MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
	for (unsigned i = 0; i < WARM; i++) { /* structs of engines are used again after so many */
		begin();
		CHECK_OK(ferry_close(t.engine));
	}
	for (unsigned i = 0; i < COUNT_OF(tests); i++)
		for (unsigned mode = 0; mode < 4; mode++)
			if (!only || strcmp(only, tests[i].function) == 0)
				make_tries(i, mode & 1 ? SHORTAGE_ALL : 1, mode & 2);
	MPI_Finalize();
	printf("allocations: %zu cases, %lu tries: each ends well, or with FERRY_ENOMEM and "
	       "nothing done\n",
	       COUNT_OF(tests), tries);
	return 0;
}
