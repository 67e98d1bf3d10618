/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "port/port.h"

void fy_mpi_verdict_first_of(int *first, int code);
int fy_mpi_verdict_agree(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p);
void fy_mpi_verdict_offer(fy_port *port, int status, const char *text);
int fy_mpi_verdict_settle(fy_port *port, char text[FY_SENTENCE], int *rank_p);
