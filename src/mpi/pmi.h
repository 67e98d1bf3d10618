/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

bool fy_mpi_pmi_barrier(void);
