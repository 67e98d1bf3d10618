/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages that have memory: their chunks are received into it.
 *
 * A step asks for one chunk's worth in all, each time of the next transfer. On one host it is
 * mostly the start of a receive that copies (the send was there before it), so that one chunk, or
 * as many bytes of several messages, is the longest time that a small message waits (of a message
 * that is one chunk of up to 4 MiB: what MPI copies in one call, some calls of it in a step), and
 * transfers that began together end together. While small messages keep coming, a third of the time
 * is the transfers'.
 *
 * A message of which a chunk failed, or was longer or shorter than announced, is never delivered:
 * the other chunks are received, since they are on their way, its memory is freed, its place in the
 * order becomes empty, and the sender hears it by a second grant, which goes before the
 * acknowledgement of that place.
 */
#include "bulk/landing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/list.h"
#include "bulk/chunk.h"
#include "bulk/flow.h"
#include "bulk/grants.h"
#include "bulk/inbound.h"
#include "bulk/turns.h"
#include "helm/progress.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/stream_in.h"
#include "port/port.h"
#include "shared/message.h"
#include "wire/record.h"

#define WAY 2
#define WAY_MAX FERRY_US(500) /* a chunk that took longer waited for something else */
/* a peer that was granted chunks and sends none for so long lets us wait */
#define STALLED FERRY_S(1)

void fy_landing_add(struct fy_progress *p, struct fy_inbound *in)
{
	in->next = NULL;
	fy_list_append(p->bulk.landing.first, p->bulk.landing.last, in);
	in->moved_at = p->link.now;
	if (!in->prepaid)
		fy_turns_take(&in->ch->turns_in, &in->flow);
}

/* ---- peers that let us wait ------------------------------------------------------------------ */

static void look_for_stall(struct fy_progress *p, struct fy_inbound *in)
{
	if (in->stalled || in->prepaid || !in->flow.n_flight ||
	    p->link.now - in->moved_at < STALLED)
		return;
	in->stalled = true;
	in->ch->n_stalled++;
	p->bulk.stalls++;
	p->bulk.budget.stalled[fy_inbound_share(in)] += in->large;
}

/* It holds its budget again, or is about to give it back. */
static void unstall(struct fy_progress *p, struct fy_inbound *in)
{
	in->moved_at = p->link.now;
	if (!in->stalled)
		return;
	in->stalled = false;
	in->ch->n_stalled--;
	p->bulk.budget.stalled[fy_inbound_share(in)] -= in->large;
}

/* ---- chunks that do not come ------------------------------------------- */

static bool is_cut(const struct fy_inbound *in, uint64_t number)
{
	return in->cut && (int64_t)(number - in->cut_at) >= 0;
}

static bool is_lost(const struct fy_inbound *in, uint64_t number)
{
	uint64_t behind = in->cut_at - 1 - number;
	return is_cut(in, number) || (in->cut && behind < 32 && in->lost >> behind & 1);
}

void fy_landing_cancel_lost(struct fy_progress *p, struct fy_inbound *in)
{
	for (struct fy_chunk *c = in->flow.flight; c; c = c->next)
		if (!c->lost && is_lost(in, c->number)) {
			c->lost = true;
			p->link.port->ops->cancel(p->link.port, &c->request);
		}
}

/* The next chunk that comes: how many bytes, or 0: none. */
static size_t next_chunk(struct fy_inbound *in)
{
	size_t n;
	while ((n = fy_flow_next(in->message, in->n_parts, in->chunk_bytes, &in->flow)) != 0 &&
	       in->cut) {
		if (is_cut(in, in->flow.at.number))
			return 0;
		if (!is_lost(in, in->flow.at.number))
			return n;
		in->flow.at.offset += n;
		in->flow.at.number++;
	}
	return n;
}

/* ---- receives ---------------------------------------------------------- */

/* How many bytes were asked for; 0: there is nothing to ask for, or not now. */
static size_t post_chunk(struct fy_progress *p, struct fy_inbound *in)
{
	struct fy_flow *flow = &in->flow;
	size_t n = next_chunk(in);
	bool may = n && !(in->sunk && p->bulk.sink.used) &&
	           fy_turns_tag_free(p, &in->ch->turns_in, flow);
	struct fy_chunk *c = may ? fy_chunk_get(p) : NULL;
	if (!c)
		return 0;
	char *data = in->sunk ? p->bulk.sink.space
	                      : fy_chunk_part(in->message, flow->at.part) + flow->at.offset;
	if (p->link.port->ops->recv(p->link.port, in->ch->rank, fy_chunk_tag(p, flow->at.number),
	                            data, n, &c->request) != 0) {
		fy_chunk_put(p, c);
		if (fy_flow_refused(p, flow))
			fy_inbound_break(
				p, in->ch, FERRY_EMPI,
				"MPI did not take a receive for a part of a large message");
		return 0;
	}
	fy_flow_start(p, flow, c, n);
	p->bulk.sink.used |= in->sunk;
	p->bulk.landing.bytes += n;
	return n;
}

static void test_flight(struct fy_progress *p, struct fy_inbound *in)
{
	struct fy_chunk *c;
	while ((c = fy_flow_done(p, &in->flow))) {
		if (!in->dead && !c->lost && !in->status &&
		    (c->request.status || c->request.nbytes != c->nbytes))
			in->status = c->request.status ? c->request.status : FERRY_EDECODE;
		p->link.stats.bytes_received += c->request.nbytes;
		p->bulk.landing.bytes -= c->nbytes;
		if (in->sunk)
			p->bulk.sink.used = false;
		fy_chunk_put(p, c);
		unstall(p, in);
	}
}

/* One chunk a transfer may always be asked for, more while not too much is: what was asked for
 * of several may come, and be copied, at once. */
static void ask(struct fy_progress *p, struct fy_inbound *in, size_t *budget)
{
	size_t n, before = *budget;
	while (!in->dead && *budget && in->flow.n_flight < FY_CHUNKS_MAX &&
	       (!in->flow.n_flight ||
	        p->bulk.landing.bytes < FY_CHUNKS_MAX * p->bulk.chunk_bytes) &&
	       (n = post_chunk(p, in)) != 0)
		*budget -= n < *budget ? n : *budget;
	in->asked = *budget < before;
}

static bool is_over(struct fy_inbound *in)
{
	return !in->flow.n_flight && !in->grant_owed && (in->dead || !next_chunk(in));
}

/* ---- over -------------------------------------------------------------- */

/* It has no memory any more. */
static void incomplete(struct fy_progress *p, struct fy_inbound *in)
{
	in->message->flags &= ~FY_MESSAGE_CALL; /* its call fails at the caller */
	ferry_message_release(in->message);
	in->message = NULL;
	if (in->dead) {
		fy_inbound_free(p, in);
		return;
	}
	fy_inbound_refuse(p, in, in->cut ? in->cut_status : in->status);
	if (in->kind == FY_KIND_REPLY && !in->cut)
		fy_inbound_free(p, in); /* its call has failed here, and there nobody waits */
	else
		fy_grants_owe(p, in);
}

static void complete(struct fy_progress *p, struct fy_inbound *in)
{
	struct fy_channel *ch = in->ch;
	if (in->held) {
		in->held->message = in->message;
		in->held->ready = true;
		fy_stream_in_release(p, ch, in->stream);
	} else {
		fy_call_reply(p, ch->rank, in->call_id, in->message, in->colour);
	}
	fy_inbound_free(p, in);
}

static void end_landing(struct fy_progress *p, struct fy_inbound *in)
{
	unstall(p, in);
	if (in->kind == FY_KIND_REPLY)
		p->bulk.budget.used[1] -= in->large;
	if (in->dead || in->status || in->cut)
		incomplete(p, in);
	else
		complete(p, in);
}

/* ---- turns ------------------------------------------------------------- */

static uint64_t small_records(const struct fy_progress *p)
{
	return p->link.stats.delivered - p->bulk.announcements;
}

/* Where asking for a chunk copies it, small messages wait meanwhile. If any came since the last
 * one, they get WAY times as long as that took before the next one: then most of an exchange of
 * small messages finds the engine free. */
static bool make_way(const struct fy_progress *p)
{
	return p->link.now - p->bulk.landing.landed_at < WAY * p->bulk.landing.took &&
	       small_records(p) != p->bulk.landing.small_seen;
}

static void note_landing(struct fy_progress *p)
{
	p->bulk.landing.landed_at = p->link.port->ops->now(p->link.port);
	p->bulk.landing.took = p->bulk.landing.landed_at - p->link.now < WAY_MAX
	                               ? p->bulk.landing.landed_at - p->link.now
	                               : WAY_MAX;
	p->bulk.landing.small_seen = small_records(p);
}

struct turns {
	struct fy_inbound *first[2], **last[2];
};

static void append(struct turns *turns, int which, struct fy_inbound *in)
{
	in->next = NULL;
	*turns->last[which] = in;
	turns->last[which] = &in->next;
}

/* What is in turns goes behind what is there. */
static void put_back(struct fy_progress *p, struct turns *turns)
{
	for (int i = 0; i < 2; i++)
		for (struct fy_inbound *in = turns->first[i], *next; in; in = next) {
			next = in->next;
			in->next = NULL;
			fy_list_append(p->bulk.landing.first, p->bulk.landing.last, in);
		}
}

/* They take turns as those do that are sent. All that a step may ask for is asked for before it
 * looks again: MPI copies them one after the other then, in one call. */
void fy_landing_step(struct fy_progress *p)
{
	struct turns turns = { { NULL, NULL }, { &turns.first[0], &turns.first[1] } };
	size_t budget = make_way(p) ? 0 : p->bulk.chunk_bytes, whole = budget;
	unsigned active = 0;
	struct fy_inbound *in;
	for (in = p->bulk.landing.first; in && active < FY_ACTIVE_MAX; in = in->next, active++) {
		test_flight(p, in);
		ask(p, in, &budget);
	}
	for (; active && (in = p->bulk.landing.first); active--) {
		fy_list_drop(p->bulk.landing.first, p->bulk.landing.last);
		if (in->asked)
			test_flight(p, in); /* what was there before is often done at once */
		look_for_stall(p, in);
		if (is_over(in))
			end_landing(p, in);
		else
			append(&turns, in->asked, in);
	}
	if (budget < whole)
		note_landing(p);
	put_back(p, &turns);
}
