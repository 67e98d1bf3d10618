/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for a large message that may come: the program's if it names some, else blocks. Only the
 * holder of the helm may call. The program is asked by user code.
 */
#include "bulk/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/program.h"
#include "bulk/blocks.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/inbound.h"
#include "bulk/sink.h"
#include "bulk/bulk.h"
#include "link/channel.h"
#include "shared/block.h"
#include "shared/inside.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "shared/thread.h"
#include "wire/record.h"
#include "link/link.h"

int fy_memory_set(struct fy_bulk *bulk, uint32_t op, ferry_memory_fn *fn, void *arg)
{
	struct fy_memory_handler **at = &bulk->memory_handlers;
	while (*at && (*at)->op != op)
		at = &(*at)->next;
	if (!fn) {
		struct fy_memory_handler *old = *at;
		if (old) {
			*at = old->next;
			free(old);
		}
		return FERRY_OK;
	}
	if (!*at && !(*at = calloc(1, sizeof **at)))
		return FERRY_ENOMEM;
	(*at)->op = op;
	(*at)->fn = fn;
	(*at)->arg = arg;
	return FERRY_OK;
}

/* Ask the program where an attachment lands, unless it was asked before. NULL: it names no
 * memory. */
static void *ask_where(struct fy_bulk *bulk, struct fy_inbound *in, uint32_t part)
{
	struct fy_memory_handler *h = bulk->memory_handlers;
	if (part <= in->asked_for)
		return NULL;
	in->asked_for = part;
	while (h && h->op != in->announced.op)
		h = h->next;
	if (!h || in->announced.kind == FY_KIND_REPLY)
		return NULL;
	ferry *before = fy_thread_begin(FY_INLINE, bulk->link->engine);
	void *there = NULL;
	uint32_t inside = fy_inside_begin(bulk->link->engine);
	if (fy_program_may_run())
		FY_PROGRAM("a memory function", &in->announced.op,
		           there = h->fn(bulk->link->engine, in->ch->rank, in->announced.op,
		                         part - 1, in->lengths[part], h->arg));
	fy_inside_end(bulk->link->engine, inside);
	fy_thread_end(FY_INLINE, before);
	return there;
}

/* Get memory for an attachment. Only then it has a length and an owner. `beside`: how much of the
 * budget the message has taken so far. */
static bool land(struct fy_bulk *bulk, struct fy_inbound *in, uint32_t part, uint64_t beside,
                 struct fy_attachment *a)
{
	void *there = ask_where(bulk, in, part),
	     *data = there ? there : fy_blocks_get(bulk, in->lengths[part], beside);
	if (!data)
		return false;
	*a = (struct fy_attachment){ .data = data, .nbytes = in->lengths[part], .owned = !there };
	return true;
}

static bool land_attachments(struct fy_bulk *bulk, struct fy_inbound *in, ferry_message *m)
{
	uint64_t large = fy_block_size(bulk->link->engine, m->nbytes);
	for (uint32_t i = 1; i < in->announced.n_parts; i++) {
		struct fy_attachment *a = &m->attachments[i - 1];
		if (!a->data && !land(bulk, in, i, large, a))
			return false;
		large += a->owned ? fy_block_size(bulk->link->engine, a->nbytes) : 0;
	}
	m->holds.large = large;
	return true;
}

/* A message whose body, if it is long, is a block. */
static ferry_message *new_message(struct fy_bulk *bulk, uint32_t op, size_t nbytes)
{
	ferry_message *m =
		fy_message_new(bulk->link->engine, op, nbytes < FY_BLOCK_MIN ? nbytes : 0);
	if (!m || nbytes < FY_BLOCK_MIN)
		return m;
	m->body = fy_blocks_get(bulk, nbytes, 0);
	if (!m->body) {
		fy_message_free(m);
		return NULL;
	}
	m->nbytes = m->body_capacity = nbytes;
	m->flags = FY_MESSAGE_BLOCK;
	return m;
}

/* The message whose attachments have no memory, or not all: the draft of an earlier try, or a new
 * one. */
static ferry_message *draft(struct fy_bulk *bulk, struct fy_inbound *in)
{
	ferry_message *m = in->shortage.draft;
	in->shortage.draft = NULL;
	if (m || !(m = new_message(bulk, in->announced.op, in->lengths[0])))
		return m;
	m->flags |= FY_MESSAGE_RECEIVED | fy_message_coloured(in->announced.colour);
	m->source = in->ch->rank;
	if (!fy_message_reserve_attachments(m, in->announced.n_parts - 1))
		return m;
	fy_message_free(m);
	return NULL;
}

/* All memory is there: the message itself is charged now instead of its place, and its chunks may
 * come. */
static void take_over(struct fy_bulk *bulk, struct fy_inbound *in, ferry_message *m)
{
	m->holds.account = in->announced.kind == FY_KIND_REPLY ? NULL : in->ch->credit.account;
	m->holds.charge = in->bytes.charge;
	if (in->announced.kind != FY_KIND_REPLY)
		fy_tally_keep(bulk->link->engine, m);
	in->bytes.charge = 0;
	in->message = m;
	in->flow.end =
		in->flow.at.number + fy_chunk_count_all(m, in->announced.n_parts, in->chunk_bytes);
	fy_inbound_drop_lengths(in);
}

/* 0 or FERRY_ENOMEM. A part of the memory is kept only for a prepaid message, for which the rest is
 * tried for again. */
int fy_memory_make_room(struct fy_bulk *bulk, struct fy_inbound *in)
{
	ferry_message *m = draft(bulk, in);
	if (!m)
		return FERRY_ENOMEM;
	if (!land_attachments(bulk, in, m)) {
		if (in->prepaid)
			in->shortage.draft = m;
		else
			fy_message_free(m);
		return FERRY_ENOMEM;
	}
	if (in->announced.kind == FY_KIND_CALL) {
		m->flags |= FY_MESSAGE_CALL;
		m->answer.call_id = in->announced.call_id;
	}
	take_over(bulk, in, m);
	in->bytes.large = in->prepaid ? 0 : m->holds.large;
	if (in->prepaid || in->announced.kind == FY_KIND_REPLY)
		/* a prepaid one is paid from the credit; a reply is the program's, in its future */
		m->holds.large = 0;
	return FERRY_OK;
}

/* A prepaid message has waited long enough: its bytes will be received and thrown away. For that it
 * gets a message with lengths and without memory. False: there is no memory for that either. */
bool fy_memory_sink(struct fy_bulk *bulk, struct fy_inbound *in)
{
	if (in->shortage.draft)
		fy_message_free(in->shortage.draft);
	in->shortage.draft = NULL;
	ferry_message *m =
		fy_sink_open(bulk) ? fy_message_new(bulk->link->engine, in->announced.op, 0) : NULL;
	if (!m)
		return false;
	if (fy_message_reserve_attachments(m, in->announced.n_parts - 1)) {
		fy_message_free(m);
		return false;
	}
	m->nbytes = in->lengths[0];
	for (uint32_t i = 1; i < in->announced.n_parts; i++)
		m->attachments[i - 1].nbytes = in->lengths[i];
	in->sunk = true;
	in->status = FERRY_ENOMEM;
	take_over(bulk, in, m);
	return true;
}
