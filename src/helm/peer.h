/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_HELM_PEER_H
#define FY_HELM_PEER_H

#include "base/order.h"
#include "helm/progress.h"

struct fy_channel;

struct fy_channel *fy_peer_open(struct fy_progress *p, int rank); /* NULL: no memory */
static inline struct fy_channel *fy_peer_get(struct fy_progress *p, int rank)
{
	struct fy_channel *ch = p->link.channels[rank];
	return fy_likely(ch) ? ch : fy_peer_open(p, rank);
}

#endif
