/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of ranks, told from the batches that went between them. */
#pragma once

#include "timeline/job.h"

/* Set the clock of each file. False: no memory. */
bool trace_align(struct trace_job *job);
const char *trace_align_method(enum trace_method method);
