/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agreement that nothing is under way, by which fences and the close are decided. Everything here
 * is the helm's.
 *
 * The ranks form a binary tree. Agreements are numbered: a fence has the number of fences that have
 * succeeded so far, plus one, and so has the close, the last agreement of an engine. Ranks agree on
 * agreements of the same number and kind.
 *
 * Rounds. A rank counts the user records that it has put into batches, and those that came to their
 * end with it (handled, in a mailbox, a reply delivered), and adds the counts of the ranks below
 * it. In round 0 it sends the two sums up when it and all ranks below it have joined. In every
 * later round it does so when it and all ranks below it are quiet. The root compares the sums. If
 * they are equal, and the same as in the round before, the agreement is over. If they are equal and
 * have changed, the root begins another round. If they differ, records are on their way, and the
 * root waits: a rank whose counts change sends them up again in the same round. So ranks that wait
 * for each other are asleep.
 *
 * Why this suffices. Let T be a moment between two rounds with equal sums. The number of records
 * sent by T is at least the first round's sum of records done, and at most the second round's sum
 * of records sent. These are the same number. So at T all that was sent was done, and from T until
 * each rank was counted for the second time it sent nothing. What a rank still had to send at T it
 * had to send when it was counted; but then it was quiet, so it had nothing. In the first of the
 * two rounds no rank needs to be quiet; therefore round 0 can be that round.
 *
 * Colours. A fence waits for what was posted before it on any rank, and for what handlers of that
 * post in turn, but not for what other threads post meanwhile. So records have one of two colours,
 * and are counted by colour. A rank's colour changes when it joins a fence. What a thread posts has
 * the rank's colour of that moment. The helm knows it by the mark that the fence set in the
 * thread's lane, so it costs a post nothing. What a handler posts has the colour of the handler's
 * message: meanwhile its thread's lane has a tag, which is written into each record. A fence
 * compares the counts of the colour that the rank had before. What is posted later has the other
 * colour, and may go on for ever.
 *
 * Two colours suffice. Let n fences be over. Then no record is left that was posted by a thread
 * whose rank had joined fewer than n fences, nor one that comes of such a record. No rank has
 * joined more than n + 1. So each record that is left was posted, or comes of one that was posted,
 * after n joins or after n + 1 joins. Fence n + 1 counts the colour of the former on all ranks; by
 * joining it a rank takes the other colour. While it goes on, new records of the former colour come
 * only from handlers of such records, and from lanes before their marks. The argument above holds
 * for these: a handler's message is counted as done only after the handler has said how far its
 * lane has to be drained, and a rank is not quiet before it is drained so far.
 *
 * A close counts both colours, because threads post nothing more once all ranks close.
 *
 * Records of a malformed batch are counted as sent and never as done. Then the agreement is over
 * when the counts have not changed for many rounds, and a fence waits for all that is under way, as
 * a close does.
 *
 * A close is agreed in two parts. When it could be over for the first time the ranks only *freeze*:
 * from then on code of the program can post nothing, not even late callbacks. What was posted
 * before is counted in further rounds. Only then the close is over.
 *
 * News (news.c). A rank that closes joins no fence any more. It says so to its neighbours in the
 * tree, and these pass it on, whatever they are doing. So each rank knows one rank that closes, and
 * a fence that that rank has not joined ends with FERRY_EINVAL. The news also says which ranks a
 * close still waits for: upwards those of the subtree, downwards all that the root knows of. A
 * change is told at most once a second.
 *
 * A new crew. Some ranks are gone, and the members are told so at different times. Words carry the
 * number of their sender's crew. At a new number an agreement that is going on begins again with
 * round 0, in the tree of the members, and all words of before are forgotten; a word of a later
 * number is kept until this rank has that crew. From then on a rank leaves out of its counts what
 * it sent to those that are gone, and what came from them. So both sides of each pair of members
 * are in the sums, and nothing else is. A pair of members loses no record: of a pair that does, one
 * rank is excluded. So the argument above holds among the members. What had come from a rank that
 * is gone and is not handled yet is in no count: a rank with such a message is not quiet. There are
 * never more of these than at the new crew, so none is left once a rank was quiet. The colours
 * stay; what two colours suffice for holds of the members, too.
 *
 * If some member had finished the agreement in the crew before, all records of before were done
 * then, those of the lost ranks as well. So the others finish it: with a new crew each rank tells
 * its neighbours in the new tree the last agreement that it has finished. Who learns so that its
 * own is over passes that on to its neighbours. None has finished more than one agreement
 * that another member has not, because that needs a word of all members in an agreement after it. A
 * rank that had finished a close may have said goodbye to another one before, and sends it no word
 * any more; so a goodbye says that the close is over. A close that was frozen is frozen again, by
 * all, before it can end.
 *
 * What was tried beside this is in doc/decisions/0042-fences-and-closes-of-a-crew.md.
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
#include "helm/crew.h"
#include "helm/lanes.h"
#include "helm/news.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/tree.h"
#include "link/channel.h"
#include "port/starts.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "shared/mailbox.h"
#include "wire/bodies.h"

/* After malformed batches the counts can never match: accept so many unchanged rounds instead,
 * PAUSE_MAX apart. */
#define TAINTED_ROUNDS 50
/* The pause between two times that changed counts are sent up: it doubles from the second to the
 * first of these. */
#define PAUSE_MAX FERRY_MS(1)
#define PAUSE_FIRST FERRY_US(5)

enum { AGAIN = 0, OVER = 1, FREEZE = 2 };

/* ---- the tree ------------------------------------------------------------------------------ */

/* An agreement begins only when there are channels to all neighbours, so that no word that is owed
 * is lost for lack of memory. False: try again in the next step. */
static bool open_tree(struct fy_progress *p)
{
	if (!fy_tree_is_root(p) && !fy_peer_get(p, fy_tree_parent(p)))
		return false;
	for (int i = 0; i < fy_tree_children(p); i++)
		if (!fy_peer_get(p, fy_tree_child(p, i)))
			return false;
	return true;
}

static uint32_t crew_number(const struct fy_progress *p)
{
	return p->lookout.crew.now.number;
}

static bool is_member(const struct fy_progress *p, const struct fy_channel *ch)
{
	return fy_crew_is_member(&p->lookout.crew, ch->rank);
}

static bool is_neighbour(const struct fy_progress *p, const struct fy_channel *ch)
{
	return is_member(p, ch) &&
	       (fy_tree_is_parent(p, ch->rank) || fy_tree_which_child(p, ch->rank) >= 0);
}

/* ---- joining ------------------------------------------------------------------------------- */

static void begin_round(struct fy_agree *a, uint32_t round)
{
	a->round = round;
	a->up_sent = false;
	a->resend_delay = a->again_at = 0;
}

/* Nothing is known of the other ranks. */
static void begin_again(struct fy_agree *a)
{
	a->everybody = a->frozen = a->careful = false;
	a->last_known = a->up_due = false;
	a->still_rounds = 0;
	begin_round(a, 0);
}

void fy_agree_join(struct fy_progress *p, uint32_t kind)
{
	struct fy_agree *a = &p->agree;
	a->n = a->finished + 1;
	a->kind = kind;
	a->crew = crew_number(p);
	begin_again(a);
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

/* The agreement is over. Futures of posts are complete, because a quiet rank has sent the
 * acknowledgements. Of a fence that began with ranks which are gone now it is not known what became
 * of all that was posted. */
static void finish(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	bool lost = a->kind == FY_AGREE_FENCE && a->crew != crew_number(p);
	a->finished = a->n;
	a->last_kind = a->kind;
	if (a->kind == FY_AGREE_CLOSE)
		p->close.drained = true;
	p->link.worked = true;
	fy_agree_complete(a, lost ? FERRY_EPEER : 0,
	                  lost ? "a rank is gone; among the others the fence is over" : NULL);
}

void fy_agree_give_up(struct fy_progress *p)
{
	if (p->agree.kind == FY_AGREE_FENCE && !p->lookout.on)
		fy_agree_complete(&p->agree, FERRY_EPEER, "a rank is gone: the fence cannot end");
}

/* ---- quiet --------------------------------------------------------------------------------- */

/* The colour that a fence waits for: that of this rank before it joined. */
static unsigned old_colour(const struct fy_progress *p)
{
	return p->link.counts.colour ^ 1;
}

/* Is all that came from ranks that are gone handled? It is in no count. */
static bool is_rid_of_others(const struct fy_progress *p)
{
	if (!crew_number(p))
		return true;
	if (p->link.tasks.first)
		return false;
	fy_link_each (ch, &p->link) {
		const struct fy_account *account = ch->credit.account;
		if (!is_member(p, ch) &&
		    ch->counts.given != fy_load_acquire_64(&account->handled[0]) +
		                                fy_load_acquire_64(&account->handled[1]))
			return false;
	}
	return true;
}

/* Has all of that colour left this rank? The counts have the rest. */
static bool is_quiet_for_fence(struct fy_progress *p)
{
	bool came_back = fy_load_acquire_32(&p->link.engine->mailbox.rescan) &&
	                 fy_load_acquire_64(&p->link.engine->mailbox.bytes);
	/* a message that came back from an executor may find another handler */
	return fy_colour_has_left(p, old_colour(p)) && !came_back && is_rid_of_others(p);
}

/* Has everything left this rank, and is everything that arrived in its order? For a fence: of its
 * colour. */
bool fy_agree_is_quiet(struct fy_progress *p)
{
	if (p->agree.kind == FY_AGREE_FENCE && !p->agree.careful)
		return is_quiet_for_fence(p);
	if (!fy_colour_all_left(p) || !fy_bulk_is_quiet(&p->bulk) || p->link.tasks.first ||
	    p->arrivals.homeless || !is_rid_of_others(p))
		return false;
	/* Only for a close. A receive that waits for the program's own send would hold a fence up
	 * for ever. Handlers on executors are in the counts; a close looks at them to tell the
	 * other ranks which rank it waits for. */
	if (p->agree.kind == FY_AGREE_CLOSE &&
	    ((p->starts && p->starts->awaited) ||
	     p->handlers.given != fy_engine_handled(p->link.engine)))
		return false;
	fy_link_each (ch, &p->link)
		if (!ch->gone &&
		    (ch->pending.first || ch->streams_out || ch->streams_in ||
		     fy_peer_of(ch)->undispatched || ch->out.ready || (ch->open && ch->nrecords)))
			return false;
	return true;
}

/* ---- words --------------------------------------------------------------------------------- */

static void owe_down(struct fy_progress *p, int rank, struct fy_agree_word word)
{
	struct fy_channel *ch = p->link.channels[rank];
	word.crew = crew_number(p);
	fy_peer_of(ch)->owed.down = word;
	fy_peer_of(ch)->owed.down_owed = true;
	fy_channel_owe(&p->link, ch);
}

/* Tell the neighbours the last agreement that is over here. Nothing follows a goodbye, which says
 * as much. */
static void tell_over(struct fy_progress *p)
{
	struct fy_agree_word over = { .n = p->agree.finished,
		                      .kind = p->agree.last_kind,
		                      .verdict = OVER };
	int near[3], n = 0;
	if (!fy_tree_is_root(p))
		near[n++] = fy_tree_parent(p);
	for (int i = 0; i < fy_tree_children(p); i++)
		near[n++] = fy_tree_child(p, i);
	for (int i = 0; i < n && !p->close.finished; i++)
		if (!p->link.channels[near[i]]->bye.sent)
			owe_down(p, near[i], over);
}

/* Some member had finished this agreement in the crew before. */
static void finish_too(struct fy_progress *p)
{
	finish(p);
	p->agree.tell_over = true;
}

static void send_down(struct fy_progress *p, uint32_t verdict)
{
	struct fy_agree *a = &p->agree;
	uint32_t kind = a->kind | (a->careful ? FY_AGREE_TAINTED : 0);
	for (int i = 0; i < fy_tree_children(p); i++)
		owe_down(p, fy_tree_child(p, i),
		         (struct fy_agree_word){
				 .n = a->n, .round = a->round, .kind = kind, .verdict = verdict });
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
	struct fy_channel *ch = p->link.channels[fy_tree_parent(p)];
	fy_peer_of(ch)->owed.up = a->up = *sum;
	fy_peer_of(ch)->owed.up_owed = true;
	fy_channel_owe(&p->link, ch);
	a->up_sent = true;
	a->resend_delay = a->resend_delay ? 2 * a->resend_delay : PAUSE_FIRST;
	if (a->resend_delay > PAUSE_MAX)
		a->resend_delay = PAUSE_MAX;
	a->again_at = p->link.now + a->resend_delay;
}

/* On the root: all counts of a round are here, perhaps not for the first time in this round. */
static void judge(struct fy_progress *p, const struct fy_agree_word *sum)
{
	struct fy_agree *a = &p->agree;
	bool tainted = sum->kind & FY_AGREE_TAINTED;
	bool still = sum->sent == sum->done || tainted;
	if (a->round && !still)
		return; /* records are on their way: a rank whose counts change sends them */
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

/* The last up of that child; NULL: there is no channel to it yet. */
static const struct fy_agree_word *said_by(const struct fy_progress *p, int child)
{
	const struct fy_channel *ch = p->link.channels[fy_tree_child(p, child)];
	return ch ? &fy_peer_of(ch)->agreed.up : NULL;
}

bool fy_agree_has_answered(const struct fy_progress *p, int child)
{
	const struct fy_agree *a = &p->agree;
	const struct fy_agree_word *up = said_by(p, child);
	if (!up)
		return false;
	uint32_t kind = up->kind & ~(uint32_t)FY_AGREE_TAINTED;
	return up->crew == crew_number(p) && up->n == a->n && up->round == a->round &&
	       kind == a->kind;
}

static bool children_are_here(const struct fy_progress *p)
{
	for (int i = 0; i < fy_tree_children(p); i++)
		if (!fy_agree_has_answered(p, i))
			return false;
	return true;
}

/* Of that colour, with the members. Handlers on executors are counted for all ranks first and for
 * each one behind that: see fy_handler_run. */
static void count_own(const struct fy_progress *p, unsigned colour, struct fy_agree_word *sum)
{
	sum->sent += p->link.counts.issued[colour];
	sum->done += p->link.counts.done[colour] +
	             fy_load_acquire_64(&p->link.engine->told.handled_elsewhere[colour]);
	if (!crew_number(p))
		return;
	fy_link_each (ch, &p->link)
		if (!is_member(p, ch)) {
			sum->sent -= ch->counts.issued[colour];
			sum->done -= ch->counts.done[colour] +
			             fy_load_acquire_64(&ch->credit.account->handled[colour]);
		}
}

static struct fy_agree_word count(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	struct fy_agree_word sum = { .n = a->n,
		                     .round = a->round,
		                     .kind = a->kind | (p->agree.tainted ? FY_AGREE_TAINTED : 0),
		                     .crew = crew_number(p) };
	for (unsigned colour = 0; colour < 2; colour++)
		if (a->kind == FY_AGREE_CLOSE || colour == old_colour(p))
			count_own(p, colour, &sum);
	for (int i = 0; i < fy_tree_children(p); i++) {
		const struct fy_agree_word *up = said_by(p, i);
		sum.kind |= up->kind & FY_AGREE_TAINTED;
		sum.sent += up->sent;
		sum.done += up->done;
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
	/* Count before the look whether this rank is quiet: handlers that are counted have posted
	 * by then. */
	struct fy_agree_word sum = count(p);
	if (a->up_sent && !has_news(a, &sum))
		return;
	if (a->round && !fy_agree_is_quiet(p))
		return;
	if (p->link.now < a->again_at)
		a->up_due = true; /* look again at that time */
	else if (fy_tree_is_root(p))
		judge(p, &sum);
	else
		send_up(p, &sum);
}

/* With a new crew: has a member said goodbye? Then the close is over. */
static void look_for_byes(struct fy_progress *p)
{
	fy_link_each (ch, &p->link)
		if (is_member(p, ch) && ch->bye.seen && p->agree.kind == FY_AGREE_CLOSE)
			finish_too(p);
}

void fy_agree_step(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	if ((!a->kind && !a->closing.known && !a->tell_over) || p->lookout.crew.stop ||
	    !open_tree(p))
		return;
	if (a->kind == FY_AGREE_CLOSE && crew_number(p))
		look_for_byes(p);
	if (a->tell_over)
		tell_over(p);
	a->tell_over = false;
	if (a->closing.known)
		fy_news_tell(p);
	if (a->kind)
		agree(p);
}

/* ---- what neighbours say ------------------------------------------------------------------- */

enum fy_agree_age fy_agree_age(struct fy_progress *p, struct fy_channel *ch, uint32_t crew)
{
	if (crew >= (uint32_t)p->link.engine->size)
		return FY_AGREE_NEVER; /* each crew is smaller than the one before */
	if (crew == crew_number(p))
		return FY_AGREE_NOW;
	if (crew > crew_number(p))
		return FY_AGREE_LATER;
	if (p->lookout.on) {
		fy_crew_tell(&p->lookout.crew, ch->rank);
		p->words.open = true;
	}
	return FY_AGREE_OLD;
}

static void take_up(struct fy_progress *p, int child, const struct fy_agree_word *w)
{
	if (child >= 0 && w->kind & FY_AGREE_CLOSE)
		fy_news_child_joined(p, child);
}

void fy_agree_up(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	enum fy_agree_age age = fy_agree_age(p, ch, w->crew);
	int child = fy_tree_which_child(p, ch->rank);
	if (age == FY_AGREE_OLD)
		return;
	if (age == FY_AGREE_NEVER || (age == FY_AGREE_NOW && child < 0)) {
		p->link.stats.malformed++;
		return;
	}
	fy_peer_of(ch)->agreed.up = *w;
	if (age == FY_AGREE_NOW)
		take_up(p, child, w);
}

/* A neighbour tells what is over in a crew before this one. */
static void hear_over(struct fy_progress *p, const struct fy_agree_word *w, uint32_t kind)
{
	if (p->agree.kind && w->n == p->agree.n && kind == p->agree.kind)
		finish_too(p);
}

static void hear_down(struct fy_progress *p, const struct fy_channel *ch,
                      const struct fy_agree_word *w)
{
	struct fy_agree *a = &p->agree;
	uint32_t kind = w->kind & ~(uint32_t)FY_AGREE_TAINTED;
	bool fits = a->kind && kind == a->kind && a->up_sent && w->n == a->n &&
	            w->round == a->round && w->verdict <= (kind == FY_AGREE_CLOSE ? FREEZE : OVER);
	if (fits && fy_tree_is_parent(p, ch->rank)) {
		a->careful = w->kind & FY_AGREE_TAINTED;
		send_down(p, w->verdict);
	} else if (w->crew && w->verdict == OVER && is_neighbour(p, ch)) {
		hear_over(p, w, kind);
	} else {
		p->link.stats.malformed++;
	}
}

void fy_agree_down(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_word *w)
{
	switch (fy_agree_age(p, ch, w->crew)) {
	case FY_AGREE_NOW:
		hear_down(p, ch, w);
		break;
	case FY_AGREE_LATER:
		fy_peer_of(ch)->agreed.down = *w;
		break;
	case FY_AGREE_NEVER:
		p->link.stats.malformed++;
		break;
	case FY_AGREE_OLD:
		break;
	}
}

/* ---- a new crew ---------------------------------------------------------------------------- */

/* What that peer has said as a member of the crew that this rank has only now. */
static void take_kept(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_agree_heard *heard = &fy_peer_of(ch)->agreed;
	if (heard->up.n && heard->up.crew == crew_number(p))
		take_up(p, fy_tree_which_child(p, ch->rank), &heard->up);
	if (heard->news_kept && heard->news.crew == crew_number(p)) {
		heard->news_kept = false;
		fy_news_hear(p, ch, &heard->news);
	}
	if (heard->down.n && heard->down.crew == crew_number(p))
		hear_down(p, ch, &heard->down);
}

void fy_agree_new_crew(struct fy_progress *p)
{
	struct fy_agree *a = &p->agree;
	a->tell_over = a->finished != 0;
	if (a->kind)
		begin_again(a);
	fy_news_new_crew(p);
	fy_link_each (ch, &p->link) {
		struct fy_owed *owed = &fy_peer_of(ch)->owed;
		owed->up_owed = owed->down_owed = owed->news_owed = false;
	}
	fy_link_each (ch, &p->link)
		if (is_member(p, ch))
			take_kept(p, ch);
}
