/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that the program starts, as the step sees them: how many there are, and a table
 * of functions. Who opens the engine hands them over with the port. Called by the holder of the
 * helm alone.
 */
#ifndef FY_PORT_STARTS_H
#define FY_PORT_STARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"

struct fy_start_ops;

/* Where the program may start nothing there is none. */
struct fy_starts {
	const struct fy_start_ops *ops;
	size_t under_way; /* requests that are to be tested */
	/* of these, what a close waits for: all but receives that may never match */
	size_t awaited;
	/* set when the engine is made: */
	ferry *engine;
	const bool *stopped; /* the helm's: nothing is left to be done */
};

struct fy_start_ops {
	/* Take the body of a FY_OP_START record, and its future. False: no memory now, it stays in
	 * its lane. */
	bool (*take)(struct fy_starts *s, const void *start, ferry_future *future);
	/* Such a record will not be started. */
	void (*fail)(struct fy_starts *s, const void *start, ferry_future *future, int status,
	             const char *detail);
	/* A bounded look at the requests. `idle`: the step has found nothing to do so far; `code`:
	 * functions of the program may run. True: something was done. */
	bool (*step)(struct fy_starts *s, bool idle, bool code);
	/* The close is agreed: receives that found no message end now. Again each step. */
	void (*end)(struct fy_starts *s);
	/* The engine ends, orderly or not: futures that are still open complete, and what MPI has
	 * stays its own. How much that is. */
	size_t (*abandon)(struct fy_starts *s);
	void (*free)(struct fy_starts *s);
};

#endif
