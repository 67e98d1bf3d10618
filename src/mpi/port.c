/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI as a port. Opened and closed by one thread; the rest is the helm's.
 *
 * A port has three duplicates of the communicator that it was opened on: one for the engine, one
 * for what the program starts through ferry_mpi.h, one for the collectives of that header. So no
 * message of one matches a receive of another. The duplicates return errors instead of ending the
 * job, and have no hints of the original.
 *
 * fy_request.handle has the bytes of an MPI_Request (an int in MPICH, a pointer in Open MPI). MPI
 * needs it at one address only during a call, so it is copied out and back.
 *
 * Open MPI 4.1.4 does not always report that a message was cut off, and its get protocol writes
 * past the end of a receive that is too short. So FERRY_ETRUNC is no protection there: a receive
 * must be as long as the longest message that can come.
 *
 * No send is cancelled: MPI does not do that. If MPI_Test returns an error, the operation has ended
 * if and only if its request is gone afterwards; nothing else in the result counts.
 *
 * Only open, agree, settle and close block, and these sleep while they wait.
 */
#include "mpi/port.h"

#include <limits.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/order.h"
#include "base/peek.h"
#include "base/timeout.h"
#include "mpi/await.h"
#include "mpi/bells.h"
#include "mpi/error.h"
#include "mpi/life.h"
#include "mpi/says.h"
#include "mpi/shield.h"
#include "mpi/verdict.h"
#include "port/port.h"
#include "wire/header.h"

#define CHUNK_MAX ((size_t)1 << 30)
#define TAG_MAX (1 << 28)
#define LOOK_ANYWAY 256 /* in so many looks a receive that seems to be empty is tested once */
#define OF_A_SEND (-2)  /* fy_request.source of a send until it is done */

/* For a rank that has no memory for a port, so that it can tell the others. */
static struct fy_mpi_port spare;
static bool spare_used; /* opens come one at a time */

static MPI_Request get_handle(const fy_request *request)
{
	MPI_Request handle;
	memcpy(&handle, &request->handle, sizeof handle);
	return handle;
}

/*
 * Has MPI written into a receive's memory? Before the receive is started its first bytes get a
 * mark. Only MPI_Test says that the receive is done, but with MPICH a test needs the shield
 * (shield.c), and mostly nothing has come. So a receive that still has its mark is mostly not
 * tested. A message that begins with the mark, or is empty, is found a little later (LOOK_ANYWAY).
 */
#ifdef MPICH
enum { MARKS = 1 };
#else
enum { MARKS = 0 }; /* others are asked each time */
#endif
static const uint64_t mark = UINT64_C(0x9D0B5E2F13C7A846);

static void set_mark(fy_request *request, void *data, size_t nbytes)
{
	request->nbytes = MARKS && nbytes >= sizeof mark ? (size_t)(uintptr_t)data : 0;
	if (request->nbytes)
		memcpy(data, &mark, sizeof mark);
}

static bool has_mark(const fy_request *request)
{
	return request->nbytes && fy_peek_64((const void *)(uintptr_t)request->nbytes) == mark;
}

static bool may_be_done(const fy_request *request)
{
	return !has_mark(request);
}

/* Is it a batch of an engine? Such a message is never too long for its receive, so no shield is
 * needed. */
static bool is_batch(const fy_request *request)
{
	return request->nbytes &&
	       (uint32_t)fy_peek_64((const void *)(uintptr_t)request->nbytes) == FY_WIRE_MAGIC;
}

static void set_handle(fy_request *request, MPI_Request handle)
{
	request->handle = NULL;
	memcpy(&request->handle, &handle, sizeof handle);
}

/* Checked here, because MPI may be built without checks. */
static bool sensible(const fy_port *port, int rank, int tag, size_t nbytes)
{
	if (rank >= 0 && rank < port->size && tag >= 0 && tag <= port->tag_max &&
	    nbytes <= port->chunk_max)
		return true;
	fy_mpi_error_set_text(
		"no message goes to or from rank %d with tag %d and %zu bytes: there are "
		"%d ranks, tags up to %d, %zu bytes at most",
		rank, tag, nbytes, port->size, port->tag_max, port->chunk_max);
	return false;
}

static int mpi_send(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                    fy_request *request)
{
	MPI_Request handle;
	if (!sensible(port, rank, tag, nbytes))
		return FERRY_EMPI;
	int code = MPI_Isend(data, (int)nbytes, MPI_BYTE, rank, tag, fy_mpi_port_of(port)->comm,
	                     &handle);
	if (code != MPI_SUCCESS)
		return fy_mpi_error_fail("MPI_Isend", code);
	*request = (fy_request){ .source = OF_A_SEND };
	set_handle(request, handle);
	return 0;
}

static int mpi_recv(fy_port *port, int rank, int tag, void *data, size_t nbytes,
                    fy_request *request)
{
	MPI_Request handle;
	int source = rank == FY_PORT_ANY ? MPI_ANY_SOURCE : rank;
	if (!sensible(port, rank == FY_PORT_ANY ? 0 : rank, tag, nbytes))
		return FERRY_EMPI;
	*request = (fy_request){ .source = FY_PORT_ANY };
	set_mark(request, data, nbytes);
	int code = MPI_Irecv(data, (int)nbytes, MPI_BYTE, source, tag, fy_mpi_port_of(port)->comm,
	                     &handle);
	if (code != MPI_SUCCESS)
		return fy_mpi_error_fail("MPI_Irecv", code);
	set_handle(request, handle);
	return 0;
}

/* Nothing is read from the MPI_Status of a failed operation: its source and count are not set. */
static void ended_badly(fy_request *request, const char *call, int code)
{
	int class = MPI_ERR_OTHER;
	MPI_Error_class(code, &class);
	fy_mpi_error_text(call, code);
	request->status = class == MPI_ERR_TRUNCATE ? FERRY_ETRUNC : FERRY_EMPI;
}

static bool is_believable(const fy_port *port, const MPI_Status *status, int count)
{
	if (count >= 0 && status->MPI_SOURCE >= 0 && status->MPI_SOURCE < port->size)
		return true;
	fy_mpi_error_set_text(
		"MPI_Test: a receive ended with %d bytes from rank %d, which cannot be", count,
		status->MPI_SOURCE);
	return false;
}

static void receive_done(const fy_port *port, fy_request *request, const MPI_Status *status)
{
	int canceled = 0, count = MPI_UNDEFINED;
	int code = MPI_Test_cancelled(status, &canceled);
	if (code != MPI_SUCCESS) {
		ended_badly(request, "MPI_Test_cancelled", code);
		return;
	}
	if (canceled) {
		request->status = FERRY_ECANCELED;
		return;
	}
	code = MPI_Get_count(status, MPI_BYTE, &count);
	if (code != MPI_SUCCESS) {
		ended_badly(request, "MPI_Get_count", code);
	} else if (!is_believable(port, status, count)) {
		request->status = FERRY_EMPI;
	} else {
		request->source = status->MPI_SOURCE;
		request->nbytes = (size_t)count;
	}
}

static int test_receive(MPI_Request *handle, int *done, MPI_Status *status)
{
	fy_mpi_shield_up();
	int code = MPI_Test(handle, done, status);
	fy_mpi_shield_down();
	return code;
}

static void mpi_progress(fy_port *port);

static bool mpi_test(fy_port *port, fy_request *request)
{
	bool send = request->source == OF_A_SEND;
	MPI_Request handle = get_handle(request);
	MPI_Status status;
	int done = 0;
	if (!send && has_mark(request) && ++fy_mpi_port_of(port)->looks % LOOK_ANYWAY != 0) {
		mpi_progress(port);
		if (has_mark(request))
			return false;
	}
	int code = send || is_batch(request) ? MPI_Test(&handle, &done, &status)
	                                     : test_receive(&handle, &done, &status);
	if (code != MPI_SUCCESS)
		done = handle == MPI_REQUEST_NULL;
	if (!done) {
		set_handle(request, handle);
		return false;
	}
	request->handle = NULL;
	request->nbytes = 0;
	if (code != MPI_SUCCESS)
		ended_badly(request, "MPI_Test", code);
	else if (!send)
		receive_done(port, request, &status);
	return true;
}

static void mpi_cancel(fy_port *port, fy_request *request)
{
	MPI_Request handle = get_handle(request);
	(void)port;
	request->nbytes = 0; /* it may end with its mark untouched: always test it from now on */
	int code = MPI_Cancel(&handle);
	if (code != MPI_SUCCESS)
		fy_mpi_error_text("MPI_Cancel", code);
	set_handle(request, handle);
}

/* Probe for a message from ourselves that almost never exists: a probe that succeeds immediately
 * would not make MPI progress. */
static void mpi_progress(fy_port *port)
{
	int found;
	MPI_Iprobe(port->rank, port->tag_max, fy_mpi_port_of(port)->comm, &found,
	           MPI_STATUS_IGNORE);
}

static int64_t mpi_now(fy_port *port)
{
	(void)port;
	return fy_clock_now();
}

static uint32_t *mpi_doorbell(fy_port *port, int rank)
{
	return fy_bells_word(&fy_mpi_port_of(port)->bells, rank);
}

static uint32_t mpi_beats(fy_port *port, int rank)
{
	const uint32_t *word = fy_bells_beats(&fy_mpi_port_of(port)->bells, rank);
	return word != NULL ? fy_load_relaxed_32(word) : 0;
}

static bool mpi_is_dead(fy_port *port, int rank)
{
	return rank != port->rank && fy_bells_is_dead(&fy_mpi_port_of(port)->bells, rank);
}

static const char *mpi_error(fy_port *port)
{
	(void)port;
	return fy_mpi_error_last_text();
}

static int free_comm(MPI_Comm *comm)
{
	return *comm == MPI_COMM_NULL ? MPI_SUCCESS : MPI_Comm_free(comm);
}

static void free_port(struct fy_mpi_port *mpi)
{
	if (mpi == &spare)
		spare_used = false;
	else
		free(mpi);
}

static int mpi_close(fy_port *port, bool clean)
{
	struct fy_mpi_port *mpi = fy_mpi_port_of(port);
	int failed = MPI_SUCCESS;
	if (clean) {
		fy_mpi_verdict_first_of(&failed, free_comm(&mpi->collectives));
		fy_mpi_verdict_first_of(&failed, free_comm(&mpi->program));
		fy_mpi_verdict_first_of(&failed, free_comm(&mpi->comm));
	}
	fy_bells_close(&mpi->bells);
	fy_mpi_life_release(clean || port->parted);
	free_port(mpi);
	return failed == MPI_SUCCESS ? 0 : fy_mpi_error_fail("MPI_Comm_free", failed);
}

static const struct fy_port_ops mpi_ops = {
	.name = "mpi",
	.send = mpi_send,
	.recv = mpi_recv,
	.test = mpi_test,
	.may_be_done = may_be_done,
	.cancel = mpi_cancel,
	.progress = mpi_progress,
	.now = mpi_now,
	.doorbell = mpi_doorbell,
	.beats = mpi_beats,
	.is_dead = mpi_is_dead,
	.agree = fy_mpi_verdict_agree,
	.offer = fy_mpi_verdict_offer,
	.settle = fy_mpi_verdict_settle,
	.close = mpi_close,
	.error = mpi_error,
};

static int duplicate(MPI_Comm from, MPI_Comm *to)
{
	int code = FY_MPI_AWAIT_CALL(MPI_Comm_dup_with_info(from, MPI_INFO_NULL, to));
	if (code != MPI_SUCCESS)
		*to = MPI_COMM_NULL;
	return code == MPI_SUCCESS ? MPI_Comm_set_errhandler(*to, MPI_ERRORS_RETURN) : code;
}

static int find_tag_max(fy_port *port)
{
	int *most, found = 0;
	int code = MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, (void *)&most, &found);
	port->tag_max = 32767;
	if (code == MPI_SUCCESS && found)
		port->tag_max = *most < TAG_MAX ? *most : TAG_MAX;
	return code;
}

/* Wait until all ranks have come. The collective calls that follow spin in MPI, and are short
 * then. MPI_ERR_PENDING: not all have come in time. Nobody can be told of that, and the barrier is
 * left as it is: it has no memory of this program. */
static int assemble(MPI_Comm comm, int64_t timeout)
{
	MPI_Request request;
	int code = FY_MPI_AWAIT_CALL(MPI_Ibarrier(comm, &request));
	return code == MPI_SUCCESS ? fy_mpi_await(&request, fy_timeout_in(timeout)) : code;
}

/* Note a failure. The first one counts. */
static void note(int *status, const char *call, int code)
{
	int class = MPI_ERR_OTHER;
	if (code == MPI_SUCCESS || *status)
		return;
	MPI_Error_class(code, &class);
	*status = class == MPI_ERR_NO_MEM
	                  ? fy_fail(FERRY_ENOMEM, "no memory for %s", call)
	                  : fy_fail(FERRY_EMPI, "%s", fy_mpi_error_text(call, code));
}

/* *status is the first failure. After one the port can still tell the other ranks, unless it has no
 * first communicator. */
static void connect_all(struct fy_mpi_port *mpi, MPI_Comm from, int64_t timeout, int *status)
{
	fy_mpi_says_stage("other ranks, not all of which have come to it");
	int code = assemble(from, timeout);
	if (code == MPI_ERR_PENDING) {
		*status = fy_fail(FERRY_EPEER, "not all ranks have come to the open in "
		                               "peer_timeout and 2 s: leave by _exit or MPI_Abort");
		return;
	}
	note(status, "MPI_Ibarrier", code);
	fy_mpi_says_stage("MPI_Comm_dup_with_info, in which all ranks are that have come to the "
	                  "open: if it does not return one of them has died, and only the launcher "
	                  "can end the job");
	note(status, "MPI_Comm_dup_with_info", duplicate(from, &mpi->comm));
	if (mpi->comm == MPI_COMM_NULL)
		return;
	note(status, "MPI_Comm_dup_with_info", duplicate(mpi->comm, &mpi->program));
	note(status, "MPI_Comm_dup_with_info", duplicate(mpi->comm, &mpi->collectives));
	fy_mpi_says_stage(
		"an answer of the other ranks, all of which had come to the open: if none "
		"comes one of them has died, and only the launcher can end the job");
	note(status, "MPI_Iallreduce", fy_mpi_life_compare_owners(mpi->comm));
	note(status, "sharing memory among the ranks of this host",
	     fy_bells_open(&mpi->bells, mpi->comm));
}

static void describe(struct fy_mpi_port *mpi, int provided, int *status)
{
	fy_port *port = &mpi->port;
	port->ops = &mpi_ops;
	/* Repeated, because a rank can tell the others only by what these say. */
	port->size = INT_MAX; /* until it is known: the number of no rank */
	note(status, "MPI_Comm_rank", FY_MPI_AWAIT_CALL(MPI_Comm_rank(mpi->comm, &port->rank)));
	note(status, "MPI_Comm_size", FY_MPI_AWAIT_CALL(MPI_Comm_size(mpi->comm, &port->size)));
	note(status, "MPI_Comm_get_attr", FY_MPI_AWAIT_CALL(find_tag_max(port)));
	port->chunk_max = CHUNK_MAX;
	port->lendable = provided >= FERRY_THREAD_SERIALIZED;
	port->proves = fy_bells_prove(&mpi->bells);
	port->all_local = mpi->bells.all;
	port->ranks_here = mpi->bells.here;
}

static int check_comm(MPI_Comm from)
{
	int inter = 0;
	if (from == MPI_COMM_NULL)
		return fy_fail(
			FERRY_EINVAL,
			"the communicator is MPI_COMM_NULL: open on ranks that belong to it only");
	MPI_Comm_test_inter(from, &inter);
	if (inter)
		return fy_fail(FERRY_EINVAL, "an intercommunicator cannot carry an engine: merge "
		                             "it with MPI_Intercomm_merge first");
	return 0;
}

/* Without memory this is the spare port. NULL: the spare port is in use. */
static struct fy_mpi_port *new_port(int *status)
{
	struct fy_mpi_port *mpi = calloc(1, sizeof *mpi);
	if (mpi == NULL) {
		*status = fy_fail(FERRY_ENOMEM, "no memory for a port");
		if (spare_used)
			return NULL;
		spare_used = true;
		mpi = &spare;
		memset(mpi, 0, sizeof *mpi);
	}
	mpi->comm = mpi->program = mpi->collectives = MPI_COMM_NULL;
	return mpi;
}

static int open_on(MPI_Comm from, int provided, int64_t timeout, fy_port **port_p)
{
	int rank, status = check_comm(from);
	if (status != 0)
		return status;
	fy_mpi_says_rank(MPI_Comm_rank(from, &rank) == MPI_SUCCESS ? rank : -1);
	struct fy_mpi_port *mpi = new_port(&status);
	if (mpi == NULL)
		return status;
	connect_all(mpi, from, timeout, &status);
	if (mpi->comm == MPI_COMM_NULL) {
		free_port(mpi);
		return status;
	}
	describe(mpi, provided, &status);
	*port_p = &mpi->port;
	return status;
}

static int open_port(const void *comm, int level, bool exclusive, bool to_tell, int64_t timeout,
                     fy_port **port_p)
{
	int provided = 0;
	int status = fy_mpi_life_acquire(level, exclusive, to_tell, &provided);
	*port_p = NULL;
	if (status != 0)
		return status;
	status = open_on(comm != NULL ? *(const MPI_Comm *)comm : MPI_COMM_WORLD, provided, timeout,
	                 port_p);
	if (*port_p == NULL)
		fy_mpi_life_release(status != FERRY_EPEER);
	return status;
}

int fy_mpi_port_open(const void *comm, int level, bool exclusive, fy_port **port_p)
{
	return open_port(comm, level, exclusive, false, FERRY_FOREVER, port_p);
}

int fy_mpi_port_open_within(const void *comm, int level, bool exclusive, int64_t timeout,
                            fy_port **port_p)
{
	return open_port(comm, level, exclusive, false, timeout, port_p);
}

int fy_mpi_port_open_to_tell(const void *comm, fy_port **port_p)
{
	return open_port(comm, FERRY_THREAD_MULTIPLE, false, true, FERRY_FOREVER, port_p);
}
