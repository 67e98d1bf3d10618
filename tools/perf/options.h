/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_OPTIONS_H
#define PERF_OPTIONS_H

#include <stdio.h>

#include "perf.h"

enum perf_request {
	PERF_RUN,
	PERF_HELP,
	PERF_VERSION,
	PERF_WRONG, /* `error` says what is wrong and what would be right */
};

/* Read the command line; needs no MPI. */
enum perf_request perf_options_parse(struct perf_options *options, int argc, char **argv,
                                     char *error, size_t error_size);
void perf_options_help(FILE *file);

/* Whether --peers names it; "all" and "none" are lists, too. */
bool perf_options_has_peer(const struct perf_options *options, const char *name);
/* Whether --forms names it, or nothing. */
bool perf_options_has_form(const struct perf_options *options, const char *name);

#endif /* PERF_OPTIONS_H */
