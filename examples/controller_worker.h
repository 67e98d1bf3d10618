/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side, and what controller and workers say to each other. */
#ifndef CONTROLLER_WORKER_H
#define CONTROLLER_WORKER_H

#include <ferry_msgpack.h>

/*
 * The operations, numbered as in unidist, and their data. An id is a whole number. A value is a
 * matrix (EXT_MATRIX), or a text: the error of the task that should have made the value.
 */
enum operation {
	/* [name, id of the result, argument...]; an argument is a number, a matrix, or an EXT_ID */
	EXECUTE = 1,
	/* [id, true]: a call, answered with [id, value]; [id, false]: send it to me as PUT_DATA */
	GET = 2,
	PUT_DATA = 3, /* [id, value] */
	PUT_OWNER =
		4,   /* [id, rank, n]: the rank that has the value, or will; the highest n counts */
	WAIT = 5,    /* [id]: a call, answered when the value is there */
	CLEANUP = 8, /* [id...]: nobody asks for these any more; serialized once for all workers */
	CANCEL = 11, /* without data: leave the loop */
	WATCH = 12,  /* []: a call, answered when the worker leaves; not in the original */
};

/* What a worker did. */
struct worker_report {
	/* tasks that it ran; values that it asked other workers for; values left at the end */
	uint64_t tasks, fetched, held;
};

/* Unless status is 0: print `what` was done and why it failed, and end this process and the job. */
void must(int status, const char *what);
/* Read a message of [id, ...] with at least `count` elements. Any other message ends the
 * process. */
const msgpack_object *read_array(ferry_message *message, unsigned count);

/* Serve until CANCEL. dies_after != 0: this process kills itself after so many tasks. */
void worker_loop(ferry *engine, struct worker_report *report, uint64_t dies_after);

#endif
