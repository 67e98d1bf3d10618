/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict.
 *
 * What is proved. Let T be a moment after the first round and before the second one. Each thread
 * that is neither the library's own nor a known helper of MPI was in the same wait in both pictures
 * (its number is the same), so it was in it at T; and it slept when the second picture was taken,
 * so nothing had ended that wait by then. The counts of records are equal in both rounds, and what
 * was sent was done, or has arrived and is with an executor. So, as for fences (helm/agree.c), at T
 * nothing was on its way. What is in no count is compared between the two sides: credit that was
 * told and is not known, a word of a fence, confirmations. And nothing happens by itself, because
 * there is no deadline, no grace of a call, no operation of MPI, nothing that the progress thread
 * still has to do. So from T on nothing can happen, whatever time passes.
 *
 * Two rounds have to be apart by more than a close looks for tasks in queues, FY_VERDICT_APART.
 */
#include "watch/verdict.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "watch/picture.h"

const char *fy_verdict_name(enum fy_verdict verdict)
{
	static const char *const names[] = { "no", "likely", "proved" };
	return names[verdict];
}

/* Why it is not more: a sentence in which # is the first rank and @ the other one. */
struct doubt {
	const char *why;
	int rank, other;
	const struct fy_picture_thread *thread;
};

static bool doubts(struct doubt *doubt, bool is, const char *why, int rank, int other)
{
	if (is && !doubt->why)
		*doubt = (struct doubt){ .why = why, .rank = rank, .other = other };
	return is;
}

/* ---- who is there -------------------------------------------------------------------------- */

static const struct fy_picture_peer *peer_of(const struct fy_picture *p, int rank)
{
	for (uint32_t i = 0; p && i < p->n_peers; i++)
		if (p->peers[i].rank == rank)
			return &p->peers[i];
	return NULL;
}

/* Does some rank know that this one is gone? */
static bool is_gone(const struct fy_verdict_of *job, int rank)
{
	for (int i = 0; i < job->size; i++) {
		const struct fy_picture_peer *peer = peer_of(job->second[i], rank);
		if (peer && peer->flags & FY_PEER_GONE)
			return true;
	}
	return false;
}

static bool is_silent(const struct fy_verdict_of *job, int rank)
{
	return !job->first[rank] || !job->second[rank];
}

/* ---- does something move? ------------------------------------------------------------------- */

static bool counts_differ(const struct fy_picture_counts *a, const struct fy_picture_counts *b)
{
	return a->sent != b->sent || a->done != b->done || a->held != b->held ||
	       a->moved != b->moved;
}

static bool rank_moves(const struct fy_picture *a, const struct fy_picture *b, struct doubt *d)
{
	return doubts(d, counts_differ(&a->counts, &b->counts),
	              "rank # has done something between the two looks", a->rank, 0) ||
	       doubts(d, a->counts.waits != b->counts.waits,
	              "threads of rank # began or ended waits between the two looks", a->rank, 0);
}

static bool anything_moves(const struct fy_verdict_of *job, struct doubt *d)
{
	for (int i = 0; i < job->size; i++)
		if (!is_silent(job, i) && rank_moves(job->first[i], job->second[i], d))
			return true;
	return false;
}

/* Is there anything to be stuck? */
static bool is_open(const struct fy_picture *p)
{
	bool open = p->by_kind[FY_THREAD_WAITS] || p->by_kind[FY_THREAD_TIMED] || p->counts.held ||
	            p->flags & (FY_PICTURE_FENCE | FY_PICTURE_CLOSE | FY_PICTURE_UNDER_WAY |
	                        FY_PICTURE_CLOSING);
	for (uint32_t i = 0; i < p->n_peers; i++)
		open |= p->peers[i].calls || p->peers[i].flags & FY_PEER_HELD;
	return open;
}

static bool anything_is_open(const struct fy_verdict_of *job)
{
	bool silent = false;
	for (int i = 0; i < job->size; i++) {
		silent |= is_silent(job, i) && !is_gone(job, i);
		if (job->second[i] && is_open(job->second[i]))
			return true;
	}
	return silent;
}

/* ---- can a rank still do something by itself? ----------------------------------------------- */

static const struct fy_picture_thread *find_thread(const struct fy_picture *p, uint32_t kind)
{
	for (uint32_t i = 0; i < p->n_threads; i++)
		if (p->threads[i].kind == kind)
			return &p->threads[i];
	return NULL;
}

static bool thread_doubts(struct doubt *d, const struct fy_picture *p, uint32_t kind,
                          const char *why)
{
	bool new = !d->why;
	if (!doubts(d, p->by_kind[kind] != 0, why, p->rank, 0))
		return false;
	if (new)
		d->thread = find_thread(p, kind);
	return true;
}

static bool threads_may_act(const struct fy_picture *p, struct doubt *d)
{
	return doubts(d, p->flags & FY_PICTURE_UNSEEN, "the threads of rank # cannot be seen",
	              p->rank, 0) ||
	       thread_doubts(d, p, FY_THREAD_PROGRAM,
	                     "rank # has a thread that is in no wait of Ferry") ||
	       thread_doubts(d, p, FY_THREAD_TIMED,
	                     "rank # has a thread whose wait ends by its timeout") ||
	       thread_doubts(d, p, FY_THREAD_ELSEWHERE,
	                     "rank # has a thread whose wait ends without these ranks");
}

static bool engine_may_act(const struct fy_picture *p, struct doubt *d)
{
	return doubts(d, !(p->flags & FY_PICTURE_HELM),
	              "the progress thread of rank # does not come back", p->rank, 0) ||
	       doubts(d, p->inside != UINT32_MAX, "rank # runs an inline handler or callback",
	              p->rank, 0) ||
	       doubts(d, p->deadlines != 0,
	              "a deadline or a handler_grace ends something on rank #", p->rank, 0) ||
	       doubts(d, p->flags & FY_PICTURE_STARVED,
	              "rank # waits for memory, which may be there again", p->rank, 0) ||
	       doubts(d, p->flags & FY_PICTURE_STARTS,
	              "operations of MPI that the program started go on on rank #", p->rank, 0) ||
	       doubts(d, p->flags & (FY_PICTURE_BUSY | FY_PICTURE_UNDER_WAY | FY_PICTURE_CUT),
	              "something of rank # is on its way", p->rank, 0);
}

/* ---- may something be between two ranks? ---------------------------------------------------- */

/* Room that one side has told, and the other does not know of yet. */
static bool credit_is_coming(const struct fy_picture *p, const struct fy_picture_peer *to,
                             const struct fy_picture *other)
{
	const struct fy_picture_peer *from = peer_of(other, p->rank);
	if (!(to->flags & FY_PEER_HELD) || to->flags & FY_PEER_GONE)
		return false;
	if (!from)
		return other->more_peers || to->limit == 0;
	return from->limit_told != to->limit ||
	       (to->flags & FY_PEER_HUNGRY && !(from->flags & FY_PEER_HUNGRY_THERE));
}

static bool credits_may_act(const struct fy_verdict_of *job, const struct fy_picture *p,
                            struct doubt *d)
{
	for (uint32_t i = 0; i < p->n_peers; i++) {
		int rank = p->peers[i].rank;
		if (rank < 0 || rank >= job->size || is_silent(job, rank))
			continue;
		if (doubts(d, credit_is_coming(p, &p->peers[i], job->second[rank]),
		           "rank # is getting room from rank @", p->rank, rank))
			return true;
	}
	return false;
}

/* Agreements end by words, which are in no count. One that all ranks have joined, and that no rank
 * holds up, is about to end; so is one that another rank has finished, or that a close ends. */
static bool agreement_may_end(const struct fy_verdict_of *job, struct doubt *d)
{
	bool all = true, quiet = true, fences = false, closes = false;
	uint32_t n = 0, finished = 0;
	for (int i = 0; i < job->size; i++) {
		const struct fy_picture *p = job->second[i];
		if (!p)
			continue;
		bool in = p->flags & (FY_PICTURE_FENCE | FY_PICTURE_CLOSE);
		all &= in;
		quiet &= !in || p->flags & FY_PICTURE_QUIET;
		fences |= p->flags & FY_PICTURE_FENCE;
		closes |= p->flags & (FY_PICTURE_CLOSE | FY_PICTURE_CLOSING);
		n = in && p->agreement > n ? p->agreement : n;
		finished = p->finished > finished ? p->finished : finished;
		if (doubts(d, p->flags & FY_PICTURE_ENDING, "rank # is ending its close", i, 0))
			return true;
	}
	return doubts(d, all && quiet, "all ranks are in the fence or the close: it is ending", 0,
	              0) ||
	       doubts(d, n && finished >= n, "the end of a fence is on its way", 0, 0) ||
	       doubts(d, fences && closes, "a close is about to end a fence", 0, 0);
}

/* ---- the verdict --------------------------------------------------------------------------- */

static bool records_may_act(const struct fy_verdict_of *job, struct doubt *d)
{
	uint64_t sent = 0, done = 0;
	for (int i = 0; i < job->size; i++) {
		const struct fy_picture *p = job->second[i];
		sent += p ? p->counts.sent : 0;
		done += p ? p->counts.done + p->counts.held : 0;
	}
	return doubts(d, sent != done, "messages are on their way", 0, 0);
}

static bool threads_changed(const struct fy_picture *a, const struct fy_picture *b, struct doubt *d)
{
	return doubts(d, a->counts.threads != b->counts.threads, "threads of rank # began or ended",
	              a->rank, 0);
}

/* NULL in `why`: it is proved. */
static struct doubt find_doubt(const struct fy_verdict_of *job)
{
	struct doubt d = { 0 };
	for (int i = 0; i < job->size; i++) {
		const struct fy_picture *a = job->first[i], *b = job->second[i];
		if (is_gone(job, i))
			continue;
		if (doubts(&d, !a || !b, "rank # is silent", i, 0) || threads_may_act(a, &d) ||
		    threads_may_act(b, &d) || threads_changed(a, b, &d) || engine_may_act(a, &d) ||
		    engine_may_act(b, &d) || credits_may_act(job, b, &d))
			return d;
	}
	if (!records_may_act(job, &d))
		agreement_may_end(job, &d);
	return d;
}

static enum fy_verdict judge(const struct fy_verdict_of *job, struct doubt *d)
{
	if (anything_moves(job, d))
		return FY_VERDICT_NO;
	if (!anything_is_open(job)) {
		doubts(d, true, "nothing is open, and nobody waits", 0, 0);
		return FY_VERDICT_NO;
	}
	*d = find_doubt(job);
	return d->why ? FY_VERDICT_LIKELY : FY_VERDICT_PROVED;
}

enum fy_verdict fy_verdict(const struct fy_verdict_of *job)
{
	struct doubt d = { 0 };
	return judge(job, &d);
}

/* Returns the length. */
static size_t spell(const struct doubt *d, char *text, size_t room)
{
	size_t used = 0;
	for (const char *at = d->why; *at && used + 1 < room; at++) {
		if (*at != '#' && *at != '@') {
			text[used++] = *at;
			continue;
		}
		int n = snprintf(text + used, room - used, "%d", *at == '#' ? d->rank : d->other);
		used += (size_t)n < room - used ? (size_t)n : room - used - 1;
	}
	text[used] = '\0';
	return used;
}

const char *fy_verdict_why_not(const struct fy_verdict_of *job, char *text, size_t room)
{
	struct doubt d = { 0 };
	enum fy_verdict verdict = judge(job, &d);
	text[0] = '\0';
	if (!d.why)
		return text;
	size_t used = spell(&d, text, room);
	if (verdict == FY_VERDICT_LIKELY && d.thread)
		snprintf(text + used, room - used, ": \"%s\", thread %d", d.thread->name,
		         d.thread->tid);
	return text;
}
