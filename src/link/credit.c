/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit: how many bytes a sender may have under way to a peer, in both directions. Only the holder
 * of the helm may call.
 *
 * Every request spends its bytes and FY_MESSAGE_CHARGE, which the receiver needs to keep it. Every
 * batch with requests spends FY_BATCH_CHARGE. The receiver lets the sender spend up to
 *
 *   limit = spent by the sender when its last dispatched batch left + window - charges of its
 *           messages that are not freed here
 *
 * The way back of credit: fy_message_free (shared/message.c) adds to an account, fy_credit_collect
 * takes it out, the header of the next batch has the new limit (link/channel.c), and the sender
 * takes it in when that batch arrives (link/pending.c).
 *
 * The limit only grows, and a peer's messages stay within its window. Replies and control spend
 * nothing: open calls bound the replies, and there is one control record of a kind at a time.
 */
#include "link/credit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inbox.h"
#include "base/list.h"
#include "base/order.h"
#include "link/link.h"
#include "link/batch.h"
#include "link/channel.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "wire/header.h"

/* The window for batches of small records is at most so many batches. A longer flood makes nothing
 * faster, and whatever comes behind it waits for all of it. */
#define SMALL_BATCHES 32u
/* With so many closed batches that MPI does not have yet, requests stay where they are. */
#define READY_MAX 2u

bool fy_credit_admits(struct fy_link *link, struct fy_channel *ch, uint32_t size)
{
	bool fits = ch->open && size <= (size_t)(fy_channel_open_end(ch) - ch->fill);
	if (!fits && ch->out.n_ready >= READY_MAX) {
		fy_channel_send_full(link, ch);
		if (ch->out.n_ready >= READY_MAX)
			return false;
	}
	uint64_t cost = (uint64_t)size + FY_MESSAGE_CHARGE +
	                (fits && ch->open->charged ? 0 : FY_BATCH_CHARGE);
	if (ch->credit.spent + cost <= ch->credit.limit)
		return true;
	if (!ch->credit.hungry && !ch->credit.hungry_told) {
		ch->credit.hungry = true;
		link->stats.credit_out++;
		fy_channel_mark(link, ch);
	}
	return false;
}

/* Pay for the request that is about to be committed, and compute how many plain ones may follow
 * without another look. */
void fy_credit_spend(struct fy_channel *ch, uint32_t size)
{
	ch->credit.spent += (uint64_t)size + FY_MESSAGE_CHARGE;
	if (!ch->open->charged) {
		ch->open->charged = true;
		ch->credit.spent += FY_BATCH_CHARGE;
	}
	uint64_t left = ch->credit.limit - ch->credit.spent,
		 bytes = (uint64_t)(fy_channel_open_end(ch) - ch->fill);
	bool fast = !ch->has_queue && !ch->streams_out && !ch->gone && left > bytes;
	ch->fast_records = fast ? (uint32_t)((left - bytes) / FY_MESSAGE_CHARGE) : 0;
	ch->fast_end = fast ? fy_channel_open_end(ch) : NULL;
}

uint64_t fy_credit_limit(const struct fy_channel *ch)
{
	uint64_t now = ch->credit.spent_in + ch->credit.window - ch->credit.unreturned;
	return now > ch->credit.limit_sent ? now : ch->credit.limit_sent;
}

/* Does a peer wait for credit while there is none to give, until something is freed here? */
bool fy_credit_lacks(const struct fy_link *link)
{
	fy_link_each (ch, link)
		if (ch->credit.peer_hungry && fy_credit_limit(ch) == ch->credit.limit_sent)
			return true;
	return false;
}

static void owe_limit(struct fy_link *link, struct fy_channel *ch)
{
	uint64_t more = fy_credit_limit(ch) - ch->credit.limit_sent;
	if (more == 0 || ch->gone || ch->bye.sent ||
	    (!ch->credit.peer_hungry && more < ch->credit.window / 4))
		return;
	ch->credit.limit_owed = true;
	fy_channel_mark(link, ch);
}

void fy_credit_returned(struct fy_link *link, struct fy_channel *ch, uint64_t bytes)
{
	ch->credit.unreturned -= bytes;
	owe_limit(link, ch);
}

/* A peer that uses its window gets a larger one, from the pool. If the pool is empty, peers that do
 * not use theirs are asked to give credit back. */
void fy_credit_grow_window(struct fy_link *link, struct fy_channel *ch, bool hungry,
                           uint64_t charged)
{
	struct fy_channel_credit *credit = &ch->credit;
	bool busy = hungry ||
	            credit->spent_in + credit->window - credit->limit_sent >= credit->window / 2;
	uint64_t most = link->credit.window_max;
	if (charged && most > SMALL_BATCHES * charged)
		most = SMALL_BATCHES * charged;
	if (busy && credit->window < most) {
		uint64_t more = credit->window;
		if (more > most - credit->window)
			more = most - credit->window;
		if (more > link->credit.pool)
			more = link->credit.pool;
		credit->window += more;
		link->credit.pool -= more;
		if (!more && hungry)
			fy_link_each (other, link)
				if (other != ch && other->credit.window > 2 * link->credit.first &&
				    !other->credit.recall_owed && !other->gone) {
					other->credit.recall_owed = true;
					fy_channel_owe(link, other);
				}
	}
	credit->peer_hungry |= hungry;
	owe_limit(link, ch);
}

/* The peer asks for the credit that this rank does not use, beyond the first window. */
void fy_credit_recalled(struct fy_link *link, struct fy_channel *ch)
{
	ch->credit.give_owed = true;
	fy_channel_owe(link, ch);
}

/* The peer gives `amount` back, and has counted it as spent. The window shrinks by it. */
void fy_credit_given(struct fy_link *link, struct fy_channel *ch, uint64_t amount)
{
	if (amount > ch->credit.window - link->credit.first ||
	    ch->credit.window < link->credit.first) {
		link->stats.malformed++;
		return;
	}
	ch->credit.window -= amount;
	link->credit.pool += amount;
}

/* Memory of messages that were freed goes back to the credit of their senders. */
void fy_credit_collect(struct fy_link *link)
{
	fy_inbox_each (entry, fy_inbox_take(&link->engine->inboxes.accounts)) {
		struct fy_account *a = fy_container_of(entry, struct fy_account, entry);
		fy_store_release_32(&a->dirty, 0);
		fy_fence_full(); /* a thread that adds after this load finds `dirty` at 0 */
		uint64_t returned = fy_load_acquire_64(&a->returned);
		fy_credit_returned(link, link->channels[a->rank], returned - a->seen);
		a->seen = returned;
		link->worked = true;
	}
}
