/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records that a peer is owed: one of each kind, written when the channel sends next. Only
 * the holder of the helm may call.
 */
#include "helm/owed.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulk/grants.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "link/control.h"
#include "link/stream_in.h"
#include "wire/bodies.h"
#include "bulk/pair.h"
#include "helm/peer.h"

/* Give back all credit beyond the first window. The record that says so also counts it as spent. */
static void put_give(struct fy_progress *p, struct fy_channel *ch)
{
	uint64_t unused = ch->credit.limit - ch->credit.spent,
		 amount = unused - p->link.credit.first;
	bool more = !fy_peer_of(ch)->queue.first && unused > p->link.credit.first;
	ch->credit.give_owed =
		more && !fy_control_put(&p->link, ch, FY_OP_GIVE, &amount, sizeof amount);
	if (!more || ch->credit.give_owed)
		return;
	ch->credit.spent += amount;
	ch->fast_end = NULL;
}

static void put_word(struct fy_progress *p, struct fy_channel *ch, bool *owed, uint32_t op,
                     const void *body, uint32_t nbytes)
{
	if (*owed)
		*owed = !fy_control_put(&p->link, ch, op, body, nbytes);
}

static void put_all(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->in.n_refused &&
	       fy_control_put(&p->link, ch, FY_OP_REFUSED, &ch->in.refused[ch->in.n_refused - 1],
	                      sizeof ch->in.refused[0]))
		ch->in.n_refused--;
	/* Refusals go before acknowledgements, which count only what was not refused. */
	if (ch->in.n_refused)
		return;
	/* Grants go before acknowledgements of streams: one that refuses a message ends its future,
	 * before the acknowledgement completes the others. */
	if (fy_pair_in(ch)->grants_owed && !fy_grants_put(&p->bulk, ch))
		return;
	if (ch->stream_ack_owed && !fy_stream_in_put_acks(&p->link, ch))
		return;
	struct fy_owed *o = &fy_peer_of(ch)->owed;
	uint64_t zero = 0;
	/* before words which say that all ranks have joined */
	put_word(p, ch, &o->news_owed, FY_OP_AGREE_NEWS, &o->news, sizeof o->news);
	put_word(p, ch, &o->up_owed, FY_OP_AGREE_UP, &o->up, sizeof o->up);
	put_word(p, ch, &o->down_owed, FY_OP_AGREE_DOWN, &o->down, sizeof o->down);
	put_word(p, ch, &ch->credit.recall_owed, FY_OP_RECALL, &zero, sizeof zero);
	if (ch->credit.give_owed)
		put_give(p, ch);
}

/* Is anything still owed, because there was no memory? Each kind of control record has to be named
 * here, or it is forgotten. */
static bool is_left(const struct fy_channel *ch)
{
	const struct fy_owed *o = &fy_peer_of(ch)->owed;
	return ch->in.n_refused || fy_pair_in(ch)->grants_owed || ch->stream_ack_owed ||
	       o->news_owed || o->up_owed || o->down_owed || ch->credit.recall_owed ||
	       ch->credit.give_owed;
}

void fy_owed_put(struct fy_progress *p, struct fy_channel *ch)
{
	put_all(p, ch);
	ch->control_owed = is_left(ch);
}
