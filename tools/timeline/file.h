/* SPDX-License-Identifier: Apache-2.0 */
/* The file of one rank's timeline, read and checked. Nothing in it is believed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/format.h"

enum trace_method { TRACE_FIRST, TRACE_SAME, TRACE_MEASURED, TRACE_WALL };

/* How this rank's clock is turned into that of the first one:
 * t + shift + rate * (t - base). */
struct trace_clock {
	enum trace_method method;
	int64_t shift, base;
	double rate;
	int64_t unsure; /* ns: it may be wrong by so much */
};

struct trace_file {
	char *path;
	struct fy_trace_head head; /* its texts end in a zero, its counts are within their tables */
	struct fy_trace_event *events; /* in the order of time */
	size_t count;
	uint64_t lost;      /* overwritten by newer ones, as a ring does */
	uint64_t torn;      /* were being written when the process ended */
	uint64_t malformed; /* say what cannot be */
	uint64_t cut;       /* are behind the end of the file */
	struct trace_clock clock;
};

#define TRACE_WHY 512

/* False: it is no timeline; `why` says what is wrong with it. */
bool trace_file_read(struct trace_file *file, const char *path, char why[TRACE_WHY]);
void trace_file_free(struct trace_file *file);
/* That time of its clock, in the clock of the first rank. */
int64_t trace_file_time(const struct trace_file *file, int64_t time);
/* The name of a thread of its table; `room` bytes. */
void trace_file_thread(const struct trace_file *file, unsigned thread, char *name, size_t room);
