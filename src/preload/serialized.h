/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level two: MPI is initialized for one thread at a time (MPI_THREAD_SERIALIZED), and every
 * function of mpi.h is called with the helm held, whoever calls it: the program, or this library. A
 * function that waits for other ranks, and has a nonblocking form, is that form and a wait, during
 * which others have the helm, too. What has none keeps the helm until it ends (held.h).
 *
 * A nonblocking collective operation does not match a blocking one, so all ranks need this.
 */
#pragma once

/* MPI was initialized, by this thread: from here on fy_next has these functions. */
void fy_preload_serialized_begin(void);
