/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that MPI has for the program, any number of them. A step tests a bounded number: see
 * requests.c. Everything here is the helm's.
 */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "mpi/start.h"

struct fy_mpi_starts;
struct fy_completion;

/* Called when a request is done. `status` NULL: it will not be, the engine ends and MPI keeps it.
 * `code`: MPI's. Takes the future's reference over. May add requests. */
typedef void fy_request_done(struct fy_mpi_starts *s, const struct fy_completion *waiting,
                             const MPI_Status *status, int code);

/* What happens once a request is done. */
struct fy_completion {
	fy_request_done *done;
	ferry_future *future; /* or NULL */
	void *arg;
	/* FY_START_*. Only a FY_START_RECV, for which a message may never come, is cancelled */
	uint32_t what;
	bool cancelled; /* MPI_Cancel was called */
};

#define FY_BLOCK_REQUESTS 64

struct fy_request_block {
	struct fy_request_block *next, *previous;
	unsigned n;
	bool look;  /* futures of receives may have been given up since the last visit */
	bool mixed; /* not all requests that are or were in it are sends */
	MPI_Request requests[FY_BLOCK_REQUESTS];
	struct fy_completion waiting[FY_BLOCK_REQUESTS];
};

struct fy_requests {
	struct fy_request_block *first, *last; /* oldest first */
	struct fy_request_block *cursor; /* where the next step goes on; NULL: behind the first */
	struct fy_request_block *spare;
	unsigned n_spare;
	size_t n, n_receives;
};

bool fy_requests_reserve_slow(struct fy_requests *r, size_t count);
/* Make sure that so many more requests can be added. False: no memory. */
static inline bool fy_requests_reserve(struct fy_requests *r, size_t count)
{
	return (r->last && r->last->n + count <= FY_BLOCK_REQUESTS) ||
	       fy_requests_reserve_slow(r, count);
}
/* Put a spare block behind the last one. */
void fy_requests_append(struct fy_requests *r);
/* Add a request, after fy_requests_reserve. The caller fills in the rest of what this returns, in
 * place: a copy of a struct that was just written would wait for all earlier stores, MPI's
 * included. */
static inline struct fy_completion *fy_requests_add(struct fy_requests *r, MPI_Request request,
                                                    fy_request_done *done, uint32_t what)
{
	if (!r->last || r->last->n == FY_BLOCK_REQUESTS)
		fy_requests_append(r);
	struct fy_request_block *b = r->last;
	struct fy_completion *w = &b->waiting[b->n];
	b->requests[b->n++] = request;
	*w = (struct fy_completion){ .done = done, .what = what };
	r->n++;
	if (what != FY_START_SEND) {
		b->mixed = true;
		r->n_receives += what == FY_START_RECV;
	}
	return w;
}
/* Test the oldest and some of the others. `idle`: there is nothing else to do. Returns how many
 * were done. */
unsigned fy_requests_test(struct fy_requests *r, struct fy_mpi_starts *s, bool idle);
/* Cancel receives whose future was given up, when a test comes to their block. `all`: cancel all
 * receives, at once. */
void fy_requests_cancel(struct fy_requests *r, bool all);
/* Forget all requests: calls done() without a status. Returns how many there were. */
size_t fy_requests_abandon(struct fy_requests *r, struct fy_mpi_starts *s);
void fy_requests_free(struct fy_requests *r);
