/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples: what the engine shows of itself. Only the holder of the helm may call.
 *
 * A sample is written 0.1 s after the last one while something happens; then, when nothing does,
 * three more, one a second; then none. An idle loop wakes up for these, and not afterwards. The
 * first step in which something happens again begins anew.
 *
 * Between samples there are *looks*, two in 4 ms or so while steps are made. A look arms the probe
 * (link/probe.h), and begins to watch a lane: the newest record in one, or, if all are empty, the
 * next record that comes. So nothing is done for each record, and a step that is not due compares
 * two times. Looks come at uneven times, or they would see one phase of what a program does in a
 * rhythm.
 */
#include "helm/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/list.h"
#include "base/log.h"
#include "base/order.h"
#include "base/place.h"
#include "bulk/bulk.h"
#include "helm/progress.h"
#include "helm/show.h"
#include "link/probe.h"
#include "monitor/entries.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"

#define PERIOD FERRY_MS(100)
#define PERIOD_STILL FERRY_S(1)
#define STILL 3u /* samples in which nothing happened */
#define LOOK FERRY_MS(1)
#define LOOK_MORE 0x1FFFFFu /* up to 2.1 ms more */
#define FOLLOW_FOR FERRY_S(10)
#define WATCH_STEPS 16u /* with empty lanes */

void fy_sample_stats(const struct fy_progress *p, ferry_stats *stats)
{
	*stats = p->link.stats;
	stats->memory_held = fy_bulk_holds(&p->bulk);
}

/* ---- the time that records are in a lane ----------------------------------------------------- */

static uint64_t taken(const struct fy_progress *p)
{
	return p->link.stats.posts + p->link.stats.calls;
}

static void note_lane(struct fy_progress *p, int64_t since)
{
	fy_probe_note(&p->link.noted.probe, FY_MONITOR_LANE, p->link.now - since);
	p->sample.waited.looks_left = 0;
}

/* What is in a lane now came behind the look of this step. */
static void begin_to_watch(struct fy_progress *p)
{
	struct fy_waited *w = &p->sample.waited;
	*w = (struct fy_waited){ .looks_left = WATCH_STEPS,
		                 .since = p->link.now,
		                 .taken = taken(p),
		                 .slept = p->link.stats.sleeps };
	for (struct fy_lane *lane = p->lanes.active; lane; lane = lane->next) {
		uint64_t tail = fy_load_acquire_64(&lane->tail);
		if (tail == lane->head)
			continue;
		w->lane = lane;
		w->position = tail;
		w->since = p->link.port->ops->now(p->link.port);
		return;
	}
}

static void watch_lane(struct fy_progress *p)
{
	struct fy_waited *w = &p->sample.waited;
	const struct fy_lane *lane = p->lanes.all;
	while (lane && lane != w->lane)
		lane = lane->all_next;
	if (!lane)
		w->looks_left = 0; /* its thread has ended */
	else if ((int64_t)(lane->head - w->position) >= 0)
		note_lane(p, w->since);
}

/* All lanes were empty: what comes now came since the step before. After a sleep nobody knows when:
 * the post has ended it. */
static void watch_all(struct fy_progress *p)
{
	struct fy_waited *w = &p->sample.waited;
	if (p->link.stats.sleeps != w->slept)
		w->looks_left = 0;
	else if (taken(p) != w->taken)
		note_lane(p, w->since);
	else
		w->looks_left--;
	w->since = p->link.now;
}

/* ---- looks --------------------------------------------------------------------------------- */

static int64_t look_in(struct fy_sample *s)
{
	s->jitter = s->jitter * 1664525u + 1013904223u;
	return LOOK + (int64_t)(s->jitter >> 8 & LOOK_MORE);
}

static void look(struct fy_progress *p)
{
	struct fy_probe *probe = &p->link.noted.probe;
	probe->armed = probe->handler_armed = true;
	if (probe->ch && p->link.now - probe->sent_at > FOLLOW_FOR)
		fy_probe_forget(probe);
	p->sample.duty.handled = p->link.stats.handled;
	begin_to_watch(p);
}

void fy_sample_long_step(struct fy_progress *p, int64_t now)
{
	struct fy_duty *duty = &p->sample.duty;
	int64_t took = now - p->link.now;
	bool handled = p->link.stats.handled != duty->handled && p->inside.view;
	uint32_t op = handled ? p->inside.view->op : FY_MONITOR_NO_OP;
	duty->long_steps++;
	duty->long_op = op;
	duty->handled = p->link.stats.handled;
	if (took <= duty->longest)
		return;
	duty->longest = took;
	duty->longest_op = op;
	duty->longest_at = p->link.now;
}

/* ---- samples ------------------------------------------------------------------------------- */

/* The progress thread has the helm, or who steps in its place. */
static void look_at_place(struct fy_progress *p)
{
	struct fy_duty *duty = &p->sample.duty;
	if (!p->link.user_code)
		return;
	int64_t all = fy_place_taken();
	duty->cpu = fy_place_here();
	duty->taken = all - duty->taken_before;
	duty->taken_before = all;
}

/* A logout may have taken the file away. */
static void keep_file(struct fy_progress *p)
{
	struct fy_sample *s = &p->sample;
	if (!s->file.head || s->n % (PERIOD_STILL / PERIOD) != 0)
		return;
	bool kept = fy_file_keep(&s->file);
	if (!kept && !s->said)
		fy_log(p->link.engine->log,
		       "the monitor file was removed, and cannot be made again in %s: tools do not "
		       "see this engine",
		       s->file.path);
	s->said = !kept;
}

static void write_sample(struct fy_progress *p)
{
	struct fy_sample *s = &p->sample;
	fy_port *port = p->link.port;
	ferry_stats stats;
	fy_sample_stats(p, &stats);
	fy_shown_write(&p->link.engine->totals.shown, &stats);
	keep_file(p);
	if (s->file.head) {
		int64_t begun = port->ops->now(port);
		look_at_place(p);
		fy_show(p, &stats, s->rests ? 0 : s->next_at - p->link.now);
		s->took = port->ops->now(port) - begun;
	}
	s->n++;
	s->last_at = p->link.now;
}

/* Has anything happened since the last sample? */
static bool has_moved(const struct fy_progress *p)
{
	return p->link.worked || p->link.worked_at > p->sample.last_at || !p->sample.n;
}

static void sample(struct fy_progress *p)
{
	struct fy_sample *s = &p->sample;
	bool moved = has_moved(p), rested = s->rests;
	s->still = moved ? 0 : s->still + 1;
	s->rests = s->still >= STILL;
	s->next_at = p->link.now + (moved || s->rests ? PERIOD : PERIOD_STILL);
	if (!(s->rests && rested))
		write_sample(p);
}

void fy_sample_step(struct fy_progress *p)
{
	struct fy_sample *s = &p->sample;
	if (s->waited.looks_left && s->waited.lane)
		watch_lane(p);
	else if (s->waited.looks_left)
		watch_all(p);
	if (s->next_at - s->last_at > PERIOD && has_moved(p))
		s->next_at = s->last_at + PERIOD; /* it was still, and is not any more */
	if (p->link.now >= s->next_at)
		sample(p);
	if (p->link.now >= s->look_at) {
		s->look_at = p->link.now + look_in(s);
		look(p);
	}
	s->due_at = s->look_at < s->next_at ? s->look_at : s->next_at;
	if (s->waited.looks_left)
		s->due_at = p->link.now; /* the next step looks, too */
}

/* ---- a thread asks ------------------------------------------------------------------------- */

static bool publish(struct fy_progress *p, struct fy_command *c)
{
	struct fy_shown *shown = &p->link.engine->totals.shown;
	ferry_stats stats;
	(void)c;
	fy_swap_32(&shown->asked, 0);
	fy_store_release_32(&shown->begun, shown->begun + 1);
	fy_sample_stats(p, &stats);
	fy_shown_write(shown, &stats);
	fy_store_release_32(&shown->over, shown->begun);
	fy_futex_wake(&shown->over, INT32_MAX, false);
	return true;
}

/* ---- life ---------------------------------------------------------------------------------- */

void fy_sample_begin(struct fy_progress *p)
{
	struct fy_sample *s = &p->sample;
	s->publish.run = publish;
	s->rests = true; /* the first step takes the first sample, whenever that is */
	s->duty.cpu = -1;
	s->begun_at = p->link.now;
	s->duty.long_op = s->duty.longest_op = FY_MONITOR_NO_OP;
	s->jitter = (uint32_t)p->link.engine->serial * 2654435761u;
	if (p->link.options->flags & FERRY_NO_THREAD)
		s->duty.idles = FY_IDLES_NO_THREAD;
}

void fy_sample_end(struct fy_progress *p)
{
	fy_file_remove(&p->sample.file);
	fy_seen_free(&p->sample.calls);
}
