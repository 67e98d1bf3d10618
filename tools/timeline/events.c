/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace events in JSON. Only fields that the format documents: ph X with ts and dur for slices, s
 * and f for arrows, b and e for what may cross, M for names. ts and dur are microseconds.
 */
#include "timeline/show.h"

#include <inttypes.h>

#include "text/json.h"

void trace_show_rank(const struct trace_picture *p, size_t file, char *name, size_t room)
{
	const struct fy_trace_head *h = &p->job->files[file].head;
	const struct fy_trace_head *last = &p->job->files[p->job->count - 1].head;
	if (last->engine)
		snprintf(name, room, "rank %u (engine %u)", h->rank, h->engine);
	else
		snprintf(name, room, "rank %u", h->rank);
}

/* Of all files, so that engines do not share a number. */
static size_t pid_of(const struct trace_picture *p, size_t track)
{
	return p->tracks[track].file;
}

static void put_time(FILE *to, const char *name, int64_t ns)
{
	fprintf(to, ",\"%s\":%" PRId64 ".%03d", name, ns / 1000, (int)(ns % 1000));
}

static void put_names(const struct trace_picture *p, FILE *to)
{
	char name[64];
	for (size_t i = 0; i < p->job->count; i++) {
		trace_show_rank(p, i, name, sizeof name);
		fprintf(to,
		        "{\"ph\":\"M\",\"pid\":%zu,\"tid\":0,\"name\":\"process_name\","
		        "\"args\":{\"name\":",
		        i);
		text_json_in_page(to, name);
		fprintf(to,
		        "}},\n{\"ph\":\"M\",\"pid\":%zu,\"tid\":0,"
		        "\"name\":\"process_sort_index\",\"args\":{\"sort_index\":%zu}},\n",
		        i, i);
	}
	for (size_t i = 0; i < p->n_tracks; i++) {
		fprintf(to,
		        "{\"ph\":\"M\",\"pid\":%zu,\"tid\":%zu,\"name\":\"thread_name\","
		        "\"args\":{\"name\":",
		        pid_of(p, i), i + 1);
		text_json_in_page(to, p->tracks[i].name);
		fprintf(to, "}},\n");
	}
}

static void put_args(const struct trace_slice *s, FILE *to)
{
	switch (s->kind) {
	case FY_TRACE_STEP:
	case FY_TRACE_SLEEP:
	case FY_TRACE_LEND:
		return;
	case FY_TRACE_SENT:
		fprintf(to,
		        ",\"args\":{\"number\":%" PRIu64 ",\"records\":%u,\"bytes\":%" PRIu64
		        ",\"waited_ns\":%" PRIu64 "}",
		        s->id, s->op, s->nbytes, s->extra);
		return;
	case FY_TRACE_CAME:
		fprintf(to,
		        ",\"args\":{\"number\":%" PRIu64 ",\"records\":%u,\"accepted\":%" PRIu64
		        "}",
		        s->id, s->op, s->extra);
		return;
	default:
		fprintf(to,
		        ",\"args\":{\"op\":%u,\"rank\":%u,\"bytes\":%" PRIu64
		        ",\"batch\":%u,\"index\":%u,\"call\":%" PRIu64 "%s}",
		        s->op, s->peer, s->nbytes, (unsigned)(s->id >> 32), (unsigned)s->id,
		        s->kind == FY_TRACE_POST ? 0 : s->extra,
		        s->open ? ",\"unfinished\":1" : "");
	}
}

static const char *category(unsigned kind)
{
	switch (kind) {
	case FY_TRACE_STEP:
	case FY_TRACE_SLEEP:
	case FY_TRACE_LEND:
		return "engine";
	case FY_TRACE_SENT:
	case FY_TRACE_CAME:
		return "batch";
	default:
		return "message";
	}
}

static void put_slice(const struct trace_picture *p, const struct trace_slice *s, FILE *to)
{
	char name[64];
	trace_picture_name(s, name, sizeof name);
	fprintf(to, "{\"ph\":\"X\",\"pid\":%zu,\"tid\":%zu,\"cat\":\"%s\",\"name\":\"%s\"",
	        pid_of(p, s->track), s->track + 1, category(s->kind), name);
	put_time(to, "ts", s->begin - p->begin);
	put_time(to, "dur", s->end - s->begin);
	put_args(s, to);
	fprintf(to, "},\n");
}

static void put_arrow(const struct trace_picture *p, size_t number, FILE *to)
{
	const struct trace_slice *from = &p->slices[p->arrows[number].from];
	const struct trace_slice *end = &p->slices[p->arrows[number].to];
	fprintf(to,
	        "{\"ph\":\"s\",\"pid\":%zu,\"tid\":%zu,\"cat\":\"arrow\",\"name\":\"%s\","
	        "\"id\":%zu",
	        pid_of(p, from->track), from->track + 1, trace_picture_word(from->kind), number);
	put_time(to, "ts", from->begin - p->begin);
	fprintf(to,
	        "},\n{\"ph\":\"f\",\"bp\":\"e\",\"pid\":%zu,\"tid\":%zu,\"cat\":\"arrow\","
	        "\"name\":\"%s\",\"id\":%zu",
	        pid_of(p, end->track), end->track + 1, trace_picture_word(from->kind), number);
	put_time(to, "ts", end->begin - p->begin);
	fprintf(to, "},\n");
}

static void put_span(const struct trace_picture *p, size_t number, FILE *to)
{
	static const char *const words[] = { "call", "large message out", "large message in" };
	const struct trace_span *s = &p->spans[number];
	for (int end = 0; end < 2; end++) {
		fprintf(to,
		        "{\"ph\":\"%c\",\"pid\":%zu,\"tid\":%zu,\"cat\":\"%s\","
		        "\"name\":\"%s %u, rank %u\",\"id\":%zu",
		        end ? 'e' : 'b', pid_of(p, s->track), s->track + 1, words[s->kind],
		        words[s->kind], s->op, s->peer, number);
		put_time(to, "ts", (end ? s->end : s->begin) - p->begin);
		if (!end)
			fprintf(to, ",\"args\":{\"bytes\":%" PRIu64 "}", s->nbytes);
		fprintf(to, "},\n");
	}
}

bool trace_show_events(const struct trace_picture *p, FILE *to)
{
	fprintf(to, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"job\":");
	text_json_in_page(to, p->job->name);
	fprintf(to, "},\"traceEvents\":[\n");
	put_names(p, to);
	for (size_t i = 0; i < p->n_slices; i++)
		put_slice(p, &p->slices[i], to);
	for (size_t i = 0; i < p->n_arrows; i++)
		put_arrow(p, i, to);
	for (size_t i = 0; i < p->n_spans; i++)
		put_span(p, i, to);
	/* the last one has no comma behind it */
	fprintf(to, "{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"process_labels\","
	            "\"args\":{\"labels\":\"ferry-trace\"}}\n]}\n");
	return !ferror(to);
}
