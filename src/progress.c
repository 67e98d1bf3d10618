/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress loop. A step looks once at everything and returns; the thread
 * is a loop around it, so that the whole engine runs step by step in tests.
 *
 * The helm: whoever holds it may step. The progress thread holds it while it
 * works and lets go of it when it yields or sleeps; a thread that waits for a
 * future may take it meanwhile (fy_engine_drive in helm.c).
 *
 * Idle: spin a while, yield a while, then sleep on the wake word, for ever
 * longer up to a bound, but for so long only as nothing that MPI alone can tell is waited for.
 */
#include "progress.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "executor.h"
#include "log.h"
#include "options.h"
#include "place.h"
#include "program.h"
#include "status.h"

/* How long the loop yields before it sleeps: to wake an idle processor takes 10 to 50 us. Less
 * where ranks outnumber the processors. */
#define YIELD_ALONE FERRY_US(100)
#define YIELD_CROWDED FERRY_US(5)
/* How long a thread that waits looks on while chunks are under way and nothing is to be done for
 * them: on one host one takes up to 0.4 ms, and a thread that sleeps meanwhile is woken 30 us
 * too late. */
#define DRIVE_BUSY_ALONE FERRY_MS(1)
#define DRIVE_BUSY_ELSE FERRY_US(50)
/* between two looks whether threads still drive, or left work to a wait that did not come */
#define STAND_BY_MAX FERRY_MS(1)
#define SLEEP_BUSY FERRY_US(20) /* MPI has something of ours under way */
/* the same, all of it to or from other hosts: what its buffers hold goes on meanwhile */
#define SLEEP_WIRE FERRY_US(500)
#define SLEEP_AWAITED FERRY_US(50) /* an answer from another host is waited for */
/* other hosts' word in a fence or close is waited for: a few come, one after the other */
#define SLEEP_AGREED FERRY_MS(1)
/* the program's own requests, which nobody rings for, found idle */
#define SLEEP_STARTED FERRY_US(500)
#define TELL_TIME FERRY_MS(200) /* a close that gives up: MPI has so long to tell the other ranks */
#define RUNG_FOR FERRY_MS(2)    /* how long a message is looked out for after a ring */
#define SLEEP_RUNG FERRY_MS(5)  /* likewise from this host: its rank rings, this is for safety */
#define SLEEP_LOCAL FERRY_MS(100)  /* all ranks are on this host and ring */
#define CANCEL_AGAIN FERRY_MS(100) /* what was not cancelled is asked for again, */
#define CANCEL_LIMIT FERRY_S(5)    /* and given up */

/* ---- inboxes ---------------------------------------------------------------------- */

static void collect_commands(struct fy_progress *p)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->commands);
	struct fy_command *first = NULL, *last = NULL;
	while (entry) {
		struct fy_command *c =
			(struct fy_command *)(void *)((char *)entry -
		                                      offsetof(struct fy_command, entry));
		entry = CK_STACK_NEXT(entry);
		c->next = first;
		first = c;
		last = last ? last : c;
	}
	if (!first)
		return;
	*(p->commands_last ? &p->commands_last->next : &p->commands) = first;
	p->commands_last = last;
}

static void run_commands(struct fy_progress *p)
{
	if (fy_load_relaxed_ptr(&p->engine->commands.head))
		collect_commands(p);
	struct fy_command *again = NULL, *again_last = NULL, *next;
	p->commands_press = false;
	for (struct fy_command *c = p->commands; c; c = next) {
		next = c->next;
		if (c->run(p, c)) {
			fy_store_release_32(&c->done, 1);
			/* c may be gone from here on: the word is only a key */
			fy_futex_wake(&c->done, 1, false);
			p->worked = true;
			continue;
		}
		c->next = NULL;
		*(again_last ? &again_last->next : &again) = c;
		again_last = c;
		p->commands_press |= !c->patient;
	}
	p->commands = again;
	p->commands_last = again_last;
}

void fy_progress_fail_commands(struct fy_progress *p, int status)
{
	while (p->commands) {
		struct fy_command *c = p->commands;
		p->commands = c->next;
		c->status = status;
		fy_store_release_32(&c->done, 1);
		fy_futex_wake(&c->done, 1, false);
	}
	p->commands_last = NULL;
}

/* Memory that the program gave back goes to its sender's credit. */
static void return_credit(struct fy_progress *p)
{
	ck_stack_entry_t *entry = ck_stack_batch_pop_upmc(&p->engine->accounts);
	while (entry) {
		struct fy_account *a =
			(struct fy_account *)(void *)((char *)entry -
		                                      offsetof(struct fy_account, entry));
		entry = CK_STACK_NEXT(entry);
		fy_store_release_32(&a->dirty, 0);
		fy_fence_full(); /* what is added after this look finds dirty at 0 */
		uint64_t returned = fy_load_acquire_64(&a->returned);
		fy_channel_returned(p, p->channels[a->rank], returned - a->seen);
		a->seen = returned;
		p->worked = true;
	}
}

static void complete_rooms(struct fy_progress *p)
{
	for (ferry_future **at = &p->rooms; *at;) {
		ferry_future *f = *at;
		struct fy_channel *ch = p->channels[f->id];
		bool full =
			fy_bodies_full(p->engine, (int)f->id) || (ch && (ch->full || ch->queue));
		if (full && !(ch && ch->gone)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		fy_future_complete(f, ch ? ch->gone : 0, NULL);
		p->worked = true;
	}
}

/* ---- close ---------------------------------------------------------------------------- */

static bool has_talked(const struct fy_progress *p, const struct fy_channel *ch)
{
	return ch->seq_out != p->first_seq || ch->seq_in != p->first_seq;
}

/* Everybody agreed that nothing is under way. What is still open now nobody will answer. */
static void begin_byes(struct fy_progress *p)
{
	p->byes = true;
	fy_engine_set_stopped(p->engine);
	fy_call_fail(p, FERRY_ALL, FERRY_ESTOPPED, "the engine was closed and nobody had answered");
	p->worked = true;
}

/* After a goodbye nothing comes from that rank: when all have come, the receives can go. */
static bool byes_done(struct fy_progress *p)
{
	bool done = true;
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		if (ch->gone || !has_talked(p, ch))
			continue;
		if (!ch->bye_owed) {
			ch->bye_owed = true;
			fy_channel_mark(p, ch);
		}
		if (!ch->bye_sent || !ch->bye_seen || ch->flight)
			done = false;
	}
	return done && !p->homeless; /* whose sender is still to be met */
}

/* Who waits for this rank's part of the agreement is told, too, though nothing was ever
 * sent there. */
static void open_to_neighbours(struct fy_progress *p)
{
	int me = p->engine->rank, near[3] = { (me - 1) / 2, 2 * me + 1, 2 * me + 2 };
	for (int i = 0; i < 3; i++)
		if (near[i] < p->engine->size)
			fy_channel_get(p, near[i]);
}

/* A rank is gone: the rest of the close is local. */
static void give_up(struct fy_progress *p)
{
	open_to_neighbours(p);
	p->gave_up_at = p->now;
	p->byes = p->finished = true;
	p->clean = false;
	p->engine->status = FERRY_EPEER;
	fy_engine_set_stopped(p->engine);
	fy_progress_fail_commands(p, FERRY_EPEER);
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
		fy_channel_gone(p, ch, FERRY_ESTOPPED,
		                "the engine was closed while a rank was gone");
	fy_call_fail(p, FERRY_ALL, FERRY_ESTOPPED, "the engine was closed while a rank was gone");
	fy_outgoing_abandon(p, FERRY_ESTOPPED);
}

/* A receive that MPI did not cancel is asked for again. When it does not come back the close
 * ends without it: what MPI may still write to is kept, and all ranks have parted, so that MPI
 * can be finalized. */
static void take_back_receives(struct fy_progress *p)
{
	ferry *e = p->engine;
	if (p->now - p->cancelled_at >= CANCEL_AGAIN) {
		p->cancelled_at = p->now;
		fy_dispatch_close(p);
	}
	if (p->now - p->finished_at < CANCEL_LIMIT)
		return;
	e->status = FERRY_EMPI;
	snprintf(e->close_text, sizeof e->close_text,
	         "%u receives could not be cancelled, their memory is left to MPI: %s", p->n_posted,
	         p->port->ops->error(p->port));
	fy_log(e->log, "%s", e->close_text);
	p->port->parted = true;
	p->clean = false;
	p->stopped = true;
}

static void step_close(struct fy_progress *p)
{
	if (p->stopped)
		return;
	if (p->close_look)
		p->close_look(p->close_look_arg);
	if (p->gone_since) {
		if (!p->gave_up_at)
			give_up(p);
		p->stopped = !p->n_telling || p->now - p->gave_up_at > TELL_TIME;
		return;
	}
	if (p->agree.everybody && (fy_transfer_blocked(p) || fy_channel_starved(p)))
		fy_dispatch_drop_mail(p);
	if (p->drained && !p->byes)
		begin_byes(p);
	if (p->byes && !p->finished && byes_done(p)) {
		p->finished = true;
		p->finished_at = p->cancelled_at = p->now;
		fy_dispatch_close(p);
	}
	if (p->byes && p->starts)
		p->port->ops->starts->end(p);
	if (p->finished && !p->n_posted && !p->tasks && !p->commands &&
	    !(p->starts && p->starts->under_way)) {
		p->stopped = true;
		p->clean = true;
	}
	if (p->finished && p->n_posted)
		take_back_receives(p);
}

/* ---- the step ---------------------------------------------------------------------------- */

bool fy_progress_step(struct fy_progress *p, bool user_code)
{
	ferry *engine = p->engine;
	p->worked = false;
	p->user_code = user_code;
	p->now = p->port->ops->now(p->port);
	p->stats.steps++;
	ferry *before = fy_engine_begin(FY_STEPPING, engine);
	struct fy_wakes *wakes_before = fy_wakes_collect(&p->wakes);
	FY_PROGRAM_BEGIN("an inline handler", &fy_no_op);
	if (fy_load_relaxed_ptr(&engine->commands.head) || p->commands)
		run_commands(p);
	if (fy_load_relaxed_ptr(&engine->accounts.head))
		return_credit(p);
	if (fy_load_relaxed_ptr(&engine->tasks.head) || p->tasks)
		fy_dispatch_run_tasks(p);
	fy_dispatch_receives(p);
	if (p->n_early)
		fy_dispatch_paused(p);
	if (fy_unlikely(p->n_failed))
		fy_dispatch_look_for_gaps(p);
	if (fy_load_relaxed_64(&engine->mailbox.bytes))
		fy_dispatch_mail(p);
	if (p->flooded && p->wakes.count)
		fy_wakes_send_all(&p->wakes); /* what floods left comes behind who has an answer */
	fy_outgoing_replies(p);
	if (p->queued)
		fy_outgoing_queues(p);
	/* a post that races with the close does not follow the goodbye: it fails at the end */
	if (!p->byes)
		fy_outgoing_drain(p);
	if (p->dirty && (p->n_out || p->landing))
		/* neither an announcement nor a reply waits for a chunk to be copied */
		fy_channel_send_all(p);
	fy_transfer_step(p);
	if (p->starts && p->starts->under_way)
		p->port->ops->starts->step(p);
	fy_agree_step(p);
	if (p->closing)
		step_close(p);
	if (p->n_timers)
		fy_timer_run(p);
	if (p->freed)
		fy_outgoing_tell_freed(p);
	if (p->rooms)
		complete_rooms(p);
	if (p->dirty)
		fy_channel_send_all(p);
	fy_channel_test_sends(p);
	if (fy_load_relaxed_ptr(&engine->tasks.head) || p->tasks)
		fy_dispatch_run_tasks(p);
	FY_PROGRAM_END;
	fy_wakes_collect(wakes_before);
	fy_engine_end(FY_STEPPING, before);
	if (p->worked)
		p->worked_at = p->now;
	return p->worked;
}

/* Only at what MPI alone can tell, between two steps. */
bool fy_progress_look(struct fy_progress *p)
{
	ferry *before = fy_engine_begin(FY_STEPPING, p->engine);
	p->worked = false;
	p->user_code = false;
	p->now = p->port->ops->now(p->port);
	struct fy_wakes *wakes_before = fy_wakes_collect(&p->wakes);
	fy_channel_test_sends(p);
	fy_dispatch_receives(p);
	fy_wakes_collect(wakes_before);
	fy_engine_end(FY_STEPPING, before);
	return p->worked;
}

/* ---- idle ----------------------------------------------------------------------------------- */

bool fy_progress_has_input(struct fy_progress *p, bool user_code)
{
	ferry *e = p->engine;
	if (fy_load_relaxed_ptr(&e->commands.head) || fy_load_relaxed_ptr(&e->accounts.head) ||
	    fy_load_relaxed_ptr(&e->tasks.head))
		return true;
	return (user_code && p->tasks) || p->stopped || fy_outgoing_has_input(p);
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool is_under_way(const struct fy_progress *p)
{
	return p->n_flying || !fy_transfer_quiet(p) || p->dirty || p->commands_press ||
	       (p->finished && p->n_posted);
}

/* The time between two looks, longer and longer while they find nothing. */
static int64_t longer(struct fy_progress *p, int64_t most)
{
	int64_t t = at_most(p->idle_sleep, most);
	p->idle_sleep = at_most(t * 2, most);
	return t;
}

int64_t fy_progress_sleep_time(struct fy_progress *p)
{
	bool under_way = is_under_way(p);
	bool awaited = p->calls_open || p->drain_broke_off || p->n_pending || p->n_streams ||
	               p->queued || p->n_early; /* which may wait for memory */
	bool agreeing = p->agree.kind || p->closing;
	int64_t sleep_max = p->options->sleep_max ? p->options->sleep_max : FERRY_US(1);
	int64_t t;
	if (under_way && p->port->all_local)
		t = SLEEP_BUSY;
	else if (under_way && !p->calls_open)
		t = longer(p, SLEEP_WIRE);
	else if (under_way || awaited)
		t = p->port->all_local ? SLEEP_RUNG : SLEEP_AWAITED;
	else if (agreeing) /* whoever has something to say rings, on this host */
		t = longer(p, p->port->all_local ? SLEEP_LOCAL : at_most(sleep_max, SLEEP_AGREED));
	else if ((t = longer(p, sleep_max)) && p->port->all_local)
		t = SLEEP_LOCAL;
	if (p->agree.up_due)
		t = at_most(t, p->agree.again_at - p->now);
	if (p->starts && p->starts->under_way)
		t = at_most(t, at_most(p->idle_sleep, SLEEP_STARTED));
	if (p->rung_at && p->now - p->rung_at < RUNG_FOR)
		/* the ring may overtake the message, over TCP for one */
		t = at_most(t, SLEEP_AWAITED);
	if (p->drain_broke_off)
		/* then what waits for room moves out of the others' way */
		t = at_most(t, FY_STALL_MAX / 2);
	if (p->n_timers)
		t = at_most(t, p->timers[0].when - p->now);
	if (fy_load_relaxed_64(&p->engine->mailbox.bytes) && p->options->handler_grace > 0)
		t = at_most(t, p->options->handler_grace / 8);
	if (!p->port->all_local || under_way)
		t = at_most(t, sleep_max);
	return t > 0 ? t : 0;
}

/* Take the helm again, which threads that wait may have. As long as they drive, and leave nothing
 * undone that a step would find, this one sleeps on: to look costs whoever runs here 20 us. True
 * when any drove. Each look is a whole step, because one that counts as driving need not get a
 * processor soon. */
static bool come_back(struct fy_progress *p)
{
	ferry *engine = p->engine;
	bool driven = false, worked = false;
	for (int64_t nap = FY_NAP;; nap = at_most(nap * 2, STAND_BY_MAX)) {
		if (fy_helm_try(engine)) {
			if (!fy_load_acquire_32(&engine->drivers) || p->stopped ||
			    (worked = fy_progress_step(p, true)))
				break;
			fy_helm_give(engine);
		}
		if (!fy_helm_stand_by(engine, nap)) {
			fy_helm_take(engine);
			break;
		}
		driven = true;
	}
	if (driven)
		fy_wake_stay(&engine->wake);
	if (driven || worked)
		p->idle_sleep = SLEEP_AWAITED;
	return driven || worked;
}

/* Announce, look once more, sleep. Work that was given before the announcement is found by
 * the second look; whoever gives it later sees the word. Returns holding the helm. */
static void sleep_a_while(struct fy_progress *p)
{
	ferry *engine = p->engine;
	/* which is not for long: see SLEEP_WIRE */
	bool nap = !p->napped || (!p->port->all_local && is_under_way(p));
	if (!nap)
		fy_outgoing_delist(p);
	fy_store_release_32(&engine->napping, nap);
	fy_store_release_32(&engine->asleep, 1);
	fy_wake_announce(&engine->wake, nap);
	bool input = fy_outgoing_relist(p);
	if (fy_progress_step(p, true) || input || fy_progress_has_input(p, true)) {
		fy_wake_stay(&engine->wake);
		fy_store_release_32(&engine->asleep, 0);
		return;
	}
	int64_t t = fy_progress_sleep_time(p);
	uint64_t lends = fy_load_acquire_64(&engine->lends);
	if (nap)
		t = at_most(t, FY_NAP); /* nobody paid for the barrier: see wake.h */
	p->stats.sleeps++;
	fy_helm_give(engine);
	bool rung = fy_wake_sleep(&engine->wake, t);
	fy_store_release_32(&engine->asleep, 0);
	bool driven = come_back(p);
	if (rung)
		p->rung_at = p->port->ops->now(p->port);
	/* Nobody drove meanwhile, and nobody woke us: the next sleep may be long. */
	p->napped = !driven && lends == fy_load_acquire_64(&engine->lends);
}

static bool let_others(struct fy_progress *p)
{
	ferry *engine = p->engine;
	fy_helm_give(engine);
	if (!fy_load_acquire_32(&engine->drivers))
		sched_yield();
	return come_back(p);
}

/* Ranks that share a processor wait for each other's turn, not for what comes within
 * microseconds. */
void fy_progress_set_patience(struct fy_progress *p)
{
	bool crowded = p->port->ranks_here > fy_processors();
	p->idle_sleep = SLEEP_AWAITED;
	p->spin = crowded ? 0 : p->options->spin;
	p->yield = crowded ? YIELD_CROWDED : YIELD_ALONE;
	p->drive_busy = crowded || !p->port->all_local ? DRIVE_BUSY_ELSE : DRIVE_BUSY_ALONE;
}

void fy_progress_loop(struct fy_progress *p)
{
	ferry *engine = p->engine;
	int64_t idle_since = 0;
	fy_helm_take(engine);
	while (!p->stopped) {
		if (fy_progress_step(p, true)) {
			idle_since = 0;
			p->napped = false;
			p->idle_sleep = SLEEP_AWAITED;
			continue;
		}
		int64_t now = p->now;
		if (!idle_since)
			idle_since = now;
		/* What goes to another host takes longer than it pays to look for. */
		bool on_the_wire = !p->port->all_local && !p->calls_open && is_under_way(p);
		if (now - idle_since < p->spin)
			fy_pause();
		else if (now - idle_since < p->spin + p->yield && !on_the_wire) {
			/* Threads that wait drive: the next one finds the helm free when this
			 * one sleeps. */
			if (let_others(p))
				idle_since = now - p->spin - p->yield;
		} else
			sleep_a_while(p);
	}
	fy_helm_give(engine);
}

void fy_progress_begin_close(struct fy_progress *p)
{
	p->closing = true;
	for (struct fy_lane *lane = p->all_lanes; lane; lane = lane->all_next)
		fy_lane_nudge(lane); /* posters that wait for room leave */
	fy_agree_join(p, FY_AGREE_CLOSE);
}
