/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "preload/next.h"

/* MPI_Wait, while the layer is on. Any thread. An error of a request of MPI's own is one of
 * `comm`. */
int fy_preload_wait(MPI_Request *request, MPI_Status *status, MPI_Comm comm);
