/* SPDX-License-Identifier: Apache-2.0 */
/* Options: one table from which the fields, the environment and ferry-info are served. */
#ifndef FY_BASE_OPTIONS_H
#define FY_BASE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

struct fy_log;
struct fy_option;

/* Names of flags and levels, and suffixes of sizes and times. */
struct fy_option_word {
	const char *text;
	int64_t value;
};

/* The table, in the order of the fields. */
const struct fy_option *fy_options_table(size_t *count_p);

/*
 * Fill in what an engine runs with, from what the program gave (may be NULL),
 * then the environment, then the defaults. 0, or FERRY_EINVAL with a sentence,
 * FERRY_ENOTSUP for what this version would ignore, FERRY_ENOMEM; `resolved` is then untouched.
 *
 * In what is resolved no field means "default" any more: a switch, spin or
 * sleep_max that is off is 0; a time that is unlimited is FERRY_NONE (-1); a size
 * that is unlimited is SIZE_MAX; a text that is off is NULL. Texts belong to `resolved`:
 * give them back with fy_options_free.
 */
int fy_options_resolve(const ferry_options *given, ferry_options *resolved);
void fy_options_free(ferry_options *resolved);
/* What was resolved, written so that it can be given to another engine (off is FERRY_NONE
 * again), for ferry_options_resolved: as much as out->size says, texts still those of
 * `resolved`. 0 or FERRY_EINVAL. */
int fy_options_report(const ferry_options *resolved, ferry_options *out);
/* Name each unknown FERRY_... variable of the environment in the log (may be NULL); one that is
 * nearly that of an option on stderr, once a process, if `rank` is 0. How many there were. */
unsigned fy_options_warn(struct fy_log *log, int rank);
/* 1 once an engine of rank 0 has looked: compare-and-swap; tests clear it */
extern uint32_t fy_options_said;

#endif
