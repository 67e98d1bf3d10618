/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of an operation of MPI that the program starts. Everything here is the helm's.
 *
 *   thread   a FY_OP_START record with the arguments and the future, into its lane
 *   helm     take(): a message or a collective goes to MPI at once
 *            a function of the program becomes inline work (it runs when inline
 *            code may run, see fy_dispatch_run_tasks), and then everything behind it does so
 *            as well, so that one thread's starts keep their order
 *   helm     the request joins requests.c, which tests it
 *   helm     the future completes, with MPI's status in it; `release` is called
 *
 * Nothing is allocated for a message: the arguments are in the record, the future comes from the
 * thread's cache, the request has its place in a block.
 *
 * If a future is cancelled or times out before its record is taken, nothing is started. After that
 * the operation goes on: MPI has its memory until the request is done, and then `release` is
 * called. A receive is cancelled in MPI, because a message that came later would be lost in it.
 *
 * A close waits for all requests except receives. These are cancelled once all ranks agree that
 * nothing else is under way, and end with FERRY_ESTOPPED. If a rank is gone the close waits for
 * none: the futures end with FERRY_ESTOPPED, and the memory stays MPI's (statistics: kept).
 */
#include "mpi/starts.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/order.h"
#include "base/program.h"
#include "future/future.h"
#include "future/task.h"
#include "mpi/collective.h"
#include "mpi/port.h"
#include "mpi/probes.h"
#include "mpi/requests.h"
#include "mpi/sendrecv.h"
#include "mpi/shield.h"
#include "mpi/start.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/inside.h"
#include "shared/tasks.h"
#include "shared/thread.h"

#define SPARE_MAX 256

_Static_assert(sizeof(MPI_Status) <= sizeof((ferry_future *)0)->mpi_status,
               "a future has room for MPI's status");

/* A start that is in the list of inline work. With a release function it lives until that was
 * called. */
struct fy_deferred {
	struct fy_task task;
	struct fy_deferred *next;
	struct fy_mpi_starts *owner;
	struct fy_start start;
	ferry_future *future;
};

static void count(struct fy_mpi_starts *s)
{
	size_t sure = s->requests.n + s->n_checks + s->n_without_memory + s->n_unsent;
	s->starts.under_way = sure + s->probes.n;
	s->starts.awaited = sure - s->requests.n_receives;
}

static struct fy_deferred *deferred_new(struct fy_mpi_starts *s, const struct fy_start *a,
                                        ferry_future *future)
{
	struct fy_deferred *d = s->spare;
	if (d) {
		s->spare = d->next;
		s->n_spare--;
	} else {
		d = malloc(sizeof *d);
	}
	if (d)
		*d = (struct fy_deferred){ .owner = s, .start = *a, .future = future };
	return d;
}

static void deferred_free(struct fy_deferred *d)
{
	struct fy_mpi_starts *s = d->owner;
	if (s->n_spare >= SPARE_MAX) {
		free(d);
		return;
	}
	d->next = s->spare;
	s->spare = d;
	s->n_spare++;
}

static void call_release(const struct fy_start *a)
{
	if (fy_program_may_run())
		FY_PROGRAM("a release function", &fy_program_no_op, a->fn.release(NULL, a->fn.arg));
}

static void run_release(struct fy_task *task)
{
	struct fy_deferred *d = fy_container_of(task, struct fy_deferred, task);
	call_release(&d->start);
	deferred_free(d);
}

/* MPI is done with the operation. The release function runs where inline code may run. */
static void release(struct fy_deferred *d)
{
	if (!d->start.fn.release) {
		deferred_free(d);
		return;
	}
	d->task.run = run_release;
	fy_tasks_defer(d->owner->starts.engine->helm_side.deferred, &d->task);
}

static void never_done(struct fy_mpi_starts *s, const struct fy_completion *w)
{
	fy_start_fail(s, w->future, w->what, FERRY_ESTOPPED,
	              "the engine was closed while a rank was gone: the memory stays MPI's");
}

static void start_done(struct fy_mpi_starts *s, const struct fy_completion *w,
                       const MPI_Status *mpi, int code)
{
	struct fy_deferred *d = w->arg;
	if (!mpi) {
		never_done(s, w);
		if (d)
			deferred_free(d);
		return;
	}
	fy_start_complete(s, w->future, w->what, mpi, code);
	if (d)
		release(d);
}

/* The communicator whose error handler is called if the receive fails. */
static void keep_comm(struct fy_completion *w, MPI_Comm comm)
{
	memcpy(&w->arg, &comm, sizeof comm);
}
_Static_assert(sizeof(MPI_Comm) <= sizeof(void *), "a communicator fits into a pointer");

static void raise_failure(const struct fy_completion *w, int code)
{
	MPI_Comm comm;
	memcpy(&comm, &w->arg, sizeof comm);
	fy_mpi_shield_raise(comm, code);
}

static void message_done(struct fy_mpi_starts *s, const struct fy_completion *w,
                         const MPI_Status *mpi, int code)
{
	int cancelled = 0;
	if (fy_likely(mpi && code == MPI_SUCCESS && w->future && !w->cancelled)) {
		fy_start_keep_status(w->future, mpi);
		fy_future_complete(w->future, FERRY_OK, NULL);
		return;
	}
	if (mpi && w->cancelled && code == MPI_SUCCESS)
		code = MPI_Test_cancelled(mpi, &cancelled);
	if (code != MPI_SUCCESS && w->what == FY_START_RECV)
		raise_failure(w, code);
	if (!mpi)
		never_done(s, w);
	else if (cancelled && w->future)
		fy_future_complete(w->future, FERRY_ESTOPPED,
		                   "the engine was closed and no message had come");
	else if (!cancelled)
		fy_start_complete(s, w->future, w->what, mpi, code);
}

/* False: no memory, and nothing happened. */
static bool begin_message(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Status nobody;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	if (!fy_start_depart(s, future, a->what))
		return true;
	int code = a->what == FY_START_RECV
	                   ? MPI_Irecv(a->message.buffer, a->count, a->message.type, a->peer,
	                               a->tag, a->message.comm, &request)
	                   : MPI_Isend(a->message.buffer, a->count, a->message.type, a->peer,
	                               a->tag, a->message.comm, &request);
	bool from_nobody =
		code == MPI_SUCCESS && a->what == FY_START_RECV && a->peer == MPI_PROC_NULL;
	if (fy_unlikely(from_nobody))
		code = fy_start_from_nobody(&request, &nobody);
	if (code != MPI_SUCCESS || request == MPI_REQUEST_NULL) {
		fy_start_complete(s, future, a->what, from_nobody ? &nobody : NULL, code);
		return true;
	}
	struct fy_completion *w = fy_requests_add(&s->requests, request, message_done, a->what);
	w->future = future;
	if (a->what == FY_START_RECV)
		keep_comm(w, a->message.comm);
	else
		fy_neighbours_ring(&s->neighbours, a->message.comm, a->peer);
	return true;
}

/* Nobody else can receive the message, so it is received whatever became of the future. */
static bool begin_matched(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	MPI_Message message = a->matched.message;
	MPI_Request request = MPI_REQUEST_NULL;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	if (*s->starts.stopped) {
		fy_start_too_late(s, future, a->what);
		return true;
	}
	/* MPICH raises errors of this call, too, on MPI_COMM_WORLD. */
	fy_mpi_shield_up();
	int code = MPI_Imrecv(a->matched.buffer, a->count, a->matched.type, &message, &request);
	fy_mpi_shield_down();
	if (code != MPI_SUCCESS || request == MPI_REQUEST_NULL)
		fy_start_complete(s, future, a->what, NULL, code);
	else
		fy_requests_add(&s->requests, request, message_done, a->what)->future = future;
	return true;
}

static bool begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	switch (a->what) {
	case FY_START_SEND:
	case FY_START_RECV:
		return begin_message(s, a, future);
	case FY_START_SENDRECV:
		return fy_sendrecv_begin(s, a, future);
	case FY_START_PROBE:
		return fy_probes_begin(s, a, future);
	case FY_START_MATCHED:
		return begin_matched(s, a, future);
	default:
		return fy_collective_begin(s, a, future);
	}
}

/* For an operation that will not be started. */
static void drop_arguments(const struct fy_start *a)
{
	if (a->what == FY_START_SENDRECV)
		free(a->message.more);
}

/* Call the function of a ferry_start. Takes `d` over. */
static void call_start(struct fy_mpi_starts *s, struct fy_deferred *d)
{
	MPI_Request request = MPI_REQUEST_NULL;
	int code = MPI_SUCCESS;
	uint32_t inside = fy_inside_begin(s->starts.engine);
	FY_PROGRAM("the function of ferry_start", &fy_program_no_op,
	           code = d->start.fn.start(s->program, d->start.fn.arg, &request));
	fy_inside_end(s->starts.engine, inside);
	if (code != MPI_SUCCESS || request == MPI_REQUEST_NULL) {
		fy_start_complete(s, d->future, FY_START_FN, NULL, code);
		release(d);
		return;
	}
	struct fy_completion *w = fy_requests_add(&s->requests, request, start_done, FY_START_FN);
	w->future = d->future;
	if (d->start.fn.release)
		w->arg = d;
	else
		deferred_free(d);
}

static void call_function(struct fy_mpi_starts *s, struct fy_deferred *d)
{
	if (!fy_program_may_run()) {
		fy_start_fail(s, d->future, d->start.what, FERRY_ESTOPPED, "the process ends");
		release(d);
		return;
	}
	bool room = d->start.what == FY_START_RUN || fy_requests_reserve(&s->requests, 1);
	if (!room)
		fy_start_fail(s, d->future, d->start.what, FERRY_ENOMEM,
		              "no memory for one more request");
	if (!room || !fy_start_depart(s, d->future, d->start.what)) {
		release(d);
		return;
	}
	if (d->start.what == FY_START_FN) {
		call_start(s, d);
		return;
	}
	int code = MPI_SUCCESS;
	uint32_t inside = fy_inside_begin(s->starts.engine);
	FY_PROGRAM("the function of ferry_run", &fy_program_no_op,
	           code = d->start.fn.run(s->program, d->start.fn.arg));
	fy_inside_end(s->starts.engine, inside);
	fy_start_complete(s, d->future, FY_START_RUN, NULL, code);
	release(d);
}

/* Keep a collective for which there is no memory, and what is behind it, in order, because the
 * other ranks wait for the collective. */
static void stall(struct fy_mpi_starts *s, struct fy_deferred *d)
{
	d->next = NULL;
	fy_list_append(s->without_memory, s->without_memory_last, d);
	s->n_without_memory++;
}

/* False: no memory now. */
static bool run_one(struct fy_mpi_starts *s, struct fy_deferred *d)
{
	if (d->start.what > FY_START_RUN && !begin(s, &d->start, d->future))
		return false;
	s->n_deferred--;
	if (d->start.what > FY_START_RUN)
		deferred_free(d);
	else
		call_function(s, d);
	return true;
}

static void run_deferred(struct fy_task *task)
{
	struct fy_deferred *d = fy_container_of(task, struct fy_deferred, task);
	struct fy_mpi_starts *s = d->owner;
	if (s->without_memory || !run_one(s, d))
		stall(s, d);
	count(s);
}

/* Try those again for which there was no memory, in order. Functions of the program run only if
 * they may. True: any was run. */
static bool run_without_memory(struct fy_mpi_starts *s, bool may_run_code)
{
	bool any = false;
	while (s->without_memory) {
		struct fy_deferred *d = s->without_memory, *next = d->next;
		bool code = d->start.what <= FY_START_RUN;
		if (code && !may_run_code)
			return any;
		ferry *before = fy_thread_begin(code ? FY_INLINE : FY_STEPPING, s->starts.engine);
		bool done = run_one(s, d);
		fy_thread_end(code ? FY_INLINE : FY_STEPPING, before);
		if (!done)
			return any;
		s->without_memory = next;
		s->n_without_memory--;
		any = true;
	}
	s->without_memory_last = NULL;
	return any;
}

static bool defer(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	struct fy_deferred *d = deferred_new(s, a, future);
	if (!d)
		return false;
	s->n_deferred++;
	d->task.run = run_deferred;
	fy_tasks_defer(s->starts.engine->helm_side.deferred, &d->task);
	return true;
}

_Static_assert(_Alignof(struct fy_start) <= 8, "the body of a record is aligned to 8 bytes");

static bool take(struct fy_starts *starts, const void *start, ferry_future *future)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(starts);
	const struct fy_start *a = start;
	bool taken = a->what <= FY_START_RUN || s->n_deferred ? defer(s, a, future)
	                                                      : begin(s, a, future);
	count(s);
	return taken;
}

static void fail(struct fy_starts *starts, const void *start, ferry_future *future, int status,
                 const char *detail)
{
	const struct fy_start *a = start;
	fy_start_fail(fy_mpi_starts_of(starts), future, a->what, status, detail);
	drop_arguments(a);
	if (a->what != FY_START_FN || !a->fn.release)
		return;
	ferry *before = fy_thread_begin(FY_INLINE, starts->engine);
	call_release(a);
	fy_thread_end(FY_INLINE, before);
}

static bool step(struct fy_starts *starts, bool idle, bool code)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(starts);
	bool any = false;
	uint32_t given_up = fy_load_acquire_32(&starts->engine->told.starts_given_up);
	if (fy_unlikely(given_up != s->given_up)) {
		s->given_up = given_up;
		fy_requests_cancel(&s->requests, false);
		fy_probes_sweep(&s->probes);
	}
	if (fy_requests_test(&s->requests, s, idle))
		any = true;
	if (fy_unlikely(s->checks || s->unsent))
		fy_collective_step(s);
	if (fy_unlikely(s->without_memory) && run_without_memory(s, code))
		any = true;
	if (s->probes.n && fy_probes_look(&s->probes))
		any = true;
	count(s);
	return any;
}

static void end(struct fy_starts *starts)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(starts);
	if (s->ending)
		return;
	s->ending = true;
	fy_requests_cancel(&s->requests, true);
	fy_probes_stop(&s->probes, "the engine was closed and no message had come");
	count(s);
}

static size_t abandon(struct fy_starts *starts)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(starts);
	size_t kept = fy_requests_abandon(&s->requests, s);
	fy_probes_stop(&s->probes, "the engine was closed while a rank was gone");
	fy_collective_abandon(s);
	while (s->without_memory) {
		struct fy_deferred *d = s->without_memory;
		s->without_memory = d->next;
		s->n_without_memory--;
		s->n_deferred--;
		fy_start_too_late(s, d->future, d->start.what);
		drop_arguments(&d->start);
		if (d->start.what <= FY_START_RUN)
			release(d);
		else
			deferred_free(d);
	}
	s->without_memory_last = NULL;
	count(s);
	return kept;
}

static void free_starts(struct fy_starts *starts)
{
	struct fy_mpi_starts *s = fy_mpi_starts_of(starts);
	while (s->spare) {
		struct fy_deferred *d = s->spare;
		s->spare = d->next;
		free(d);
	}
	fy_requests_free(&s->requests);
	fy_neighbours_free(&s->neighbours);
	free(s);
}

static const struct fy_start_ops ops = {
	.take = take,
	.fail = fail,
	.step = step,
	.end = end,
	.abandon = abandon,
	.free = free_starts,
};

struct fy_starts *fy_mpi_starts_new(fy_port *port)
{
	struct fy_mpi_starts *s = calloc(1, sizeof *s);
	if (!s) {
		fy_fail(FERRY_ENOMEM, "no memory for an engine");
		return NULL;
	}
	s->starts.ops = &ops;
	s->program = fy_mpi_port_of(port)->program;
	s->collectives = fy_mpi_port_of(port)->collectives;
	s->tag_max = port->tag_max;
	s->neighbours.port = fy_mpi_port_of(port);
	return &s->starts;
}
