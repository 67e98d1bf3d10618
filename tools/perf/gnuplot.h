/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_GNUPLOT_H
#define PERF_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

/* The terminal that draws into a file of this name, by its ending; NULL: none does. */
const char *perf_gnuplot_terminal(const char *path);
/* A file for gnuplot to read. NULL, with a message: it cannot be written. */
FILE *perf_gnuplot_open(const char *input);
/* A string of gnuplot's; `tick`: the name of a tick. */
void perf_gnuplot_quote(FILE *file, const char *text, bool tick);
/* Let gnuplot read that. False, with its own words: it failed. It need not be installed: then a
 * message says where the input is. */
bool perf_gnuplot_run(const char *input);

#endif /* PERF_GNUPLOT_H */
