/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry: a threaded asynchronous communication engine over MPI.
 *
 * One progress thread a process owns MPI. Application threads, as many as they
 * like, post messages and await futures; they never call MPI for it.
 *
 * Every comment below answers, in this order and where there is something to
 * say: Threads, Blocks, Order, Ownership, Completes, then the errors. Where it
 * says nothing:
 *
 * Threads    any application thread, several at once; also handlers and callbacks.
 * Blocks     never, but for a step of the progress thread where that has to be asked.
 *            No function that waits is a cancellation point: a thread that was
 *            cancelled ends its wait first. A signal does not end a wait.
 * Units      sizes in bytes (nbytes), times in ns on the monotonic clock. A timeout
 *            is 0 (one look), positive, or FERRY_FOREVER. Ranks go from 0 to
 *            ferry_size() - 1, ops from 0 to FERRY_OP_RESERVED - 1.
 * Errors     a wrong argument is FERRY_EINVAL, memory that is exhausted FERRY_ENOMEM;
 *            ferry_last_error() has a sentence on what to do. On an error nothing
 *            happened, and no output argument is touched.
 *
 * "On the progress thread" means: in inline handlers, inline callbacks, release and
 * memory functions, whichever thread runs them. What waits there would wait for
 * itself: it returns FERRY_EDEADLK (or FERRY_EAGAIN, for room) at once.
 *
 * Signals    The engine's threads are named "ferry" and "ferry-worker". Workers have the signal
 *            mask of the thread that made their pool. The progress thread blocks all signals but those
 *            that a thread causes itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS) until it
 *            first runs code of the program. From then on it has the mask of the thread that opened the
 *            engine. So a child that a handler starts begins with a mask of the program's. A program
 *            that takes signals by sigwait or signalfd blocks them before it opens an engine, as before it
 *            starts any thread.
 * Fork       fork, posix_spawn and system may be used while an engine is open, also in handlers. The child of a
 *            fork calls nothing of this library and ends by exec or _exit.
 * Leaving    Code of the program that Ferry calls ends by returning. When an exception of C++ or pthread_exit
 *            leaves it, the program ends with a sentence on stderr (abort). To leave it by longjmp is
 *            undefined. A cancellation inside of it takes effect when the call of the library that runs it has
 *            returned, and none on the library's own threads.
 * Exit       A process that exits without ferry_close ends at once, with its own status. What was not delivered is
 *            lost. The launcher sees a rank leave without MPI_Finalize and ends the other ranks: that of Open MPI with
 *            an error; that of MPICH without a word and with the status of the rank that left, so that after
 *            exit(0) the whole job ends with 0.
 *            The first ferry_open registers a function with atexit. Once that has been called no code of the program
 *            is begun any more, on any thread: what comes for a handler is dropped, and a call is answered with
 *            FERRY_EREMOTE. It waits for what runs, for a second at most, then says so on stderr. Exit
 *            functions and destructors run in the reverse order of their registration. So code may use
 *            objects that were there before the first ferry_open. Objects that were constructed later, also static
 *            ones in functions, and the exiting thread's thread_local ones, are destroyed before: a program
 *            whose code uses such closes the engine first.
 *
 * The shared library stays in memory once it is loaded: dlclose does not unload it, because threads that used it run a
 * destructor of it when they exit. It wants less than 256 bytes of static thread-local storage. A plugin that
 * contains libferry.a is linked with -Wl,-z,nodelete for the same reason.
 *
 * The library's threads run on the processors on which the main thread might run when the library was loaded, and in its
 * scheduling class: not in those of the thread that makes them, which may be bound. progress_cpus places one of them.
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

/* What the macros below expand to in C and in each C++, so that no compiler warns where a program uses them. */
#if !defined(__cplusplus)
#define FERRY_CAST(type, value) ((type)(value))
#define FERRY_NULL NULL
#elif __cplusplus >= 201103L
#define FERRY_CAST(type, value) static_cast<type>(value)
#define FERRY_NULL nullptr
#else
#define FERRY_CAST(type, value) static_cast<type>(value)
#define FERRY_NULL NULL
#endif

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

/* FERRY_PENDING is no error: it is not decided yet, or nothing came in time. */
enum ferry_status_code {
#define FERRY_STATUS_ENUM(name, value, text) FERRY_##name = (value),
	FERRY_STATUS_MAP(FERRY_STATUS_ENUM)
#undef FERRY_STATUS_ENUM
	FERRY_OK = 0,
	FERRY_PENDING = 1
};

/* The name of a status ("FERRY_EINVAL"), or "unknown status". Any thread. */
FERRY_API const char *ferry_strname(int status);
/* What a status means, in a few words. Any thread. */
FERRY_API const char *ferry_strerror(int status);
/*
 * A sentence on why the last failed call of this thread failed; "" if none. What returns the failure of an operation
 * (poll, wait, flush, fence, the routines that wait) leaves the operation's own text, and a callback that is told of a
 * failure finds it as well. Up to 255 bytes of it: ferry_future_detail has the whole.
 * Valid until this thread's next failing call.
 */
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

/* Memory that was lent is free again. Runs once, on any thread; neither blocks nor waits. */
typedef void ferry_release_fn(void *data, void *arg);
/* A message came. It is lent: retain it to keep it, and release only what was retained. */
typedef void ferry_handler_fn(ferry *engine, ferry_message *message, void *arg);
/* A future is done. The future is lent likewise; `status` is what ferry_future_poll says. */
typedef void ferry_callback_fn(ferry_future *future, int status, void *arg);
/* The next step of ferry_future_and_then: starts an operation and yields its future, or a negative status. */
typedef int ferry_next_fn(ferry_future *done, int status, void *arg, ferry_future **next_p);
/* Where attachment `index`, of `nbytes`, of a message is to land; NULL: in memory of the library's. */
typedef void *ferry_memory_fn(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes, void *arg);

#define FERRY_FOREVER (-1)
#define FERRY_ANY (-1)          /* any source */
#define FERRY_ALL (-1)          /* all ranks */
#define FERRY_NONE (-1)         /* an option that is off */
#define FERRY_ANY_OP 0xFFFFFFFFu /* any of the program's ops */
#define FERRY_OP_RESERVED 0xFFFF0000u /* ops from here on are the library's */

#define FERRY_US(n) (FERRY_CAST(int64_t, n) * 1000)
#define FERRY_MS(n) (FERRY_CAST(int64_t, n) * 1000000)
#define FERRY_S(n) (FERRY_CAST(int64_t, n) * 1000000000)

/* flags of options */
#define FERRY_EXCLUSIVE 0x1u /* the application makes no MPI call of its own */
#define FERRY_NONBLOCK 0x2u  /* no room: FERRY_EAGAIN instead of waiting */
#define FERRY_KEEP_MPI 0x4u  /* leave MPI running after the last close */
#define FERRY_NO_THREAD 0x8u /* the program calls ferry_progress itself */

/* options.thread_level: values that do not depend on the MPI at hand */
#define FERRY_THREAD_FUNNELED 1
#define FERRY_THREAD_SERIALIZED 2
#define FERRY_THREAD_MULTIPLE 3

/*
 * Zero in any field means default; FERRY_OPTIONS_INIT sets the size. Each field can
 * also be set by FERRY_<FIELD> in the environment (FERRY_SPIN=20us, FERRY_RECEIVE_MEMORY=1g,
 * FERRY_FLAGS=exclusive,nonblock); a field that is not zero wins over it. A value out of range
 * is FERRY_EINVAL, also in the environment; FERRY_NONE is none or off where "none" is written
 * below. (*): not in this version: anything but the default or none is refused with FERRY_ENOTSUP. Numbers, words and
 * suffixes are read as in the C locale, whatever the program's. doc/tuning.md says when to change what.
 */
struct ferry_options {
	size_t size;
	uint32_t flags;         /* FERRY_EXCLUSIVE ... above; default 0 */
	int thread_level;       /* what MPI is asked for: multiple, or serialized with FERRY_EXCLUSIVE */
	size_t receive_memory;  /* what all peers together may make this rank hold: 256 MiB; 1 MiB and more */
	size_t send_memory;     /* what waits in channels for slow peers, and likewise the bodies of more than 4 KiB that are
	                         * not sent yet (attachments are the program's own): 64 MiB; 1 MiB and more */
	size_t message_max;     /* a larger message is FERRY_ETOOBIG: none; 1 and more, or none */
	size_t out_of_band;     /* binaries from this size on travel as attachments: 256 KiB; 1 and more, or none */
	size_t decode_memory;   /* bound of one decoded object: 64 MiB; 4 KiB and more */
	int64_t handler_grace;  /* a call that nobody takes for so long is FERRY_ENOHANDLER, and a post that nobody has
	                         * asked for is told of on stderr, once an op: 5 s; 1 ns and more, or none */
	int64_t spin;           /* an idle loop spins before it yields: 20 us, none on fewer than 4 processors; to 1 s,
	                         * or none. It never does where the ranks of a host outnumber its processors */
	int64_t sleep_max;      /* longest sleep of an idle loop that must poll: 10 ms; 1 us to 10 s, or none */
	int lend;               /* 1 (default): waiting threads may drive the engine; FERRY_NONE: never, which is FERRY_EINVAL
	                         * with FERRY_NO_THREAD */
	const char *progress_cpus; /* where the progress thread runs, such as "3" or "2-3": where the process may run. A
	                         * processor that is not there is FERRY_EINVAL, and so is FERRY_NO_THREAD with it */
	int64_t peer_timeout;   /* a peer that owes an answer and is silent so long is gone: none; 1 ms and more. (*) */
	int64_t close_timeout;  /* close gives up so long after a peer is gone: 60 s; 1 ms and more, or none. (*) */
	int64_t stuck_after;    /* log what is stuck for so long: none; 1 ms and more. (*) */
	int stats;              /* 1: write the counters to the log at close: off. (*) */
	const char *trace;      /* file for a trace of events: off. (*) */
	const char *log;        /* "stderr", or a file name in which %r becomes the rank: off */
	int checksum;           /* 1: CRC-32C over bodies and attachments: off. (*) */
};
#define FERRY_OPTIONS_INIT { sizeof(ferry_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, FERRY_NULL, 0, 0, 0, 0, FERRY_NULL, FERRY_NULL, 0 }

/* ---- engine ------------------------------------------------------------- */

/*
 * Start an engine over all ranks of the job: a progress thread, which initializes MPI when nobody
 * has, or else works on duplicates of MPI_COMM_WORLD. One rank without a launcher is fine. A process may
 * hold several engines.
 *
 * Threads    opens and closes come one at a time and in the same order on all ranks.
 * Blocks     until all ranks have come. The progress thread then takes to `progress_cpus`.
 * Ownership  *options (NULL: defaults and environment) is copied. With FERRY_NO_THREAD the calling
 *            thread is the one that initializes MPI, and has to be the one that closes the engine.
 *
 * FERRY_EINVAL for an option; FERRY_ETHREAD when MPI was initialized below multiple (serialized
 * suffices with FERRY_EXCLUSIVE, for one engine); FERRY_ENOTSUP after MPI was finalized, when the ranks
 * were built with different limits, when a launcher of another MPI started the process (it is alone, and the
 * variables of that launcher say that it is one of several), and when the MPI in the process is not the one that the
 * library was built for; FERRY_EMPI; FERRY_EDEADLK on the progress thread.
 *
 * What fails on one rank, a wrong option included, fails the open on all of them: each gets the same status, and
 * the others' sentence begins with the number of the rank. So an open that fails counts as one, and waits for all
 * ranks. Nothing is left of the engine, and the next open works. MPI may have been initialized: the next engine
 * uses it, and without one the library finalizes it at exit.
 * These fail on one rank alone, because it cannot tell: one rank without a launcher, which leaves MPI alone;
 * FERRY_EDEADLK; after MPI_Finalize; a communicator that is none; FERRY_ETHREAD where another engine is open, or MPI
 * was initialized for the main thread only, and this is another.
 */
FERRY_API int ferry_open(const ferry_options *options, ferry **engine_p);

/*
 * End an engine. Refuses new posts of application threads (FERRY_ESTOPPED; handlers may still post and
 * reply), delivers what was posted anywhere before, agrees with all ranks that nothing is
 * under way, completes what is still open and stops the thread. The last engine of a process finalizes
 * MPI if an engine initialized it, unless FERRY_KEEP_MPI is set; MPI cannot be started again after that.
 *
 * Threads    any application thread, once; threads that wait for room or in ferry_recv leave with
 *            FERRY_ESTOPPED first. Calls of other threads on this engine may be under way, and threads may exit
 *            meanwhile. A call that begins later returns FERRY_ESTOPPED, too (ferry_rank and ferry_size go on telling
 *            what they did), until 256 more engines of this process have been closed: then a new one may have this
 *            address.
 * Blocks     until all ranks have closed. Queues that nobody runs are run by this thread. What it waits for is said
 *            on stderr (and in the log) after 10 s, then after twice as long each time: ranks that are not in the
 *            close, handlers that run, messages that are retained or unread, posts without room.
 * Ownership  futures, messages and executors that the program holds may be used and released
 *            afterwards; the engine not. NULL is fine.
 * Completes  every future: calls that nobody answered and promises that nobody fulfilled with
 *            FERRY_ESTOPPED. Messages that nobody reads any more are dropped and counted, once all
 *            ranks close; until then they hold their senders back as ever. One line on stderr says how many of
 *            which op from whom.
 *
 * Left out: MPI_Finalize while an engine is open ends the job with a sentence and a status that is not 0.
 *
 * FERRY_EDEADLK on the progress thread and in a handler; FERRY_EINVAL when it was closed before;
 * FERRY_EPEER when a rank is gone: then MPI is left alone, with the memory that it may
 * still read (release is not called for it; ferry_stats.kept counts it), and the program should leave by _exit or MPI_Abort.
 * FERRY_EMPI when MPI refused a part of the end, such as MPI_Finalize: the engine is closed all the same.
 */
FERRY_API int ferry_close(ferry *engine);

/* This rank's number, and how many there are. */
FERRY_API int ferry_rank(const ferry *engine);
FERRY_API int ferry_size(const ferry *engine);

/*
 * Wait until all that this thread posted to `rank` (FERRY_ALL: to every rank) is delivered. Returns the first
 * failure among those posts since this thread's last flush, so that fire and forget is not fire and never know.
 *
 * Blocks     until delivered, or for `timeout`: then FERRY_PENDING.
 *
 * FERRY_EDEADLK on the progress thread; FERRY_EPEER, FERRY_ESTOPPED.
 */
FERRY_API int ferry_flush(ferry *engine, int rank, int64_t timeout);

/*
 * Wait until everything that was posted before the fence, on any rank, and what the handlers of that posted
 * in turn, is delivered and its handler, if it has one, has returned. Messages without a handler count when
 * they are in the mailbox, requests that a handler retained when it has returned. What is posted after the fence has
 * begun on its rank is not waited for: other threads may go on posting.
 *
 * Threads    one at a time a rank (a second is FERRY_EINVAL); all ranks call it equally often before they close.
 * Blocks     until all ranks have come and nothing is under way, or for `timeout`: then FERRY_PENDING,
 *            the fence goes on, and the next call resumes it. Waits for receivers that do not read.
 *
 * FERRY_EINVAL when a rank is in ferry_close instead (the text names it): then no fence succeeds any more, and this
 * rank is to close as well. FERRY_EDEADLK on the progress thread and in a handler; FERRY_EPEER, FERRY_ESTOPPED.
 */
FERRY_API int ferry_fence(ferry *engine, int64_t timeout);

/* What the engine runs with: every default filled in, FERRY_NONE for what is off. Ownership: texts are
 * the engine's, valid until ferry_close. FERRY_ESTOPPED. */
FERRY_API int ferry_options_resolved(const ferry *engine, ferry_options *options);

/* The counters now (one look by the progress thread, for which it waits). As much as stats->size says.
 * FERRY_ESTOPPED: read them before the close. */
FERRY_API int ferry_stats_read(const ferry *engine, ferry_stats *stats);

/* FERRY_OK while the engine works, then why it does not: FERRY_ESTOPPED, FERRY_EPEER. */
FERRY_API int ferry_status(const ferry *engine);

/*
 * After FERRY_EAGAIN: a future that tells when to try again. Another thread may be first.
 *
 * Completes  when `rank` holds posters back no longer and send_memory has room for a long body to it, or with
 *            FERRY_EPEER, FERRY_ESTOPPED.
 */
FERRY_API int ferry_room(ferry *engine, int rank, ferry_future **future_p);

/*
 * Step an engine of FERRY_NO_THREAD: send, receive, run inline handlers and callbacks. Threads that wait for
 * a future, for room or in ferry_recv step it too; nobody does while no thread is inside the library.
 *
 * Threads    any, one steps at a time.
 * Blocks     while nothing happens, at most for `timeout`.
 *
 * FERRY_OK when something happened, FERRY_PENDING when not; FERRY_EDEADLK on the progress thread;
 * FERRY_EINVAL for an engine with a thread of its own; FERRY_ESTOPPED.
 */
FERRY_API int ferry_progress(ferry *engine, int64_t timeout);

/* Counters since the engine was opened; FERRY_STATS_INIT sets the size. */
struct ferry_stats {
	size_t size;
	uint64_t posts;             /* posts taken from lanes */
	uint64_t calls;             /* calls taken from lanes */
	uint64_t delivered;         /* messages and replies delivered to this rank */
	uint64_t handled;           /* handlers that returned */
	uint64_t batches_sent;
	uint64_t batches_received;
	uint64_t bytes_sent;        /* batches and attachments */
	uint64_t bytes_received;
	uint64_t lane_full;         /* a post found no room at first */
	uint64_t channel_full;      /* a record had to wait in a channel */
	uint64_t credit_out;        /* a channel ran out of credit */
	uint64_t grants_waited;     /* a large message waited for its grant */
	uint64_t refused;           /* messages refused for want of memory, or by a peer */
	uint64_t dropped;           /* messages that nobody read, dropped at close */
	uint64_t late_replies;      /* replies to calls that were decided already */
	uint64_t malformed;         /* what came from the wire and did not check out */
	uint64_t sleeps;            /* times the progress thread slept */
	uint64_t wakes;             /* times another thread woke it */
	uint64_t steps;             /* steps of the progress loop */
	uint64_t lends;             /* times a waiting thread took the helm */
	uint64_t memory_held;       /* what received messages take here until the program releases them: unread, waiting for
	                             * a handler or inside of one, retained, or given by ferry_recv; large ones from their
	                             * grant on. Their bytes and 320 each; attachments that were taken, and replies, are not
	                             * counted */
	uint64_t kept;              /* buffers that MPI may still read after a close with EPEER */
	uint64_t mpi_errors;        /* receives of batches, and sends, that MPI ended with an error */
};
#define FERRY_STATS_INIT { sizeof(ferry_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ---- post and call ------------------------------------------------------ */

/*
 * Send a message to `rank` (this one included), to whoever handles or receives `op` there. A post
 * tells when it is delivered, a call brings back the handler's reply.
 *
 * Blocks     while there is no room: in this thread's lane (128 KiB), or because `rank` does not keep up.
 *            Not with FERRY_NONBLOCK, and never on the progress thread or on the last running thread of a pool:
 *            these get FERRY_EAGAIN. The _for forms wait for `timeout` at most: then FERRY_EAGAIN.
 *            Ranks that all post more than the credit (16 KiB to 16 MiB a pair, at most an eighth of
 *            receive_memory) before any of them reads deadlock, as with MPI_Send.
 * Order      what one thread posts and calls to one rank is delivered in that order, whatever the
 *            sizes and attachments. Across threads there is none, and none holds up another's.
 * Ownership  `body` is copied before the return. future_p NULL: fire and forget; else the future is the
 *            caller's to release, at any time.
 * Completes  a post when the message is delivered: checked, in order, held by the target's engine. That
 *            does not mean handled. A call with the reply. FERRY_ENOHANDLER when nobody took the call within the
 *            target's handler_grace; FERRY_EREMOTE when its handler said no, or released it unanswered; FERRY_ETOOBIG
 *            or FERRY_ENOMEM when the target refused it; FERRY_EDECODE; FERRY_EPEER; FERRY_ESTOPPED; FERRY_ECANCELED and
 *            FERRY_ETIMEDOUT when the program decided so.
 *
 * FERRY_EAGAIN: no room. On the progress thread that means: return, and go on when ferry_room says so, or run the
 * handler on an executor, where it may wait. FERRY_ETOOBIG beyond message_max; FERRY_EPEER; FERRY_ESTOPPED once
 * the engine is being closed (handlers and inline callbacks may post until all ranks agree).
 */
FERRY_API int ferry_post(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                         ferry_future **future_p);
FERRY_API int ferry_call(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                         ferry_future **future_p);
FERRY_API int ferry_post_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                             int64_t timeout, ferry_future **future_p);
FERRY_API int ferry_call_for(ferry *engine, int rank, uint32_t op, const void *body, size_t nbytes,
                             int64_t timeout, ferry_future **future_p);

/* ---- messages ----------------------------------------------------------- */

/*
 * A message: a body that is copied, and attachments that are not. Reference counted; once it is posted, given as a
 * reply or received nobody changes it any more (FERRY_EINVAL), and it may be posted again, to many ranks.
 *
 * Threads    one at a time while it is being written; any afterwards.
 * Ownership  *message_p is the caller's to release; posting takes a reference of its own.
 */
FERRY_API int ferry_message_create(ferry *engine, uint32_t op, ferry_message **message_p);
/* Append to the body. Ownership: copied. FERRY_ETOOBIG for what no memory holds. */
FERRY_API int ferry_message_write(ferry_message *message, const void *data, size_t nbytes);
/*
 * Add memory of the program's, of any size from 0 on, also beyond 2^31 bytes. What is small (a message of up to
 * 4 KiB altogether) is copied when the message leaves; the rest is sent from where it is.
 *
 * Ownership  `data` is borrowed until release(data, arg), which may be NULL: once, on any thread, when the last
 *            reference is gone, the engine's included. A future that is cancelled or times out does not end the loan.
 */
FERRY_API int ferry_message_attach(ferry_message *message, const void *data, size_t nbytes,
                                   ferry_release_fn *release, void *arg);
/* ferry_post and ferry_call with a message: everything said there holds. One message, however many attachments, is
 * one future and one place in the order. A received message may be sent on as it is. */
FERRY_API int ferry_post_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p);
FERRY_API int ferry_call_message(ferry *engine, int rank, ferry_message *message, ferry_future **future_p);
/*
 * One reference more. A handler keeps a message beyond its return by this. In an inline handler it copies the body
 * out of the receive buffer: pointers that ferry_message_body gave before are to be asked for again.
 */
FERRY_API void ferry_message_retain(ferry_message *message);
/*
 * One reference less. The last one frees the message; a request that nobody answered is then answered with
 * FERRY_EREMOTE. A handler releases only what it retained: in an inline handler a release too many has no
 * effect, elsewhere it takes the engine's own reference. NULL is fine.
 */
FERRY_API void ferry_message_release(ferry_message *message);

/* The sender's rank; -1 for a message that the program made. */
FERRY_API int ferry_message_source(const ferry_message *message);
FERRY_API uint32_t ferry_message_op(const ferry_message *message);
/* The body, NULL perhaps when it is empty; nbytes_p may be NULL. Ownership: the message's. In an inline handler
 * it is the receive buffer itself, valid until the handler returns or retains the message; 8-byte aligned. */
FERRY_API const void *ferry_message_body(const ferry_message *message, size_t *nbytes_p);
FERRY_API size_t ferry_message_attachments(const ferry_message *message);
/* An attachment; NULL when there is none of that index or it was taken. Ownership: the message's. */
FERRY_API const void *ferry_message_attachment(const ferry_message *message, size_t index, size_t *nbytes_p);
/*
 * Take an attachment of a received message: the memory that MPI received into, which leaves the receive budget.
 *
 * Threads    the holder of the only reference: retain the message in a handler and take after it, or use a
 *            message of ferry_recv or ferry_future_take. Otherwise NULL.
 * Ownership  the caller's, to free(); what ferry_handle_memory gave is the program's already.
 */
FERRY_API void *ferry_message_take(ferry_message *message, size_t index, size_t *nbytes_p);

/* ---- receive ------------------------------------------------------------ */

/*
 * Let `fn` handle the messages of an op, on `where`; a handler that was there is replaced, fn NULL takes it away.
 * Messages of the op that wait in the mailbox are handled first, in order. Without a handler they go to ferry_recv.
 *
 * Threads    inline handlers run one at a time, with nobody else in the engine: they must not block. On an executor
 *            as that says.
 * Blocks     until the progress thread has taken it; when there was a handler until that neither runs nor will
 *            run (it may be called inside of it: then on return). What is queued for it goes to the mailbox when
 *            its executor comes to it. Two handlers of one pool that take each other away wait for each other.
 * Order      handlers begin in the order of delivery; they end in it where `where` runs one at a time.
 * Ownership  the message is lent, see ferry_handler_fn. A request whose handler returns without having replied
 *            or retained it gets an empty reply; after a reply that failed with FERRY_ENOMEM the call ends with that.
 *
 * FERRY_ESTOPPED.
 */
FERRY_API int ferry_handle(ferry *engine, uint32_t op, ferry_executor *where, ferry_handler_fn *fn, void *arg);
/*
 * Answer a request, once: in its handler, or later from any thread if it was retained. Never waits for room
 * and never returns FERRY_EAGAIN.
 *
 * Ownership  `body` is copied; a reply message is retained. The request stays the caller's to release.
 * Completes  the caller's future: with the reply, or with FERRY_EREMOTE, whose detail has the status and the text
 *            (up to 1024 bytes, may be NULL).
 *
 * FERRY_EALREADY when it was answered before; FERRY_EINVAL when it is no request; FERRY_ESTOPPED. After FERRY_ENOMEM it
 * may be answered again; if nobody does, the caller's future ends with FERRY_ENOMEM. ferry_reply_error without a text
 * needs no memory.
 */
FERRY_API int ferry_reply(ferry_message *request, const void *body, size_t nbytes);
FERRY_API int ferry_reply_message(ferry_message *request, ferry_message *reply);
FERRY_API int ferry_reply_error(ferry_message *request, int status, const char *detail);
/*
 * Let `fn` say where attachments of an op land: a slice of an array, pinned memory. fn NULL takes it away.
 * It is asked once for each attachment of a message that is too large for a batch (those of small ones, and of
 * replies, are in memory of the library's), on the progress thread, in no order of the messages, before the data comes.
 *
 * Ownership  the memory is the program's, and MPI writes to it until the message is handled; it counts for no budget.
 */
FERRY_API int ferry_handle_memory(ferry *engine, uint32_t op, ferry_memory_fn *fn, void *arg);
/*
 * The oldest message from `source` (or FERRY_ANY) with `op` (or FERRY_ANY_OP) for which there is no handler.
 *
 * Blocks     for `timeout`: then FERRY_PENDING.
 * Order      of delivery. A message goes to one reader.
 * Ownership  *message_p is the caller's to release. A request is answered by ferry_reply.
 *
 * FERRY_EDEADLK when this could not end: on the progress thread (unless timeout is 0), and when unread messages of
 * other ops fill the budget and nobody else reads (the text names the ops); FERRY_ESTOPPED.
 */
FERRY_API int ferry_recv(ferry *engine, int source, uint32_t op, int64_t timeout, ferry_message **message_p);

/* ---- futures ------------------------------------------------------------ */

/*
 * A future is what comes of one operation: decided once, by whoever is first, and constant after that.
 *
 * ferry_future_poll  FERRY_PENDING, or the operation's status.
 * ferry_future_wait  likewise, after at most `timeout`, which leaves the future as it is. While it waits, the thread
 *                    may drive the engine (options.lend), but runs no code of the program (with
 *                    FERRY_NO_THREAD it does).
 *
 * FERRY_EDEADLK when it is not done, on the progress thread of its engine, or when its next step is queued behind the
 * waiter (see ferry_future_all).
 */
FERRY_API int ferry_future_poll(ferry_future *future);
FERRY_API int ferry_future_wait(ferry_future *future, int64_t timeout);
/* The reply of a call (or the value of a promise), moved out: the caller's to release. FERRY_PENDING before
 * it is done; FERRY_EALREADY when it was taken or there is none. */
FERRY_API int ferry_future_take(ferry_future *future, ferry_message **reply_p);
/* Why it failed, in a sentence; "" when there is none or it is not done. Ownership: the future's. */
FERRY_API const char *ferry_future_detail(ferry_future *future);
/*
 * Call `fn` when the future is done: once, on `where`, never inside this call, also when it is done already. One a
 * future (a second is FERRY_EINVAL): ferry_future_all and ferry_future_and_then compose.
 *
 * Ownership  the future is kept until fn has returned; the program may release its own reference at any time,
 *            inside fn too. fn is not called on an executor that was destroyed before.
 *
 * FERRY_ESTOPPED for FERRY_INLINE when the future is done and its engine closed, or it has none (ferry_future_all of
 * nothing).
 */
FERRY_API int ferry_future_then(ferry_future *future, ferry_executor *where, ferry_callback_fn *fn, void *arg);
/*
 * Decide against the operation: at a time (FERRY_ETIMEDOUT), or now (FERRY_ECANCELED). That says nothing about
 * delivery, except that what had not left its lane is not sent; the detail says which. A late reply is dropped and
 * counted, and what was attached stays borrowed until its release. A future with a deadline may be kept until that has
 * passed, of those that are done no more than there are pending ones.
 *
 * FERRY_EALREADY when it is decided; FERRY_ENOTSUP, FERRY_ESTOPPED where there is no engine to keep the time.
 */
FERRY_API int ferry_future_deadline(ferry_future *future, int64_t timeout);
FERRY_API int ferry_future_cancel(ferry_future *future);
/* One reference more, or less; the operation goes on without any. NULL is fine. */
FERRY_API void ferry_future_retain(ferry_future *future);
FERRY_API void ferry_future_release(ferry_future *future);
/*
 * Wait for many. Entries that are NULL are skipped, here and in ferry_future_all and _any.
 *
 * ferry_wait_all    for all: FERRY_OK, the first failure in the order of the array, or FERRY_PENDING. One sleep for
 *                   thousands.
 * ferry_finish_all  the same; then what is done is released and its entry set to NULL. After FERRY_PENDING those that
 *                   are pending stay, and those that failed, so that a later call tells it.
 * ferry_wait_any    for one: its status, and *index_p (may be NULL) says which; or FERRY_PENDING. Of nothing but NULLs
 *                   it is FERRY_OK at once, with SIZE_MAX: a loop that sets to NULL what it has dealt with ends then,
 *                   as one with MPI_Waitany does by MPI_UNDEFINED.
 *
 * FERRY_EDEADLK as ferry_future_wait; then ferry_finish_all has released nothing.
 * FERRY_EINVAL for ferry_wait_any of an array of length 0.
 */
FERRY_API int ferry_wait_all(ferry_future *const *futures, size_t count, int64_t timeout);
FERRY_API int ferry_finish_all(ferry_future **futures, size_t count, int64_t timeout);
FERRY_API int ferry_wait_any(ferry_future *const *futures, size_t count, int64_t timeout, size_t *index_p);
/*
 * Futures made of futures. `all` completes when all have, with the first failure in the order of the array; `any` with
 * the first that does; the detail names it. `all` of none is done, `any` of none is FERRY_EINVAL. `and_then` calls `fn` on `where` when `future` is done, whatever its status,
 * and completes as the future that fn yields.
 *
 * Ownership  each keeps what it is made of. What fn yields becomes the chain's. Cancelling a composed future
 *            decides that one; the others go on.
 *
 * FERRY_EDEADLK from a wait for a chain whose step can only run behind the waiter itself (in a strand, or a pool of
 * one), or on an engine's progress thread for a future of that engine, and for what is composed of such: a chain on
 * it, `all` with it, `any` of nothing but such; also when a timeout or a deadline would end that wait. Longer cycles
 * are not found: tasks that wait for each other, for a promise that a callback behind them would fulfil, or for what
 * only their own pool can run while all its threads wait, may wait for ever; nor is it found among more than 100,000
 * futures, or 100 compositions deep.
 */
FERRY_API int ferry_future_all(ferry_future *const *futures, size_t count, ferry_future **future_p);
FERRY_API int ferry_future_any(ferry_future *const *futures, size_t count, ferry_future **future_p);
FERRY_API int ferry_future_and_then(ferry_future *future, ferry_executor *where, ferry_next_fn *fn, void *arg,
                                    ferry_future **future_p);
/* A future that the program fulfils, with a status <= 0 and a value (retained; may be NULL). What is pending when the
 * engine closes is FERRY_ESTOPPED. FERRY_EALREADY: somebody was first. */
FERRY_API int ferry_promise_create(ferry *engine, ferry_future **future_p);
FERRY_API int ferry_promise_fulfil(ferry_future *future, int status, ferry_message *value);

/* ---- executors ---------------------------------------------------------- */

/* Where handlers and callbacks run: on the progress thread, which must not be blocked, ... */
#define FERRY_INLINE FERRY_CAST(ferry_executor *, FERRY_NULL)

/*
 * ... on a pool of 1 to 4096 threads; in a strand over a pool, one at a time and in order; or in a queue, by
 * whoever calls ferry_executor_run. The queue keeps the order where one thread runs it, a pool where it has one thread.
 *
 * Blocks     the last running thread of a pool does not wait for room (FERRY_EAGAIN).
 * Ownership  *executor_p is the caller's to destroy, before or after the engine is closed. A strand keeps its pool.
 */
FERRY_API int ferry_workers_create(ferry *engine, unsigned threads, ferry_executor **executor_p);
FERRY_API int ferry_strand_create(ferry_executor *pool, ferry_executor **executor_p);
FERRY_API int ferry_queue_create(ferry *engine, ferry_executor **executor_p);
/*
 * Run what is queued now, at most `max` (0: all of it). Returns how many ran.
 *
 * Threads    any, several at once.
 * Blocks     until there is something, at most for `timeout`: then 0. It does not step an engine of FERRY_NO_THREAD.
 *
 * FERRY_EDEADLK on the progress thread (unless timeout is 0); FERRY_ESTOPPED when the queue was destroyed meanwhile.
 */
FERRY_API int ferry_executor_run(ferry_executor *executor, unsigned max, int64_t timeout);
/* A descriptor for poll and event loops, readable exactly while there is something to run. Ownership: the queue's;
 * to be looked at only. */
FERRY_API int ferry_executor_fd(ferry_executor *executor);
/*
 * End an executor. What is queued runs first; what is given to it later does not: messages go to the mailbox, callbacks
 * are dropped. When it returns nothing of it runs or will run, and what its code uses may be freed.
 *
 * Blocks     until what runs has returned. Inside of one of its own tasks it takes effect on return. NULL is fine.
 */
FERRY_API void ferry_executor_destroy(ferry_executor *executor);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_H */
