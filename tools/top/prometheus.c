/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All counters in the text format of Prometheus: a family of each name, with a line for each
 * engine. Names come from files, so they are looked at first.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../text/utf8.h"
#include "families.h"
#include "stages.h"
#include "views.h"

#define NAMES_MAX 256

struct names {
	char list[NAMES_MAX][FY_MONITOR_NAME];
	unsigned n;
};

/* ---- text -------------------------------------------------------------------------------- */

static void put_label(FILE *file, const char *name, const char *text, const char *before)
{
	size_t length;

	fprintf(file, "%s%s=\"", before, name);
	for (; *text; text += length ? length : 1) {
		length = text_utf8(text);
		if (!length)
			fputs("?", file);
		else if (*text == '\n')
			fputs("\\n", file);
		else if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else
			fwrite(text, 1, length, file);
	}
	fputc('"', file);
}

static void put_labels(FILE *file, const struct top_engine *engine, const char *stage,
                       const char *bound)
{
	const struct fy_monitor_head *head = engine->copy.head;

	fprintf(file, "{rank=\"%" PRId32 "\",pid=\"%" PRId32 "\",engine=\"%" PRIu32 "\"",
	        head->rank, head->process.pid, head->engine);
	fprintf(file, ",job_id=\"%016" PRIx64 "\"", head->job);
	put_label(file, "program", engine->program, ",");
	put_label(file, "host", engine->host, ",");
	if (stage)
		put_label(file, "stage", stage, ",");
	if (bound)
		put_label(file, "le", bound, ",");
	fputs("} ", file);
}

static void put_head(FILE *file, const char *name, const char *unit, bool grows, const char *help)
{
	const char *total = grows ? "_total" : "";

	fprintf(file, "# HELP ferry_%s%s%s %s\n", name, unit, total, help);
	fprintf(file, "# TYPE ferry_%s%s%s %s\n", name, unit, total, grows ? "counter" : "gauge");
}

/* ---- names ------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
	return *text >= 'a' && *text <= 'z' &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void add_name(struct names *names, const char *name)
{
	unsigned i;

	for (i = 0; i < names->n; i++)
		if (strcmp(names->list[i], name) == 0)
			return;
	if (names->n < NAMES_MAX)
		snprintf(names->list[names->n++], FY_MONITOR_NAME, "%s", name);
}

static void find_names(struct names *names, const struct top_host *host, enum fy_monitor_kind kind)
{
	struct fy_monitor_value value;
	size_t i;
	unsigned j;

	for (i = 0; i < host->n; i++)
		for (j = 0; top_value(&host->engines[i].copy, kind, j, &value); j++)
			if (is_name(value.name))
				add_name(names, value.name);
}

/* ---- families ---------------------------------------------------------------------------- */

/* The value of that name of one kind: a counter and a gauge may have the same. Below 0 is not
 * known, or no counter. */
static bool find_value(const struct top_engine *engine, enum fy_monitor_kind kind, const char *name,
                       int64_t *value_p)
{
	struct fy_monitor_value value;
	unsigned i;

	for (i = 0; top_value(&engine->copy, kind, i, &value); i++) {
		if (strcmp(value.name, name) != 0)
			continue;
		*value_p = value.value;
		return value.value >= 0;
	}
	return false;
}

/* `name` is that of the file. */
static void put_family(FILE *file, const struct top_host *host, enum fy_monitor_kind kind,
                       const char *name, struct top_family family)
{
	const char *unit = family.unit == TOP_SECONDS ? "_seconds" : "";
	int64_t value;
	size_t i;

	put_head(file, family.name, unit, family.grows, family.help);
	for (i = 0; i < host->n; i++) {
		if (!find_value(&host->engines[i], kind, name, &value))
			continue;
		fprintf(file, "ferry_%s%s%s", family.name, unit, family.grows ? "_total" : "");
		put_labels(file, &host->engines[i], NULL, NULL);
		if (family.unit == TOP_SECONDS)
			fprintf(file, "%.9f\n", (double)value / 1e9);
		else
			fprintf(file, "%" PRId64 "\n", value);
	}
}

/* Those whose names did not come before: each family may stand there once. */
static void put_values(FILE *file, const struct top_host *host, enum fy_monitor_kind kind,
                       struct names *names)
{
	struct top_family family;
	unsigned i = names->n;

	find_names(names, host, kind);
	for (; i < names->n; i++) {
		family = top_family_of(names->list[i], kind == FY_MONITOR_COUNTERS);
		if (family.unit != TOP_LEFT_OUT)
			put_family(file, host, kind, names->list[i], family);
	}
}

/* How it is, as 0 and 1. */
static void put_truth(FILE *file, const struct top_host *host, struct names *names,
                      const char *name, const char *help, bool (*is)(const struct top_engine *))
{
	size_t i;

	add_name(names, name);
	put_head(file, name, "", false, help);
	for (i = 0; i < host->n; i++) {
		fprintf(file, "ferry_%s", name);
		put_labels(file, &host->engines[i], NULL, NULL);
		fprintf(file, "%d\n", is(&host->engines[i]));
	}
}

static bool is_up(const struct top_engine *engine)
{
	return !top_engine_dead(engine);
}

static bool is_wrong(const struct top_engine *engine)
{
	return engine->troubles.n != 0;
}

/* ---- stages ------------------------------------------------------------------------------ */

/* Did an earlier one of the engine have the same name? */
static bool came_before(const struct top_engine *engine, unsigned j, const char *name)
{
	struct fy_monitor_histogram stage;
	unsigned i;

	for (i = 0; i < j && top_stage(engine, i, &stage); i++)
		if (strcmp(stage.name, name) == 0)
			return true;
	return false;
}

/* Of the many buckets of the file every eighth bound: from 256 ns to 17 s, times 4 each. */
static void put_stage(FILE *file, const struct top_engine *engine,
                      const struct fy_monitor_histogram *stage)
{
	uint64_t sum = 0, bound = 256;
	char text[32];
	uint32_t i;

	for (i = 0; i < stage->buckets; i++) {
		for (; bound <= UINT64_C(1) << 34 && fy_monitor_bucket_low(i) >= bound;
		     bound *= 4) {
			snprintf(text, sizeof(text), "%.9g", (double)bound / 1e9);
			fputs("ferry_stage_seconds_bucket", file);
			put_labels(file, engine, stage->name, text);
			fprintf(file, "%" PRIu64 "\n", sum);
		}
		sum += stage->in[i];
	}
	fputs("ferry_stage_seconds_bucket", file);
	put_labels(file, engine, stage->name, "+Inf");
	fprintf(file, "%" PRIu64 "\nferry_stage_seconds_sum", sum);
	put_labels(file, engine, stage->name, NULL);
	fprintf(file, "%.9f\nferry_stage_seconds_count", (double)stage->sum / 1e9);
	put_labels(file, engine, stage->name, NULL);
	fprintf(file, "%" PRIu64 "\n", sum);
}

static void put_stages(FILE *file, const struct top_host *host)
{
	struct fy_monitor_histogram stage;
	unsigned j;
	size_t i;

	fputs("# HELP ferry_stage_seconds How long sampled operations were in each stage.\n"
	      "# TYPE ferry_stage_seconds histogram\n",
	      file);
	for (i = 0; i < host->n; i++)
		for (j = 0; top_stage(&host->engines[i], j, &stage); j++)
			if (is_name(stage.name) && !came_before(&host->engines[i], j, stage.name))
				put_stage(file, &host->engines[i], &stage);
}

void top_prometheus(FILE *file, const struct top_host *host)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names) {
		fputs("ferry-top: out of memory\n", stderr);
		return;
	}
	put_truth(file, host, names, "up", "Whether the process of the engine lives.", is_up);
	put_truth(file, host, names, "wrong", "Whether ferry-top finds something wrong.", is_wrong);
	add_name(names, "calls_open");
	put_values(file, host, FY_MONITOR_COUNTERS, names);
	put_values(file, host, FY_MONITOR_GAUGES, names);
	/* The gauge of the calls that are open has the name of the counter of all calls. */
	put_family(file, host, FY_MONITOR_GAUGES, "calls", top_family_of("calls_open", false));
	put_stages(file, host);
	free(names);
}
