/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an engine is open, for the picture of its process (watch/picture.h). It looks at
 * everything, and does nothing that a step would be missing. Only the holder of the helm may call.
 */
#include "helm/portray.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "base/waiting.h"
#include "bulk/pair.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/handlers.h"
#include "helm/lanes.h"
#include "helm/news.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/tree.h"
#include "link/channel.h"
#include "link/stream_out.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tally.h"
#include "watch/picture.h"
#include "watch/threads.h"
#include "wire/bodies.h"

static void flag(struct fy_picture *picture, uint32_t bit, bool is)
{
	picture->flags |= is ? bit : 0;
}

/* ---- counts -------------------------------------------------------------------------------- */

static void mix(uint64_t *sum, uint64_t value)
{
	*sum = (*sum ^ value) * UINT64_C(0x100000001b3);
}

/* Everything that changes when the engine does something for the program, and nothing that changes
 * because somebody asks. */
static uint64_t count_moves(const struct fy_progress *p)
{
	const struct fy_link *link = &p->link;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	for (const struct fy_lane *lane = p->lanes.all; lane; lane = lane->all_next)
		mix(&sum, lane->head);
	fy_link_each (ch, &p->link) {
		mix(&sum, ch->credit.spent);
		mix(&sum, ch->credit.limit);
		mix(&sum, ch->credit.limit_sent);
		mix(&sum, ch->credit.unreturned);
		mix(&sum, (uint64_t)ch->gone);
	}
	mix(&sum, link->n_pending);
	mix(&sum, link->calls.open);
	mix(&sum, link->counted.n_open);
	mix(&sum, link->stats.handled);
	mix(&sum, p->queues.bytes);
	mix(&sum, p->bulk.announcements);
	mix(&sum, p->bulk.n_out);
	mix(&sum, p->agree.n + p->agree.finished);
	mix(&sum, p->agree.kind << 16 | p->agree.round);
	mix(&sum, fy_load_acquire_64(&link->engine->mailbox.bytes));
	mix(&sum, p->starts ? p->starts->under_way : 0);
	return sum;
}

void fy_portray_counts(const struct fy_progress *p, struct fy_picture_counts *counts)
{
	const struct fy_counts *c = &p->link.counts;
	const ferry *e = p->link.engine;
	uint64_t handled = fy_load_acquire_64(&e->told.handled_elsewhere[0]) +
	                   fy_load_acquire_64(&e->told.handled_elsewhere[1]);
	counts->done = c->done[0] + c->done[1] + handled;
	counts->held = p->handlers.given - handled;
	counts->sent = c->issued[0] + c->issued[1];
	counts->moved = count_moves(p);
}

/* ---- what may still happen by itself -------------------------------------------------------- */

static uint32_t count_timers(const struct fy_progress *p)
{
	uint32_t n = fy_close_late_at(p) != INT64_MAX;
	for (size_t i = 0; i < p->timers.n; i++)
		n += !fy_future_is_done(p->timers.heap[i].future);
	return n;
}

/* A record that finds no room stays in its lane for a moment, and then no longer holds up what is
 * behind it (helm/drain.c). */
#define MOMENT FERRY_MS(10)

static bool is_about_to_queue(const struct fy_progress *p)
{
	fy_link_each (ch, &p->link) {
		int64_t since = fy_peer_of(ch)->queue.no_room_since;
		if (since && p->link.now - since < MOMENT)
			return true;
	}
	return false;
}

static bool is_busy(struct fy_progress *p)
{
	ferry *e = p->link.engine;
	return p->link.tasks.first || fy_inbox_any(&e->inboxes.tasks) || p->commands.press ||
	       p->arrivals.homeless || p->link.broken || is_about_to_queue(p) ||
	       fy_lanes_have_input(p);
}

/* Confirmations of posts are in no count. */
static bool is_under_way(const struct fy_progress *p)
{
	return p->link.n_pending || p->link.n_streams || p->link.counted.n_open ||
	       !fy_bulk_is_quiet(&p->bulk) || p->arrivals.n_undispatched;
}

/* ---- peers --------------------------------------------------------------------------------- */

static bool holds_back(const struct fy_progress *p, const struct fy_channel *ch)
{
	const struct fy_queue *queue = &fy_peer_of(ch)->queue;
	return queue->first || (p->drain.broke_off && queue->no_room_since);
}

static bool agreement_awaits(const struct fy_progress *p, const struct fy_channel *ch)
{
	int child = fy_tree_which_child(p, ch->rank);
	if (p->close.byes)
		return ch->bye.owed && !ch->bye.seen;
	if (!p->agree.kind)
		return false;
	return child >= 0 ? !fy_agree_has_answered(p, child)
	                  : fy_tree_is_parent(p, ch->rank) && p->agree.up_sent;
}

static uint32_t count_posts(const struct fy_channel *ch)
{
	uint32_t n = 0;
	for (const ferry_future *f = ch->pending.first; f; f = f->next)
		n++;
	for (const struct fy_counted_run *run = ch->counted.first; run; run = run->next)
		n += run->count;
	for (const struct fy_stream_out *s = ch->streams_out; s; s = s->next)
		n += s->outstanding;
	return n;
}

static uint32_t count_large(const struct fy_channel *ch)
{
	uint32_t n = 0;
	for (const struct fy_outbound *x = fy_pair_out(ch)->ungranted; x; x = x->next)
		n++;
	for (const struct fy_outbound *x = fy_pair_out(ch)->active; x; x = x->next)
		n++;
	return n;
}

static uint32_t count_coming(const struct fy_channel *ch)
{
	uint32_t n = 0;
	for (const struct fy_inbound *x = fy_pair_in(ch)->first; x; x = x->ch_next)
		n++;
	return n;
}

static struct fy_picture_peer describe_peer(const struct fy_progress *p,
                                            const struct fy_channel *ch)
{
	const struct fy_channel_credit *c = &ch->credit;
	struct fy_picture_peer peer = { .rank = ch->rank,
		                        .posts = count_posts(ch),
		                        .large = count_large(ch),
		                        .coming = count_coming(ch),
		                        .unread = c->unreturned,
		                        .limit = c->limit,
		                        .limit_told = c->limit_sent };
	peer.credit = c->limit > c->spent ? c->limit - c->spent : 0;
	peer.flags = (holds_back(p, ch) ? FY_PEER_HELD : 0) | (ch->gone ? FY_PEER_GONE : 0) |
	             (agreement_awaits(p, ch) ? FY_PEER_AWAITED : 0) |
	             (c->hungry_told ? FY_PEER_HUNGRY : 0) |
	             (c->peer_hungry ? FY_PEER_HUNGRY_THERE : 0);
	return peer;
}

/* How much it wants a look. */
static unsigned weight_of(const struct fy_picture_peer *peer)
{
	return (peer->flags & FY_PEER_HELD ? 16 : 0) + (peer->calls ? 8 : 0) +
	       (peer->flags & (FY_PEER_AWAITED | FY_PEER_GONE) ? 4 : 0) +
	       (peer->posts || peer->large || peer->coming ? 2 : 0) + (peer->unread ? 1 : 0);
}

/* Keeps those of most weight; of equal ones the first. */
static void add_peer(struct fy_picture *picture, struct fy_picture_peer peer)
{
	uint32_t at = picture->n_peers;
	while (at > 0 && weight_of(&picture->peers[at - 1]) < weight_of(&peer))
		at--;
	if (picture->n_peers == FY_PICTURE_PEERS) {
		picture->more_peers++;
		flag(picture, FY_PICTURE_CUT,
		     (at == FY_PICTURE_PEERS ? peer : picture->peers[FY_PICTURE_PEERS - 1]).flags &
		             FY_PEER_HELD);
		if (at == FY_PICTURE_PEERS)
			return;
	}
	picture->n_peers += picture->n_peers < FY_PICTURE_PEERS;
	memmove(&picture->peers[at + 1], &picture->peers[at],
	        (picture->n_peers - 1 - at) * sizeof peer);
	picture->peers[at] = peer;
}

/* By rank; NULL: no memory to count them. */
static uint32_t *count_calls(const struct fy_progress *p)
{
	uint32_t *calls = calloc((size_t)p->link.engine->size, sizeof *calls);
	for (uint32_t i = 0; calls && i < p->link.calls.n; i++)
		if (p->link.calls.slots[i].future)
			calls[p->link.calls.slots[i].rank]++;
	return calls;
}

static void put_peers(const struct fy_progress *p, struct fy_picture *picture)
{
	uint32_t *calls = count_calls(p);
	flag(picture, FY_PICTURE_BUSY, !calls);
	fy_link_each (ch, &p->link) {
		struct fy_picture_peer peer = describe_peer(p, ch);
		peer.calls = calls ? calls[ch->rank] : 0;
		if (weight_of(&peer) || peer.limit)
			add_peer(picture, peer);
	}
	free(calls);
}

/* The threads know which future they wait for, and only the helm knows where its call went. */
static void put_calls(const struct fy_progress *p, struct fy_picture *picture)
{
	for (uint32_t t = 0; t < picture->n_threads; t++)
		for (uint32_t i = 0; p->link.calls.open && i < p->link.calls.n; i++)
			if (p->link.calls.slots[i].future &&
			    (uintptr_t)p->link.calls.slots[i].future == picture->threads[t].object)
				picture->threads[t].peer = p->link.calls.slots[i].rank;
}

/* ---- ops ----------------------------------------------------------------------------------- */

static struct fy_picture_op *op_of(struct fy_picture *picture, uint32_t op)
{
	static struct fy_picture_op none;
	uint32_t i = 0;
	while (i < picture->n_ops && picture->ops[i].op != op)
		i++;
	if (i == FY_PICTURE_OPS) {
		picture->more_ops++;
		return &none;
	}
	if (i == picture->n_ops)
		picture->ops[picture->n_ops++] =
			(struct fy_picture_op){ .op = op, .unread_from = FY_WAITS_NOBODY };
	return &picture->ops[i];
}

/* Will the helm answer this request when handler_grace is over? */
static bool has_grace(const struct fy_progress *p, const ferry_message *m)
{
	return m->flags & FY_MESSAGE_CALL && p->link.options->handler_grace != FERRY_NONE &&
	       !fy_mailbox_wanted(&p->link.engine->mailbox, m, m->mail.arrived);
}

static void put_unread(struct fy_progress *p, struct fy_picture *picture)
{
	struct fy_mailbox *box = &p->link.engine->mailbox;
	for (const ferry_message *m = box->all.first; m; m = m->next) {
		struct fy_picture_op *op = op_of(picture, m->op);
		if (!op->unread++)
			op->unread_from = m->source;
		op->unread_requests += (m->flags & FY_MESSAGE_CALL) != 0;
		picture->deadlines += has_grace(p, m);
	}
}

static void put_handler(const struct fy_handler *h, struct fy_picture *picture)
{
	if (!h || !h->where)
		return;
	uint32_t running = fy_load_acquire_32(&h->running), refs = fy_load_acquire_32(&h->refs);
	if (!running && refs <= 1)
		return; /* one reference is the table's, the others are of messages */
	struct fy_picture_op *op = op_of(picture, h->op);
	op->running = running;
	op->queued = refs > 1 + running ? refs - 1 - running : 0;
}

static void put_handlers(const struct fy_progress *p, struct fy_picture *picture)
{
	for (unsigned i = 0; i < FY_OPS_DIRECT; i++)
		put_handler(p->handlers.direct[i], picture);
	for (unsigned i = 0; i < FY_OPS_HASHED; i++)
		for (const struct fy_handler *h = p->handlers.hashed[i]; h; h = h->next)
			put_handler(h, picture);
}

/* What is left of an op when what is unread, and what executors have, is taken off: the program has
 * that. */
static void put_retained_of(const struct fy_tally *tally, struct fy_picture *picture)
{
	uint64_t kept = tally->n_received - fy_load_acquire_64(&tally->freed);
	uint64_t asked = tally->n_requests - fy_load_acquire_64(&tally->answered);
	if (!kept)
		return;
	struct fy_picture_op *op = op_of(picture, tally->op);
	uint64_t elsewhere = op->unread + op->running + op->queued;
	if (kept <= elsewhere)
		return;
	op->retained = (uint32_t)(kept - elsewhere);
	uint64_t others = op->unread_requests;
	op->requests = asked > others ? (uint32_t)(asked - others) : 0;
	if (op->requests > op->retained)
		op->requests = op->retained;
}

static void put_ops(struct fy_progress *p, struct fy_picture *picture)
{
	ferry *e = p->link.engine;
	put_handlers(p, picture);
	if (!fy_mailbox_try(&e->mailbox)) {
		picture->flags |= FY_PICTURE_BUSY; /* somebody reads it just now */
		return;
	}
	put_unread(p, picture);
	fy_mailbox_unlock(&e->mailbox);
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (const struct fy_tally *t = e->tallies.of[i]; t; t = t->next)
			put_retained_of(t, picture);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void put_promises(ferry *e, struct fy_picture *picture)
{
	pthread_mutex_lock(&e->aside.lock);
	for (const ferry_future *f = e->aside.promises; f; f = f->next)
		picture->promises++;
	pthread_mutex_unlock(&e->aside.lock);
}

static void put_agreement(struct fy_progress *p, struct fy_picture *picture)
{
	struct fy_awaited awaited = { 0 };
	picture->finished = p->agree.finished;
	if (!p->agree.kind)
		return;
	picture->agreement = p->agree.n;
	flag(picture, FY_PICTURE_FENCE, p->agree.kind == FY_AGREE_FENCE);
	flag(picture, FY_PICTURE_CLOSE, p->agree.kind == FY_AGREE_CLOSE);
	flag(picture, FY_PICTURE_QUIET, fy_agree_is_quiet(p));
	if (p->agree.kind == FY_AGREE_CLOSE)
		fy_news_awaited(p, &awaited);
	picture->n_awaited = awaited.count;
	for (unsigned i = 0; i < FY_AWAITED_NAMED && i < awaited.count; i++)
		picture->awaited[i] = awaited.first[i];
}

static bool is_full(const struct fy_progress *p)
{
	uint64_t held = 0;
	fy_link_each (ch, &p->link)
		held += ch->credit.unreturned;
	return held >= p->link.options->receive_memory / 2;
}

void fy_portray_engine(struct fy_progress *p, struct fy_picture *picture)
{
	ferry *e = p->link.engine;
	picture->deadlines = count_timers(p);
	flag(picture, FY_PICTURE_HELM, true);
	flag(picture, FY_PICTURE_BUSY, is_busy(p));
	flag(picture, FY_PICTURE_UNDER_WAY, is_under_way(p));
	flag(picture, FY_PICTURE_STARTS, p->starts && p->starts->under_way);
	flag(picture, FY_PICTURE_ENDING, p->close.drained || p->close.byes);
	flag(picture, FY_PICTURE_CLOSING, p->close.called_at != 0);
	flag(picture, FY_PICTURE_FULL, is_full(p));
	flag(picture, FY_PICTURE_STARVED, p->link.pool.starved);
	put_agreement(p, picture);
	put_peers(p, picture);
	put_calls(p, picture);
	put_ops(p, picture);
	put_promises(e, picture);
	fy_portray_counts(p, &picture->counts);
}

void fy_portray_threads(const ferry *engine, struct fy_picture *picture)
{
	*picture = (struct fy_picture){ .version = FY_PICTURE_VERSION,
		                        .nbytes = sizeof *picture,
		                        .rank = engine->rank,
		                        .size = engine->size,
		                        .pid = getpid(),
		                        .inside = fy_load_relaxed_32(&engine->end.inside) };
	fy_threads_look(picture, engine);
}

bool fy_portray_is_open(struct fy_progress *p)
{
	return p->link.calls.open || is_under_way(p) || p->queues.first || p->drain.broke_off ||
	       p->agree.kind || p->close.called_at || is_busy(p) ||
	       fy_load_acquire_32(&p->link.engine->room.waiters);
}
