/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ferry.h"
#include "port/port.h"

struct fy_starts;

int fy_life_create(fy_port *port, ferry_options *resolved, uint32_t first_seq, ferry **engine_p);
/* The same in two parts. The first does all that can fail on one rank alone, and tells the others.
 * The second waits for what the others say. If it fails it fails on all ranks; nothing is left of
 * the engine, and the port is the caller's to close. `starts`: for operations of MPI that the
 * program starts, or NULL; the engine takes it over in any case. `status`: of a failure before,
 * with its text as the thread's last error, or 0. */
struct fy_opening {
	fy_port *port;
	ferry *engine; /* NULL when this rank failed */
	int status;    /* this rank's */
	bool known;    /* all ranks know already that there will be no engine */
	char text[FY_SENTENCE];
};
void fy_life_prepare(struct fy_opening *opening, fy_port *port, struct fy_starts *starts,
                     ferry_options *resolved, uint32_t first_seq, int status);
int fy_life_settle(struct fy_opening *opening, ferry **engine_p);
/* After progress->close.stopped: free what the helm owns, and close the port. */
int fy_life_destroy(ferry *engine);
