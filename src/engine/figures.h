/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics of all ranks as texts: a table, a file, a line. Any thread. */
#pragma once

#include "ferry.h"
#include "engine/census.h"

/* Over the rows of `ranks` ranks, of which some did not come (magic 0). Each of these returns a
 * text that the caller frees, or NULL without memory. */
char *fy_figures_table(const struct fy_census_row *rows, int ranks);
/* As JSON, with the values of each rank. */
char *fy_figures_json(const struct fy_census_row *rows, int ranks);
/* Of one rank alone, for people: one line. `why` it is alone. */
char *fy_figures_line(const struct fy_census_row *row, int rank, const char *why);
