/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the program that MPI has, any number of them, tested in bounded
 * work a step: see requests.c. Everything here is the helm's.
 */
#ifndef FY_MPI_REQUESTS_H
#define FY_MPI_REQUESTS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "mpi/start.h"

struct fy_mpi_starts;
struct fy_completion;

/* `status` NULL: never, the engine ends and MPI keeps the request. `code`: MPI's. The future's
 * reference goes over to it. It may add requests. */
typedef void fy_request_done(struct fy_mpi_starts *s, const struct fy_completion *waiting,
                             const MPI_Status *status, int code);

/* What is to happen once a request is done. */
struct fy_completion {
	fy_request_done *done;
	ferry_future *future; /* or NULL */
	void *arg;
	/* FY_START_*; a FY_START_RECV may find no message for ever, and is cancelled then */
	uint32_t what;
	bool cancelled; /* MPI was asked to */
};

#define FY_BLOCK_REQUESTS 64

struct fy_request_block {
	struct fy_request_block *next, *previous;
	unsigned n;
	bool look;  /* futures of receives may have been given up since the last visit */
	bool mixed; /* something in it is or was no send */
	MPI_Request requests[FY_BLOCK_REQUESTS];
	struct fy_completion waiting[FY_BLOCK_REQUESTS];
};

struct fy_requests {
	struct fy_request_block *first, *last; /* oldest first */
	struct fy_request_block
		*cursor; /* where the rotating look goes on; NULL: behind the first */
	struct fy_request_block *spare;
	unsigned n_spare;
	size_t n, n_receives;
};

bool fy_requests_reserve_slow(struct fy_requests *r, size_t count);
/* Room for so many more. False: no memory. */
static inline bool fy_requests_reserve(struct fy_requests *r, size_t count)
{
	return (r->last && r->last->n + count <= FY_BLOCK_REQUESTS) ||
	       fy_requests_reserve_slow(r, count);
}
/* Another block, of the spare ones, behind the last. */
void fy_requests_append(struct fy_requests *r);
/* Takes the request over; room must have been reserved. What is to happen is completed in its
 * place by the caller: a copy of what was just written would wait for all stores before it, MPI's
 * among them. */
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
/* Test the oldest and some of the others; `idle`: there is nothing else to do. How many
 * were done. */
unsigned fy_requests_test(struct fy_requests *r, struct fy_mpi_starts *s, bool idle);
/* Receives whose future was given up are cancelled as the test comes by; `all`: all receives,
 * at once. */
void fy_requests_cancel(struct fy_requests *r, bool all);
/* Forget all of them: done() with no status. How many there were. */
size_t fy_requests_abandon(struct fy_requests *r, struct fy_mpi_starts *s);
void fy_requests_free(struct fy_requests *r);

#endif
