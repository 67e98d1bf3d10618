/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of events: slices, arrows and spans.
 *
 * Both ends of a record know its place (the number of its batch, its index there), and both ends of
 * a call know its id. So an arrow is found by the sender, the receiver, and one of these.
 *
 * What has no length (a post) is a slice of one nanosecond, and the next one of its track begins
 * behind it: then arrows have something to begin and end at in every viewer.
 */
#include "timeline/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeline/sorted.h"

#define POINT 1 /* ns */

/* Room for one more; NULL: no memory, which `p` remembers. */
static void *room_for(struct trace_picture *p, void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	size_t more = *room ? 2 * *room : 256;
	void *bigger = realloc(array, more * size);
	p->no_memory |= !bigger;
	if (bigger)
		*room = more;
	return bigger;
}

static size_t add_slice(struct trace_picture *p, const struct trace_slice *slice)
{
	struct trace_slice *s =
		room_for(p, p->slices, p->n_slices, &p->slices_room, sizeof *p->slices);
	if (!s)
		return 0;
	p->slices = s;
	p->slices[p->n_slices] = *slice;
	return p->n_slices++;
}

static void add_arrow(struct trace_picture *p, size_t from, size_t to)
{
	struct trace_arrow *a =
		room_for(p, p->arrows, p->n_arrows, &p->arrows_room, sizeof *p->arrows);
	if (!a)
		return;
	p->arrows = a;
	p->arrows[p->n_arrows++] = (struct trace_arrow){ from, to };
	p->backward += p->slices[to].begin < p->slices[from].begin;
}

static void add_span(struct trace_picture *p, const struct trace_span *span)
{
	struct trace_span *s = room_for(p, p->spans, p->n_spans, &p->spans_room, sizeof *p->spans);
	if (!s)
		return;
	p->spans = s;
	p->spans[p->n_spans++] = *span;
}

/* ---- tracks --------------------------------------------------------------------------------- */

static void name_track(struct trace_track *t, const struct trace_file *file)
{
	unsigned thread = FY_TRACE_NOBODY;
	char name[32];
	if (t->kind == TRACE_THREAD)
		thread = t->index;
	else if (t->kind == TRACE_LANE && file->head.lanes[t->index])
		thread = file->head.lanes[t->index] - 1u;
	trace_file_thread(file, thread, name, sizeof name);
	switch (t->kind) {
	case TRACE_THREAD:
		snprintf(t->name, sizeof t->name, "%s", name);
		break;
	case TRACE_LANE:
		if (thread == FY_TRACE_NOBODY)
			snprintf(t->name, sizeof t->name, "posts of lane %u", t->index);
		else
			snprintf(t->name, sizeof t->name, "posts of %s", name);
		break;
	case TRACE_ARRIVALS:
		snprintf(t->name, sizeof t->name, "arrivals");
		break;
	case TRACE_REPLIES:
		snprintf(t->name, sizeof t->name, "replies");
		break;
	default:
		snprintf(t->name, sizeof t->name, "batches");
	}
}

/* The tracks of the file that is read just now are the last ones. */
static size_t track_of(struct trace_picture *p, size_t file, enum trace_track_kind kind,
                       unsigned index)
{
	for (size_t i = p->n_tracks; i && p->tracks[i - 1].file == file; i--)
		if (p->tracks[i - 1].kind == kind && p->tracks[i - 1].index == index)
			return i - 1;
	struct trace_track *t =
		room_for(p, p->tracks, p->n_tracks, &p->tracks_room, sizeof *p->tracks);
	if (!t)
		return 0;
	p->tracks = t;
	p->tracks[p->n_tracks] = (struct trace_track){ .file = file, .kind = kind, .index = index };
	name_track(&p->tracks[p->n_tracks], &p->job->files[file]);
	return p->n_tracks++;
}

static size_t track_of_event(struct trace_picture *p, size_t file, const struct fy_trace_event *e)
{
	switch (e->kind) {
	case FY_TRACE_POST:
	case FY_TRACE_CALL:
		return track_of(p, file, TRACE_LANE, e->thread % FY_TRACE_LANES);
	case FY_TRACE_ARRIVED:
	case FY_TRACE_COMPLETED:
		return track_of(p, file, TRACE_ARRIVALS, 0);
	case FY_TRACE_REPLY:
		return track_of(p, file, TRACE_REPLIES, 0);
	case FY_TRACE_SENT:
	case FY_TRACE_CAME:
		return track_of(p, file, TRACE_BATCHES, 0);
	default:
		return track_of(p, file, TRACE_THREAD, e->thread);
	}
}

/* Which of a file's tracks is above which: the progress thread, each thread with its posts, then
 * what belongs to the rank. */
static unsigned height_of(const struct trace_picture *p, const struct trace_track *t)
{
	const struct trace_file *f = &p->job->files[t->file];
	unsigned thread = t->index;
	if (t->kind > TRACE_LANE)
		return 0x400000u + t->kind;
	if (t->kind == TRACE_LANE)
		thread = f->head.lanes[t->index] ? f->head.lanes[t->index] - 1u : FY_TRACE_NOBODY;
	bool progress =
		thread < FY_TRACE_THREADS && strcmp(f->head.threads[thread].name, "ferry") == 0;
	return (progress ? 0 : 4 + 4 * thread) + t->kind;
}

static bool is_above(const struct trace_picture *p, const struct trace_track *x,
                     const struct trace_track *y)
{
	if (x->file != y->file)
		return x->file < y->file;
	unsigned a = height_of(p, x), b = height_of(p, y);
	return a != b ? a < b : x->index < y->index;
}

/* There are few of them. */
static void order_tracks(struct trace_picture *p)
{
	struct trace_track *sorted = malloc((p->n_tracks + 1) * sizeof *sorted);
	size_t *now = malloc((p->n_tracks + 1) * sizeof *now);
	p->no_memory |= !sorted || !now;
	for (size_t i = 0; !p->no_memory && i < p->n_tracks; i++) {
		now[i] = 0;
		for (size_t j = 0; j < p->n_tracks; j++)
			now[i] += is_above(p, &p->tracks[j], &p->tracks[i]);
		sorted[now[i]] = p->tracks[i];
	}
	if (!p->no_memory) {
		memcpy(p->tracks, sorted, p->n_tracks * sizeof *sorted);
		for (size_t i = 0; i < p->n_slices; i++)
			p->slices[i].track = now[p->slices[i].track];
		for (size_t i = 0; i < p->n_spans; i++)
			p->spans[i].track = now[p->spans[i].track];
	}
	free(sorted);
	free(now);
}

/* ---- slices --------------------------------------------------------------------------------- */

static struct trace_slice slice_of(struct trace_picture *p, size_t file,
                                   const struct fy_trace_event *e, int64_t begin, int64_t end)
{
	const struct trace_file *f = &p->job->files[file];
	return (struct trace_slice){ .track = track_of_event(p, file, e),
		                     .begin = trace_file_time(f, begin),
		                     .end = trace_file_time(f, end),
		                     .kind = e->kind,
		                     .flags = e->flags,
		                     .peer = e->peer,
		                     .op = e->op,
		                     .id = e->id,
		                     .extra = e->extra,
		                     .nbytes = e->nbytes };
}

/* The handler of that event ends: it is one of those that are open on its track. Handlers that
 * began within it have ended too, although the ring has lost that. */
static void end_handler(struct trace_picture *p, struct trace_sorted *open, size_t file,
                        const struct fy_trace_event *e)
{
	size_t track = track_of_event(p, file, e);
	int64_t now = trace_file_time(&p->job->files[file], e->time);
	size_t at = open->count;
	while (at && !(p->slices[open->items[at - 1].value].track == track &&
	               p->slices[open->items[at - 1].value].id == e->id))
		at--;
	if (!at)
		return;
	for (size_t i = at - 1; i < open->count;) {
		struct trace_slice *s = &p->slices[open->items[i].value];
		if (s->track != track) {
			i++;
			continue;
		}
		s->end = now;
		s->open = false;
		memmove(&open->items[i], &open->items[i + 1],
		        (--open->count - i) * sizeof *open->items);
	}
}

static void begin_handler(struct trace_picture *p, struct trace_sorted *open, size_t file,
                          const struct fy_trace_event *e, int64_t last)
{
	struct trace_slice s = slice_of(p, file, e, e->time, last);
	s.open = true;
	p->no_memory |= !trace_sorted_add(open, 0, 0, 0, add_slice(p, &s));
}

static bool is_slice(const struct fy_trace_event *e)
{
	return e->kind == FY_TRACE_STEP || e->kind == FY_TRACE_SLEEP || e->kind == FY_TRACE_LEND;
}

static bool is_large(const struct fy_trace_event *e)
{
	return e->kind >= FY_TRACE_ANNOUNCED && e->kind <= FY_TRACE_LANDED;
}

static void take_events(struct trace_picture *p, size_t file)
{
	const struct trace_file *f = &p->job->files[file];
	struct trace_sorted open = { 0 };
	int64_t last = 0;
	for (size_t i = 0; i < f->count; i++) {
		const struct fy_trace_event *e = &f->events[i];
		int64_t ends = e->time + (is_slice(e) ? (int64_t)e->extra : POINT);
		last = i == 0 || ends > last ? ends : last;
	}
	for (size_t i = 0; i < f->count && !p->no_memory; i++) {
		const struct fy_trace_event *e = &f->events[i];
		if (e->kind == FY_TRACE_BEGIN) {
			begin_handler(p, &open, file, e, last);
		} else if (e->kind == FY_TRACE_END) {
			end_handler(p, &open, file, e);
		} else if (!is_large(e)) {
			int64_t took = is_slice(e) ? (int64_t)e->extra : POINT;
			struct trace_slice s = slice_of(p, file, e, e->time, e->time + took);
			add_slice(p, &s);
		}
	}
	trace_sorted_free(&open);
}

static int by_track(const void *a, const void *b)
{
	const struct trace_slice *x = a, *y = b;
	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	/* of the same time: a lend is around steps, and these around handlers */
	return (x->kind < y->kind) - (x->kind > y->kind);
}

/* Points of one time stand behind one another. On the tracks of threads slices that cross are cut.
 * */
static void settle_track(struct trace_picture *p, size_t from, size_t to)
{
	size_t depth = 0, *around = malloc((to - from + 1) * sizeof *around);
	p->no_memory |= !around;
	for (size_t i = from; around && i < to; i++) {
		struct trace_slice *s = &p->slices[i];
		if (p->tracks[s->track].kind != TRACE_THREAD) {
			if (i > from && s->begin < p->slices[i - 1].end)
				s->begin = p->slices[i - 1].end;
			s->end = s->begin + POINT;
			continue;
		}
		while (depth && p->slices[around[depth - 1]].end <= s->begin)
			depth--;
		if (depth && s->end > p->slices[around[depth - 1]].end) {
			p->crossing += !s->open;
			s->end = p->slices[around[depth - 1]].end;
		}
		around[depth++] = i;
	}
	free(around);
}

static void settle(struct trace_picture *p)
{
	if (p->n_slices)
		qsort(p->slices, p->n_slices, sizeof *p->slices, by_track);
	for (size_t i = 0, next; i < p->n_slices; i = next) {
		for (next = i + 1;
		     next < p->n_slices && p->slices[next].track == p->slices[i].track;)
			next++;
		settle_track(p, i, next);
	}
	p->begin = INT64_MAX;
	p->end = INT64_MIN;
	for (size_t i = 0; i < p->n_slices; i++) {
		p->begin = p->slices[i].begin < p->begin ? p->slices[i].begin : p->begin;
		p->end = p->slices[i].end > p->end ? p->slices[i].end : p->end;
	}
	if (!p->n_slices)
		p->begin = p->end = 0;
}

/* ---- arrows --------------------------------------------------------------------------------- */

static size_t file_of(const struct trace_picture *p, const struct trace_slice *s)
{
	return p->tracks[s->track].file;
}

/* The file of the slice's other end; the number of files if there is none. */
static size_t other_file(const struct trace_picture *p, const struct trace_slice *s)
{
	const struct fy_trace_head *h = &p->job->files[file_of(p, s)].head;
	return trace_job_find(p->job, h->engine, s->peer);
}

/* Where an arrow ends, by the file of its beginning, its own file, and what both know. */
static void index_ends(struct trace_picture *p, struct trace_sorted *ends, unsigned kind)
{
	for (size_t i = 0; i < p->n_slices; i++) {
		const struct trace_slice *s = &p->slices[i];
		if (s->kind == kind)
			p->no_memory |=
				!trace_sorted_add(ends, other_file(p, s), file_of(p, s),
			                          kind == FY_TRACE_COMPLETED ? s->extra : s->id, i);
	}
	trace_sorted_sort(ends);
}

/* The slice at the other end of this one. False: it is in no file. */
static bool find_end(const struct trace_picture *p, const struct trace_sorted *ends,
                     const struct trace_slice *s, size_t *end_p)
{
	uint64_t known = s->kind == FY_TRACE_REPLY ? s->extra : s->id;
	return trace_sorted_find(ends, file_of(p, s), other_file(p, s), known, end_p);
}

static bool is_out(unsigned kind)
{
	return kind == FY_TRACE_POST || kind == FY_TRACE_CALL || kind == FY_TRACE_REPLY;
}

static void draw_arrows(struct trace_picture *p)
{
	struct trace_sorted handlers = { 0 }, arrivals = { 0 }, completions = { 0 };
	index_ends(p, &handlers, FY_TRACE_BEGIN);
	index_ends(p, &arrivals, FY_TRACE_ARRIVED);
	index_ends(p, &completions, FY_TRACE_COMPLETED);
	uint64_t met = 0;
	for (size_t i = 0; i < p->n_slices && !p->no_memory; i++) {
		const struct trace_slice *s = &p->slices[i];
		size_t to;
		if (!is_out(s->kind))
			continue;
		bool reply = s->kind == FY_TRACE_REPLY;
		if (reply ? find_end(p, &completions, s, &to)
		          : find_end(p, &handlers, s, &to) || find_end(p, &arrivals, s, &to)) {
			add_arrow(p, i, to);
			met++;
		} else {
			p->alone++;
		}
	}
	size_t ends = handlers.count + completions.count;
	for (size_t i = 0; i < arrivals.count; i++) {
		const struct trace_slice *s = &p->slices[arrivals.items[i].value];
		size_t to;
		/* one that was handled later has two ends, of which the handler counts */
		ends += !trace_sorted_find(&handlers, arrivals.items[i].a, arrivals.items[i].b,
		                           s->id, &to);
	}
	p->alone += ends > met ? ends - met : 0;
	trace_sorted_free(&handlers);
	trace_sorted_free(&arrivals);
	trace_sorted_free(&completions);
}

/* ---- spans ---------------------------------------------------------------------------------- */

static void span_calls(struct trace_picture *p)
{
	struct trace_sorted done = { 0 };
	index_ends(p, &done, FY_TRACE_COMPLETED);
	for (size_t i = 0; i < p->n_slices && !p->no_memory; i++) {
		const struct trace_slice *s = &p->slices[i];
		size_t end;
		if (s->kind == FY_TRACE_CALL &&
		    trace_sorted_find(&done, other_file(p, s), file_of(p, s), s->extra, &end))
			add_span(p, &(struct trace_span){ .track = s->track,
			                                  .kind = TRACE_SPAN_CALL,
			                                  .begin = s->begin,
			                                  .end = p->slices[end].end,
			                                  .peer = s->peer,
			                                  .op = s->op,
			                                  .id = s->extra,
			                                  .nbytes = s->nbytes });
	}
	trace_sorted_free(&done);
}

/* Large messages of a file, from an event of `first` to one of `last`. */
static void span_large(struct trace_picture *p, size_t file, enum trace_span_kind kind,
                       unsigned first, unsigned last)
{
	const struct trace_file *f = &p->job->files[file];
	struct trace_sorted open = { 0 };
	for (size_t i = 0; i < f->count; i++)
		if (f->events[i].kind == first)
			p->no_memory |=
				!trace_sorted_add(&open, f->events[i].peer, 0, f->events[i].id, i);
	trace_sorted_sort(&open);
	for (size_t i = 0; i < f->count && !p->no_memory; i++) {
		const struct fy_trace_event *e = &f->events[i];
		size_t begun;
		if (e->kind != last || !trace_sorted_find(&open, e->peer, 0, e->id, &begun))
			continue;
		const struct fy_trace_event *b = &f->events[begun];
		add_span(p, &(struct trace_span){ .track = track_of(p, file, TRACE_BATCHES, 0),
		                                  .kind = kind,
		                                  .begin = trace_file_time(f, b->time),
		                                  .end = trace_file_time(f, e->time),
		                                  .peer = e->peer,
		                                  .op = b->op,
		                                  .id = e->id,
		                                  .nbytes = b->nbytes });
	}
	trace_sorted_free(&open);
}

bool trace_picture_make(struct trace_picture *p, const struct trace_job *job)
{
	memset(p, 0, sizeof *p);
	p->job = job;
	for (size_t i = 0; i < job->count; i++) {
		take_events(p, i);
		span_large(p, i, TRACE_SPAN_SENDING, FY_TRACE_ANNOUNCED, FY_TRACE_DEPARTED);
		span_large(p, i, TRACE_SPAN_RECEIVING, FY_TRACE_EXPECTED, FY_TRACE_LANDED);
	}
	if (p->no_memory)
		return false;
	if (p->n_tracks)
		order_tracks(p);
	settle(p);
	draw_arrows(p);
	span_calls(p);
	return !p->no_memory;
}

void trace_picture_free(struct trace_picture *p)
{
	free(p->tracks);
	free(p->slices);
	free(p->arrows);
	free(p->spans);
	memset(p, 0, sizeof *p);
}

const char *trace_picture_word(unsigned kind)
{
	static const char *const words[FY_TRACE_KINDS] = {
		[FY_TRACE_NOTHING] = "nothing",   [FY_TRACE_POST] = "post",
		[FY_TRACE_CALL] = "call",         [FY_TRACE_REPLY] = "reply",
		[FY_TRACE_ARRIVED] = "arrival",   [FY_TRACE_BEGIN] = "handler",
		[FY_TRACE_END] = "end",           [FY_TRACE_COMPLETED] = "completion",
		[FY_TRACE_SENT] = "batch out",    [FY_TRACE_CAME] = "batch in",
		[FY_TRACE_STEP] = "step",         [FY_TRACE_SLEEP] = "sleep",
		[FY_TRACE_LEND] = "lend",         [FY_TRACE_ANNOUNCED] = "announced",
		[FY_TRACE_DEPARTED] = "departed", [FY_TRACE_EXPECTED] = "expected",
		[FY_TRACE_LANDED] = "landed",
	};
	return kind < FY_TRACE_KINDS ? words[kind] : words[0];
}

void trace_picture_name(const struct trace_slice *s, char *name, size_t room)
{
	const char *word = trace_picture_word(s->kind);
	switch (s->kind) {
	case FY_TRACE_POST:
	case FY_TRACE_CALL:
		snprintf(name, room, "%s %u to rank %u", word, s->op, s->peer);
		break;
	case FY_TRACE_BEGIN:
	case FY_TRACE_ARRIVED:
		snprintf(name, room, "%s %u of rank %u", word, s->op, s->peer);
		break;
	case FY_TRACE_REPLY:
	case FY_TRACE_SENT:
		snprintf(name, room, "%s to rank %u", word, s->peer);
		break;
	case FY_TRACE_COMPLETED:
	case FY_TRACE_CAME:
		snprintf(name, room, "%s of rank %u", word, s->peer);
		break;
	default:
		snprintf(name, room, "%s", word);
	}
}
