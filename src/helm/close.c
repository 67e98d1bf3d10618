/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helm's part of ferry_close. Once all ranks have agreed that nothing is under way they
 * exchange goodbyes, then the receives end. If a rank is gone the members of the crew do so. If
 * they do not come to an end in close_timeout, or if there is no crew because the option
 * peer_timeout is off, this rank ends without the others. Only the holder of the helm may call.
 */
#include "helm/close.h"

#include <stdbool.h>
#include <stdio.h>

#include "ferry.h"
#include "base/log.h"
#include "bulk/bulk.h"
#include "helm/agree.h"
#include "helm/command.h"
#include "helm/gone.h"
#include "helm/words.h"
#include "helm/lanes.h"
#include "helm/left.h"
#include "helm/mail.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "link/call.h"
#include "link/channel.h"
#include "link/credit.h"
#include "port/port.h"
#include "port/starts.h"
#include "shared/engine.h"
#include "shared/lane.h"

#define TELL_TIME FERRY_MS(200) /* how long a close that gives up tries to tell other ranks */

#define CANCEL_AGAIN FERRY_MS(100) /* after so long receives are cancelled once more */
#define CANCEL_LIMIT FERRY_S(5)    /* after so long the close ends without them */

static bool has_talked(const struct fy_progress *p, const struct fy_channel *ch)
{
	return ch->out.seq != p->link.first_seq || ch->in.seq != p->link.first_seq;
}

/* All ranks have agreed that nothing is under way. Calls that are still open will not be
 * answered. */
static void begin_byes(struct fy_progress *p)
{
	p->close.byes = true;
	fy_engine_set_stopped(p->link.engine);
	fy_left_calls(p);
	fy_call_fail(&p->link, FERRY_ALL, FERRY_ESTOPPED,
	             "the engine was closed and nobody had answered");
	p->link.worked = true;
}

/* Nothing comes from a rank after its goodbye. Once all goodbyes have come the receives can end. */
static bool byes_done(struct fy_progress *p)
{
	bool done = true;
	fy_link_each (ch, &p->link) {
		if (ch->gone || !has_talked(p, ch))
			continue;
		if (!ch->bye.owed) {
			ch->bye.owed = true;
			fy_channel_mark(&p->link, ch);
		}
		if (!ch->bye.sent || !ch->bye.seen || ch->out.flight)
			done = false;
	}
	return done && !p->arrivals.homeless; /* those may be goodbyes of ranks without a channel */
}

/* Make channels to the neighbours in the tree, so that they are told, too: they wait for this
 * rank's part of the agreement. */
static void open_to_neighbours(struct fy_progress *p)
{
	int me = p->link.engine->rank, near[3] = { (me - 1) / 2, 2 * me + 1, 2 * me + 2 };
	for (int i = 0; i < 3; i++)
		if (near[i] < p->link.engine->size)
			fy_peer_get(p, near[i]);
}

/* A rank that ends by itself tells all others, also those that it never talked to. */
static void open_to_all(struct fy_progress *p)
{
	for (int rank = 0; rank < p->link.engine->size; rank++)
		fy_peer_get(p, rank);
}

static void say_that_it_leaves(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	if (!p->lookout.on || words->given_up || ch->bye.sent)
		return;
	words->given_up = true;
	fy_words_owe(p, ch, FY_WORD_LEAVES);
}

/* This rank ends by itself, or the others do not come to an end: the rest of the close is this
 * rank's own matter. */
static void give_up(struct fy_progress *p)
{
	ferry *e = p->link.engine;
	const char *why =
		p->close.aborted ? e->end.text : "the engine was closed while a rank was gone";
	if (p->close.aborted || p->lookout.on)
		open_to_all(p);
	else
		open_to_neighbours(p);
	p->close.gave_up_at = p->link.now;
	p->close.byes = p->close.finished = true;
	p->close.clean = false;
	if (!p->close.aborted)
		e->status = FERRY_EPEER;
	fy_engine_set_stopped(e);
	fy_command_fail_all(p, p->close.aborted ? FERRY_ESTOPPED : FERRY_EPEER);
	fy_left_calls(p);
	fy_link_each (ch, &p->link) {
		say_that_it_leaves(p, ch);
		fy_gone_end(p, ch, FERRY_ESTOPPED, why);
	}
	if (p->agree.kind == FY_AGREE_FENCE)
		fy_agree_complete(&p->agree, FERRY_ESTOPPED, why);
	fy_call_fail(&p->link, FERRY_ALL, FERRY_ESTOPPED, why);
	fy_lanes_abandon(p, FERRY_ESTOPPED);
}

void fy_close_abort(struct fy_progress *p, int status, const char *why)
{
	ferry *e = p->link.engine;
	if (p->close.aborted || p->close.gave_up_at || p->close.stopped)
		return;
	p->close.aborted = p->close.begun = true;
	e->status = status;
	snprintf(e->end.text, sizeof e->end.text, "%s", why);
	fy_log_at(e->log, FERRY_LOG_WARNING,
	          "this rank ends without the others, who are told: %s; its close returns %s", why,
	          ferry_strname(status));
	p->link.worked = true;
}

int64_t fy_close_late_at(const struct fy_progress *p)
{
	int64_t since = p->lookout.gone_at ? p->lookout.gone_at : p->losses.since;
	int64_t patience = p->link.options->close_timeout;
	if (!since || !p->close.called_at || patience == FERRY_NONE)
		return INT64_MAX;
	if (since < p->close.called_at)
		since = p->close.called_at;
	return patience < INT64_MAX - since ? since + patience : INT64_MAX;
}

static bool must_give_up(const struct fy_progress *p)
{
	if (p->close.aborted)
		return true;
	return p->losses.since && (!p->lookout.on || p->link.now >= fy_close_late_at(p));
}

/* The engine stops. If a rank is gone MPI is left alone, as it may have memory for that one. */
static void end(struct fy_progress *p)
{
	p->close.stopped = true;
	p->close.clean = !p->losses.since && fy_words_are_over(p);
	if (!p->close.clean)
		p->link.engine->status = FERRY_EPEER;
}

/* A word to a rank that has died may be under way for ever. Others have a moment: who was left out
 * of the crew and lives is told so. */
static bool words_are_over(struct fy_progress *p)
{
	if (p->losses.since)
		return !p->words.open;
	/* it may have died after its goodbye, so that it is not missed */
	bool late = p->lookout.on && p->link.now - p->close.finished_at > p->lookout.crew.timeout;
	return late || fy_words_are_over(p);
}

/* Cancel again the receives that MPI has not cancelled. After CANCEL_LIMIT the close ends without
 * them: their memory is not freed, because MPI may still write to it. MPI can be finalized all the
 * same, because all ranks have parted. */
static void take_back_receives(struct fy_progress *p)
{
	struct fy_close *close = &p->close;
	ferry *e = p->link.engine;
	if (p->link.now - close->cancelled_at >= CANCEL_AGAIN) {
		close->cancelled_at = p->link.now;
		fy_receives_cancel(p);
	}
	if (p->link.now - close->finished_at < CANCEL_LIMIT)
		return;
	if (p->losses.since) {
		end(p);
		return;
	}
	e->status = FERRY_EMPI;
	snprintf(e->end.text, sizeof e->end.text,
	         "%u receives could not be cancelled, their memory is left to MPI: %s",
	         p->receives.n_posted, p->link.port->ops->error(p->link.port));
	fy_log_at(e->log, FERRY_LOG_ERROR, "%s; nothing was lost, and MPI can be finalized",
	          e->end.text);
	p->link.port->parted = true;
	close->clean = false;
	close->stopped = true;
}

void fy_close_step(struct fy_progress *p)
{
	struct fy_close *close = &p->close;
	if (close->stopped)
		return;
	if (close->look)
		close->look(close->look_arg);
	if (close->gave_up_at || must_give_up(p)) {
		if (!close->gave_up_at)
			give_up(p);
		close->stopped = !p->words.open || p->link.now - close->gave_up_at > TELL_TIME;
		return;
	}
	if (p->agree.everybody && (fy_bulk_lacks_budget(&p->bulk) || fy_credit_lacks(&p->link)))
		fy_mail_drop(p);
	if (close->drained && !close->byes)
		begin_byes(p);
	if (close->byes && !close->finished && byes_done(p)) {
		close->finished = true;
		close->finished_at = close->cancelled_at = p->link.now;
		fy_receives_cancel(p);
	}
	if (close->byes && p->starts)
		p->starts->ops->end(p->starts);
	if (close->finished && !p->receives.n_posted && !p->link.tasks.first && words_are_over(p) &&
	    !p->commands.first && !(p->starts && p->starts->under_way))
		end(p);
	if (close->finished && p->receives.n_posted)
		take_back_receives(p);
}

void fy_close_begin(struct fy_progress *p)
{
	p->close.begun = true;
	if (!p->close.called_at)
		p->close.called_at = p->link.now;
	for (struct fy_lane *lane = p->lanes.all; lane; lane = lane->all_next)
		fy_lane_nudge(lane); /* so that posters that wait for room leave */
	fy_agree_join(p, FY_AGREE_CLOSE);
}
