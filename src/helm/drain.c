/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drain: it takes records out of lanes and puts them into channels. It does not stop for long
 * at a channel without room: the record moves to that channel's queue (queued.c), in the same form
 * as in the lane, and engine->full makes posters to that rank wait. So a slow rank holds up only
 * what is meant for it. Only the holder of the helm may call.
 */
#include "helm/drain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/order.h"
#include "future/future.h"
#include "helm/agree.h"
#include "helm/flush.h"
#include "helm/lanes.h"
#include "helm/peer.h"
#include "helm/policy.h"
#include "helm/progress.h"
#include "helm/put.h"
#include "helm/queued.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/counted.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/header.h"
#include "wire/record.h"

/* A channel may lack room for a moment only, for instance because its receiver is not scheduled.
 * Then the record stays in the lane: moving it would cost a copy, and nobody would wait less. A
 * channel without room for `slow_after` is slow, and its records get out of the others' way. */
static bool is_slow(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_peer *peer = fy_peer_of(ch);
	if (!peer->queue.no_room_since)
		peer->queue.no_room_since = p->link.now;
	struct fy_signals s = { .no_room_for = p->link.now - peer->queue.no_room_since };
	return fy_policy_moves_aside(p->policy, &s);
}

/* Take a record that is not a plain post with room. False: it stays in the lane. */
static bool take_slow(struct fy_progress *p, const struct fy_record *r, uint32_t size, uint32_t tag)
{
	uint32_t stream = fy_put_stream_of(r, tag);
	if (r->op == FY_OP_FLUSH_ALL)
		return fy_flush_all(p, r, stream);
	if (r->op == FY_OP_START)
		return p->starts->ops->take(p->starts, fy_record_data(r), fy_put_future(r));
	struct fy_channel *ch = fy_peer_get(p, (int)r->rank);
	if (!ch)
		return false;
	if (fy_record_kind(r) == FY_KIND_CALL)
		p->link.stats.calls++;
	else
		p->link.stats.posts++;
	if (!ch->has_queue && fy_put_record(p, ch, r, stream) == FY_PUT_DONE) {
		fy_peer_of(ch)->queue.no_room_since = 0;
		return true;
	}
	if ((fy_peer_of(ch)->queue.first || is_slow(p, ch)) &&
	    fy_queued_add(p, ch, r, size, stream, false))
		return true;
	if (fy_record_kind(r) == FY_KIND_CALL)
		p->link.stats.calls--;
	else
		p->link.stats.posts--;
	return false;
}

/* Count `n` plain records that were put behind the others of the batch, by colour. Records without
 * a tag get `tag`, if it is not 0. */
static void count_coloured(struct fy_progress *p, struct fy_channel *ch, uint32_t n, uint32_t tag)
{
	for (char *at = ch->fill; n; n--) {
		struct fy_record *r = fy_record_at(at);
		r->stream = fy_put_stream_of(r, tag);
		fy_channel_issued_as(&p->link, ch, r->stream);
		at += fy_record_size(r->size_flags);
	}
}

/*
 * The hot loop: plain posts to one rank, one copy each, as long as the channel has room. Returns
 * how far it came.
 */
static uint64_t drain_plain(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                            uint64_t end, uint32_t tag)
{
	uint32_t rank = fy_lane_at(lane, head)->rank;
	struct fy_channel *ch = p->link.channels[rank];
	if (!ch || !ch->fast_end)
		return head;
	char *fill = ch->fill, *fast_end = ch->fast_end;
	uint32_t n = 0, most = ch->fast_records, tags = tag;
	while (head < end && n < most) {
		const struct fy_record *r = fy_lane_at(lane, head);
		uint32_t word = r->size_flags,
			 size = fy_record_pad8((uint32_t)sizeof *r + (word & FY_BODY_MAX));
		if (word >> 24 != FY_PLAIN_POST || r->rank != rank ||
		    size > (size_t)(fast_end - fill))
			break;
		fy_record_copy(fill, r, size);
		tags |= r->stream;
		fill += size;
		head += size;
		n++;
	}
	ch->credit.spent += (uint64_t)(fill - ch->fill) + (uint64_t)n * FY_MESSAGE_CHARGE;
	if (fy_unlikely(tags & FY_TAGGED))
		count_coloured(p, ch, n, tag);
	else
		fy_channel_issued(&p->link, ch, p->link.counts.colour, n);
	ch->fill = fill;
	ch->nrecords += n;
	ch->fast_records -= n;
	p->link.stats.posts += n;
	return head;
}

/* Both words at once: a slot notes the op for nothing. */
static inline struct fy_called called_by(const struct fy_record *r)
{
	_Static_assert(offsetof(struct fy_record, rank) ==
	                       offsetof(struct fy_record, op) + offsetof(struct fy_called, rank),
	               "a record has them in this order");
	struct fy_called called;
	memcpy(&called, &r->op, sizeof called);
	return called;
}

/* Put a post with a future, or a call, into a channel that has room. False: take_slow finds out why
 * not. */
static bool put_awaited(struct fy_progress *p, struct fy_channel *ch, const struct fy_record *r,
                        uint32_t size, uint32_t stream)
{
	bool call = r->size_flags >> 24 == FY_PLAIN_CALL;
	ferry_future *future = (ferry_future *)(uintptr_t)fy_record_ext(r);
	struct fy_record *to = fy_record_at(ch->fill);
	uint32_t wire = call ? size : size - 8;
	uint64_t id = 0;
	if (wire > (size_t)(ch->fast_end - ch->fill))
		return false;
	if (call && (p->link.calls.open >= p->link.calls.max ||
	             !(id = fy_call_open(&p->link, future, called_by(r)))))
		return false;
	if (!fy_future_depart(future)) {
		if (call)
			fy_call_close(&p->link, id, ch->rank);
		return false;
	}
	if (call) {
		fy_record_copy(to, r, size);
		to->stream = stream;
		fy_record_set_ext(to, id);
		p->link.stats.calls++;
	} else {
		*to = (struct fy_record){ r->size_flags & ~FY_EXT, r->op, r->rank, stream };
		fy_record_copy(to + 1, (const char *)(r + 1) + 8, size - 8 - (uint32_t)sizeof *r);
		fy_put_await(p, ch, future, stream, r->op);
		p->link.stats.posts++;
	}
	ch->fill += wire;
	ch->nrecords++;
	ch->fast_records--;
	ch->credit.spent += wire + FY_MESSAGE_CHARGE;
	fy_channel_issued_as(&p->link, ch, stream);
	return true;
}

/* Another hot loop: posts with futures and calls to one rank, as long as the channel has room. */
static uint64_t drain_awaited(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                              uint64_t end, uint32_t tag)
{
	const struct fy_record *r = fy_lane_at(lane, head);
	if (r->op >= FERRY_OP_RESERVED)
		return head;
	uint32_t rank = r->rank;
	struct fy_channel *ch = p->link.channels[rank];
	while (head < end && ch && ch->fast_end && ch->fast_records) {
		r = fy_lane_at(lane, head);
		uint32_t form = r->size_flags >> 24, size = fy_record_size(r->size_flags);
		if ((form != FY_AWAITED_POST && form != FY_PLAIN_CALL) || r->rank != rank ||
		    r->op >= FERRY_OP_RESERVED ||
		    !put_awaited(p, ch, r, size, fy_put_stream_of(r, tag)))
			break;
		head += size;
	}
	return head;
}

/* `n` posts of one counter were put next to each other. */
static void note_counted(struct fy_progress *p, struct fy_channel *ch, char *fill, uint32_t n,
                         ferry_counter *counter, uint32_t stream)
{
	fy_put_count(p, ch, counter, n, stream);
	ch->credit.spent += (uint64_t)(fill - ch->fill) + (uint64_t)n * FY_MESSAGE_CHARGE;
	ch->fill = fill;
	ch->nrecords += n;
	ch->fast_records -= n;
	p->link.stats.posts += n;
	fy_channel_issued(&p->link, ch, fy_record_tag_colour(stream, p->link.counts.colour), n);
}

/* A third one: posts that count into one counter, to one rank, as long as the channel has room. Out
 * of line: inlined, it costs the records of other kinds registers. */
static __attribute__((noinline)) uint64_t drain_counted(struct fy_progress *p,
                                                        const struct fy_lane *lane, uint64_t head,
                                                        uint64_t end, uint32_t tag)
{
	const struct fy_record *first = fy_lane_at(lane, head);
	uint32_t rank = first->rank, posted_as = first->stream;
	uint32_t stream = fy_put_stream_of(first, tag);
	uint64_t counter = fy_record_ext(first);
	struct fy_channel *ch = p->link.channels[rank];
	if (!ch || !ch->fast_end || !fy_counted_reserve(&p->link.counted))
		return head;
	char *fill = ch->fill, *fast_end = ch->fast_end;
	uint32_t n = 0, most = ch->fast_records;
	while (head < end && n < most) {
		const struct fy_record *r = fy_lane_at(lane, head);
		uint32_t word = r->size_flags,
			 size = fy_record_pad8((uint32_t)sizeof *r + (word & FY_BODY_MAX));
		if (word >> 24 != FY_COUNTED_POST || r->rank != rank || r->stream != posted_as ||
		    fy_record_ext(r) != counter || size > (size_t)(fast_end - fill))
			break;
		struct fy_record *to = fy_record_at(fill);
		__builtin_memcpy(to, r, sizeof *to);
		to->size_flags = word & ~(FY_EXT | FY_COUNTED);
		to->stream = stream;
		fy_record_copy(to + 1, (const char *)(r + 1) + 8, size - (uint32_t)sizeof *r);
		fill += size;
		head += size + 8;
		n++;
	}
	if (n)
		note_counted(p, ch, fill, n, (ferry_counter *)(uintptr_t)counter, stream);
	return head;
}

static uint64_t drain_frequent(struct fy_progress *p, const struct fy_lane *lane, uint64_t head,
                               uint64_t end, uint32_t tag)
{
	uint32_t form = fy_lane_at(lane, head)->size_flags >> 24;
	if (form == FY_PLAIN_POST)
		return drain_plain(p, lane, head, end, tag);
	if (form == FY_AWAITED_POST || form == FY_PLAIN_CALL)
		return drain_awaited(p, lane, head, end, tag);
	if (form == FY_COUNTED_POST)
		return drain_counted(p, lane, head, end, tag);
	return head;
}

/* One lane's turn. Returns how many bytes it took. */
static uint64_t drain_lane(struct fy_progress *p, struct fy_lane *lane)
{
	uint64_t head = lane->head, end = lane->tail_seen, start = head;
	uint32_t tag = 0;
	if (fy_unlikely((int64_t)(lane->marks.fence - head) > 0)) {
		/* up to the mark records have the colour of before */
		tag = fy_record_tag(p->link.counts.colour ^ 1);
		end = lane->marks.fence;
	}
	lane->turn.lacks_room = false;
	uint64_t turn = (uint64_t)p->policy->drain.turn_bytes;
	if (end - head > turn)
		end = head + turn;
	while (head < end) {
		const struct fy_record *r = fy_lane_at(lane, head);
		if (r->size_flags == FY_KIND_PAD) {
			head = (head | (FY_LANE_BYTES - 1)) + 1;
			continue;
		}
		uint64_t taken = drain_frequent(p, lane, head, end, tag);
		if (taken != head) {
			head = taken;
			continue;
		}
		uint32_t size = fy_record_size(r->size_flags);
		if (!take_slow(p, r, size, tag)) {
			p->drain.broke_off = lane->turn.lacks_room = true;
			break;
		}
		head += size;
	}
	if (head != start) {
		fy_lane_consume(lane, head);
		p->link.worked = true;
	}
	return head - start;
}

/* Has a thread waited for an answer lately? Then floods give way, see drain_round. */
static bool floods_give_way(struct fy_progress *p)
{
	struct fy_signals s = { .agreeing = p->agree.kind, .awaited_ago = FY_NEVER };
	if (!s.agreeing && (p->link.calls.open || p->link.n_pending))
		p->drain.awaited_at = p->link.now;
	if (p->drain.awaited_at)
		s.awaited_ago = p->link.now - p->drain.awaited_at;
	return fy_policy_gives_way(p->policy, &s);
}

/* Does the lane flood: does its producer sleep without room, or did lately? */
static bool floods(struct fy_progress *p, struct fy_lane *lane)
{
	if (fy_load_relaxed_32(&lane->sleep.wants_room)) {
		lane->turn.flooded_at = p->link.now;
		p->drain.a_lane_floods = true;
	}
	struct fy_signals s = { .slept_ago = FY_NEVER };
	if (lane->turn.flooded_at)
		s.slept_ago = p->link.now - lane->turn.flooded_at;
	return fy_policy_is_flood(p->policy, &s);
}

/* Of floods that give way one at a time is drained. After its share the next one has its turn. */
static void share_out(struct fy_progress *p, struct fy_lane *drained, uint64_t bytes)
{
	drained->turn.share += bytes;
	struct fy_signals s = { .share = drained->turn.share };
	if (!fy_policy_had_share(p->policy, &s))
		return;
	drained->turn.share = 0;
	fy_lanes_move_last(p, drained);
}

/*
 * One round: each lane has a turn. But while someone waits for an answer (`give_way`) only one
 * flooding lane is drained. The other floods stay asleep on full lanes, so a thread whose answer
 * arrived competes with one or two of them for a processor instead of all. (Otherwise they are
 * woken together: fewer context switches.) Returns how many bytes left the lanes. *lacking_p: the
 * first lane of which nothing could leave.
 */
static uint64_t drain_round(struct fy_progress *p, bool give_way, struct fy_lane **lacking_p)
{
	struct fy_lane *drained = NULL;
	uint64_t all = 0, its = 0;
	for (struct fy_lane **at = &p->lanes.active; *at;) {
		struct fy_lane *lane = *at;
		/* Load `left` first: then all that the exiting thread has posted is seen. */
		bool left = fy_load_acquire_32(&lane->life.left), work = fy_lane_has_work(lane);
		if (!work && left) {
			*at = lane->next;
			fy_lanes_forget(p, lane);
			continue;
		}
		at = &lane->next;
		if (!work)
			continue;
		bool flood = floods(p, lane) && give_way;
		if (flood && drained) {
			lane->turn.lacks_room = false; /* we did not try it this round */
			continue;
		}
		uint64_t moved = drain_lane(p, lane);
		if (!moved && !*lacking_p)
			*lacking_p = lane;
		if (moved && flood) {
			drained = lane;
			its = moved;
		}
		all += moved;
	}
	if (drained)
		share_out(p, drained, its);
	return all;
}

void fy_drain_step(struct fy_progress *p)
{
	struct fy_lane *refused = NULL;
	uint64_t all = 0, moved;
	struct fy_signals s = { .gives_way = floods_give_way(p) };
	p->drain.broke_off = p->drain.a_lane_floods = false;
	if (fy_load_relaxed_ptr(&p->link.engine->inboxes.lanes.head))
		fy_lanes_list(p);
	do {
		moved = drain_round(p, s.gives_way, &refused);
		all += moved;
		s.a_lane_floods = p->drain.a_lane_floods;
	} while (moved && !p->drain.broke_off && all < fy_policy_drain_bytes(p->policy, &s));
	if (refused && p->policy->drain.refused_first)
		fy_lanes_turn_to(p, refused);
}
