/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_GNUPLOT_H
#define PERF_GNUPLOT_H

#include <stdbool.h>
#include <stdio.h>

/* The terminal for the ending of this file's name. NULL: there is none. */
const char *perf_gnuplot_terminal(const char *path);
/* A file for gnuplot to read. NULL, with a message: it cannot be written. */
FILE *perf_gnuplot_open(const char *input);
/* Write a string in gnuplot's syntax. `tick`: it is the name of a tick. */
void perf_gnuplot_quote(FILE *file, const char *text, bool tick);
/* Let gnuplot read the input. False, with gnuplot's message: it failed. Without gnuplot a message
 * says where the input is. */
bool perf_gnuplot_run(const char *input);

#endif /* PERF_GNUPLOT_H */
