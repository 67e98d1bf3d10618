/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of channels: records, in the form of a lane, that wait for room in their channel. Only the
 * holder of the helm may call.
 */
#include "helm/queued.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/order.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/room.h"
#include "wire/record.h"
#include "helm/peer.h"

void fy_queued_fail(struct fy_progress *p, struct fy_channel *ch, int status, const char *detail)
{
	struct fy_peer *peer = fy_peer_of(ch);
	while (peer->queue.first) {
		struct fy_queued *q = peer->queue.first;
		peer->queue.first = q->next;
		while (q->from < q->to) {
			const struct fy_record *r = fy_record_at(q->bytes + q->from);
			q->from += fy_record_size(r->size_flags);
			p->queues.of[fy_record_tag_colour(r->stream, 0)]--;
			fy_put_fail(p, r, status, detail);
		}
		free(q);
	}
	ch->has_queue = false;
	peer->queue.last = NULL;
	p->queues.bytes -= peer->queue.bytes;
	peer->queue.bytes = 0;
	peer->queue.n = 0;
}

#define QUEUE_BLOCK 32768u

static void raise_full(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	if (peer->queue.full_raised)
		return;
	peer->queue.full_raised = true;
	peer->queue.full_since = p->link.now;
	fy_store_release_8(&p->link.engine->full[ch->rank], 1);
}

static void lower_full(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	if (!peer->queue.full_raised)
		return;
	peer->queue.full_raised = false;
	peer->queue.full_for += p->link.now - peer->queue.full_since;
	fy_store_release_8(&p->link.engine->full[ch->rank], 0);
	fy_room_tell(&p->link.engine->room);
}

static struct fy_queued *queue_block(struct fy_channel *ch, uint32_t size)
{
	struct fy_peer *peer = fy_peer_of(ch);
	struct fy_queued *q = peer->queue.last;
	if (q && q->capacity - q->to >= size)
		return q;
	q = aligned_alloc(FY_CACHE_LINE, sizeof *q + QUEUE_BLOCK + FY_CACHE_LINE);
	if (!q)
		return NULL;
	q->next = NULL;
	q->from = q->to = 0;
	q->capacity = QUEUE_BLOCK;
	fy_list_append(peer->queue.first, peer->queue.last, q);
	ch->has_queue = true;
	return q;
}

/* Move a record to its channel's queue. False: no memory, or send_memory is used up; the record
 * stays in its lane. */
bool fy_queued_add(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                   uint32_t size, uint32_t stream, bool always)
{
	struct fy_peer *peer = fy_peer_of(ch);
	if (!always && p->queues.bytes + size > p->link.options->send_memory)
		return false;
	struct fy_queued *q = queue_block(ch, size);
	if (!q)
		return false;
	raise_full(p, ch); /* lowered when the queue is empty again */
	struct fy_record *copy = memcpy(q->bytes + q->to, r, size);
	copy->stream = fy_put_tagged(p, stream); /* its place no longer tells its colour */
	p->queues.of[fy_record_tag_colour(copy->stream, 0)]++;
	q->to += size;
	peer->queue.bytes += size;
	peer->queue.n++;
	ch->fast_end = NULL;
	p->queues.bytes += size;
	p->link.stats.channel_full++;
	if (!peer->queue.listed) {
		peer->queue.listed = true;
		peer->queue.next = p->queues.first;
		p->queues.first = ch;
	}
	return true;
}

static void empty_queue(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	while (peer->queue.first) {
		struct fy_queued *q = peer->queue.first;
		while (q->from < q->to) {
			const struct fy_record *r = fy_record_at(q->bytes + q->from);
			uint32_t size = fy_record_size(r->size_flags);
			unsigned colour = fy_record_tag_colour(r->stream, 0);
			if (fy_put_record(p, ch, r, r->stream) == FY_PUT_NO_ROOM)
				return;
			p->queues.of[colour]--;
			q->from += size;
			peer->queue.bytes -= size;
			peer->queue.n--;
			p->queues.bytes -= size;
			p->link.worked = true;
		}
		fy_list_drop(peer->queue.first, peer->queue.last);
		ch->has_queue = peer->queue.first != NULL;
		free(q);
	}
}

/* Put what is in queues into channels, as far as these have room. */
void fy_queued_step(struct fy_progress *p)
{
	struct fy_channel **at = &p->queues.first;
	while (*at) {
		struct fy_channel *ch = *at;
		empty_queue(p, ch);
		if (fy_peer_of(ch)->queue.first) {
			at = &fy_peer_of(ch)->queue.next;
			continue;
		}
		*at = fy_peer_of(ch)->queue.next;
		fy_peer_of(ch)->queue.listed = false;
		if (!ch->gone)
			lower_full(p, ch);
	}
}
