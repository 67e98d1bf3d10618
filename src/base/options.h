/* SPDX-License-Identifier: Apache-2.0 */
/* Options: one table for the fields and the environment. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/option.h"

struct fy_log;

/* Names of flags and levels, and suffixes of sizes and times. */
struct fy_option_word {
	const char *text;
	int64_t value;
};

/* The table, in the order of the fields. */
const struct fy_option *fy_options_table(size_t *count_p);

/*
 * Fill in what an engine runs with: from what the program gave (may be NULL), then the environment,
 * then the defaults. 0, or FERRY_EINVAL with a sentence, FERRY_ENOTSUP for an option that this
 * version would ignore, FERRY_ENOMEM. On an error `resolved` is untouched.
 *
 * In `resolved` no field means "default" any more. A switch, spin or sleep_max that is off is 0; an
 * unlimited time is FERRY_NONE (-1); an unlimited size is SIZE_MAX; a text that is off is NULL.
 * Texts belong to `resolved`: give them back with fy_options_free.
 */
int fy_options_resolve(const ferry_options *given, ferry_options *resolved);
void fy_options_free(ferry_options *resolved);
/* For ferry_options_resolved: what was resolved, in the form in which it can be given to another
 * engine (FERRY_NONE for what is off). Writes out->size bytes. Texts remain those of `resolved`. 0
 * or FERRY_EINVAL. */
int fy_options_report(const ferry_options *resolved, ferry_options *out);
/* Name each unknown FERRY_... variable of the environment in the log (may be NULL). A variable that
 * is nearly an option's is named on stderr as well, once a process, if `rank` is 0. Returns how
 * many unknown variables there are. */
unsigned fy_options_warn(struct fy_log *log, int rank);
/* Say in the log, at the level debug, what each option is. */
void fy_options_log(struct fy_log *log, const ferry_options *resolved);
/* Is this entry of the environment, such as "FERRY_SPNI=1", a FERRY_... variable that is no option?
 * `right` is then the variable that was probably meant, or "". */
bool fy_options_is_unknown(const char *entry, char right[FY_OPTION_NAME]);
/* 1 once an engine of rank 0 has looked. Set by any thread (compare-and-swap); tests clear it */
extern uint32_t fy_options_said;
