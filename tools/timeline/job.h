/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one job, out of a directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "timeline/file.h"

struct trace_job {
	struct trace_file *files; /* by engine, then by rank */
	size_t count;
	size_t refused; /* files that are no timelines, or that are damaged */
	char name[64];
	size_t others; /* files of other jobs */
};

/* Read the files of the job of that name, or of the one that began last (`name` NULL). What is
 * wrong with a file is said to `complaints`. False: there is none. */
bool trace_job_read(struct trace_job *job, const char *directory, const char *name,
                    FILE *complaints);
/* The file of a rank of an engine; `count` if there is none. */
size_t trace_job_find(const struct trace_job *job, uint32_t engine, uint32_t rank);
void trace_job_free(struct trace_job *job);
