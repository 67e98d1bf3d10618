/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: which large messages may come, out of the budget for them. Only the holder of the helm
 * may call.
 *
 * Three queues are served first come first served: requests, replies, and messages that need no
 * grant. Only the first message of a queue is looked at. So a large message gets its turn, because
 * smaller ones do not pass it.
 *
 * There is one exception. A transfer of which no chunk came for STALLED (landing.c) holds up only
 * its own peer: its memory does not count in the budget meanwhile, and its peer gets no other
 * grant. So such a peer costs a budget's worth of memory once, or one message that is larger.
 *
 * A prepaid message needs no grant, and its chunks are on the way. If there is no memory it waits,
 * and others pass it. After SHORT_LAST its bytes are thrown away (sink.c), and its sender gets
 * FERRY_ENOMEM.
 */
#include "bulk/grants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "base/order.h"
#include "bulk/inbound.h"
#include "bulk/landing.h"
#include "bulk/memory.h"
#include "bulk/bulk.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/control.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "wire/bodies.h"
#include "wire/record.h"
#include "link/link.h"
#include "bulk/pair.h"

/* A prepaid message waits so long for memory; then its bytes are received and thrown away. */
#define SHORT_LAST FERRY_S(1)

#define QUEUES 3
#define NEEDS_NONE 2

/* How many bytes of the budget the parts take. The sum cannot be less than `total` unless it has
 * overflowed. */
static uint64_t room_for(const struct fy_bulk *bulk, const struct fy_inbound *in)
{
	uint64_t room = 0;
	for (uint32_t i = 0; i < in->announced.n_parts; i++)
		room += fy_block_size(bulk->link->engine, in->lengths[i]);
	return room < in->announced.total ? UINT64_MAX : room;
}

void fy_grants_wait(struct fy_bulk *bulk, struct fy_inbound *in)
{
	int queue = in->prepaid || in->status ? NEEDS_NONE : fy_inbound_share(in);
	in->bytes.needs = in->status || in->dead ? 0 : room_for(bulk, in);
	fy_inbound_append(&bulk->grant_queue.first[queue], &bulk->grant_queue.last[queue], in);
}

void fy_grants_owe(struct fy_bulk *bulk, struct fy_inbound *in)
{
	in->grant_next = NULL;
	in->grant_owed = true;
	struct fy_inbounds *ins = fy_pair_in(in->ch);
	fy_list_join(ins->grants_owed, ins->grants_last, in, in, grant_next);
	fy_channel_owe(bulk->link, in->ch);
}

static int admitted(struct fy_bulk *bulk, const struct fy_inbound *in)
{
	if (in->status)
		return in->status;
	if (in->announced.total > bulk->link->options->message_max && !in->prepaid)
		return FERRY_ETOOBIG;
	if (in->announced.kind == FY_KIND_REPLY &&
	    !fy_call_peek(&bulk->link->calls, in->announced.call_id, in->ch->rank))
		return FERRY_ECANCELED; /* nobody waits for the reply any more */
	return FERRY_OK;
}

/* Does the message fit into the budget now? */
static bool fits(const struct fy_bulk *bulk, const struct fy_inbound *in)
{
	int share = fy_inbound_share(in);
	uint64_t used = bulk->budget.used[share] - bulk->budget.stalled[share],
		 cap = bulk->budget.cap[share];
	return in->prepaid || in->status || used == 0 ||
	       (in->bytes.needs <= cap && used <= cap - in->bytes.needs);
}

/* There is no memory for a prepaid message. True: there was none for too long. */
static bool waits_in_vain(struct fy_bulk *bulk, struct fy_inbound *in)
{
	in->shortage.tried_at = bulk->link->stats.steps;
	if (!in->shortage.since)
		in->shortage.since = bulk->link->now;
	return bulk->link->now - in->shortage.since >= SHORT_LAST;
}

/* False: there is no memory, and the message goes on waiting. */
static bool grant(struct fy_bulk *bulk, struct fy_inbound *in)
{
	int status = admitted(bulk, in);
	if (!status)
		status = fy_memory_make_room(bulk, in);
	if (status == FERRY_ENOMEM && in->prepaid && !in->status) {
		if (!waits_in_vain(bulk, in) || !fy_memory_sink(bulk, in))
			return false;
		status = FERRY_OK;
	}
	if (status) {
		fy_inbound_refuse(bulk, in, status);
		if (in->prepaid) { /* its chunks are on the way and cannot be told from others */
			fy_inbound_break(bulk, in->ch, status,
			                 "a large message that was announced wrongly");
			fy_inbound_free(bulk, in);
			return true;
		}
	} else {
		bulk->budget.used[fy_inbound_share(in)] += in->bytes.large;
		fy_landing_add(bulk, in);
	}
	if (!in->prepaid)
		fy_grants_owe(bulk, in);
	return true;
}

/* Messages of a peer with a stalled transfer are passed, and prepaid ones for which there was no
 * memory in this step. */
static bool is_passed(const struct fy_bulk *bulk, int queue, const struct fy_inbound *in)
{
	return !in->dead && (queue == NEEDS_NONE ? in->shortage.tried_at == bulk->link->stats.steps
	                                         : fy_pair_in(in->ch)->n_stalled != 0);
}

/* The first message in the queue that is not passed. *before: the one before it, or NULL. */
static struct fy_inbound *first_of(struct fy_bulk *bulk, int queue, struct fy_inbound **before)
{
	struct fy_inbound *in = bulk->grant_queue.first[queue];
	*before = NULL;
	while (in && is_passed(bulk, queue, in)) {
		*before = in;
		in = in->next;
	}
	return in;
}

static void put_in_queue(struct fy_bulk *bulk, int queue, struct fy_inbound *before,
                         struct fy_inbound *in)
{
	struct fy_inbound **at = before ? &before->next : &bulk->grant_queue.first[queue];
	in->next = *at;
	*at = in;
	if (!in->next)
		bulk->grant_queue.last[queue] = in;
}

static void take_out_of_queue(struct fy_bulk *bulk, int queue, struct fy_inbound *before,
                              struct fy_inbound *in)
{
	*(before ? &before->next : &bulk->grant_queue.first[queue]) = in->next;
	if (!in->next)
		bulk->grant_queue.last[queue] = before;
}

static bool grant_first(struct fy_bulk *bulk, int queue)
{
	struct fy_inbound *before, *in = first_of(bulk, queue, &before);
	if (!in || (!in->dead && !fits(bulk, in)))
		return false;
	if (!bulk->link->user_code && bulk->memory_handlers &&
	    in->announced.kind != FY_KIND_REPLY) {
		bulk->code_due = true;
		return false; /* the program has to be asked where it lands, by user code */
	}
	take_out_of_queue(bulk, queue, before, in);
	if (in->dead) {
		fy_inbound_free(bulk, in);
		return true;
	}
	if (grant(bulk, in)) {
		bulk->link->worked = true;
		return true;
	}
	put_in_queue(bulk, queue, before, in);
	return true; /* there may be memory for those behind it */
}

void fy_grants_step(struct fy_bulk *bulk)
{
	uint64_t returned = fy_load_acquire_64(&bulk->link->engine->told.large_returned);
	bulk->budget.used[0] -= returned - bulk->budget.seen;
	bulk->budget.seen = returned;
	for (int queue = 0; queue < QUEUES; queue++)
		while (bulk->grant_queue.first[queue] && grant_first(bulk, queue))
			;
}

void fy_grants_told(struct fy_bulk *bulk, struct fy_inbound *first)
{
	struct fy_inbounds *ins = fy_pair_in(first->ch);
	fy_list_drop_by(ins->grants_owed, ins->grants_last, grant_next);
	first->grant_owed = false;
	if (first->refused)
		fy_inbound_free(bulk, first);
}

bool fy_grants_put(struct fy_bulk *bulk, struct fy_channel *ch)
{
	struct fy_inbounds *ins = fy_pair_in(ch);
	struct fy_inbound *in;
	while ((in = ins->grants_owed)) {
		struct fy_grant g = { in->announced.xid, in->refused ? in->status : FERRY_OK, 0 };
		if (!fy_control_put(bulk->link, ch, FY_OP_GRANT, &g, sizeof g))
			return false;
		fy_grants_told(bulk, in);
	}
	return true;
}
