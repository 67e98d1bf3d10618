/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "ferry.h"
#include "units.h"

/* From when on it is long. A sample comes each 100 ms while something moves, so two seconds
 * without a word are twenty that are missing. */
#define SAMPLE_LATE FERRY_S(1)
#define SILENT_LONG FERRY_S(2)
#define OPEN_LONG FERRY_S(10)
#define PEERS_NAMED 3

static void add(struct top_troubles *troubles, enum top_trouble_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add(struct top_troubles *troubles, enum top_trouble_kind kind, const char *format, ...)
{
	struct top_trouble *trouble;
	va_list arguments;

	if (troubles->n == TOP_TROUBLES)
		return;
	trouble = &troubles->list[troubles->n++];
	trouble->kind = kind;
	va_start(arguments, format);
	vsnprintf(trouble->text, sizeof(trouble->text), format, arguments);
	va_end(arguments);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- operations that are open ------------------------------------------------------------ */

/* Does the peer have to do something for it to end? */
static bool goes_to_peer(const struct fy_monitor_open *open)
{
	switch (open->kind) {
	case FY_MONITOR_POST:
	case FY_MONITOR_CALL:
	case FY_MONITOR_LARGE_OUT:
	case FY_MONITOR_PLAIN:
	case FY_MONITOR_FLUSH:
		return true;
	default:
		return false;
	}
}

static bool comes_from_peer(const struct fy_monitor_open *open)
{
	return open->kind == FY_MONITOR_LARGE_IN || open->kind == FY_MONITOR_REQUEST ||
	       open->kind == FY_MONITOR_MESSAGE;
}

void top_open_said(char *text, size_t size, const struct fy_monitor_open *open)
{
	const char *kind = fy_monitor_kind_name(open->kind);
	char op[40] = "", peer[40] = "";
	struct top_text number;

	if (open->op != FY_MONITOR_NO_OP)
		snprintf(op, sizeof(op), " of op %s", top_op(&number, open->op));
	if (open->peer >= 0)
		snprintf(peer, sizeof(peer), " %s rank %" PRId32,
		         comes_from_peer(open) ? "from" : "to", open->peer);
	snprintf(text, size, "%s %s%s%s", strchr("aeiou", kind[0]) ? "an" : "a", kind, op, peer);
}

/* All that wait for a peer, and how long the oldest does: ", and 14 operations wait for it". */
static void say_waiting(const struct top_engine *engine, int32_t rank, char *text, size_t size)
{
	unsigned i, n = top_entries(engine, FY_MONITOR_OPEN);
	struct fy_monitor_open open, oldest = { 0 };
	struct top_text age;
	uint64_t sum = 0;
	char said[100];

	*text = '\0';
	for (i = 0; i < n; i++) {
		if (!fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, i, &open, sizeof(open)) ||
		    open.peer != rank || !goes_to_peer(&open))
			continue;
		if (!sum)
			oldest = open;
		sum += open.count;
	}
	if (!sum)
		return;
	top_open_said(said, sizeof(said), &oldest);
	snprintf(text, size, "; %" PRIu64 " operation%s wait%s for it, the oldest %s for %s", sum,
	         plural(sum), sum == 1 ? "s" : "", said,
	         top_span_said(&age, top_age(engine, oldest.since)));
}

/* ---- the process ------------------------------------------------------------------------- */

static void find_dead(struct top_troubles *troubles, const struct top_engine *engine)
{
	const struct fy_monitor_now *now = &engine->copy.head->now;
	struct fy_monitor_open oldest;
	struct top_text clock, ago, age;
	uint64_t open = top_open(engine);
	char said[120];

	if (now->samples == 0) {
		add(troubles, TOP_DEAD, "died before its first sample");
		return;
	}
	top_clock(&clock, now->sampled_wall, engine->wall);
	top_span_said(&ago, engine->wall > now->sampled_wall && now->sampled_wall > 0
	                            ? engine->wall - now->sampled_wall
	                            : 0);
	if (!open || !top_oldest(engine, &oldest)) {
		add(troubles, TOP_DEAD, "lived until %s, %s ago; nothing was open", clock.is,
		    ago.is);
		return;
	}
	top_open_said(said, sizeof(said), &oldest);
	add(troubles, TOP_DEAD,
	    "lived until %s, %s ago; %" PRIu64 " operation%s %s open, the oldest %s for %s",
	    clock.is, ago.is, open, plural(open), open == 1 ? "was" : "were", said,
	    top_span_said(&age, top_age(engine, oldest.since)));
}

/* How long the next sample is late. */
static int64_t lateness(const struct top_engine *engine)
{
	const struct fy_monitor_now *now = &engine->copy.head->now;
	int64_t age = top_age(engine, now->sampled);

	return now->period > 0 && age > now->period ? age - now->period : 0;
}

static void find_stopped(struct top_troubles *troubles, const struct top_engine *engine)
{
	struct top_text age;

	if (engine->process == 'T' || engine->process == 't')
		add(troubles, TOP_STOPPED,
		    "its process is stopped by %s; the last sample is %s old",
		    engine->process == 'T' ? "a signal" : "a debugger",
		    top_span_said(&age, top_age(engine, engine->copy.head->now.sampled)));
}

static void find_stepless(struct top_troubles *troubles, const struct top_engine *engine)
{
	int64_t inside = top_gauge(engine, "inside");
	int64_t age = top_age(engine, engine->copy.head->now.sampled);
	struct top_text span, op;

	top_span_said(&span, age);
	if (inside >= 0 && inside <= UINT32_MAX && age > SAMPLE_LATE)
		add(troubles, TOP_HANDLER, "the inline handler of op %s does not return, for %s",
		    top_op(&op, (uint32_t)inside), span.is);
	else if (inside == -2 && age > SAMPLE_LATE)
		add(troubles, TOP_HANDLER,
		    "code of the program on the progress thread does not return, for %s", span.is);
	else if (lateness(engine) <= SAMPLE_LATE)
		return;
	else if (!(engine->copy.head->flags & FY_MONITOR_NO_THREAD))
		add(troubles, TOP_STEPLESS, "its progress thread has made no step for %s", span.is);
	/* A program that has nothing to do need not call it. */
	else if (top_open(engine))
		add(troubles, TOP_STEPLESS,
		    "the program has not called ferry_progress for %s, and something is open",
		    span.is);
}

/* ---- peers ------------------------------------------------------------------------------- */

static bool is_gone(const struct top_engine *engine, const struct fy_monitor_peer *peer)
{
	(void)engine;
	return peer->gone != 0;
}

static bool is_silent(const struct top_engine *engine, const struct fy_monitor_peer *peer)
{
	if (peer->gone || !(peer->flags & FY_MONITOR_PEER_AWAITED))
		return false;
	return peer->flags & FY_MONITOR_PEER_SILENT ||
	       (peer->unacknowledged && top_age(engine, peer->heard) > SILENT_LONG);
}

static bool has_no_room(const struct top_engine *engine, const struct fy_monitor_peer *peer)
{
	return !peer->gone && peer->queued && !is_silent(engine, peer) &&
	       peer->flags & (FY_MONITOR_PEER_HUNGRY | FY_MONITOR_PEER_FULL);
}

static void say_gone(struct top_troubles *troubles, const struct top_engine *engine,
                     const struct fy_monitor_peer *peer)
{
	(void)engine;
	add(troubles, TOP_GONE, "rank %" PRId32 " is gone: posts to it end with %s", peer->rank,
	    peer->gone == FERRY_EPEER      ? "FERRY_EPEER"
	    : peer->gone == FERRY_ESTOPPED ? "FERRY_ESTOPPED"
	    : peer->gone == FERRY_EDECODE  ? "FERRY_EDECODE"
	                                   : "an error");
}

static void say_silent(struct top_troubles *troubles, const struct top_engine *engine,
                       const struct fy_monitor_peer *peer)
{
	char waiting[190];
	struct top_text age;

	say_waiting(engine, peer->rank, waiting, sizeof(waiting));
	add(troubles, TOP_SILENT, "rank %" PRId32 " is silent for %s%s", peer->rank,
	    top_span_said(&age, top_age(engine, peer->heard)), waiting);
}

static void say_no_room(struct top_troubles *troubles, const struct top_engine *engine,
                        const struct fy_monitor_peer *peer)
{
	struct top_text bytes;

	(void)engine;
	add(troubles, TOP_CREDIT,
	    "%s rank %" PRId32 ": %" PRIu32 " message%s, %s, wait%s here; it reads too slowly",
	    peer->flags & FY_MONITOR_PEER_HUNGRY ? "out of credit at" : "no room at", peer->rank,
	    peer->queued, plural(peer->queued), top_bytes_said(&bytes, (double)peer->queued_bytes),
	    peer->queued == 1 ? "s" : "");
}

/* The worst ones are the first in the table. Of each kind a few are named, the rest is counted. */
static void find_peers(struct top_troubles *troubles, const struct top_engine *engine,
                       bool (*is)(const struct top_engine *, const struct fy_monitor_peer *),
                       void (*say)(struct top_troubles *, const struct top_engine *,
                                   const struct fy_monitor_peer *))
{
	unsigned i, found = 0, n = top_entries(engine, FY_MONITOR_PEERS);
	struct fy_monitor_peer peer;
	struct top_trouble *last;
	size_t used;

	for (i = 0; i < n; i++) {
		if (!fy_monitor_entry(&engine->copy, FY_MONITOR_PEERS, i, &peer, sizeof(peer)) ||
		    !is(engine, &peer))
			continue;
		if (found++ < PEERS_NAMED)
			say(troubles, engine, &peer);
	}
	if (found <= PEERS_NAMED || !troubles->n)
		return;
	last = &troubles->list[troubles->n - 1];
	used = strlen(last->text);
	snprintf(last->text + used, sizeof(last->text) - used, "; and likewise %u more",
	         found - PEERS_NAMED);
}

/* ---- what is open, and what is held ------------------------------------------------------ */

static void find_old(struct top_troubles *troubles, const struct top_engine *engine)
{
	struct fy_monitor_open oldest;
	struct top_text age;
	char said[120];

	if (!top_oldest(engine, &oldest) || top_age(engine, oldest.since) < OPEN_LONG)
		return;
	top_open_said(said, sizeof(said), &oldest);
	add(troubles, TOP_OLD, "%s is open for %s: %s", said,
	    top_span_said(&age, top_age(engine, oldest.since)),
	    fy_monitor_state_name(oldest.state));
}

static void find_full(struct top_troubles *troubles, const struct top_engine *engine)
{
	int64_t held = top_counter(engine, "memory_held");
	int64_t most = top_gauge(engine, "receive_memory");
	struct top_text text, of;

	if (most <= 0 || held < most / 10 * 9)
		return;
	add(troubles, TOP_FULL,
	    "received messages hold %s of receive_memory's %s: this rank is what senders wait "
	    "for",
	    top_bytes_said(&text, (double)held), top_bytes_said(&of, (double)most));
}

void top_troubles_find(struct top_troubles *troubles, const struct top_engine *engine)
{
	troubles->n = 0;
	if (top_engine_dead(engine)) {
		if (engine->copy.head->now.state != FY_MONITOR_CLOSED)
			find_dead(troubles, engine);
		return;
	}
	find_stopped(troubles, engine);
	find_peers(troubles, engine, is_gone, say_gone);
	find_peers(troubles, engine, is_silent, say_silent);
	if (!troubles->n || troubles->list[0].kind != TOP_STOPPED)
		find_stepless(troubles, engine);
	find_old(troubles, engine);
	find_peers(troubles, engine, has_no_room, say_no_room);
	find_full(troubles, engine);
}

enum top_trouble_kind top_troubles_worst(const struct top_troubles *troubles)
{
	return troubles->n ? troubles->list[0].kind : TOP_NO_TROUBLE;
}

const char *top_trouble_word(enum top_trouble_kind kind)
{
	static const char *const words[] = { "dead",  "stopped", "lost",   "silent", "handler",
		                             "hangs", "old",     "credit", "full",   "ok" };

	return words[kind];
}
