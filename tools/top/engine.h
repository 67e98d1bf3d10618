/* SPDX-License-Identifier: Apache-2.0 */
/* One engine, as its file shows it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "monitor/reader.h"
#include "trouble.h"

struct top_engine {
	struct fy_monitor_copy copy;
	struct fy_monitor_copy before; /* an earlier one; its head is NULL: there is none */
	int64_t now, wall;             /* when it was read, by the two clocks */
	int process; /* the letter of /proc/PID/stat, 'T': stopped; 0: not known */
	char program[64], host[64], version[32], network[96]; /* for a terminal */
	struct top_troubles troubles;
	bool over; /* no process of its job lives on this host */
};

/* After the copies are there: fill in the rest. */
void top_engine_look(struct top_engine *engine);
void top_engine_free(struct top_engine *engine);
/* Is it one of those that a word of the command line means? NULL means all. */
bool top_engine_is(const struct top_engine *engine, const char *which);
bool top_engine_dead(const struct top_engine *engine);

/* Entries of a table of the file: at most so many as a true file has. What is beyond them counts as
 * left out. */
#define TOP_ENTRIES 16384u
unsigned top_entries(const struct top_engine *engine, enum fy_monitor_kind kind);
uint64_t top_left_out(const struct top_engine *engine, enum fy_monitor_kind kind);
/* Value `i` of the counters or gauges, with a name that ends. False: there is none. */
bool top_value(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind, unsigned i,
               struct fy_monitor_value *value);
/* A counter; 0: the file has none. */
int64_t top_counter(const struct top_engine *engine, const char *name);
/* A gauge; -1: not known. */
int64_t top_gauge(const struct top_engine *engine, const char *name);
/* A counter's growth a second between the two copies. */
double top_rate(const struct top_engine *engine, const char *name);
/* How much a number grew a second between the two copies. */
double top_growth(const struct top_engine *engine, uint64_t now, uint64_t before);
/* How long ago a time of the host's clock was: before now, or before the last sample of an engine
 * that is dead. Below 0: never. */
int64_t top_age(const struct top_engine *engine, int64_t since);
/* All operations that are open: those in the table with their counts, and those that it has no
 * room for. */
uint64_t top_open(const struct top_engine *engine);
bool top_oldest(const struct top_engine *engine, struct fy_monitor_open *open);
