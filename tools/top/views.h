/* SPDX-License-Identifier: Apache-2.0 */
/* What people see: pages, and the two forms for programs. */
#pragma once

#include <stdio.h>

#include "host.h"
#include "page.h"

/* All engines, and before them what is wrong. `chosen`: a row of the engines, from 0 on, or -1. */
void top_table(struct top_page *page, const struct top_host *host, int chosen);
/* One engine: its peers, operations, ops, errors, times. */
void top_detail(struct top_page *page, const struct top_engine *engine);
/* Those that are dead: until when each lived, and what was open. */
void top_dead(struct top_page *page, const struct top_host *host);
/* How long operations took, stage by stage. */
void top_plot(struct top_page *page, const struct top_engine *engine);
/* The same by gnuplot. False, with a message: it failed. */
bool top_picture(const char *path, const struct top_engine *engine);
void top_json(FILE *file, const struct top_host *host);
void top_prometheus(FILE *file, const struct top_host *host);

/* "rank 3 of 8 (pid 1234, wordcount)" */
struct top_name {
	char is[160];
};
const char *top_engine_name(struct top_name *name, const struct top_engine *engine);
/* One word: what is wrong, or how it is. */
const char *top_engine_state(const struct top_engine *engine);
