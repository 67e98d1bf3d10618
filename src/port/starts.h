/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of MPI that the program starts, as the step sees them: how many there are, and a table
 * of functions. They are handed over with the port when the engine is opened. Only the holder of
 * the helm calls the functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"

struct fy_start_ops;

/* An engine on which the program cannot start operations has none of these. */
struct fy_starts {
	const struct fy_start_ops *ops;
	size_t under_way; /* requests to be tested */
	/* of these, how many a close waits for: all but receives that may never match */
	size_t awaited;
	/* set when the engine is made: */
	ferry *engine;
	const bool *stopped; /* the helm's: the close is over */
};

struct fy_start_ops {
	/* Take the body of a FY_OP_START record, and its future. False: no memory now, the record
	 * stays in its lane. */
	bool (*take)(struct fy_starts *s, const void *start, ferry_future *future);
	/* Complete the future of such a record, which will not be started. */
	void (*fail)(struct fy_starts *s, const void *start, ferry_future *future, int status,
	             const char *detail);
	/* Test a bounded number of requests. `idle`: the step has found nothing to do so far.
	 * `code`: functions of the program may run. True: something was done. */
	bool (*step)(struct fy_starts *s, bool idle, bool code);
	/* In each step after the close is agreed: end receives that found no message. */
	void (*end)(struct fy_starts *s);
	/* The engine ends, orderly or not: complete all open futures, and leave MPI the memory that
	 * it uses. Returns how many operations still use memory. */
	size_t (*abandon)(struct fy_starts *s);
	void (*free)(struct fy_starts *s);
};
