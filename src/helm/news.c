/* SPDX-License-Identifier: Apache-2.0 */
/*
 * News: which rank closes, and which ranks a close waits for. Neighbours in the tree tell this each
 * other beside the agreement. Everything here is the helm's.
 *
 * The first news of a rank that closes is passed on at once to each neighbour that may not know it,
 * up and down, also by ranks that are in a fence or in no agreement. News also has a list: to the
 * parent, of the awaited ranks below; to a child, of all awaited ranks that the root knows of. A
 * rank is awaited if it has not joined the close, or, once all ranks have, if it is not quiet. A
 * list that changed is told again, at most once a second. So a short close costs one news each way
 * between two neighbours.
 */
#include "helm/news.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "helm/agree.h"
#include "helm/crew.h"
#include "helm/progress.h"
#include "helm/tree.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "wire/bodies.h"
#include "helm/peer.h"

#define TELL_PAUSE FERRY_S(1)

/* ---- lists --------------------------------------------------------------------------------- */

static void insert(struct fy_awaited *list, uint32_t rank)
{
	unsigned n = list->count < FY_AWAITED_NAMED ? list->count : FY_AWAITED_NAMED;
	if (n == FY_AWAITED_NAMED && list->first[n - 1] < rank)
		return;
	if (n == FY_AWAITED_NAMED)
		n--;
	for (; n && list->first[n - 1] > rank; n--)
		list->first[n] = list->first[n - 1];
	list->first[n] = rank;
}

static void add_rank(struct fy_awaited *list, int rank)
{
	insert(list, (uint32_t)rank);
	list->count++;
}

static void add_list(struct fy_awaited *list, const struct fy_awaited *more)
{
	for (unsigned i = 0; i < more->count && i < FY_AWAITED_NAMED; i++)
		add_rank(list, (int)more->first[i]);
	list->count += more->count > FY_AWAITED_NAMED ? more->count - FY_AWAITED_NAMED : 0;
}

/* Add a rank and all ranks below it. */
static void add_subtree(const struct fy_progress *p, struct fy_awaited *list, int rank)
{
	int size = fy_tree_size(p), first = fy_tree_place(p, rank);
	for (int width = 1; first < size; first = 2 * first + 1, width *= 2)
		for (int i = first; i < first + width && i < size; i++)
			add_rank(list, fy_tree_rank(p, i));
}

static bool same(const struct fy_awaited *a, const struct fy_awaited *b)
{
	unsigned n = a->count < FY_AWAITED_NAMED ? a->count : FY_AWAITED_NAMED;
	return a->count == b->count && memcmp(a->first, b->first, n * sizeof a->first[0]) == 0;
}

/* ---- who is awaited ------------------------------------------------------------------------ */

static void awaited_below(struct fy_progress *p, struct fy_awaited *list)
{
	struct fy_agree *a = &p->agree;
	*list = (struct fy_awaited){ 0 };
	if (a->kind != FY_AGREE_CLOSE || (a->everybody && !fy_agree_is_quiet(p)))
		add_rank(list, p->link.engine->rank);
	for (int i = 0; i < fy_tree_children(p); i++) {
		int child = fy_tree_child(p, i);
		if (!a->closing.below_known[i])
			add_subtree(p, list, child);
		else if (a->everybody && !a->closing.below[i].count && !fy_agree_has_answered(p, i))
			add_rank(list, child); /* it has not answered in this round */
		else
			add_list(list, &a->closing.below[i]);
	}
}

/* The awaited ranks, as far as they are known here. */
void fy_news_awaited(struct fy_progress *p, struct fy_awaited *list)
{
	struct fy_closing *c = &p->agree.closing;
	if (!fy_tree_is_root(p) && c->all_known) {
		*list = c->all;
		return;
	}
	awaited_below(p, list);
	if (!fy_tree_is_root(p))
		add_rank(list, fy_tree_parent(p)); /* it has not told anything */
}

void fy_news_child_joined(struct fy_progress *p, int child)
{
	p->agree.closing.below[child].count = 0;
	p->agree.closing.below_known[child] = true;
}

void fy_news_all_joined(struct fy_progress *p)
{
	struct fy_closing *c = &p->agree.closing;
	c->all.count = 0;
	c->all_known = true;
}

/* ---- telling ------------------------------------------------------------------------------- */

static void tell(struct fy_progress *p, int neighbour, int rank, const struct fy_awaited *list)
{
	struct fy_closing *c = &p->agree.closing;
	struct fy_channel *ch = p->link.channels[rank];
	if (c->told[neighbour] && same(&c->told_last[neighbour], list))
		return;
	fy_peer_of(ch)->owed.news = (struct fy_agree_news){ .closer = c->rank,
		                                            .fences = c->fences,
		                                            .crew = p->lookout.crew.now.number,
		                                            .awaited = *list };
	fy_peer_of(ch)->owed.news_owed = true;
	fy_channel_owe(&p->link, ch);
	c->told[neighbour] = true;
	c->told_last[neighbour] = *list;
}

void fy_news_tell(struct fy_progress *p)
{
	struct fy_closing *c = &p->agree.closing;
	struct fy_awaited list;
	if (p->link.now < c->tell_at || p->close.drained)
		return;
	c->tell_at = p->link.now + TELL_PAUSE;
	awaited_below(p, &list);
	if (!fy_tree_is_root(p))
		tell(p, FY_NEIGHBOUR_PARENT, fy_tree_parent(p), &list);
	fy_news_awaited(p, &list);
	for (int i = 0; i < fy_tree_children(p); i++)
		tell(p, i, fy_tree_child(p, i), &list);
}

/* ---- hearing ------------------------------------------------------------------------------- */

/* The text for a fence that cannot end. */
static const char *why_not(const struct fy_progress *p, char *text, size_t nbytes)
{
	snprintf(text, nbytes,
	         "rank %u is in ferry_close, so this fence cannot end: all ranks call fences and "
	         "the close in the same order",
	         p->agree.closing.rank);
	return text;
}

int fy_news_refuse_fence(const struct fy_progress *p)
{
	char text[160];
	return p->agree.closing.known ? fy_fail(FERRY_EINVAL, "%s", why_not(p, text, sizeof text))
	                              : FERRY_OK;
}

void fy_news_closes(struct fy_progress *p, int rank, uint32_t fences)
{
	struct fy_agree *a = &p->agree;
	char text[160];
	if (!a->closing.known) {
		a->closing.known = true;
		a->closing.rank = (uint32_t)rank;
		a->closing.fences = fences;
	}
	if (a->kind == FY_AGREE_FENCE && a->closing.fences < a->n) {
		fy_agree_complete(a, FERRY_EINVAL, why_not(p, text, sizeof text));
		p->link.worked = true;
	}
}

/* What neighbours told, and were told, was of another tree. If the rank that closes is gone this
 * one knows of none that does, except itself. */
void fy_news_new_crew(struct fy_progress *p)
{
	struct fy_closing *c = &p->agree.closing;
	struct fy_closing fresh = { .known = c->known, .rank = c->rank, .fences = c->fences };
	if (c->known && !fy_crew_is_member(&p->lookout.crew, (int)c->rank)) {
		fresh.known = p->agree.kind == FY_AGREE_CLOSE || p->close.drained;
		fresh.rank = (uint32_t)p->link.engine->rank;
		fresh.fences = p->agree.n - 1;
	}
	*c = fresh;
}

void fy_news_hear(struct fy_progress *p, struct fy_channel *ch, const struct fy_agree_news *news)
{
	struct fy_closing *c = &p->agree.closing;
	enum fy_agree_age age = fy_agree_age(p, ch, news->crew);
	if (age == FY_AGREE_OLD)
		return;
	if (age == FY_AGREE_LATER) {
		fy_peer_of(ch)->agreed.news = *news;
		fy_peer_of(ch)->agreed.news_kept = true;
		return;
	}
	int child = fy_tree_which_child(p, ch->rank);
	bool parent = fy_tree_is_parent(p, ch->rank);
	if (age == FY_AGREE_NEVER || (child < 0 && !parent) ||
	    news->closer >= (uint32_t)p->link.engine->size) {
		p->link.stats.malformed++;
		return;
	}
	if (parent) {
		c->all = news->awaited;
		c->all_known = true;
	} else {
		c->below[child] = news->awaited;
		c->below_known[child] = true;
	}
	fy_news_closes(p, (int)news->closer, news->fences);
}
