/* SPDX-License-Identifier: Apache-2.0 */
/* What the files are, and figures of what is in them. */
#include "timeline/show.h"

#include <inttypes.h>
#include <stdlib.h>

#include "text/json.h"
#include "timeline/align.h"

/* Times of one kind, ns: sorted, their median and longest one tell most. */
struct times {
	int64_t *array;
	size_t count;
};

struct figures {
	struct times ways;     /* from a post or a call to its handler */
	struct times handlers; /* how long these took */
	struct times calls;    /* until the reply */
	uint64_t posts, called, replies, steps, sleeps, lends;
	int64_t stepping, sleeping, lending;
	bool ok;
};

static int by_length(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int64_t median(const struct times *t)
{
	return t->count ? t->array[t->count / 2] : 0;
}

static int64_t longest(const struct times *t)
{
	return t->count ? t->array[t->count - 1] : 0;
}

static void count_slice(struct figures *f, const struct trace_slice *s)
{
	int64_t took = s->end - s->begin;
	switch (s->kind) {
	case FY_TRACE_POST:
		f->posts++;
		break;
	case FY_TRACE_CALL:
		f->called++;
		break;
	case FY_TRACE_REPLY:
		f->replies++;
		break;
	case FY_TRACE_BEGIN:
		f->handlers.array[f->handlers.count++] = took;
		break;
	case FY_TRACE_STEP:
		f->steps++;
		f->stepping += took;
		break;
	case FY_TRACE_SLEEP:
		f->sleeps++;
		f->sleeping += took;
		break;
	case FY_TRACE_LEND:
		f->lends++;
		f->lending += took;
		break;
	default:
		break;
	}
}

static void sort(struct times *t)
{
	if (t->count)
		qsort(t->array, t->count, sizeof *t->array, by_length);
}

static struct figures count(const struct trace_picture *p)
{
	struct figures f = { 0 };
	f.ways.array = malloc((p->n_arrows + 1) * sizeof(int64_t));
	f.handlers.array = malloc((p->n_slices + 1) * sizeof(int64_t));
	f.calls.array = malloc((p->n_spans + 1) * sizeof(int64_t));
	f.ok = f.ways.array && f.handlers.array && f.calls.array;
	if (!f.ok)
		return f;
	for (size_t i = 0; i < p->n_slices; i++)
		count_slice(&f, &p->slices[i]);
	for (size_t i = 0; i < p->n_arrows; i++) {
		const struct trace_slice *to = &p->slices[p->arrows[i].to];
		if (to->kind == FY_TRACE_BEGIN)
			f.ways.array[f.ways.count++] =
				to->begin - p->slices[p->arrows[i].from].begin;
	}
	for (size_t i = 0; i < p->n_spans; i++)
		if (p->spans[i].kind == TRACE_SPAN_CALL)
			f.calls.array[f.calls.count++] = p->spans[i].end - p->spans[i].begin;
	sort(&f.ways);
	sort(&f.handlers);
	sort(&f.calls);
	return f;
}

static void forget(struct figures *f)
{
	free(f->ways.array);
	free(f->handlers.array);
	free(f->calls.array);
}

static double us(int64_t ns)
{
	return (double)ns / 1000;
}

static void put_file(const struct trace_picture *p, size_t i, FILE *to)
{
	const struct trace_file *f = &p->job->files[i];
	const struct trace_clock *c = &f->clock;
	char name[64];
	trace_show_rank(p, i, name, sizeof name);
	fprintf(to, "%-20s %9zu %9" PRIu64 "  %-9s", name, f->count, f->lost,
	        f->head.closed ? "closed" : "ended");
	if (c->method == TRACE_FIRST || c->method == TRACE_SAME)
		fprintf(to, "  %s", trace_align_method(c->method));
	else
		fprintf(to, "  %s: %.3f us +- %.3f us", trace_align_method(c->method),
		        us(-c->shift), us(c->unsure));
	if (c->rate != 0)
		fprintf(to, ", gains %.3f us a second", -c->rate * 1e6);
	if (f->torn + f->malformed + f->cut)
		fprintf(to, "; %" PRIu64 " events are not whole", f->torn + f->malformed + f->cut);
	fprintf(to, "\n");
}

static void put_times(const char *what, const struct times *t, FILE *to)
{
	if (t->count)
		fprintf(to, "%-34s %8zu   median %10.1f us   longest %12.1f us\n", what, t->count,
		        us(median(t)), us(longest(t)));
}

bool trace_show_summary(const struct trace_picture *p, FILE *to)
{
	struct figures f = count(p);
	if (!f.ok)
		return false;
	fprintf(to, "job %s: %zu files, 1 of %" PRIu64 " calls and posts, %.6f s\n", p->job->name,
	        p->job->count, p->job->files[0].head.every, us(p->end - p->begin) / 1e6);
	if (p->job->others)
		fprintf(to, "(%zu files are of other jobs: --job NAME)\n", p->job->others);
	fprintf(to, "\n%-20s %9s %9s  %-9s  %s\n", "", "events", "older", "engine", "clock");
	for (size_t i = 0; i < p->job->count; i++)
		put_file(p, i, to);
	fprintf(to,
	        "\n%" PRIu64 " posts, %" PRIu64 " calls, %" PRIu64 " replies; %zu arrows, %" PRIu64
	        " ends without another one\n",
	        f.posts, f.called, f.replies, p->n_arrows, p->alone);
	put_times("from post or call to handler", &f.ways, to);
	put_times("in handlers", &f.handlers, to);
	put_times("from call to reply", &f.calls, to);
	fprintf(to,
	        "%" PRIu64 " steps for %.6f s, %" PRIu64 " sleeps for %.6f s, %" PRIu64
	        " lends for %.6f s\n",
	        f.steps, us(f.stepping) / 1e6, f.sleeps, us(f.sleeping) / 1e6, f.lends,
	        us(f.lending) / 1e6);
	forget(&f);
	return !ferror(to);
}

static void put_file_figures(const struct trace_file *f, FILE *to)
{
	fprintf(to, "{\"file\":");
	text_json_in_page(to, f->path);
	fprintf(to,
	        ",\"rank\":%u,\"engine\":%u,\"events\":%zu,\"overwritten\":%" PRIu64
	        ",\"torn\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"cut\":%" PRIu64
	        ",\"closed\":%u,\"clock\":",
	        f->head.rank, f->head.engine, f->count, f->lost, f->torn, f->malformed, f->cut,
	        f->head.closed ? 1 : 0);
	text_json_in_page(to, trace_align_method(f->clock.method));
	fprintf(to, ",\"ahead_ns\":%" PRId64 ",\"unsure_ns\":%" PRId64 ",\"gains_ppm\":%.6f}",
	        -f->clock.shift, f->clock.unsure, -f->clock.rate * 1e6);
}

static void put_times_figures(const char *name, const struct times *t, FILE *to)
{
	fprintf(to, ",\"%s\":{\"count\":%zu,\"median_ns\":%" PRId64 ",\"longest_ns\":%" PRId64 "}",
	        name, t->count, median(t), longest(t));
}

bool trace_show_figures(const struct trace_picture *p, FILE *to)
{
	struct figures f = count(p);
	if (!f.ok)
		return false;
	fprintf(to, "{\"job\":");
	text_json_in_page(to, p->job->name);
	fprintf(to,
	        ",\"every\":%" PRIu64 ",\"refused_files\":%zu,\"other_jobs_files\":%zu,\"files\":[",
	        p->job->files[0].head.every, p->job->refused, p->job->others);
	for (size_t i = 0; i < p->job->count; i++) {
		fputs(i ? ",\n" : "\n", to);
		put_file_figures(&p->job->files[i], to);
	}
	fprintf(to,
	        "],\n\"slices\":%zu,\"arrows\":%zu,\"alone\":%" PRIu64 ",\"backward\":%" PRIu64
	        ",\"crossing\":%" PRIu64 ",\"posts\":%" PRIu64 ",\"calls\":%" PRIu64
	        ",\"replies\":%" PRIu64 ",\"steps\":%" PRIu64 ",\"sleeps\":%" PRIu64
	        ",\"lends\":%" PRIu64,
	        p->n_slices, p->n_arrows, p->alone, p->backward, p->crossing, f.posts, f.called,
	        f.replies, f.steps, f.sleeps, f.lends);
	put_times_figures("way", &f.ways, to);
	put_times_figures("handler", &f.handlers, to);
	put_times_figures("call", &f.calls, to);
	fprintf(to, "}\n");
	forget(&f);
	return !ferror(to);
}
