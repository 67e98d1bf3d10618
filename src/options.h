/* SPDX-License-Identifier: Apache-2.0 */
/* Options: one table from which the fields, the environment and ferry-info are served. */
#ifndef FY_OPTIONS_H
#define FY_OPTIONS_H

#include <sched.h>

#include "ferry.h"
#include "log.h"

enum fy_option_type {
	FY_OPTION_FLAGS,  /* uint32_t; names, separated by commas */
	FY_OPTION_LEVEL,  /* int; a name */
	FY_OPTION_SIZE,   /* size_t; bytes, or with a suffix k, m, g */
	FY_OPTION_TIME,   /* int64_t; ns, or with a suffix ns, us, ms, s */
	FY_OPTION_SWITCH, /* int; 1 or on, 0 or off */
	FY_OPTION_TEXT,   /* const char * */
};

#define FY_OPTION_COMPUTED INT64_MIN /* as a default: found out when the engine is opened */
#define FY_OPTION_NO_NONE INT64_MIN  /* as `none`: FERRY_NONE has no meaning here */

/* In all values here SIZE_MAX is -1. */
struct fy_option {
	const char *name; /* of the field; in upper case after FERRY_ that of the variable */
	enum fy_option_type type;
	size_t offset;
	int64_t preset;   /* the default */
	int64_t min, max; /* of what is given; none is outside */
	int64_t none;     /* what FERRY_NONE becomes */
	const char *help;
	bool later; /* without effect in this version: what is not the default is refused */
};

/* The table, in the order of the fields. */
const struct fy_option *fy_options_table(size_t *count_p);
/* The name of the environment variable of an option; `name` has room for FY_OPTION_NAME bytes. */
#define FY_OPTION_NAME 40
void fy_option_variable(const struct fy_option *option, char name[FY_OPTION_NAME]);
/* A value as a person would write it in the environment, such as "256m", "5s", "none". */
void fy_option_format(const struct fy_option *option, const ferry_options *options, char *text,
                      size_t nbytes);

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
/* Name each unknown FERRY_... variable of the environment in the engine's log; one that is nearly
 * that of an option on stderr, once a process, if the engine's rank is 0. How many there were. */
unsigned fy_options_warn(const ferry *engine);
/* 1 once an engine of rank 0 has looked: compare-and-swap; tests clear it */
extern uint32_t fy_options_said;
/* Read a list of processors such as "3", "2-3" or "0,4-6". 0, or FERRY_EINVAL with a sentence. */
int fy_options_cpus(const char *list, cpu_set_t *set);

#endif
