/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options. What counts is, in this order: a field that is not zero, the
 * variable FERRY_<FIELD> of the environment, the default.
 *
 * - A variable that is set but empty counts as not set. Any other value is
 *   checked, also where a field wins over it: what a user wrote is never ignored silently.
 * - Zero in a field means default. Zero in a variable is what the user says: off
 *   for a switch and where "none" means off, else a number like any other.
 * - An older program's struct is shorter: what it lacks is default. A newer
 *   program's is longer: what we do not know must be zero.
 *
 * Everything about an option is in `table`; values pass through here as int64_t,
 * in which FERRY_NONE and SIZE_MAX are both -1.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "options.h"
#include "place.h"
#include "status.h"

#define KIB ((int64_t)1024)
#define MIB ((int64_t)1024 * 1024)
#define SIZE_LIMIT 4096 /* no version of the struct will be larger: beyond it `size` was not set */
#define VALUE_BYTES 64  /* room for any value but a text, formatted */

#define AT(field) #field, offsetof(ferry_options, field)
#define OPTION(at, type_, preset_, min_, max_, none_, help_) \
	OPTION_(at, type_, preset_, min_, max_, none_, help_)
#define OPTION_(name_, offset_, type_, preset_, min_, max_, none_, help_)                       \
	{                                                                                       \
		.name = name_, .offset = offset_, .type = FY_OPTION_##type_, .preset = preset_, \
		.min = min_, .max = max_, .none = none_, .help = help_                          \
	}
/* One that has no effect yet. */
#define LATER(at, type_, preset_, min_, max_, none_, help_) \
	LATER_(at, type_, preset_, min_, max_, none_, help_)
#define LATER_(name_, offset_, type_, preset_, min_, max_, none_, help_)                        \
	{                                                                                       \
		.name = name_, .offset = offset_, .type = FY_OPTION_##type_, .preset = preset_, \
		.min = min_, .max = max_, .none = none_, .help = help_, .later = true           \
	}

static const struct fy_option table[] = {
	OPTION(AT(flags), FLAGS, 0, 0, 0xF, FY_OPTION_NO_NONE,
	       "exclusive: the application makes no MPI call; nonblock: no room is EAGAIN; "
	       "keep_mpi: leave MPI running; no_thread: the program calls ferry_progress"),
	OPTION(AT(thread_level), LEVEL, FY_OPTION_COMPUTED, FERRY_THREAD_FUNNELED,
	       FERRY_THREAD_MULTIPLE, FY_OPTION_NO_NONE,
	       "what MPI is asked for; default multiple, serialized with the flag exclusive"),
	OPTION(AT(receive_memory), SIZE, 256 * MIB, MIB, INT64_MAX, FY_OPTION_NO_NONE,
	       "what all peers together may make this rank hold"),
	OPTION(AT(send_memory), SIZE, 64 * MIB, MIB, INT64_MAX, FY_OPTION_NO_NONE,
	       "what waits in channels for slow peers"),
	OPTION(AT(message_max), SIZE, -1, 1, INT64_MAX, -1,
	       "a larger message is refused with ETOOBIG"),
	OPTION(AT(out_of_band), SIZE, 256 * KIB, 1, INT64_MAX, -1,
	       "binaries from this size on travel as attachments"),
	OPTION(AT(decode_memory), SIZE, 64 * MIB, 4 * KIB, INT64_MAX, FY_OPTION_NO_NONE,
	       "bound of one decoded object"),
	OPTION(AT(handler_grace), TIME, FERRY_S(5), 1, INT64_MAX, -1,
	       "a call that nobody handles or reads is answered with ENOHANDLER after this"),
	OPTION(AT(spin), TIME, FY_OPTION_COMPUTED, 1, FERRY_S(1), 0,
	       "how long an idle loop spins before it yields; default 20us, off with fewer than 4 "
	       "processors, and never where the ranks of a host outnumber them"),
	OPTION(AT(sleep_max), TIME, FERRY_MS(10), FERRY_US(1), FERRY_S(10), 0,
	       "longest sleep of an idle loop that must poll; none: it only yields"),
	OPTION(AT(lend), SWITCH, 1, 0, 1, 0, "threads that wait may drive the engine"),
	OPTION(AT(progress_cpus), TEXT, 0, 0, 0, 0,
	       "processors of the progress thread, such as 3 or 2-3"),
	LATER(AT(peer_timeout), TIME, -1, FERRY_MS(1), INT64_MAX, -1,
	      "a peer that owes an answer and is silent so long is gone"),
	LATER(AT(close_timeout), TIME, FERRY_S(60), FERRY_MS(1), INT64_MAX, -1,
	      "close gives up so long after a peer is gone"),
	LATER(AT(stuck_after), TIME, -1, FERRY_MS(1), INT64_MAX, -1,
	      "log what is stuck for so long"),
	LATER(AT(stats), SWITCH, 0, 0, 1, 0, "write the counters to the log at close"),
	LATER(AT(trace), TEXT, 0, 0, 0, 0, "file for a trace of events; %r becomes the rank"),
	OPTION(AT(log), TEXT, 0, 0, 0, 0, "stderr, or a file; %r becomes the rank"),
	LATER(AT(checksum), SWITCH, 0, 0, 1, 0, "CRC-32C over bodies and attachments"),
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

/* Names of flags and levels, and suffixes of sizes and times. */
struct word {
	const char *text;
	int64_t value;
};
static const struct word flag_words[] = {
	{ "exclusive", FERRY_EXCLUSIVE },
	{ "nonblock", FERRY_NONBLOCK },
	{ "keep_mpi", FERRY_KEEP_MPI },
	{ "no_thread", FERRY_NO_THREAD },
	{ NULL, 0 },
};
static const struct word level_words[] = {
	{ "funneled", FERRY_THREAD_FUNNELED },
	{ "serialized", FERRY_THREAD_SERIALIZED },
	{ "multiple", FERRY_THREAD_MULTIPLE },
	{ NULL, 0 },
};
static const struct word switch_words[] = {
	{ "1", 1 },   { "on", 1 }, { "yes", 1 },   { "true", 1 }, { "0", 0 },
	{ "off", 0 }, { "no", 0 }, { "false", 0 }, { "none", 0 }, { NULL, 0 },
};
/* The first of each value is the one that is printed. */
static const struct word size_words[] = {
	{ "", 1 },          { "k", 1 << 10 },   { "m", 1 << 20 },   { "g", 1 << 30 }, { "b", 1 },
	{ "kib", 1 << 10 }, { "mib", 1 << 20 }, { "gib", 1 << 30 }, { NULL, 0 },
};
static const struct word time_words[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { "", 1 }, { NULL, 0 },
};

/* Variables that belong to the tests, not to an engine. A name that ends in _ stands for all that
 * begin so. */
static const char *const foreign[] = { "FERRY_TEST_", "FERRY_SEEDS", "FERRY_SEED",
	                               "FERRY_FIRST_SEED", "FERRY_DEBUG_CHECK" };

/* ---- letters ---------------------------------------------------------------- */

/* As in C, whatever the program's locale: in a Turkish one toupper('i') is no I, and there "KIB" is
 * not "kib". */

static char upper(char c)
{
	return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* But for upper and lower case. */
static bool is_same(const char *a, const char *b, size_t nbytes)
{
	for (size_t i = 0; i < nbytes; i++)
		if (upper(a[i]) != upper(b[i]))
			return false;
	return true;
}

static bool is_word(const char *text, const char *word)
{
	return strlen(text) == strlen(word) && is_same(text, word, strlen(word));
}

const struct fy_option *fy_options_table(size_t *count_p)
{
	*count_p = TABLE_COUNT;
	return table;
}

void fy_option_variable(const struct fy_option *option, char name[FY_OPTION_NAME])
{
	snprintf(name, FY_OPTION_NAME, "FERRY_%s", option->name);
	for (char *p = name; *p; p++)
		*p = upper(*p);
}

/* ---- values in a struct --------------------------------------------------- */

static int64_t get_value(const struct fy_option *option, const ferry_options *options)
{
	const void *at = (const char *)options + option->offset;

	switch (option->type) {
	case FY_OPTION_FLAGS:
		return *(const uint32_t *)at;
	case FY_OPTION_SIZE:
		return (int64_t) * (const size_t *)at;
	case FY_OPTION_TIME:
		return *(const int64_t *)at;
	default:
		return *(const int *)at;
	}
}

static void set_value(const struct fy_option *option, ferry_options *options, int64_t value)
{
	void *at = (char *)options + option->offset;

	switch (option->type) {
	case FY_OPTION_FLAGS:
		*(uint32_t *)at = (uint32_t)value;
		break;
	case FY_OPTION_SIZE:
		*(size_t *)at = (size_t)value;
		break;
	case FY_OPTION_TIME:
		*(int64_t *)at = value;
		break;
	default:
		*(int *)at = (int)value;
		break;
	}
}

static const char **text_of(const struct fy_option *option, ferry_options *options)
{
	return (const char **)(void *)((char *)options + option->offset);
}

static size_t field_bytes(const struct fy_option *option)
{
	switch (option->type) {
	case FY_OPTION_FLAGS:
		return sizeof(uint32_t);
	case FY_OPTION_SIZE:
		return sizeof(size_t);
	case FY_OPTION_TIME:
		return sizeof(int64_t);
	case FY_OPTION_TEXT:
		return sizeof(const char *);
	default:
		return sizeof(int);
	}
}

/* ---- values as text ------------------------------------------------------- */

static const struct word *find_word(const struct word *words, const char *text, size_t nbytes)
{
	for (; words->text; words++)
		if (strlen(words->text) == nbytes && is_same(words->text, text, nbytes))
			return words;
	return NULL;
}

static bool parse_word(const struct word *words, const char *text, int64_t *value_p)
{
	const struct word *word = find_word(words, text, strlen(text));

	if (word)
		*value_p = word->value;
	return word != NULL;
}

static bool parse_flags(const char *text, int64_t *value_p)
{
	int64_t flags = 0;

	if (is_word(text, "none") || strcmp(text, "0") == 0) {
		*value_p = 0;
		return true;
	}
	for (;;) {
		size_t nbytes = strcspn(text, ",");
		const struct word *word = find_word(flag_words, text, nbytes);
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

/* Digits and a suffix; a number that does not fit is none at all. */
static bool parse_amount(const struct word *suffixes, const char *text, int64_t *value_p)
{
	int64_t value = 0;

	if (!is_digit(*text))
		return false;
	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return false;
	const struct word *suffix = find_word(suffixes, text, strlen(text));
	return suffix && !__builtin_mul_overflow(value, suffix->value, value_p);
}

/* True with the value, where FERRY_NONE stands for none. */
static bool parse_value(const struct fy_option *option, const char *text, int64_t *value_p)
{
	bool amount = option->type == FY_OPTION_SIZE || option->type == FY_OPTION_TIME;

	if (amount && (is_word(text, "none") || is_word(text, "off"))) {
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
	case FY_OPTION_TIME:
		return parse_amount(time_words, text, value_p);
	default:
		return parse_word(switch_words, text, value_p);
	}
}

static void format_flags(int64_t flags, char *text, size_t nbytes)
{
	size_t used = 0;

	snprintf(text, nbytes, "none");
	for (const struct word *word = flag_words; word->text && used < nbytes; word++)
		if (flags & word->value)
			used += (size_t)snprintf(text + used, nbytes - used, "%s%s",
			                         used ? "," : "", word->text);
}

/* With the largest suffix that leaves a whole number. */
static void format_amount(const struct word *suffixes, int64_t value, char *text, size_t nbytes)
{
	const struct word *best = suffixes;

	for (const struct word *word = suffixes; word->text; word++)
		if (value % word->value == 0 && word->value > best->value)
			best = word;
	snprintf(text, nbytes, "%" PRId64 "%s", value / best->value, best->text);
}

static void format_value(const struct fy_option *option, int64_t value, char *text, size_t nbytes)
{
	bool amount = option->type == FY_OPTION_SIZE || option->type == FY_OPTION_TIME;
	const struct word *word = level_words;

	if (amount && value <= 0) {
		snprintf(text, nbytes, value == 0 && option->none != 0 ? "0" : "none");
	} else if (amount) {
		format_amount(option->type == FY_OPTION_SIZE ? size_words : time_words, value, text,
		              nbytes);
	} else if (option->type == FY_OPTION_FLAGS) {
		format_flags(value, text, nbytes);
	} else if (option->type == FY_OPTION_LEVEL) {
		while (word->text && word->value != value)
			word++;
		snprintf(text, nbytes, "%s", word->text ? word->text : "?");
	} else {
		snprintf(text, nbytes, value > 0 ? "on" : "off");
	}
}

void fy_option_format(const struct fy_option *option, const ferry_options *options, char *text,
                      size_t nbytes)
{
	if (option->type == FY_OPTION_TEXT) {
		const char *value = *text_of(option, (ferry_options *)(uintptr_t)options);
		snprintf(text, nbytes, "%s", value ? value : "none");
	} else {
		format_value(option, get_value(option, options), text, nbytes);
	}
}

/* ---- lists of processors ---------------------------------------------------------------- */

/* A number below CPU_SETSIZE, or -1. */
static int parse_cpu(const char **text_p)
{
	int cpu = 0;

	if (!is_digit(**text_p))
		return -1;
	for (; is_digit(**text_p); (*text_p)++)
		if ((cpu = cpu * 10 + (**text_p - '0')) >= CPU_SETSIZE)
			return -1;
	return cpu;
}

static bool parse_cpus(const char *at, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (;;) {
		int first = parse_cpu(&at), last = first;
		if (first >= 0 && *at == '-') {
			at++;
			last = parse_cpu(&at);
		}
		if (first < 0 || last < first || (*at && *at != ','))
			return false;
		for (int cpu = first; cpu <= last; cpu++)
			CPU_SET((size_t)cpu, set);
		if (!*at++)
			return true;
	}
}

static int cpus_named(const char *what, const char *list, cpu_set_t *set)
{
	if (parse_cpus(list, set))
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL,
	               "%s=%.40s is not accepted; give a list of processors below %d such as 3, "
	               "2-3 or 0,4-6",
	               what, list, CPU_SETSIZE);
}

int fy_options_cpus(const char *list, cpu_set_t *set)
{
	return cpus_named("progress_cpus", list, set);
}

/* ---- checking --------------------------------------------------------------- */

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
	default:
		break;
	}
	format_value(option, option->min, min, sizeof min);
	format_value(option, option->max, max, sizeof max);
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

/* The texts that can be checked without opening anything. */
static int check_text(const struct fy_option *option, const char *what, const char *text)
{
	cpu_set_t set;

	return option->offset == offsetof(ferry_options, progress_cpus)
	               ? cpus_named(what, text, &set)
	               : FERRY_OK;
}

static bool text_is_none(const char *text)
{
	return !*text || is_word(text, "none") || is_word(text, "off");
}

/* ---- resolving one option ------------------------------------------------------ */

static const char *environment(const struct fy_option *option, char name[FY_OPTION_NAME])
{
	fy_option_variable(option, name);
	const char *text = getenv(name);
	return text && *text ? text : NULL;
}

/* *found_p tells whether the variable is set; *value_p is then what it resolves to. */
static int from_environment(const struct fy_option *option, bool *found_p, int64_t *value_p)
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

/* What was asked for would be ignored. */
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
	format_value(option, value, text, sizeof text);
	return refuse_later(option, text);
}

static int resolve_value(const struct fy_option *option, const ferry_options *given,
                         ferry_options *resolved)
{
	int64_t value = option->preset, field = get_value(option, given);
	bool found;
	int rc = from_environment(option, &found, &value);

	if (rc == FERRY_OK && field != 0)
		rc = from_field(option, field, &value);
	if (rc == FERRY_OK)
		rc = check_effect(option, value);
	if (rc == FERRY_OK)
		set_value(option, resolved, value == FY_OPTION_COMPUTED ? 0 : value);
	/* What is computed is told from an "off" by the caller, with this sign. */
	return rc == FERRY_OK && value == FY_OPTION_COMPUTED ? FERRY_PENDING : rc;
}

static int resolve_text(const struct fy_option *option, ferry_options *given,
                        ferry_options *resolved)
{
	char name[FY_OPTION_NAME];
	const char *text = environment(option, name), *field = *text_of(option, given);
	int rc = FERRY_OK;

	if (text && !text_is_none(text))
		rc = check_text(option, name, text);
	if (field)
		text = field;
	if (rc < 0 || !text || text_is_none(text))
		return rc;
	if ((rc = option->later ? refuse_later(option, text)
	                        : check_text(option, option->name, text)) < 0)
		return rc;
	*text_of(option, resolved) = strdup(text);
	return *text_of(option, resolved) ? FERRY_OK
	                                  : fy_fail(FERRY_ENOMEM, "no memory for the options");
}

/* ---- what depends on the machine ------------------------------------------------- */

static void compute(const struct fy_option *option, ferry_options *resolved)
{
	if (option->offset == offsetof(ferry_options, spin))
		resolved->spin = fy_processors() < 4 ? 0 : FERRY_US(20);
	else
		resolved->thread_level = resolved->flags & FERRY_EXCLUSIVE ? FERRY_THREAD_SERIALIZED
		                                                           : FERRY_THREAD_MULTIPLE;
}

/* ---- whole structs ------------------------------------------------------------------ */

/* Bring what the program gave to our own size. */
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
		if (table[i].offset + field_bytes(&table[i]) <= given->size)
			memcpy((char *)whole + table[i].offset, bytes + table[i].offset,
			       field_bytes(&table[i]));
	return FERRY_OK;
}

/* Without a thread of its own the engine has nothing to place, and nobody but those who wait
 * drives it. */
static int check_no_thread(const ferry_options *o)
{
	if (!(o->flags & FERRY_NO_THREAD))
		return FERRY_OK;
	if (o->progress_cpus)
		return fy_fail(FERRY_EINVAL,
		               "progress_cpus=%.40s has no effect with FERRY_NO_THREAD, where the "
		               "program's threads step the engine: leave one of the two out",
		               o->progress_cpus);
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
			rc = resolve_text(&table[i], &whole, &out);
		else if ((rc = resolve_value(&table[i], &whole, &out)) == FERRY_PENDING)
			compute(&table[i], &out); /* flags come first in the table */
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
		free((void *)(uintptr_t)*text_of(&table[i], resolved));
		*text_of(&table[i], resolved) = NULL;
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
		    get_value(&table[i], &whole) == 0)
			set_value(&table[i], &whole, FERRY_NONE);
	size_t size = out->size;
	memset(out, 0, size);
	memcpy(out, &whole, size < sizeof whole ? size : sizeof whole);
	out->size = size;
	return FERRY_OK;
}

/* ---- variables that nobody knows ------------------------------------------------------ */

/* Names that a site may give to where the library is and how it is built: nobody meant
 * an option. */
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
#define MISSPELT 2 /* letters that are wrong, missing or too many */

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

/* How many letters have to be changed, put in or taken out to make b of a; FY_OPTION_NAME when one
 * is too long. */
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

/* The variable of an option that was meant. A name that is as near to one of the tests' is
 * left alone. */
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

/* Everybody has to see it, but not from each rank, and not for each engine. */
static void accuse(const ferry *engine, const char *name, int nbytes, const char *right, bool first)
{
	if (engine->rank == 0 && first)
		fy_say(engine, "the environment has %.*s, which is no option: did you mean %s?",
		       nbytes, name, right);
	else
		fy_log(engine->log,
		       "warning: the environment has %.*s, which is no option; %s is one", nbytes,
		       name, right);
}

uint32_t fy_options_said;

unsigned fy_options_warn(const ferry *engine)
{
	char right[FY_OPTION_NAME];
	unsigned unknown = 0;
	bool first = engine->rank == 0 && fy_cas_32(&fy_options_said, 0, 1);

	for (char **entry = environ; entry && *entry; entry++) {
		size_t nbytes = strcspn(*entry, "=");
		if (strncmp(*entry, PREFIX, PREFIX_BYTES) != 0 || is_known(*entry, nbytes))
			continue;
		unknown++;
		if (is_misspelt(*entry, nbytes, right))
			accuse(engine, *entry, (int)nbytes, right, first);
		else
			fy_log(engine->log,
			       "warning: the environment has %.*s, which is no option of this "
			       "library; include/ferry.h lists the options",
			       (int)nbytes, *entry);
	}
	return unknown;
}
