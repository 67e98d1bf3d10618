/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligning clocks. What goes from A to B takes at least as long as the fastest batch or record. Of
 * the fastest one each way, the two times that are seen are
 *
 *     there = offset + way        back = way - offset
 *
 * so offset = (there - back) / 2, and it is wrong by at most (there + back) / 2, which is when one
 * of the two ways takes no time. In a run of more than LONG_RUN the same is done for its first and
 * its last third; if the two differ by more than they may be wrong, the clock drifts, and the
 * offset is a line.
 *
 * The offsets are added along a tree of pairs, the surest pairs first. Ranks of one boot and one
 * time namespace have the same clock. That is not believed if a batch came before it left: then
 * theirs are measured like the others. A rank that no pair reaches is placed by the clock of the
 * wall.
 */
#include "timeline/align.h"

#include <stdlib.h>
#include <string.h>

#define LONG_RUN INT64_C(10000000000) /* ns */
#define SHIFT_MAX (INT64_C(1) << 60)
#define EARLY 1000 /* ns: a batch that comes so much before it left is a lie */

/* A batch or a record that is in the files of both its ends. `a` is the lower one of the two files.
 * */
struct sample {
	size_t a, b;
	bool there; /* from a to b */
	int64_t when, took;
};

/* The fastest of a time, each way. */
struct least {
	int64_t there, back;
	bool any_there, any_back;
};

/* What is known of two clocks: b is offset + rate * (its time - base) ahead of a. */
struct pair {
	size_t a, b;
	int64_t offset, base, unsure;
	double rate;
	bool measured;
};

struct samples {
	struct sample *array;
	size_t count, room;
	bool no_memory;
};

static void add_sample(struct samples *s, const struct sample *sample)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 1024;
		struct sample *array = realloc(s->array, room * sizeof *array);
		s->no_memory |= !array;
		if (!array)
			return;
		s->array = array;
		s->room = room;
	}
	s->array[s->count++] = *sample;
}

/* ---- what is in two files ------------------------------------------------------------------- */

struct sent {
	uint32_t peer;
	uint64_t place; /* of a record; of a batch that of what is before its first record */
	int64_t time;
};

/* Did this leave? */
static bool leaves(const struct fy_trace_event *e)
{
	return e->kind == FY_TRACE_SENT || e->kind == FY_TRACE_POST || e->kind == FY_TRACE_CALL ||
	       e->kind == FY_TRACE_REPLY;
}

/* Did it come? A handler may begin much later, but never before. */
static bool comes(const struct fy_trace_event *e)
{
	return e->kind == FY_TRACE_CAME || e->kind == FY_TRACE_ARRIVED ||
	       e->kind == FY_TRACE_BEGIN || e->kind == FY_TRACE_COMPLETED;
}

static uint64_t place_of(const struct fy_trace_event *e)
{
	return e->kind == FY_TRACE_SENT || e->kind == FY_TRACE_CAME ? e->id << 32 : e->id;
}

static int by_peer(const void *a, const void *b)
{
	const struct sent *x = a, *y = b;
	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static struct sent *list_sent(const struct trace_file *file, size_t *count_p)
{
	struct sent *list = malloc((file->count + 1) * sizeof *list);
	*count_p = 0;
	for (size_t i = 0; list && i < file->count; i++)
		if (leaves(&file->events[i]))
			list[(*count_p)++] =
				(struct sent){ file->events[i].peer, place_of(&file->events[i]),
				               file->events[i].time };
	if (list)
		qsort(list, *count_p, sizeof *list, by_peer);
	return list;
}

struct sent_list {
	struct sent *array;
	size_t count;
};

/* What came to `to`. */
static void match(struct samples *s, const struct trace_job *job, size_t to,
                  const struct sent_list *lists)
{
	const struct trace_file *file = &job->files[to];
	for (size_t i = 0; i < file->count; i++) {
		const struct fy_trace_event *e = &file->events[i];
		size_t from = comes(e) ? trace_job_find(job, file->head.engine, e->peer) : to;
		if (from == to || from == job->count)
			continue;
		struct sent key = { file->head.rank, place_of(e), 0 };
		const struct sent_list *list = &lists[from];
		const struct sent *sent =
			list->count ? bsearch(&key, list->array, list->count, sizeof key, by_peer)
				    : NULL;
		if (!sent)
			continue;
		bool there = from < to;
		add_sample(s, &(struct sample){ .a = there ? from : to,
		                                .b = there ? to : from,
		                                .there = there,
		                                .when = e->time,
		                                .took = e->time - sent->time });
	}
}

static void collect(struct samples *s, const struct trace_job *job)
{
	struct sent_list *lists = calloc(job->count + 1, sizeof *lists);
	s->no_memory = !lists;
	for (size_t i = 0; lists && i < job->count; i++) {
		lists[i].array = list_sent(&job->files[i], &lists[i].count);
		s->no_memory |= !lists[i].array;
	}
	for (size_t to = 0; to < job->count && !s->no_memory; to++)
		match(s, job, to, lists);
	for (size_t i = 0; lists && i < job->count; i++)
		free(lists[i].array);
	free(lists);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static bool same_clock(const struct trace_file *x, const struct trace_file *y)
{
	return x->head.boot[0] && strcmp(x->head.boot, y->head.boot) == 0 &&
	       x->head.time_space == y->head.time_space;
}

static bool same_process(const struct trace_file *x, const struct trace_file *y)
{
	return same_clock(x, y) && x->head.pid == y->head.pid;
}

static void note(struct least *l, const struct sample *s)
{
	int64_t *least = s->there ? &l->there : &l->back;
	bool *any = s->there ? &l->any_there : &l->any_back;
	if (!*any || s->took < *least)
		*least = s->took;
	*any = true;
}

static int64_t offset_of(const struct least *l)
{
	return l->there / 2 - l->back / 2;
}

static int64_t unsure_of(const struct least *l)
{
	int64_t unsure = l->there / 2 + l->back / 2;
	return unsure < 0 ? -unsure : unsure;
}

static bool both_ways(const struct least *l)
{
	return l->any_there && l->any_back;
}

/* All samples of two files become a pair. `when` is told by both clocks: it only sorts the samples
 * into thirds, for which they are compared with those of the same direction. */
static struct pair measure(const struct sample *s, size_t count)
{
	struct least all = { 0 }, early = { 0 }, late = { 0 };
	int64_t first[2] = { INT64_MAX, INT64_MAX }, last[2] = { INT64_MIN, INT64_MIN };
	for (size_t i = 0; i < count; i++) {
		note(&all, &s[i]);
		first[s[i].there] = s[i].when < first[s[i].there] ? s[i].when : first[s[i].there];
		last[s[i].there] = s[i].when > last[s[i].there] ? s[i].when : last[s[i].there];
	}
	struct pair pair = { .a = s->a, .b = s->b, .measured = both_ways(&all) };
	if (!pair.measured)
		return pair;
	pair.offset = offset_of(&all);
	pair.unsure = unsure_of(&all);
	int64_t span = last[1] - first[1];
	if (span < LONG_RUN || last[0] - first[0] < LONG_RUN)
		return pair;
	for (size_t i = 0; i < count; i++) {
		int64_t third = (last[s[i].there] - first[s[i].there]) / 3;
		if (s[i].when <= first[s[i].there] + third)
			note(&early, &s[i]);
		if (s[i].when >= last[s[i].there] - third)
			note(&late, &s[i]);
	}
	int64_t moved = offset_of(&late) - offset_of(&early);
	int64_t doubt = unsure_of(&late) + unsure_of(&early);
	if (!both_ways(&early) || !both_ways(&late) || llabs(moved) <= doubt)
		return pair;
	pair.rate = (double)moved / ((double)span * 2 / 3); /* between the middles of the thirds */
	pair.base = first[1] + span / 6;                    /* of b's clock */
	pair.offset = offset_of(&early);
	pair.unsure = doubt / 2;
	return pair;
}

static int by_files(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

static int by_doubt(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->measured != y->measured)
		return x->measured ? -1 : 1;
	return (x->unsure > y->unsure) - (x->unsure < y->unsure);
}

static struct pair *make_pairs(struct samples *s, size_t *count_p)
{
	struct pair *pairs = calloc(s->count + 1, sizeof *pairs);
	*count_p = 0;
	if (!pairs)
		return NULL;
	if (s->count)
		qsort(s->array, s->count, sizeof *s->array, by_files);
	for (size_t i = 0, next; i < s->count; i = next) {
		for (next = i + 1; next < s->count && by_files(&s->array[i], &s->array[next]) == 0;)
			next++;
		pairs[(*count_p)++] = measure(&s->array[i], next - i);
	}
	qsort(pairs, *count_p, sizeof *pairs, by_doubt);
	return pairs;
}

/* Did a batch come before it left, between two that say that they have the same clock? */
static bool is_a_lie(const struct trace_job *job, const struct samples *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->array[i].took < -EARLY &&
		    same_clock(&job->files[s->array[i].a], &job->files[s->array[i].b]))
			return true;
	return false;
}

/* ---- the tree ------------------------------------------------------------------------------- */

/* The file gets its clock from `from`, with which it has the same one. */
static void copy_clock(struct trace_file *file, const struct trace_file *from)
{
	file->clock = from->clock;
	if (from->clock.method == TRACE_FIRST)
		file->clock.method = TRACE_SAME;
}

/* Times that no clock has would not fit into the sum of two. */
static int64_t sane(int64_t shift)
{
	return shift < -SHIFT_MAX || shift > SHIFT_MAX ? 0 : shift;
}

/* `to` is `offset` ahead of `from` at its time `base`, and gains `rate`. */
static void add_clock(struct trace_file *to, const struct trace_file *from, int64_t offset,
                      int64_t base, double rate, int64_t unsure)
{
	const struct trace_clock *c = &from->clock;
	to->clock.method = TRACE_MEASURED;
	to->clock.shift =
		sane(c->shift - offset + (int64_t)(c->rate * (double)(base - offset - c->base)));
	to->clock.base = base;
	to->clock.rate = c->rate - rate;
	to->clock.unsure = c->unsure + unsure;
}

static bool grow_same(struct trace_job *job, bool *placed, bool lie)
{
	bool any = false;
	for (size_t i = 0; i < job->count; i++)
		for (size_t j = 0; placed[i] && j < job->count; j++) {
			const struct trace_file *x = &job->files[i], *y = &job->files[j];
			if (placed[j] || !(lie ? same_process(x, y) : same_clock(x, y)))
				continue;
			copy_clock(&job->files[j], x);
			placed[j] = any = true;
		}
	return any;
}

/* One more, by the surest pair that reaches one. */
static bool grow_by_pair(struct trace_job *job, bool *placed, const struct pair *pairs,
                         size_t count)
{
	for (size_t i = 0; i < count && pairs[i].measured; i++) {
		const struct pair *p = &pairs[i];
		if (placed[p->a] == placed[p->b])
			continue;
		if (placed[p->a])
			add_clock(&job->files[p->b], &job->files[p->a], p->offset, p->base, p->rate,
			          p->unsure);
		else
			add_clock(&job->files[p->a], &job->files[p->b], -p->offset,
			          p->base - p->offset, -p->rate, p->unsure);
		placed[p->a] = placed[p->b] = true;
		return true;
	}
	return false;
}

static void place_by_wall(struct trace_job *job, size_t i)
{
	const struct fy_trace_clock *first = &job->files[0].head.begun;
	const struct fy_trace_clock *its = &job->files[i].head.begun;
	job->files[i].clock.method = TRACE_WALL;
	uint64_t here = (uint64_t)its->real - (uint64_t)its->monotonic;
	uint64_t there = (uint64_t)first->real - (uint64_t)first->monotonic;
	job->files[i].clock.shift = sane((int64_t)(here - there));
}

static void place_all(struct trace_job *job, bool *placed, const struct pair *pairs, size_t count,
                      bool lie)
{
	placed[0] = true;
	job->files[0].clock.method = TRACE_FIRST;
	for (size_t i = 0;;) {
		while (grow_same(job, placed, lie) || grow_by_pair(job, placed, pairs, count))
			;
		while (i < job->count && placed[i])
			i++;
		if (i == job->count)
			return;
		place_by_wall(job, i);
		placed[i] = true;
	}
}

bool trace_align(struct trace_job *job)
{
	struct samples s = { 0 };
	size_t count = 0;
	collect(&s, job);
	bool *placed = calloc(job->count + 1, sizeof *placed);
	struct pair *pairs = s.no_memory ? NULL : make_pairs(&s, &count);
	bool ok = placed && pairs;
	if (ok && job->count)
		place_all(job, placed, pairs, count, is_a_lie(job, &s));
	free(placed);
	free(pairs);
	free(s.array);
	return ok;
}

const char *trace_align_method(enum trace_method method)
{
	static const char *const names[] = { "first", "same clock", "measured",
		                             "clock of the wall" };
	return names[method];
}
