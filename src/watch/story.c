/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict in words and as a graph. */
#include "watch/story.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/waiting.h"
#include "watch/picture.h"
#include "watch/verdict.h"

#define LINE_BYTES 900
#define GROUPS 32 /* lines of ranks; what is more is counted */
#define NAMED 6   /* threads or ops that a line names */
#define CIRCLE 12 /* ranks of a circle that are named */

struct story {
	char *to;
	size_t room, used;
	bool list; /* a line each, with times */
};

static void put(struct story *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct story *t, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(t->to + t->used, t->room - t->used, format, arguments);
	va_end(arguments);
	size_t left = t->room - t->used;
	t->used += n < 0 ? 0 : (size_t)n < left ? (size_t)n : left - 1;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void put_op(struct story *t, uint32_t op)
{
	if (op == FERRY_ANY_OP)
		put(t, "any op");
	else
		put(t, "op %#x", op);
}

static void put_rank(struct story *t, int32_t rank, const char *any)
{
	if (rank >= 0)
		put(t, "rank %d", rank);
	else
		put(t, "%s", any);
}

/* ---- a thread ------------------------------------------------------------------------------ */

static const char *fixed_words(uint32_t wait)
{
	switch (wait) {
	case FY_WAITS_POST:
		return "waits until a post is accepted";
	case FY_WAITS_PROMISE:
		return "waits for a promise that nobody has fulfilled";
	case FY_WAITS_STARTED:
		return "waits for an operation of MPI";
	case FY_WAITS_COMPOSED:
		return "waits for a future made of others";
	case FY_WAITS_ANY:
		return "waits in ferry_wait_any";
	case FY_WAITS_COUNTER:
		return "waits in ferry_counter_wait";
	case FY_WAITS_FENCE:
		return "waits in ferry_fence";
	case FY_WAITS_CLOSE:
		return "waits in ferry_close";
	case FY_WAITS_TASK:
		return "waits in ferry_executor_run for something to run";
	case FY_WAITS_EXECUTOR:
		return "waits in ferry_executor_destroy for what still runs";
	case FY_WAITS_HELM:
		return "waits for the progress thread";
	case FY_WAITS_DRIVING:
		return "waits, and drives the engine meanwhile";
	case FY_WAITS_IDLE:
		return "is a worker without a task";
	case FY_WAITS_NOT:
		return "is in no wait of Ferry";
	default:
		return "waits for a future";
	}
}

static void put_wait(struct story *t, const struct fy_picture_thread *thread)
{
	switch (thread->wait) {
	case FY_WAITS_CALL:
		put(t, "waits for the reply of ");
		put_rank(t, thread->peer, "another rank");
		put(t, " to a call");
		break;
	case FY_WAITS_ROOM:
		put(t, "waits in a post for room at ");
		put_rank(t, thread->peer, "its own rank");
		break;
	case FY_WAITS_FLUSH:
		put(t, "waits in ferry_flush for ");
		put_rank(t, thread->peer, "all ranks");
		break;
	case FY_WAITS_RECV:
		put(t, "waits in ferry_recv for ");
		put_op(t, thread->op);
		put(t, " from ");
		put_rank(t, thread->peer, "any rank");
		break;
	case FY_WAITS_HANDLER:
		put(t, "waits until the handler of ");
		put_op(t, thread->op);
		put(t, " has returned");
		break;
	default:
		put(t, "%s", fixed_words(thread->wait));
	}
}

static void put_thread(struct story *t, const struct fy_picture_thread *thread)
{
	put(t, "thread \"%s\" ", thread->name);
	put_wait(t, thread);
	if (thread->kind == FY_THREAD_TIMED && thread->wait != FY_WAITS_DRIVING)
		put(t, " with a timeout");
	if (thread->kind == FY_THREAD_ELSEWHERE && thread->wait != FY_WAITS_STARTED)
		put(t, " of another engine");
}

static bool is_idle(const struct fy_picture_thread *thread)
{
	return thread->kind == FY_THREAD_OWN || thread->kind == FY_THREAD_HELPER;
}

static uint32_t count_named(const struct fy_picture *p)
{
	uint32_t n = p->more_threads;
	for (uint32_t i = 0; i < p->n_threads; i++)
		n += !is_idle(&p->threads[i]);
	return n;
}

static void begin(struct story *t, unsigned *said)
{
	put(t, "%s", t->list ? *said ? "\n  " : "  " : *said ? "; " : "");
	(*said)++;
}

static void put_threads(struct story *t, const struct fy_picture *p, unsigned *said)
{
	uint32_t named = 0;
	for (uint32_t i = 0; i < p->n_threads && (t->list || named < NAMED); i++) {
		if (is_idle(&p->threads[i]))
			continue;
		named++;
		begin(t, said);
		put_thread(t, &p->threads[i]);
		if (t->list && p->threads[i].wait != FY_WAITS_NOT)
			put(t, " (for %u.%u s)", p->threads[i].waited_ms / 1000,
			    p->threads[i].waited_ms / 100 % 10);
	}
	if (count_named(p) > named)
		put(t, " and %u more", count_named(p) - named);
}

/* ---- what is open -------------------------------------------------------------------------- */

static void put_executor_state(struct story *t, const struct fy_picture_op *op, unsigned *said)
{
	if (op->running) {
		begin(t, said);
		put(t, "%u handler%s of ", op->running, plural(op->running));
		put_op(t, op->op);
		put(t, " on an executor %s not returned", op->running == 1 ? "has" : "have");
	}
	if (op->queued) {
		begin(t, said);
		put(t, "%u message%s of ", op->queued, plural(op->queued));
		put_op(t, op->op);
		put(t, " wait%s for a thread of %s executor", op->queued == 1 ? "s" : "",
		    op->queued == 1 ? "its" : "their");
	}
}

static void put_op_state(struct story *t, const struct fy_picture_op *op, unsigned *said)
{
	if (op->requests) {
		begin(t, said);
		put(t, "it retained %u request%s of ", op->requests, plural(op->requests));
		put_op(t, op->op);
		put(t, " and did not answer");
	}
	if (op->retained > op->requests) {
		begin(t, said);
		put(t, "it retained %u message%s of ", op->retained - op->requests,
		    plural(op->retained - op->requests));
		put_op(t, op->op);
		put(t, " and did not release %s", op->retained - op->requests == 1 ? "it" : "them");
	}
	if (op->unread) {
		begin(t, said);
		put(t, "%u message%s of ", op->unread, plural(op->unread));
		put_op(t, op->op);
		put(t, " %s unread, the first from rank %d", op->unread == 1 ? "is" : "are",
		    op->unread_from);
	}
	put_executor_state(t, op, said);
}

static void put_peer_state(struct story *t, const struct fy_picture_peer *peer, bool starved,
                           unsigned *said)
{
	if (peer->flags & FY_PEER_HELD && !starved) {
		begin(t, said);
		put(t, "posts wait for room at rank %d", peer->rank);
	}
	if (peer->calls) {
		begin(t, said);
		put(t, "%u call%s to rank %d %s no reply", peer->calls, plural(peer->calls),
		    peer->rank, peer->calls == 1 ? "has" : "have");
	}
	if (peer->posts) {
		begin(t, said);
		put(t, "%u post%s to rank %d %s not confirmed", peer->posts, plural(peer->posts),
		    peer->rank, peer->posts == 1 ? "is" : "are");
	}
	if (peer->large || peer->coming) {
		begin(t, said);
		put(t, "%u large messages go to rank %d, and %u come from there", peer->large,
		    peer->rank, peer->coming);
	}
}

static void put_engine(struct story *t, const struct fy_picture *p, unsigned *said)
{
	if (p->flags & FY_PICTURE_HELM && p->inside == UINT32_MAX)
		return;
	begin(t, said);
	if (p->inside == UINT32_MAX && p->flags & FY_PICTURE_BUSY)
		put(t, "the progress thread is busy");
	else if (p->inside == UINT32_MAX)
		put(t, "the progress thread does not answer");
	else if (p->inside == UINT32_MAX - 1)
		put(t, "an inline callback has not returned");
	else if (p->inside == UINT32_MAX - 2)
		put(t, "the engine is being taken apart");
	else
		put(t, "the inline handler of op %#x has not returned", p->inside);
	if (p->blocked_ms >= 1000)
		put(t, " for %u s", p->blocked_ms / 1000);
}

/* The thread that is in the fence or close says the rest. */
static void put_agreement(struct story *t, const struct fy_picture *p, unsigned *said)
{
	uint32_t named = p->n_awaited < 4 ? p->n_awaited : 4;
	if (!named)
		return;
	begin(t, said);
	put(t, "its close waits for rank%s ", plural(p->n_awaited));
	for (uint32_t i = 0; i < named; i++)
		put(t, "%s%u", i ? ", " : "", p->awaited[i]);
	if (p->n_awaited > named)
		put(t, " and %u more", p->n_awaited - named);
}

static void put_state(struct story *t, const struct fy_picture *p)
{
	unsigned said = 0;
	put_engine(t, p, &said);
	put_threads(t, p, &said);
	for (uint32_t i = 0; i < p->n_ops && (t->list || i < NAMED); i++)
		put_op_state(t, &p->ops[i], &said);
	for (uint32_t i = 0; i < p->n_peers && (t->list || i < NAMED); i++)
		put_peer_state(t, &p->peers[i], p->flags & FY_PICTURE_STARVED, &said);
	if (p->flags & FY_PICTURE_STARVED) {
		begin(t, &said);
		put(t, "what has to be sent waits for memory, of which there is none");
	}
	if (p->flags & FY_PICTURE_FULL) {
		begin(t, &said);
		put(t, "unread and retained messages take most of receive_memory");
	}
	put_agreement(t, p, &said);
	if (p->promises) {
		begin(t, &said);
		put(t, "%u promise%s of the program %s not fulfilled", p->promises,
		    plural(p->promises), p->promises == 1 ? "is" : "are");
	}
	if (!said)
		put(t, t->list ? "  nothing is open" : "nothing is open");
}

static uint32_t longest_wait(const struct fy_picture *p)
{
	uint32_t ms = 0;
	for (uint32_t i = 0; i < p->n_threads; i++)
		if (!is_idle(&p->threads[i]) && p->threads[i].waited_ms > ms)
			ms = p->threads[i].waited_ms;
	return ms;
}

size_t fy_story_tell_one(const struct fy_picture *p, char *text, size_t room)
{
	struct story t = { .to = text, .room = room };
	text[0] = '\0';
	put_state(&t, p);
	return t.used;
}

size_t fy_story_list(const struct fy_picture *p, char *text, size_t room)
{
	struct story t = { .to = text, .room = room, .list = true };
	text[0] = '\0';
	put_state(&t, p);
	put(&t, "\n");
	return t.used;
}

/* ---- ranks in an equal state ---------------------------------------------------------------- */

struct group {
	char line[LINE_BYTES];
	int first;
	uint32_t waited_ms;
};

static void describe(const struct fy_verdict_of *job, int rank, char *line)
{
	struct story t = { .to = line, .room = LINE_BYTES };
	line[0] = '\0';
	if (job->second[rank])
		put_state(&t, job->second[rank]);
	else if (job->first[rank])
		put(&t, "silent since the first look");
	else
		put(&t, "silent");
}

/* The ranks of that group, as "rank 3", "ranks 0-2,4". `of`: by rank, the number of its group. */
static void put_ranks(struct story *t, const int *of, int size, int group)
{
	int n = 0, from = -1;
	for (int i = 0; i < size; i++)
		n += of[i] == group;
	put(t, "rank%s ", n == 1 ? "" : "s");
	n = 0;
	for (int i = 0; i <= size; i++) {
		bool in = i < size && of[i] == group;
		if (in && from < 0)
			from = i;
		if (in || from < 0)
			continue;
		put(t, n++ ? ",%d" : "%d", from);
		if (i - 1 > from)
			put(t, "-%d", i - 1);
		from = -1;
	}
}

static int find_group(struct group *groups, int *n_p, const char *line, int rank)
{
	int i = 0;
	while (i < *n_p && strcmp(groups[i].line, line) != 0)
		i++;
	if (i == GROUPS)
		return -1;
	if (i == *n_p) {
		(*n_p)++;
		snprintf(groups[i].line, LINE_BYTES, "%s", line);
		groups[i].first = rank;
		groups[i].waited_ms = 0;
	}
	return i;
}

static void put_groups(struct story *t, const struct fy_verdict_of *job, struct group *groups,
                       int *of)
{
	int n = 0, left_out = 0;
	for (int i = 0; i < job->size; i++) {
		char line[LINE_BYTES];
		describe(job, i, line);
		of[i] = find_group(groups, &n, line, i);
		left_out += of[i] < 0;
		uint32_t ms = job->second[i] ? longest_wait(job->second[i]) : 0;
		if (of[i] >= 0 && ms > groups[of[i]].waited_ms)
			groups[of[i]].waited_ms = ms;
	}
	for (int i = 0; i < n; i++) {
		put_ranks(t, of, job->size, i);
		put(t, ": %s", groups[i].line);
		if (groups[i].waited_ms)
			put(t, " (for up to %u.%u s)", groups[i].waited_ms / 1000,
			    groups[i].waited_ms / 100 % 10);
		put(t, "\n");
	}
	if (left_out)
		put(t, "and %d more ranks, in other states\n", left_out);
}

/* ---- who waits for whom --------------------------------------------------------------------- */

enum edge { NO_EDGE, BROAD, TO_ALL, DIRECT }; /* how much it says */

static const struct fy_picture_peer *peer_of(const struct fy_picture *p, int rank)
{
	static const struct fy_picture_peer none;
	for (uint32_t i = 0; i < p->n_peers; i++)
		if (p->peers[i].rank == rank)
			return &p->peers[i];
	return &none;
}

/* An agreement waits for those that are not in it; if all are, for those that hold it up. */
static bool holds_up(const struct fy_verdict_of *job, int of, int rank)
{
	const struct fy_picture *p = job->second[of], *other = job->second[rank];
	uint32_t in = FY_PICTURE_FENCE | FY_PICTURE_CLOSE;
	if (of == rank && !(p->flags & in))
		return false;
	if (!other || !(other->flags & in) || other->agreement != p->agreement)
		return of != rank;
	return !(other->flags & FY_PICTURE_QUIET);
}

static enum edge thread_waits(const struct fy_verdict_of *job, int of, int rank,
                              const struct fy_picture_thread *t)
{
	const struct fy_picture *p = job->second[of];
	const struct fy_picture_peer *peer = peer_of(p, rank);
	switch (t->wait) {
	case FY_WAITS_CALL:
		return t->peer == rank || (t->peer < 0 && peer->calls) ? DIRECT : NO_EDGE;
	case FY_WAITS_POST:
	case FY_WAITS_COUNTER:
		return peer->posts || peer->flags & FY_PEER_HELD ? DIRECT : NO_EDGE;
	case FY_WAITS_FUTURE:
	case FY_WAITS_COMPOSED:
	case FY_WAITS_ANY:
		return peer->calls || peer->posts ? DIRECT : of == rank ? BROAD : NO_EDGE;
	case FY_WAITS_ROOM:
	case FY_WAITS_FLUSH:
		return t->peer == rank || (t->peer < 0 && peer->flags & FY_PEER_HELD) ? DIRECT
		                                                                      : NO_EDGE;
	case FY_WAITS_RECV:
		return t->peer == rank ? DIRECT : t->peer < 0 && of != rank ? BROAD : NO_EDGE;
	case FY_WAITS_FENCE:
	case FY_WAITS_CLOSE:
		return holds_up(job, of, rank) ? TO_ALL : NO_EDGE;
	case FY_WAITS_PROMISE:
	case FY_WAITS_TASK:
	case FY_WAITS_HANDLER:
	case FY_WAITS_EXECUTOR:
		return of == rank ? BROAD : NO_EDGE;
	default:
		return NO_EDGE;
	}
}

static enum edge waits_for(const struct fy_verdict_of *job, int of, int rank)
{
	const struct fy_picture *p = job->second[of];
	enum edge most = NO_EDGE;
	for (uint32_t i = 0; p && i < p->n_threads; i++) {
		enum edge edge = is_idle(&p->threads[i])
		                         ? NO_EDGE
		                         : thread_waits(job, of, rank, &p->threads[i]);
		most = edge > most ? edge : most;
	}
	return most;
}

/* The rank that it waits for most clearly; -1: none, it is the root. */
static int next_of(const struct fy_verdict_of *job, int of)
{
	const struct fy_picture *p = job->second[of];
	enum edge most = NO_EDGE;
	int next = -1;
	if (!p || p->inside != UINT32_MAX)
		return -1; /* code of the program holds everything up there */
	for (int i = 0; i < job->size; i++) {
		enum edge edge = waits_for(job, of, i);
		if (edge <= most)
			continue;
		most = edge;
		next = i;
	}
	return next;
}

static void put_circle(struct story *t, const struct fy_verdict_of *job, int from)
{
	int at = from, named = 0;
	put(t, "a circle: ");
	do {
		int next = next_of(job, at);
		put(t, "%srank %d waits for rank %d", named ? ", " : "", at, next);
		at = next;
	} while (at != from && ++named < CIRCLE);
	put(t, "%s\n", at == from ? "" : ", and so on");
}

static void put_root(struct story *t, const struct fy_verdict_of *job, int rank)
{
	char line[LINE_BYTES];
	describe(job, rank, line);
	put(t, "the root is rank %d: %s\n", rank, line);
}

/* Who follows one rank after the other comes to a circle, or to one that waits for nobody. */
static void put_end(struct story *t, const struct fy_verdict_of *job)
{
	int at = 0;
	while (at < job->size && next_of(job, at) < 0)
		at++;
	if (at == job->size || fy_verdict(job) == FY_VERDICT_NO)
		return;
	int next = at;
	for (int i = 0; i <= job->size && next >= 0; i++) {
		at = next;
		next = next_of(job, at);
	}
	if (next < 0 || next == at)
		put_root(t, job, at);
	else
		put_circle(t, job, at);
}

/* ---- both ---------------------------------------------------------------------------------- */

static void put_verdict(struct story *t, const struct fy_verdict_of *job)
{
	static const char *const says[] = { "not stuck", "likely stuck",
		                            "proved: nothing can go on any more" };
	char why[200];
	put(t, "%s", says[fy_verdict(job)]);
	if (fy_verdict_why_not(job, why, sizeof why)[0])
		put(t, "; %s", why);
	put(t, "\n");
}

size_t fy_story_tell(const struct fy_verdict_of *job, char *text, size_t room)
{
	struct story t = { .to = text, .room = room };
	text[0] = '\0';
	put_verdict(&t, job);
	struct group *groups = malloc(GROUPS * sizeof *groups);
	int *of = malloc((size_t)job->size * sizeof *of);
	if (groups && of)
		put_groups(&t, job, groups, of);
	free(groups);
	free(of);
	put_end(&t, job);
	return t.used;
}

/* In a string of dot: without quotes, and broken after each part. */
static void put_label(struct story *t, const char *line)
{
	for (; *line; line++) {
		if (*line == '"' || *line == '\\')
			put(t, "'");
		else if (*line == ';')
			put(t, "\\n");
		else
			put(t, "%c", *line);
	}
}

static void put_node(struct story *t, const struct fy_verdict_of *job, int rank)
{
	char line[LINE_BYTES];
	describe(job, rank, line);
	put(t, "\tr%d [label=\"rank %d\\n", rank, rank);
	put_label(t, line);
	put(t, "\"];\n");
}

size_t fy_story_draw(const struct fy_verdict_of *job, char *text, size_t room)
{
	static const char *const styles[] = { "", " [style=dotted]", " [style=dashed]", "" };
	struct story t = { .to = text, .room = room };
	text[0] = '\0';
	put(&t, "digraph ferry {\n\tlabel=\"%s\";\n\tnode [shape=box];\n",
	    fy_verdict_name(fy_verdict(job)));
	for (int i = 0; i < job->size; i++)
		put_node(&t, job, i);
	for (int i = 0; i < job->size; i++)
		for (int j = 0; j < job->size; j++) {
			enum edge edge = waits_for(job, i, j);
			if (edge)
				put(&t, "\tr%d -> r%d%s;\n", i, j, styles[edge]);
		}
	put(&t, "}\n");
	return t.used;
}
