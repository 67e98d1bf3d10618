/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an environment and as a struct of options. The input is lines NAME=VALUE, of which
 * those count that begin with FERRY_; then, behind a zero byte, the fields of the struct.
 *
 * What is resolved is within the range that the table gives, can be reported and given again, and
 * comes back the same; what is not has a sentence; and texts are given back.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/log.h"
#include "base/option.h"
#include "base/options.h"
#include "shared/policy_table.h"

#define LINES_MAX 32
#define MUST(x)                                                                         \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* The whole environment is the input's. */
static char *no_variables[] = { NULL };
static char *lines[LINES_MAX + 1];

/* Returns where the struct begins. */
static size_t read_environment(char *text, size_t nbytes)
{
	size_t n = 0, end = strnlen(text, nbytes);
	for (char *at = text; n < LINES_MAX && at < text + end;) {
		char *next = memchr(at, '\n', (size_t)(text + end - at));
		char *stop = next ? next : text + end;
		*stop = '\0';
		if (strncmp(at, "FERRY_", 6) == 0 && strchr(at, '='))
			lines[n++] = at;
		at = stop + 1;
	}
	lines[n] = NULL;
	environ = lines;
	return end < nbytes ? end + 1 : nbytes;
}

/* Texts are pointers, which the fuzzer cannot know: the first byte of one says which it is. */
static const char *text_of(unsigned char byte)
{
	static const char *const texts[] = { NULL,  "",       "none",       "0",  "0-1,3",
		                             "x%r", "stderr", "9999999999", "1-", "%s%n" };
	return texts[byte % (sizeof texts / sizeof *texts)];
}

static void read_struct(const char *bytes, size_t nbytes, ferry_options *given)
{
	size_t count;
	const struct fy_option *table = fy_options_table(&count);
	memset(given, 0, sizeof *given);
	memcpy(given, bytes, nbytes < sizeof *given ? nbytes : sizeof *given);
	if (given->size > sizeof *given) /* there is no more of it */
		given->size = sizeof *given;
	for (size_t i = 0; i < count; i++)
		if (table[i].type == FY_OPTION_TEXT) {
			unsigned char first;
			memcpy(&first, (char *)given + table[i].offset, 1);
			*fy_option_text_of(&table[i], given) = text_of(first);
		}
}

static void check_range(const struct fy_option *option, const ferry_options *o)
{
	int64_t value = fy_option_get(option, o);
	char text[200];
	fy_option_format(option, value, text, sizeof text);
	MUST(*text);
	if (option->type == FY_OPTION_FLAGS)
		MUST((value & ~option->max) == 0);
	else
		MUST((value >= option->min && value <= option->max) || value == option->none ||
		     value == option->preset ||
		     /* peer_timeout: the open finds it, with the other ranks */
		     (value == 0 && option->preset == FY_OPTION_COMPUTED));
}

/* What is reported can be given, and resolves to the same. */
static void there_and_back(const ferry_options *o)
{
	size_t count;
	const struct fy_option *table = fy_options_table(&count);
	ferry_options report = FERRY_OPTIONS_INIT, again;
	MUST(fy_options_report(o, &report) == FERRY_OK);
	environ = no_variables;
	MUST(fy_options_resolve(&report, &again) == FERRY_OK);
	for (size_t i = 0; i < count; i++) {
		if (table[i].type != FY_OPTION_TEXT) {
			MUST(fy_option_get(&table[i], o) == fy_option_get(&table[i], &again));
			check_range(&table[i], &again);
			continue;
		}
		const char *text = *fy_option_text_of(&table[i], (ferry_options *)(uintptr_t)o);
		const char *back = *fy_option_text_of(&table[i], &again);
		MUST(!text == !back && (!text || strcmp(text, back) == 0));
	}
	fy_options_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	char **before = environ, *text = malloc(nbytes + 1);
	ferry_options given, resolved;
	struct fy_policy policy;
	memcpy(text, data, nbytes);
	text[nbytes] = '\0';
	size_t at = read_environment(text, nbytes);
	read_struct(text + at, nbytes - at, &given);
	fy_options_warn(NULL, 1);
	fy_policy_table_warn(NULL, 1);
	int status = fy_policy_table_resolve(&policy);
	MUST(status == FERRY_OK || (status == FERRY_EINVAL && *ferry_last_error()));
	status = fy_options_resolve(at < nbytes ? &given : NULL, &resolved);
	if (status == FERRY_OK) {
		there_and_back(&resolved);
		fy_options_free(&resolved);
	} else {
		MUST(status < 0 && *ferry_last_error());
	}
	environ = before;
	free(text);
	return 0;
}
