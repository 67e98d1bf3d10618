/* SPDX-License-Identifier: Apache-2.0 */
/* ferry-info: what its parts share. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"
#include "base/place.h"

/* One line on each option, made of include/ferry.h. Ends with a name that is NULL. */
struct info_help {
	const char *name, *text;
};
extern const struct info_help info_help[];

/* What a rank tells rank 0: a message, all of one build. */
struct info_rank {
	int rank;
	bool shared; /* progress thread and main thread are bound to one processor */
	char host[64];
	char process[128];  /* the processors of the main thread, a list */
	char progress[128]; /* and of the progress thread; "" where there is none */
	char around[128];   /* what the control group would let it use */
	char advice[320];   /* if shared */
};

/* What is printed, in this order; the fields of MPI and ranks are set where an engine opened. */
struct info {
	bool json, build, mpi, options, places, all;
	ferry *engine;        /* NULL: none was asked for, or it did not open */
	char failure[512];    /* why it did not */
	const char *launcher; /* whose variables are in the environment */
	struct info_rank *ranks;
	int ranks_count;
	bool wrong; /* something is, and was said */
};

struct info_out;
void info_print_build(struct info_out *out);
void info_print_mpi(struct info_out *out, const struct info *info);
void info_print_options(struct info_out *out, struct info *info);
void info_print_places(struct info_out *out, struct info *info);

/* What this rank says of itself. */
void info_look(struct info_rank *mine, ferry *engine);
/* A set of processors as "0-3,8". */
void info_list(const struct fy_place *place, char *text, size_t nbytes);
/* The sentence of the last failure of what this program has of the library's insides, or "". */
const char *info_failure(void);
