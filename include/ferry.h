/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry: a threaded asynchronous communication engine over MPI.
 *
 * Each process has one progress thread, which makes every MPI call. Application
 * threads, as many as they like, post messages and await futures; they never
 * call MPI for it.
 *
 * Words
 *
 * post, call   A post sends a message. A call sends a request and brings back
 *              the handler's reply.
 * delivered    The target's engine holds the message: checked, and in its place
 *              in the order.
 * handled      The target's handler has returned. Delivered does not
 *              mean handled.
 * body         The bytes of a message that are copied.
 * attachment   Memory that a message carries without a copy, beside its body.
 * lane         The queue through which one thread hands its posts to the
 *              engine, without a lock.
 * channel      What the engine keeps for one peer: among others the messages
 *              that wait to leave.
 * credit       How many bytes a sender may have under way to a peer. The peer
 *              grants it.
 * mailbox      Where messages wait that have no handler. ferry_recv reads it.
 * inline       On the progress thread, in the middle of its work. Such code
 *              must not block.
 * lent         A message that a handler gets, and a future that a callback
 *              gets, is lent: valid until the function returns. Retain it to
 *              keep it longer.
 * borrowed     Memory of the program's that the library uses until it says that
 *              it is done.
 * to drive     A thread that waits does the work of the progress thread
 *              meanwhile (options.lend).
 *
 * Function comments use these headings. A missing heading means the default
 * given here.
 *
 * Threads    Who may call it. Default: any application thread, several at once,
 *            and also handlers and callbacks.
 * Blocks     Default: never, except up to one iteration of the progress thread
 *            when the call needs its answer. No wait is a cancellation point:
 *            pthread_cancel takes effect only after the wait has returned. A
 *            signal does not end a wait.
 * Order      What happens before what.
 * Ownership  Who frees what, and when.
 * Completes  When a future is done, and with what.
 * Errors     What it returns beside FERRY_OK; one status a line where there are
 *            three or more. Not listed: FERRY_EINVAL for a wrong argument,
 *            FERRY_ENOMEM when memory is exhausted, or there is no thread or
 *            descriptor. ferry_last_error() has a sentence on what to do. On
 *            an error nothing happened, and no output argument is touched.
 *
 * Units: sizes are in bytes (nbytes), times in ns on the monotonic clock. A
 * timeout is 0 (look once), positive, or FERRY_FOREVER. Ranks go from 0 to
 * ferry_size() - 1, ops from 0 to FERRY_OP_RESERVED - 1.
 *
 * "On the progress thread" means: in inline handlers, handlers of
 * FERRY_ANYWHERE, inline callbacks, release functions and memory functions,
 * whichever thread runs them. A blocking call there would deadlock, so it
 * returns FERRY_EDEADLK at once (or FERRY_EAGAIN, where it would wait for
 * room).
 *
 * What holds for the whole process
 *
 * Signals    The engine's threads are named "ferry" and "ferry-worker". Workers
 *            have the signal mask of the thread that made their pool. The
 *            progress thread blocks all signals except those that a thread
 *            raises by what it does itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 *            SIGTRAP, SIGABRT, SIGSYS), until it first runs code of the
 *            program. From then on it has the mask of the thread that opened
 *            the engine. So a child process that a handler starts begins with
 *            a mask that the program set. A handler of FERRY_ANYWHERE has
 *            this mask on each thread, and that thread has its own again when
 *            the handler has returned. A program that takes signals by
 *            sigwait or signalfd blocks them before it opens an engine, as
 *            before it starts any thread.
 * Fork       fork, posix_spawn and system may be used while an engine is open,
 *            also in handlers. The child of a fork calls nothing of this
 *            library and ends by exec or _exit.
 * Leaving    Handlers, callbacks and all other code of the program that Ferry
 *            calls end by returning. If a C++ exception or pthread_exit
 *            leaves them, the program ends with a sentence on stderr (abort).
 *            Leaving them by longjmp is undefined. When a thread is cancelled
 *            inside of them, that takes effect once the library call that
 *            runs them has returned. On the library's own threads a
 *            cancellation has no effect.
 * Exit       A process that exits without ferry_close ends at once, with its
 *            own status. What was not delivered is lost. The launcher sees a
 *            rank leave without MPI_Finalize and ends the other ranks. Open
 *            MPI's launcher reports an error. MPICH's says nothing and returns
 *            the status of the rank that left: after exit(0) the whole job ends
 *            with 0.
 *
 *            The first ferry_open registers a function with atexit. Once that
 *            function has been called, no thread begins to run code of the
 *            program any more: messages for handlers are dropped, and calls
 *            are answered with FERRY_EREMOTE. The function waits for handlers
 *            and callbacks that are running, for a second at most, then says
 *            so on stderr.
 *
 *            Exit functions and destructors run in the reverse order of their
 *            registration. So handlers may use objects that were there before
 *            the first ferry_open. Objects that were constructed later are
 *            destroyed before: static ones in functions, too, and the exiting
 *            thread's thread_local ones. A program whose handlers use such
 *            objects closes the engine first.
 * Unloading  The shared library stays in memory once it is loaded; dlclose does
 *            not unload it. Threads that used it run a destructor of it when
 *            they exit. The library needs less than 256 bytes of static
 *            thread-local storage. Link a plugin that contains libferry.a with
 *            -Wl,-z,nodelete: it must not be unloaded either.
 * Placement  The library's threads run on the processors on which the main
 *            thread might run when the library was loaded, and in its
 *            scheduling class. They do not inherit these from the thread that
 *            creates them: that thread may be bound to one processor.
 *            progress_cpus places the progress thread. An open says on stderr
 *            (rank 0; others in the log) when that is bound to the only
 *            processor of the thread that opens, although there are two for
 *            each rank of the host. ferry-info shows who runs where.
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

/* What the macros below expand to in C and in each C++, so that no compiler
 * warns where a program uses them. */
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
 * One list yields the enum, ferry_strname and ferry_strerror. It has
 * three groups:
 * -1 to -7    the call had no effect;
 * -20 to -28  the operation failed, the engine is fine;
 * -40         the engine is finished.
 */
#define FERRY_STATUS_MAP(X)                                               \
	X(EINVAL, -1, "an argument is wrong")                             \
	X(EAGAIN, -2, "there is no room now")                             \
	X(EALREADY, -3, "somebody else decided it first")                 \
	X(ENOMEM, -4, "memory is exhausted")                              \
	X(EDEADLK, -5, "waiting here could never end")                    \
	X(ETHREAD, -6, "the thread level of MPI is too low")              \
	X(ENOTSUP, -7, "this is not supported here")                      \
	X(ECANCELED, -20, "the operation was cancelled")                  \
	X(ETIMEDOUT, -21, "the deadline passed")                          \
	X(ENOHANDLER, -22, "nobody handles this operation at the target") \
	X(EDECODE, -23, "the bytes are malformed")                        \
	X(ETRUNC, -24, "the data is longer than the memory given for it") \
	X(ETOOBIG, -25, "the message is larger than allowed")             \
	X(EREMOTE, -26, "the handler at the target reported an error")    \
	X(EPEER, -27, "that rank is gone")                                \
	X(EMPI, -28, "MPI refused it")                                    \
	X(ESTOPPED, -40, "the engine has stopped")

/* FERRY_PENDING is no error: it is not decided yet, or nothing came in time. */
enum ferry_status_code {
	FERRY_OK = 0,
	FERRY_PENDING = 1
#define FERRY_STATUS_ENUM(name, value, text) , FERRY_##name = (value)
	FERRY_STATUS_MAP(FERRY_STATUS_ENUM)
#undef FERRY_STATUS_ENUM
};

/* The name of a status ("FERRY_EINVAL"), or "unknown status". Any thread. */
FERRY_API const char *ferry_strname(int status);
/* What a status means, in a few words. Any thread. */
FERRY_API const char *ferry_strerror(int status);
/*
 * A sentence on why the last failed call of this thread failed; "" if none did.
 * After functions that return the status of an operation (poll, wait, flush,
 * fence, the routines that wait) it is the operation's own text. A callback
 * that is told of a failure finds that text here, too. The text is cut after
 * 255 bytes; ferry_future_detail has all of it. Handlers of FERRY_ANYWHERE that
 * run on a waiting thread have a last error of their own, which that thread
 * does not see.
 *
 * Ownership  the library's, valid until this thread's next call that fails.
 */
FERRY_API const char *ferry_last_error(void);
/* The version of the library that is loaded, such as "0.1.0". */
FERRY_API const char *ferry_version(void);

/* ---- types and constants ------------------------------------------------ */

typedef struct ferry ferry;
typedef struct ferry_future ferry_future;
typedef struct ferry_counter ferry_counter;
typedef struct ferry_message ferry_message;
typedef struct ferry_executor ferry_executor;
typedef struct ferry_options ferry_options;
typedef struct ferry_stats ferry_stats;

/* The library no longer uses borrowed memory. Called exactly once, on any
 * thread. Must not block. */
typedef void ferry_release_fn(void *data, void *arg);
/* A message came. The message is lent: retain it to keep it, and release only
 * what you retained. */
typedef void ferry_handler_fn(ferry *engine, ferry_message *message, void *arg);
/* That rank is gone: posts to it end with `status`. `why` is a sentence that is
 * lent. */
typedef void ferry_peer_fn(ferry *engine, int rank, int status, const char *why,
                           void *arg);
/* A future is done. The future is lent. `status` is what ferry_future_poll
 * returns for it. (For ferry_counter_then a number is reached, and the future
 * is NULL.) */
typedef void ferry_callback_fn(ferry_future *future, int status, void *arg);
/* The next step of ferry_future_and_then: start an operation and return 0 with
 * its future in *next_p, or return a negative status. */
typedef int ferry_next_fn(ferry_future *done, int status, void *arg,
                          ferry_future **next_p);
/* Return where attachment `index` of a message, of `nbytes`, is to land. NULL:
 * the library gets memory for it. */
typedef void *ferry_memory_fn(ferry *engine, int source, uint32_t op,
                              size_t index, size_t nbytes, void *arg);

/* A line of the log, without a newline, and its level (FERRY_LOG_ERROR to
 * FERRY_LOG_DEBUG). `line` is lent. */
typedef void ferry_log_fn(int level, const char *line, void *arg);

#define FERRY_FOREVER (-1)
#define FERRY_ANY (-1)                /* any source */
#define FERRY_ALL (-1)                /* all ranks */
#define FERRY_NONE (-1)               /* an option that is off */
#define FERRY_ANY_OP 0xFFFFFFFFu      /* any of the program's ops */
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

/* options.log_level: what happened is the more important the lower */
#define FERRY_LOG_ERROR 1
#define FERRY_LOG_WARNING 2
#define FERRY_LOG_INFO 3
#define FERRY_LOG_DEBUG 4

/*
 * Zero in a field means its default; FERRY_OPTIONS_INIT sets the size. Each
 * field can also be set by FERRY_<FIELD> in the environment (FERRY_SPIN=20us,
 * FERRY_RECEIVE_MEMORY=1g, FERRY_FLAGS=exclusive,nonblock). A field that is not
 * zero wins over the environment. A value out of range is FERRY_EINVAL in
 * either place. FERRY_NONE switches an option off where "or none" is written
 * below. Numbers, words and suffixes are read as in the C locale, whatever the
 * program's. doc/tuning.md says when to change what.
 */
struct ferry_options {
	size_t size;

	/* FERRY_EXCLUSIVE and the other flags above. Default 0. */
	uint32_t flags;

	/* Which thread level MPI is asked for. Default: multiple, or serialized
	 * with FERRY_EXCLUSIVE. */
	int thread_level;

	/* How much all peers together may make this rank hold. Default 256 MiB;
	 * at least 1 MiB. */
	size_t receive_memory;

	/* Two limits of this size each: messages queued in channels for slow
	 * peers, and copies of bodies over 4 KiB not yet sent. Attachments do
	 * not count: they are the program's memory. Default 64 MiB; at least
	 * 1 MiB. */
	size_t send_memory;

	/* A larger message is FERRY_ETOOBIG. Default none; at least 1,
	 * or none. */
	size_t message_max;

	/* Binaries from this size on travel as attachments. Default 256 KiB; at
	 * least 1, or none. */
	size_t out_of_band;

	/* How much memory one decoded object may take. Default 64 MiB; at least
	 * 4 KiB. */
	size_t decode_memory;

	/* How long a call may wait at its target for a handler or reader
	 * before it fails with FERRY_ENOHANDLER. A post that waits so long is
	 * reported on stderr instead, once an op. Default 5 s; at least 1 ns,
	 * or none. */
	int64_t handler_grace;

	/* How long a loop that finds nothing looks without a yield, whoever
	 * else wants its processor. Default none: the loop measures its
	 * yields, and yields seldom where nobody else runs. 1 ns to 1 s, or
	 * none. Ignored when a host runs more ranks than it has processors. */
	int64_t spin;

	/* The longest sleep of an idle loop that must poll. Default 10 ms; 1 us
	 * to 10 s, or none. */
	int64_t sleep_max;

	/* 1: waiting threads may drive the engine, and run handlers of
	 * FERRY_ANYWHERE. FERRY_NONE: they never do; this is FERRY_EINVAL
	 * together with FERRY_NO_THREAD. Default 1. */
	int lend;

	/* The processors of the progress thread, such as "3" or "2-3". Default:
	 * all on which the process may run. FERRY_EINVAL for a processor that
	 * is not there, and together with FERRY_NO_THREAD. */
	const char *progress_cpus;

	/* How long a rank may be silent of which this one awaits something.
	 * Then the ranks agree on who goes on without whom: see ferry_on_peer.
	 * Default 60 s, but none if any rank has FERRY_NO_THREAD; at least
	 * 100 ms, or none. Longer than any pause that is no death. Between
	 * hosts an inline handler that blocks for so long is one; half of it
	 * is logged. On one host such a rank is waited for, and a process that
	 * has ended is found out sooner. A program that sets it together with
	 * FERRY_NO_THREAD calls the engine at least four times in it, and is
	 * not waited for on its host either. */
	int64_t peer_timeout;

	/* How long a close waits for the other ranks once a peer is gone: from
	 * then on, or from its call if that is later. Then it goes on alone.
	 * See ferry_close. Default 60 s; at least 1 ms, or none. */
	int64_t close_timeout;

	/* Say on stderr and in the log what is open and what the threads wait
	 * for, once nothing of this rank has moved for so long while a call, a
	 * post, a fence or a close is open; likewise when an inline handler
	 * blocks for so long. The same again only after something has moved,
	 * and then after twice that time. A rank that only reads is not named.
	 * With a monitor file one of these ranks then asks all others, as
	 * ferry-ask --why does, and says it if the job is proved to be stuck
	 * (up to 4096 ranks). No effect with FERRY_NO_THREAD. Default 30 s; at
	 * least 1 ms, or none. */
	int64_t stuck_after;

	/* "1": at the close rank 0 prints a table of ferry_stats over all ranks
	 * on stderr: minimum, median, maximum, and which rank; and what nobody
	 * took, released or answered, with op and rank. A name that ends in
	 * .json: it is written there, with the values of each rank; a second
	 * engine of the process writes to NAME.2.json, and so on. Set it on all
	 * ranks: rank 0 waits for the others in the close, for 10 s at most. If
	 * ranks are gone the lowest of those that go on together does it. A
	 * rank that ends by itself, or waited in vain, has a line of its own on
	 * stderr instead. Whatever fails there, ferry_close returns the same.
	 * Default off. */
	const char *stats;

	/* A directory for timelines, one file a rank, for ferry-trace; it is
	 * made if it is not there. If no file can be made there a line on
	 * stderr says why, and the engine works without. Default off. */
	const char *trace;

	/* "stderr", or a file name in which %r becomes the rank. A function of
	 * ferry_log_to comes before it. Default off. */
	const char *log;

	/* 1: CRC-32C over all that ranks send to one another, attachments
	 * included. The same on all ranks. If something was damaged on its way,
	 * nothing of it is used, and the two ranks are gone for each other
	 * (FERRY_EDECODE where it came to, FERRY_EPEER at its sender). An
	 * attachment that the program changes before it is released counts as
	 * damaged. Default off. */
	int checksum;

	/* 1: where ranks go on without others, those that are not more than
	 * half of the ranks before stop their engines instead. Of exactly half,
	 * the half with the lowest rank goes on. Default off: of a network that
	 * falls apart each part goes on by itself. */
	int quorum;

	/* The directory of the file in which other programs see the counters
	 * and what is open, also when this one hangs or is dead. It is made if
	 * it is not there; it has to be the user's alone (mode 0700), on this
	 * host, and no link. Otherwise there is no file, and the log says so.
	 * Default: ferry in the user's run-time directory ($XDG_RUNTIME_DIR),
	 * else /dev/shm/ferry-UID; or none. */
	const char *monitor;

	/* The number of a signal after which ferry_dump is written to stderr,
	 * for each engine with this option. A handler that the program has set
	 * before the open is called, too, and is there again after the last
	 * close. All engines of a process that have this option have the same
	 * signal, which some thread of the program must not block.
	 * FERRY_ENOTSUP with FERRY_NO_THREAD. Default none. */
	int dump_signal;

	/* The least important lines that the log gets: FERRY_LOG_ERROR to
	 * FERRY_LOG_DEBUG, in the environment error, warning, info or debug.
	 * Error: something was lost, or a rank is given up for it. Warning:
	 * somebody should look at it. Info: what happened. Debug: all options,
	 * and more of that kind. Default FERRY_LOG_INFO. */
	int log_level;

	/* Of so many calls and posts one is in the timeline. The same on all
	 * ranks. Default 16; at least 1. */
	int64_t trace_every;

	/* How long the file of a timeline gets, the newest events staying.
	 * Default 16 MiB; at least 64 KiB. */
	size_t trace_memory;
};
#define FERRY_OPTIONS_INIT                                              \
	{                                                               \
		sizeof(ferry_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			FERRY_NULL, 0, 0, 0, FERRY_NULL, FERRY_NULL,    \
			FERRY_NULL, 0, 0, FERRY_NULL, 0, 0, 0, 0        \
	}

/* ---- engine ------------------------------------------------------------- */

/*
 * Start an engine over all ranks of the job. The progress thread initializes
 * MPI if nobody has; else it works on duplicates of MPI_COMM_WORLD. One rank
 * without a launcher is fine. A process may hold several engines.
 *
 * Threads    open and close engines from one thread at a time, outside
 *            handlers, in the same order on every rank.
 * Blocks     until all ranks have called it. How late a rank may come is no
 *            sign of its death, so that is for ever, unless options or
 *            environment give a peer_timeout. After 10 s, then after twice as
 *            long each time, it says on stderr what it waits for: ranks that
 *            have not come, or a function of MPI that does not return. With
 *            FERRY_NO_THREAD it says nothing while this thread itself is
 *            inside of MPI. On return the progress thread runs on
 *            progress_cpus only.
 * Ownership  *options (NULL: defaults and environment) is copied. With
 *            FERRY_NO_THREAD the calling thread is the one that initializes
 *            MPI, and has to be the one that closes the engine.
 *
 * Errors
 *   FERRY_EINVAL   an option has a wrong value
 *   FERRY_ETHREAD  MPI was initialized below MPI_THREAD_MULTIPLE. With
 *                  FERRY_EXCLUSIVE MPI_THREAD_SERIALIZED suffices, for
 *                  one engine
 *   FERRY_ENOTSUP  MPI was finalized before
 *   FERRY_ENOTSUP  the ranks were built with different limits
 *   FERRY_ENOTSUP  a launcher of another MPI started the process: MPI sees one
 *                  rank, and that launcher's variables say there are several
 *   FERRY_ENOTSUP  the MPI in the process is not the one that the library was
 *                  built for
 *   FERRY_EMPI     MPI refused something
 *   FERRY_EPEER    options or environment give a peer_timeout, and a rank has
 *                  not come in that time and 2 s. MPI is left alone: leave by
 *                  _exit or MPI_Abort. A rank that dies in the milliseconds
 *                  after all have come is inside of MPI's own calls, which end
 *                  on no other rank
 *   FERRY_EDEADLK  on the progress thread
 *
 * If the open fails on one rank it fails on all: each gets the same status, and
 * the sentence of the other ranks begins with the number of that rank. So a
 * failing open, too, has to be called on all ranks, and waits for them. Nothing
 * is left of the engine, and the next open works. MPI may have been initialized
 * by then: the next engine uses it. Without a next engine the library finalizes
 * MPI at exit.
 *
 * These fail on one rank alone, because that rank cannot tell the others:
 *   - FERRY_EPEER, and a rank that comes after that waits for ever;
 *   - one rank without a launcher (a wrong option there does not
 *     initialize MPI);
 *   - FERRY_EDEADLK;
 *   - an open after MPI_Finalize;
 *   - ferry_open_comm on MPI_COMM_NULL or an intercommunicator;
 *   - FERRY_ETHREAD where another engine is open;
 *   - FERRY_ETHREAD where MPI was initialized for the main thread only, and
 *     this is another one.
 */
FERRY_API int ferry_open(const ferry_options *options, ferry **engine_p);

/*
 * End an engine. It does this, in order:
 *   - refuse new posts of application threads (FERRY_ESTOPPED; handlers may
 *     still post and reply);
 *   - deliver what was posted before, on any rank;
 *   - agree with all ranks that nothing is under way;
 *   - complete what is still open, and stop the progress thread.
 * The last engine of a process finalizes MPI if an engine initialized it,
 * unless FERRY_KEEP_MPI is set. MPI cannot be started again after that.
 *
 * Threads    any application thread, once, as ferry_open says. Threads that
 *            wait for room or in ferry_recv leave with FERRY_ESTOPPED first.
 *            Other threads may be inside calls on this engine, and may exit
 *            meanwhile. Calls that begin later return FERRY_ESTOPPED
 *            (ferry_rank and ferry_size go on returning what they did). This
 *            holds until 256 more engines of this process have been closed:
 *            then a new one may have this address.
 * Blocks     until all ranks have closed, or all that are not gone. If one is
 *            gone: for close_timeout and at most 5 s more, from then on or
 *            from the call if that is later. A progress thread that has not
 *            come back from a handler or from MPI by then is left behind, with
 *            the engine and its memory: that is lost on purpose, other engines
 *            go on, and MPI is not finalized. If this rank's own one does not
 *            come back for peer_timeout, this rank is the one that is gone,
 *            unless all ranks are on one host and a handler runs.
 *            With FERRY_NO_THREAD, and with peer_timeout or close_timeout
 *            none, nothing is left behind. This thread runs queues that nobody
 *            else runs. After 10 s, then after twice as long each time, it
 *            says on stderr (and in the log) what it waits for: ranks that are
 *            not in the close, handlers that run, messages that are retained
 *            or unread, posts without room, at last MPI_Finalize. With
 *            FERRY_NO_THREAD it says nothing while this thread itself is inside
 *            code of the program or of MPI; the other ranks then say that this
 *            rank has something under way.
 * Ownership  futures, messages and executors that the program holds may be used
 *            and released afterwards; the engine may not. NULL is fine.
 * Completes  every future. Calls that nobody answered and promises that
 *            nobody fulfilled end with FERRY_ESTOPPED. Unread messages hold
 *            their senders back until all ranks close; then they are dropped
 *            and counted, and one line on stderr says how many of which op
 *            from whom.
 *
 * Errors
 *   FERRY_EDEADLK  on the progress thread, or in a handler
 *   FERRY_EINVAL   the engine was closed before
 *   FERRY_EPEER    a rank is gone. What the others posted to one another is
 *                  delivered all the same, except if they did not close within
 *                  close_timeout, or if peer_timeout is none: then this rank
 *                  ended by itself, and what it posted just before may be
 *                  lost. MPI is left alone, with the memory that it may still
 *                  read: release is not called for that memory,
 *                  ferry_stats.kept counts it. The program should leave by
 *                  _exit or MPI_Abort: MPI_Finalize may hang
 *   FERRY_EMPI     MPI refused a part of the end, such as MPI_Finalize. The
 *                  engine is closed
 *
 * If the program calls MPI_Finalize while an engine is open, the job ends with
 * a sentence and a status that is not 0.
 */
FERRY_API int ferry_close(ferry *engine);

/* This rank's number, and how many ranks there are. */
FERRY_API int ferry_rank(const ferry *engine);
FERRY_API int ferry_size(const ferry *engine);

/*
 * Wait until all that this thread posted to `rank` (FERRY_ALL: to every rank)
 * is delivered. Returns the first failure among those posts since this thread's
 * last flush, so senders of fire-and-forget posts still learn about failures.
 *
 * Blocks     until delivered, or for `timeout`.
 *
 * Errors, beside those of the posts
 *   FERRY_PENDING  `timeout` has passed
 *   FERRY_EDEADLK  on the progress thread
 *   FERRY_EPEER    the rank is gone
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_flush(ferry *engine, int rank, int64_t timeout);

/*
 * Wait until what was posted before the fence, on any rank, is done, and also
 * what the handlers of that posted in turn. A message with a handler is done
 * when the handler has returned. A message without a handler is done once it is
 * in the mailbox. A request that its handler retained is done when the handler
 * returns, replied to or not. The fence does not wait for what is posted after
 * it has begun on the poster's rank: other threads may go on posting.
 *
 * If a rank is gone the others go on with the fence, and with later ones. One
 * that began here with that rank ends with FERRY_EPEER, as what that rank got
 * and sent is not known. All of the above holds between the others; what was
 * posted to that rank has ended with a status; and what came from it has
 * reached some ranks, all or none, is handled where it did, and comes nowhere
 * later. So of one fence some ranks may get FERRY_OK and others FERRY_EPEER. A
 * fence that begins here after the others agreed that the rank is gone is
 * theirs alone: FERRY_OK.
 *
 * Threads    one at a time a rank. All ranks call it equally often before
 *            they close.
 * Blocks     until all ranks have called it and nothing is under way, or for
 *            `timeout`. A receiver that does not read holds it up.
 *
 * Errors
 *   FERRY_PENDING  `timeout` has passed. The fence goes on, and the next call
 *                  resumes it
 *   FERRY_EINVAL   another thread of this rank is in a fence
 *   FERRY_EINVAL   a rank, which the text names, is in ferry_close instead. No
 *                  fence succeeds any more; this rank is to close as well
 *   FERRY_EDEADLK  on the progress thread, or in a handler
 *   FERRY_EPEER    a rank is gone, and among the others the fence is over.
 *                  Where peer_timeout is none: a rank is gone, and no fence
 *                  succeeds any more
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_fence(ferry *engine, int64_t timeout);

/*
 * What the engine runs with: every default filled in, FERRY_NONE for what
 * is off.
 *
 * Ownership  texts are the engine's, valid until ferry_close.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_options_resolved(const ferry *engine,
                                     ferry_options *options);

/*
 * The counters now: as many as fit into stats->size. Read them before
 * the close.
 *
 * Blocks     until the progress thread has answered, but not for a handler that
 *            blocks: after some ms the counters are those of the last sample
 *            (options.monitor), at most 0.1 s before the handler began.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_stats_read(const ferry *engine, ferry_stats *stats);

/*
 * Have `fn` called with each line of the log, of all engines of the process, in
 * the place of the option log. options.log_level says which lines there are. A
 * line begins with rank, time since the open, level, name and number of the
 * thread:
 *
 *   ferry[3] 12.000345 warning ferry-watch/4711: what there is to say
 *
 * What the library says on stderr although there is no log, it says there all
 * the same. Outside of an engine such a line begins with "ferry: " only.
 * `fn` NULL: as the option says, again. With or without an engine; lines
 * of an engine that opens later come, too.
 *
 * Threads    any. `fn` is called on any thread, several at once: also on the
 *            progress thread in the middle of its work, with locks of the
 *            library held. So it must not wait for another thread that uses
 *            the library, and while it blocks the engine stands still. Hand
 *            the line on; there is no need to call the library. What it calls
 *            there does not wait: FERRY_EDEADLK, and FERRY_EAGAIN for a post
 *            without room.
 * Blocks     until no thread is inside of the function that was set before.
 *            Inside of it: not, and then it may run for a moment more.
 * Order      of the lines of one thread. A line that comes up inside of `fn`
 *            goes where the option says.
 * Errors     an exception that leaves `fn` ends the program, see Leaving. What
 *            fails in it is not the last error of the thread that logs.
 */
FERRY_API int ferry_log_to(ferry_log_fn *fn, void *arg);

/* FERRY_OK while the engine works. Afterwards the reason why it does not:
 * FERRY_ESTOPPED, FERRY_EPEER, or what ferry_abort was given. */
FERRY_API int ferry_status(const ferry *engine);

/*
 * Write as text what this process is open with and waits for: its threads and
 * what each waits for in Ferry, calls, posts, messages and requests that the
 * program has. Needs no step of the progress thread, and says so if that does
 * not come back.
 *
 * Threads    any, inline handlers and callbacks too; not in a signal handler.
 *            The option dump_signal is for that.
 * Blocking   as `fd` does, and 100 ms at most while the progress thread is
 *            busy.
 * Errors     EINVAL also if `fd` cannot be written. ESTOPPED.
 */
FERRY_API int ferry_dump(ferry *engine, int fd);

/* ---- ranks that are gone ------------------------------------------------ */

/*
 * A rank of which something is awaited (an answer, room, a word of a fence or
 * close), and which is silent for peer_timeout, is taken for dead. So is one
 * to which MPI fails to send, or which ends by ferry_abort. The ranks agree on
 * who goes on: all of these have the same opinion of who is gone.
 * For each rank that is gone:
 *   - everything that waits for it ends with FERRY_EPEER, at most half of
 *     peer_timeout after the rank was found silent, as do later posts. Where
 *     MPI fails to send to it, as it may over TCP, before the ranks know, what
 *     waits for it here ends with FERRY_EMPI and MPI's sentence;
 *   - what came from it reached this rank in part, and nothing comes later;
 *   - if it is alive (it was stopped, or cut off), its engine stops with
 *     FERRY_EPEER as soon as it hears of that.
 * Fences and the close go on among the others, see ferry_fence and ferry_close.
 *
 * A rank that hears nobody, of several others, stops its own engine. One that
 * hears only some of the others may be left out. Of a network that falls apart
 * each part goes on, see ferry_options.quorum. Nobody who was left out comes
 * back.
 *
 * Time in which this rank's own loop did not run, as in a debugger, is held
 * against nobody. But the others wait for this rank no longer than
 * peer_timeout. Only on one host, where code of the program (a handler, a
 * callback) does not return to the progress thread, they wait until it does.
 */

/*
 * Have `fn` called once for each rank that is gone, also for those that are
 * already. There is one such function; another one takes its place, and is told
 * of all. `fn` NULL takes it away.
 *
 * Threads    any.
 * Blocks     until the progress thread has answered; where a function was
 *            taken away, until that does not run any more, except inside of
 *            itself.
 * Order      as for handlers on `where`, see ferry_handle.
 * Ownership  arg is the program's.
 * Errors     FERRY_ESTOPPED, FERRY_ENOMEM.
 */
FERRY_API int ferry_on_peer(ferry *engine, ferry_executor *where,
                            ferry_peer_fn *fn, void *arg);

/*
 * Is a rank still there, as far as this one knows?
 *
 * Threads    any; does not block.
 * Errors
 *   FERRY_EPEER    it is gone: posts to it end with this
 *   FERRY_EINVAL   there is no such rank
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_peer_status(ferry *engine, int rank);

/*
 * The program knows that a rank is gone, or wants to go on without it. All
 * ranks are told, and agree on it. That rank's engine stops, if it is alive.
 *
 * Threads    any.
 * Blocks     until the progress thread has answered; not until all agree:
 *            ferry_on_peer tells that.
 * Ownership  `why` (may be NULL), for the log, is copied.
 * Errors
 *   FERRY_EINVAL   there is no such rank, or it is this one
 *   FERRY_ENOTSUP  the option peer_timeout is none
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_peer_gone(ferry *engine, int rank, const char *why);

/*
 * End this rank's engine without the other ranks: for a program that cannot go
 * on, such as one that leaves by an exception. Everything that waits ends with
 * FERRY_ESTOPPED, what was posted may be lost, and to the others this rank is
 * gone. ferry_close then waits for nobody and returns `status`; MPI is left as
 * it is, as after FERRY_EPEER.
 *
 * Threads    any, also in handlers. The first call counts. NULL and an engine
 *            that has ended are fine.
 * Blocks     never. The engine stops when the progress thread comes to it, and
 *            within 200 ms from then on; with FERRY_NO_THREAD in ferry_close
 *            or when the program next steps it.
 * Errors     none. `status` is a FERRY_E... that says why; anything else counts
 *            as FERRY_ESTOPPED.
 */
FERRY_API void ferry_abort(ferry *engine, int status);

/*
 * After FERRY_EAGAIN: a future that tells when to try again.
 *
 * Completes  when a post to `rank` would not return FERRY_EAGAIN. Another
 *            thread may take the room first, so retry. With FERRY_EPEER or
 *            FERRY_ESTOPPED when there will be no room any more.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_room(ferry *engine, int rank, ferry_future **future_p);

/*
 * Drive an engine that was opened with FERRY_NO_THREAD, one step: send,
 * receive, run inline handlers and callbacks. Threads that wait for a future,
 * for room or in ferry_recv drive it too. While no thread is inside the library
 * the engine stands still.
 *
 * Threads    any; one at a time makes a step.
 * Blocks     while nothing happens, at most for `timeout`.
 *
 * Errors
 *   FERRY_PENDING  nothing happened
 *   FERRY_EDEADLK  on the progress thread
 *   FERRY_EINVAL   the engine has a thread of its own
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_progress(ferry *engine, int64_t timeout);

/* Counters since the engine was opened; FERRY_STATS_INIT sets the size. */
struct ferry_stats {
	size_t size;
	uint64_t posts;     /* posts taken from lanes */
	uint64_t calls;     /* calls taken from lanes */
	uint64_t delivered; /* messages and replies delivered to this rank */
	uint64_t handled;   /* handlers that returned */
	/* MPI messages, each of many posts, calls and replies */
	uint64_t batches_sent;
	uint64_t batches_received;
	uint64_t bytes_sent; /* batches and attachments */
	uint64_t bytes_received;
	uint64_t lane_full;    /* posts that found no room at first */
	uint64_t channel_full; /* messages that had to wait in a channel */
	uint64_t credit_out;   /* times a channel ran out of credit */
	/* large messages that had to ask their receiver for memory first */
	uint64_t grants_waited;
	/* messages refused for want of memory, or by a peer */
	uint64_t refused;
	uint64_t dropped;      /* messages that nobody read, dropped at close */
	uint64_t late_replies; /* replies to calls that were decided already */
	uint64_t malformed; /* messages from the wire that failed the checks */
	uint64_t sleeps;    /* times the progress thread slept */
	uint64_t wakes;     /* times another thread woke it */
	uint64_t steps;     /* steps of the progress loop */
	/* times a waiting thread took over, to drive the engine */
	uint64_t lends;
	/* What received messages take here until the program releases them,
	 * in bytes: unread ones, ones that wait for a handler or are inside
	 * of one, retained ones, and those that ferry_recv gave. Large ones
	 * count from the moment at which memory was granted. Each counts 320
	 * more than its bytes. Attachments that were taken, and replies, are
	 * not counted. */
	uint64_t memory_held;
	/* buffers that MPI may still read after a close with EPEER */
	uint64_t kept;
	/* receives of batches, and sends, that MPI ended with an error */
	uint64_t mpi_errors;
};
#define FERRY_STATS_INIT                                                       \
	{                                                                      \
		sizeof(ferry_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			0, 0, 0, 0, 0, 0, 0, 0, 0                              \
	}

/* ---- post and call ------------------------------------------------------ */

/*
 * Send a message to `rank` (this one included), to the handler or reader of
 * `op` there. A post tells when the message is delivered, a call brings back
 * the handler's reply.
 *
 * Blocks     only while there is no room: in this thread's lane (128 KiB), or
 *            because `rank` does not keep up. The _for forms wait for `timeout`
 *            at most. With FERRY_NONBLOCK, on the progress thread and on the
 *            last running thread of a pool nothing waits. Without room after
 *            the wait, or without a wait, the status is FERRY_EAGAIN. Ranks
 *            deadlock, as with MPI_Send, if all of them post more than the
 *            credit (16 KiB to 16 MiB a pair, at most an eighth of
 *            receive_memory) before any of them reads.
 * Order      what one thread posts and calls to one rank is delivered in that
 *            order, whatever the sizes and attachments. Across threads there is
 *            no order, and no thread's messages hold up another's.
 * Ownership  `body` is copied before the return. future_p NULL: fire and
 *            forget. Else the future is the caller's to release, at any time.
 * Completes  a post when the message is delivered, which does not mean handled.
 *            A call with the reply. Else with one of
 *   FERRY_ENOHANDLER  nobody took the call within the target's handler_grace
 *   FERRY_EREMOTE     the handler said no, or released the request unanswered
 *   FERRY_ETOOBIG     the target refused it: it is too large
 *   FERRY_ENOMEM      the target refused it: it had no memory
 *   FERRY_EDECODE     what came over the wire was malformed
 *   FERRY_EMPI        MPI failed to send or to receive it
 *   FERRY_EPEER       that rank is gone
 *   FERRY_ESTOPPED    the engine has stopped
 *   FERRY_ECANCELED   the program cancelled it
 *   FERRY_ETIMEDOUT   the deadline that the program set has passed
 *
 * Errors
 *   FERRY_EAGAIN   no room. On the progress thread: return, and go on when
 *                  ferry_room says so, or run the handler on an executor, where
 *                  it may wait
 *   FERRY_ETOOBIG  beyond message_max
 *   FERRY_EPEER    that rank is gone
 *   FERRY_ESTOPPED the engine is being closed. Handlers and inline callbacks
 *                  may post until all ranks agree on the close
 */
FERRY_API int ferry_post(ferry *engine, int rank, uint32_t op, const void *body,
                         size_t nbytes, ferry_future **future_p);
FERRY_API int ferry_call(ferry *engine, int rank, uint32_t op, const void *body,
                         size_t nbytes, ferry_future **future_p);
FERRY_API int ferry_post_for(ferry *engine, int rank, uint32_t op,
                             const void *body, size_t nbytes, int64_t timeout,
                             ferry_future **future_p);
FERRY_API int ferry_call_for(ferry *engine, int rank, uint32_t op,
                             const void *body, size_t nbytes, int64_t timeout,
                             ferry_future **future_p);

/* ---- messages ----------------------------------------------------------- */

/*
 * A message: a body that is copied, and attachments that are not. It is
 * reference counted. Once it is posted, given as a reply or received it cannot
 * be changed any more (FERRY_EINVAL). It may be posted again, to many ranks.
 *
 * Threads    one at a time while it is being written; any afterwards.
 * Ownership  *message_p is the caller's to release; posting takes a reference
 *            of its own.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_message_create(ferry *engine, uint32_t op,
                                   ferry_message **message_p);
/* Append to the body. Ownership: copied. Errors: FERRY_ETOOBIG from 2^62 bytes
 * on. */
FERRY_API int ferry_message_write(ferry_message *message, const void *data,
                                  size_t nbytes);
/*
 * Attach memory of the program's, of any size from 0 on, also beyond 2^31
 * bytes. If it is small (a message of up to 4 KiB altogether) it is copied when
 * the message leaves; else it is sent from where it is.
 *
 * Ownership  `data` is borrowed until release(data, arg) is called: once, on
 *            any thread, when the last reference is gone, the engine's
 *            included. release may be NULL. Cancelling the future, or its
 *            deadline, does not end the loan.
 * Errors     FERRY_ETOOBIG for more than 2^32 - 2 attachments.
 */
FERRY_API int ferry_message_attach(ferry_message *message, const void *data,
                                   size_t nbytes, ferry_release_fn *release,
                                   void *arg);
/* ferry_post and ferry_call with a message: everything said there holds. One
 * message is one future and one place in the order, however many attachments it
 * has. A received message may be sent on as it is. */
FERRY_API int ferry_post_message(ferry *engine, int rank,
                                 ferry_message *message,
                                 ferry_future **future_p);
FERRY_API int ferry_call_message(ferry *engine, int rank,
                                 ferry_message *message,
                                 ferry_future **future_p);
/*
 * Take one more reference. A handler does this to keep a message beyond its
 * return. In an inline handler it copies the body out of the receive buffer.
 * Pointers from earlier calls of ferry_message_body are invalid then: call it
 * again.
 */
FERRY_API void ferry_message_retain(ferry_message *message);
/*
 * Give one reference back. The last one frees the message; a request that
 * nobody answered is then answered with FERRY_EREMOTE. NULL is fine. Never
 * release what you did not retain: an inline handler's surplus release is
 * ignored, on an executor it is a use after free.
 */
FERRY_API void ferry_message_release(ferry_message *message);

/* The sender's rank; -1 for a message that the program made. */
FERRY_API int ferry_message_source(const ferry_message *message);
/* The op that the message was posted with; FERRY_ANY_OP for NULL. */
FERRY_API uint32_t ferry_message_op(const ferry_message *message);
/*
 * The body, 8-byte aligned. It may be NULL when it is empty; nbytes_p may
 * be NULL.
 *
 * Ownership  the message's. In an inline handler it is the receive buffer
 *            itself, valid until the handler returns or retains the message.
 */
FERRY_API const void *ferry_message_body(const ferry_message *message,
                                         size_t *nbytes_p);
/* How many attachments the message has. */
FERRY_API size_t ferry_message_attachments(const ferry_message *message);
/* An attachment; NULL when there is none of that index or it was taken.
 * Ownership: the message's. */
FERRY_API const void *ferry_message_attachment(const ferry_message *message,
                                               size_t index, size_t *nbytes_p);
/*
 * Take an attachment out of a received message: the memory that MPI received
 * into. It no longer counts for receive_memory. NULL while anybody else holds
 * a reference of the message.
 *
 * Threads    the holder of the only reference. A handler retains the message,
 *            returns, and the attachment is taken later; or the message is one
 *            of ferry_recv or ferry_future_take.
 * Ownership  the caller's, to free(). What ferry_handle_memory gave is the
 *            program's already.
 */
FERRY_API void *ferry_message_take(ferry_message *message, size_t index,
                                   size_t *nbytes_p);

/* ---- receive ------------------------------------------------------------ */

/*
 * Let `fn` handle the messages of an op, on `where`. fn replaces the handler
 * that was there; fn NULL only removes that one. Messages of the op that wait
 * in the mailbox are handled first, in order. Messages of an op without a
 * handler go to the mailbox, for ferry_recv.
 *
 * Threads    inline handlers and those of FERRY_ANYWHERE run one at a time,
 *            while nobody else steps the engine: they must not block. Handlers
 *            on an executor run as ferry_workers_create and its neighbours
 *            say.
 * Blocks     until the progress thread has taken the change. When it replaces
 *            or removes a handler, this returns only after the old handler has
 *            finished and will not run again. Called inside of the old handler
 *            it does not wait for that call of the handler: the change takes
 *            effect when that call has returned. Two handlers of one pool that
 *            remove each other wait for each other. Messages that an executor
 *            has queued for the old handler go to the mailbox when their turn
 *            comes.
 * Order      handlers begin in the order of delivery. They also end in it where
 *            `where` runs one at a time.
 * Ownership  the message is lent, see ferry_handler_fn.
 * Completes  a call with an empty reply, if its handler returns without having
 *            replied to the request or retained it; with FERRY_ENOMEM if the
 *            reply failed with that.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_handle(ferry *engine, uint32_t op, ferry_executor *where,
                           ferry_handler_fn *fn, void *arg);
/*
 * Answer a request, once: in its handler, or later from any thread if it was
 * retained. Never waits for room and never returns FERRY_EAGAIN.
 *
 * Ownership  `body` is copied; a reply message is retained. The request stays
 *            the caller's to release.
 * Completes  the calling rank's future: with the reply, or, by
 *            ferry_reply_error, with FERRY_EREMOTE. Its detail has the status
 *            and the text (up to 1024 bytes; NULL is fine).
 *
 * Errors
 *   FERRY_EALREADY it was answered before
 *   FERRY_EINVAL   it is no request
 *   FERRY_ENOMEM   try again, or call ferry_reply_error without a text, which
 *                  needs no memory. If nobody answers, the calling rank's
 *                  future ends with FERRY_ENOMEM
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_reply(ferry_message *request, const void *body,
                          size_t nbytes);
FERRY_API int ferry_reply_message(ferry_message *request, ferry_message *reply);
FERRY_API int ferry_reply_error(ferry_message *request, int status,
                                const char *detail);
/*
 * Let `fn` say where attachments of an op land: a slice of an array, pinned
 * memory. fn NULL removes the function that was there. fn is called once for
 * each attachment of a message that is too large for a batch (more than 4 KiB
 * altogether), before the data comes. Attachments of smaller messages, and of
 * replies, land in memory of the library's.
 *
 * Threads    fn runs on the progress thread.
 * Order      none: fn is not called in the order of the messages.
 * Ownership  the memory is the program's, and MPI writes to it until the
 *            message is handled. It does not count for receive_memory.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_handle_memory(ferry *engine, uint32_t op,
                                  ferry_memory_fn *fn, void *arg);
/*
 * The oldest message from `source` (or FERRY_ANY) with `op` (or FERRY_ANY_OP)
 * for which there is no handler.
 *
 * Blocks     for `timeout`.
 * Order      of delivery. A message goes to one reader.
 * Ownership  *message_p is the caller's to release. A request is answered
 *            by ferry_reply.
 *
 * Errors
 *   FERRY_PENDING  none came in time
 *   FERRY_EDEADLK  on the progress thread, unless timeout is 0
 *   FERRY_EDEADLK  unread messages of other ops, which the text names, fill
 *                  receive_memory, and nobody else reads
 *   FERRY_ESTOPPED the engine has stopped
 */
FERRY_API int ferry_recv(ferry *engine, int source, uint32_t op,
                         int64_t timeout, ferry_message **message_p);

/* ---- futures ------------------------------------------------------------ */

/*
 * A future is what comes of one operation. It is decided once: by what comes
 * first, an outcome, a cancel or a deadline. After that it does not change.
 *
 * ferry_future_poll  FERRY_PENDING, or the operation's status.
 * ferry_future_wait  the same, after at most `timeout`. A timeout leaves the
 *                    future as it is. A thread that waits may drive the engine
 *                    (options.lend). It runs no code of the program then
 *                    except handlers of FERRY_ANYWHERE, and with
 *                    FERRY_NO_THREAD everything.
 *
 * FERRY_EDEADLK, from a wait for a future that is not done:
 *   - on the progress thread of the future's engine;
 *   - when the future's next step is queued behind the waiter (see
 *     ferry_future_all).
 */
FERRY_API int ferry_future_poll(ferry_future *future);
FERRY_API int ferry_future_wait(ferry_future *future, int64_t timeout);
/*
 * The reply of a call (or the value of a promise), moved out of the future.
 *
 * Ownership  *reply_p is the caller's to release.
 * Errors     FERRY_PENDING before it is done; FERRY_EALREADY when it was taken
 *            or there is none.
 */
FERRY_API int ferry_future_take(ferry_future *future, ferry_message **reply_p);
/* Why the operation failed, in a sentence; "" when it did not, or is not done.
 * Ownership: the future's. */
FERRY_API const char *ferry_future_detail(ferry_future *future);
/*
 * Call `fn` when the future is done: once, on `where`, never inside this call,
 * even if it is done already. A future takes one callback. For a second one
 * call ferry_future_all with this future alone, and give it to what that makes.
 *
 * Ownership  the future is kept until fn has returned. The program may release
 *            its own reference at any time, also inside fn. fn is not called if
 *            its executor was destroyed before.
 *
 * Errors
 *   FERRY_EINVAL   the future has a callback already
 *   FERRY_EINVAL   `where` is FERRY_ANYWHERE
 *   FERRY_ESTOPPED `where` is FERRY_INLINE, the future is done and its engine
 *                  is closed
 *   FERRY_ESTOPPED `where` is FERRY_INLINE and the future has no engine
 *                  (ferry_future_all of none)
 */
FERRY_API int ferry_future_then(ferry_future *future, ferry_executor *where,
                                ferry_callback_fn *fn, void *arg);
/*
 * Give an operation up: `timeout` from now (FERRY_ETIMEDOUT), or at once
 * (FERRY_ECANCELED). A message that has not left its lane by then is not sent.
 * One that has left may be delivered all the same. The detail says which it
 * was. A late reply is dropped and counted.
 *
 * Ownership  attachments stay borrowed until their release is called. A
 *            finished future with a deadline may keep its memory until the
 *            deadline; at most as many are kept as are still pending (or 64).
 *
 * Errors
 *   FERRY_EALREADY it is decided
 *   FERRY_ENOTSUP  the future has no engine to keep the time
 *   FERRY_ESTOPPED its engine has stopped
 */
FERRY_API int ferry_future_deadline(ferry_future *future, int64_t timeout);
FERRY_API int ferry_future_cancel(ferry_future *future);
/* One reference more, or less. The operation goes on even when the program has
 * none. NULL is fine. */
FERRY_API void ferry_future_retain(ferry_future *future);
FERRY_API void ferry_future_release(ferry_future *future);
/*
 * Wait for many. Entries that are NULL are skipped, here and in
 * ferry_future_all and _any.
 *
 * ferry_wait_all    for all: FERRY_OK, the first failure in the order of the
 *                   array, or FERRY_PENDING. The thread sleeps once, also
 *                   for thousands.
 * ferry_finish_all  the same. Then it releases the futures that are done, and
 *                   sets their entries to NULL. If it returns FERRY_PENDING,
 *                   pending futures stay in the array, and so do those that
 *                   failed: a later call returns the failure.
 * ferry_wait_any    for one: its status, or FERRY_PENDING. *index_p (may be
 *                   NULL) says which one. If all entries are NULL: FERRY_OK at
 *                   once, and *index_p is SIZE_MAX. So a loop that sets to NULL
 *                   what it has dealt with ends, as one with MPI_Waitany does
 *                   by MPI_UNDEFINED.
 *
 * Errors
 *   FERRY_EDEADLK  as for ferry_future_wait. ferry_finish_all has then released
 *                  nothing
 *   FERRY_EINVAL   ferry_wait_any of an array of length 0
 */
FERRY_API int ferry_wait_all(ferry_future *const *futures, size_t count,
                             int64_t timeout);
FERRY_API int ferry_finish_all(ferry_future **futures, size_t count,
                               int64_t timeout);
FERRY_API int ferry_wait_any(ferry_future *const *futures, size_t count,
                             int64_t timeout, size_t *index_p);
/*
 * Futures made of futures.
 *
 * ferry_future_all       is done when all are: with FERRY_OK, or the first
 *                        failure in the order of the array. Of none it is done
 *                        at once.
 * ferry_future_any       is done when the first one is, with its status. Of
 *                        none: FERRY_EINVAL.
 * ferry_future_and_then  calls `fn` on `where` when `future` is done, whatever
 *                        its status. The new future is done when the one that
 *                        fn yields is, with the same status: a chain.
 *
 * The detail of the first two names the future that decided.
 *
 * Ownership  each keeps the futures that it is made of. The future that fn
 *            yields becomes the chain's. Cancelling a composed future decides
 *            that one only; those that it is made of go on.
 *
 * A wait for such a future is FERRY_EDEADLK where it could never end. What
 * is detected:
 *   - a chain whose step can only run behind the waiter itself: in a strand, or
 *     a pool of one;
 *   - a future of an engine, on the progress thread of that engine;
 *   - what is composed of these: a chain on one, `all` with one among others,
 *     `any` of these only.
 * It is FERRY_EDEADLK even if a timeout or a deadline would end the wait.
 * What is not detected, and may wait for ever:
 *   - tasks that wait for each other;
 *   - a promise that a callback behind the waiter would fulfil;
 *   - what only the waiter's own pool can run, while all threads of that
 *     pool wait;
 *   - any of the above among more than 100,000 futures, or more than 100
 *     compositions deep.
 */
FERRY_API int ferry_future_all(ferry_future *const *futures, size_t count,
                               ferry_future **future_p);
FERRY_API int ferry_future_any(ferry_future *const *futures, size_t count,
                               ferry_future **future_p);
FERRY_API int ferry_future_and_then(ferry_future *future, ferry_executor *where,
                                    ferry_next_fn *fn, void *arg,
                                    ferry_future **future_p);
/*
 * A future that the program fulfils, with a status <= 0 and a value.
 *
 * Ownership  `value` is retained; it may be NULL.
 * Completes  with the status, or with FERRY_ESTOPPED if it is pending when the
 *            engine closes.
 * Errors     FERRY_EALREADY: it is fulfilled, cancelled or timed out.
 *            FERRY_ESTOPPED from ferry_promise_create.
 */
FERRY_API int ferry_promise_create(ferry *engine, ferry_future **future_p);
FERRY_API int ferry_promise_fulfil(ferry_future *future, int status,
                                   ferry_message *value);

/* ---- counters ----------------------------------------------------------- */

/*
 * A counter is one thing to wait for, for many posts. A post that counts costs
 * about what one costs that is fire and forget: it has no future, and the
 * posting thread makes no locked instruction for it.
 *
 * Two numbers belong to a counter, and neither ever falls: how many posts were
 * `posted`, and how many of them are `done`, delivered or failed. A post that
 * returns an error is in neither.
 *
 * Threads    any number may post into one counter at once, to any ranks.
 * Order      posts are done in the order of each thread and rank. Across ranks
 *            and threads there is no order, so when `done` is n, any n may be.
 *            Messages from all threads that arrive together are counted
 *            together: `done` grows by steps of many.
 * Ownership  *counter_p is the caller's to release. It may be released after
 *            ferry_close, too.
 * Errors     FERRY_ESTOPPED.
 */
FERRY_API int ferry_counter_create(ferry *engine, ferry_counter **counter_p);
/*
 * ferry_post without a future, counted: everything said there holds, for long
 * bodies and for the wait for room, too. The counter counts the post as done
 * when the message is delivered, or has failed with one of the statuses there.
 *
 * Errors     as ferry_post. FERRY_EINVAL: the counter belongs to another
 *            engine. What fails with any of them is not counted.
 */
FERRY_API int ferry_post_counted(ferry *engine, int rank, uint32_t op,
                                 const void *body, size_t nbytes,
                                 ferry_counter *counter);
/*
 * How many were posted, and how many of these are done. Returns the status of
 * the first post that failed, or FERRY_OK; ferry_last_error has its sentence.
 * That status stays: the counter forgets it at no later success. posted_p and
 * done_p may be NULL; both are set, whatever the status, except FERRY_EINVAL.
 *
 * `posted` contains each post whose call has returned, to this thread, or to
 * another one that has told this one of it (by a lock, a join, a message
 * through memory). Of posts that other threads are making just now it may
 * contain some. It is never less than `done`.
 */
FERRY_API int ferry_counter_read(const ferry_counter *counter,
                                 uint64_t *posted_p, uint64_t *done_p);
/*
 * Wait until `value` posts are done, delivered or failed. `value` counts from
 * the counter's creation: to wait for all so far, give what ferry_counter_read
 * said was posted. The waiting thread is woken once, not at each post. It may
 * drive the engine, as one that waits for a future.
 *
 * Returns the status of the first post that failed, also if `value` is reached
 * without that one, or FERRY_OK.
 *
 * Blocks     for `timeout`. A number that is not posted is not reached: such a
 *            wait ends by another thread's posts, the timeout, or the close.
 *
 * Errors
 *   FERRY_PENDING  `timeout` has passed. A later call may go on waiting
 *   FERRY_EDEADLK  on the progress thread, if the number is not reached
 *   FERRY_ENOMEM   no memory to wait with
 *   FERRY_ESTOPPED the engine was closed, and so many had not been posted
 */
FERRY_API int ferry_counter_wait(ferry_counter *counter, uint64_t value,
                                 int64_t timeout);
/*
 * Call `fn` when `value` posts are done: once, on `where`, never inside this
 * call, even if they are done already. Its future is NULL, its status what
 * ferry_counter_wait would return. A counter takes any number of callbacks.
 *
 * Ownership  the counter may be released before fn has run. fn is not called if
 *            its executor was destroyed before.
 * Completes  as ferry_counter_wait does. With FERRY_ESTOPPED when the engine
 *            closes, with FERRY_ECANCELED when the counter was released and all
 *            its posts are done, if so many were not posted by then.
 *
 * Errors
 *   FERRY_ESTOPPED the engine was closed, and so many had not been posted
 *   FERRY_ESTOPPED `where` is FERRY_INLINE, `value` is reached and the engine
 *                  is closed
 */
FERRY_API int ferry_counter_then(ferry_counter *counter, uint64_t value,
                                 ferry_executor *where, ferry_callback_fn *fn,
                                 void *arg);
/*
 * Give the counter back, also while posts are open: these are delivered all the
 * same, and its memory goes with the last of them. NULL is fine.
 *
 * Threads    one, once no other thread is inside a call with this counter.
 *            Calls that are made afterwards are a use after free.
 */
FERRY_API void ferry_counter_release(ferry_counter *counter);

/* ---- executors ---------------------------------------------------------- */

/* Handlers and callbacks run on the progress thread, where they must not
 * block, ... */
#define FERRY_INLINE FERRY_CAST(ferry_executor *, FERRY_NULL)

/*
 * A handler of FERRY_ANYWHERE that takes a lock deadlocks if the thread on
 * which it runs holds that lock, and it runs on any thread that waits. (A
 * recursive lock lets the handler in instead, into what that thread has half
 * changed.) So a program that uses it waits only while it holds no lock that
 * such a handler takes. It waits in every function that waits for a future
 * (wait, flush, fence, the routines that block), in ferry_recv, and in a post
 * without room.
 *
 * Apart from that it is an inline handler, and all that is said of these holds.
 * A rank whose threads wait serves requests without a switch to its progress
 * thread. It is meant for handlers of a microsecond or so: the wait of the
 * thread on which it runs lasts as much longer. It is for handlers only.
 *
 * Threads    the progress thread, or a thread that waits and drives the engine
 *            (options.lend): one at a time. It does not run in calls that do
 *            not wait, such as a post that finds room, nor in a wait inside of
 *            a handler or callback of another engine. Where no thread drives,
 *            and with FERRY_NO_THREAD, it is the same as FERRY_INLINE.
 * Order      of delivery, together with inline handlers: it does not overtake
 *            a message that waits for one of these.
 * Blocks     never: a call that would wait returns FERRY_EDEADLK, or
 *            FERRY_EAGAIN. A cancellation of the thread takes effect once its
 *            wait has returned. Last error and signal mask are the handler's
 *            own, see ferry_last_error and Signals.
 * Ownership  what it posts is posted by the thread on which it runs: a flush of
 *            that thread waits for it, and returns its failures.
 * Errors     FERRY_EINVAL from ferry_future_then, ferry_future_and_then and
 *            ferry_strand_create, which do not take it. Memory functions and
 *            callbacks run on the progress thread.
 */
#ifdef __cplusplus
#define FERRY_ANYWHERE \
	reinterpret_cast<ferry_executor *>(static_cast<uintptr_t>(1))
#else
#define FERRY_ANYWHERE ((ferry_executor *)1)
#endif

/*
 * ... or on an executor:
 *
 * ferry_workers_create  a pool of 1 to 4096 threads.
 * ferry_strand_create   a strand over a pool: its tasks run on the pool's
 *                       threads, one at a time.
 * ferry_queue_create    a queue, run by the threads that call
 *                       ferry_executor_run.
 *
 * Blocks     posts of the last running thread of a pool do not wait for
 *            room (FERRY_EAGAIN).
 * Order      is kept by a strand, by a pool of one thread, and by a queue that
 *            one thread runs.
 * Ownership  *executor_p is the caller's to destroy, before or after the engine
 *            is closed. A strand keeps its pool.
 * Errors     FERRY_ESTOPPED for a pool or a queue.
 */
FERRY_API int ferry_workers_create(ferry *engine, unsigned threads,
                                   ferry_executor **executor_p);
FERRY_API int ferry_strand_create(ferry_executor *pool,
                                  ferry_executor **executor_p);
FERRY_API int ferry_queue_create(ferry *engine, ferry_executor **executor_p);
/*
 * Run the tasks that are queued now, at most `max` (0: all of them). Returns
 * how many ran.
 *
 * Threads    any, several at once.
 * Blocks     until a task is there, at most for `timeout`; then it returns 0.
 *            It does not drive an engine of FERRY_NO_THREAD.
 * Errors     FERRY_EDEADLK on the progress thread, unless timeout is 0;
 *            FERRY_ESTOPPED when the queue was destroyed meanwhile.
 */
FERRY_API int ferry_executor_run(ferry_executor *executor, unsigned max,
                                 int64_t timeout);
/* A descriptor for poll and event loops, readable exactly while a task is
 * queued. Ownership: the queue's. Only watch it; do not read or close it. */
FERRY_API int ferry_executor_fd(ferry_executor *executor);
/*
 * End an executor. What is queued runs first. What is given to it later does
 * not run: messages go to the mailbox, callbacks are dropped. After the return
 * none of its tasks runs or will run, and what their code uses may be freed.
 * NULL is fine.
 *
 * Blocks     until running tasks have returned. Called inside of one of the
 *            executor's own tasks it takes effect when that task returns.
 */
FERRY_API void ferry_executor_destroy(ferry_executor *executor);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_H */
