/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry and MPI: an engine on a communicator of the program's own, and any
 * operation of MPI that does not block as a future.
 *
 * Whatever is started here goes through the calling thread's lane, as a post
 * does, and MPI is called for it by the engine. So it needs no more than the
 * engine has, whatever the thread level; only what the program calls by itself
 * (making a datatype, a communicator of its own) needs MPI_THREAD_MULTIPLE, or
 * is called by ferry_run.
 *
 * What holds for all of them:
 *
 * Threads    any, also in handlers and callbacks.
 * Blocks     while the thread's lane is full; with FERRY_NONBLOCK, and on the
 *            progress thread, it is FERRY_EAGAIN instead.
 * Order      what one thread starts reaches MPI in that order, so that MPI's
 *            order of messages is that of the thread. Across threads there is
 *            none: collectives on one communicator by several threads are the
 *            program's to order, as in MPI. There is no order between starts
 *            and posts.
 * Ownership  buffers, datatypes and communicators are borrowed until the
 *            future completes with anything but FERRY_ECANCELED or
 *            FERRY_ETIMEDOUT. After these the memory stays MPI's until the
 *            operation is done all the same; ferry_start_release tells when.
 *            Unless the detail says that nothing was started.
 *            future_p may be NULL: failures then go into the log.
 * Completes  once MPI is done with it. What completes in the order in which it
 *            was started is found at once, whatever is outstanding; with
 *            thousands outstanding what completes in another order is found
 *            after a turn, 64 requests a step at least.
 * Errors     of MPI: the future's status is FERRY_EMPI, with MPI's text in its
 *            detail. On a communicator, window or file of the program's its
 *            error handler comes first, on the thread that drives the engine:
 *            MPI_ERRORS_ARE_FATAL ends the job, as without Ferry, a function of
 *            the program's is called with it, MPI_ERRORS_RETURN does nothing.
 *            MPICH names no communicator for an operation of ferry_start that
 *            fails only when it ends (one of ferry_irecv it does): that
 *            is FERRY_EMPI, and no handler is called.
 *            The call itself: FERRY_EINVAL, FERRY_EAGAIN, FERRY_ENOMEM,
 *            FERRY_ESTOPPED; then nothing happened and *future_p is untouched.
 *
 * ferry_fence and ferry_flush do not wait for what is started here. ferry_close
 * does, but for receives by ferry_irecv and ferry_sendrecv and probes that found
 * no message when all else is over: these are cancelled, FERRY_ESTOPPED.
 *
 * The engine leaves the program's error handlers as they are, with one exception.
 * MPICH raises what goes wrong at the end of an operation on MPI_COMM_WORLD,
 * whatever communicator it was on. So where its handler is not MPI_ERRORS_RETURN
 * the engine replaces it for the moment of a call that may find such an error: while
 * something of this header's other than sends is under way, when one of its own
 * receives is done, and while engines open and close. Another
 * thread that just then asks for MPI_COMM_WORLD's handler, or duplicates
 * MPI_COMM_WORLD, gets the engine's, which passes errors on to the program's
 * handler (a function is then called for another communicator); one that it sets
 * stays. With MPI_ERRORS_RETURN, or on another MPI, nothing is replaced.
 */
#ifndef FERRY_MPI_H
#define FERRY_MPI_H

#include <mpi.h>

#include "ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A program that is compiled with the mpi.h of one MPI and linked with the Ferry for another one would crash.
 * So whatever includes this header refers to a function that only the Ferry for the same MPI has. Where the
 * linker or the loader cannot find it, link with what `pkg-config --libs ferry-mpich` (or ferry-openmpi) says.
 */
#if defined(OMPI_MAJOR_VERSION)
#define FERRY_MPI_H_NAME ferry_mpi_h_of_openmpi_needs_libferry_openmpi
#elif defined(MPICH_VERSION)
#define FERRY_MPI_H_NAME ferry_mpi_h_of_mpich_needs_libferry_mpich
#else
#define FERRY_MPI_H_NAME ferry_mpi_h_of_another_mpi_needs_libferry_other
#endif
FERRY_API void FERRY_MPI_H_NAME(void);
static void (*const ferry_mpi_h_check)(void) __attribute__((used)) = FERRY_MPI_H_NAME;

/* ---- engine -------------------------------------------------------------- */

/*
 * ferry_open on the ranks of a communicator, which stays the program's and may
 * be freed afterwards. MPI must have been initialized by the program, with
 * MPI_THREAD_MULTIPLE, or with MPI_THREAD_SERIALIZED and FERRY_EXCLUSIVE.
 *
 * Threads    one at a time, in the same order on all ranks.
 * Blocks     until all ranks of comm have come: collective.
 *
 * FERRY_EINVAL for MPI_COMM_NULL and intercommunicators, FERRY_ETHREAD,
 * FERRY_ENOTSUP, FERRY_EMPI, FERRY_ENOMEM.
 */
FERRY_API int ferry_open_comm(MPI_Comm comm, const ferry_options *options, ferry **engine_p);

/* ---- any operation ------------------------------------------------------- */

/* Start one operation that does not block and say by what request it is known;
 * returns MPI's code. MPI_REQUEST_NULL: it is done already. comm is a duplicate
 * of the engine's communicator, made for this, and returns errors. */
typedef int ferry_start_fn(MPI_Comm comm, void *arg, MPI_Request *request);
/* One call of MPI, or several; returns MPI's code. */
typedef int ferry_run_fn(MPI_Comm comm, void *arg);

/*
 * Have fn run on the progress thread and await its request: collectives,
 * neighbourhood collectives, one-sided operations with requests, files,
 * persistent requests that fn starts (the handle stays the program's).
 *
 * Ownership  arg is fn's affair. The request is the engine's once fn returned.
 * Completes  with FERRY_OK when the request does, see
 *            ferry_future_mpi_status; with FERRY_EMPI when fn or the request
 *            fails. Cancelled before it left the lane: fn does not run.
 */
FERRY_API int ferry_start(ferry *engine, ferry_start_fn *fn, void *arg, ferry_future **future_p);

/*
 * The same, and release(NULL, arg) is called once MPI is done with it, however
 * the future ended and also where fn failed or never ran; before or after the
 * future completes. It must neither block nor wait. It is not called when this
 * returns an error, nor when a close gives up because a rank is gone.
 */
FERRY_API int ferry_start_release(ferry *engine, ferry_start_fn *fn, void *arg, ferry_release_fn *release,
                                  ferry_future **future_p);

/*
 * MPI's status of an operation that is done: source, tag and count of a
 * receive. Empty (MPI_ANY_SOURCE, MPI_ANY_TAG, no elements) for a ferry_run,
 * a collective, and whatever failed: then only MPI_ERROR is MPI's.
 *
 * Threads    any.
 *
 * FERRY_PENDING before completion. FERRY_EINVAL for other futures, and where
 * there is none because it was cancelled, timed out or stopped.
 */
FERRY_API int ferry_future_mpi_status(ferry_future *future, MPI_Status *status);

/*
 * Lend the progress thread for one call of fn, in order with what else the
 * thread starts. It must not wait for another rank: meanwhile nothing is
 * received, sent or acknowledged.
 *
 * Completes  when fn has returned.
 */
FERRY_API int ferry_run(ferry *engine, ferry_run_fn *fn, void *arg, ferry_future **future_p);

/* ---- plain messages ------------------------------------------------------- */

/*
 * MPI_Isend and MPI_Irecv on a communicator of the program's: the peer may know
 * nothing of Ferry. Tags, datatypes, MPI_ANY_SOURCE, MPI_ANY_TAG and
 * MPI_PROC_NULL are MPI's.
 *
 * Completes  as MPI's request does: a send when the buffer may be used again, a
 *            receive when the message is there. A receive that is given up, by
 *            ferry_future_cancel or its deadline, is cancelled in MPI as well,
 *            so that it takes no later message if none has matched it by then.
 *
 * FERRY_EINVAL also for MPI_COMM_NULL, MPI_DATATYPE_NULL and a count below 0.
 */
FERRY_API int ferry_isend(ferry *engine, const void *buffer, int count, MPI_Datatype type, int dest, int tag,
                          MPI_Comm comm, ferry_future **future_p);
FERRY_API int ferry_irecv(ferry *engine, void *buffer, int count, MPI_Datatype type, int source, int tag,
                          MPI_Comm comm, ferry_future **future_p);

/*
 * MPI_Sendrecv, as one future: both start at once, so that ranks that exchange
 * cannot wait for each other. The buffers do not overlap.
 *
 * Completes  when both are done, with the status of the receive. Given up, the
 *            receive is cancelled in MPI as that of ferry_irecv, the send goes on.
 *
 * FERRY_EINVAL as for ferry_isend.
 */
FERRY_API int ferry_sendrecv(ferry *engine, const void *sendbuf, int sendcount, MPI_Datatype sendtype, int dest,
                             int sendtag, void *recvbuf, int recvcount, MPI_Datatype recvtype, int source,
                             int recvtag, MPI_Comm comm, ferry_future **future_p);

/*
 * A matched probe: wait for a message of which neither size nor sender need be
 * known, and have it kept for whoever has its handle. Nobody else can receive it
 * then, so that any number of threads may probe for the same; ferry_imrecv or
 * MPI_Mrecv receive it, any thread.
 *
 * Order      probes of one thread for the same communicator, source and tag are
 *            served in that order. A probe holds nothing before it is served: a
 *            receive that is started after it may take the message.
 * Ownership  *message is borrowed until the future is done, however it ends. It
 *            is written only with FERRY_OK. future_p may not be NULL.
 * Completes  when a message was matched: source, tag and size by
 *            ferry_future_mpi_status, MPI_MESSAGE_NO_PROC for MPI_PROC_NULL. Given up, by
 *            ferry_future_cancel or its deadline, it has matched none, and the
 *            message is there for the next receive or probe. ferry_close ends it
 *            with FERRY_ESTOPPED likewise.
 *
 * FERRY_EINVAL for NULL and MPI_COMM_NULL.
 */
FERRY_API int ferry_improbe(ferry *engine, int source, int tag, MPI_Comm comm, MPI_Message *message,
                            ferry_future **future_p);
/*
 * MPI_Imrecv: receive what ferry_improbe (or MPI_Improbe) matched.
 *
 * Ownership  *message is read, and set to MPI_MESSAGE_NULL, before this returns
 *            FERRY_OK; otherwise it is the caller's as before.
 * Completes  when the message is in the buffer. ferry_future_cancel ends the
 *            future only: it is received all the same, as nobody else could. With
 *            FERRY_EMPI for arguments that MPI does not take: then it can be received
 *            by a copy of the handle only, made before.
 *
 * FERRY_EINVAL also for MPI_MESSAGE_NULL.
 */
FERRY_API int ferry_imrecv(ferry *engine, void *buffer, int count, MPI_Datatype type, MPI_Message *message,
                           ferry_future **future_p);

/* ---- collectives ------------------------------------------------------------ */

/*
 * Over all ranks of the engine, on a duplicate of their own: they meet no
 * collective that ferry_start starts.
 *
 * Order      all of an engine's, whatever kind, in the same order on all
 *            ranks. Where several threads call them the program orders these.
 *            Builds with a sanitizer or configured with --enable-debug (on all
 *            ranks) compare first: where ranks differ all of them get
 *            FERRY_EMPI and a text. Otherwise ranks that differ may hang, as in MPI.
 * Completes  when this rank's part is done. ferry_future_cancel ends the future
 *            only: the rank takes part all the same.
 *
 * FERRY_EINVAL also for a root that is no rank and for arguments that
 * MPI would not take (NULL handles, a count below 0).
 */
FERRY_API int ferry_barrier(ferry *engine, ferry_future **future_p);
FERRY_API int ferry_bcast(ferry *engine, void *buffer, int count, MPI_Datatype type, int root,
                          ferry_future **future_p);
/* from may be MPI_IN_PLACE at the root; to is used at the root only. */
FERRY_API int ferry_reduce(ferry *engine, const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                           int root, ferry_future **future_p);
/* from may be MPI_IN_PLACE. */
FERRY_API int ferry_allreduce(ferry *engine, const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                              ferry_future **future_p);
/*
 * Each rank's bytes, of any length up to 1 GiB, to the root. There ferry_future_take
 * yields a message with an empty body and one attachment a rank, which
 * ferry_message_take may take; elsewhere there is nothing to take.
 *
 * Ownership  data is borrowed until the future completes.
 * Completes  elsewhere when data was sent. Who gives more than 4 KiB sends it when the root asks for it.
 *
 * FERRY_ETOOBIG for more than 1 GiB. Where the root has no memory for what comes its future ends with
 * FERRY_ENOMEM, and so do those of the ranks that give more than 4 KiB; of the others' FERRY_OK says only that
 * the data was sent. Nothing is kept of it, and what follows works as ever.
 */
FERRY_API int ferry_gather(ferry *engine, const void *data, size_t nbytes, int root, ferry_future **future_p);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MPI_H */
