/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side, and what controller and workers say to each other. */
#ifndef CONTROLLER_WORKER_H
#define CONTROLLER_WORKER_H

#include <ferry_msgpack.h>

/*
 * The operations, numbered as in unidist, and their data. An id is a whole
 * number; a value is a matrix (EXT_MATRIX), or a text: the error of the task
 * that should have made it.
 */
enum operation {
	/* [name, id of the result, argument...]; an argument is a number, a matrix, or an EXT_ID */
	EXECUTE = 1,
	/* [id, true]: a call, answered with [id, value]; [id, false]: send it to me as PUT_DATA */
	GET = 2,
	PUT_DATA = 3,  /* [id, value] */
	PUT_OWNER = 4, /* [id, rank]: who has it, or will have it */
	WAIT = 5,      /* [id]: a call, answered when it is there */
	CLEANUP = 8, /* [id...]: nobody asks for these any more; serialized once for all workers */
	CANCEL = 11, /* without data: leave the loop */
};

/* What a worker did. */
struct worker_report {
	/* run; values asked of other workers; values left at the end */
	uint64_t tasks, fetched, held;
};

/* End this process, and with it the job, unless status is 0: what was done, and why it failed. */
void must(int status, const char *what);
/* Read a message of [id, ...] with at least `count` elements. Ends the process if it is none. */
const msgpack_object *read_array(ferry_message *message, unsigned count);

/* Serve until CANCEL. */
void worker_loop(ferry *engine, struct worker_report *report);

#endif
