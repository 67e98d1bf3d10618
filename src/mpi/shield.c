/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shield: errors of MPI reach the error handler of their own communicator. Any thread that
 * calls MPI for the engine.
 *
 * An error should be raised on the communicator of its operation: the library's return errors, and
 * for the program's the program has chosen a handler. Open MPI does so, and so does MPICH for
 * errors that it finds when an operation is started. But errors that MPICH finds when an operation
 * ends (a message that was cut off) it raises on MPI_COMM_WORLD, whichever communicator the
 * operation was on (4.0.2: in MPI_Test, MPI_Testsome, MPI_Wait, MPI_Request_get_status). By default
 * that ends the job.
 *
 * So a call that may find such an error is made under the shield: MPI_COMM_WORLD gets a handler of
 * the library just before the call, and its own handler again just after it. Then the error is
 * raised on the communicator that it belongs to. To be seldom seen by other threads of the program,
 * the shield is up only
 *  - when a receive of the engine seems to be done, and in every 256th look (port.c);
 *  - while the program has anything but sends under way (requests.c);
 *  - while engines are opened and closed.
 *
 * A thread that asks just then for the handler of MPI_COMM_WORLD gets the library's, and so does a
 * communicator that it duplicates from MPI_COMM_WORLD. That handler passes errors on to the
 * program's handler, unless they come from under the shield. The program's handler is kept on a
 * communicator of its own (the keeper), because MPI calls handlers for communicators only. So a
 * fatal error is still fatal, MPI_ERRORS_RETURN still returns, and a function of the program is
 * called, though for the keeper. A handler that the program sets meanwhile stays. The library's
 * handler and the keeper are never freed, because the program may have got that handler.
 */
#include "mpi/shield.h"

#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/fail.h"
#include "base/order.h"

_Static_assert(MPI_MAX_ERROR_STRING + 80 <= FY_TEXT_BYTES, "what MPI says has room");

#ifdef MPICH

/* This thread is under the shield. */
static FY_THREAD_LOCAL bool shielded;

/* Held while the shield is up: several engines' threads may want it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* These two are made once, under lock, before any other thread can get `ours`. */
static MPI_Errhandler ours = MPI_ERRHANDLER_NULL;
static MPI_Comm keeper = MPI_COMM_NULL; /* has the program's handler while the shield is up */
static MPI_Errhandler theirs;           /* the program's handler; under lock */
static bool up;                         /* under lock */

/* MPICH does not let a handler use the communicator that it is called for. */
static void on_error(MPI_Comm *comm, int *code, ...)
{
	(void)comm;
	if (!shielded)
		MPI_Comm_call_errhandler(keeper, *code);
}

static bool make_shield(void)
{
	if (ours != MPI_ERRHANDLER_NULL)
		return true;
	if (keeper == MPI_COMM_NULL && MPI_Comm_dup(MPI_COMM_SELF, &keeper) != MPI_SUCCESS)
		keeper = MPI_COMM_NULL;
	theirs = MPI_ERRORS_ARE_FATAL;
	return keeper != MPI_COMM_NULL && MPI_Comm_set_errhandler(keeper, theirs) == MPI_SUCCESS &&
	       MPI_Comm_create_errhandler(on_error, &ours) == MPI_SUCCESS;
}

/* Keep the program's handler, of which the caller just got a reference, on the keeper, where it
 * stays valid even if the program frees it. */
static bool keep(MPI_Errhandler handler)
{
	bool kept = handler == ours || handler == theirs;
	if (!kept && MPI_Comm_set_errhandler(keeper, handler) == MPI_SUCCESS) {
		theirs = handler;
		kept = true;
	}
	MPI_Errhandler_free(&handler);
	return kept;
}

void fy_mpi_shield_up(void)
{
	MPI_Errhandler handler;
	pthread_mutex_lock(&lock);
	shielded = true;
	up = make_shield() && MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler) == MPI_SUCCESS &&
	     keep(handler) && theirs != MPI_ERRORS_RETURN &&
	     MPI_Comm_set_errhandler(MPI_COMM_WORLD, ours) == MPI_SUCCESS;
}

void fy_mpi_shield_down(void)
{
	MPI_Errhandler handler;
	if (up && MPI_Comm_get_errhandler(MPI_COMM_WORLD, &handler) == MPI_SUCCESS) {
		if (handler == ours)
			MPI_Comm_set_errhandler(MPI_COMM_WORLD, theirs);
		MPI_Errhandler_free(&handler);
	}
	shielded = false;
	pthread_mutex_unlock(&lock);
}

void fy_mpi_shield_raise(MPI_Comm comm, int code)
{
	MPI_Comm_call_errhandler(comm, code);
}

#else /* other MPIs raise errors on the right communicator */

void fy_mpi_shield_up(void)
{
}

void fy_mpi_shield_down(void)
{
}

void fy_mpi_shield_raise(MPI_Comm comm, int code)
{
	(void)comm;
	(void)code;
}

#endif
