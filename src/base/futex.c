/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: a thread sleeps on a word while it has an expected value. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/futex.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void fy_futex_wait(uint32_t *word, uint32_t expected, int64_t until, bool shared)
{
	/* FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock. */
	int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000),
		              .tv_nsec = (long)(until % 1000000000) };
	syscall(SYS_futex, word, op, expected, until == INT64_MAX ? NULL : &t, NULL,
	        FUTEX_BITSET_MATCH_ANY);
}

void fy_futex_wake(uint32_t *word, int threads, bool shared)
{
	syscall(SYS_futex, word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG), threads, NULL,
	        NULL, 0);
}
