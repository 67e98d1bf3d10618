/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One option: its type, its value in the struct, in the environment and as text. Any thread.
 * Values pass through here as int64_t, in which FERRY_NONE and SIZE_MAX are both -1.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/option.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/cpus.h"
#include "base/fail.h"
#include "base/letters.h"
#include "base/options.h"

#define VALUE_BYTES 64 /* enough for any formatted value, texts excepted */

static const struct fy_option_word flag_words[] = {
	{ "exclusive", FERRY_EXCLUSIVE },
	{ "nonblock", FERRY_NONBLOCK },
	{ "keep_mpi", FERRY_KEEP_MPI },
	{ "no_thread", FERRY_NO_THREAD },
	{ NULL, 0 },
};
static const struct fy_option_word level_words[] = {
	{ "funneled", FERRY_THREAD_FUNNELED },
	{ "serialized", FERRY_THREAD_SERIALIZED },
	{ "multiple", FERRY_THREAD_MULTIPLE },
	{ NULL, 0 },
};
static const struct fy_option_word log_level_words[] = {
	{ "error", FERRY_LOG_ERROR },
	{ "warning", FERRY_LOG_WARNING },
	{ "info", FERRY_LOG_INFO },
	{ "debug", FERRY_LOG_DEBUG },
	{ NULL, 0 },
};
static const struct fy_option_word signal_words[] = {
	{ "hup", SIGHUP },
	{ "quit", SIGQUIT },
	{ "usr1", SIGUSR1 },
	{ "usr2", SIGUSR2 },
	{ "winch", SIGWINCH },
	{ "urg", SIGURG },
	{ "sighup", SIGHUP },
	{ "sigquit", SIGQUIT },
	{ "sigusr1", SIGUSR1 },
	{ "sigusr2", SIGUSR2 },
	{ "sigwinch", SIGWINCH },
	{ "sigurg", SIGURG },
	{ NULL, 0 },
};
static const struct fy_option_word switch_words[] = {
	{ "1", 1 },   { "on", 1 }, { "yes", 1 },   { "true", 1 }, { "0", 0 },
	{ "off", 0 }, { "no", 0 }, { "false", 0 }, { "none", 0 }, { NULL, 0 },
};
/* Of several suffixes with one value the first is printed. */
static const struct fy_option_word size_words[] = {
	{ "", 1 },          { "k", 1 << 10 },   { "m", 1 << 20 },   { "g", 1 << 30 }, { "b", 1 },
	{ "kib", 1 << 10 }, { "mib", 1 << 20 }, { "gib", 1 << 30 }, { NULL, 0 },
};
static const struct fy_option_word count_words[] = { { "", 1 }, { NULL, 0 } };
static const struct fy_option_word time_words[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { "", 1 }, { NULL, 0 },
};

void fy_option_variable(const struct fy_option *option, char name[FY_OPTION_NAME])
{
	snprintf(name, FY_OPTION_NAME, "FERRY_%s", option->name);
	for (char *p = name; *p; p++)
		*p = fy_letters_upper(*p);
}

int64_t fy_option_get(const struct fy_option *option, const ferry_options *options)
{
	const void *at = (const char *)options + option->offset;

	switch (option->type) {
	case FY_OPTION_FLAGS:
		return *(const uint32_t *)at;
	case FY_OPTION_SIZE:
		return (int64_t) * (const size_t *)at;
	case FY_OPTION_COUNT:
	case FY_OPTION_TIME:
		return *(const int64_t *)at;
	default:
		return *(const int *)at;
	}
}

void fy_option_set(const struct fy_option *option, ferry_options *options, int64_t value)
{
	void *at = (char *)options + option->offset;

	switch (option->type) {
	case FY_OPTION_FLAGS:
		*(uint32_t *)at = (uint32_t)value;
		break;
	case FY_OPTION_SIZE:
		*(size_t *)at = (size_t)value;
		break;
	case FY_OPTION_COUNT:
	case FY_OPTION_TIME:
		*(int64_t *)at = value;
		break;
	default:
		*(int *)at = (int)value;
		break;
	}
}

const char **fy_option_text_of(const struct fy_option *option, ferry_options *options)
{
	return (const char **)(void *)((char *)options + option->offset);
}

static const struct fy_option_word *find_word(const struct fy_option_word *words, const char *text,
                                              size_t nbytes)
{
	for (; words->text; words++)
		if (strlen(words->text) == nbytes && fy_letters_is_same(words->text, text, nbytes))
			return words;
	return NULL;
}

static bool parse_word(const struct fy_option_word *words, const char *text, int64_t *value_p)
{
	const struct fy_option_word *word = find_word(words, text, strlen(text));

	if (word)
		*value_p = word->value;
	return word != NULL;
}

static bool parse_flags(const char *text, int64_t *value_p)
{
	int64_t flags = 0;

	if (fy_letters_is_word(text, "none") || strcmp(text, "0") == 0) {
		*value_p = 0;
		return true;
	}
	for (;;) {
		size_t nbytes = strcspn(text, ",");
		const struct fy_option_word *word = find_word(flag_words, text, nbytes);
		if (!word)
			return false;
		flags |= word->value;
		if (!text[nbytes])
			break;
		text += nbytes + 1;
	}
	*value_p = flags;
	return true;
}

/* Digits and a suffix. A number that does not fit into *value_p is an error. */
static bool parse_amount(const struct fy_option_word *suffixes, const char *text, int64_t *value_p)
{
	int64_t value = 0;

	if (!fy_letters_is_digit(*text))
		return false;
	for (; fy_letters_is_digit(*text); text++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return false;
	const struct fy_option_word *suffix = find_word(suffixes, text, strlen(text));
	return suffix && !__builtin_mul_overflow(value, suffix->value, value_p);
}

/* True: *value_p is the value, or FERRY_NONE for "none". */
static bool parse_value(const struct fy_option *option, const char *text, int64_t *value_p)
{
	bool amount = option->type == FY_OPTION_SIZE || option->type == FY_OPTION_TIME ||
	              option->type == FY_OPTION_SIGNAL;

	if (amount && (fy_letters_is_word(text, "none") || fy_letters_is_word(text, "off"))) {
		*value_p = FERRY_NONE;
		return true;
	}
	switch (option->type) {
	case FY_OPTION_FLAGS:
		return parse_flags(text, value_p);
	case FY_OPTION_LEVEL:
		return parse_word(level_words, text, value_p);
	case FY_OPTION_SIZE:
		return parse_amount(size_words, text, value_p);
	case FY_OPTION_COUNT:
		return parse_amount(count_words, text, value_p);
	case FY_OPTION_TIME:
		return parse_amount(time_words, text, value_p);
	case FY_OPTION_LOG_LEVEL:
		return parse_word(log_level_words, text, value_p);
	case FY_OPTION_SIGNAL:
		return parse_word(signal_words, text, value_p) ||
		       parse_amount(count_words, text, value_p);
	default:
		return parse_word(switch_words, text, value_p);
	}
}

static void format_flags(int64_t flags, char *text, size_t nbytes)
{
	size_t used = 0;

	snprintf(text, nbytes, "none");
	for (const struct fy_option_word *word = flag_words; word->text && used < nbytes; word++)
		if (flags & word->value)
			used += (size_t)snprintf(text + used, nbytes - used, "%s%s",
			                         used ? "," : "", word->text);
}

/* Uses the largest suffix that leaves a whole number. */
static void format_amount(const struct fy_option_word *suffixes, int64_t value, char *text,
                          size_t nbytes)
{
	const struct fy_option_word *best = suffixes;

	for (const struct fy_option_word *word = suffixes; word->text; word++)
		if (value % word->value == 0 && word->value > best->value)
			best = word;
	snprintf(text, nbytes, "%" PRId64 "%s", value / best->value, best->text);
}

/* The names of an option that has one of them, NULL for others. */
static const struct fy_option_word *words_of(const struct fy_option *option)
{
	return option->type == FY_OPTION_LEVEL       ? level_words
	       : option->type == FY_OPTION_LOG_LEVEL ? log_level_words
	                                             : NULL;
}

void fy_option_format(const struct fy_option *option, int64_t value, char *text, size_t nbytes)
{
	bool amount = option->type == FY_OPTION_SIZE || option->type == FY_OPTION_TIME;
	const struct fy_option_word *words = words_of(option);

	if (amount && value <= 0) {
		snprintf(text, nbytes, value == 0 && option->none != 0 ? "0" : "none");
	} else if (amount) {
		format_amount(option->type == FY_OPTION_SIZE ? size_words : time_words, value, text,
		              nbytes);
	} else if (option->type == FY_OPTION_COUNT) {
		format_amount(count_words, value, text, nbytes);
	} else if (option->type == FY_OPTION_FLAGS) {
		format_flags(value, text, nbytes);
	} else if (words) {
		while (words->text && words->value != value)
			words++;
		snprintf(text, nbytes, "%s", words->text ? words->text : "?");
	} else if (option->type == FY_OPTION_SIGNAL) {
		snprintf(text, nbytes, value > 0 ? "%" PRId64 : "none", value);
	} else {
		snprintf(text, nbytes, value > 0 ? "on" : "off");
	}
}

/* "at least 1m, or none": what the user may write instead. */
static void describe(const struct fy_option *option, char *text, size_t nbytes)
{
	char min[VALUE_BYTES], max[VALUE_BYTES];
	const char *units = option->type == FY_OPTION_SIZE ? "bytes, or with a suffix k, m or g"
	                                                   : "ns, or with a suffix ns, us, ms or s";
	switch (option->type) {
	case FY_OPTION_FLAGS:
		snprintf(text, nbytes,
		         "any of exclusive,nonblock,keep_mpi,no_thread with commas between them, "
		         "or none");
		return;
	case FY_OPTION_LEVEL:
		snprintf(text, nbytes, "funneled, serialized or multiple");
		return;
	case FY_OPTION_SWITCH:
		snprintf(text, nbytes, "1 or on, 0 or off");
		return;
	case FY_OPTION_LOG_LEVEL:
		snprintf(text, nbytes, "error, warning, info or debug");
		return;
	case FY_OPTION_SIGNAL:
		snprintf(text, nbytes, "a name such as usr2, or the number of a signal, or none");
		return;
	case FY_OPTION_COUNT:
		units = "a number";
		break;
	default:
		break;
	}
	fy_option_format(option, option->min, min, sizeof min);
	fy_option_format(option, option->max, max, sizeof max);
	snprintf(text, nbytes, "%s: at least %s%s%s%s", units, min,
	         option->max == INT64_MAX ? "" : " and at most ",
	         option->max == INT64_MAX ? "" : max,
	         option->none == FY_OPTION_NO_NONE ? "" : ", or none");
}

static int refuse(const struct fy_option *option, const char *what, const char *value)
{
	char accepted[240];

	describe(option, accepted, sizeof accepted);
	return fy_fail(FERRY_EINVAL, "%s=%.40s is not accepted; give %s", what, value, accepted);
}

static bool in_range(const struct fy_option *option, int64_t value)
{
	if (option->type == FY_OPTION_FLAGS)
		return (value & ~option->max) == 0;
	return value >= option->min && value <= option->max;
}

/* Does the option take the words of a switch, too? */
static bool is_switch_too(const struct fy_option *option)
{
	return option->offset == offsetof(ferry_options, stats);
}

const char *fy_option_stats_file(const char *stats)
{
	size_t nbytes = strlen(stats), ending = strlen(FY_STATS_ENDING);
	bool is = nbytes > ending && strcmp(stats + nbytes - ending, FY_STATS_ENDING) == 0;

	return is ? stats : NULL;
}

static int check_stats(const char *what, const char *text)
{
	int64_t on;

	if (fy_option_stats_file(text) || parse_word(switch_words, text, &on))
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL,
	               "%s=%.100s is not accepted; give 1 for a table on stderr, or the name of a "
	               "file that ends in " FY_STATS_ENDING ", or none",
	               what, text);
}

/* The texts that can be checked without opening anything. */
static int check_text(const struct fy_option *option, const char *what, const char *text)
{
	cpu_set_t set;

	if (option->offset == offsetof(ferry_options, stats))
		return check_stats(what, text);
	return option->offset == offsetof(ferry_options, progress_cpus)
	               ? fy_cpus_named(what, text, &set)
	               : FERRY_OK;
}

static bool text_is_none(const struct fy_option *option, const char *text)
{
	int64_t on = 1;

	if (is_switch_too(option) && parse_word(switch_words, text, &on) && !on)
		return true;
	return !*text || fy_letters_is_word(text, "none") || fy_letters_is_word(text, "off");
}

static const char *environment(const struct fy_option *option, char name[FY_OPTION_NAME])
{
	fy_option_variable(option, name);
	const char *text = getenv(name);
	return text && *text ? text : NULL;
}

/* *found_p: is the variable set? If it is, *value_p is what it resolves to. */
int fy_option_from_environment(const struct fy_option *option, bool *found_p, int64_t *value_p)
{
	char name[FY_OPTION_NAME];
	const char *text = environment(option, name);
	int64_t value;

	*found_p = text != NULL;
	if (!text)
		return FERRY_OK;
	if (!parse_value(option, text, &value))
		return refuse(option, name, text);
	if (value == FERRY_NONE && option->none != FY_OPTION_NO_NONE)
		value = option->none;
	else if (!(value == 0 && option->none == 0) && !in_range(option, value))
		return refuse(option, name, text);
	*value_p = value;
	return FERRY_OK;
}

static int from_field(const struct fy_option *option, int64_t given, int64_t *value_p)
{
	char text[VALUE_BYTES];

	if (given == FERRY_NONE && option->none != FY_OPTION_NO_NONE) {
		*value_p = option->none;
	} else if (!in_range(option, given)) {
		snprintf(text, sizeof text, "%" PRId64, given);
		return refuse(option, option->name, text);
	} else {
		*value_p = given;
	}
	return FERRY_OK;
}

/* Refused, because this version would ignore it. */
static int refuse_later(const struct fy_option *option, const char *value)
{
	return fy_fail(FERRY_ENOTSUP,
	               "%s=%.40s is not supported by this version (%s), which would ignore it: "
	               "leave it out",
	               option->name, value, FERRY_VERSION);
}

static int check_effect(const struct fy_option *option, int64_t value)
{
	char text[VALUE_BYTES];

	if (!option->later || value == option->preset || value == option->none)
		return FERRY_OK;
	fy_option_format(option, value, text, sizeof text);
	return refuse_later(option, text);
}

int fy_option_resolve(const struct fy_option *option, const ferry_options *given,
                      ferry_options *resolved)
{
	int64_t value = option->preset, field = fy_option_get(option, given);
	bool found;
	int rc = fy_option_from_environment(option, &found, &value);

	if (rc == FERRY_OK && field != 0)
		rc = from_field(option, field, &value);
	if (rc == FERRY_OK)
		rc = check_effect(option, value);
	if (rc == FERRY_OK)
		fy_option_set(option, resolved, value == FY_OPTION_COMPUTED ? 0 : value);
	/* FERRY_PENDING tells the caller that it has to compute the default. */
	return rc == FERRY_OK && value == FY_OPTION_COMPUTED ? FERRY_PENDING : rc;
}

int fy_option_resolve_text(const struct fy_option *option, ferry_options *given,
                           ferry_options *resolved)
{
	char name[FY_OPTION_NAME];
	const char *text = environment(option, name), *field = *fy_option_text_of(option, given);
	int rc = FERRY_OK;

	if (text && !text_is_none(option, text))
		rc = check_text(option, name, text);
	if (field)
		text = field;
	if (rc < 0 || !text || !*text || (text_is_none(option, text) && !option->preset))
		return rc;
	if (text_is_none(option, text))
		text = "none"; /* the default is something */
	if ((rc = option->later ? refuse_later(option, text)
	                        : check_text(option, option->name, text)) < 0)
		return rc;
	*fy_option_text_of(option, resolved) = strdup(text);
	return *fy_option_text_of(option, resolved)
	               ? FERRY_OK
	               : fy_fail(FERRY_ENOMEM, "no memory for the options");
}
