/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "ferry.h"

struct fy_mpi_starts;
struct fy_start;

void fy_gather_step(struct fy_mpi_starts *s);
bool fy_gather_begin(struct fy_mpi_starts *s, const struct fy_start *a, ferry_future *future);
void fy_gather_abandon(struct fy_mpi_starts *s);
