/* SPDX-License-Identifier: Apache-2.0 */
/* What is checked of an open: all ranks say the same of it, and the engine works. */
#pragma once

#include <mpi.h>

#include "system.h"

static inline void check_same(int status)
{
	int mine[2] = { status, -status }, all[2];

	MPI_Allreduce(mine, all, 2, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
	if (all[0] != -all[1])
		CHECK_FAIL("this rank's open is %s, and not so everywhere (%s)",
		           ferry_strname(status), ferry_last_error());
}

/* Each rank hears its neighbour. */
static inline void check_works(ferry *engine)
{
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	ferry_message *message;

	CHECK_OK(ferry_post(engine, next, 1, "hello", 6, NULL));
	CHECK_OK(ferry_recv(engine, FERRY_ANY, 1, FERRY_FOREVER, &message));
	CHECK(strcmp(ferry_message_body(message, NULL), "hello") == 0);
	ferry_message_release(message);
}
