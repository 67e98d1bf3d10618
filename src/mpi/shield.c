/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MPI says when it fails, and that it says it to whom it concerns.
 *
 * An error of an operation is the business of its communicator: ours return errors, and on one of
 * the program's the program has chosen what happens. So it is with Open MPI, and with MPICH for
 * what a call that starts something finds wrong. But what MPICH finds wrong with an operation that
 * ends (a message that was cut off) it raises on MPI_COMM_WORLD, whichever communicator it was on
 * (4.0.2: MPI_Test, MPI_Testsome, MPI_Wait, MPI_Request_get_status: all of them), and that one ends
 * the job by default.
 *
 * So the call that may find such an error is made under a shield: MPI_COMM_WORLD gets a handler of
 * ours just before it, and its own again just behind it. Then the error is raised on the
 * communicator that it belongs to. To be seldom seen by other threads of the program, the shield is
 * up only
 *  - where a receive of ours has come, as far as its memory says, and in every 256th
 *    look (port.c);
 *  - while the program has something under way that is no send (requests.c);
 *  - while engines are opened and closed.
 * A thread that is inside MPI just then sees our handler if it asks for MPI_COMM_WORLD's, and a
 * communicator that it duplicates from it inherits it. It passes on what does not come from under
 * the shield: to the program's handler, which is kept on a communicator of its own, because MPI
 * only calls handlers of communicators. So a fatal error is fatal, one that is to return returns,
 * and a function of the program's is called, though for that communicator. A handler that the
 * program sets meanwhile stays. Ours and the keeper are never freed, because of who has ours.
 */
#include "mpi/shield.h"

#include <mpi.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/fail.h"

_Static_assert(MPI_MAX_ERROR_STRING + 80 <= FY_TEXT_BYTES, "what MPI says has room");

#ifdef MPICH

/* Set by this thread while it is behind the shield; nobody else sees it. */
static _Thread_local bool shielded __attribute__((tls_model("initial-exec")));

/* of the shield: each engine has a thread */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Both are made once, under lock, before any thread can meet ours. */
static MPI_Errhandler ours = MPI_ERRHANDLER_NULL;
static MPI_Comm keeper = MPI_COMM_NULL; /* has the program's handler meanwhile */
static MPI_Errhandler theirs;           /* that one, under lock */
static bool up;                         /* under lock */

/* MPICH lets a handler do nothing with the communicator that it is called for. */
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

/* What a reference to was just asked for. The keeper keeps it beyond the program's own use
 * of it. */
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

#else /* others raise it where it belongs */

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
