/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages. Everything here is the helm's. A large message is announced by a record in a
 * batch, so that it keeps its place in the order. Its bytes travel as MPI messages of their own
 * (chunks), from the poster's memory into memory that the receiver allocates.
 *
 * A message that fits into half of the unspent credit is prepaid: its chunks follow at once. Any
 * other message waits until the receiver grants it, first come first served, out of a budget. One
 * share of the budget is for requests and one for replies, so a reply never waits for a request. A
 * message larger than its share goes alone.
 *
 * Messages that are granted together end together, because their chunks take turns. How many these
 * are depends on the budget. Of eight equal messages the last ends at most 1.5 times as late as the
 * mean if the budget has room for three of them (3, 3 and 2 at a time: 1.49). Where n messages go
 * one by one the factor is 2n / (n + 1).
 *
 * Turns. A step starts sends of some chunks' worth in each channel, and receives of one chunk's
 * worth in all, each time of the next transfer. Between steps the network has up to FY_CHUNKS_MAX
 * chunks of a transfer to work on.
 *
 *   chunk.c turns.c flow.c   chunks, their numbers and tags, and which one comes next
 *   announce.c               the sender: announcements and lengths
 *   outbound.c               the sender: messages granted and sent; failures
 *   inbound.c                the receiver: announcements and lengths
 *   grants.c                 the receiver: which messages may come
 *   memory.c blocks.c        the receiver: memory for them
 *   landing.c                the receiver: chunks into that memory
 *   sink.c                   the receiver: chunks for which there is no memory
 *   here                     the step, and what both sides have
 */
#include "bulk/bulk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/order.h"
#include "bulk/announce.h"
#include "bulk/chunk.h"
#include "bulk/grants.h"
#include "bulk/inbound.h"
#include "bulk/landing.h"
#include "bulk/outbound.h"
#include "bulk/pair.h"
#include "bulk/sink.h"
#include "link/channel.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "link/link.h"

uint64_t fy_bulk_holds(const struct fy_bulk *bulk)
{
	uint64_t held =
		bulk->budget.used[0] -
		(fy_load_acquire_64(&bulk->link->engine->told.large_returned) - bulk->budget.seen);
	fy_link_each (ch, bulk->link)
		held += ch->credit.unreturned - (fy_load_acquire_64(&ch->credit.account->returned) -
		                                 ch->credit.account->seen);
	return held;
}

void fy_bulk_step(struct fy_bulk *bulk)
{
	bulk->code_due = false;
	if (!bulk->link->port->all_local && fy_bulk_is_wanted(bulk))
		bulk->wanted_at = bulk->link->now;
	if (bulk->grant_queue.first[0] || bulk->grant_queue.first[1] ||
	    bulk->grant_queue.first[2] || bulk->landing.first)
		fy_grants_step(bulk);
	if (bulk->landing.first)
		fy_landing_step(bulk);
	if (bulk->n_out)
		fy_link_each (ch, bulk->link) {
			if (fy_pair_out(ch)->n_lengths_behind)
				fy_announce_lengths(bulk, ch);
			if (fy_pair_out(ch)->active)
				fy_outbound_step(bulk, ch);
		}
}

/* Messages to a peer that is gone stay as long as MPI has chunks of them, perhaps for ever. */
static bool sends_any(const struct fy_bulk *bulk)
{
	if (fy_likely(!bulk->n_out))
		return false;
	fy_link_each (ch, bulk->link)
		if (!ch->gone && (fy_pair_out(ch)->ungranted || fy_pair_out(ch)->active))
			return true;
	return false;
}

static bool lands_any(const struct fy_bulk *bulk)
{
	const struct fy_inbound *in = bulk->landing.first;
	while (in && in->ch->gone)
		in = in->next;
	return in != NULL;
}

bool fy_bulk_is_quiet(const struct fy_bulk *bulk)
{
	return !bulk->n_parked && !bulk->grant_queue.first[0] && !bulk->grant_queue.first[1] &&
	       !bulk->grant_queue.first[2] && !sends_any(bulk) && !lands_any(bulk);
}

bool fy_bulk_is_wanted(const struct fy_bulk *bulk)
{
	return bulk->speed_out.moving || !fy_bulk_is_quiet(bulk);
}

bool fy_bulk_lacks_budget(const struct fy_bulk *bulk)
{
	return bulk->grant_queue.first[0] != NULL;
}

/* The peer is gone: end what is under way to or from it. */
void fy_bulk_gone(struct fy_bulk *bulk, struct fy_channel *ch)
{
	fy_outbound_gone(bulk, ch);
	fy_inbound_gone(bulk, ch);
}

/* Messages whose memory MPI may still use are not freed. */
void fy_bulk_free(struct fy_bulk *bulk, bool clean)
{
	fy_link_each (ch, bulk->link) {
		fy_inbound_free_all(bulk, ch);
		fy_outbound_free_all(bulk, ch);
	}
	fy_chunk_free_all(bulk);
	fy_sink_close(bulk, clean);
}
