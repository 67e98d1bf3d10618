/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other functions of MPI that take a request, and probes, as the program calls them. Any
 * thread. Each is one call of MPI by the holder of the helm, with the request behind the handle.
 */
#include <stdbool.h>
#include <stddef.h>

#include "preload/caller.h"
#include "preload/errors.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/probe.h"
#include "preload/slot.h"

/* ---- one call ------------------------------------------------------------------------------ */

struct call {
	MPI_Request *request;
	int n; /* MPI_Startall */
	int *flag;
	MPI_Status *status;
	int code;
	bool silent; /* nobody was told of `code` yet */
};

/* MPI's request behind a handle. NULL: the operation is over, and MPI has none. */
static MPI_Request *behind(MPI_Request *request)
{
	if (!fy_preload_slot_is_ours(*request))
		return request;
	struct fy_preload_slot *slot = fy_preload_slot_of(*request);
	return slot->state == FY_SLOT_STARTED ? &slot->native : NULL;
}

static bool start(void *arg)
{
	struct call *c = arg;
	c->code = fy_next.Start(c->request);
	return true;
}

static bool start_all(void *arg)
{
	struct call *c = arg;
	c->code = fy_next.Startall(c->n, c->request);
	return true;
}

static bool cancel(void *arg)
{
	struct call *c = arg;
	MPI_Request *request = behind(c->request);
	c->code = request ? fy_next.Cancel(request) : MPI_SUCCESS;
	return true;
}

static bool let_go(void *arg)
{
	struct call *c = arg;
	MPI_Request *request = behind(c->request);
	c->code = request ? fy_next.Request_free(request) : MPI_SUCCESS;
	return true;
}

static bool get_status(void *arg)
{
	struct call *c = arg;
	MPI_Request *request = behind(c->request);
	if (request) {
		c->code = FY_ERRORS_KEEP(&c->silent,
		                         fy_next.Request_get_status(*request, c->flag, c->status));
		return true;
	}
	*c->flag = 1;
	if (c->status != MPI_STATUS_IGNORE)
		*c->status = fy_preload_slot_of(*c->request)->status;
	return true;
}

/* MPI is called by the thread that called, so that the error is raised there. */
static bool is_wrong(int n, const MPI_Request *requests)
{
	bool wrong = n < 0;
	for (int i = 0; i < n && !wrong; i++)
		wrong = requests[i] == MPI_REQUEST_NULL;
	return wrong;
}

int MPI_Start(MPI_Request *request)
{
	if (fy_caller_is_alone() || is_wrong(1, request))
		return fy_next.Start(request);
	struct call c = { .request = request };
	fy_preload_helm_run(start, &c);
	return c.code;
}

int MPI_Startall(int count, MPI_Request *array_of_requests)
{
	if (fy_caller_is_alone() || is_wrong(count, array_of_requests))
		return fy_next.Startall(count, array_of_requests);
	struct call c = { .request = array_of_requests, .n = count };
	fy_preload_helm_run(start_all, &c);
	return c.code;
}

int MPI_Cancel(MPI_Request *request)
{
	if (fy_caller_is_alone() || is_wrong(1, request))
		return fy_next.Cancel(request);
	struct call c = { .request = request };
	fy_preload_helm_run(cancel, &c);
	return c.code;
}

int MPI_Request_free(MPI_Request *request)
{
	if (fy_caller_is_alone() || is_wrong(1, request))
		return fy_next.Request_free(request);
	struct call c = { .request = request };
	fy_preload_helm_run(let_go, &c);
	if (c.code == MPI_SUCCESS && fy_preload_slot_is_ours(*request)) {
		fy_preload_slot_give(fy_preload_slot_of(*request));
		*request = MPI_REQUEST_NULL;
	}
	return c.code;
}

int MPI_Request_get_status(MPI_Request request, int *flag, MPI_Status *status)
{
	if (fy_caller_is_alone())
		return fy_next.Request_get_status(request, flag, status);
	struct call c = { .request = &request, .flag = flag, .status = status };
	fy_preload_helm_run(get_status, &c);
	return fy_preload_errors_raise(MPI_COMM_WORLD, c.code, c.silent);
}

/* ---- probes -------------------------------------------------------------------------------- */

int MPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
	if (fy_caller_is_alone())
		return fy_next.Iprobe(source, tag, comm, flag, status);
	struct fy_preload_probe p = {
		.peer = source, .tag = tag, .comm = comm, .status = status, .once = true
	};
	int code = fy_preload_probe(&p);
	*flag = p.flag;
	return code;
}

int MPI_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF)
		return fy_next.Probe(source, tag, comm, status);
	struct fy_preload_probe p = { .peer = source, .tag = tag, .comm = comm, .status = status };
	return fy_preload_probe(&p);
}

int MPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message,
                MPI_Status *status)
{
	if (fy_caller_is_alone())
		return fy_next.Improbe(source, tag, comm, flag, message, status);
	struct fy_preload_probe p = { .peer = source,
		                      .tag = tag,
		                      .comm = comm,
		                      .message = message,
		                      .status = status,
		                      .once = true };
	int code = fy_preload_probe(&p);
	*flag = p.flag;
	return code;
}

int MPI_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
	if (fy_caller_way() == FY_WAY_OFF)
		return fy_next.Mprobe(source, tag, comm, message, status);
	struct fy_preload_probe p = {
		.peer = source, .tag = tag, .comm = comm, .message = message, .status = status
	};
	return fy_preload_probe(&p);
}

/* ---- handles as Fortran has them ----------------------------------------------------------- */

/* With Open MPI these are indices into a table of its own, which are not negative. With MPICH they
 * are the same values. */
#ifdef FY_HAS_Request_c2f
MPI_Fint MPI_Request_c2f(MPI_Request request)
{
	if (!fy_preload_slot_is_ours(request))
		return fy_next.Request_c2f(request);
	return -1 - (MPI_Fint)(fy_preload_slot_of(request) - fy_preload_slot_region.all);
}

MPI_Request MPI_Request_f2c(MPI_Fint request)
{
	if (request >= 0)
		return fy_next.Request_f2c(request);
	return fy_preload_slot_handle(&fy_preload_slot_region.all[-1 - request]);
}
#endif
