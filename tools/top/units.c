/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "ferry.h"
#include "units.h"

/* names[0] is for what is below `first`, and has no fractions. */
static const char *scaled(struct top_text *text, double number, double unit, double first,
                          const char *const *names)
{
	if (!isfinite(number) || number < 0) {
		snprintf(text->is, sizeof(text->is), "-");
		return text->is;
	}
	if (number < first) {
		snprintf(text->is, sizeof(text->is), "%.0f%s", floor(number), *names);
		return text->is;
	}
	names++;
	/* What would be printed as 1000 is 1.00 of the next unit. */
	for (number /= unit; number >= 999.5 && names[1]; number /= unit)
		names++;
	if (number >= 999.5)
		number = 999;
	snprintf(text->is, sizeof(text->is), "%.*f%s",
	         number >= 99.95   ? 0
	         : number >= 9.995 ? 1
	                           : 2,
	         number, *names);
	return text->is;
}

const char *top_count(struct top_text *text, double number)
{
	static const char *const names[] = { "", "k", "M", "G", "T", "P", "E", NULL };

	return scaled(text, number, 1000, 10000, names);
}

const char *top_bytes(struct top_text *text, double number)
{
	static const char *const names[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", NULL };

	return scaled(text, number, 1024, 1024, names);
}

const char *top_bytes_said(struct top_text *text, double number)
{
	static const char *const names[] = { " B",   " KiB", " MiB", " GiB",
		                             " TiB", " PiB", " EiB", NULL };

	return scaled(text, number, 1024, 1024, names);
}

/* ---- times ------------------------------------------------------------------------------- */

#define MINUTE INT64_C(60)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Below a minute: a number and its unit, with `gap` between. */
static void short_span(struct top_text *text, int64_t ns, const char *gap)
{
	double number = (double)ns;
	const char *unit = "ns";

	if (ns >= FERRY_S(1))
		number /= 1e9, unit = "s";
	else if (ns >= FERRY_MS(1))
		number /= 1e6, unit = "ms";
	else if (ns >= FERRY_US(1))
		number /= 1e3, unit = "us";
	/* Cut, not rounded: 59.96 s is not 60. */
	number = number < 10 ? floor(number * 10) / 10 : floor(number);
	snprintf(text->is, sizeof(text->is), "%.*f%s%s", number < 10 && ns >= 1000 ? 1 : 0, number,
	         gap, unit);
}

/* From a minute on: two numbers with their units. */
static void long_span(struct top_text *text, int64_t seconds, bool said)
{
	static const struct {
		int64_t size, part;
		const char *column, *words;
	} units[] = {
		{ DAY, HOUR, "%" PRId64 "d%02" PRId64 "h", "%" PRId64 " d %" PRId64 " h" },
		{ HOUR, MINUTE, "%" PRId64 "h%02" PRId64 "m", "%" PRId64 " h %" PRId64 " min" },
		{ MINUTE, 1, "%" PRId64 "m%02" PRId64 "s", "%" PRId64 " min %" PRId64 " s" },
	};
	int i = seconds >= DAY ? 0 : seconds >= HOUR ? 1 : 2;

	snprintf(text->is, sizeof(text->is), said ? units[i].words : units[i].column,
	         seconds / units[i].size, seconds % units[i].size / units[i].part);
}

static const char *span(struct top_text *text, int64_t ns, bool said)
{
	if (ns < 0)
		snprintf(text->is, sizeof(text->is), "-");
	else if (ns == 0)
		snprintf(text->is, sizeof(text->is), said ? "a moment" : "0");
	else if (ns < FERRY_S(MINUTE))
		short_span(text, ns, said ? " " : "");
	else
		long_span(text, ns / FERRY_S(1), said);
	return text->is;
}

const char *top_span(struct top_text *text, int64_t ns)
{
	return span(text, ns, false);
}

const char *top_span_said(struct top_text *text, int64_t ns)
{
	return span(text, ns, true);
}

const char *top_clock(struct top_text *text, int64_t wall, int64_t today)
{
	time_t at = (time_t)(wall / FERRY_S(1)), now = (time_t)(today / FERRY_S(1));
	struct tm day, then;

	if (!localtime_r(&at, &then) || !localtime_r(&now, &day))
		snprintf(text->is, sizeof(text->is), "?");
	else if (then.tm_yday == day.tm_yday && then.tm_year == day.tm_year)
		strftime(text->is, sizeof(text->is), "%H:%M:%S", &then);
	else
		strftime(text->is, sizeof(text->is), "%Y-%m-%d %H:%M:%S", &then);
	return text->is;
}

/* ---- ops --------------------------------------------------------------------------------- */

const char *top_op(struct top_text *text, uint32_t op)
{
	snprintf(text->is, sizeof(text->is), op < 100000 ? "%" PRIu32 : "0x%" PRIx32, op);
	return text->is;
}
