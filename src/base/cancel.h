/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a thread of the program must not be cancelled. Any thread.
 */
#ifndef FY_BASE_CANCEL_H
#define FY_BASE_CANCEL_H

#include <pthread.h>

/* Where a thread of the program holds something of the library's and what is called then, MPI, the
 * log, a handler, may be a cancellation point: a cancellation waits. */
static inline int fy_cancel_later(void)
{
	int before;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}
static inline void fy_cancel_as(int before)
{
	pthread_setcancelstate(before, &before);
}

#endif
