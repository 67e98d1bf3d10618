/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaps: batches that do not come. MPI ended a receive with an error, and a number may be missing.
 * Only the holder of the helm may call.
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

/* A number that is missing at two looks so far apart was in a receive that failed. */
#define GAP_TIME FERRY_MS(250)

/*
 * MPI ended a receive with an error. Its status does not count then, so it is not known whether
 * there was a message, or whose. If there was one its number is missing, which shows only when a
 * later batch has come. So each rank is asked for a batch, and from then on this looks for gaps
 * again and again.
 */
void fy_gaps_suspect(struct fy_progress *p, const struct fy_slot *slot)
{
	p->link.stats.mpi_errors++;
	fy_log_often(
		p->link.engine->log, FERRY_LOG_WARNING, FY_OFTEN_BAD_RECEIVE,
		"MPI ended a receive with an error, and it is posted again; if a batch was in it "
		"its sender is given up: %s",
		slot->request.status == FERRY_ETRUNC ? "what came was too long"
						     : p->link.port->ops->error(p->link.port));
	fy_gaps_doubt(p);
}

/* A number may be missing. */
void fy_gaps_doubt(struct fy_progress *p)
{
	unsigned n = ++p->gaps.n_failed;
	if (n > 1 && p->link.now < p->gaps.look_at)
		return; /* all ranks were asked a moment ago */
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
	fy_link_each (ch, &p->link) {
		if (ch->gone)
			continue;
		/* Nothing comes behind a goodbye, so one that is missing shows only by the time. */
		bool bye = p->close.byes && ch->bye.sent && !ch->bye.seen &&
		           !fy_peer_of(ch)->undispatched;
		struct fy_gap *gap = &fy_peer_of(ch)->gap;
		bool again = gap->seen && gap->at == ch->in.seq;
		*gap = (struct fy_gap){ .seen = bye || is_missing(ch), .at = ch->in.seq };
		if (again && bye)
			ch->bye.seen = p->link.worked = true;
		else if (again && gap->seen)
			fy_gone_end(p, ch, FERRY_EMPI,
			            "a batch of that rank did not come: MPI ended a receive "
			            "with an error");
	}
}
