/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ferry and MPI: an engine on a communicator of the program's own, and any
 * operation of MPI that does not block as a future.
 *
 * What is started here goes through the calling thread's lane, as a post does,
 * and the engine makes the call of MPI. So these functions work at any MPI
 * thread level that ferry_open accepts. Calls that the program makes by itself
 * (to make a datatype, a communicator) need MPI_THREAD_MULTIPLE, unless
 * ferry_run makes them.
 *
 * What holds for all of them. The words and headings are those of ferry.h.
 *
 * Threads    any, also in handlers and callbacks.
 * Blocks     while the thread's lane is full. With FERRY_NONBLOCK, and on the
 *            progress thread, they return FERRY_EAGAIN instead.
 * Order      what one thread starts reaches MPI in that order, so its messages
 *            do not overtake each other where MPI's do not. Across threads
 *            there is no order: where several threads start collectives on one
 *            communicator the program orders them, as in MPI. There is no order
 *            between starts and posts.
 * Ownership  buffers, datatypes and communicators are borrowed until the future
 *            is done. After FERRY_ECANCELED and FERRY_ETIMEDOUT the memory
 *            stays MPI's until the operation has ended, unless the detail says
 *            that nothing was started. ferry_start_release tells when that is.
 *            future_p may be NULL: failures then go into the log.
 * Completes  once MPI is done with the operation. Operations that end in the
 *            order in which they were started are noticed at once, however many
 *            are outstanding. With thousands outstanding an out-of-order
 *            completion may be noticed a few ms late.
 *
 * Errors of MPI: the future's status is FERRY_EMPI, with MPI's text in its
 * detail. If the operation is on a communicator, window or file of the
 * program's, MPI calls the error handler of that object first, on the thread
 * that drives the engine:
 *   - MPI_ERRORS_ARE_FATAL ends the job, as without Ferry;
 *   - a function of the program's is called with it;
 *   - MPI_ERRORS_RETURN does nothing.
 * There is one exception. MPICH names no communicator for an operation of
 * ferry_start that fails only when it ends (for one of ferry_irecv it does).
 * Such a failure is FERRY_EMPI, and no handler is called.
 *
 * Errors of the call itself; nothing happened, and *future_p is untouched:
 *   FERRY_EINVAL   an argument is wrong
 *   FERRY_EAGAIN   the lane has no room, see above
 *   FERRY_ENOMEM   memory is exhausted
 *   FERRY_ESTOPPED the engine has stopped
 *
 * ferry_fence and ferry_flush do not wait for what is started here. ferry_close
 * does, with one exception: receives by ferry_irecv and ferry_sendrecv, and
 * probes, that found no message when all else is over. It cancels these, and
 * they end with FERRY_ESTOPPED.
 *
 * The engine leaves the program's error handlers as they are, with one
 * exception. MPICH raises what goes wrong at the end of an operation on
 * MPI_COMM_WORLD, whatever communicator it was on. So with MPICH, if the
 * handler of MPI_COMM_WORLD is not MPI_ERRORS_RETURN, the engine replaces it
 * for the moment of a call that may find such an error. Such calls are made:
 *   - while something of this header's, other than sends, is under way;
 *   - when one of the engine's own receives is done;
 *   - while engines open and close.
 * A thread that just then asks for the handler of MPI_COMM_WORLD, or duplicates
 * MPI_COMM_WORLD, gets the engine's handler. The engine's handler passes errors
 * on to the program's (a function is then called for another communicator). A
 * handler that a thread sets just then stays.
 */
#ifndef FERRY_MPI_H
#define FERRY_MPI_H

#include <mpi.h>

#include "ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A program that is compiled with the mpi.h of one MPI and linked with the
 * Ferry for another one would crash. So whatever includes this header refers to
 * a function that only the Ferry for the same MPI has. If the linker or the
 * loader cannot find that function, link with what `pkg-config --libs
 * ferry-mpich` (or ferry-openmpi) says.
 */
#if defined(OMPI_MAJOR_VERSION)
#define FERRY_MPI_H_NAME ferry_mpi_h_of_openmpi_needs_libferry_openmpi
#elif defined(MPICH_VERSION)
#define FERRY_MPI_H_NAME ferry_mpi_h_of_mpich_needs_libferry_mpich
#else
#define FERRY_MPI_H_NAME ferry_mpi_h_of_another_mpi_needs_libferry_other
#endif
FERRY_API void FERRY_MPI_H_NAME(void);
static void (*const ferry_mpi_h_check)(void)
	__attribute__((used)) = FERRY_MPI_H_NAME;

/* ---- engine -------------------------------------------------------------- */

/*
 * ferry_open on the ranks of a communicator. The program must have
 * initialized MPI, with MPI_THREAD_MULTIPLE, or with MPI_THREAD_SERIALIZED
 * and FERRY_EXCLUSIVE.
 *
 * Threads    open and close engines from one thread at a time, outside
 *            handlers, in the same order on every rank.
 * Blocks     until all ranks of comm have called it: collective.
 * Ownership  comm stays the program's, and may be freed afterwards.
 * Errors     those of ferry_open; FERRY_EINVAL also for MPI_COMM_NULL
 *            and intercommunicators.
 */
FERRY_API int ferry_open_comm(MPI_Comm comm, const ferry_options *options,
                              ferry **engine_p);

/* ---- any operation ------------------------------------------------------- */

/* Start one operation that does not block, put its request into *request, and
 * return MPI's code. MPI_REQUEST_NULL: the operation is done already. comm is a
 * duplicate of the engine's communicator, made for this, with
 * MPI_ERRORS_RETURN. */
typedef int ferry_start_fn(MPI_Comm comm, void *arg, MPI_Request *request);
/* Make one call of MPI, or several, and return MPI's code. */
typedef int ferry_run_fn(MPI_Comm comm, void *arg);

/*
 * Run fn on the progress thread, once, and await the request that it gives:
 * collectives, neighbourhood collectives, one-sided operations with requests,
 * files, persistent requests that fn starts (the handle stays the program's).
 *
 * Ownership  the program must keep arg valid until fn has returned. The request
 *            is the engine's once fn has returned.
 * Completes  with FERRY_OK when the request does, see ferry_future_mpi_status.
 *            With FERRY_EMPI when fn or the request fails. If the future is
 *            cancelled before the start left the lane, fn does not run.
 */
FERRY_API int ferry_start(ferry *engine, ferry_start_fn *fn, void *arg,
                          ferry_future **future_p);

/*
 * The same, and release(NULL, arg) is called once MPI is done with the
 * operation. That may be before or after the future is done. release is called
 * however the future ended, also if fn failed or never ran. It must not block.
 * It is not called
 *   - if this function returns an error;
 *   - if a close gives up because a rank is gone.
 */
FERRY_API int ferry_start_release(ferry *engine, ferry_start_fn *fn, void *arg,
                                  ferry_release_fn *release,
                                  ferry_future **future_p);

/*
 * MPI's status of an operation that is done: source, tag and count of a
 * receive. It is empty (MPI_ANY_SOURCE, MPI_ANY_TAG, no elements) for a
 * ferry_run, a collective, and an operation that failed. Of a failed one
 * MPI_ERROR is MPI's.
 *
 * Threads    any.
 *
 * Errors
 *   FERRY_PENDING  the operation is not done
 *   FERRY_EINVAL   the future is none of this header's
 *   FERRY_EINVAL   there is no status: the operation was cancelled, timed out
 *                  or stopped
 */
FERRY_API int ferry_future_mpi_status(ferry_future *future, MPI_Status *status);

/*
 * Call fn on the progress thread, once, in order with what else the calling
 * thread starts. fn must not wait for another rank: while fn runs the engine
 * receives, sends and acknowledges nothing.
 *
 * Completes  when fn has returned.
 */
FERRY_API int ferry_run(ferry *engine, ferry_run_fn *fn, void *arg,
                        ferry_future **future_p);

/* ---- plain messages ---------------------------------------------------- */

/*
 * MPI_Isend and MPI_Irecv on a communicator of the program's: the peer may know
 * nothing of Ferry. Tags, datatypes, MPI_ANY_SOURCE, MPI_ANY_TAG and
 * MPI_PROC_NULL are MPI's.
 *
 * Completes  as MPI's request does: a send when the buffer may be used again, a
 *            receive when the message is there. A receive that
 *            ferry_future_cancel or a deadline gives up is cancelled in MPI as
 *            well: if it has matched no message by then, it takes none later.
 * Errors     FERRY_EINVAL also for MPI_COMM_NULL, MPI_DATATYPE_NULL and a count
 *            below 0.
 */
FERRY_API int ferry_isend(ferry *engine, const void *buffer, int count,
                          MPI_Datatype type, int dest, int tag, MPI_Comm comm,
                          ferry_future **future_p);
FERRY_API int ferry_irecv(ferry *engine, void *buffer, int count,
                          MPI_Datatype type, int source, int tag, MPI_Comm comm,
                          ferry_future **future_p);

/*
 * MPI_Sendrecv, as one future. Both start at once, so ranks that exchange
 * cannot wait for each other. The buffers must not overlap.
 *
 * Completes  when both are done, with the status of the receive. If the future
 *            is cancelled or times out, the receive is cancelled in MPI as that
 *            of ferry_irecv; the send goes on.
 * Errors     FERRY_EINVAL as for ferry_isend.
 */
FERRY_API int ferry_sendrecv(ferry *engine, const void *sendbuf, int sendcount,
                             MPI_Datatype sendtype, int dest, int sendtag,
                             void *recvbuf, int recvcount,
                             MPI_Datatype recvtype, int source, int recvtag,
                             MPI_Comm comm, ferry_future **future_p);

/*
 * A matched probe: wait for a message whose size and sender need not be known,
 * and get a handle of it. From then on only the holder of the handle can
 * receive it, by ferry_imrecv or MPI_Mrecv, on any thread. So any number of
 * threads may probe for the same.
 *
 * Order      probes of one thread for the same communicator, source and tag are
 *            served in that order. Until a probe is served it holds nothing: a
 *            receive that is started after it may take the message.
 * Ownership  *message is borrowed until the future is done, however it ends. It
 *            is written only with FERRY_OK. future_p may not be NULL.
 * Completes  when a message was matched. ferry_future_mpi_status has its
 *            source, tag and size; for MPI_PROC_NULL the handle is
 *            MPI_MESSAGE_NO_PROC. A probe that ferry_future_cancel or a
 *            deadline gives up has matched none: the message is there for the
 *            next receive or probe. ferry_close ends a probe in the same way,
 *            with FERRY_ESTOPPED.
 * Errors     FERRY_EINVAL for NULL and MPI_COMM_NULL.
 */
FERRY_API int ferry_improbe(ferry *engine, int source, int tag, MPI_Comm comm,
                            MPI_Message *message, ferry_future **future_p);
/*
 * MPI_Imrecv: receive what ferry_improbe (or MPI_Improbe) matched.
 *
 * Ownership  if this returns FERRY_OK it has read *message and set it to
 *            MPI_MESSAGE_NULL. Otherwise the handle is the caller's as before.
 * Completes  when the message is in the buffer. With FERRY_EMPI for arguments
 *            that MPI does not take: then only a copy of the handle, made
 *            before, can receive the message. ferry_future_cancel ends the
 *            future only. The message is received all the same, as nobody else
 *            could receive it.
 * Errors     FERRY_EINVAL also for MPI_MESSAGE_NULL.
 */
FERRY_API int ferry_imrecv(ferry *engine, void *buffer, int count,
                           MPI_Datatype type, MPI_Message *message,
                           ferry_future **future_p);

/* ---- collectives ------------------------------------------------------- */

/*
 * Over all ranks of the engine, on a communicator that only these functions
 * use. So they never match a collective that ferry_start starts.
 *
 * Order      all ranks start all collectives of an engine in the same order, of
 *            whatever kind they are. If several threads start them the program
 *            orders the threads. If ranks differ they may hang, as in MPI.
 *            Builds with a sanitizer, or configured with --enable-debug (on all
 *            ranks), compare first: then all ranks get FERRY_EMPI and a text.
 * Completes  when this rank's part is done. ferry_future_cancel ends the future
 *            only: the rank takes part all the same.
 * Errors     FERRY_EINVAL also for a root that is no rank, and for arguments
 *            that MPI would not take (NULL handles, a count below 0).
 */
FERRY_API int ferry_barrier(ferry *engine, ferry_future **future_p);
FERRY_API int ferry_bcast(ferry *engine, void *buffer, int count,
                          MPI_Datatype type, int root, ferry_future **future_p);
/* from may be MPI_IN_PLACE at the root; to is used at the root only. */
FERRY_API int ferry_reduce(ferry *engine, const void *from, void *to, int count,
                           MPI_Datatype type, MPI_Op op, int root,
                           ferry_future **future_p);
/* from may be MPI_IN_PLACE. */
FERRY_API int ferry_allreduce(ferry *engine, const void *from, void *to,
                              int count, MPI_Datatype type, MPI_Op op,
                              ferry_future **future_p);
/*
 * Send each rank's bytes, of any length up to 1 GiB, to the root. At the
 * root ferry_future_take yields a message with an empty body and one
 * attachment a rank, which ferry_message_take may take. On other ranks there
 * is nothing to take.
 *
 * Ownership  data is borrowed until the future is done.
 * Completes  at the root when all has come; on other ranks when data was
 *            sent. A rank that gives more than 4 KiB sends it when the root
 *            asks for it.
 * Errors     FERRY_ETOOBIG for more than 1 GiB.
 *
 * If the root has no memory for what comes, the future at the root ends with
 * FERRY_ENOMEM, and so do those of the ranks that give more than 4 KiB. On the
 * other ranks FERRY_OK says only that the data was sent. The root keeps
 * nothing, and the next collectives work as ever.
 */
FERRY_API int ferry_gather(ferry *engine, const void *data, size_t nbytes,
                           int root, ferry_future **future_p);

#ifdef __cplusplus
}
#endif

#endif /* FERRY_MPI_H */
