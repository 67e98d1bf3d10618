/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* While an engine is open MPI_Finalize is a mistake, and ends the job with a sentence. */
void fy_mpi_presence_begin(void);
void fy_mpi_presence_end(bool clean);
