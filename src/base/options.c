/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options. Any thread. A field that is not zero wins over the variable FERRY_<FIELD> of the
 * environment, and that over the default.
 *
 * - A variable that is set but empty counts as not set. Any other value is checked, even where a
 *   field wins over it: nothing that a user wrote is ignored silently.
 * - Zero in a field means default. Zero in a variable means what the user says: off for a switch
 *   and where "none" means off, else a number like any other.
 * - An older program's struct is shorter: the fields that it lacks have their defaults. A newer
 *   program's is longer: its fields that this version does not know must be zero.
 *
 * Everything about an option is in `table`. Values pass through here as int64_t, in which
 * FERRY_NONE and SIZE_MAX are both -1.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/option.h"
#include "base/order.h"
#include "base/place.h"

#define KIB ((int64_t)1024)
#define MIB ((int64_t)1024 * 1024)
#define SIZE_LIMIT 4096 /* a larger `size` was not set: no version of the struct will reach this */

#define AT(field) #field, offsetof(ferry_options, field), sizeof((ferry_options *)0)->field
#define OPTION(at, type_, preset_, min_, max_, none_) \
	OPTION_(at, type_, preset_, min_, max_, none_, false)
/* An option that this version does not have. */
#define LATER(at, type_, preset_, min_, max_, none_) \
	OPTION_(at, type_, preset_, min_, max_, none_, true)
#define OPTION_(name_, offset_, bytes_, type_, preset_, min_, max_, none_, later_)            \
	{                                                                                     \
		.name = name_, .offset = offset_, .bytes = bytes_, .type = FY_OPTION_##type_, \
		.preset = preset_, .min = min_, .max = max_, .none = none_, .later = later_   \
	}

/* What each of them does says ferry_options (include/ferry.h). */
static const struct fy_option table[] = {
	OPTION(AT(flags), FLAGS, 0, 0, 0xF, FY_OPTION_NO_NONE),
	OPTION(AT(thread_level), LEVEL, FY_OPTION_COMPUTED, FERRY_THREAD_FUNNELED,
	       FERRY_THREAD_MULTIPLE, FY_OPTION_NO_NONE),
	OPTION(AT(receive_memory), SIZE, 256 * MIB, MIB, INT64_MAX, FY_OPTION_NO_NONE),
	OPTION(AT(send_memory), SIZE, 64 * MIB, MIB, INT64_MAX, FY_OPTION_NO_NONE),
	OPTION(AT(message_max), SIZE, -1, 1, INT64_MAX, -1),
	OPTION(AT(out_of_band), SIZE, 256 * KIB, 1, INT64_MAX, -1),
	OPTION(AT(decode_memory), SIZE, 64 * MIB, 4 * KIB, INT64_MAX, FY_OPTION_NO_NONE),
	OPTION(AT(handler_grace), TIME, FERRY_S(5), 1, INT64_MAX, -1),
	OPTION(AT(spin), TIME, 0, 1, FERRY_S(1), 0),
	OPTION(AT(sleep_max), TIME, FERRY_MS(10), FERRY_US(1), FERRY_S(10), 0),
	OPTION(AT(lend), SWITCH, 1, 0, 1, 0),
	OPTION(AT(progress_cpus), TEXT, 0, 0, 0, 0),
	OPTION(AT(peer_timeout), TIME, FY_OPTION_COMPUTED, FERRY_MS(100), INT64_MAX, -1),
	OPTION(AT(close_timeout), TIME, FERRY_S(60), FERRY_MS(1), INT64_MAX, -1),
	OPTION(AT(stuck_after), TIME, FERRY_S(30), FERRY_MS(1), INT64_MAX, -1),
	OPTION(AT(stats), TEXT, 0, 0, 0, 0),
	OPTION(AT(trace), TEXT, 0, 0, 0, 0),
	OPTION(AT(log), TEXT, 0, 0, 0, 0),
	OPTION(AT(checksum), SWITCH, 0, 0, 1, 0),
	OPTION(AT(quorum), SWITCH, 0, 0, 1, 0),
	OPTION(AT(monitor), TEXT, 1, 0, 0, 0),
	OPTION(AT(dump_signal), SIGNAL, 0, 1, 64, 0),
	OPTION(AT(log_level), LOG_LEVEL, FERRY_LOG_INFO, FERRY_LOG_ERROR, FERRY_LOG_DEBUG,
	       FY_OPTION_NO_NONE),
	OPTION(AT(trace_every), COUNT, 16, 1, INT64_MAX, FY_OPTION_NO_NONE),
	OPTION(AT(trace_memory), SIZE, 16 * MIB, 64 * KIB, INT64_MAX, FY_OPTION_NO_NONE),
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

/* Variables that belong to the tests, or to the policy, which looks at its own
 * (shared/policy_table.c). A name that ends in _ stands for all names that begin with it. */
static const char *const foreign[] = { "FERRY_TEST_", "FERRY_POLICY_", "FERRY_SEEDS", "FERRY_SEED",
	                               "FERRY_FIRST_SEED" };

const struct fy_option *fy_options_table(size_t *count_p)
{
	*count_p = TABLE_COUNT;
	return table;
}

static void compute(const struct fy_option *option, ferry_options *resolved)
{
	if (option->offset == offsetof(ferry_options, peer_timeout))
		resolved->peer_timeout = 0; /* known when all ranks are: see engine/life.c */
	else
		resolved->thread_level = resolved->flags & FERRY_EXCLUSIVE ? FERRY_THREAD_SERIALIZED
		                                                           : FERRY_THREAD_MULTIPLE;
}

/* Bring the program's struct to this version's size. */
static int adopt(const ferry_options *given, ferry_options *whole)
{
	const unsigned char *bytes = (const unsigned char *)given;

	memset(whole, 0, sizeof *whole);
	whole->size = sizeof *whole;
	if (!given)
		return FERRY_OK;
	if (given->size < sizeof given->size || given->size > SIZE_LIMIT)
		return fy_fail(FERRY_EINVAL,
		               "options.size is %zu; begin with ferry_options options = "
		               "FERRY_OPTIONS_INIT",
		               given->size);
	for (size_t i = sizeof *given; i < given->size; i++)
		if (bytes[i])
			return fy_fail(FERRY_EINVAL,
			               "the options are of a newer program: byte %zu is set and "
			               "this library (%s) knows %zu; leave newer fields zero, or "
			               "update the library",
			               i, FERRY_VERSION, sizeof *given);
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (table[i].offset + table[i].bytes <= given->size)
			memcpy((char *)whole + table[i].offset, bytes + table[i].offset,
			       table[i].bytes);
	return FERRY_OK;
}

/* Without a progress thread there is nothing to place, and only threads that wait drive the
 * engine. */
static int check_no_thread(const ferry_options *o)
{
	if (!(o->flags & FERRY_NO_THREAD))
		return FERRY_OK;
	if (o->progress_cpus)
		return fy_fail(FERRY_EINVAL,
		               "progress_cpus=%.40s has no effect with FERRY_NO_THREAD, where the "
		               "program's threads step the engine: leave one of the two out",
		               o->progress_cpus);
	if (o->dump_signal)
		return fy_fail(
			FERRY_ENOTSUP,
			"dump_signal=%d with FERRY_NO_THREAD, where no thread could write it: "
			"call ferry_dump, or leave one of the two out",
			o->dump_signal);
	if (!o->lend)
		return fy_fail(FERRY_EINVAL,
		               "lend cannot be off with FERRY_NO_THREAD, where threads that wait "
		               "have to step the engine: leave one of the two out");
	return FERRY_OK;
}

int fy_options_resolve(const ferry_options *given, ferry_options *resolved)
{
	ferry_options whole, out;
	int rc = adopt(given, &whole);

	if (rc < 0)
		return rc;
	memset(&out, 0, sizeof out);
	out.size = sizeof out;
	for (size_t i = 0; i < TABLE_COUNT && rc >= 0; i++) {
		if (table[i].type == FY_OPTION_TEXT)
			rc = fy_option_resolve_text(&table[i], &whole, &out);
		else if ((rc = fy_option_resolve(&table[i], &whole, &out)) == FERRY_PENDING)
			compute(&table[i], &out); /* it reads the flags, which are first */
	}
	if (rc >= 0)
		rc = check_no_thread(&out);
	if (rc < 0) {
		fy_options_free(&out);
		return rc;
	}
	*resolved = out;
	return FERRY_OK;
}

void fy_options_free(ferry_options *resolved)
{
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		if (table[i].type != FY_OPTION_TEXT)
			continue;
		free((void *)(uintptr_t)*fy_option_text_of(&table[i], resolved));
		*fy_option_text_of(&table[i], resolved) = NULL;
	}
}

int fy_options_report(const ferry_options *resolved, ferry_options *out)
{
	ferry_options whole = *resolved;

	if (!out || out->size < sizeof out->size || out->size > SIZE_LIMIT)
		return fy_fail(FERRY_EINVAL, "options.size is not set; begin with ferry_options "
		                             "options = FERRY_OPTIONS_INIT");
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (table[i].type != FY_OPTION_TEXT && table[i].none == 0 &&
		    fy_option_get(&table[i], &whole) == 0)
			fy_option_set(&table[i], &whole, FERRY_NONE);
	size_t size = out->size;
	memset(out, 0, size);
	memcpy(out, &whole, size < sizeof whole ? size : sizeof whole);
	out->size = size;
	return FERRY_OK;
}

/* Names in which a site may say where the library is and how it is built. No option is meant. */
static const char *const site[] = {
	"BASE",     "BIN",      "BINDIR",  "BIN_DIR",    "BUILD",       "CC",      "CFLAGS",
	"CPPFLAGS", "CXXFLAGS", "DIR",     "DOC",        "DOCS",        "HOME",    "INC",
	"INCDIR",   "INC_DIR",  "INCLUDE", "INCLUDEDIR", "INCLUDE_DIR", "INSTALL", "LDFLAGS",
	"LIB",      "LIB64",    "LIBDIR",  "LIBRARIES",  "LIBRARY",     "LIBS",    "LIB_DIR",
	"MAN",      "MANPATH",  "MODULE",  "NAME",       "PATH",        "PREFIX",  "ROOT",
	"SHARE",    "SITE",     "SOURCE",  "SRC",        "VER",         "VERSION", NULL,
};

#define PREFIX "FERRY_"
#define PREFIX_BYTES (sizeof PREFIX - 1)
#define MISSPELT 2 /* at most so many letters are wrong, missing or too many */

static bool is_known(const char *name, size_t nbytes)
{
	char variable[FY_OPTION_NAME];

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		fy_option_variable(&table[i], variable);
		if (strlen(variable) == nbytes && memcmp(variable, name, nbytes) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
		size_t length = strlen(foreign[i]);
		bool all = foreign[i][length - 1] == '_';
		if (nbytes >= length && memcmp(foreign[i], name, length) == 0 &&
		    (all || nbytes == length))
			return true;
	}
	return false;
}

static bool is_site(const char *name, size_t nbytes)
{
	for (const char *const *word = site; *word; word++)
		if (strlen(*word) == nbytes - PREFIX_BYTES &&
		    memcmp(*word, name + PREFIX_BYTES, strlen(*word)) == 0)
			return true;
	return false;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters have to be changed, put in or taken out to turn a into b. FY_OPTION_NAME when
 * either is too long. */
static size_t distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	size_t row[FY_OPTION_NAME];

	if (a_bytes >= FY_OPTION_NAME || b_bytes >= FY_OPTION_NAME)
		return FY_OPTION_NAME;
	for (size_t j = 0; j <= b_bytes; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_bytes; i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_bytes; j++) {
			size_t changed = corner + (a[i - 1] != b[j - 1]);
			corner = row[j];
			row[j] = least(changed, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_bytes];
}

static void improve(const char *name, size_t nbytes, const char *candidate, size_t *best,
                    char right[FY_OPTION_NAME])
{
	size_t d = distance(name, nbytes, candidate, strlen(candidate));

	if (d >= *best)
		return;
	*best = d;
	snprintf(right, FY_OPTION_NAME, "%s", candidate);
}

/* True: `right` is the variable of an option that was probably meant. False for a name that is just
 * as near to one of the tests' variables. */
static bool is_misspelt(const char *name, size_t nbytes, char right[FY_OPTION_NAME])
{
	char variable[FY_OPTION_NAME], ours[FY_OPTION_NAME];
	size_t best = MISSPELT + 1, foreigners = MISSPELT + 1;

	if (is_site(name, nbytes))
		return false;
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		fy_option_variable(&table[i], variable);
		improve(name, nbytes, variable, &best, right);
	}
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		improve(name, nbytes, foreign[i], &foreigners, ours);
	return best <= MISSPELT && best < foreigners;
}

/* A person has to see this, but once, not from each rank and for each engine. */
static void accuse(struct fy_log *log, int rank, const char *name, int nbytes, const char *right,
                   bool first)
{
	if (rank == 0 && first)
		fy_log_say(log, rank,
		           "the environment has %.*s, which is no option: did you mean %s?", nbytes,
		           name, right);
	else
		fy_log_at(log, FERRY_LOG_WARNING,
		          "the environment has %.*s, which is no option: did you mean %s?", nbytes,
		          name, right);
}

bool fy_options_is_unknown(const char *entry, char right[FY_OPTION_NAME])
{
	size_t nbytes = strcspn(entry, "=");

	if (strncmp(entry, PREFIX, PREFIX_BYTES) != 0 || is_known(entry, nbytes))
		return false;
	if (!is_misspelt(entry, nbytes, right))
		right[0] = '\0';
	return true;
}

uint32_t fy_options_said;

unsigned fy_options_warn(struct fy_log *log, int rank)
{
	char right[FY_OPTION_NAME];
	unsigned unknown = 0;
	bool first = rank == 0 && fy_cas_32(&fy_options_said, 0, 1);

	for (char **entry = environ; entry && *entry; entry++) {
		size_t nbytes = strcspn(*entry, "=");
		if (!fy_options_is_unknown(*entry, right))
			continue;
		unknown++;
		if (*right)
			accuse(log, rank, *entry, (int)nbytes, right, first);
		else
			fy_log_at(log, FERRY_LOG_WARNING,
			          "the environment has %.*s, which is no option of this library: "
			          "include/ferry.h has their names, under ferry_options",
			          (int)nbytes, *entry);
	}
	return unknown;
}

/* What a text says, or "off". */
static const char *text_of(const struct fy_option *option, const ferry_options *resolved)
{
	ferry_options copy = *resolved;
	const char *text = *fy_option_text_of(option, &copy);

	return text ? text : "off";
}

void fy_options_log(struct fy_log *log, const ferry_options *resolved)
{
	char value[64];

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct fy_option *option = &table[i];
		if (option->type != FY_OPTION_TEXT)
			fy_option_format(option, fy_option_get(option, resolved), value,
			                 sizeof value);
		fy_log_at(log, FERRY_LOG_DEBUG, "option %s is %s", option->name,
		          option->type == FY_OPTION_TEXT ? text_of(option, resolved) : value);
	}
}
