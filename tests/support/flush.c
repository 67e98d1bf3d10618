/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into all programs by build-aux/coverage.sh: a process that ends without exit writes its
 * counts, too. What a signal ends still leaves none.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void __gcov_dump(void);

typedef void end_fn(void);
typedef void end_with_fn(int);

/* The function that stands behind ours. */
static void *behind(const char *name)
{
	__gcov_dump();
	return dlsym(RTLD_NEXT, name);
}

void abort(void)
{
	((end_fn *)behind("abort"))();
	__builtin_unreachable();
}

void _exit(int status)
{
	((end_with_fn *)behind("_exit"))(status);
	__builtin_unreachable();
}

void _Exit(int status)
{
	_exit(status);
}

/* It ends the process in whichever way the launcher chooses. */
int MPI_Abort(uintptr_t comm, int status) /* a number or an address, as the MPI has it */
{
	int (*next)(uintptr_t, int) = behind("MPI_Abort");
	return next ? next(comm, status) : 0;
}
