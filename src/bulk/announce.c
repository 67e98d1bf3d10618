/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announcements of large messages: what the receiver has to know of a message before its data may
 * come, and the lengths of all its parts. A message that fits into half of the credit is prepaid
 * and needs no grant. Only the holder of the helm may call.
 */
#include "bulk/announce.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/bulk.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/outbound.h"
#include "bulk/pair.h"
#include "bulk/speed.h"
#include "bulk/turns.h"
#include "link/channel.h"
#include "link/counted.h"
#include "link/credit.h"
#include "link/link.h"
#include "link/pending.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/policy_table.h"
#include "wire/bodies.h"
#include "wire/record.h"

/* A message of up to so many bytes that is not prepaid asks for a larger window. */
#define PREPAID_WISH (1u << 20)
/* On one host each part of a message of up to so many bytes is one chunk: a chunk costs 2 us beside
 * its copy, and the copy of so much takes 0.4 ms. */
#define BRIEF (4u << 20)

static void put_lengths(char *to, const ferry_message *m, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t n = fy_chunk_part_length(m, from + i);
		memcpy(to + 8 * i, &n, sizeof n);
	}
}

/* May the message be prepaid? It has to fit into half of the unspent credit, and its chunks' tags
 * must not be those of any unfinished chunk. Of messages without a turn the first in `ungranted`
 * has the lowest numbers. */
static bool may_prepay(struct fy_bulk *bulk, struct fy_channel *ch, const struct fy_outbound *x)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	uint64_t low = outs->ungranted ? outs->ungranted->flow.at.number : x->flow.at.number;
	return x->kind != FY_KIND_REPLY && x->n_parts <= FY_LENGTHS_RECORD &&
	       x->total <= (ch->credit.limit - ch->credit.spent) / 2 &&
	       fy_turns_single(bulk, &outs->turns, low, x->flow.end);
}

static bool write(struct fy_bulk *bulk, struct fy_outbound *x, struct fy_record *r, uint32_t word,
                  uint32_t stream)
{
	struct fy_channel *ch = x->ch;
	bool prepaid = may_prepay(bulk, ch, x);
	uint32_t count = fy_bodies_lengths(x->n_parts);
	struct fy_announce a = { .xid = x->xid,
		                 .total = x->total,
		                 .first_chunk = x->flow.at.number,
		                 .n_parts = x->n_parts,
		                 .chunk_bytes = (uint32_t)x->chunk_bytes,
		                 .flags = prepaid ? FY_ANNOUNCE_PREPAID : 0 };
	*r = (struct fy_record){ word, x->message->op, (uint32_t)ch->rank, stream };
	if (word & FY_EXT)
		fy_record_set_ext(r, x->call_id);
	memcpy(fy_record_data(r), &a, sizeof a);
	put_lengths(fy_record_data(r) + sizeof a, x->message, 0, count);
	x->lengths_sent = count;
	if (prepaid)
		ch->credit.spent += x->total;
	else if (x->kind != FY_KIND_REPLY && x->total <= PREPAID_WISH && !ch->credit.hungry_told)
		ch->credit.hungry = true;
	return prepaid;
}

static size_t chunk_bytes(const struct fy_bulk *bulk, const struct fy_channel *ch, uint64_t total)
{
	const struct fy_policy *policy = &bulk->link->engine->policy;
	if (bulk->link->port->all_local)
		return total <= BRIEF && BRIEF <= bulk->link->port->chunk_max ? BRIEF
		                                                              : bulk->chunk_bytes;
	size_t is_short = (size_t)policy->wire.short_chunk;
	bool slow = fy_speed_is_wire(bulk, ch) && fy_speed_refill(bulk) > policy->wire.wire_slow;
	return slow && is_short < bulk->chunk_bytes ? is_short : bulk->chunk_bytes;
}

static struct fy_outbound *create(struct fy_bulk *bulk, struct fy_channel *ch, ferry_message *m,
                                  uint32_t kind, uint32_t stream, uint64_t call_id)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	struct fy_outbound *x = calloc(1, sizeof *x);
	if (!x)
		return NULL;
	uint64_t total = fy_message_total(m);
	*x = (struct fy_outbound){ .ch = ch,
		                   .message = m,
		                   .xid = outs->next_xid,
		                   .total = total,
		                   .call_id = call_id,
		                   .kind = kind,
		                   .stream = stream & FY_STREAM,
		                   .n_parts = (uint32_t)m->n_attachments + 1,
		                   .chunk_bytes = chunk_bytes(bulk, ch, total),
		                   .place = fy_channel_place(ch),
		                   .lengths_place = fy_channel_place(ch),
		                   .sum_owed = bulk->link->options->checksum,
		                   .acked = true };
	x->flow.at.number = outs->next_chunk;
	x->flow.end = outs->next_chunk + fy_chunk_count_all(m, x->n_parts, x->chunk_bytes);
	return x;
}

static void join_stream(struct fy_bulk *bulk, struct fy_stream_out *s, struct fy_outbound *x,
                        ferry_future *future, ferry_counter *counter, uint32_t stream)
{
	uint32_t tagged =
		stream & FY_TAGGED ? stream : stream | fy_record_tag(bulk->link->counts.colour);
	fy_stream_out_count(s);
	x->stream_number = s->sent;
	x->acked = false;
	fy_list_join(fy_pair_out(x->ch)->unacked, fy_pair_out(x->ch)->unacked_last, x, x,
	             unacked_next);
	if (fy_speed_counts(bulk, x->ch, x->total))
		fy_speed_begin(&bulk->speed_out, bulk->link->now);
	if (counter)
		fy_counted_add_large(bulk->link, &s->counted, counter,
		                     (x->place >> 32) << 32 | s->sent, tagged);
	if (!future)
		return;
	future->id = s->sent;
	fy_pending_await(bulk->link, future, tagged, x->message->op);
	fy_list_append(s->first, s->last, future);
}

/* Lengths that do not fit into the announcement follow in control records. */
static void send_lengths(struct fy_bulk *bulk, struct fy_outbound *x)
{
	while (x->lengths_sent < x->n_parts) {
		uint32_t count = fy_bodies_lengths(x->n_parts - x->lengths_sent), n = 8 + 8 * count;
		struct fy_record *r = fy_channel_reserve(bulk->link, x->ch, fy_record_size(n));
		if (!r)
			return;
		*r = (struct fy_record){ FY_KIND_CONTROL | n, FY_OP_LENGTHS, (uint32_t)x->ch->rank,
			                 0 };
		memcpy(fy_record_data(r), &x->xid, sizeof x->xid);
		put_lengths(fy_record_data(r) + 8, x->message, x->lengths_sent, count);
		x->lengths_place = fy_channel_place(x->ch);
		fy_channel_commit(x->ch, fy_record_size(n));
		x->lengths_sent += count;
	}
}

/* The message is announced: put it into the lists. */
static void keep(struct fy_bulk *bulk, struct fy_outbound *x, bool prepaid)
{
	struct fy_outbounds *outs = fy_pair_out(x->ch);
	outs->next_xid++;
	outs->next_chunk = x->flow.end;
	bulk->n_out++;
	if (prepaid) {
		fy_outbound_give_turn(x);
	} else {
		fy_list_append(outs->ungranted, outs->ungranted_last, x);
		bulk->link->stats.grants_waited++;
	}
	send_lengths(bulk, x);
	outs->n_lengths_behind += x->lengths_sent < x->n_parts;
}

static uint32_t body_bytes(const ferry_message *m)
{
	return (uint32_t)sizeof(struct fy_announce) +
	       8 * fy_bodies_lengths((uint32_t)m->n_attachments + 1);
}

bool fy_announce_admits(struct fy_bulk *bulk, struct fy_channel *ch, const ferry_message *m)
{
	return fy_credit_admits(bulk->link, ch, fy_record_size(FY_EXT | body_bytes(m)));
}

bool fy_announce_put(struct fy_bulk *bulk, struct fy_channel *ch, ferry_message *m, uint32_t kind,
                     uint32_t stream, uint64_t call_id, ferry_future *future,
                     ferry_counter *counter)
{
	bool reply = kind == FY_KIND_REPLY;
	uint32_t word =
		kind | FY_LARGE | (call_id ? FY_EXT : 0) | (reply ? 0 : FY_HELD) | body_bytes(m);
	uint32_t size = fy_record_size(word);
	if (!reply && !fy_credit_admits(bulk->link, ch, size))
		return false;
	struct fy_record *r = fy_channel_reserve(bulk->link, ch, size);
	struct fy_stream_out *s =
		r && !reply ? fy_stream_out_find(bulk->link, ch, stream & FY_STREAM, true) : NULL;
	bool counted = reply || (s && fy_stream_out_reserve(ch, s) &&
	                         (!counter || fy_counted_reserve(&bulk->link->counted)));
	struct fy_outbound *x = r && counted ? create(bulk, ch, m, kind, stream, call_id) : NULL;
	if (!x && s)
		fy_stream_out_settle(bulk->link, ch, s);
	if (!x)
		return false;
	fy_channel_commit(ch, size);
	if (!reply)
		fy_credit_spend(ch, size);
	bool prepaid = write(bulk, x, r, word, stream);
	if (s)
		join_stream(bulk, s, x, future, counter, stream);
	keep(bulk, x, prepaid);
	return true;
}

static void lengths_behind(struct fy_bulk *bulk, struct fy_channel *ch, struct fy_outbound *list)
{
	struct fy_outbounds *outs = fy_pair_out(ch);
	for (struct fy_outbound *x = list; x && outs->n_lengths_behind; x = x->next)
		if (x->lengths_sent < x->n_parts) {
			send_lengths(bulk, x);
			outs->n_lengths_behind -= x->lengths_sent == x->n_parts;
		}
}

void fy_announce_lengths(struct fy_bulk *bulk, struct fy_channel *ch)
{
	lengths_behind(bulk, ch, fy_pair_out(ch)->ungranted);
	lengths_behind(bulk, ch, fy_pair_out(ch)->active);
}
