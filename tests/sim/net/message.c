/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See message.h. What holds:
 *  - Messages with the same (from, to, tag) arrive in the order of their sends:
 *    a `link` of such a triple knows the time of the latest arrival, and lives
 *    while one of its messages is on its way. Nothing else is ordered.
 *  - The bytes of a send are read at the last moment that MPI could read them:
 *    an eager one's at its arrival or at SENT, whichever is first, a rendezvous'
 *    at TRANSFER. They are compared with a checksum taken at the start, there
 *    and once more when the send is reported done, so that a buffer that is
 *    reused too early is noticed wherever in that span it was.
 *  - The bytes of a receive are written only when it is done. Until then its
 *    first bytes hold a pattern, which must not change.
 */
#include "sim/net/message.h"

#include <stdlib.h>
#include <string.h>

#include "ferry.h"

/* The messages of one (from, to, tag) that are on their way. */
struct link {
	struct link *next;
	int from, to, tag;
	unsigned inflight;
	int64_t last; /* the latest arrival that was given out */
};

/* ---- links: order within (from, to, tag) ------------------------------------ */

static struct link **link_bucket(const fy_sim *sim, int from, int to, int tag)
{
	uint64_t key = chance_mix(((uint64_t)(uint32_t)from << 32) | (uint32_t)to) ^ (uint32_t)tag;
	return &sim->links[chance_mix(key) & (sim->link_room - 1)];
}

static bool links_grow(fy_sim *sim)
{
	struct link **old = sim->links, *link;
	size_t old_room = sim->link_room;
	struct link **table = calloc(2 * old_room, sizeof(struct link *));
	if (table == NULL)
		return false;
	sim->links = table;
	sim->link_room = 2 * old_room;
	for (size_t i = 0; i < old_room; i++)
		while ((link = old[i]) != NULL) {
			struct link **bucket = link_bucket(sim, link->from, link->to, link->tag);
			old[i] = link->next;
			link->next = *bucket;
			*bucket = link;
		}
	free(old);
	return true;
}

static struct link *link_get(fy_sim *sim, int from, int to, int tag)
{
	if (sim->nlinks >= sim->link_room && !links_grow(sim))
		return NULL;
	struct link **bucket = link_bucket(sim, from, to, tag), *link;
	for (link = *bucket; link != NULL; link = link->next)
		if (link->from == from && link->to == to && link->tag == tag)
			return link;
	link = calloc(1, sizeof *link);
	if (link == NULL)
		return NULL;
	*link = (struct link){ .next = *bucket, .from = from, .to = to, .tag = tag };
	*bucket = link;
	sim->nlinks++;
	return link;
}

bool message_join(fy_sim *sim, struct op *send)
{
	send->link = link_get(sim, send->owner->port.rank, send->peer, send->tag);
	if (send->link == NULL)
		return false;
	send->link->inflight++;
	return true;
}

void message_leave(fy_sim *sim, struct op *op)
{
	struct link *link = op->link, **p;
	op->link = NULL;
	if (--link->inflight > 0)
		return;
	for (p = link_bucket(sim, link->from, link->to, link->tag); *p != link; p = &(*p)->next)
		;
	*p = link->next;
	sim->nlinks--;
	free(link);
}

void message_depart(fy_sim *sim, struct op *send)
{
	struct link *link = send->link;
	int64_t at = sim->now + chance_delay(&sim->chance, link->from, link->to);
	if (at < link->last)
		at = link->last;
	link->last = at;
	op_schedule(sim, EVENT_ARRIVE, send, at);
}

void message_free_links(fy_sim *sim)
{
	struct link *link;
	for (size_t i = 0; sim->links != NULL && i < sim->link_room; i++)
		while ((link = sim->links[i]) != NULL) {
			sim->links[i] = link->next;
			free(link);
		}
	free(sim->links);
}

/* ---- matching --------------------------------------------------------------- */

static bool fits(const struct op *recv, int from, int tag)
{
	return recv->tag == tag && (recv->peer == FY_PORT_ANY || recv->peer == from);
}

static void take_copy(fy_sim *sim, struct op *send)
{
	if (send->copied || send->rendezvous)
		return;
	send->copied = true;
	op_check_sum(sim, send);
	if (send->nbytes > 0)
		memcpy(send->copy, send->data, send->nbytes);
}

/* What is lost with MPI may still end well for its sender. */
static void lose(fy_sim *sim, struct op *send)
{
	sim->stats.lost++;
	op_trace(sim, TRACE_LOST, send);
	if (send->rendezvous && !send->done && !send->orphan && chance_draw(&sim->chance) % 4 == 0)
		op_schedule(sim, EVENT_SENT, send, sim->now + chance_late(&sim->chance));
}

/* Takes over the caller's reference to `send`. */
static void match(fy_sim *sim, struct op *recv, struct op *send)
{
	struct rank *rank = recv->owner;
	recv->matched = ++rank->matched;
	op_trace(sim, TRACE_MATCHED, recv);
	op_trace(sim, TRACE_MATCHED, send);
	if (!send->rendezvous) {
		recv->partner = send;
		op_schedule(sim, EVENT_LANDED, recv, sim->now + chance_late(&sim->chance));
		return;
	}
	send->partner = recv;
	recv->refs++;
	TAILQ_INSERT_TAIL(&rank->waiting, send, queue);
	op_touch(rank);
}

static void unexpected_add(fy_sim *sim, struct rank *rank, struct op *send)
{
	struct fy_sim_stats *stats = &sim->stats;
	op_trace(sim, TRACE_UNEXPECTED, send);
	stats->unexpected++;
	if (++stats->unexpected_now > stats->unexpected_peak)
		stats->unexpected_peak = stats->unexpected_now;
	if (!send->rendezvous)
		stats->unexpected_bytes += send->nbytes;
	if (stats->unexpected_bytes > stats->unexpected_bytes_peak)
		stats->unexpected_bytes_peak = stats->unexpected_bytes;
	TAILQ_INSERT_TAIL(&rank->unexpected[send->tag % BUCKETS], send, queue);
}

static void unexpected_take(fy_sim *sim, struct rank *rank, struct op *send)
{
	sim->stats.unexpected_now--;
	if (!send->rendezvous)
		sim->stats.unexpected_bytes -= send->nbytes;
	TAILQ_REMOVE(&rank->unexpected[send->tag % BUCKETS], send, queue);
}

void message_unpost(struct op *recv)
{
	TAILQ_REMOVE(&recv->owner->posted[recv->tag % BUCKETS], recv, queue);
	recv->posted = false;
}

static struct op *find_posted(struct rank *rank, int from, int tag)
{
	struct op *recv;
	TAILQ_FOREACH(recv, &rank->posted[tag % BUCKETS], queue)
	if (fits(recv, from, tag))
		return recv;
	return NULL;
}

static struct op *find_unexpected(struct rank *rank, const struct op *recv)
{
	struct op *send;
	TAILQ_FOREACH(send, &rank->unexpected[recv->tag % BUCKETS], queue)
	if (fits(recv, send->owner->port.rank, send->tag))
		return send;
	return NULL;
}

bool message_post(struct op *recv)
{
	struct rank *rank = recv->owner;
	struct op *send = find_unexpected(rank, recv);
	if (send != NULL) {
		unexpected_take(rank->sim, rank, send);
		match(rank->sim, recv, send);
		return false;
	}
	TAILQ_INSERT_TAIL(&rank->posted[recv->tag % BUCKETS], recv, queue);
	recv->posted = true;
	return true;
}

/* ---- what happens at an event ----------------------------------------------- */

bool message_is_cut(const fy_sim *sim, int from, int to)
{
	for (size_t i = 0; i < sim->ncuts; i++)
		if (sim->cuts[i].from == from && sim->cuts[i].to == to)
			return true;
	return false;
}

void message_deliver(fy_sim *sim, struct op *send)
{
	struct rank *to = &sim->ranks[send->peer];
	struct op *recv;
	if (send->orphan || to->dead) {
		lose(sim, send);
		return;
	}
	send->refs++; /* of the queue that it goes to, or of its receive */
	take_copy(sim, send);
	sim->stats.arrived++;
	sim->stats.bytes += send->nbytes;
	recv = find_posted(to, send->owner->port.rank, send->tag);
	if (recv == NULL) {
		unexpected_add(sim, to, send);
		return;
	}
	message_unpost(recv);
	match(sim, recv, send);
}

static void on_arrive(fy_sim *sim, struct op *send)
{
	message_leave(sim, send);
	if (message_is_cut(sim, send->owner->port.rank, send->peer)) {
		send->refs++;
		TAILQ_INSERT_TAIL(&sim->held, send, queue);
		return;
	}
	message_deliver(sim, send);
}

static void on_sent(fy_sim *sim, struct op *send)
{
	if (send->orphan || send->done)
		return;
	take_copy(sim, send);
	op_finish(send, send->status);
}

static void damage(fy_sim *sim, const struct op *recv)
{
	struct fault *fault = &recv->owner->damages[recv->tag != FY_TAG_BATCH];
	if (recv->got == 0 ||
	    (!chance_due(fault) && !chance_comes(&sim->chance, sim->options.damage_ppm)))
		return;
	uint64_t bit = chance_draw(&sim->chance) % (8 * (uint64_t)recv->got);
	((unsigned char *)recv->data)[bit / 8] ^= (unsigned char)(1u << bit % 8);
	sim->stats.damaged++;
}

/* The bytes of a message are in the receiver's memory from here on. */
static void land(fy_sim *sim, struct op *recv, const struct op *send, const void *bytes)
{
	op_check_scribble(sim, recv);
	if (send->nbytes > recv->nbytes) {
		sim->stats.truncated++;
		recv->status = FERRY_ETRUNC;
		return;
	}
	recv->source = send->owner->port.rank;
	recv->got = send->nbytes;
	if (send->nbytes > 0)
		memcpy(recv->data, bytes, send->nbytes);
	damage(sim, recv);
}

static void on_transfer(fy_sim *sim, struct op *send)
{
	struct op *recv = send->partner;
	send->partner = NULL;
	if (recv->orphan) {
		lose(sim, send);
	} else if (!send->orphan) { /* of a killed sender the receive never ends */
		op_check_sum(sim, send);
		land(sim, recv, send, send->data);
		op_schedule(sim, EVENT_SENT, send, sim->now + chance_late(&sim->chance));
		op_schedule(sim, EVENT_LANDED, recv, sim->now + chance_late(&sim->chance));
	}
	op_unref(sim, recv);
}

static bool receive_fails(struct rank *rank, int tag)
{
	if (tag == FY_TAG_BATCH)
		return chance_due(&rank->losses);
	return chance_data_fails(&rank->sim->chance, &rank->faults[1], tag);
}

/* What MPI says of an operation that failed is worth nothing. */
static void spoil(struct op *recv, int status)
{
	recv->owner->sim->stats.failed++;
	recv->status = status;
	recv->source = FY_PORT_ANY;
	recv->got = 0;
}

static void on_landed(fy_sim *sim, struct op *recv)
{
	struct op *send = recv->partner;
	struct rank *rank = recv->owner;
	recv->partner = NULL;
	if (!recv->orphan) {
		if (send != NULL)
			land(sim, recv, send, send->copy);
		if (recv->matched < rank->landed)
			sim->stats.overtaken++;
		else
			rank->landed = recv->matched;
		if (recv->status == FERRY_OK && receive_fails(rank, recv->tag))
			spoil(recv, FERRY_EMPI);
		op_finish(recv, recv->status);
	}
	if (send != NULL)
		op_unref(sim, send);
}

void message_fail(fy_sim *sim, struct op *recv)
{
	if (recv->orphan || !recv->posted)
		return;
	message_unpost(recv);
	op_check_scribble(sim, recv);
	spoil(recv, FERRY_EMPI);
	op_finish(recv, FERRY_EMPI);
}

static void on_cancel(fy_sim *sim, struct op *recv)
{
	if (recv->orphan || recv->done)
		return;
	if (!recv->posted) {
		sim->stats.cancel_lost++;
		return;
	}
	message_unpost(recv);
	sim->stats.canceled++;
	op_check_scribble(sim, recv);
	op_finish(recv, FERRY_ECANCELED);
}

void message_happen(fy_sim *sim, struct event event)
{
	static void (*const on[])(fy_sim *, struct op *) = {
		[EVENT_ARRIVE] = on_arrive,     [EVENT_SENT] = on_sent,
		[EVENT_TRANSFER] = on_transfer, [EVENT_LANDED] = on_landed,
		[EVENT_CANCEL] = on_cancel,     [EVENT_FAIL] = message_fail,
	};
	sim->stats.events++;
	op_trace(sim, event.kind, event.op);
	on[event.kind](sim, event.op);
	op_unref(sim, event.op);
}

/* Messages at a rank that is gone, or on their last step to it. */
static void drop_queue(fy_sim *sim, struct rank *rank, struct ops *queue, bool unexpected)
{
	struct op *send;
	while ((send = TAILQ_FIRST(queue)) != NULL) {
		if (unexpected) {
			unexpected_take(sim, rank, send);
		} else {
			TAILQ_REMOVE(queue, send, queue);
			op_unref(sim, send->partner);
			send->partner = NULL;
		}
		lose(sim, send);
		op_unref(sim, send);
	}
}

void message_drop(struct rank *rank)
{
	for (int i = 0; i < BUCKETS; i++)
		drop_queue(rank->sim, rank, &rank->unexpected[i], true);
	drop_queue(rank->sim, rank, &rank->waiting, false);
}
