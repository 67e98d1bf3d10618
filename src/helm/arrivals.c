/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that came, in order. Batches of a pair are numbered and dispatched in that order; one
 * that completes early keeps its receive buffer until its turn. When there is no memory for what a
 * record needs the batch is *paused*: it keeps its buffer and its place, and goes on at a later
 * step, so nothing is lost and credit holds the sender back meanwhile. Called by the holder of the
 * helm alone.
 */
#include "helm/arrivals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/order.h"
#include "helm/dispatch.h"
#include "helm/gaps.h"
#include "helm/gone.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "link/channel.h"
#include "link/credit.h"
#include "link/pending.h"
#include "port/port.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

#define LOOK_AHEAD 2u /* receives that are tested behind one that is not complete, */
/* every so many steps: each test that fails makes MPI look at all of its network */
#define LOOK_AHEAD_STEPS 4u
#define LOOK_ALL_STEPS 64u /* every so many steps all of them are */
#define SMALL_RECORDS 8u   /* a batch with more than these is one of small records */

#define ANSWERS_WAIT 4u /* receives, the one of the call among them, before its answer leaves */
#define EARLY_MAX 65536 /* a batch that is further ahead than this is not one of ours */

/* Does what is left of a batch refuse something? */
static bool refuses_more(const struct fy_slot *slot)
{
	uint32_t at = slot->offset, end = (uint32_t)slot->request.nbytes;
	while (end - at >= sizeof(struct fy_record)) {
		const struct fy_record *r =
			(const struct fy_record *)(const void *)(slot->buffer + at);
		uint32_t size = fy_record_size(r->size_flags);
		if (size > end - at ||
		    (fy_record_kind(r) == FY_KIND_CONTROL && r->op == FY_OP_REFUSED))
			return true;
		at += size;
	}
	return false;
}

static bool dispatch_batch(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	if (fy_unlikely(slot->bad)) {
		fy_gone_refuse_batch(p, ch, ch->seq_in++, 0);
		return true;
	}
	if (!slot->begun) {
		slot->begun = true;
		slot->offset = sizeof *h;
		slot->index = 0;
	}
	uint64_t announcements = p->announcements;
	if (!fy_dispatch_records(p, ch, slot)) {
		/* An acknowledgement of a stream may have been among them, which counts what came
		 * after that. */
		if (!refuses_more(slot))
			fy_pending_accepted(p, ch, h);
		return false;
	}
	/* behind the records: what one of them refuses is not accepted */
	fy_pending_accepted(p, ch, h);
	ch->seq_in++;
	if (h->spent > ch->spent_in && h->spent <= ch->limit_sent + ch->window)
		ch->spent_in = h->spent;
	if (h->flags & FY_BATCH_GOODBYE)
		ch->bye_seen = true;
	/* Who asks without our goodbye may have lost it: only what comes behind it shows that. */
	bool lost_bye = !h->nrecords && !(h->flags & FY_BATCH_GOODBYE) &&
	                (int32_t)(ch->seq_out - 1 - h->accepted) > 0;
	if (h->flags & FY_BATCH_WANTS_ACK && (!ch->bye_sent || lost_bye)) {
		ch->ack_owed = true;
		fy_channel_mark(p, ch);
	}
	bool small = slot->index > SMALL_RECORDS && p->announcements == announcements;
	uint64_t charged =
		slot->request.nbytes + (uint64_t)slot->index * FY_MESSAGE_CHARGE + FY_BATCH_CHARGE;
	fy_credit_grow_window(p, ch, h->flags & FY_BATCH_HUNGRY, small ? charged : 0);
	p->stats.batches_received++;
	p->stats.bytes_received += slot->request.nbytes;
	return true;
}

/* Batches that waited for this moment, in order. */
static void dispatch_early(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->early && ch->early->seq == ch->seq_in) {
		struct fy_slot *slot = ch->early;
		if (!dispatch_batch(p, ch, slot))
			return;
		ch->early = slot->next;
		p->n_early--;
		fy_receives_post(p, slot);
		p->worked = true;
	}
}

/* False: there is one of that number already. */
static bool keep_early(struct fy_progress *p, struct fy_channel *ch, struct fy_slot *slot)
{
	struct fy_slot **at = &ch->early;
	while (*at && (int32_t)((*at)->seq - slot->seq) < 0)
		at = &(*at)->next;
	if (*at && (*at)->seq == slot->seq)
		return false;
	slot->next = *at;
	*at = slot;
	p->n_early++;
	return true;
}

/* Is the next batch here, and waits in the middle? Then nothing else is that one. */
static bool is_paused(const struct fy_channel *ch)
{
	return ch->early && ch->early->seq == ch->seq_in;
}

/* The first that is not here. */
static uint32_t next_number(const struct fy_channel *ch)
{
	uint32_t seq = ch->seq_in;
	for (const struct fy_slot *slot = ch->early; slot && slot->seq == seq; slot = slot->next)
		seq++;
	return seq;
}

static bool header_ok(const struct fy_slot *slot)
{
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	return slot->request.nbytes >= sizeof *h && h->magic == FY_WIRE_MAGIC &&
	       h->version == FY_WIRE_VERSION;
}

static void keep_homeless(struct fy_progress *p, struct fy_slot *slot)
{
	slot->next = p->homeless;
	p->homeless = slot;
	p->n_early++;
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
	if (ch->gone)
		return true;
	const struct fy_batch_header *h =
		(const struct fy_batch_header *)(const void *)slot->buffer;
	bool ok = header_ok(slot);
	if (ok && h->flags & FY_BATCH_GAVE_UP) {
		fy_gone_given_up(p, ch);
		return true;
	}
	int32_t ahead = ok ? (int32_t)(h->seq - ch->seq_in) : -1;
	slot->begun = false;
	/* its sender counted it, so it takes the place of the next one */
	slot->bad = ahead < 0 || ahead > EARLY_MAX;
	slot->seq = slot->bad ? next_number(ch) : h->seq;
	if (slot->seq == ch->seq_in && !is_paused(ch) && dispatch_batch(p, ch, slot)) {
		dispatch_early(p, ch);
		return true;
	}
	if (keep_early(p, ch, slot))
		return false;
	p->stats.malformed++;
	return true;
}

static void unlink_posted(struct fy_progress *p, struct fy_slot **at, struct fy_slot *before)
{
	struct fy_slot *slot = *at;
	*at = slot->next;
	if (p->slots_last == slot)
		p->slots_last = before;
	p->n_posted--;
}

/* The oldest receives first: MPI matches in the order of posting. */
bool fy_arrivals_look(struct fy_progress *p)
{
	unsigned misses = 0, answers = 0;
	uint64_t issued = p->issued[0] + p->issued[1];
	unsigned allowed = p->stats.steps % LOOK_ALL_STEPS == 0     ? p->n_slots
	                   : p->stats.steps % LOOK_AHEAD_STEPS == 0 ? LOOK_AHEAD
	                                                            : 0;
	bool any = false;
	if (fy_unlikely(p->unposted) && !p->finished)
		fy_receives_post_again(p);
	struct fy_slot **at = &p->slots, *before = NULL;
	for (unsigned n = p->n_posted; *at && n && misses <= allowed; n--) {
		struct fy_slot *slot = *at;
		if (!p->port->ops->test(p->port, &slot->request)) {
			misses++;
			before = slot;
			at = &slot->next;
			continue;
		}
		unlink_posted(p, at, before);
		any = true;
		p->rung_at = 0;
		if (p->finished || slot->request.status == FERRY_ECANCELED)
			continue;
		uint64_t announcements = p->announcements;
		if (arrived(p, slot))
			fy_receives_post(p, slot);
		if (p->landing || p->announcements != announcements)
			/* the next look may copy a chunk: answers to this batch leave before */
			break;
		if (p->issued[0] + p->issued[1] != issued && ++answers >= ANSWERS_WAIT)
			break;
		at = &p->slots; /* the list has changed */
		before = NULL;
		misses = 0;
	}
	if (p->n_posted < p->n_slots / 4 && !p->unposted && !p->finished)
		fy_receives_post_more(p);
	p->worked |= any;
	return any;
}

static void find_homes(struct fy_progress *p)
{
	struct fy_slot *list = p->homeless, *slot;
	p->homeless = NULL;
	while ((slot = list)) {
		list = slot->next;
		p->n_early--;
		if (arrived(p, slot))
			fy_receives_post(p, slot);
	}
}

/* Paused batches try again. */
void fy_arrivals_paused(struct fy_progress *p)
{
	if (p->homeless)
		find_homes(p);
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		if (ch->early)
			dispatch_early(p, ch);
}
