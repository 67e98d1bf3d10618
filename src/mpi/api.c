/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of ferry_mpi.h: they check arguments, and put them into the thread's lane. Any
 * thread. */
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_mpi.h"
#include "app/post.h"
#include "base/fail.h"
#include "future/future.h"
#include "mpi/open.h"
#include "mpi/sendrecv.h"
#include "mpi/start.h"
#include "shared/engine.h"

#define GATHER_MAX ((size_t)1 << 30)

int ferry_open_comm(MPI_Comm comm, const ferry_options *options, ferry **engine_p)
{
	return fy_mpi_open(&comm, options, engine_p);
}

/* The arguments are `right`, or the sentence says what the call needs. */
static int check(const ferry *engine, bool right, const char *sentence)
{
	if (right && engine)
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL, "%s",
	               engine ? sentence
	                      : "the engine is NULL: ferry_open or ferry_open_comm makes one");
}

static int post(ferry *engine, const struct fy_start *start, ferry_future **future_p)
{
	bool sure = start->what >= FY_START_MATCHED;
	uint32_t flags = start->what == FY_START_PROBE ? FY_FUTURE_IS_PROBE
	                 : sure                        ? FY_FUTURE_IS_SURE
	                                               : 0;
	return fy_post_start(engine, start, sizeof *start, flags, future_p);
}

/* ---- any operation ---------------------------------------------------------- */

int ferry_start_release(ferry *engine, ferry_start_fn *fn, void *arg, ferry_release_fn *release,
                        ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_FN,
		              .fn = { .start = fn, .arg = arg, .release = release } };
	int bad = check(engine, fn, "ferry_start needs a function that starts an operation of MPI");
	return bad ? bad : post(engine, &a, future_p);
}

int ferry_start(ferry *engine, ferry_start_fn *fn, void *arg, ferry_future **future_p)
{
	return ferry_start_release(engine, fn, arg, NULL, future_p);
}

int ferry_run(ferry *engine, ferry_run_fn *fn, void *arg, ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_RUN, .fn = { .run = fn, .arg = arg } };
	int bad = check(engine, fn, "ferry_run needs a function to run");
	return bad ? bad : post(engine, &a, future_p);
}

int ferry_future_mpi_status(ferry_future *future, MPI_Status *status)
{
	if (!future || !status)
		return fy_fail(FERRY_EINVAL,
		               "ferry_future_mpi_status needs a future and a place for the status");
	if (!(future->flags & FY_FUTURE_IS_STARTED))
		return fy_fail(FERRY_EINVAL,
		               "this future is of no operation of MPI: ask one of ferry_mpi.h");
	if (!fy_future_is_done(future))
		return FERRY_PENDING;
	if (future->status != FERRY_OK && future->status != FERRY_EMPI)
		return fy_fail(FERRY_EINVAL, "there is no status of MPI: %s",
		               ferry_strerror(future->status));
	memcpy(status, future->mpi_status, sizeof *status);
	return FERRY_OK;
}

/* ---- plain messages ------------------------------------------------------------ */

static int post_message(ferry *engine, uint32_t what, const void *buffer, int count,
                        MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                        ferry_future **future_p)
{
	int bad = check(engine, true, NULL);
	if (bad)
		return bad;
	if (comm == MPI_COMM_NULL || type == MPI_DATATYPE_NULL || count < 0)
		return fy_fail(FERRY_EINVAL, "%s needs a communicator, a datatype and a count >= 0",
		               fy_start_name(what));
	ferry_future *future = NULL;
	struct fy_start *place =
		future_p ? fy_post_start_begin(engine, sizeof *place, &future) : NULL;
	struct fy_start own, *a = place ? place : &own;
	a->what = what;
	a->count = count;
	a->peer = peer;
	a->tag = tag;
	a->message.buffer = (void *)(uintptr_t)buffer;
	a->message.type = type;
	a->message.comm = comm;
	return place ? fy_post_start_end(engine, sizeof *place, future, future_p)
	             : post(engine, &own, future_p);
}

int ferry_isend(ferry *engine, const void *buffer, int count, MPI_Datatype type, int dest, int tag,
                MPI_Comm comm, ferry_future **future_p)
{
	return post_message(engine, FY_START_SEND, buffer, count, type, dest, tag, comm, future_p);
}

int ferry_irecv(ferry *engine, void *buffer, int count, MPI_Datatype type, int source, int tag,
                MPI_Comm comm, ferry_future **future_p)
{
	return post_message(engine, FY_START_RECV, buffer, count, type, source, tag, comm,
	                    future_p);
}

int ferry_sendrecv(ferry *engine, const void *sendbuf, int sendcount, MPI_Datatype sendtype,
                   int dest, int sendtag, void *recvbuf, int recvcount, MPI_Datatype recvtype,
                   int source, int recvtag, MPI_Comm comm, ferry_future **future_p)
{
	int bad = check(engine,
	                comm != MPI_COMM_NULL && sendtype != MPI_DATATYPE_NULL &&
	                        recvtype != MPI_DATATYPE_NULL && sendcount >= 0 && recvcount >= 0,
	                "ferry_sendrecv needs a communicator, two datatypes and two counts >= 0");
	if (bad)
		return bad;
	struct fy_sendrecv *both = calloc(1, sizeof *both);
	if (!both)
		return fy_fail(FERRY_ENOMEM, "no memory for ferry_sendrecv");
	both->buffer = sendbuf;
	both->count = sendcount;
	both->type = sendtype;
	both->dest = dest;
	both->tag = sendtag;
	struct fy_start a = {
		.what = FY_START_SENDRECV,
		.count = recvcount,
		.peer = source,
		.tag = recvtag,
		.message = { .buffer = recvbuf, .type = recvtype, .comm = comm, .more = both }
	};
	bad = post(engine, &a, future_p);
	if (bad)
		free(both);
	return bad;
}

/* ---- matched probes --------------------------------------------------------------- */

int ferry_improbe(ferry *engine, int source, int tag, MPI_Comm comm, MPI_Message *message,
                  ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_PROBE,
		              .peer = source,
		              .tag = tag,
		              .probe = { .place = message, .comm = comm } };
	int bad = check(engine, comm != MPI_COMM_NULL && message && future_p,
	                "ferry_improbe needs a communicator, a place for the message and one for "
	                "the future");
	return bad ? bad : post(engine, &a, future_p);
}

int ferry_imrecv(ferry *engine, void *buffer, int count, MPI_Datatype type, MPI_Message *message,
                 ferry_future **future_p)
{
	int bad = check(engine, message && *message != MPI_MESSAGE_NULL,
	                "ferry_imrecv needs a message that ferry_improbe or MPI_Improbe matched");
	if (bad)
		return bad;
	if (type == MPI_DATATYPE_NULL || count < 0)
		return fy_fail(FERRY_EINVAL, "ferry_imrecv needs a datatype and a count >= 0");
	struct fy_start a = { .what = FY_START_MATCHED,
		              .count = count,
		              .matched = { .buffer = buffer, .type = type, .message = *message } };
	bad = post(engine, &a, future_p);
	if (!bad)
		*message = MPI_MESSAGE_NULL;
	return bad;
}

/* ---- collectives ------------------------------------------------------------------ */

static int check_root(const ferry *engine, int root)
{
	int bad = check(engine, true, NULL);
	return bad ? bad : fy_engine_check_rank(engine, "root", root, "");
}

static int post_collective(ferry *engine, const struct fy_start *a, ferry_future **future_p)
{
	int bad = check_root(engine, a->peer);
	if (bad)
		return bad;
	if (a->collective.type == MPI_DATATYPE_NULL || a->count < 0)
		return fy_fail(FERRY_EINVAL, "%s needs a datatype and a count >= 0",
		               fy_start_name(a->what));
	if (a->what != FY_START_BCAST && a->collective.op == MPI_OP_NULL)
		return fy_fail(FERRY_EINVAL, "%s needs an operation such as MPI_SUM",
		               fy_start_name(a->what));
	return post(engine, a, future_p);
}

int ferry_barrier(ferry *engine, ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_BARRIER };
	int bad = check(engine, true, NULL);
	return bad ? bad : post(engine, &a, future_p);
}

int ferry_bcast(ferry *engine, void *buffer, int count, MPI_Datatype type, int root,
                ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_BCAST,
		              .count = count,
		              .peer = root,
		              .collective = { .to = buffer, .type = type } };
	return post_collective(engine, &a, future_p);
}

int ferry_reduce(ferry *engine, const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                 int root, ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_REDUCE,
		              .count = count,
		              .peer = root,
		              .collective = { .from = from, .to = to, .type = type, .op = op } };
	return post_collective(engine, &a, future_p);
}

int ferry_allreduce(ferry *engine, const void *from, void *to, int count, MPI_Datatype type,
                    MPI_Op op, ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_ALLREDUCE,
		              .count = count,
		              .collective = { .from = from, .to = to, .type = type, .op = op } };
	return post_collective(engine, &a, future_p);
}

int ferry_gather(ferry *engine, const void *data, size_t nbytes, int root, ferry_future **future_p)
{
	struct fy_start a = { .what = FY_START_GATHER,
		              .peer = root,
		              .collective = { .from = data, .nbytes = nbytes } };
	int bad = check_root(engine, root);
	if (bad)
		return bad;
	if (!data && nbytes)
		return fy_fail(FERRY_EINVAL, "ferry_gather: data is NULL and nbytes is %zu",
		               nbytes);
	if (nbytes > GATHER_MAX)
		return fy_fail(FERRY_ETOOBIG,
		               "ferry_gather takes at most %zu bytes of each rank, not %zu",
		               GATHER_MAX, nbytes);
	return post(engine, &a, future_p);
}
