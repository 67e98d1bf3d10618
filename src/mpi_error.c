/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MPI says when it fails, and that it says it instead of ending the job.
 *
 * Our communicators return errors. But an operation that fails later, in
 * MPI_Test, belongs to no communicator as far as MPICH is concerned: it asks the
 * error handler of MPI_COMM_WORLD (4.0.2; later ones MPI_COMM_SELF's first, if it has
 * one), and that one ends the job by default. So while a port is open,
 * MPI_COMM_WORLD has a handler of ours, which lets an error return when it comes
 * from a call that was made under `fy_mpi_guarded`, and passes all others on to
 * the handler that was there before. That one is kept on a communicator of its own,
 * because MPI can only call the handler of a communicator.
 */
#include "mpi_life.h"

#include <stdarg.h>
#include <stdio.h>

#include "status.h"

/* Set by this thread around calls whose errors are to return; nobody else sees it. */
_Thread_local bool fy_mpi_guarded __attribute__((tls_model("initial-exec")));

_Static_assert(MPI_MAX_ERROR_STRING + 80 <= FY_TEXT_BYTES, "what MPI says has room");

void fy_mpi_set_text(const char *format, ...)
{
	char *text = fy_text();
	va_list arguments;
	if (!text)
		return;
	va_start(arguments, format);
	vsnprintf(text, FY_TEXT_BYTES, format, arguments);
	va_end(arguments);
}

const char *fy_mpi_text(const char *what, int code)
{
	char theirs[MPI_MAX_ERROR_STRING] = "";
	int length = 0;
	MPI_Error_string(code, theirs, &length);
	for (char *p = theirs; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	fy_mpi_set_text("%s: %s", what, theirs);
	return fy_mpi_last_text();
}

const char *fy_mpi_last_text(void)
{
	const char *text = fy_text();
	return text ? text : "MPI failed, and there is no memory for what it says";
}

#ifdef MPICH

/* Under the lock of mpi_life.c; `keeper` is read by any thread that meets an
 * error while the guard is up, which is after it was set. */
static MPI_Comm keeper = MPI_COMM_NULL;
static MPI_Errhandler before, guard = MPI_ERRHANDLER_NULL;

static void on_error(MPI_Comm *comm, int *code, ...)
{
	(void)comm;
	if (!fy_mpi_guarded)
		MPI_Comm_call_errhandler(keeper, *code);
}

void fy_mpi_guard_up(void)
{
	if (keeper != MPI_COMM_NULL)
		return;
	MPI_Comm_get_errhandler(MPI_COMM_WORLD, &before);
	MPI_Comm_dup(MPI_COMM_SELF, &keeper);
	MPI_Comm_set_errhandler(keeper, before);
	MPI_Comm_create_errhandler(on_error, &guard);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, guard);
}

/* The program may have set another handler meanwhile: that one stays. */
void fy_mpi_guard_down(void)
{
	MPI_Errhandler now;
	if (keeper == MPI_COMM_NULL)
		return;
	MPI_Comm_get_errhandler(MPI_COMM_WORLD, &now);
	if (now == guard)
		MPI_Comm_set_errhandler(MPI_COMM_WORLD, before);
	MPI_Errhandler_free(&now);
	MPI_Errhandler_free(&before);
	MPI_Errhandler_free(&guard);
	MPI_Comm_free(&keeper);
}

#else /* others ask the communicator of the request */

void fy_mpi_guard_up(void)
{
}

void fy_mpi_guard_down(void)
{
}

#endif
