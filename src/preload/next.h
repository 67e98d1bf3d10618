/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of MPI behind this library's own: those of the tool that stands next, or of MPI.
 * fy_next.Isend(...) is MPI_Isend as the program would have called it without us. Any thread.
 *
 * Which ones there are says functions.list. For a name that mpi.h declares there is FY_HAS_NAME,
 * as in FY_HAS_Isend_c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What is defined with the name of a function of MPI is seen from outside. */
#pragma GCC visibility push(default)
#include <mpi.h>
#pragma GCC visibility pop

/* With Open MPI a handle such as MPI_COMM_WORLD is the address of a variable in its library. It is
 * looked up as the functions are, because this library is linked with no MPI. */
#ifdef OMPI_PREDEFINED_GLOBAL
#define FY_NEXT_HANDLES(HANDLE)        \
	HANDLE(ompi_message_no_proc)   \
	HANDLE(ompi_message_null)      \
	HANDLE(ompi_mpi_byte)          \
	HANDLE(ompi_mpi_comm_null)     \
	HANDLE(ompi_mpi_comm_self)     \
	HANDLE(ompi_mpi_comm_world)    \
	HANDLE(ompi_mpi_datatype_null) \
	HANDLE(ompi_mpi_int)           \
	HANDLE(ompi_mpi_packed)        \
	HANDLE(ompi_request_null)
#undef OMPI_PREDEFINED_GLOBAL
#define OMPI_PREDEFINED_GLOBAL(type, name) ((type)fy_next.name)
#else
#define FY_NEXT_HANDLES(HANDLE)
#endif

#define FY_NEXT(name, type, params, args) type(*name) params;
#define FY_NEED FY_NEXT
#define FY_ALSO FY_NEXT
#define FY_NEXT_HANDLE(name) void *name;
struct fy_next {
#include "preload/next.inc"
	FY_NEXT_HANDLES(FY_NEXT_HANDLE)
};
#undef FY_NEXT_HANDLE
#undef FY_NEXT
#undef FY_NEED
#undef FY_ALSO

/* Before fy_next_find it is empty. */
extern struct fy_next fy_next;

/* Find them; only the first call looks. 0, or -1 with a sentence: a function is missing, there is
 * no MPI in this process or another one than the library was built for, or a second library of this
 * kind is loaded. */
int fy_next_find(char *why, size_t size);

/* The same, and without them the process ends with the sentence. */
void fy_next_need(void);

/* Is there a function with a name that we wrap that the program calls instead of ours, because a
 * tool stands before us? Then its name, with MPI_, and the file that it is in. */
bool fy_next_is_covered(const char **name, const char **file);
