/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control words that a peer is owed: one a kind, written as records when the channel sends next.
 * Called by the holder of the helm alone.
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

/* All credit but a first window's worth goes back. It is spent with the record that says so. */
static void put_give(struct fy_progress *p, struct fy_channel *ch)
{
	uint64_t unused = ch->limit - ch->spent, amount = unused - p->link.credit.first;
	bool more = !ch->queue && unused > p->link.credit.first;
	ch->give_owed = more && !fy_control_put(&p->link, ch, FY_OP_GIVE, &amount, sizeof amount);
	if (!more || ch->give_owed)
		return;
	ch->spent += amount;
	ch->fast_end = NULL;
}

static void put_all(struct fy_progress *p, struct fy_channel *ch)
{
	while (ch->n_refused &&
	       fy_control_put(&p->link, ch, FY_OP_REFUSED, &ch->refused[ch->n_refused - 1],
	                      sizeof ch->refused[0]))
		ch->n_refused--;
	/* before acknowledgements of what came behind: they count what is left */
	if (ch->n_refused)
		return;
	/* Before the acknowledgements of streams: a refusal takes its future out before the count
	 * completes the rest. */
	if (ch->grants_owed && !fy_grants_put(&p->bulk, ch))
		return;
	if (ch->stream_ack_owed && !fy_stream_in_put_acks(&p->link, ch))
		return;
	if (ch->news_owed) /* before what says that all have joined */
		ch->news_owed =
			!fy_control_put(&p->link, ch, FY_OP_AGREE_NEWS, &ch->news, sizeof ch->news);
	if (ch->up_owed)
		ch->up_owed = !fy_control_put(&p->link, ch, FY_OP_AGREE_UP, &ch->up, sizeof ch->up);
	if (ch->down_owed)
		ch->down_owed =
			!fy_control_put(&p->link, ch, FY_OP_AGREE_DOWN, &ch->down, sizeof ch->down);
	uint64_t zero = 0;
	if (ch->recall_owed)
		ch->recall_owed = !fy_control_put(&p->link, ch, FY_OP_RECALL, &zero, sizeof zero);
	if (ch->give_owed)
		put_give(p, ch);
}

/* What there was no memory for. Whoever owes something new in a channel adds it here, or it is
 * forgotten. */
static bool is_left(const struct fy_channel *ch)
{
	return ch->n_refused || ch->grants_owed || ch->stream_ack_owed || ch->news_owed ||
	       ch->up_owed || ch->down_owed || ch->recall_owed || ch->give_owed;
}

void fy_owed_put(struct fy_progress *p, struct fy_channel *ch)
{
	put_all(p, ch);
	ch->control_owed = is_left(ch);
}
