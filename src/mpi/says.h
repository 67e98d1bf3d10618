/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are told of an open or a close that takes long: what it waits for, on stderr and in
 * the log, after a while and then after twice as long each time. See says.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* Of one call. Only its thread. */
struct fy_mpi_says {
	const char *call;
	struct fy_log *log; /* NULL: none */
	int rank;           /* -1: not known yet */
	int64_t since, next, pause;
};

void fy_mpi_says_begin(struct fy_mpi_says *says, const char *call, struct fy_log *log, int rank);
/* Is it time to speak? Once true it is not for twice as long. */
bool fy_mpi_says_is_due(struct fy_mpi_says *says);
/* Say that the call waits for `what`. */
void fy_mpi_says_now(const struct fy_mpi_says *says, const char *what);
/* Say what the thread that calls MPI waits for, if it is time. */
void fy_mpi_says_look(struct fy_mpi_says *says);

/* For the thread that calls MPI: what it waits for from here on, words that are constant. */
void fy_mpi_says_stage(const char *what);
/* Likewise: which rank this is. -1: not known yet */
void fy_mpi_says_rank(int rank);
/* This thread calls MPI for its own call of the library: fy_mpi_says_between, which is called
 * between two looks at a request, speaks. NULL: no more. */
void fy_mpi_says_alone(struct fy_mpi_says *says);
void fy_mpi_says_between(void);
