/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a sample into the monitor file. Only the holder of the helm may call. Readers are other
 * processes; format.h says how they know that a sample is whole.
 */
#include "helm/show.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/order.h"
#include "helm/agree.h"
#include "helm/handlers.h"
#include "helm/opens.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/sample.h"
#include "link/channel.h"
#include "monitor/counters.h"
#include "monitor/gauges.h"
#include "monitor/layout.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/handler.h"
#include "shared/inside.h"
#include "shared/lane.h"
#include "shared/mailbox.h"
#include "shared/message.h"
#include "shared/tally.h"

#define PAGE 4096u
#define UNREAD_MOST 4096u /* messages that are looked at to count them by op */

/* ---- counters and gauges --------------------------------------------------------------------- */

/* Beside what the helm counts. */
static void show_counters(struct fy_progress *p, struct fy_monitor_head *file, ferry_stats stats)
{
	ferry *e = p->link.engine;
	struct fy_monitor_value *values = fy_layout_entries(file, FY_MONITOR_COUNTERS);
	stats.lane_full = fy_load_acquire_64(&e->pressure.lane_full);
	stats.lends = fy_load_acquire_64(&e->totals.lends);
	stats.wakes = fy_load_acquire_64(&e->wake.wakes);
	stats.handled += fy_engine_handled(e);
	const uint64_t *from = &stats.posts;
	for (unsigned i = 0; i < FY_MONITOR_COUNTERS_NAMED; i++)
		values[i].value = (int64_t)from[i];
}

#define SET(name, what) (v[FY_MONITOR_GAUGE_##name].value = (int64_t)(what))

static int64_t op_or_none(uint32_t op)
{
	return op == FY_MONITOR_NO_OP ? -1 : (int64_t)op;
}

static int64_t inside_of(const ferry *e)
{
	uint32_t inside = fy_load_relaxed_32((uint32_t *)(uintptr_t)&e->end.inside);
	if (inside == FY_INSIDE_NOTHING)
		return -1;
	return inside >= FERRY_OP_RESERVED ? -2 : (int64_t)inside;
}

static void show_duty(struct fy_progress *p, struct fy_monitor_value *v)
{
	struct fy_duty *d = &p->sample.duty;
	int64_t idled = d->idled + (d->idle_since ? p->link.now - d->idle_since : 0);
	SET(busy, p->link.now - p->sample.begun_at - idled);
	SET(step_threshold, FY_SAMPLE_LONG);
	SET(steps_long, d->long_steps);
	SET(step_long_op, op_or_none(d->long_op));
	SET(step_longest, d->longest);
	SET(step_longest_op, op_or_none(d->longest_op));
	SET(step_longest_at, d->longest_at);
	SET(inside, inside_of(p->link.engine));
	SET(idle, fy_load_relaxed_32(&d->idles));
	SET(drivers, fy_load_relaxed_32(&p->link.engine->at_helm.drivers));
	SET(cpu, d->cpu);
	SET(cpu_taken, d->taken);
	SET(sample_took, p->sample.took);
}

static void show_lanes(struct fy_progress *p, struct fy_monitor_value *v)
{
	uint64_t all = 0, waiting = 0;
	for (struct fy_lane *lane = p->lanes.all; lane; lane = lane->all_next) {
		all++;
		waiting += fy_load_acquire_64(&lane->tail) != lane->head;
	}
	SET(lanes, all);
	SET(lanes_waiting, waiting);
}

static void show_open(struct fy_progress *p, struct fy_monitor_value *v)
{
	const struct fy_link *link = &p->link;
	uint64_t in = 0, peers = 0, gone = 0;
	fy_link_each (ch, link) {
		peers++;
		gone += ch->gone != 0;
		in += fy_pair_in(ch)->first != NULL;
	}
	SET(queued, p->queues.of[0] + p->queues.of[1]);
	SET(queued_bytes, p->queues.bytes);
	SET(flying, link->n_flying);
	SET(pending, link->n_pending);
	SET(counted, link->counted.n_open);
	SET(streams, link->n_streams);
	SET(calls, link->calls.open);
	SET(large_out, p->bulk.n_out);
	SET(large_in, in);
	SET(starts, p->starts ? p->starts->under_way : 0);
	SET(fence, p->agree.kind == FY_AGREE_FENCE);
	SET(closing, p->close.called_at != 0);
	SET(issued, link->counts.issued[0] + link->counts.issued[1]);
	SET(done, link->counts.done[0] + link->counts.done[1]);
	SET(channels, peers);
	SET(gone, gone);
	SET(crew, p->lookout.crew.now.number);
}

static void show_memory(struct fy_progress *p, struct fy_monitor_value *v)
{
	const ferry_options *options = p->link.options;
	ferry *e = p->link.engine;
	SET(receive_memory, options->receive_memory);
	SET(send_memory, options->send_memory);
	SET(send_used, fy_load_acquire_64(&e->room.bodies));
	SET(posters_waiting, fy_load_acquire_32(&e->room.waiters));
	SET(unread_bytes, fy_load_relaxed_64(&e->mailbox.bytes));
	SET(blocks, fy_load_relaxed_64(&e->told.block_bytes));
	SET(credit_pool, p->link.credit.pool);
	SET(peer_timeout, options->peer_timeout);
}

/* ---- histograms and errors ------------------------------------------------------------------- */

/* Behind the name, which is constant. */
static void show_histograms(struct fy_progress *p, struct fy_monitor_head *file)
{
	struct fy_monitor_histogram *to = fy_layout_entries(file, FY_MONITOR_HISTOGRAMS);
	for (unsigned i = 0; i < FY_MONITOR_N_STAGES; i++) {
		const struct fy_monitor_histogram *from = &p->link.noted.probe.stages[i];
		to[i].count = from->count;
		to[i].sum = from->sum;
		to[i].longest = from->longest;
		memcpy(to[i].in, from->in, sizeof to[i].in);
	}
}

static void show_errors(struct fy_progress *p, struct fy_monitor_head *file)
{
	const struct fy_errors *errors = &p->link.noted.errors;
	struct fy_monitor_section *section = fy_layout_section(file, FY_MONITOR_ERRORS);
	memcpy(fy_layout_entries(file, FY_MONITOR_ERRORS), errors->list,
	       errors->n * sizeof errors->list[0]);
	section->count = errors->n;
	section->left_out = errors->left_out;
}

/* ---- ops ----------------------------------------------------------------------------------- */

/* Count the unread messages in the tallies. False: too many, or a reader has the lock; then
 * none is counted. */
static bool count_unread(ferry *e, uint64_t *all_p)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (struct fy_tally *tally = e->tallies.of[i]; tally; tally = tally->next)
			tally->unread = 0;
	if (!fy_load_relaxed_64(&e->mailbox.bytes)) {
		*all_p = 0;
		return true;
	}
	if (!fy_mailbox_try(&e->mailbox))
		return false;
	const ferry_message *m = e->mailbox.all.first;
	for (; m && n < UNREAD_MOST; m = m->next, n++)
		if (m->holds.tally)
			m->holds.tally->unread++;
	fy_mailbox_unlock(&e->mailbox);
	*all_p = n;
	return !m;
}

/* `whole`: unread messages were counted. If not, all that are not in an executor are taken for
 * unread. */
static void show_op(struct fy_progress *p, const struct fy_tally *tally, bool whole,
                    struct fy_monitor_op *op)
{
	const struct fy_handler *h = fy_handlers_find(p, tally->op);
	uint64_t held =
		tally->n_received - fy_load_acquire_64((uint64_t *)(uintptr_t)&tally->freed);
	uint64_t answered = fy_load_acquire_64((uint64_t *)(uintptr_t)&tally->answered);
	uint32_t away = 0, running = 0;
	if (h && h->where) {
		away = fy_load_acquire_32((uint32_t *)(uintptr_t)&h->refs) - 1;
		running = fy_load_acquire_32((uint32_t *)(uintptr_t)&h->running);
	}
	uint64_t rest = held > away ? held - away : 0;
	uint64_t unread = whole && tally->unread < rest ? tally->unread : rest;
	*op = (struct fy_monitor_op){
		.op = tally->op,
		.flags = (h ? FY_MONITOR_OP_HANDLED : 0) | (h && h->where ? FY_MONITOR_OP_AWAY : 0),
		.received = tally->n_received,
		.retained = rest - unread,
		.unanswered = tally->n_requests > answered ? tally->n_requests - answered : 0,
		.unread = unread,
		.running = running,
		.waiting = away > running ? away - running : 0,
	};
}

static void show_ops(struct fy_progress *p, struct fy_monitor_head *file,
                     struct fy_monitor_value *v)
{
	ferry *e = p->link.engine;
	struct fy_monitor_op *ops = fy_layout_entries(file, FY_MONITOR_OPS);
	struct fy_monitor_section *section = fy_layout_section(file, FY_MONITOR_OPS);
	uint64_t unread = 0;
	bool whole = count_unread(e, &unread);
	section->count = 0;
	section->left_out = 0;
	for (unsigned i = 0; i < FY_TALLIES; i++)
		for (struct fy_tally *tally = e->tallies.of[i]; tally; tally = tally->next) {
			if (section->count == section->capacity)
				section->left_out++;
			else
				show_op(p, tally, whole, &ops[section->count++]);
		}
	SET(unread, whole ? (int64_t)unread : -1);
}

/* ---- peers --------------------------------------------------------------------------------- */

static int64_t heard_at(struct fy_progress *p, const struct fy_channel *ch)
{
	struct fy_peer_shown *shown = &fy_peer_of(ch)->shown;
	if (ch->in.seq != shown->seq && (shown->heard_at || ch->in.seq != p->link.first_seq))
		shown->heard_at = p->link.now;
	shown->seq = ch->in.seq;
	return shown->heard_at;
}

static uint32_t unacknowledged(const struct fy_channel *ch)
{
	int32_t n = (int32_t)(ch->out.seq - 1 - ch->out.accepted);
	return n > 0 ? (uint32_t)n : 0;
}

static void show_peer(struct fy_progress *p, const struct fy_channel *ch,
                      struct fy_monitor_peer *peer)
{
	const struct fy_peer *of = fy_peer_of(ch);
	int64_t full = of->queue.full_raised ? p->link.now - of->queue.full_since : 0;
	*peer = (struct fy_monitor_peer){
		.rank = ch->rank,
		.gone = (int16_t)ch->gone,
		.flags = (uint16_t)((of->queue.full_raised ? FY_MONITOR_PEER_FULL : 0) |
		                    (ch->credit.hungry_told ? FY_MONITOR_PEER_HUNGRY : 0) |
		                    (of->heard.awaited ? FY_MONITOR_PEER_AWAITED : 0) |
		                    (of->heard.asked ? FY_MONITOR_PEER_SILENT : 0) |
		                    (ch->doorbell ? FY_MONITOR_PEER_HERE : 0)),
		.queued = (uint32_t)of->queue.n,
		.unacknowledged = unacknowledged(ch),
		.sent = ch->counts.issued[0] + ch->counts.issued[1],
		.queued_bytes = of->queue.bytes,
		.credit = (int64_t)(ch->credit.limit - ch->credit.spent),
		.heard = heard_at(p, ch),
		.waited = (uint64_t)(of->queue.full_for + full),
		.received = ch->counts.done[0] + ch->counts.done[1],
	};
}

/* How bad it looks: worse ones come first. */
enum { GONE, SILENT, FULL, OWED, FINE, BADNESS };
static unsigned badness(const struct fy_channel *ch)
{
	const struct fy_peer *of = fy_peer_of(ch);
	if (ch->gone)
		return GONE;
	if (of->heard.asked)
		return SILENT;
	if (of->queue.first || of->queue.full_raised || ch->credit.hungry_told)
		return FULL;
	return unacknowledged(ch) ? OWED : FINE;
}

/* Memory for so many peers, or for as many as there is. Returns for how many. */
static uint32_t make_room(struct fy_progress *p, struct fy_monitor_head *file, uint32_t peers)
{
	uint64_t wanted = FY_MONITOR_BYTES + (uint64_t)peers * sizeof(struct fy_monitor_peer);
	wanted = (wanted + PAGE - 1) / PAGE * PAGE;
	if (wanted > FY_MONITOR_MAX_BYTES)
		wanted = FY_MONITOR_MAX_BYTES;
	if (wanted > file->now.file_bytes)
		fy_file_grow(&p->sample.file, wanted);
	uint32_t room = (uint32_t)((file->now.file_bytes - FY_MONITOR_BYTES) /
	                           sizeof(struct fy_monitor_peer));
	return room < peers ? room : peers;
}

static void show_peers(struct fy_progress *p, struct fy_monitor_head *file)
{
	struct fy_monitor_peer *peers = fy_layout_entries(file, FY_MONITOR_PEERS);
	struct fy_monitor_section *section = fy_layout_section(file, FY_MONITOR_PEERS);
	uint32_t at[BADNESS + 1] = { 0 };
	fy_link_each (ch, &p->link)
		at[badness(ch) + 1]++;
	for (unsigned i = 0; i < BADNESS; i++)
		at[i + 1] += at[i];
	uint32_t all = at[BADNESS], room = make_room(p, file, all);
	fy_link_each (ch, &p->link) {
		uint32_t i = at[badness(ch)]++;
		if (i < room)
			show_peer(p, ch, &peers[i]);
	}
	section->count = room;
	section->left_out = all - room;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void show_opens(struct fy_progress *p, struct fy_monitor_head *file)
{
	struct fy_monitor_section *section = fy_layout_section(file, FY_MONITOR_OPEN);
	struct fy_opens opens = { .list = fy_layout_entries(file, FY_MONITOR_OPEN) };
	fy_opens_find(p, &opens);
	section->count = opens.n;
	section->left_out = opens.all - opens.n;
}

static void show_now(struct fy_progress *p, struct fy_monitor_head *file, int64_t period)
{
	file->now.state = p->close.called_at ? FY_MONITOR_CLOSING : FY_MONITOR_OPENED;
	file->now.samples++;
	file->now.sampled = p->link.now;
	file->now.sampled_wall = fy_clock_wall();
	file->now.period = period;
}

void fy_show(struct fy_progress *p, const ferry_stats *stats, int64_t period)
{
	struct fy_monitor_head *file = p->sample.file.head;
	struct fy_monitor_value *gauges = fy_layout_entries(file, FY_MONITOR_GAUGES);
	uint32_t seq = file->now.seq & ~1u;
	fy_store_relaxed_32(&file->now.seq, seq + 1);
	fy_fence_full();
	show_now(p, file, period);
	show_counters(p, file, *stats);
	show_duty(p, gauges);
	show_lanes(p, gauges);
	show_open(p, gauges);
	show_memory(p, gauges);
	show_histograms(p, file);
	show_errors(p, file);
	show_ops(p, file, gauges);
	show_opens(p, file);
	show_peers(p, file);
	fy_store_release_32(&file->now.seq, seq + 2);
}
