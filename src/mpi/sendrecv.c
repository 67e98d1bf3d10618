/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry_sendrecv: two requests of requests.c, and one future with the status of the receive.
 * Everything here is the helm's. The receive is cancelled in MPI like any other: when the future is
 * given up, and at a close if no message came for it. The future is completed, and its reference
 * dropped, when both requests are over. The send is started first: if MPI does not start it, no
 * receive was there that could have taken a message.
 */
#include "mpi/sendrecv.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "mpi/neighbours.h"
#include "mpi/requests.h"
#include "mpi/shield.h"
#include "mpi/start.h"
#include "mpi/starts.h"

static void finish(struct fy_mpi_starts *s, struct fy_sendrecv *both)
{
	const MPI_Status *status = both->has_status ? &both->status : NULL;
	if (both->never)
		fy_start_fail(
			s, both->future, FY_START_SENDRECV, FERRY_ESTOPPED,
			"the engine was closed while a rank was gone: the memory stays MPI's");
	else if (both->cancelled && both->code == MPI_SUCCESS)
		fy_start_fail(s, both->future, FY_START_SENDRECV, FERRY_ESTOPPED,
		              "the engine was closed and no message had come");
	else
		fy_start_complete(s, both->future, FY_START_SENDRECV, status, both->code);
	free(both);
}

static void note_received(struct fy_sendrecv *both, const struct fy_completion *w,
                          const MPI_Status *mpi, int code)
{
	both->status = *mpi;
	both->has_status = true;
	if (w->cancelled && code == MPI_SUCCESS)
		MPI_Test_cancelled(mpi, &both->cancelled);
}

static void half_done(struct fy_mpi_starts *s, const struct fy_completion *w, const MPI_Status *mpi,
                      int code)
{
	struct fy_sendrecv *both = w->arg;
	both->never = both->never || !mpi;
	if (mpi && w->what == FY_START_RECV)
		note_received(both, w, mpi, code);
	if (code != MPI_SUCCESS && w->what == FY_START_RECV)
		fy_mpi_shield_raise(both->comm, code);
	if (both->code == MPI_SUCCESS)
		both->code = code;
	if (--both->open == 0)
		finish(s, both);
}

static void await(struct fy_requests *requests, struct fy_sendrecv *both, MPI_Request request,
                  uint32_t what)
{
	if (request == MPI_REQUEST_NULL)
		return;
	struct fy_completion *w = fy_requests_add(requests, request, half_done, what);
	w->arg = both;
	if (what == FY_START_RECV)
		/* only to see whether to cancel it; the reference is in `both` */
		w->future = both->future;
	both->open++;
}

bool fy_sendrecv_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	struct fy_requests *requests = &s->requests;
	struct fy_sendrecv *both = a->message.more;
	MPI_Request receive = MPI_REQUEST_NULL, send = MPI_REQUEST_NULL;
	MPI_Comm comm = a->message.comm;
	if (!fy_requests_reserve(requests, 2))
		return false;
	if (!fy_start_depart(s, future, a->what)) {
		free(both);
		return true;
	}
	both->future = future;
	both->comm = comm;
	both->code = MPI_Isend(both->buffer, both->count, both->type, both->dest, both->tag, comm,
	                       &send);
	if (both->code == MPI_SUCCESS)
		fy_neighbours_ring(&s->neighbours, comm, both->dest);
	if (both->code == MPI_SUCCESS)
		both->code = MPI_Irecv(a->message.buffer, a->count, a->message.type, a->peer,
		                       a->tag, comm, &receive);
	if (both->code == MPI_SUCCESS && a->peer == MPI_PROC_NULL) {
		both->code = fy_start_from_nobody(&receive, &both->status);
		both->has_status = true;
	}
	await(requests, both, receive, FY_START_RECV);
	await(requests, both, send, FY_START_SEND);
	if (both->open == 0)
		finish(s, both);
	return true;
}
