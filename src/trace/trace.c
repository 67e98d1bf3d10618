/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing events. An event is five words and a sixth, its number, which is written last. `head` of
 * the ring is raised first. So whoever reads the file of a process that was killed knows which slot
 * was being written: its number is not the one that belongs there. Nobody reads while it is
 * written: only what is in the file matters, in whatever order it gets there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "trace/trace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/order.h"
#include "base/place.h"

#define LONG_STEP 50000 /* ns: such a step is written although nothing of it was */

static uint64_t serials; /* atomic add */

/* Which place this thread has in the table of the trace that it wrote to last, below the serial
 * of that: one word, as static thread-local storage is scarce. */
static FY_THREAD_LOCAL uint64_t here;
#define PLACE_BITS 16

struct fy_trace *fy_trace_open(const struct fy_trace_place *place,
                               int64_t (*now)(struct fy_port *port), struct fy_port *port,
                               char why[FY_TRACE_WHY])
{
	struct fy_trace *t = calloc(1, sizeof *t);
	if (!t) {
		snprintf(why, FY_TRACE_WHY, "no timeline: there is no memory for it");
		return NULL;
	}
	t->file = fy_trace_file_make(place, &t->nbytes, why);
	if (!t->file) {
		free(t);
		return NULL;
	}
	char *bytes = (char *)t->file;
	t->main_ring = (void *)(bytes + t->file->rings[FY_TRACE_MAIN].offset);
	t->aside_ring = (void *)(bytes + t->file->rings[FY_TRACE_ASIDE].offset);
	t->serial = fy_add_64(&serials, 1) + 1;
	t->every = place->every < UINT32_MAX ? (uint32_t)place->every : UINT32_MAX;
	t->now = now;
	t->port = port;
	return t;
}

void fy_trace_end(struct fy_trace *t)
{
	if (t)
		fy_trace_file_end(t->file);
}

void fy_trace_free(struct fy_trace *t)
{
	if (!t)
		return;
	fy_trace_file_unmap(t->file, t->nbytes);
	free(t);
}

/* A thread that writes for the first time gets a place in the table. */
static uint16_t register_thread(struct fy_trace *t)
{
	uint32_t i = fy_add_32(&t->file->n_threads, 1);
	uint16_t place = i < FY_TRACE_THREADS ? (uint16_t)i : FY_TRACE_NOBODY;
	here = t->serial << PLACE_BITS | place;
	if (i < FY_TRACE_THREADS) {
		t->file->threads[i].tid = (uint32_t)fy_place_thread();
		pthread_getname_np(pthread_self(), t->file->threads[i].name,
		                   sizeof t->file->threads[i].name);
	}
	return place;
}

static inline uint16_t this_thread(struct fy_trace *t)
{
	return fy_likely(here >> PLACE_BITS == t->serial) ? (uint16_t)here : register_thread(t);
}

static inline void write_slot(struct fy_trace_event *slot, uint64_t number, uint16_t thread,
                              int64_t time, const struct fy_trace_says *says)
{
	slot->time = time;
	slot->kind = says->kind;
	slot->flags = says->flags;
	slot->thread = thread;
	slot->peer = (uint32_t)says->peer;
	slot->op = says->op;
	slot->id = says->id;
	slot->extra = says->extra;
	slot->nbytes = says->nbytes;
	/* pairs with claim; of the helm's ring, whose slots nobody claims, with nothing */
	fy_store_release_32(&slot->number, (uint32_t)number + 1);
}

static inline void put(struct fy_trace *t, int64_t time, uint16_t thread,
                       const struct fy_trace_says *says)
{
	struct fy_trace_ring *ring = &t->file->rings[FY_TRACE_MAIN];
	uint64_t number = t->head++, slot = t->slot;
	t->slot = slot + 1 < ring->slots ? slot + 1 : 0;
	fy_store_relaxed_64(&ring->head, t->head);
	write_slot(&t->main_ring[slot], number, thread, time, says);
}

void fy_trace_put(struct fy_trace *t, int64_t time, const struct fy_trace_says *says)
{
	put(t, time, this_thread(t), says);
}

void fy_trace_put_of_lane(struct fy_trace *t, int64_t time, uint32_t lane,
                          const struct fy_trace_says *says)
{
	put(t, time, (uint16_t)(lane % FY_TRACE_LANES), says);
}

/* A thread that lost the processor in the middle of an event is still at its slot when the ring has
 * come round. Two that write one slot would leave parts of both below the number of one of them. So
 * an event is given up if its slot is being written, or has a later one. */
static inline bool claim(struct fy_trace_event *slot, uint32_t number)
{
	uint32_t old = fy_load_relaxed_32(&slot->number);
	if (fy_unlikely(old == FY_TRACE_WRITING || number == FY_TRACE_WRITING))
		return false;
	return (int32_t)(number - old) > 0 && fy_cas_32(&slot->number, old, FY_TRACE_WRITING);
}

void fy_trace_put_aside(struct fy_trace *t, int64_t time, const struct fy_trace_says *says)
{
	struct fy_trace_ring *ring = &t->file->rings[FY_TRACE_ASIDE];
	uint64_t number = fy_add_64(&ring->head, 1);
	struct fy_trace_event *slot = &t->aside_ring[number % ring->slots];
	if (fy_likely(claim(slot, (uint32_t)number + 1)))
		write_slot(slot, number, this_thread(t), time, says);
}

void fy_trace_lane(struct fy_trace *t, uint32_t lane)
{
	uint16_t thread = this_thread(t);
	if (thread != FY_TRACE_NOBODY)
		t->file->lanes[lane % FY_TRACE_LANES] = (uint16_t)(thread + 1);
}

void fy_trace_step(struct fy_trace *t, int64_t begun, bool worked)
{
	int64_t took = fy_trace_now(t) - begun;
	if (t->head != t->seen || took >= LONG_STEP || (worked && t->every == 1))
		fy_trace_put(t, begun,
		             &(struct fy_trace_says){ .kind = FY_TRACE_STEP,
		                                      .extra = (uint64_t)took });
	t->seen = t->head;
}

/* The clock is read only if it is written: `last` is nearly as late. */
void fy_trace_lent(struct fy_trace *t, int64_t begun, int64_t last, uint64_t head)
{
	if (t->head != head || last - begun >= LONG_STEP)
		fy_trace_put(t, begun,
		             &(struct fy_trace_says){
				     .kind = FY_TRACE_LEND,
				     .extra = (uint64_t)(fy_trace_now(t) - begun) });
	t->seen = t->head;
}

void fy_trace_slept(struct fy_trace *t, int64_t begun, int64_t ended)
{
	fy_trace_put(t, begun,
	             &(struct fy_trace_says){ .kind = FY_TRACE_SLEEP,
	                                      .extra = (uint64_t)(ended - begun) });
	t->seen = t->head;
}

void fy_trace_slept_aside(struct fy_trace *t, int64_t begun, int64_t ended)
{
	fy_trace_put_aside(t, begun,
	                   &(struct fy_trace_says){ .kind = FY_TRACE_SLEEP,
	                                            .extra = (uint64_t)(ended - begun) });
}
