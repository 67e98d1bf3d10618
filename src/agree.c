/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agreement that nothing is under way: the heart of fence and of close.
 *
 * The n-th fence or close of each rank match. The ranks form a binary tree. In
 * each round every rank that has joined sends its counts up, added to those
 * of the ranks below it: user records put into batches, and user records that
 * came to their end (handled, in a mailbox, a reply delivered). The root
 * compares. When all were quiet and the two sums were equal and the same as in
 * the round before, nothing was under way between the two rounds, nor can
 * anything start again: it is over. Otherwise another round, after a pause that grows
 * up to a millisecond.
 *
 * Where a batch was malformed its records are counted as sent and never as done: then standing
 * still for many rounds decides.
 *
 * A close is agreed in two parts. When it would be over for the first time the ranks only *freeze*: from
 * then on the program's code can post nothing any more, callbacks that run late included. What they had
 * posted before is counted in further rounds, and only then it is over.
 *
 * One round is not enough: counts are not taken at one instant, and a record
 * may be sent after its sender was counted and received before its receiver was.
 */
#include "progress.h"

#define TAINTED_ROUNDS 50 /* a millisecond apart: where counts cannot match, standing still has to do */
#define PAUSE_MAX FERRY_MS(1)
#define PAUSE_FIRST FERRY_US(5)

enum { AGAIN = 0, OVER = 1, FREEZE = 2 };

static int parent_of(int rank)
{
	return (rank - 1) / 2;
}

static int children_of(const struct fy_progress *p)
{
	int first = 2 * p->engine->rank + 1, n = p->engine->size - first;
	return n < 0 ? 0 : n > 2 ? 2 : n;
}

static void begin_round(struct fy_agree *a, uint32_t round)
{
	a->round = round;
	a->up_sent = false;
}

void fy_agree_join(struct fy_progress *p, uint32_t kind)
{
	struct fy_agree *a = &p->agree;
	a->n++;
	a->kind = kind;
	a->everybody = false;
	a->last_quiet = false;
	a->frozen = false;
	a->still_rounds = 0;
	a->pause = a->again_at = 0;
	begin_round(a, 0);
	fy_outgoing_list_lanes(p);
	for (struct fy_lane *lane = p->lanes; lane; lane = lane->next)
		lane->fence_mark = fy_load_acquire_64(&lane->tail);
}

/* Nothing of this rank waits to leave, and nothing that arrived waits to be put in order. */
static bool quiet(struct fy_progress *p)
{
	if (!fy_outgoing_quiet(p) || !fy_transfer_quiet(p) || p->tasks || p->homeless)
		return false;
	/* A fence is for messages: a receive that waits for the program's own send would hold it up for ever. */
	if (p->starts && p->starts->awaited && p->agree.kind == FY_AGREE_CLOSE)
		return false;
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		if (ch->pending || ch->streams_out || ch->streams_in || ch->early || ch->ready ||
		    (ch->open && ch->nrecords))
			return false;
	return true;
}

/* A future of a post is completed by an acknowledgement, which a quiet rank must have sent. */
static void finish(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	a->finished = a->n;
	if (a->kind == FY_AGREE_CLOSE)
		p->drained = true;
	a->kind = 0;
	p->worked = true;
	if (a->waiter)
		fy_future_complete(a->waiter, 0, NULL);
	a->waiter = NULL;
}

/* Is there a channel to every rank that is to be told? If not: no memory now. */
static bool can_send_down(struct fy_progress *p)
{
	for (int i = 0; i < children_of(p); i++)
		if (!fy_channel_get(p, 2 * p->engine->rank + 1 + i))
			return false;
	return true;
}

/* To all ranks below, or, for want of memory, to none: false, and nothing has changed. A word that only some got would
 * hang the others. */
static bool send_down(struct fy_progress *p, uint32_t verdict)
{
	struct fy_agree *a = &p->agree;
	if (!can_send_down(p))
		return false;
	for (int i = 0; i < children_of(p); i++) {
		struct fy_channel *ch = fy_channel_get(p, 2 * p->engine->rank + 1 + i);
		ch->down = (struct fy_agree_word){ .n = a->n, .round = a->round, .kind = a->kind, .busy = verdict };
		ch->down_owed = true;
		fy_channel_mark(p, ch);
		a->seen[i] = false;
	}
	a->everybody = true;
	if (verdict == FREEZE) {
		a->frozen = true;
		a->last_quiet = false;
		a->still_rounds = 0;
		fy_engine_set_stopped(p->engine);
	}
	if (verdict == OVER)
		finish(p);
	else
		begin_round(a, a->round + 1);
	return true;
}

/* The root has everybody's counts of a round. */
static void judge(struct fy_progress *p, const struct fy_agree_word *sum)
{
	struct fy_agree *a = &p->agree;
	bool tainted = sum->kind & FY_AGREE_TAINTED;
	bool still = !sum->busy && (sum->sent == sum->done || tainted);
	bool same = a->last_quiet && sum->sent == a->last_sent && sum->done == a->last_done;
	a->still_rounds = still && same ? a->still_rounds + 1 : 0;
	bool over = a->still_rounds >= (tainted ? TAINTED_ROUNDS : 1);
	a->last_quiet = still;
	a->last_sent = sum->sent;
	a->last_done = sum->done;
	a->up_sent = true;
	a->pause = still && !tainted ? 0
	           : a->pause        ? (2 * a->pause < PAUSE_MAX ? 2 * a->pause : PAUSE_MAX)
	                             : PAUSE_FIRST;
	a->again_at = p->now + a->pause;
	if (over) /* if it cannot be told now another round follows, which ends likewise */
		send_down(p, a->kind == FY_AGREE_CLOSE && !a->frozen ? FREEZE : OVER);
}

static void send_up(struct fy_progress *p, const struct fy_agree_word *sum)
{
	struct fy_channel *ch = fy_channel_get(p, parent_of(p->engine->rank));
	if (!ch)
		return; /* no memory: up_sent stays as it is, and the next step tries again */
	ch->up = *sum;
	ch->up_owed = true;
	fy_channel_mark(p, ch);
	p->agree.up_sent = true;
}

static bool children_are_here(const struct fy_progress *p)
{
	const struct fy_agree *a = &p->agree;
	for (int i = 0; i < children_of(p); i++)
		if (!a->seen[i] || a->child[i].n != a->n || a->child[i].round != a->round)
			return false;
	return true;
}

void fy_agree_step(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	if (!a->kind)
		return;
	if (a->up_sent) {
		if (p->engine->rank == 0 && p->now >= a->again_at)
			send_down(p, AGAIN);
		return;
	}
	if (!children_are_here(p))
		return;
	struct fy_agree_word sum = { .n = a->n, .round = a->round, .busy = !quiet(p), .sent = p->issued,
		                     .kind = a->kind | (p->tainted ? FY_AGREE_TAINTED : 0),
		                     .done = p->done + fy_load_acquire_64(&p->engine->handled_elsewhere) };
	for (int i = 0; i < children_of(p); i++) {
		sum.busy += a->child[i].busy;
		sum.kind |= a->child[i].kind & FY_AGREE_TAINTED;
		sum.sent += a->child[i].sent;
		sum.done += a->child[i].done;
	}
	if (p->engine->rank == 0)
		judge(p, &sum);
	else
		send_up(p, &sum);
}

void fy_agree_give_up(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	if (a->kind != FY_AGREE_FENCE)
		return;
	a->kind = 0;
	if (a->waiter)
		fy_future_complete(a->waiter, FERRY_EPEER, "a rank is gone: the fence cannot end");
	a->waiter = NULL;
}

void fy_agree_up(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	int child = ch->rank - (2 * p->engine->rank + 1);
	if (child < 0 || child >= children_of(p)) {
		p->stats.malformed++;
		return;
	}
	p->agree.child[child] = *w;
	p->agree.seen[child] = true;
}

bool fy_agree_down(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	struct fy_agree *a = &p->agree;
	if (ch->rank != parent_of(p->engine->rank) || w->n != a->n || w->round != a->round || !a->kind) {
		p->stats.malformed++;
		return true;
	}
	return send_down(p, w->busy);
}
