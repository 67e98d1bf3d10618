/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every port must do, as checks that run over any of them. Where all ranks
 * are in one process the checks play all of them; under MPI every rank runs the
 * same checks and plays its own part: `port` tells which ranks are here.
 */
#ifndef PORT_CONFORMANCE_H
#define PORT_CONFORMANCE_H

#include <stdbool.h>
#include "port/port.h"

struct conformance {
	int ranks;
	/* The port of that rank, NULL when it is in another process. */
	fy_port *(*port)(struct conformance *c, int rank);
	/* Let things move a little. False: they do not any more, it is no use to go on. */
	bool (*turn)(struct conformance *c);
	/* All ranks have come here, and what was under way had time to move. */
	void (*gather)(struct conformance *c);
	/* The next send of that rank is refused. */
	void (*refuse)(struct conformance *c, int rank);
	/* How many misuses of memory were noticed; NULL where nobody can tell. */
	unsigned (*misuses)(struct conformance *c);
	/* A message that is too long for its receive may do harm: it is not tried. */
	bool never_truncate;
	const char *check; /* the name of the one that runs */
	unsigned failures;
	void *arg; /* the owner's */
};

struct conformance_check {
	const char *name;
	void (*run)(struct conformance *c);
};

/* Ends with a NULL name. */
extern const struct conformance_check conformance_checks[];

/* Run one, or all; how many expectations failed. Each is printed. */
unsigned conformance_run_one(struct conformance *c, const struct conformance_check *check);
unsigned conformance_run(struct conformance *c);

#endif
