/* SPDX-License-Identifier: Apache-2.0 */
/* One page for a browser: page.html, with the picture in it as arrays of numbers. */
#include "timeline/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text/json.h"

/* page.html in pieces: what stands before the data, and behind it. Made from it by the build. */
static const char *const page[] = {
#include "timeline/page.inc"
};
#define PAGE_LINES (sizeof page / sizeof *page)
#define MARK "/*DATA*/"

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* From when on slices are shown, so that there are at most `most`. INT64_MAX: no memory. */
static int64_t oldest_shown(const struct trace_picture *p, size_t most)
{
	if (p->n_slices <= most)
		return INT64_MIN;
	int64_t *begins = malloc(p->n_slices * sizeof *begins);
	if (!begins)
		return INT64_MAX;
	for (size_t i = 0; i < p->n_slices; i++)
		begins[i] = p->slices[i].begin;
	qsort(begins, p->n_slices, sizeof *begins, by_time);
	int64_t oldest = begins[p->n_slices - most];
	free(begins);
	return oldest;
}

static uint64_t packed_place(const struct trace_slice *s)
{
	return (s->id >> 32) * 65536 + (s->id & 0xFFFF);
}

static bool is_of_record(const struct trace_slice *s)
{
	return s->kind < FY_TRACE_SENT;
}

/* The rank that made the call that the slice belongs to, and its number; 0: it belongs to none. */
static void put_call(const struct trace_picture *p, const struct trace_slice *s, FILE *to)
{
	uint64_t call = is_of_record(s) && s->kind != FY_TRACE_POST ? s->extra : 0;
	bool here = s->kind == FY_TRACE_CALL || s->kind == FY_TRACE_COMPLETED;
	uint32_t own = p->job->files[p->tracks[s->track].file].head.rank;
	fprintf(to, "%u,%" PRIu64 ",\n", call && !here ? s->peer : own, call);
}

static void put_slices(const struct trace_picture *p, int64_t oldest, size_t *numbers, FILE *to)
{
	size_t shown = 0;
	fprintf(to, "\"slices\":[");
	for (size_t i = 0; i < p->n_slices; i++) {
		const struct trace_slice *s = &p->slices[i];
		numbers[i] = SIZE_MAX;
		if (s->begin < oldest)
			continue;
		numbers[i] = shown++;
		fprintf(to, "%zu,%" PRId64 ",%" PRId64 ",%u,%u,%u,%" PRIu64 ",%" PRIu64 ",",
		        s->track, s->begin - p->begin, s->end - s->begin, s->kind, s->peer, s->op,
		        s->nbytes, is_of_record(s) ? packed_place(s) : 0);
		put_call(p, s, to);
	}
	fprintf(to, "],\"left_out\":%zu", p->n_slices - shown);
}

static void put_data(const struct trace_picture *p, size_t most, size_t *numbers, FILE *to)
{
	int64_t oldest = oldest_shown(p, most);
	char name[64];
	fprintf(to, "{\"job\":");
	text_json_in_page(to, p->job->name);
	fprintf(to, ",\"length\":%" PRId64 ",\"ranks\":[", p->end - p->begin);
	for (size_t i = 0; i < p->job->count; i++) {
		trace_show_rank(p, i, name, sizeof name);
		fputs(i ? "," : "", to);
		text_json_in_page(to, name);
	}
	fprintf(to, "],\"tracks\":[");
	for (size_t i = 0; i < p->n_tracks; i++) {
		fprintf(to, "%s[%zu,", i ? "," : "", p->tracks[i].file);
		text_json_in_page(to, p->tracks[i].name);
		fputs("]", to);
	}
	fprintf(to, "],");
	put_slices(p, oldest, numbers, to);
	fprintf(to, ",\"arrows\":[");
	for (size_t i = 0; i < p->n_arrows; i++)
		if (numbers[p->arrows[i].from] != SIZE_MAX && numbers[p->arrows[i].to] != SIZE_MAX)
			fprintf(to, "%zu,%zu,\n", numbers[p->arrows[i].from],
			        numbers[p->arrows[i].to]);
	fprintf(to, "],\"spans\":[");
	for (size_t i = 0; i < p->n_spans; i++)
		if (p->spans[i].begin >= oldest)
			fprintf(to, "%zu,%" PRId64 ",%" PRId64 ",%u,%u,%u,%" PRIu64 ",\n",
			        p->spans[i].track, p->spans[i].begin - p->begin,
			        p->spans[i].end - p->spans[i].begin, p->spans[i].kind,
			        p->spans[i].peer, p->spans[i].op, p->spans[i].nbytes);
	fprintf(to, "]}");
}

bool trace_show_page(const struct trace_picture *p, size_t most, FILE *to)
{
	size_t *numbers = malloc((p->n_slices + 1) * sizeof *numbers);
	if (!numbers)
		return false;
	for (size_t i = 0; i < PAGE_LINES; i++) {
		const char *mark = strstr(page[i], MARK);
		const char *behind = mark ? strstr(mark + 1, MARK) : NULL;
		if (!behind) {
			fputs(page[i], to);
			continue;
		}
		fwrite(page[i], 1, (size_t)(mark - page[i]), to);
		put_data(p, most, numbers, to);
		fputs(behind + strlen(MARK), to);
	}
	free(numbers);
	return !ferror(to);
}
