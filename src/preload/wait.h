/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "preload/next.h"

/* MPI_Wait, while the layer is on. Any thread. */
int fy_preload_wait(MPI_Request *request, MPI_Status *status);
