/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum top_form {
	TOP_TABLE,
	TOP_JSON,
	TOP_PROMETHEUS,
	TOP_PLOT,
};

enum top_request {
	TOP_RUN,
	TOP_HELP,
	TOP_VERSION,
	TOP_WRONG, /* the error says why */
};

struct top_options {
	enum top_form form;
	const char *which;     /* one engine: a rank, "pid:N", or a name; NULL: all */
	const char *directory; /* NULL: where engines put their files by default */
	const char *picture;   /* of TOP_PLOT: a file for gnuplot to make; NULL: in text */
	int64_t interval;      /* ns between two readings */
	int64_t count;         /* so many tables; 0: on and on */
	bool interval_given;
	bool once;
	bool dead;  /* only engines whose process is gone */
	bool clean; /* take these away */
};

enum top_request top_options_parse(struct top_options *options, int argc, char **argv, char *error,
                                   size_t error_size);
void top_options_help(FILE *file);
