/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long operations were in each stage: a column for each stage, a line for each span of time.
 * So one look shows which stage takes the time. Each column is as wide as its fullest line.
 */
#include <inttypes.h>
#include <string.h>

#include "ferry.h"
#include "stages.h"
#include "units.h"
#include "views.h"

#define STAGES 5
#define POWERS 40 /* of two, in ns: nine minutes */
#define LABEL 9

struct chart {
	struct fy_monitor_histogram stages[STAGES];
	double in[STAGES][POWERS];
	double fullest[STAGES];
	int n;
	int first, last; /* powers of two that anything is in */
	int width;       /* of a column, its gap included */
};

static int power_of(uint64_t ns)
{
	int power = ns ? 64 - __builtin_clzll(ns) : 0;

	return power < POWERS ? power : POWERS - 1;
}

/* Line i has times below 2^i ns and from 2^(i-1) on. */
static void add_stage(struct chart *chart, const struct fy_monitor_histogram *stage)
{
	double *in = chart->in[chart->n];
	uint32_t i;

	for (i = 0; i < stage->buckets; i++)
		in[power_of(fy_monitor_bucket_low(i))] += (double)stage->in[i];
	chart->stages[chart->n++] = *stage;
}

static void find_lines(struct chart *chart)
{
	int stage, power;

	chart->first = POWERS;
	chart->last = -1;
	for (stage = 0; stage < chart->n; stage++) {
		for (power = 0; power < POWERS; power++) {
			if (chart->in[stage][power] <= 0)
				continue;
			chart->first = power < chart->first ? power : chart->first;
			chart->last = power > chart->last ? power : chart->last;
		}
	}
}

/* The sum of so many powers in one line. */
static double in_line(const struct chart *chart, int stage, int power, int step)
{
	double sum = 0;
	int i;

	for (i = power; i < power + step && i < POWERS; i++)
		sum += chart->in[stage][i];
	return sum;
}

static void find_fullest(struct chart *chart, int step)
{
	int stage, power;

	for (stage = 0; stage < chart->n; stage++) {
		for (power = chart->first; power <= chart->last; power += step) {
			double sum = in_line(chart, stage, power, step);

			if (sum > chart->fullest[stage])
				chart->fullest[stage] = sum;
		}
	}
}

/* ---- lines ------------------------------------------------------------------------------- */

struct line {
	char text[512];
	size_t used;
};

static void put_cell(struct line *line, const struct chart *chart, const char *text)
{
	if (line->used < sizeof(line->text))
		line->used +=
			(size_t)snprintf(line->text + line->used, sizeof(line->text) - line->used,
		                         "  %-*.*s", chart->width - 2, chart->width - 2, text);
}

static void begin_line(struct line *line, const char *label)
{
	line->used = (size_t)snprintf(line->text, sizeof(line->text), "%*s", LABEL, label);
}

static void show_line(struct top_page *page, const struct chart *chart, int power, int step)
{
	static const char bar[] = "########################################";
	int stage, most = chart->width - 2, length;
	struct top_text time;
	struct line line;
	char label[32], cell[sizeof(bar)];
	double sum;

	snprintf(label, sizeof(label), "< %s", top_span(&time, INT64_C(1) << (power + step - 1)));
	begin_line(&line, label);
	for (stage = 0; stage < chart->n; stage++) {
		sum = in_line(chart, stage, power, step);
		length = chart->fullest[stage] > 0 ? (int)(most * sum / chart->fullest[stage]) : 0;
		/* What is there is seen, however little it is. */
		if (!length && sum > 0)
			snprintf(cell, sizeof(cell), ".");
		else
			snprintf(cell, sizeof(cell), "%.*s", length, bar);
		put_cell(&line, chart, cell);
	}
	top_line(page, TOP_PLAIN, "%s", line.text);
}

static void show_names(struct top_page *page, const struct chart *chart)
{
	struct line line;
	int stage;

	begin_line(&line, "TIME");
	for (stage = 0; stage < chart->n; stage++)
		put_cell(&line, chart, chart->stages[stage].name);
	top_line(page, TOP_HEADING, "%-*s", page->columns, line.text);
}

static void show_summary(struct top_page *page, const struct chart *chart, const char *label,
                         const char *(*value)(struct top_text *,
                                              const struct fy_monitor_histogram *))
{
	struct top_text text;
	struct line line;
	int stage;

	begin_line(&line, label);
	for (stage = 0; stage < chart->n; stage++)
		put_cell(&line, chart, value(&text, &chart->stages[stage]));
	top_line(page, TOP_PLAIN, "%s", line.text);
}

static const char *sampled(struct top_text *text, const struct fy_monitor_histogram *stage)
{
	return top_count(text, (double)stage->count);
}

static const char *half(struct top_text *text, const struct fy_monitor_histogram *stage)
{
	return top_span(text, top_stage_percentile(stage, 50));
}

static const char *most(struct top_text *text, const struct fy_monitor_histogram *stage)
{
	return top_span(text, top_stage_percentile(stage, 99));
}

static const char *longest(struct top_text *text, const struct fy_monitor_histogram *stage)
{
	return top_span(text, top_stage_longest(stage));
}

/* ---- the chart --------------------------------------------------------------------------- */

static void show_chart(struct top_page *page, struct chart *chart)
{
	int rows = top_page_room(page) - 5, step = 1, power;

	while (page->rows && step < 8 && (chart->last - chart->first) / step + 1 > rows)
		step++;
	find_fullest(chart, step);
	chart->width = (page->columns - LABEL) / chart->n;
	if (chart->width > 40)
		chart->width = 40;
	if (chart->width < 4)
		chart->width = 4;
	show_names(page, chart);
	for (power = chart->first; power <= chart->last; power += step)
		show_line(page, chart, power, step);
	show_summary(page, chart, "sampled", sampled);
	show_summary(page, chart, "50 %", half);
	show_summary(page, chart, "99 %", most);
	show_summary(page, chart, "longest", longest);
}

void top_plot(struct top_page *page, const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	struct chart chart = { .n = 0 };
	struct top_name name;
	unsigned i;

	for (i = 0; chart.n < STAGES && top_stage(engine, i, &stage); i++)
		if (stage.count)
			add_stage(&chart, &stage);
	find_lines(&chart);
	top_line(page, TOP_PLAIN, "%s%s", top_engine_name(&name, engine),
	         chart.last < 0 ? ": no operation was sampled yet" : "");
	if (chart.last >= 0)
		show_chart(page, &chart);
}
