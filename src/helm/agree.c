/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agreement that nothing is under way: the heart of fence and of close.
 *
 * The ranks form a binary tree. A fence has the number of the fences that have succeeded so far,
 * plus one; so has the close, which is the last agreement of an engine. Those of the same number
 * and kind belong together.
 *
 * Rounds. In round 0 a rank sends its counts up when it and all ranks below it have joined. In
 * every later round it does so when it and all below it are quiet: user records put into batches,
 * and user records that came to their end (handled, in a mailbox, a reply delivered), added to
 * those of the ranks below. The root compares. When the two sums are equal, and the same as those
 * of the round before, it is over. When they are equal and not the same the root begins another
 * round. When they differ something is on its way, and nobody does anything: whose counts change
 * sends them up once more in the same round, and the root looks again. So ranks that wait for each
 * other are asleep.
 *
 * Why this suffices: let T be a moment between two rounds with equal sums. What was sent by T is at
 * least the sum of what was done in the first round, and at most the sum of what was sent in the
 * second one. Both are the same number: so at T everything that was sent was done, and from T until
 * each rank was counted for the second time it sent nothing. What a rank had to send at T it had
 * still when it was counted; but then it was quiet, so it had nothing. In the first of the two
 * rounds nobody needs to be quiet, which is why round 0 can be it.
 *
 * Colours. A fence waits for what was posted before it on any rank, and for what handlers of that
 * post in turn, but not for what other threads post meanwhile. So records have one of two colours,
 * and are counted by it. A rank's colour changes when it joins a fence. What a thread posts has the
 * rank's colour of that moment: the helm sees it by the mark that the fence set in the thread's
 * lane, so that posting costs nothing for it. What a handler posts has the colour of its message:
 * its thread has a tag in its lane meanwhile, which gets into the records without being looked at.
 * A fence compares the counts of the colour that was the rank's before. What is posted later is of
 * the other one, and can go on for ever.
 *
 * Two colours suffice: let n fences be over. Then no record is left that was posted by a thread
 * whose rank had joined fewer than n, nor one that comes of it. No rank has joined more than n + 1.
 * So whatever is alive was posted, or comes of what was posted, after n joins or after n + 1: the
 * colour of the former is what fence n + 1 counts, on all ranks, and joining it has made the other
 * one their own. While it is going on records of the former come into being by handlers of such
 * records alone, and in lanes before their marks. For these the argument above holds: a handler's
 * record is counted as done after the handler has told how far its lane has to be drained, and a
 * rank is not quiet before that has left.
 *
 * A close counts both colours: once all ranks close, threads post nothing more.
 *
 * Where a batch was malformed its records are counted as sent and never as done: then standing
 * still for many rounds decides, and a fence waits for all that is under way, as a close does.
 *
 * A close is agreed in two parts. When it would be over for the first time the ranks only *freeze*:
 * from then on the program's code can post nothing any more, callbacks that run late included. What
 * they had posted before is counted in further rounds, and only then it is over.
 *
 * News. A rank that closes joins no fence any more. It says so to its neighbours in the tree, which
 * pass it on whatever they are doing: so each rank knows one that closes, and a fence that this one
 * has not joined ends with FERRY_EINVAL. The news also tells which ranks a close still waits for:
 * up, those of the subtree; down, all that the root knows of. It is told again when that has
 * changed, at most once a second. news.c.
 */
#include "helm/agree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "bulk/bulk.h"
#include "future/future.h"
#include "helm/colour.h"
#include "helm/lanes.h"
#include "helm/news.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/tree.h"
#include "link/channel.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "wire/bodies.h"

/* a millisecond apart: where counts cannot match, standing still has to do */
#define TAINTED_ROUNDS 50
#define PAUSE_MAX FERRY_MS(1) /* between two times that changed counts are sent up */
#define PAUSE_FIRST FERRY_US(5)

enum { AGAIN = 0, OVER = 1, FREEZE = 2 };

/* ---- the tree ------------------------------------------------------------------------------ */

/* Nothing is agreed on before there are channels to all neighbours: then a word that is owed is
 * never lost for want of memory. False: again at the next step. */
static bool open_tree(struct fy_progress *p)
{
	int rank = p->link.engine->rank;
	if (rank && !fy_peer_get(p, fy_tree_parent(rank)))
		return false;
	for (int i = 0; i < fy_tree_children(p); i++)
		if (!fy_peer_get(p, fy_tree_child(rank, i)))
			return false;
	return true;
}

/* ---- joining ------------------------------------------------------------------------------- */

static void begin_round(struct fy_agree *a, uint32_t round)
{
	a->round = round;
	a->up_sent = false;
	a->resend_delay = a->again_at = 0;
}

void fy_agree_join(struct fy_progress *p, uint32_t kind)
{
	struct fy_agree *a = &p->agree;
	a->n = a->finished + 1;
	a->kind = kind;
	a->everybody = a->frozen = a->careful = false;
	a->last_known = false;
	a->still_rounds = 0;
	begin_round(a, 0);
	fy_lanes_mark(p);
	if (kind == FY_AGREE_FENCE)
		fy_colour_change(p);
	if (kind == FY_AGREE_CLOSE)
		fy_news_closes(p, p->link.engine->rank, a->finished);
}

/* ---- the end ------------------------------------------------------------------------------- */

void fy_agree_complete(struct fy_agree *a, int status, const char *detail)
{
	a->kind = 0;
	a->up_due = false;
	if (a->waiter)
		fy_future_complete(a->waiter, status, detail);
	a->waiter = NULL;
}

/* A future of a post is completed by an acknowledgement, which a quiet rank must have sent. */
static void finish(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	a->finished = a->n;
	if (a->kind == FY_AGREE_CLOSE)
		p->close.drained = true;
	p->link.worked = true;
	fy_agree_complete(a, 0, NULL);
}

void fy_agree_give_up(struct fy_progress *p)
{
	if (p->agree.kind == FY_AGREE_FENCE)
		fy_agree_complete(&p->agree, FERRY_EPEER, "a rank is gone: the fence cannot end");
}

/* ---- quiet --------------------------------------------------------------------------------- */

/* The colour that a fence waits for: of what was posted before this rank joined it. */
static unsigned old_colour(const struct fy_progress *p)
{
	return p->link.counts.colour ^ 1;
}

/* Nothing of that colour waits to leave. What else there is of it is in the counts. */
static bool is_quiet_for_fence(struct fy_progress *p)
{
	bool came_back = fy_load_acquire_32(&p->link.engine->mailbox.rescan) &&
	                 fy_load_acquire_64(&p->link.engine->mailbox.bytes);
	/* which may find another handler */
	return fy_colour_has_left(p, old_colour(p)) && !came_back;
}

/* Nothing of this rank waits to leave, and nothing that arrived waits to be put in order. */
bool fy_agree_is_quiet(struct fy_progress *p)
{
	if (p->agree.kind == FY_AGREE_FENCE && !p->agree.careful)
		return is_quiet_for_fence(p);
	if (!fy_colour_all_left(p) || !fy_bulk_is_quiet(&p->bulk) || p->link.tasks.first ||
	    p->arrivals.homeless)
		return false;
	/* A fence is for messages: a receive that waits for the program's own send would hold
	 * it up for ever. Handlers of executors are in the counts; a close tells the others who
	 * has some. */
	if (p->agree.kind == FY_AGREE_CLOSE &&
	    ((p->starts && p->starts->awaited) ||
	     p->handlers.given != fy_engine_handled(p->link.engine)))
		return false;
	for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next)
		if (ch->pending.first || ch->streams_out || ch->streams_in ||
		    fy_peer_of(ch)->undispatched || ch->out.ready || (ch->open && ch->nrecords))
			return false;
	return true;
}

/* ---- words --------------------------------------------------------------------------------- */

static void send_down(struct fy_progress *p, uint32_t verdict)
{
	struct fy_agree *a = &p->agree;
	uint32_t kind = a->kind | (a->careful ? FY_AGREE_TAINTED : 0);
	for (int i = 0; i < fy_tree_children(p); i++) {
		struct fy_channel *ch = p->link.channels[fy_tree_child(p->link.engine->rank, i)];
		fy_peer_of(ch)->owed.down = (struct fy_agree_word){
			.n = a->n, .round = a->round, .kind = kind, .verdict = verdict
		};
		fy_peer_of(ch)->owed.down_owed = true;
		fy_channel_owe(&p->link, ch);
		a->seen[i] = false;
	}
	if (!a->everybody)
		fy_news_all_joined(p);
	a->everybody = true;
	if (verdict == FREEZE) {
		a->frozen = true;
		a->last_known = false;
		a->still_rounds = 0;
		fy_engine_set_stopped(p->link.engine);
	}
	p->link.worked = true;
	if (verdict == OVER)
		finish(p);
	else
		begin_round(a, a->round + 1);
}

static void send_up(struct fy_progress *p, const struct fy_agree_word *sum)
{
	struct fy_agree *a = &p->agree;
	struct fy_channel *ch = p->link.channels[fy_tree_parent(p->link.engine->rank)];
	fy_peer_of(ch)->owed.up = a->up = *sum;
	fy_peer_of(ch)->owed.up_owed = true;
	fy_channel_owe(&p->link, ch);
	a->up_sent = true;
	a->resend_delay = a->resend_delay ? 2 * a->resend_delay : PAUSE_FIRST;
	if (a->resend_delay > PAUSE_MAX)
		a->resend_delay = PAUSE_MAX;
	a->again_at = p->link.now + a->resend_delay;
}

/* The root has everybody's counts of a round, perhaps not for the first time. */
static void judge(struct fy_progress *p, const struct fy_agree_word *sum)
{
	struct fy_agree *a = &p->agree;
	bool tainted = sum->kind & FY_AGREE_TAINTED;
	bool still = sum->sent == sum->done || tainted;
	if (a->round && !still)
		return; /* something is on its way: whose counts change says so */
	bool same = a->last_known && sum->sent == a->last_sent && sum->done == a->last_done;
	a->still_rounds = still && same ? a->still_rounds + 1 : 0;
	bool over = a->still_rounds >= (tainted ? TAINTED_ROUNDS : 1);
	a->last_known = still;
	a->last_sent = sum->sent;
	a->last_done = sum->done;
	a->careful = tainted;
	send_down(p, !over ? AGAIN : a->kind == FY_AGREE_CLOSE && !a->frozen ? FREEZE : OVER);
	a->again_at = tainted ? p->link.now + PAUSE_MAX : 0;
}

/* ---- the step ------------------------------------------------------------------------------ */

bool fy_agree_has_answered(const struct fy_progress *p, int child)
{
	const struct fy_agree *a = &p->agree;
	const struct fy_agree_word *up = &a->child[child];
	uint32_t kind = up->kind & ~(uint32_t)FY_AGREE_TAINTED;
	return a->seen[child] && up->n == a->n && up->round == a->round && kind == a->kind;
}

static bool children_are_here(const struct fy_progress *p)
{
	for (int i = 0; i < fy_tree_children(p); i++)
		if (!fy_agree_has_answered(p, i))
			return false;
	return true;
}

static struct fy_agree_word count(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	struct fy_agree_word sum = { .n = a->n,
		                     .round = a->round,
		                     .kind = a->kind | (p->agree.tainted ? FY_AGREE_TAINTED : 0) };
	for (unsigned colour = 0; colour < 2; colour++) {
		if (a->kind == FY_AGREE_FENCE && colour != old_colour(p))
			continue;
		sum.sent += p->link.counts.issued[colour];
		sum.done += p->link.counts.done[colour] +
		            fy_load_acquire_64(&p->link.engine->told.handled_elsewhere[colour]);
	}
	for (int i = 0; i < fy_tree_children(p); i++) {
		sum.kind |= a->child[i].kind & FY_AGREE_TAINTED;
		sum.sent += a->child[i].sent;
		sum.done += a->child[i].done;
	}
	return sum;
}

static bool has_news(const struct fy_agree *a, const struct fy_agree_word *sum)
{
	return sum->sent != a->up.sent || sum->done != a->up.done || sum->kind != a->up.kind;
}

static void agree(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	a->up_due = false;
	if (!children_are_here(p) || (a->up_sent && !a->round))
		return;
	/* before the look whether it is quiet: what was done has posted by then */
	struct fy_agree_word sum = count(p);
	if (a->up_sent && !has_news(a, &sum))
		return;
	if (a->round && !fy_agree_is_quiet(p))
		return;
	if (p->link.now < a->again_at)
		a->up_due = true; /* then it is looked at again at that time */
	else if (p->link.engine->rank == 0)
		judge(p, &sum);
	else
		send_up(p, &sum);
}

void fy_agree_step(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	if ((!a->kind && !a->closing.known) || !open_tree(p))
		return;
	if (a->closing.known)
		fy_news_tell(p);
	if (a->kind)
		agree(p);
}

/* ---- what neighbours say ------------------------------------------------------------------- */

void fy_agree_up(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	int child = fy_tree_which_child(p, ch->rank);
	if (child < 0) {
		p->link.stats.malformed++;
		return;
	}
	p->agree.child[child] = *w;
	p->agree.seen[child] = true;
	if (w->kind & FY_AGREE_CLOSE)
		fy_news_child_joined(p, child);
}

void fy_agree_down(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	struct fy_agree *a = &p->agree;
	uint32_t kind = w->kind & ~(uint32_t)FY_AGREE_TAINTED;
	if (!p->link.engine->rank || ch->rank != fy_tree_parent(p->link.engine->rank) || !a->kind ||
	    kind != a->kind || !a->up_sent || w->n != a->n || w->round != a->round ||
	    w->verdict > (kind == FY_AGREE_CLOSE ? FREEZE : OVER)) {
		p->link.stats.malformed++;
		return;
	}
	a->careful = w->kind & FY_AGREE_TAINTED;
	send_down(p, w->verdict);
}
