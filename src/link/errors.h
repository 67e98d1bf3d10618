/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct errors of an engine, each once, for the monitor file. The helm's. */
#pragma once

#include <stdint.h>

#include "monitor/format.h"

struct fy_link;

struct fy_errors {
	unsigned n;
	unsigned last;     /* the one that came last: it mostly comes again */
	uint64_t left_out; /* for which there was no room */
	struct fy_monitor_error list[FY_MONITOR_N_ERRORS];
};

/* It happened once more. `rank`: that it is about, or -1. `text` may be NULL. */
void fy_errors_note(struct fy_link *link, int status, int rank, const char *text);
