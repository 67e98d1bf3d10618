/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full fence for every running thread of the process, by membarrier(2). Any thread. On a kernel
 * without membarrier only the calling thread fences, and the threads that it pairs with have to
 * fence by themselves.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/barrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/order.h"

static pthread_once_t barrier_once = PTHREAD_ONCE_INIT;
static bool barrier_works; /* constant after barrier_once */

static void barrier_register(void)
{
	long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	if (can > 0 && (can & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		barrier_works = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		                        0, 0) == 0;
}

bool fy_barrier_is_everywhere(void)
{
	pthread_once(&barrier_once, barrier_register);
	return barrier_works;
}

void fy_barrier_everywhere(void)
{
	if (fy_barrier_is_everywhere())
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	fy_fence_full();
}
