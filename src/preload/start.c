/* SPDX-License-Identifier: Apache-2.0 */
/* Starting operations of MPI: the holder of the helm, or a thread that goes straight. */
#include "preload/start.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/order.h"
#include "preload/next.h"

#ifdef FY_HAS_Isend_c
static int start_large(struct fy_preload_start *a, MPI_Request *request)
{
	switch ((enum fy_preload_kind)a->kind) {
	case FY_PRELOAD_SEND:
		return fy_next.Isend_c(a->buffer, a->count, a->type, a->peer, a->tag, a->comm,
		                       request);
	case FY_PRELOAD_BSEND:
		return fy_next.Ibsend_c(a->buffer, a->count, a->type, a->peer, a->tag, a->comm,
		                        request);
	case FY_PRELOAD_SSEND:
		return fy_next.Issend_c(a->buffer, a->count, a->type, a->peer, a->tag, a->comm,
		                        request);
	case FY_PRELOAD_RSEND:
		return fy_next.Irsend_c(a->buffer, a->count, a->type, a->peer, a->tag, a->comm,
		                        request);
	case FY_PRELOAD_RECV:
		return fy_next.Irecv_c(a->buffer, a->count, a->type, a->peer, a->tag, a->comm,
		                       request);
	case FY_PRELOAD_MRECV:
		break;
	}
	return fy_next.Imrecv_c(a->buffer, a->count, a->type, &a->message, request);
}
#endif

int fy_preload_start(struct fy_preload_start *a, MPI_Request *request)
{
	int count = (int)a->count;
#ifdef FY_HAS_Isend_c
	if (a->large)
		return start_large(a, request);
#endif
	switch ((enum fy_preload_kind)a->kind) {
	case FY_PRELOAD_SEND:
		return fy_next.Isend(a->buffer, count, a->type, a->peer, a->tag, a->comm, request);
	case FY_PRELOAD_BSEND:
		return fy_next.Ibsend(a->buffer, count, a->type, a->peer, a->tag, a->comm, request);
	case FY_PRELOAD_SSEND:
		return fy_next.Issend(a->buffer, count, a->type, a->peer, a->tag, a->comm, request);
	case FY_PRELOAD_RSEND:
		return fy_next.Irsend(a->buffer, count, a->type, a->peer, a->tag, a->comm, request);
	case FY_PRELOAD_RECV:
		return fy_next.Irecv(a->buffer, count, a->type, a->peer, a->tag, a->comm, request);
	case FY_PRELOAD_MRECV:
		break;
	}
	return fy_next.Imrecv(a->buffer, count, a->type, &a->message, request);
}

static bool is_peer(const struct fy_preload_start *a)
{
	int between = 0, size = 0;
	if (a->peer == MPI_PROC_NULL || (a->kind == FY_PRELOAD_RECV && a->peer == MPI_ANY_SOURCE))
		return true;
	if (a->peer < 0 || fy_next.Comm_test_inter(a->comm, &between) != MPI_SUCCESS)
		return false;
	int code = between ? fy_next.Comm_remote_size(a->comm, &size)
	                   : fy_next.Comm_size(a->comm, &size);
	return code == MPI_SUCCESS && a->peer < size;
}

static bool is_tag(const struct fy_preload_start *a)
{
	static uint32_t largest; /* the same for all threads: MPI_TAG_UB; 0: not asked yet */
	uint32_t most = fy_load_relaxed_32(&largest);
	if (!most) {
		int found = 0, *value = NULL;
		fy_next.Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &found);
		most = found ? (uint32_t)*value : 32767;
		fy_store_relaxed_32(&largest, most);
	}
	if (a->kind == FY_PRELOAD_RECV && a->tag == MPI_ANY_TAG)
		return true;
	return a->tag >= 0 && (uint32_t)a->tag <= most;
}

bool fy_preload_start_looks_right(const struct fy_preload_start *a)
{
	if (a->count < 0 || a->type == MPI_DATATYPE_NULL)
		return false;
	if (a->kind == FY_PRELOAD_MRECV)
		return a->message != MPI_MESSAGE_NULL;
	return a->comm != MPI_COMM_NULL && is_tag(a) && is_peer(a);
}
