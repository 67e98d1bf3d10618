/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is open, for the monitor file: the oldest operations of each kind, with the time at which a
 * sample saw them first. Only the holder of the helm may call.
 *
 * All calls are looked at, because they end in any order. Of what ends in the order of a queue the
 * oldest one stands for all: `count` says how many they are.
 */
#include "helm/opens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/order.h"
#include "bulk/pair.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/queued.h"
#include "helm/seen.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/pending.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "wire/record.h"

/* ---- the oldest ones ----------------------------------------------------------------------- */

/* The list is a heap meanwhile, with the youngest on top. */
static void swap(struct fy_monitor_open *a, struct fy_monitor_open *b)
{
	struct fy_monitor_open c = *a;
	*a = *b;
	*b = c;
}

static void sift_down(struct fy_opens *opens)
{
	struct fy_monitor_open *list = opens->list;
	for (unsigned i = 0, child; (child = 2 * i + 1) < opens->n; i = child) {
		if (child + 1 < opens->n && list[child + 1].since > list[child].since)
			child++;
		if (list[child].since <= list[i].since)
			return;
		swap(&list[child], &list[i]);
	}
}

static void sift_up(struct fy_opens *opens)
{
	struct fy_monitor_open *list = opens->list;
	for (unsigned i = opens->n - 1, up; i; i = up) {
		up = (i - 1) / 2;
		if (list[up].since >= list[i].since)
			return;
		swap(&list[up], &list[i]);
	}
}

static void offer(struct fy_opens *opens, const struct fy_monitor_open *open)
{
	opens->all++;
	if (opens->n < FY_MONITOR_N_OPEN) {
		opens->list[opens->n++] = *open;
		sift_up(opens);
	} else if (open->since < opens->list[0].since) {
		opens->list[0] = *open;
		sift_down(opens);
	}
}

static int compare(const void *a, const void *b)
{
	const struct fy_monitor_open *one = a, *other = b;
	return (one->since > other->since) - (one->since < other->since);
}

/* ---- kinds --------------------------------------------------------------------------------- */

static void find_calls(struct fy_progress *p, struct fy_opens *opens)
{
	const struct fy_calls *calls = &p->link.calls;
	for (uint32_t i = 0, left = calls->open; left && i < calls->n; i++) {
		const struct fy_call *call = &calls->slots[i];
		if (!call->future)
			continue;
		left--;
		offer(opens, &(struct fy_monitor_open){
				     .kind = FY_MONITOR_CALL,
				     .state = FY_MONITOR_AWAITED,
				     .peer = call->rank,
				     .op = call->op,
				     .since = fy_seen_call(&p->sample.calls, calls, i, p->link.now),
				     .count = 1,
			     });
	}
}

/* A list may be long, and a sample must not take long. */
#define COUNTED_TO 256u

static uint64_t length_of(const ferry_future *first)
{
	uint64_t n = 0;
	for (; first && n < COUNTED_TO; first = first->next)
		n++;
	return n;
}

static void find_posts(struct fy_progress *p, struct fy_opens *opens, struct fy_channel *ch)
{
	const ferry_future *first = ch->pending.first;
	if (!first)
		return;
	struct fy_seen *seen = &fy_peer_of(ch)->shown.posts;
	bool flush = first->flags & FY_FUTURE_IS_FLUSH;
	offer(opens,
	      &(struct fy_monitor_open){
		      .kind = flush ? FY_MONITOR_FLUSH : FY_MONITOR_POST,
		      .state = FY_MONITOR_UNDER_WAY,
		      .peer = ch->rank,
		      .op = flush ? FY_MONITOR_NO_OP : fy_pending_op(first),
		      .since = fy_seen_queue(seen, first->id, ch->pending.last->id, p->link.now),
		      .count = length_of(first),
	      });
}

static void find_counted(struct fy_progress *p, struct fy_opens *opens, struct fy_channel *ch)
{
	const struct fy_counted_run *first = ch->counted.first;
	if (!first)
		return;
	uint64_t n = 0;
	for (const struct fy_counted_run *run = first; run && n < COUNTED_TO; run = run->next)
		n += run->count;
	struct fy_seen *seen = &fy_peer_of(ch)->shown.counted;
	offer(opens,
	      &(struct fy_monitor_open){
		      .kind = FY_MONITOR_POST,
		      .state = FY_MONITOR_UNDER_WAY,
		      .peer = ch->rank,
		      .op = FY_MONITOR_NO_OP,
		      .since = fy_seen_queue(seen, first->id, ch->counted.last->id, p->link.now),
		      .count = n,
	      });
}

static void find_queued(struct fy_opens *opens, const struct fy_channel *ch)
{
	const struct fy_queue *queue = &fy_peer_of(ch)->queue;
	if (!queue->first || queue->first->from >= queue->first->to)
		return;
	const struct fy_record *r =
		fy_record_at((char *)(uintptr_t)(queue->first->bytes + queue->first->from));
	bool call = fy_record_kind(r) == FY_KIND_CALL;
	offer(opens, &(struct fy_monitor_open){
			     .kind = call ? FY_MONITOR_CALL : FY_MONITOR_PLAIN,
			     .state = FY_MONITOR_IN_QUEUE,
			     .peer = ch->rank,
			     .op = r->op < FERRY_OP_RESERVED ? r->op : FY_MONITOR_NO_OP,
			     .since = queue->full_since,
			     .count = queue->n,
			     .nbytes = queue->bytes,
		     });
}

static void find_large_out(struct fy_progress *p, struct fy_opens *opens, struct fy_channel *ch)
{
	const struct fy_outbounds *out = fy_pair_out(ch);
	const struct fy_outbound *x = out->active ? out->active : out->ungranted;
	uint64_t n = 0;
	if (!x)
		return;
	for (const struct fy_outbound *y = out->active; y && n < COUNTED_TO; y = y->next)
		n++;
	for (const struct fy_outbound *y = out->ungranted; y && n < COUNTED_TO; y = y->next)
		n++;
	struct fy_seen *seen = &fy_peer_of(ch)->shown.large_out;
	offer(opens, &(struct fy_monitor_open){
			     .kind = FY_MONITOR_LARGE_OUT,
			     .state = out->active ? FY_MONITOR_UNDER_WAY : FY_MONITOR_UNGRANTED,
			     .peer = ch->rank,
			     .op = x->message ? x->message->op : FY_MONITOR_NO_OP,
			     .since = fy_seen_queue(seen, x->xid, out->next_xid - 1, p->link.now),
			     .count = n,
			     .nbytes = x->total,
		     });
}

static void find_large_in(struct fy_progress *p, struct fy_opens *opens, struct fy_channel *ch)
{
	const struct fy_inbounds *all = fy_pair_in(ch);
	const struct fy_inbound *oldest = all->first;
	uint64_t n = 0;
	if (!oldest)
		return;
	for (const struct fy_inbound *in = all->first; in && n < COUNTED_TO; in = in->ch_next, n++)
		if (in->announced.xid < oldest->announced.xid)
			oldest = in;
	struct fy_seen *seen = &fy_peer_of(ch)->shown.large_in;
	offer(opens, &(struct fy_monitor_open){
			     .kind = FY_MONITOR_LARGE_IN,
			     .state = oldest->message ? FY_MONITOR_UNDER_WAY : FY_MONITOR_UNGRANTED,
			     .peer = ch->rank,
			     .op = oldest->announced.op,
			     .since = fy_seen_queue(seen, oldest->announced.xid, all->next_xid - 1,
	                                            p->link.now),
			     .count = n,
			     .nbytes = oldest->announced.total,
		     });
}

static void find_lanes(struct fy_progress *p, struct fy_opens *opens)
{
	for (struct fy_lane *lane = p->lanes.all; lane; lane = lane->all_next) {
		uint64_t tail = fy_load_acquire_64(&lane->tail);
		if (tail == lane->head)
			continue;
		const struct fy_record *r = fy_lane_at(lane, lane->head);
		bool pad = r->size_flags == FY_KIND_PAD;
		bool call = !pad && fy_record_kind(r) == FY_KIND_CALL;
		bool named = !pad && r->op < FERRY_OP_RESERVED;
		if (!lane->seen.at || (int64_t)(lane->seen.upto - lane->head) <= 0)
			lane->seen = (struct fy_lane_seen){ tail, p->link.now };
		offer(opens, &(struct fy_monitor_open){
				     .kind = call ? FY_MONITOR_CALL : FY_MONITOR_PLAIN,
				     .state = FY_MONITOR_IN_LANE,
				     .peer = named ? (int32_t)r->rank : -1,
				     .op = named ? r->op : FY_MONITOR_NO_OP,
				     .since = lane->seen.at,
				     .count = 1,
				     .nbytes = tail - lane->head,
			     });
	}
}

/* The oldest message that nobody has taken. If a reader has the lock it is looked at later. */
static void find_unread(struct fy_progress *p, struct fy_opens *opens)
{
	struct fy_mailbox *box = &p->link.engine->mailbox;
	if (!fy_load_relaxed_64(&box->bytes) || !fy_mailbox_try(box))
		return;
	const ferry_message *m = box->all.first;
	if (m)
		offer(opens, &(struct fy_monitor_open){
				     .kind = FY_MONITOR_MESSAGE,
				     .state = FY_MONITOR_HELD,
				     .peer = m->source,
				     .op = m->op,
				     .since = fy_seen_thing(&p->sample.unread, m, p->link.now),
				     .count = 1,
				     .nbytes = m->nbytes,
			     });
	fy_mailbox_unlock(box);
}

static void find_agreement(struct fy_progress *p, struct fy_opens *opens)
{
	bool fence = p->agree.kind == FY_AGREE_FENCE;
	if (!fence)
		p->sample.fence_since = 0;
	else if (!p->sample.fence_since)
		p->sample.fence_since = p->link.now;
	struct fy_monitor_open open = {
		.kind = fence ? FY_MONITOR_FENCE : FY_MONITOR_CLOSE,
		.state = FY_MONITOR_ENDING,
		.peer = -1,
		.op = FY_MONITOR_NO_OP,
		.since = fence ? p->sample.fence_since : p->close.called_at,
		.count = 1,
	};
	if (fence || p->close.called_at)
		offer(opens, &open);
}

void fy_opens_find(struct fy_progress *p, struct fy_opens *opens)
{
	find_calls(p, opens);
	find_lanes(p, opens);
	find_unread(p, opens);
	find_agreement(p, opens);
	fy_link_each (ch, &p->link) {
		find_posts(p, opens, ch);
		find_counted(p, opens, ch);
		find_queued(opens, ch);
		find_large_out(p, opens, ch);
		find_large_in(p, opens, ch);
	}
	qsort(opens->list, opens->n, sizeof *opens->list, compare);
}
