/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"

enum fy_option_type {
	FY_OPTION_FLAGS,     /* uint32_t; names, separated by commas */
	FY_OPTION_LEVEL,     /* int; a name */
	FY_OPTION_SIZE,      /* size_t; bytes, or with a suffix k, m, g */
	FY_OPTION_TIME,      /* int64_t; ns, or with a suffix ns, us, ms, s */
	FY_OPTION_COUNT,     /* int64_t; a number */
	FY_OPTION_SWITCH,    /* int; 1 or on, 0 or off */
	FY_OPTION_TEXT,      /* const char * */
	FY_OPTION_SIGNAL,    /* int; a number, or a name such as usr2 */
	FY_OPTION_LOG_LEVEL, /* int; a name */
};

#define FY_OPTION_COMPUTED INT64_MIN /* as a default: computed when the engine is opened */
#define FY_OPTION_NO_NONE INT64_MIN  /* as `none`: this option does not take FERRY_NONE */

/* One option: a row of the table in options.c, constant. In all its values SIZE_MAX is -1. */
struct fy_option {
	const char *name; /* of the field. FERRY_ and this in upper case: the variable */
	enum fy_option_type type;
	size_t offset, bytes; /* in ferry_options */
	int64_t preset;       /* the default */
	int64_t min, max;     /* of what is given; FERRY_NONE is outside of it */
	int64_t none;         /* what FERRY_NONE becomes */
	bool later;           /* this version does not have it, and takes only its default */
};

/* The name of an option's environment variable takes at most FY_OPTION_NAME bytes. */
#define FY_OPTION_NAME 40
int64_t fy_option_get(const struct fy_option *option, const ferry_options *options);
void fy_option_set(const struct fy_option *option, ferry_options *options, int64_t value);
const char **fy_option_text_of(const struct fy_option *option, ferry_options *options);
/* What the variable says, if it is set: *found_p tells. 0 or FERRY_EINVAL with a sentence. */
int fy_option_from_environment(const struct fy_option *option, bool *found_p, int64_t *value_p);
int fy_option_resolve(const struct fy_option *option, const ferry_options *given,
                      ferry_options *resolved);
int fy_option_resolve_text(const struct fy_option *option, ferry_options *given,
                           ferry_options *resolved);
void fy_option_variable(const struct fy_option *option, char name[FY_OPTION_NAME]);
/* The file that the option stats names; NULL: it asks for a table. */
#define FY_STATS_ENDING ".json"
const char *fy_option_stats_file(const char *stats);
/* A value as a person would write it in the environment, such as "256m", "5s", "none"; not of an
 * option that is a text. */
void fy_option_format(const struct fy_option *option, int64_t value, char *text, size_t nbytes);
