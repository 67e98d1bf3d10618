/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer: all that this rank keeps for one other rank, made when they first exchange anything. Only
 * the holder of the helm may call.
 */
#include "helm/peer.h"

#include <stddef.h>
#include <stdlib.h>

#include "helm/progress.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/account.h"
#include "shared/engine.h"
#include "bulk/pair.h"

static struct fy_account *account_create(struct fy_progress *p, int rank)
{
	struct fy_account *account = calloc(1, sizeof *account);
	if (!account)
		return NULL;
	account->rank = rank;
	account->next = p->link.engine->account_list;
	p->link.engine->account_list = account;
	return account;
}

struct fy_channel *fy_peer_open(struct fy_progress *p, int rank)
{
	struct fy_peer *peer = calloc(1, sizeof *peer);
	if (!peer)
		return NULL;
	struct fy_channel *ch = &peer->pair.channel;
	ch->credit.account = account_create(p, rank);
	if (!ch->credit.account) {
		free(peer);
		return NULL;
	}
	ch->rank = rank;
	ch->out.seq = ch->in.seq = p->link.first_seq;
	ch->out.accepted = p->link.first_seq - 1;
	ch->credit.limit = ch->credit.window = ch->credit.limit_sent = p->link.credit.first;
	ch->doorbell = rank == p->link.engine->rank
	                       ? NULL
	                       : p->link.port->ops->doorbell(p->link.port, rank);
	fy_pair_out(ch)->next_xid = 1;
	ch->all_next = p->link.all;
	p->link.all = ch;
	p->link.channels[rank] = ch;
	return ch;
}
