/* SPDX-License-Identifier: Apache-2.0 */
/* All engines of this host whose files can be read. */
#pragma once

#include <stddef.h>

#include "engine.h"

/* A file that is there and cannot be read. */
struct top_unreadable {
	char text[FY_MONITOR_WHY];
};

struct top_host {
	struct fy_monitor_list list;
	bool listed;                /* `list` is to be freed */
	struct top_engine *engines; /* the worst first */
	size_t n;
	struct top_unreadable *unreadable;
	size_t n_unreadable;
	bool failed; /* no memory: something is missing */
};

/* What is wanted of them. */
struct top_wish {
	const char *directory;
	const char *which;
	bool dead; /* only these */
};

/* Read all. `before`, an earlier reading that is given up here, may be NULL; from it the rates
 * come. -1, with a sentence: the directory cannot be read. */
int top_host_read(struct top_host *host, const struct top_wish *wish, struct top_host *before,
                  char why[FY_MONITOR_WHY]);
void top_host_free(struct top_host *host);
/* How many have some trouble. */
size_t top_host_wrong(const struct top_host *host);
size_t top_host_dead(const struct top_host *host);
