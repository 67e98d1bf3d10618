/* SPDX-License-Identifier: Apache-2.0 */
/* A line an operation: when, what, from whom to whom, and how long each part took. */
#include "timeline/show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "timeline/sorted.h"

static unsigned rank_of(const struct trace_picture *p, const struct trace_slice *s)
{
	return p->job->files[p->tracks[s->track].file].head.rank;
}

static void put_us(FILE *to, int64_t ns, const char *what)
{
	fprintf(to, ", %s%" PRId64 ".%d us", what, ns / 1000, abs((int)(ns % 1000) / 100));
}

/* The reply to a call is found as the span from it. */
static const struct trace_span *span_of(const struct trace_picture *p,
                                        const struct trace_sorted *spans,
                                        const struct trace_slice *s)
{
	size_t i;
	if (s->kind != FY_TRACE_CALL ||
	    !trace_sorted_find(spans, p->tracks[s->track].file, s->peer, s->extra, &i))
		return NULL;
	return &p->spans[i];
}

static void put_line(const struct trace_picture *p, size_t i, const struct trace_slice *end,
                     const struct trace_span *span, FILE *to)
{
	const struct trace_slice *s = &p->slices[i];
	int64_t at = s->begin - p->begin;
	fprintf(to, "%5" PRId64 ".%09d %-5s op %u, %u -> %u, %" PRIu64 " bytes", at / 1000000000,
	        (int)(at % 1000000000), trace_picture_word(s->kind), s->op, rank_of(p, s), s->peer,
	        s->nbytes);
	if (end)
		put_us(to, end->begin - s->begin,
		       end->kind == FY_TRACE_BEGIN ? "handled after " : "arrived after ");
	if (end && end->kind == FY_TRACE_BEGIN)
		put_us(to, end->end - end->begin, end->open ? "and not over after " : "for ");
	if (span)
		put_us(to, span->end - span->begin, "answered after ");
	fprintf(to, "\n");
}

bool trace_show_lines(const struct trace_picture *p, FILE *to)
{
	struct trace_sorted order = { 0 }, arrows = { 0 }, spans = { 0 };
	bool ok = true;
	for (size_t i = 0; i < p->n_slices; i++)
		if (p->slices[i].kind == FY_TRACE_POST || p->slices[i].kind == FY_TRACE_CALL)
			ok &= trace_sorted_add(&order, (uint64_t)(p->slices[i].begin - p->begin), 0,
			                       i, i);
	for (size_t i = 0; i < p->n_arrows; i++)
		ok &= trace_sorted_add(&arrows, p->arrows[i].from, 0, 0, p->arrows[i].to);
	for (size_t i = 0; i < p->n_spans; i++)
		if (p->spans[i].kind == TRACE_SPAN_CALL)
			ok &= trace_sorted_add(&spans, p->tracks[p->spans[i].track].file,
			                       p->spans[i].peer, p->spans[i].id, i);
	trace_sorted_sort(&order);
	trace_sorted_sort(&arrows);
	trace_sorted_sort(&spans);
	for (size_t i = 0; ok && i < order.count; i++) {
		size_t at = order.items[i].value, end;
		bool has_end = trace_sorted_find(&arrows, at, 0, 0, &end);
		put_line(p, at, has_end ? &p->slices[end] : NULL,
		         span_of(p, &spans, &p->slices[at]), to);
	}
	trace_sorted_free(&order);
	trace_sorted_free(&arrows);
	trace_sorted_free(&spans);
	return ok && !ferror(to);
}
