/* SPDX-License-Identifier: Apache-2.0 */
/* An MPI of a few functions, which stands behind the layer instead of a real one. */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "base/order.h"
#include "preload/next.h"

#define FAKE_MAX (1u << 20)

/* What was started, in this order: the counts of sends. Written by the holder of the helm. */
extern int *fake_started;
/* atomic add by the holder, read by all (acquire) */
extern uint32_t fake_n_started;
extern uint32_t fake_tests; /* calls of MPI_Test and its like, for what is not null */
/* A request of this MPI: bit i of `over`: request i has ended. */
extern uint32_t fake_over;
/* how many threads are in this MPI by the helm: never two */
extern uint32_t fake_inside;
extern bool fake_fails; /* starts fail */

void fake_begin(void);
void fake_end(void);
MPI_Request fake_request(int index);
