/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a timeline, mapped: made when an engine opens. The thread that opens or ends the
 * engine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_trace_head;

/* What is to be written into its head, and where. */
struct fy_trace_place {
	const char *directory;
	size_t nbytes; /* of the file */
	int rank, size;
	uint64_t every;
	uint32_t first_seq;
};

#define FY_TRACE_WHY 512

/* Make the directory, if there is none, and the file in it. NULL: `why` is a sentence. */
struct fy_trace_head *fy_trace_file_make(const struct fy_trace_place *place, size_t *nbytes_p,
                                         char why[FY_TRACE_WHY]);
/* It has come to its orderly end. */
void fy_trace_file_end(struct fy_trace_head *head);
void fy_trace_file_unmap(struct fy_trace_head *head, size_t nbytes);
/* The job as the launcher names it; else after the launcher's process. */
void fy_trace_file_job(int size, char job[64]);
