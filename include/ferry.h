/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry: a threaded asynchronous communication engine over MPI.
 *
 * One progress thread a process owns MPI. Application threads, as many as they
 * like, post messages and await futures; they never call MPI for it.
 *
 * Every comment below answers, in this order and where there is something to
 * say: Threads, Blocks, Order, Ownership, Completes, then the errors.
 * "On the progress thread" means: in inline handlers, callbacks and release
 * functions, whichever thread runs them.
 */
#ifndef FERRY_H
#define FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of this header; ferry_version() tells the library's. configure
 * reads the version of the package from these four lines. */
#define FERRY_VERSION_MAJOR 0
#define FERRY_VERSION_MINOR 1
#define FERRY_VERSION_PATCH 0
#define FERRY_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_API __attribute__((visibility("default")))

/* ---- status ------------------------------------------------------------ */

/*
 * One list yields the enum, ferry_strname and ferry_strerror. The first group:
 * the call had no effect. The second: the operation failed, the engine is
 * fine. The third: the engine is finished.
 */
#define FERRY_STATUS_MAP(X)                                                          \
	X(EINVAL, -1, "an argument is wrong")                                        \
	X(EAGAIN, -2, "there is no room now")                                        \
	X(EALREADY, -3, "somebody else decided it first")                            \
	X(ENOMEM, -4, "memory is exhausted")                                         \
	X(EDEADLK, -5, "waiting here could never end")                               \
	X(ETHREAD, -6, "the thread level of MPI is too low")                         \
	X(ENOTSUP, -7, "this is not supported here")                                 \
	X(ECANCELED, -20, "the operation was cancelled")                             \
	X(ETIMEDOUT, -21, "the deadline passed")                                     \
	X(ENOHANDLER, -22, "nobody handles this operation at the target")            \
	X(EDECODE, -23, "the bytes are malformed")                                   \
	X(ETRUNC, -24, "the data is longer than the memory given for it")            \
	X(ETOOBIG, -25, "the message is larger than allowed")                        \
	X(EREMOTE, -26, "the handler at the target reported an error")               \
	X(EPEER, -27, "that rank is gone")                                           \
	X(EMPI, -28, "MPI refused it")                                               \
	X(ESTOPPED, -40, "the engine has stopped")

enum ferry_status_code {
	FERRY_OK = 0,
	FERRY_PENDING = 1,
#define FERRY_STATUS_ENUM(name, value, text) FERRY_##name = (value),
	FERRY_STATUS_MAP(FERRY_STATUS_ENUM)
#undef FERRY_STATUS_ENUM
};

/* The name of a status ("FERRY_EINVAL"), or "unknown status". Any thread. */
FERRY_API const char *ferry_strname(int status);
/* What a status means, in a few words. Any thread. */
FERRY_API const char *ferry_strerror(int status);
/* A sentence on why the last failed call of this thread failed; "" if none.
 * Valid until this thread's next failing call. */
FERRY_API const char *ferry_last_error(void);
/* The version of the library that is loaded, such as "0.1.0". */
FERRY_API const char *ferry_version(void);

/* ---- types and constants ------------------------------------------------ */

typedef struct ferry ferry;
typedef struct ferry_future ferry_future;
typedef struct ferry_message ferry_message;
typedef struct ferry_executor ferry_executor;
typedef struct ferry_options ferry_options;
typedef struct ferry_stats ferry_stats;

typedef void ferry_release_fn(void *data, void *arg);
typedef void ferry_handler_fn(ferry *engine, ferry_message *message, void *arg);
typedef void ferry_callback_fn(ferry_future *future, int status, void *arg);
typedef int ferry_next_fn(ferry_future *done, int status, void *arg, ferry_future **next_p);
typedef void *ferry_memory_fn(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes, void *arg);

#define FERRY_FOREVER (-1)
#define FERRY_ANY (-1)          /* any source */
#define FERRY_ALL (-1)          /* all ranks */
#define FERRY_NONE (-1)         /* an option that is off */
#define FERRY_ANY_OP UINT32_MAX /* any of the program's ops */
#define FERRY_OP_RESERVED 0xFFFF0000u /* ops from here on are the library's */

#define FERRY_US(n) ((int64_t)(n) * 1000)
#define FERRY_MS(n) ((int64_t)(n) * 1000000)
#define FERRY_S(n) ((int64_t)(n) * 1000000000)

/* flags of options */
#define FERRY_EXCLUSIVE 0x1u /* the application makes no MPI call of its own */
#define FERRY_NONBLOCK 0x2u  /* no room: FERRY_EAGAIN instead of waiting */
#define FERRY_KEEP_MPI 0x4u  /* leave MPI running after the last close */
#define FERRY_NO_THREAD 0x8u /* the program calls ferry_progress itself */

/* options.thread_level: values that do not depend on the MPI at hand */
#define FERRY_THREAD_FUNNELED 1
#define FERRY_THREAD_SERIALIZED 2
#define FERRY_THREAD_MULTIPLE 3

/* Zero in any field means default. FERRY_OPTIONS_INIT sets the size. Sizes in
 * bytes, times in ns. Each field can also be set by FERRY_<FIELD> in the environment; a
 * field that is not zero wins over the environment. */
struct ferry_options {
	size_t size;
	uint32_t flags;
	int thread_level;
	size_t receive_memory;  /* what all peers together may make this rank hold */
	size_t send_memory;     /* what waits in channels for slow peers */
	size_t message_max;     /* larger: ETOOBIG */
	size_t out_of_band;     /* binaries from this size on travel as attachments */
	size_t decode_memory;   /* bound of one decoded object */
	int64_t handler_grace;  /* unread and unhandled for so long: see ferry_recv */
	int64_t spin;           /* how long an idle loop spins before it yields */
	int64_t sleep_max;      /* longest sleep of an idle loop that must poll */
	int lend;               /* 1: waiting threads may drive the engine; FERRY_NONE: never */
	const char *progress_cpus; /* a list such as "3" or "2-3" */
	int64_t peer_timeout;   /* a peer that owes an answer and is silent so long is gone */
	int64_t close_timeout;  /* close gives up so long after a peer is gone */
	int64_t stuck_after;    /* report in the log what is stuck for so long */
	int stats;
	const char *trace;
	const char *log;        /* "stderr", or a file name; %r becomes the rank */
	int checksum;           /* 1: CRC-32C over bodies and attachments */
};
#define FERRY_OPTIONS_INIT { sizeof(ferry_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ---- engine ------------------------------------------------------------- */

FERRY_API int ferry_open(const ferry_options *options, ferry **engine_p);
FERRY_API int ferry_close(ferry *engine);
FERRY_API int ferry_rank(const ferry *engine);
FERRY_API int ferry_size(const ferry *engine);
FERRY_API int ferry_flush(ferry *engine, int rank, int64_t timeout);
FERRY_API int ferry_fence(ferry *engine, int64_t timeout);
FERRY_API int ferry_options_resolved(const ferry *engine, ferry_options *options);
FERRY_API int ferry_stats_read(const ferry *engine, ferry_stats *stats);
FERRY_API int ferry_status(const ferry *engine);
FERRY_API int ferry_room(ferry *engine, int rank, ferry_future **future_p);
FERRY_API int ferry_progress(ferry *engine, int64_t timeout);

/* Counters since the engine was opened; FERRY_STATS_INIT sets the size. */
struct ferry_stats {
	size_t size;
	uint64_t posts;             /* posts taken from lanes */
	uint64_t calls;             /* calls taken from lanes */
	uint64_t delivered;         /* messages delivered to this rank */
	uint64_t handled;           /* handlers that returned */
	uint64_t batches_sent;
	uint64_t batches_received;
	uint64_t bytes_sent;        /* batches and attachments */
	uint64_t bytes_received;
	uint64_t lane_full;         /* a post found its lane full */
	uint64_t channel_full;      /* a record had to wait in a channel */
	uint64_t credit_out;        /* a channel ran out of credit */
	uint64_t grants_waited;     /* a large message waited for its grant */
	uint64_t refused;           /* messages refused for want of memory */
	uint64_t dropped;           /* messages that nobody read, dropped at close */
	uint64_t late_replies;      /* replies to calls that were decided already */
	uint64_t malformed;         /* batches from the wire that did not check out */
	uint64_t sleeps;            /* times the progress thread slept */
	uint64_t wakes;             /* times a post woke it */
	uint64_t steps;             /* steps of the progress loop */
	uint64_t lends;             /* times a waiting thread took the helm */
	uint64_t memory_held;       /* bytes of received messages that wait for a reader */
	uint64_t kept;              /* buffers that MPI may still read after a close with EPEER */
};
#define FERRY_STATS_INIT { sizeof(ferry_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ---- post and call ------------------------------------------------------ */

FERRY_API int ferry_post(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                         ferry_future **future_p);
FERRY_API int ferry_call(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                         ferry_future **future_p);
FERRY_API int ferry_post_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                             int64_t timeout, ferry_future **future_p);
FERRY_API int ferry_call_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                             int64_t timeout, ferry_future **future_p);

/* ---- messages ----------------------------------------------------------- */

FERRY_API int ferry_message_create(ferry *engine, uint32_t op, ferry_message **message_p);
FERRY_API int ferry_message_write(ferry_message *message, const void *data, size_t nbytes);
FERRY_API int ferry_message_attach(ferry_message *message, const void *data, size_t nbytes,
                                   ferry_release_fn *release, void *arg);
FERRY_API int ferry_post_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p);
FERRY_API int ferry_call_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p);
FERRY_API void ferry_message_retain(ferry_message *message);
FERRY_API void ferry_message_release(ferry_message *message);

FERRY_API int ferry_message_source(const ferry_message *message);
FERRY_API uint32_t ferry_message_op(const ferry_message *message);
FERRY_API const void *ferry_message_body(const ferry_message *message, size_t *nbytes_p);
FERRY_API size_t ferry_message_attachments(const ferry_message *message);
FERRY_API const void *ferry_message_attachment(const ferry_message *message, size_t index, size_t *nbytes_p);
FERRY_API void *ferry_message_take(ferry_message *message, size_t index, size_t *nbytes_p);

/* ---- receive ------------------------------------------------------------ */

FERRY_API int ferry_handle(ferry *engine, uint32_t op, ferry_executor *where, ferry_handler_fn *fn, void *arg);
FERRY_API int ferry_reply(ferry_message *request, const void *body, size_t nbytes);
FERRY_API int ferry_reply_message(ferry_message *request, ferry_message *reply);
FERRY_API int ferry_reply_error(ferry_message *request, int status, const char *detail);
FERRY_API int ferry_handle_memory(ferry *engine, uint32_t op, ferry_memory_fn *fn, void *arg);
FERRY_API int ferry_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p);

/* ---- futures ------------------------------------------------------------ */

FERRY_API int ferry_future_poll(ferry_future *future);
FERRY_API int ferry_future_wait(ferry_future *future, int64_t timeout);
FERRY_API int ferry_future_take(ferry_future *future, ferry_message **reply_p);
FERRY_API const char *ferry_future_detail(ferry_future *future);
FERRY_API int ferry_future_then(ferry_future *future, ferry_executor *where, ferry_callback_fn *fn, void *arg);
FERRY_API int ferry_future_deadline(ferry_future *future, int64_t timeout);
FERRY_API int ferry_future_cancel(ferry_future *future);
FERRY_API void ferry_future_retain(ferry_future *future);
FERRY_API void ferry_future_release(ferry_future *future);
FERRY_API int ferry_wait_all(ferry_future *const *futures, size_t count, int64_t timeout);
FERRY_API int ferry_wait_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p);
FERRY_API int ferry_future_all(ferry_future *const *futures, size_t count, ferry_future **future_p);
FERRY_API int ferry_future_any(ferry_future *const *futures, size_t count, ferry_future **future_p);
FERRY_API int ferry_future_and_then(ferry_future *future, ferry_executor *where, ferry_next_fn *fn, void *arg,
                                    ferry_future **future_p);
FERRY_API int ferry_promise_create(ferry *engine, ferry_future **future_p);
FERRY_API int ferry_promise_fulfil(ferry_future *future, int status, ferry_message *value);

/* ---- executors ---------------------------------------------------------- */

#define FERRY_INLINE ((ferry_executor *)0)

FERRY_API int ferry_workers_create(ferry *engine, unsigned threads, ferry_executor **executor_p);
FERRY_API int ferry_strand_create(ferry_executor *pool, ferry_executor **executor_p);
FERRY_API int ferry_queue_create(ferry *engine, ferry_executor **executor_p);
FERRY_API int ferry_executor_run(ferry_executor *executor, unsigned max, int64_t timeout);
FERRY_API int ferry_executor_fd(ferry_executor *executor);
FERRY_API void ferry_executor_destroy(ferry_executor *executor);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_H */
