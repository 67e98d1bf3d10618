/* SPDX-License-Identifier: Apache-2.0 */
/* Nonblocking and blocking operations of threads that share MPI. */
#pragma once

#include "preload/start.h"
#include "preload/next.h"

/* An operation that goes on: by the helm if that is free, else by the thread's lane. */
int fy_preload_post(struct fy_preload_start *start, MPI_Request *request);
/* The same, until it has ended. */
int fy_preload_post_block(struct fy_preload_start *start, MPI_Status *status);
/* A receive and a send, until both have ended. The caller has seen nothing wrong with either. */
int fy_preload_post_exchange(struct fy_preload_start *send, struct fy_preload_start *receive,
                             MPI_Status *status);
