/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that MPI finds when an operation ends. The thread that waits has to get them, by the
 * handler of the operation's communicator; but the holder of the helm is who tests, and MPICH
 * raises such errors on MPI_COMM_WORLD, whatever the communicator is (4.0.2: in MPI_Test and its
 * like).
 *
 * So once the program sets an error handler, MPI_COMM_WORLD gets one of the layer. While a request
 * is tested that one keeps silent, and the thread that waits raises the error afterwards. At any
 * other time it calls the program's handler of MPI_COMM_WORLD, which is kept on a communicator of
 * its own (the keeper), because MPI calls handlers for communicators only. What the program asks
 * and sets of the handler of MPI_COMM_WORLD is that of the keeper. Until the program sets a handler
 * all errors end the job, and there is nothing to do.
 *
 * Open MPI raises such errors on the right communicator, in the thread that tests: there nobody
 * tests for others (caller.h, `alone`) once the program has a handler.
 */
#pragma once

#include <stdbool.h>

#include "base/order.h"
#include "preload/next.h"

struct fy_preload_errors_here {
	bool quiet;  /* this thread tests requests */
	bool silent; /* an error was kept silent */
};
extern FY_THREAD_LOCAL struct fy_preload_errors_here fy_preload_errors_here;

/* The program is about to set an error handler. */
void fy_preload_errors_watch(void);
/* Where the handler that the program means is: the keeper for MPI_COMM_WORLD. */
MPI_Comm fy_preload_errors_place(MPI_Comm comm);

/* A call that tests requests. `silent`: it failed, and nobody was told. A function of the program
 * that MPI calls meanwhile may test requests itself. */
#define FY_ERRORS_KEEP(silent_p, call)                                                     \
	({                                                                                 \
		struct fy_preload_errors_here before_ = fy_preload_errors_here;            \
		fy_preload_errors_here = (struct fy_preload_errors_here){ .quiet = true }; \
		int code_ = (call);                                                        \
		*(silent_p) = fy_preload_errors_here.silent;                               \
		fy_preload_errors_here = before_;                                          \
		code_;                                                                     \
	})
/* Tell of it now. Returns the code. */
int fy_preload_errors_raise(MPI_Comm comm, int code, bool silent);
