/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the step needs of operations of MPI that the program started: how many there are, and a
 * table of functions that the port brings along. Called by the holder of the helm alone.
 */
#ifndef FY_PORT_STARTS_H
#define FY_PORT_STARTS_H

#include <stdbool.h>
#include <stddef.h>

struct fy_progress;
struct fy_record;

/* What the loop knows of them; the rest is behind this struct, in the port's library. */
struct fy_starts {
	size_t under_way; /* requests that are to be tested */
	/* of these, what a close waits for: all but receives that may never match */
	size_t awaited;
};

/* By the holder of the helm. */
struct fy_start_ops {
	/* Take a FY_OP_START record. False: no memory now, it stays in its lane. */
	bool (*take)(struct fy_progress *p, const struct fy_record *r);
	/* Such a record will not be started; also before the first take. */
	void (*fail)(struct fy_progress *p, const struct fy_record *r, int status,
	             const char *detail);
	/* The others need p->starts, which the first take makes. A bounded look at the requests: */
	void (*step)(struct fy_progress *p);
	/* The close is agreed: receives that found no message end now. Again each step. */
	void (*end)(struct fy_progress *p);
	/* The engine ends, orderly or not: futures that are still open complete, and what MPI has
	 * stays its own. */
	void (*abandon)(struct fy_progress *p);
	void (*free)(struct fy_progress *p);
};

#endif
