/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of many posts.
 *
 * 1. Posted. Each thread counts what it posts in a part of its own, which it finds by its lane's
 *    seat. No other thread writes there, so that takes no locked instruction. The number of all is
 *    the sum of the parts. A thread without a seat, or without memory for a part, adds to one word
 *    that it shares with others of its kind.
 * 2. Done. The helm adds to one word. There is one holder of the helm, so `failed`, `why` and
 *    FY_COUNTER_BUSY have one writer.
 * 3. Targets. A thread that waits for a number puts a future into a list, ordered by number,
 *    writes the lowest number, and then sets WATCHED by an atomic step on `done`. If the helm's
 *    step comes later, the helm sees WATCHED and the number. If it came before, that step tells the
 *    waiting thread that the number is reached. So that thread or the helm completes the future.
 * 4. The gate is around the list. The helm does not wait for it: if a thread is inside, the helm
 *    has that thread look again. Futures are completed outside of the gate, because a callback may
 *    run then. Threads of the program also hold aside.lock, so that a close finds all targets.
 * 5. The end. `done` has RELEASED from the release on, and `final` is how many were posted. The
 *    atomic step by which the counter is released and all are done frees it. While the helm is busy
 *    with targets it has set BUSY, and then only the step that clears BUSY may free: the program
 *    may release the counter as soon as a wait that this helm ended has returned.
 */
#include "shared/counter.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "future/future.h"
#include "shared/engine.h"
#include "shared/seats.h"

#define SPINS 64

ferry_counter *fy_counter_new(ferry *engine)
{
	ferry_counter *c = aligned_alloc(FY_CACHE_LINE, sizeof *c);
	if (!c)
		return NULL;
	memset(c, 0, sizeof *c);
	c->engine = engine;
	c->targets.lowest = UINT64_MAX;
	return c;
}

/* ---- posted -------------------------------------------------------------------------------- */

static struct fy_counter_part *make_parts(ferry_counter *c, uint32_t block)
{
	size_t nbytes = sizeof(struct fy_counter_part) << block;
	struct fy_counter_part *parts = aligned_alloc(FY_CACHE_LINE, nbytes);
	if (!parts)
		return NULL;
	memset(parts, 0, nbytes);
	if (fy_cas_ptr(&c->blocks[block], NULL, parts))
		return parts;
	free(parts); /* another thread was faster */
	return fy_load_acquire_ptr(&c->blocks[block]);
}

void fy_counter_count_slow(ferry_counter *c, const struct fy_seat *seat, int64_t n)
{
	if (seat->number != FY_SEAT_NONE && make_parts(c, seat->block))
		fy_counter_count(c, seat, n);
	else
		fy_add_64(&c->posted_apart, (uint64_t)n);
}

uint64_t fy_counter_posted(const ferry_counter *c)
{
	uint64_t posted = fy_load_acquire_64(&c->posted_apart);
	for (uint32_t block = 0; block < FY_SEAT_BLOCKS; block++) {
		const struct fy_counter_part *parts = fy_load_acquire_ptr(&c->blocks[block]);
		for (uint32_t i = 0; parts && i < 1u << block; i++)
			posted += fy_load_relaxed_64(&parts[i].posted);
	}
	return posted;
}

/* ---- targets ------------------------------------------------------------------------------- */

/* Set or clear bits. Returns the word behind that. */
static uint64_t change(ferry_counter *c, uint64_t set, uint64_t clear)
{
	uint64_t old;
	do {
		old = fy_load_relaxed_64(&c->done);
	} while (!fy_cas_64(&c->done, old, (old | set) & ~clear));
	return (old | set) & ~clear;
}

/* Inside of the gate: note the lowest number. Returns how many are done. */
static uint64_t settle(ferry_counter *c)
{
	const ferry_future *first = c->targets.first;
	fy_store_relaxed_64(&c->targets.lowest, first ? first->id : UINT64_MAX);
	return change(c, first ? FY_COUNTER_WATCHED : 0, first ? 0 : FY_COUNTER_WATCHED) /
	       FY_COUNTER_ONE;
}

/* Inside of the gate: move targets that are reached to the end of a list. */
static void take_reached(ferry_counter *c, ferry_future ***end)
{
	while (c->targets.first && c->targets.first->id <= settle(c)) {
		ferry_future *f = c->targets.first;
		c->targets.first = f->next;
		f->next = NULL;
		**end = f;
		*end = &f->next;
	}
	settle(c);
}

static bool try_gate(ferry_counter *c)
{
	return fy_cas_32(&c->targets.gate, 0, 1);
}

/* For threads of the program: the one inside may be preempted. */
static void enter_gate(ferry_counter *c)
{
	for (unsigned tries = 0; !try_gate(c); tries++) {
		if (tries < SPINS)
			fy_pause();
		else
			sched_yield();
	}
}

/* Take what is reached and leave the gate. */
static void leave_gate(ferry_counter *c, ferry_future ***end)
{
	take_reached(c, end);
	while (!fy_cas_32(&c->targets.gate, 1, 0)) {
		fy_store_relaxed_32(&c->targets.gate, 1); /* the helm was here */
		take_reached(c, end);
	}
}

/* For the helm: look at the targets, or have the thread that is inside do it. */
static void look(ferry_counter *c, ferry_future ***end)
{
	for (;;) {
		if (try_gate(c)) {
			leave_gate(c, end);
			return;
		}
		if (fy_cas_32(&c->targets.gate, 1, 2) || fy_load_acquire_32(&c->targets.gate) == 2)
			return;
	}
}

static void complete_all(ferry_future *list, int status, const char *detail)
{
	while (list) {
		ferry_future *f = list;
		list = f->next;
		f->next = NULL;
		fy_future_complete(f, status, detail);
	}
}

/* With what the counter has come to. */
static void complete_reached(const ferry_counter *c, ferry_future *list)
{
	int status = (int)fy_load_acquire_32(&c->failed);
	complete_all(list, status, status ? c->why : NULL);
}

static void insert(ferry_counter *c, ferry_future *target)
{
	ferry_future **at = &c->targets.first;
	while (*at && (*at)->id <= target->id)
		at = &(*at)->next;
	target->next = *at;
	*at = target;
}

/* Under aside.lock. */
static void enlist(ferry_counter *c)
{
	struct fy_counter_targets *t = &c->targets;
	if (t->listed)
		return;
	t->listed = true;
	t->at = &c->engine->aside.counters;
	t->next = *t->at;
	*t->at = c;
	if (t->next)
		t->next->targets.at = &t->next;
}

/* Under aside.lock. */
static void delist(ferry_counter *c)
{
	struct fy_counter_targets *t = &c->targets;
	if (!t->listed)
		return;
	t->listed = false;
	*t->at = t->next;
	if (t->next)
		t->next->targets.at = t->at;
}

int fy_counter_add_target(ferry_counter *c, uint64_t value, ferry_future *target)
{
	ferry_future *reached = NULL, **end = &reached;
	target->id = value;
	pthread_mutex_lock(&c->engine->aside.lock);
	bool stopped = fy_engine_has_stopped(c->engine) && fy_counter_done(c) < value;
	if (!stopped) {
		enlist(c);
		enter_gate(c);
		insert(c, target);
		leave_gate(c, &end);
	}
	pthread_mutex_unlock(&c->engine->aside.lock);
	complete_reached(c, reached);
	return stopped ? fy_fail(FERRY_ESTOPPED, "the engine was closed before so many were done")
	               : FERRY_OK;
}

void fy_counter_drop_target(ferry_counter *c, ferry_future *target)
{
	ferry_future *reached = NULL, **end = &reached, **at = &c->targets.first;
	pthread_mutex_lock(&c->engine->aside.lock);
	enter_gate(c);
	while (*at && *at != target)
		at = &(*at)->next;
	bool found = *at != NULL;
	if (found)
		*at = target->next;
	leave_gate(c, &end);
	pthread_mutex_unlock(&c->engine->aside.lock);
	if (found)
		ferry_future_release(target);
	complete_reached(c, reached);
}

/* The targets of one counter, which is on the engine's list. Under aside.lock. */
static ferry_future *take_all(ferry_counter *c)
{
	ferry_future *reached = NULL, **end = &reached;
	enter_gate(c);
	ferry_future *all = c->targets.first;
	c->targets.first = NULL;
	leave_gate(c, &end);
	return all;
}

void fy_counter_fail_targets(ferry *e)
{
	ferry_future *all = NULL;
	pthread_mutex_lock(&e->aside.lock);
	while (e->aside.counters) {
		ferry_counter *c = e->aside.counters;
		delist(c);
		for (ferry_future *f = take_all(c), *next; f; f = next) {
			next = f->next;
			f->next = all;
			all = f;
		}
	}
	pthread_mutex_unlock(&e->aside.lock);
	complete_all(all, FERRY_ESTOPPED, "the engine was closed before so many were done");
}

/* ---- done ---------------------------------------------------------------------------------- */

/* Nobody has the counter any more. What still waits would do so for ever: its number was not
 * posted. */
static void destroy(ferry_counter *c)
{
	ferry *e = c->engine;
	pthread_mutex_lock(&e->aside.lock);
	delist(c);
	pthread_mutex_unlock(&e->aside.lock);
	complete_all(c->targets.first, FERRY_ECANCELED,
	             "the counter was released before so many were posted");
	for (uint32_t block = 0; block < FY_SEAT_BLOCKS; block++)
		free(c->blocks[block]);
	free(c->why);
	free(c);
	fy_engine_release(e);
}

static bool is_over(uint64_t word, uint64_t final)
{
	return word & FY_COUNTER_RELEASED && !(word & FY_COUNTER_BUSY) &&
	       word / FY_COUNTER_ONE == final;
}

void fy_counter_release(ferry_counter *c)
{
	uint64_t final = fy_counter_posted(c);
	c->final = final;
	/* from here on the helm may free the counter, unless that is for this thread to do */
	if (is_over(change(c, FY_COUNTER_RELEASED, 0), final))
		destroy(c);
}

static void note_failure(ferry_counter *c, int status, const char *detail)
{
	if (fy_load_relaxed_32(&c->failed))
		return;
	c->why = detail ? strdup(detail) : NULL;
	fy_store_release_32(&c->failed, (uint32_t)status);
}

/* There were targets. The helm has set BUSY, and nobody frees the counter until it is cleared. */
static uint64_t tell(ferry_counter *c, uint64_t word)
{
	ferry_future *reached = NULL, **end = &reached;
	if (word / FY_COUNTER_ONE >= fy_load_relaxed_64(&c->targets.lowest)) {
		look(c, &end);
		complete_reached(c, reached);
	}
	return change(c, 0, FY_COUNTER_BUSY);
}

void fy_counter_add_done(ferry_counter *c, uint64_t n, int status, const char *detail)
{
	uint64_t old, word;
	if (fy_unlikely(status))
		note_failure(c, status, detail);
	do {
		old = fy_load_relaxed_64(&c->done);
		word = old + n * FY_COUNTER_ONE;
		if (old & FY_COUNTER_WATCHED)
			word |= FY_COUNTER_BUSY;
	} while (!fy_cas_64(&c->done, old, word));
	if (fy_unlikely(word & FY_COUNTER_BUSY))
		word = tell(c, word);
	if (fy_unlikely(word & FY_COUNTER_RELEASED) && is_over(word, c->final))
		destroy(c);
}

int fy_counter_outcome(const ferry_counter *c)
{
	int status = (int)fy_load_acquire_32(&c->failed);
	return fy_likely(!status) ? FERRY_OK
	                          : fy_fail(status, "%s", c->why ? c->why : ferry_strerror(status));
}
