/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/list.h"
#include "base/order.h"
#include "bulk/pair.h"
#include "helm/agree.h"
#include "helm/gaps.h"
#include "helm/gone.h"
#include "helm/lookout.h"
#include "helm/owed.h"
#include "helm/progress.h"
#include "helm/queued.h"
#include "helm/seen.h"
#include "helm/words.h"

struct fy_slot;

/* What samples remember of a peer (helm/show.c, opens.c). */
struct fy_peer_shown {
	struct fy_seen posts, counted, large_out, large_in;
	uint32_t seq;     /* of its next batch, at the last sample */
	int64_t heard_at; /* ns: of the first sample that saw it; 0: never */
};

/* All that this rank keeps for one peer. */
struct fy_peer {
	struct fy_pair pair;          /* the channel and large messages */
	struct fy_slot *undispatched; /* early and paused batches, in order */
	struct fy_queue queue;
	struct fy_owed owed;
	struct fy_agree_heard agreed;
	struct fy_gap gap;
	struct fy_words words;
	struct fy_heard heard;
	struct fy_peer_shown shown;
};

static inline struct fy_peer *fy_peer_of(const struct fy_channel *ch)
{
	return fy_container_of(ch, struct fy_peer, pair.channel);
}
struct fy_channel *fy_peer_open(struct fy_progress *p, int rank); /* NULL: no memory */
static inline struct fy_channel *fy_peer_get(struct fy_progress *p, int rank)
{
	struct fy_channel *ch = p->link.channels[rank];
	return fy_likely(ch) ? ch : fy_peer_open(p, rank);
}
