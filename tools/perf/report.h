/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_REPORT_H
#define PERF_REPORT_H

#include <stdio.h>

#include "perf.h"

/* For people: a table with medians and ratios. */
void perf_report_table(FILE *file, const struct perf_world *world,
                       const struct perf_result *result);

/* For programs: every value. */
void perf_report_json(FILE *file, const struct perf_world *world, const struct perf_result *result);

/* Draw a picture into `path`. Without gnuplot its input is left there, and a message says so.
 * False, with a message: it failed. */
bool perf_report_plot(const char *path, const struct perf_world *world,
                      const struct perf_result *result);

/* Has Ferry kept the limits of the metrics that have one? Says in `file` where not. */
bool perf_report_limits(FILE *file, const struct perf_options *options,
                        const struct perf_result *result);

/* Is the series one of Ferry's forms, which ratios compare with the peers? */
bool perf_report_is_ferry(const struct perf_mode *mode, const struct perf_point *point,
                          size_t series);
/* "funneled", "serialized", "multiple" */
const char *perf_report_level(int level);
/* How many processors this process may run on. */
int perf_report_processors(void);
/* How many threads of this machine wanted to run in the last minute, the tool's own included. */
double perf_report_load(void);

#endif /* PERF_REPORT_H */
