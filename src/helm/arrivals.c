/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that came, in order. Only the holder of the helm may call. Batches of a pair are numbered
 * and dispatched in that order; one that completes early keeps its receive buffer until its turn.
 * If there is no memory for what a record needs the batch is *paused*: it keeps its buffer and its
 * place, and its dispatch goes on in a later step. So nothing is lost, and the sender runs out of
 * credit meanwhile.
 */
#include "helm/arrivals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/dispatch.h"
#include "helm/gaps.h"
#include "helm/lookout.h"
#include "helm/peer.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "helm/words.h"
#include "link/channel.h"
#include "link/credit.h"
#include "link/pending.h"
#include "port/port.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/checksum.h"
#include "wire/header.h"
#include "wire/record.h"

#define AHEAD_MAX 65536 /* a batch that is further ahead, or further behind, is malformed */

/* Dispatch early batches whose turn it is, in order. */
static void dispatch_next_in_turn(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	while (peer->undispatched && peer->undispatched->seq == ch->in.seq && !ch->gone) {
		struct fy_slot *slot = peer->undispatched;
		if (!fy_dispatch_batch(p, ch, slot))
			return;
		peer->undispatched = slot->next;
		p->arrivals.n_undispatched--;
		fy_receives_post_later(p, slot);
		p->link.worked = true;
	}
}

/* Keep a batch until its turn. False: there is one of that number already. */
static bool keep_undispatched(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	struct fy_slot **at = &fy_peer_of(ch)->undispatched;
	while (*at && (int32_t)((*at)->seq - slot->seq) < 0)
		at = &(*at)->next;
	if (*at && (*at)->seq == slot->seq)
		return false;
	slot->next = *at;
	*at = slot;
	p->arrivals.n_undispatched++;
	return true;
}

/* Is the batch whose turn it is here, and paused? Then no other batch has its number. */
static bool is_paused(const struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	return peer->undispatched && peer->undispatched->seq == ch->in.seq;
}

/* The lowest number of a batch that is not here. */
static uint32_t next_number(const struct fy_channel *ch)
{
	uint32_t seq = ch->in.seq;
	for (const struct fy_slot *slot = fy_peer_of(ch)->undispatched; slot && slot->seq == seq;
	     slot = slot->next)
		seq++;
	return seq;
}

static bool header_ok(const struct fy_slot *slot)
{
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	return slot->request.nbytes >= sizeof *h && h->magic == FY_WIRE_MAGIC &&
	       h->version == FY_WIRE_VERSION;
}

/* With the option checksum: did the bytes arrive as they were sent? The words of a rank that gives
 * this one up have no number and no checksum. Damage to them has the same end as they. */
static bool is_damaged(const struct fy_slot *slot)
{
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	bool last_words = header_ok(slot) && h->flags == FY_BATCH_GAVE_UP && !h->seq &&
	                  slot->request.nbytes == sizeof *h;
	return !last_words && !fy_checksum_holds(slot->buffer, slot->request.nbytes);
}

static void keep_homeless(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = p->arrivals.homeless;
	p->arrivals.homeless = slot;
	p->arrivals.n_undispatched++;
}

/* A batch of this number was here. MPI said to its sender that it was not sent, and that was not
 * so; it was sent again. Should it be another batch, whose number is wrong, the right number will
 * stay missing. */
static bool is_second(int32_t ahead)
{
	return ahead < 0 && ahead >= -AHEAD_MAX;
}

/* A receive is complete. True: its buffer is free again. */
static bool arrived(struct fy_progress *p, struct fy_slot *slot)
{
	if (fy_unlikely(slot->request.status)) {
		fy_gaps_suspect(p, slot);
		return true;
	}
	struct fy_channel *ch = fy_peer_get(p, slot->request.source);
	if (!ch) {
		keep_homeless(p, slot);
		return false;
	}
	if (fy_unlikely(p->link.options->checksum) && is_damaged(slot)) {
		if (!ch->gone)
			fy_channel_damaged(&p->link, ch, "a batch");
		return true;
	}
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	bool ok = header_ok(slot);
	if (ok && h->flags & FY_BATCH_UNNUMBERED) {
		fy_words_arrived(p, ch, slot);
		return true;
	}
	if (fy_unlikely(ch->gone)) {
		fy_lookout_stranger(p, ch);
		return true;
	}
	int32_t ahead = ok ? (int32_t)(h->seq - ch->in.seq) : INT32_MAX;
	if (is_second(ahead)) {
		p->link.stats.malformed++;
		fy_gaps_doubt(p);
		return true;
	}
	slot->begun = false;
	/* a bad batch has a number at its sender: it takes the next one that is missing */
	slot->bad = ahead < 0 || ahead > AHEAD_MAX;
	slot->seq = slot->bad ? next_number(ch) : h->seq;
	if (slot->seq == ch->in.seq && !is_paused(ch) && fy_dispatch_batch(p, ch, slot)) {
		dispatch_next_in_turn(p, ch);
		return true;
	}
	if (keep_undispatched(p, ch, slot))
		return false;
	p->link.stats.malformed++;
	return true;
}

static void unlink_posted(struct fy_progress *p, struct fy_slot **at, struct fy_slot *before)
{
	struct fy_slot *slot = *at;
	*at = slot->next;
	if (p->receives.last == slot)
		p->receives.last = before;
	p->receives.n_posted--;
}

/* After one look at the network in this step the others cost nothing. */
static bool is_known_empty(const struct fy_progress *p, const struct fy_slot *slot)
{
	const struct fy_port_ops *ops = p->link.port->ops;
	return ops->may_be_done && !ops->may_be_done(&slot->request);
}

/* Test the oldest receives first, because MPI matches them in the order of posting. */
bool fy_arrivals_look(struct fy_progress *p)
{
	const struct fy_policy *policy = p->policy;
	unsigned misses = 0, answers = 0;
	uint64_t issued = p->link.counts.issued[0] + p->link.counts.issued[1];
	struct fy_signals s = { .steps = p->link.stats.steps, .receives = p->receives.n };
	unsigned allowed = fy_policy_look_ahead(policy, &s);
	bool any = false;
	if (fy_unlikely(p->receives.unposted) && !p->close.finished)
		fy_receives_post_again(p);
	struct fy_slot **at = &p->receives.first, *before = NULL;
	for (unsigned n = p->receives.n_posted; *at && n && misses <= allowed; n--) {
		struct fy_slot *slot = *at;
		if ((any && is_known_empty(p, slot)) ||
		    !p->link.port->ops->test(p->link.port, &slot->request)) {
			misses++;
			before = slot;
			at = &slot->next;
			continue;
		}
		unlink_posted(p, at, before);
		any = true;
		p->pace.rung_at = 0;
		if (p->close.finished || slot->request.status == FERRY_ECANCELED)
			continue;
		if (arrived(p, slot))
			fy_receives_post_later(p, slot);
		if (p->link.counts.issued[0] + p->link.counts.issued[1] != issued &&
		    ++answers >= policy->look.answers_wait)
			break;
		at = &p->receives.first; /* the list has changed */
		before = NULL;
		misses = 0;
	}
	if (p->receives.later && !p->close.finished &&
	    (!any || p->receives.n_posted <= p->receives.low))
		fy_receives_post_those(p);
	if (p->receives.n_posted < p->receives.low && !p->receives.unposted && !p->close.finished)
		fy_receives_post_more(p);
	p->link.worked |= any;
	return any;
}

static void find_homes(struct fy_progress *p)
{
	struct fy_slot *list = p->arrivals.homeless, *slot;
	p->arrivals.homeless = NULL;
	while ((slot = list)) {
		list = slot->next;
		p->arrivals.n_undispatched--;
		if (arrived(p, slot))
			fy_receives_post_later(p, slot);
	}
}

/* Nothing of a rank that is gone is delivered any more. */
static void drop_undispatched(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_slot *slot;
	while ((slot = fy_peer_of(ch)->undispatched)) {
		fy_peer_of(ch)->undispatched = slot->next;
		p->arrivals.n_undispatched--;
		fy_receives_post_later(p, slot);
	}
}

/* Go on with paused batches. */
void fy_arrivals_paused(struct fy_progress *p)
{
	if (p->arrivals.homeless)
		find_homes(p);
	fy_link_each (ch, &p->link)
		if (fy_peer_of(ch)->undispatched) {
			if (ch->gone)
				drop_undispatched(p, ch);
			else
				dispatch_next_in_turn(p, ch);
		}
}
