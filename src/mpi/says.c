/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that calls MPI may be stuck in there, so it only notes what it waits for: the stage.
 * The thread of the program that waits for it, in ferry_open or ferry_close, speaks. Without a
 * progress thread both are one: that one speaks while it waits for a request, and is silent inside
 * of MPI.
 *
 * Opens and closes of a process come one at a time, so it has one stage.
 */
#include "mpi/says.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/order.h"

/* Both are written by the thread that calls MPI and read by the one that speaks. */
static const char *stage;                /* release, acquire: with what it points to */
static uint32_t stage_rank = UINT32_MAX; /* relaxed: it stands for itself */

static FY_THREAD_LOCAL struct fy_mpi_says *alone;

/* How long (ns) a call waits before it speaks for the first time. FERRY_TEST_SAYS (ms) is for tests
 * only. */
static int64_t patience(void)
{
	const char *text = getenv("FERRY_TEST_SAYS");
	int64_t ms = text ? strtoll(text, NULL, 10) : 0;
	return ms > 0 ? FERRY_MS(ms) : FERRY_S(10);
}

void fy_mpi_says_begin(struct fy_mpi_says *says, const char *call, struct fy_log *log, int rank)
{
	*says = (struct fy_mpi_says){
		.call = call, .log = log, .rank = rank, .since = fy_clock_now(), .pause = patience()
	};
	says->next = says->since + says->pause;
}

bool fy_mpi_says_is_due(struct fy_mpi_says *says)
{
	int64_t now = fy_clock_now();
	if (now < says->next)
		return false;
	says->pause *= 2;
	says->next = now + says->pause;
	return true;
}

void fy_mpi_says_now(const struct fy_mpi_says *says, const char *what)
{
	int rank = says->rank >= 0 ? says->rank : (int)fy_load_relaxed_32(&stage_rank);
	/* no floating point: some locales write a comma instead of the point */
	long long tenths = (fy_clock_now() - says->since) / FERRY_MS(100);
	fy_log_say(says->log, rank, "%s has waited %lld.%lld s for: %s", says->call, tenths / 10,
	           tenths % 10, what);
}

void fy_mpi_says_look(struct fy_mpi_says *says)
{
	const char *what = fy_load_acquire_ptr(&stage);
	if (fy_mpi_says_is_due(says))
		fy_mpi_says_now(says, what ? what : "another thread of the library");
}

void fy_mpi_says_stage(const char *what)
{
	fy_store_release_ptr(&stage, (void *)(uintptr_t)what);
}

void fy_mpi_says_rank(int rank)
{
	fy_store_relaxed_32(&stage_rank, (uint32_t)rank);
}

void fy_mpi_says_alone(struct fy_mpi_says *says)
{
	alone = says;
}

void fy_mpi_says_between(void)
{
	if (alone)
		fy_mpi_says_look(alone);
}
