/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that MPI has for the program. Everything here is the helm's.
 *
 * Requests are in blocks of 64, in the order in which they were started; a block is one
 * MPI_Testsome. A step tests the oldest block, and again as long as much of it is done. Then it
 * tests blocks from a cursor that goes round: one, or eight if the step had nothing else to do, and
 * more as long as much is done. So a step tests at most 24 blocks, whatever is outstanding, and
 * mostly two:
 *
 *  - what completes in the order of posting is found in the next step;
 *  - what completes in any other order is found when the cursor comes by: of n
 *    outstanding requests after n / 64 steps at most, n / 512 of them when idle,
 *    half of that on average. tests/mpi/start.c prints a table of the times.
 *
 * Requests that are done leave at once, and the rest of the block moves up. Two neighbours that fit
 * into one block become one, so that few requests do not stay scattered over many blocks.
 *
 * If a request ends with an error, its status has it (MPI_ERR_IN_STATUS). The error handler of the
 * request's communicator is called. For MPICH see shield.c; blocks of sends only need no shield.
 */
#include "mpi/requests.h"

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/order.h"
#include "future/future.h"
#include "mpi/shield.h"
#include "mpi/start.h"

#define BLOCK FY_BLOCK_REQUESTS
#define SPARE_MAX 64
#define VISITS_MAX 24
#define VISITS_IDLE 8
#define PLENTY 8 /* with so many done in one visit, another one follows at once */

/* ---- blocks -------------------------------------------------------------- */

static void spare(struct fy_requests *r, struct fy_request_block *b)
{
	if (r->n_spare >= SPARE_MAX) {
		free(b);
		return;
	}
	b->next = r->spare;
	r->spare = b;
	r->n_spare++;
}

void fy_requests_append(struct fy_requests *r)
{
	struct fy_request_block *b = r->spare;
	r->spare = b->next;
	r->n_spare--;
	b->n = 0;
	b->look = false;
	b->mixed = false;
	b->next = NULL;
	b->previous = r->last;
	fy_list_append(r->first, r->last, b);
}

static void unlink_block(struct fy_requests *r, struct fy_request_block *b)
{
	*(b->previous ? &b->previous->next : &r->first) = b->next;
	*(b->next ? &b->next->previous : &r->last) = b->previous;
	if (r->cursor == b)
		r->cursor = b->next;
}

static void drop(struct fy_requests *r, struct fy_request_block *b)
{
	unlink_block(r, b);
	spare(r, b);
}

bool fy_requests_reserve_slow(struct fy_requests *r, size_t count)
{
	size_t room = (r->last ? BLOCK - r->last->n : 0) + (size_t)r->n_spare * BLOCK;
	while (room < count) {
		struct fy_request_block *b = malloc(sizeof *b);
		if (!b)
			return false;
		b->next = r->spare;
		r->spare = b;
		r->n_spare++;
		room += BLOCK;
	}
	return true;
}

/* The next block's requests move into this one, if they fit. */
static void merge_next(struct fy_requests *r, struct fy_request_block *b)
{
	struct fy_request_block *next = b->next;
	if (!next || b->n + next->n > BLOCK)
		return;
	memcpy(b->requests + b->n, next->requests, next->n * sizeof *b->requests);
	memcpy(b->waiting + b->n, next->waiting, next->n * sizeof *b->waiting);
	b->n += next->n;
	b->look |= next->look;
	b->mixed |= next->mixed;
	drop(r, next);
}

/* Move the rest up. Requests that were taken out have no done(). */
static void close_up(struct fy_request_block *b)
{
	unsigned to = 0;
	for (unsigned i = 0; i < b->n; i++) {
		if (!b->waiting[i].done)
			continue;
		if (to != i) {
			b->requests[to] = b->requests[i];
			b->waiting[to] = b->waiting[i];
		}
		to++;
	}
	b->n = to;
}

/* ---- cancelling receives ------------------------------------------------------ */

static void cancel(struct fy_request_block *b, unsigned i)
{
	MPI_Cancel(&b->requests[i]);
	b->waiting[i].cancelled = true;
}

static void cancel_given_up(struct fy_request_block *b, bool all)
{
	b->look = false;
	for (unsigned i = 0; i < b->n; i++) {
		struct fy_completion *w = &b->waiting[i];
		if (w->what == FY_START_RECV && !w->cancelled &&
		    (all ||
		     (w->future && fy_load_acquire_32(&w->future->state) & FY_FUTURE_CLAIMED)))
			cancel(b, i);
	}
}

void fy_requests_cancel(struct fy_requests *r, bool all)
{
	for (struct fy_request_block *b = r->first; b; b = b->next) {
		b->look = true;
		if (all)
			cancel_given_up(b, true);
	}
}

/* ---- testing ------------------------------------------------------------------- */

struct found {
	int n;
	int indices[BLOCK];
	MPI_Status statuses[BLOCK];
	struct fy_completion waiting[BLOCK];
};

/*
 * MPI_Test failed with `code`. If the request is gone its operation is over. If not, there are two
 * cases: a persistent request whose operation is over; or MPI failed to test it, and the operation
 * goes on. Another test tells them apart: a persistent request that is over is done at once, and
 * stays. Returns MPI's code; *done_p: is the operation over?
 */
static int look_behind_error(MPI_Request *request, MPI_Status *status, int code, int *done_p)
{
	int again;
	*done_p = *request == MPI_REQUEST_NULL;
	if (*done_p)
		return code;
	again = MPI_Test(request, done_p, status);
	if (again != MPI_SUCCESS)
		*done_p = *request == MPI_REQUEST_NULL;
	return again == MPI_SUCCESS && *done_p && *request != MPI_REQUEST_NULL ? code : again;
}

/* MPI_Testsome failed for the block as a whole: test each request by itself. */
static int test_each(struct fy_request_block *b, struct found *f)
{
	f->n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		int done = 0;
		MPI_Status *status = &f->statuses[f->n];
		int code = MPI_Test(&b->requests[i], &done, status);
		if (code != MPI_SUCCESS)
			code = look_behind_error(&b->requests[i], status, code, &done);
		if (!done)
			continue;
		status->MPI_ERROR = code;
		f->indices[f->n++] = (int)i;
	}
	return MPI_ERR_IN_STATUS;
}

static int test_block(struct fy_request_block *b, struct found *f)
{
	int class = MPI_SUCCESS;
	f->n = 0;
	bool shield = b->mixed;
	if (shield)
		fy_mpi_shield_up();
	int code = MPI_Testsome((int)b->n, b->requests, &f->n, f->indices, f->statuses);
	if (code != MPI_SUCCESS)
		MPI_Error_class(code, &class);
	if (class != MPI_SUCCESS && class != MPI_ERR_IN_STATUS)
		class = test_each(b, f);
	if (shield)
		fy_mpi_shield_down();
	if (f->n == MPI_UNDEFINED)
		f->n = 0;
	return class;
}

/* MPI_ERROR of a status is set only if the call returned MPI_ERR_IN_STATUS. */
static int code_of(int class, const MPI_Status *status)
{
	return class == MPI_SUCCESS ? MPI_SUCCESS : status->MPI_ERROR;
}

/* All requests of the block are done. It leaves the list first, because done() may add requests. */
static void visit_whole(struct fy_requests *r, struct fy_mpi_starts *s, struct fy_request_block *b,
                        int class, struct found *f)
{
	unlink_block(r, b);
	r->n -= b->n;
	for (int i = 0; i < f->n; i++)
		r->n_receives -= b->waiting[i].what == FY_START_RECV;
	for (int i = 0; i < f->n; i++) {
		const struct fy_completion *w = &b->waiting[f->indices[i]];
		w->done(s, w, &f->statuses[i], code_of(class, &f->statuses[i]));
	}
	spare(r, b);
}

static void visit_some(struct fy_requests *r, struct fy_mpi_starts *s, struct fy_request_block *b,
                       int class, struct found *f)
{
	for (int i = 0; i < f->n; i++) {
		struct fy_completion *w = &b->waiting[f->indices[i]];
		f->waiting[i] = *w;
		r->n_receives -= w->what == FY_START_RECV;
		w->done = NULL;
	}
	r->n -= (size_t)f->n;
	close_up(b);
	merge_next(r, b);
	for (int i = 0; i < f->n; i++)
		f->waiting[i].done(s, &f->waiting[i], &f->statuses[i],
		                   code_of(class, &f->statuses[i]));
}

/* Test one block. Returns how many were done. The block may be freed by that. */
static unsigned visit(struct fy_requests *r, struct fy_mpi_starts *s, struct fy_request_block *b)
{
	struct found f;
	if (b->look)
		cancel_given_up(b, false);
	int class = test_block(b, &f);
	if (f.n && (unsigned)f.n == b->n)
		visit_whole(r, s, b, class, &f);
	else if (f.n)
		visit_some(r, s, b, class, &f);
	else
		merge_next(r, b);
	return (unsigned)f.n;
}

static unsigned visit_oldest(struct fy_requests *r, struct fy_mpi_starts *s, unsigned *visits)
{
	unsigned done, all = 0;
	do {
		(*visits)++;
		all += done = visit(r, s, r->first);
	} while (done >= PLENTY && r->first && *visits < VISITS_MAX);
	return all;
}

unsigned fy_requests_test(struct fy_requests *r, struct fy_mpi_starts *s, bool idle)
{
	unsigned visits = 0, budget = idle ? VISITS_IDLE : 1, all = 0;
	if (!r->first)
		return 0;
	all = visit_oldest(r, s, &visits);
	size_t round = r->n / BLOCK + 1; /* so that no block is tested twice */
	while (budget && visits < VISITS_MAX && round--) {
		if (!r->cursor)
			r->cursor = r->first ? r->first->next : NULL;
		struct fy_request_block *b = r->cursor;
		if (!b)
			break;
		r->cursor = b->next;
		unsigned done = visit(r, s, b);
		visits++;
		budget -= done < PLENTY;
		all += done;
	}
	return all;
}

/* ---- the end ---------------------------------------------------------------------- */

size_t fy_requests_abandon(struct fy_requests *r, struct fy_mpi_starts *s)
{
	size_t n = r->n;
	while (r->first) {
		struct fy_request_block *b = r->first;
		r->first = b->next;
		for (unsigned i = 0; i < b->n; i++)
			b->waiting[i].done(s, &b->waiting[i], NULL, MPI_SUCCESS);
		free(b);
	}
	r->last = r->cursor = NULL;
	r->n = r->n_receives = 0;
	return n;
}

void fy_requests_free(struct fy_requests *r)
{
	while (r->spare) {
		struct fy_request_block *b = r->spare;
		r->spare = b->next;
		free(b);
	}
	r->n_spare = 0;
}
