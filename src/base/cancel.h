/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a thread of the program must not be cancelled. Any thread.
 */
#pragma once

#include <pthread.h>

/* Puts a cancellation off. For a thread of the program that holds something of the library's and
 * then calls what may be a cancellation point: MPI, the log, a handler. */
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
