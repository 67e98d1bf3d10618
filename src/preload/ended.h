/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has a request ended? For a thread that waits: the holder of the helm, or one that goes straight.
 *
 * MPI_Test takes in what has come for anybody, even if its request has ended already; MPI_Wait does
 * not, and neither does MPI_Request_get_status (MPICH 4.0.2, Open MPI 4.1). Messages that nobody
 * waits for yet stand in a list that MPI searches one by one, so they had better stay outside: with
 * MPI_Test 16 threads that receive from 16 got a seventh as many. Where nobody else waits MPI_Test
 * does no harm, and is one call instead of two.
 */
#pragma once

#include "preload/next.h"

enum fy_preload_ended_look {
	FY_ENDED_NOT,   /* and MPI has been asked once */
	FY_ENDED_YES,   /* MPI's functions that wait do not block */
	FY_ENDED_FAILED /* MPI_Test has to tell */
};
enum fy_preload_ended_look fy_preload_ended_look(MPI_Request request);
/* As MPI_Test, for a request of point-to-point communication. */
int fy_preload_ended(MPI_Request *request, int *flag, MPI_Status *status);
/* A request of another kind may go on in MPI_Test only (MPICH: those of files): of so many looks
 * one is that. */
#define FY_PRELOAD_LOOKS 8u
