/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches that do not come: MPI ended a receive with an error, and a number may be missing. Called
 * by the holder of the helm alone.
 */
#include "helm/gaps.h"

#include <stdbool.h>

#include "ferry.h"
#include "base/log.h"
#include "helm/gone.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"

/* a number that is missing at two looks, so far apart, was in a receive that failed */
#define GAP_TIME FERRY_MS(250)

/*
 * MPI ended a receive with an error. What it says of such a receive is not to be believed, so
 * nobody knows whether a message was in it, or whose. If one was, its number is missing. To see
 * that a later one has to come: so every rank is asked for a batch, and then for gaps is looked
 * again and again.
 */
void fy_gaps_suspect(struct fy_progress *p, const struct fy_slot *slot)
{
	unsigned n = ++p->gaps.n_failed;
	p->link.stats.mpi_errors++;
	if ((n & (n - 1)) == 0)
		fy_log(p->link.engine->log,
		       "MPI ended a receive with an error (%u so far), which is posted again: %s",
		       n,
		       slot->request.status == FERRY_ETRUNC
		               ? "what came was too long"
		               : p->link.port->ops->error(p->link.port));
	if (n > 1 && p->link.now < p->gaps.look_at)
		return; /* they were asked a moment ago */
	p->gaps.look_at = p->link.now + GAP_TIME;
	for (int rank = 0; rank < p->link.engine->size; rank++) {
		struct fy_channel *ch = fy_peer_get(p, rank);
		if (ch)
			fy_channel_ask(&p->link, ch);
	}
}

static bool is_missing(const struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	return peer->undispatched && peer->undispatched->seq != ch->in.seq;
}

void fy_gaps_look(struct fy_progress *p)
{
	if (p->link.now < p->gaps.look_at)
		return;
	p->gaps.look_at = p->link.now + GAP_TIME;
	for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next) {
		if (ch->gone)
			continue;
		/* Behind a goodbye nothing comes: that it does not come itself is seen by
		 * the time. */
		bool bye = p->close.byes && ch->bye.sent && !ch->bye.seen &&
		           !fy_peer_of(ch)->undispatched;
		bool again = fy_peer_of(ch)->gap.seen && fy_peer_of(ch)->gap.at == ch->in.seq;
		fy_peer_of(ch)->gap.seen = bye || is_missing(ch);
		fy_peer_of(ch)->gap.at = ch->in.seq;
		if (again && bye)
			ch->bye.seen = p->link.worked = true;
		else if (again && fy_peer_of(ch)->gap.seen)
			fy_gone_end(p, ch, FERRY_EMPI,
			            "a batch of that rank did not come: MPI ended a receive "
			            "with an error");
	}
}
