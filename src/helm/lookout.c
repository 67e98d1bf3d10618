/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lookout: which ranks that this one waits for are silent; and what a new crew means for the
 * engine. Only the holder of the helm may call.
 *
 * It listens twelve times in `peer_timeout`. Its clock moves from one time to the next by what has
 * passed, but by two twelfths at most. So time in which the loop did not step, because the process
 * was stopped or a handler blocked, is held against nobody.
 *
 * Only a rank that waits for another one listens to it. After a third of the timeout without
 * anything it asks for a sign of life, which every loop that steps gives. A rank of the same host
 * whose loop cannot step, because code of its program does not return, has a watchdog that beats:
 * it is late.
 *
 * That the process of a rank of the same host has ended can be proved. Who waits for that rank
 * looks a few times a second, and does not wait for the timeout then.
 */
#include "helm/lookout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ferry.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/order.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/crew.h"
#include "helm/gone.h"
#include "helm/notes.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/tree.h"
#include "helm/words.h"
#include "link/channel.h"
#include "shared/engine.h"

#define LOOKS 12    /* in a timeout */
#define ASKS 3      /* likewise, for a sign of life */
#define MOST_PAST 2 /* looks, by which the clock moves at once */
#define LATE 2      /* looks, after the last beat of its watchdog */
#define PROOFS FERRY_MS(250)

static int64_t period(const struct fy_lookout *l)
{
	return l->crew.timeout / LOOKS;
}

/* ---- who is awaited ------------------------------------------------------------------------ */

static void mark_calls(struct fy_progress *p)
{
	for (uint32_t i = 0; p->link.calls.open && i < p->link.calls.n; i++) {
		const struct fy_call *call = &p->link.calls.slots[i];
		struct fy_channel *ch = call->future ? p->link.channels[call->rank] : NULL;
		if (ch)
			fy_peer_of(ch)->heard.call = true;
	}
}

/* Does this rank wait for a word of the agreement of that one, or for its goodbye? */
static bool agreement_awaits(const struct fy_progress *p, const struct fy_channel *ch)
{
	if (p->close.byes)
		return ch->bye.owed && !ch->bye.seen;
	if (!p->agree.kind)
		return false;
	int child = fy_tree_which_child(p, ch->rank);
	if (child >= 0)
		return !fy_agree_has_answered(p, child);
	return fy_tree_is_parent(p, ch->rank) && p->agree.up_sent;
}

static bool is_awaited(const struct fy_progress *p, const struct fy_channel *ch)
{
	const struct fy_outbounds *out = fy_pair_out(ch);
	return ch->pending.first || ch->counted.first || ch->streams_out || ch->out.flight ||
	       ch->credit.hungry_told || fy_peer_of(ch)->queue.first || out->ungranted ||
	       out->active || out->unacked || fy_pair_in(ch)->first || fy_peer_of(ch)->heard.call ||
	       agreement_awaits(p, ch) || fy_crew_awaits(&p->lookout.crew, ch->rank);
}

/* ---- who is dead --------------------------------------------------------------------------- */

/* Not of a rank that has to say goodbye: it closes when it has heard everybody's. */
static bool prove(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_lookout *l = &p->lookout;
	fy_port *port = p->link.port;
	if (fy_bits_has(l->crew.dead, ch->rank) || !fy_crew_is_member(&l->crew, ch->rank) ||
	    p->close.byes || !is_awaited(p, ch) || !port->ops->is_dead(port, ch->rank))
		return false;
	fy_log_at(p->link.engine->log, FERRY_LOG_WARNING,
	          "rank %d: its process on this host has ended; look there why", ch->rank);
	fy_crew_set_dead(&l->crew, ch->rank);
	return true;
}

static bool prove_any(struct fy_progress *p)
{
	bool any = false;
	mark_calls(p);
	fy_link_each (ch, &p->link) {
		if (ch->rank != p->link.engine->rank)
			any |= prove(p, ch);
		fy_peer_of(ch)->heard.call = false;
	}
	return any;
}

/* ---- who is silent ------------------------------------------------------------------------- */

static void begin_to_listen(struct fy_lookout *l, struct fy_channel *ch)
{
	struct fy_heard *heard = &fy_peer_of(ch)->heard;
	heard->at = l->clock;
	heard->asked = 0;
	heard->word = false;
	heard->seq = ch->in.seq;
	fy_crew_set_silent(&l->crew, ch->rank, false);
}

/* Has its watchdog beaten since the last look? */
static bool is_late(struct fy_progress *p, const struct fy_channel *ch)
{
	fy_port *port = p->link.port;
	struct fy_heard *heard = &fy_peer_of(ch)->heard;
	uint32_t before = heard->beats;
	heard->beats = port->ops->beats(port, ch->rank);
	return heard->beats != before;
}

static void listen(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_lookout *l = &p->lookout;
	struct fy_heard *heard = &fy_peer_of(ch)->heard;
	bool awaited = is_awaited(p, ch), late = is_late(p, ch);
	if (!awaited || !heard->awaited || heard->word || heard->seq != ch->in.seq || late)
		begin_to_listen(l, ch);
	if (late || l->clock - heard->at >= LATE * period(l))
		fy_crew_set_late(&l->crew, ch->rank, late);
	heard->awaited = awaited;
	heard->call = false;
	l->watches |= awaited;
	int64_t silence = l->clock - heard->at;
	if (silence >= (int64_t)(heard->asked + 1) * (l->crew.timeout / ASKS)) {
		heard->asked++;
		fy_words_owe(p, ch, FY_WORD_ASK);
	}
	if (silence < l->crew.timeout)
		return;
	if (p->close.byes) /* all is done, so that nothing has to be agreed on */
		fy_gone_end(p, ch, FERRY_EPEER, "that rank did not say goodbye");
	else
		fy_crew_set_silent(&l->crew, ch->rank, true);
}

static void listen_to_all(struct fy_progress *p)
{
	struct fy_lookout *l = &p->lookout;
	l->watches = false;
	mark_calls(p);
	fy_link_each (ch, &p->link) {
		if (ch->rank == p->link.engine->rank || !fy_crew_is_member(&l->crew, ch->rank))
			continue;
		if (ch->gone)
			fy_crew_set_broken(&l->crew, ch->rank);
		else
			listen(p, ch);
	}
}

/* ---- a new crew ---------------------------------------------------------------------------- */

static const char *why_gone(const struct fy_lookout *l, int rank)
{
	return fy_bits_has(l->crew.dead, rank)
	               ? "that rank is gone: it has ended, or a program says so"
	               : "that rank is gone: other ranks heard nothing of it for peer_timeout";
}

/* Everything towards those that are no members ends. Without memory for a channel: later. */
static void end_others(struct fy_progress *p)
{
	struct fy_lookout *l = &p->lookout;
	for (int rank = 0; rank < l->crew.size; rank++) {
		struct fy_channel *ch =
			fy_crew_is_member(&l->crew, rank) ? NULL : fy_peer_get(p, rank);
		if (!ch || ch->gone)
			continue;
		fy_peer_of(ch)->words.given_up = true; /* the crew tells it */
		fy_log_at(p->link.engine->log, FERRY_LOG_WARNING,
		          "rank %d is gone (crew %u), and what waits for it ends with "
		          "FERRY_EPEER: %s",
		          rank, l->crew.now.number, why_gone(l, rank));
		fy_gone_end(p, ch, FERRY_EPEER, why_gone(l, rank));
		p->link.worked = true;
	}
}

static void stop(struct fy_progress *p)
{
	static const char *const why[] = {
		[FY_CREW_EXCLUDED] = "the other ranks go on without this one: they heard nothing "
				     "of it for peer_timeout, or a program said that it is gone",
		[FY_CREW_DEAF] = "this rank heard nothing of any other one for peer_timeout",
		[FY_CREW_NO_QUORUM] = "more than half of the ranks are gone (option quorum)",
	};
	fy_close_abort(p, FERRY_EPEER, why[p->lookout.crew.stop]);
}

static void begin_crew(struct fy_progress *p)
{
	struct fy_lookout *l = &p->lookout;
	if (!l->gone_at) {
		l->gone_at = p->link.now;
		fy_store_release_64(&p->link.engine->end.gone_at, (uint64_t)p->link.now);
	}
	end_others(p);
	fy_agree_new_crew(p);
}

/* What follows from what the crew has just heard or found. */
static void follow(struct fy_progress *p)
{
	struct fy_crew *crew = &p->lookout.crew;
	p->words.open |= crew->n_due != 0;
	if (crew->changed) {
		crew->changed = false;
		begin_crew(p);
	}
	if (crew->stop && !p->close.aborted)
		stop(p);
}

/* ---- looking ------------------------------------------------------------------------------- */

static void move_clock(struct fy_lookout *l, int64_t now)
{
	int64_t past = now - l->looked_at, most = MOST_PAST * period(l);
	l->clock += past < most ? past : most;
	l->looked_at = now;
	l->listen_at = now + period(l);
}

static void look(struct fy_progress *p)
{
	struct fy_lookout *l = &p->lookout;
	move_clock(l, p->link.now);
	listen_to_all(p);
	if (!p->close.byes)
		fy_crew_step(&l->crew, l->clock);
	follow(p);
	if (l->crew.now.number)
		end_others(p);
}

/* Where nothing can be proved nobody looks for it between two times of listening. */
static int64_t next_look(const struct fy_progress *p)
{
	int64_t listen_at = p->lookout.listen_at, prove_at = p->link.now + PROOFS;
	return p->link.port->proves && prove_at < listen_at ? prove_at : listen_at;
}

void fy_lookout_step(struct fy_progress *p)
{
	struct fy_lookout *l = &p->lookout;
	l->look_at = INT64_MAX;
	if (l->on) {
		if ((p->link.port->proves && prove_any(p)) || p->link.now >= l->listen_at)
			look(p);
		l->look_at = next_look(p);
	}
	if (l->notes)
		fy_notes_step(p);
}

void fy_lookout_soon(struct fy_progress *p)
{
	p->lookout.look_at = p->lookout.listen_at = p->due_at = p->link.now;
}

bool fy_lookout_watches(const struct fy_progress *p, bool awaits)
{
	const struct fy_lookout *l = &p->lookout;
	return l->look_at != INT64_MAX && (awaits || l->watches || l->crew.phase);
}

/* ---- hearing ------------------------------------------------------------------------------- */

void fy_lookout_heard(struct fy_progress *p, struct fy_channel *ch)
{
	fy_peer_of(ch)->heard.word = true;
	if (p->lookout.on)
		fy_crew_set_silent(&p->lookout.crew, ch->rank, false);
}

bool fy_lookout_hear(struct fy_progress *p, struct fy_channel *ch, const void *word, size_t nbytes)
{
	if (!p->lookout.on)
		return true;
	bool ok = fy_crew_hear(&p->lookout.crew, ch->rank, word, nbytes);
	follow(p);
	return ok;
}

void fy_lookout_compare(struct fy_progress *p, struct fy_channel *ch, uint32_t number)
{
	struct fy_lookout *l = &p->lookout;
	if (!l->on || (number >= l->crew.now.number && fy_crew_is_member(&l->crew, ch->rank)))
		return;
	fy_crew_tell(&l->crew, ch->rank);
	follow(p);
}

void fy_lookout_leaves(struct fy_progress *p, struct fy_channel *ch)
{
	fy_peer_of(ch)->words.given_up = true;
	if (p->lookout.on)
		fy_crew_set_dead(&p->lookout.crew, ch->rank);
	fy_gone_end(p, ch, FERRY_EPEER,
	            "that rank has ended its engine by ferry_abort, or because a rank is gone");
	fy_lookout_soon(p);
}

void fy_lookout_stranger(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_lookout *l = &p->lookout;
	if (!l->on || fy_peer_of(ch)->heard.told || fy_crew_is_member(&l->crew, ch->rank))
		return;
	fy_peer_of(ch)->heard.told = true;
	fy_crew_tell(&l->crew, ch->rank);
	follow(p);
}

int fy_lookout_name(struct fy_progress *p, int rank, const char *why)
{
	struct fy_lookout *l = &p->lookout;
	if (!l->on)
		return FERRY_ENOTSUP;
	fy_log_at(p->link.engine->log, FERRY_LOG_WARNING,
	          "the program says that rank %d is gone, and all ranks are told: %s", rank, why);
	fy_crew_set_dead(&l->crew, rank);
	fy_lookout_soon(p);
	return FERRY_OK;
}

/* ---- life ---------------------------------------------------------------------------------- */

int fy_lookout_open(struct fy_progress *p)
{
	p->lookout.look_at = INT64_MAX;
	return fy_crew_open(&p->lookout.crew, p->link.engine->rank, p->link.engine->size, 0);
}

void fy_lookout_begin(struct fy_progress *p, int64_t timeout, bool quorum)
{
	struct fy_lookout *l = &p->lookout;
	if (timeout == FERRY_NONE)
		return;
	l->crew.timeout = timeout;
	l->crew.quorum = quorum;
	l->on = true;
	l->look_at = l->listen_at = l->looked_at = p->due_at = p->link.now;
}

void fy_lookout_free(struct fy_progress *p)
{
	fy_crew_free(&p->lookout.crew);
	p->lookout.on = false;
}
