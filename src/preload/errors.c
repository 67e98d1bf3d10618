/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that MPI finds when an operation ends: any thread. errors.h says what becomes of them. */
#include "preload/errors.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/order.h"
#include "preload/caller.h"
#include "preload/next.h"

FY_THREAD_LOCAL struct fy_preload_errors_here fy_preload_errors_here;

#ifdef MPICH

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* MPI_COMM_NULL until it is made, by one thread (release); then constant, read by all (acquire) */
static uint32_t keeper = (uint32_t)MPI_COMM_NULL;

MPI_Comm fy_preload_errors_place(MPI_Comm comm)
{
	MPI_Comm kept = (MPI_Comm)fy_load_acquire_32(&keeper);
	return comm == MPI_COMM_WORLD && kept != MPI_COMM_NULL ? kept : comm;
}

static void on_error(MPI_Comm *comm, int *code, ...)
{
	(void)comm;
	if (fy_preload_errors_here.quiet)
		fy_preload_errors_here.silent = true;
	else
		fy_next.Comm_call_errhandler(fy_preload_errors_place(MPI_COMM_WORLD), *code);
}

static void make(void)
{
	MPI_Errhandler theirs, ours;
	MPI_Comm made;
	if (fy_next.Comm_dup(MPI_COMM_SELF, &made) != MPI_SUCCESS)
		return;
	if (fy_next.Comm_create_errhandler(on_error, &ours) != MPI_SUCCESS ||
	    fy_next.Comm_get_errhandler(MPI_COMM_WORLD, &theirs) != MPI_SUCCESS)
		return;
	fy_next.Comm_set_errhandler(made, theirs);
	fy_store_release_32(&keeper, (uint32_t)made);
	fy_next.Comm_set_errhandler(MPI_COMM_WORLD, ours);
}

void fy_preload_errors_watch(void)
{
	pthread_once(&once, make);
}

int fy_preload_errors_raise(MPI_Comm comm, int code, bool silent)
{
	if (silent)
		fy_next.Comm_call_errhandler(fy_preload_errors_place(comm), code);
	return code;
}

#else

MPI_Comm fy_preload_errors_place(MPI_Comm comm)
{
	return comm;
}

void fy_preload_errors_watch(void)
{
	fy_store_release_32(&fy_caller_all.alone, 1);
}

int fy_preload_errors_raise(MPI_Comm comm, int code, bool silent)
{
	(void)comm;
	(void)silent;
	return code;
}

#endif
