/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_MPI_PMI_H
#define FY_MPI_PMI_H

#include <stdbool.h>

bool fy_mpi_pmi_barrier(void);

#endif
