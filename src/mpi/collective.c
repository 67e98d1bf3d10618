/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collectives that the program starts. Everything here is the helm's.
 *
 * All collectives of an engine go over one communicator, in the order in which the helm takes them.
 * MPI requires that this order is the same on all ranks; otherwise MPI may hang or mix up data. So
 * in builds that check (FY_COLLECTIVE_CHECKS) all ranks first compare number, kind, root and bytes
 * by an allreduce. A collective starts when its comparison is over, and the next comparison begins
 * only then, so that the order on the communicator stays the same on all ranks. A collective that
 * differs starts on no rank and fails on all.
 *
 * Once a collective is taken from its lane this rank takes part, whatever became of its future,
 * because the other ranks wait for it. So a collective for which there is no memory, or that MPI
 * does not start, is begun later, and nothing overtakes it. gather.c has ferry_gather.
 */
#include "mpi/collective.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "future/future.h"
#include "mpi/gather.h"
#include "mpi/requests.h"
#include "mpi/start.h"
#include "mpi/starts.h"
#include "shared/engine.h"

static void collective_done(struct fy_mpi_starts *s, const struct fy_completion *w,
                            const MPI_Status *mpi, int code)
{
	if (mpi)
		fy_start_complete(s, w->future, w->what, NULL, code);
	else
		fy_start_fail(s, w->future, w->what, FERRY_ESTOPPED,
		              "the engine was closed while a rank was gone");
}

static int call(const struct fy_start *a, MPI_Comm comm, MPI_Request *request)
{
	const void *from = a->collective.from;
	void *to = a->collective.to;
	MPI_Datatype type = a->collective.type;
	switch (a->what) {
	case FY_START_BARRIER:
		return MPI_Ibarrier(comm, request);
	case FY_START_BCAST:
		return MPI_Ibcast(to, a->count, type, a->peer, comm, request);
	case FY_START_REDUCE:
		return MPI_Ireduce(from, to, a->count, type, a->collective.op, a->peer, comm,
		                   request);
	default:
		return MPI_Iallreduce(from, to, a->count, type, a->collective.op, comm, request);
	}
}

static bool begin_one(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	MPI_Request request = MPI_REQUEST_NULL;
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	int code = call(a, s->collectives, &request);
	if (fy_start_again(s, code))
		return false;
	if (code != MPI_SUCCESS || request == MPI_REQUEST_NULL)
		fy_start_complete(s, future, a->what, NULL, code);
	else
		fy_requests_add(&s->requests, request, collective_done, a->what)->future = future;
	return true;
}

static bool begin_now(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	bool begun = a->what == FY_START_GATHER ? fy_gather_begin(s, a, future)
	                                        : begin_one(s, a, future);
	s->n_collectives += begun;
	return begun;
}

enum { COMPARED = 4 };

struct fy_comparison {
	struct fy_comparison *next;
	struct fy_start start;
	ferry_future *future;
	uint32_t number;
	bool compares, compared; /* MPI compares it now; it is the same on all ranks */
	/* the values, and their negatives: so one minimum gives both minimum and maximum */
	int64_t values[2 * COMPARED];
};

static void describe(struct fy_comparison *c)
{
	const struct fy_start *a = &c->start;
	int nbytes = 0;
	if (a->what == FY_START_BCAST || a->what == FY_START_REDUCE ||
	    a->what == FY_START_ALLREDUCE)
		MPI_Type_size(a->collective.type, &nbytes);
	const int64_t values[COMPARED] = { c->number, a->what, a->peer,
		                           (int64_t)nbytes * a->count };
	for (int i = 0; i < COMPARED; i++) {
		c->values[i] = values[i];
		c->values[COMPARED + i] = -values[i];
	}
}

static bool same_everywhere(const struct fy_comparison *c)
{
	for (int i = 0; i < COMPARED; i++)
		if (c->values[i] != -c->values[COMPARED + i])
			return false;
	return true;
}

static void differ(struct fy_mpi_starts *s, const struct fy_comparison *c)
{
	char text[160];
	snprintf(text, sizeof text,
	         "%s is collective number %u of this engine here, and other ranks call another "
	         "one, with another root or with other lengths",
	         fy_start_name(c->start.what), c->number);
	fy_start_fail(s, c->future, c->start.what, FERRY_EMPI, text);
	fy_log_at(s->starts.engine->log, FERRY_LOG_ERROR,
	          "%s: call the same collectives on all ranks, in one order", text);
}

static void next_check(struct fy_mpi_starts *s);

/* The first comparison is over: its collective was begun, or failed. */
static void drop_check(struct fy_mpi_starts *s)
{
	struct fy_comparison *c = s->checks;
	fy_list_drop(s->checks, s->checks_last);
	s->n_checks--;
	free(c);
}

static void check_done(struct fy_mpi_starts *s, const struct fy_completion *w,
                       const MPI_Status *mpi, int code)
{
	struct fy_comparison *c = w->arg;
	if (!mpi)
		return; /* fy_collective_abandon deals with it */
	c->compares = false;
	c->compared = code == MPI_SUCCESS && same_everywhere(c);
	if (!c->compared) {
		if (code != MPI_SUCCESS)
			fy_start_complete(s, c->future, c->start.what, NULL, code);
		else
			differ(s, c);
		drop_check(s);
	}
	next_check(s);
}

/* Start the comparison. False: no memory now, or MPI did not start it; try again later. */
static bool compare(struct fy_mpi_starts *s, struct fy_comparison *c)
{
	struct fy_completion w = { .done = check_done, .arg = c, .what = c->start.what };
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Status none = { 0 };
	if (!fy_requests_reserve(&s->requests, 1))
		return false;
	describe(c);
	c->compares = true;
	int code = MPI_Iallreduce(MPI_IN_PLACE, c->values, 2 * COMPARED, MPI_INT64_T, MPI_MIN,
	                          s->collectives, &request);
	if (fy_start_again(s, code)) {
		c->compares = false;
		return false;
	}
	if (code == MPI_SUCCESS)
		fy_requests_add(&s->requests, request, check_done, w.what)->arg = c;
	else
		check_done(s, &w, &none, code);
	return true;
}

/* Begin what was compared, and start the next comparison, as far as there is memory. What finds
 * none stays in the list, because the other ranks wait for it. */
static void next_check(struct fy_mpi_starts *s)
{
	while (s->checks && s->checks->compared &&
	       begin_now(s, &s->checks->start, s->checks->future))
		drop_check(s);
	if (s->checks && !s->checks->compared && !s->checks->compares)
		compare(s, s->checks);
}

static bool begin_checked(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	struct fy_comparison *c = malloc(sizeof *c);
	if (!c)
		return false;
	*c = (struct fy_comparison){ .start = *a, .future = future, .number = s->n_compared++ };
	fy_list_append(s->checks, s->checks_last, c);
	if (s->n_checks++ == 0)
		next_check(s);
	return true;
}

bool fy_collective_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future)
{
	if (fy_engine_has_stopped(s->starts.engine)) {
		fy_start_too_late(s, future, a->what);
		return true;
	}
	if (future)
		fy_future_depart(future);
	return FY_COLLECTIVE_CHECKS ? begin_checked(s, a, future) : begin_now(s, a, future);
}

void fy_collective_step(struct fy_mpi_starts *s)
{
	if (s->unsent)
		fy_gather_step(s);
	if (s->checks)
		next_check(s);
}

void fy_collective_abandon(struct fy_mpi_starts *s)
{
	fy_gather_abandon(s);
	while (s->checks) {
		struct fy_comparison *c = s->checks;
		bool mine = !c->compares; /* else MPI may still write to it */
		s->checks = c->next;
		fy_start_fail(s, c->future, c->start.what, FERRY_ESTOPPED,
		              "the engine was closed while a rank was gone");
		if (mine)
			free(c);
	}
	s->checks_last = NULL;
	s->n_checks = 0;
}
