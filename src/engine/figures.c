/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statistics of all ranks as texts. Any thread. There is no floating point in them: some
 * locales write a comma instead of the point.
 */
#include "engine/figures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"

#define LEFT_LINES 64 /* at most so many lines of a table name what was left */

#define COUNTER(name)                              \
	{                                          \
#name, offsetof(ferry_stats, name) \
	}
static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	COUNTER(posts),        COUNTER(calls),          COUNTER(delivered),
	COUNTER(handled),      COUNTER(batches_sent),   COUNTER(batches_received),
	COUNTER(bytes_sent),   COUNTER(bytes_received), COUNTER(lane_full),
	COUNTER(channel_full), COUNTER(credit_out),     COUNTER(grants_waited),
	COUNTER(refused),      COUNTER(dropped),        COUNTER(late_replies),
	COUNTER(malformed),    COUNTER(sleeps),         COUNTER(wakes),
	COUNTER(steps),        COUNTER(lends),          COUNTER(memory_held),
	COUNTER(kept),         COUNTER(mpi_errors),
};
#define COUNTERS (sizeof counters / sizeof counters[0])
_Static_assert(sizeof(ferry_stats) == sizeof(size_t) + COUNTERS * sizeof(uint64_t),
               "each counter has its row");

struct value {
	uint64_t is;
	int rank;
};

/* All ranks' values of one counter, sorted. */
struct figure {
	const struct value *sorted;
	int n;
};

static uint64_t read_counter(const struct fy_census_row *row, size_t i)
{
	uint64_t is;
	memcpy(&is, (const char *)&row->stats + counters[i].offset, sizeof is);
	return is;
}

static int compare(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	return x->is != y->is ? (x->is < y->is ? -1 : 1)
	                      : (x->rank > y->rank) - (x->rank < y->rank);
}

static struct figure sort(const struct fy_census_row *rows, int ranks, size_t i,
                          struct value *memory)
{
	int n = 0;
	for (int rank = 0; rank < ranks; rank++)
		if (rows[rank].magic)
			memory[n++] = (struct value){ read_counter(&rows[rank], i), rank };
	qsort(memory, (size_t)n, sizeof *memory, compare);
	return (struct figure){ memory, n };
}

/* Of an even number the lower one of the two in the middle: a value that a rank has. */
static uint64_t median_of(const struct figure *f)
{
	return f->sorted[(f->n - 1) / 2].is;
}

/* Of those with the highest value the first rank. */
static int rank_of_highest(const struct figure *f)
{
	int i = f->n - 1;
	while (i > 0 && f->sorted[i - 1].is == f->sorted[i].is)
		i--;
	return f->sorted[i].rank;
}

static int how_many(const struct fy_census_row *rows, int ranks)
{
	int n = 0;
	for (int rank = 0; rank < ranks; rank++)
		n += rows[rank].magic != 0;
	return n;
}

/* ---- what was left --------------------------------------------------------------------------- */

static void put_of_op(FILE *to, uint32_t op)
{
	if (op == FERRY_ANY_OP)
		fputs(" of other ops", to);
	else
		fprintf(to, " of op %#" PRIx32, op);
}

static void put_left_of(FILE *to, const struct fy_left_of *of)
{
	const char *s = of->count == 1 ? "" : "s";
	bool request = of->what == FY_LEFT_UNANSWERED;
	if (of->what == FY_LEFT_CALLS) {
		fprintf(to, "%" PRIu64 " call%s to rank %" PRId32 " without a reply", of->count, s,
		        of->rank);
		return;
	}
	if (of->what == FY_LEFT_PROMISES) {
		fprintf(to, "%" PRIu64 " promise%s that nobody fulfilled", of->count, s);
		return;
	}
	fprintf(to, "%" PRIu64 " %s%s", of->count, request ? "request" : "message", s);
	put_of_op(to, of->op);
	if (of->rank != FERRY_ANY)
		fprintf(to, " from rank %" PRId32, of->rank);
	fputs(of->what == FY_LEFT_UNTAKEN ? " that nobody handled or read"
	      : request                   ? " without an answer"
	                                  : " retained and not released",
	      to);
}

static void put_left_line(FILE *to, int rank, const struct fy_left_of *of)
{
	fprintf(to, "ferry:   rank %d: ", rank);
	put_left_of(to, of);
	fputc('\n', to);
}

/* Each kind on all ranks, one after the other. */
static void put_left(FILE *to, const struct fy_census_row *rows, int ranks)
{
	uint64_t lines = 0, more = 0;
	for (int rank = 0; rank < ranks; rank++) {
		if (!rows[rank].magic)
			continue;
		for (uint32_t i = 0; i < rows[rank].left.n; i++)
			if (lines < LEFT_LINES) {
				put_left_line(to, rank, &rows[rank].left.of[i]);
				lines++;
			} else {
				more += rows[rank].left.of[i].count;
			}
		more += rows[rank].left.more;
	}
	if (more)
		fprintf(to, "ferry:   and %" PRIu64 " more\n", more);
	if (!lines && !more)
		fputs("ferry:   nothing was left untaken, retained or open\n", to);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void put_missing(FILE *to, const struct fy_census_row *rows, int ranks)
{
	const char *before = "; none came from rank ";
	for (int rank = 0; rank < ranks; rank++)
		if (!rows[rank].magic) {
			fprintf(to, "%s%d", before, rank);
			before = ", ";
		}
}

static void put_head(FILE *to, const struct fy_census_row *rows, int ranks)
{
	int n = how_many(rows, ranks);
	if (n == ranks)
		fprintf(to, "ferry: statistics of %d rank%s at the close", ranks,
		        ranks == 1 ? "" : "s");
	else
		fprintf(to, "ferry: statistics of %d of %d ranks at the close", n, ranks);
	put_missing(to, rows, ranks);
	fprintf(to, "\nferry:   %-16s %15s %6s %15s %15s %6s\n", "counter", "minimum", "rank",
	        "median", "maximum", "rank");
}

static void put_counters(FILE *to, const struct fy_census_row *rows, int ranks,
                         struct value *memory)
{
	bool nothing[COUNTERS] = { false }, any = false;
	for (size_t i = 0; i < COUNTERS; i++) {
		struct figure f = sort(rows, ranks, i, memory);
		const struct value *low = &f.sorted[0], *high = &f.sorted[f.n - 1];
		nothing[i] = high->is == 0;
		if (!nothing[i])
			fprintf(to,
			        "ferry:   %-16s %15" PRIu64 " %6d %15" PRIu64 " %15" PRIu64
			        " %6d\n",
			        counters[i].name, low->is, low->rank, median_of(&f), high->is,
			        rank_of_highest(&f));
	}
	for (size_t i = 0; i < COUNTERS; i++)
		if (nothing[i]) {
			fprintf(to, "%s%s",
			        any ? ", " : "ferry:   0 on every rank: ", counters[i].name);
			any = true;
		}
	if (any)
		fputc('\n', to);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void put_json_counter(FILE *to, const struct fy_census_row *rows, int ranks, size_t i,
                             struct value *memory)
{
	struct figure f = sort(rows, ranks, i, memory);
	const struct value *low = &f.sorted[0], *high = &f.sorted[f.n - 1];
	fprintf(to,
	        "  \"%s\": {\"min\": %" PRIu64 ", \"min_rank\": %d, \"median\": %" PRIu64
	        ", \"max\": %" PRIu64 ", \"max_rank\": %d, \"of\": [",
	        counters[i].name, low->is, low->rank, median_of(&f), high->is, rank_of_highest(&f));
	for (int rank = 0; rank < ranks; rank++)
		if (rows[rank].magic)
			fprintf(to, "%s%" PRIu64, rank ? ", " : "", read_counter(&rows[rank], i));
		else
			fprintf(to, "%snull", rank ? ", " : "");
	fprintf(to, "]}%s\n", i + 1 < COUNTERS ? "," : "");
}

static void put_number(FILE *to, const char *name, bool is, int64_t value)
{
	if (is)
		fprintf(to, ", \"%s\": %" PRId64, name, value);
	else
		fprintf(to, ", \"%s\": null", name);
}

static void put_json_left(FILE *to, int rank, const struct fy_left_of *of)
{
	static const char *const names[FY_LEFT_KINDS] = { "untaken", "retained", "unanswered",
		                                          "calls", "promises" };
	fprintf(to, "  {\"rank\": %d, \"what\": \"%s\"", rank, names[of->what]);
	put_number(to, "op", of->op != FERRY_ANY_OP, of->op);
	put_number(to, "peer", of->rank != FERRY_ANY, of->rank);
	fprintf(to, ", \"count\": %" PRIu64 "}", of->count);
}

static void put_json_lefts(FILE *to, const struct fy_census_row *rows, int ranks)
{
	const char *before = "\n";
	uint64_t more = 0;
	for (int rank = 0; rank < ranks; rank++) {
		more += rows[rank].magic ? rows[rank].left.more : 0;
		for (uint32_t i = 0; rows[rank].magic && i < rows[rank].left.n; i++) {
			fputs(before, to);
			put_json_left(to, rank, &rows[rank].left.of[i]);
			before = ",\n";
		}
	}
	fprintf(to, "],\n \"left_unnamed\": %" PRIu64 "\n}\n", more);
}

static void put_json(FILE *to, const struct fy_census_row *rows, int ranks, struct value *memory)
{
	const char *before = "";
	fprintf(to, "{\"ferry\": \"%s\", \"ranks\": %d, \"missing\": [", ferry_version(), ranks);
	for (int rank = 0; rank < ranks; rank++)
		if (!rows[rank].magic) {
			fprintf(to, "%s%d", before, rank);
			before = ", ";
		}
	fputs("],\n \"counters\": {\n", to);
	for (size_t i = 0; i < COUNTERS; i++)
		put_json_counter(to, rows, ranks, i, memory);
	fputs(" },\n \"left\": [", to);
	put_json_lefts(to, rows, ranks);
}

/* ---- texts ----------------------------------------------------------------------------------- */

static void put_table(FILE *to, const struct fy_census_row *rows, int ranks, struct value *memory)
{
	put_head(to, rows, ranks);
	put_counters(to, rows, ranks, memory);
	put_left(to, rows, ranks);
}

/* NULL also if any part of the text found no memory. */
static char *finish(FILE *to, char **text)
{
	bool failed = ferror(to);
	if (fclose(to) != 0 || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

static char *make(void (*put)(FILE *to, const struct fy_census_row *rows, int ranks,
                              struct value *memory),
                  const struct fy_census_row *rows, int ranks)
{
	char *text = NULL;
	size_t nbytes = 0;
	struct value *memory = calloc((size_t)ranks, sizeof *memory);
	FILE *to = memory ? open_memstream(&text, &nbytes) : NULL;
	if (to) {
		put(to, rows, ranks, memory);
		text = finish(to, &text);
	}
	free(memory);
	return text;
}

char *fy_figures_table(const struct fy_census_row *rows, int ranks)
{
	return make(put_table, rows, ranks);
}

char *fy_figures_json(const struct fy_census_row *rows, int ranks)
{
	return make(put_json, rows, ranks);
}

char *fy_figures_line(const struct fy_census_row *row, int rank, const char *why)
{
	char *text = NULL;
	size_t nbytes = 0;
	const char *before = "";
	FILE *to = open_memstream(&text, &nbytes);
	if (!to)
		return NULL;
	fprintf(to, "ferry: rank %d: statistics of this rank alone, as %s: ", rank, why);
	for (size_t i = 0; i < COUNTERS; i++)
		if (read_counter(row, i)) {
			fprintf(to, "%s%s %" PRIu64, before, counters[i].name,
			        read_counter(row, i));
			before = ", ";
		}
	for (uint32_t i = 0; i < row->left.n; i++) {
		fputs("; ", to);
		put_left_of(to, &row->left.of[i]);
	}
	fputc('\n', to);
	return finish(to, &text);
}
