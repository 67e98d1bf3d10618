/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which a picture is written. Each returns false if it could not be written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "timeline/picture.h"

/* Trace events in JSON, for Perfetto and chrome://tracing. */
bool trace_show_events(const struct trace_picture *picture, FILE *to);
/* One page for a browser. Of more than `most` slices the oldest are left out. */
bool trace_show_page(const struct trace_picture *picture, size_t most, FILE *to);
/* A line an operation. */
bool trace_show_lines(const struct trace_picture *picture, FILE *to);
/* What the files are, and the figures: for people, or in JSON. */
bool trace_show_summary(const struct trace_picture *picture, FILE *to);
bool trace_show_figures(const struct trace_picture *picture, FILE *to);

/* "rank 3", or "rank 3 (engine 1)" where the job has several engines. */
void trace_show_rank(const struct trace_picture *picture, size_t file, char *name, size_t room);
