/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences on some ranks, the close on others: the fence ends with FERRY_EINVAL and says who closes,
 * the close stays entered, and ends well when all ranks have come to it. Once with a fence that is
 * waited for without limit, once with one that is resumed; and a fence of all, on one rank of which
 * it is pending when that one closes.
 */
#include "mpi_test.h"

#include <string.h>

static int rank, size;

static void names_who_closes(int closer)
{
	char name[64];
	snprintf(name, sizeof name, "rank %d is in ferry_close", closer);
	if (!strstr(ferry_last_error(), name))
		CHECK_FAIL("\"%s\" does not say \"%s\"", ferry_last_error(), name);
}

/* The last rank closes at once, the others fence first. */
static void fence_and_close(ferry *engine, bool resumed)
{
	if (rank != size - 1) {
		int status = ferry_fence(engine, resumed ? FERRY_MS(1) : FERRY_FOREVER);
		while (status == FERRY_PENDING)
			status = ferry_fence(engine, FERRY_MS(20));
		CHECK_INT(status, FERRY_EINVAL);
		names_who_closes(size - 1);
		CHECK_STATUS(ferry_fence(engine, 0), FERRY_EINVAL);
		names_who_closes(size - 1);
	}
	CHECK_OK(ferry_close(engine));
}

/* A fence that is pending belongs to the same one of the other ranks, also if they
 * close meanwhile. */
static void close_while_pending(ferry *engine)
{
	int status = ferry_fence(engine, rank ? FERRY_FOREVER : 0);
	CHECK(status == FERRY_OK || (rank == 0 && status == FERRY_PENDING));
	CHECK_OK(ferry_close(engine));
}

static ferry *open_engine(void)
{
	ferry *engine;
	CHECK_OK(ferry_open(NULL, &engine));
	rank = ferry_rank(engine);
	size = ferry_size(engine);
	return engine;
}

int main(void)
{
	ferry *first = open_engine(); /* keeps MPI running */
	for (int turn = 0; turn < 8; turn++) {
		ferry *engine = open_engine();
		if (turn % 2)
			CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
		if (turn < 6)
			fence_and_close(engine, turn >= 3);
		else
			close_while_pending(engine);
	}
	CHECK_OK(ferry_close(first));
	return 0;
}
