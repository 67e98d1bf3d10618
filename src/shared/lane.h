/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lane: the ring through which one application thread hands records to the holder of the helm.
 * It has one producer and one consumer, and bytes instead of slots, because records differ in
 * length. Neither side waits for the other unless the ring is full; then the producer sleeps on
 * `room`.
 *
 * Records never wrap. Where one does not fit before the end of the ring, a PAD record fills the
 * rest. `head` and `tail` count bytes since the beginning. They are never reduced modulo the size,
 * so that full and empty differ.
 *
 * The memory-model argument. The producer writes the record, then stores `tail` with release. The
 * consumer loads `tail` with acquire, and so sees the record. The consumer copies the record out,
 * then stores `head` with release. The producer loads `head` with acquire before it overwrites
 * those bytes.
 *
 * Sleeping. The producer sets `wants_room`, fences, and loads `head`. The consumer stores `head`,
 * then loads `wants_room`, without a fence. So either the producer sees the room, or the consumer
 * sees the sleeper, except while the consumer's store is not visible yet. For that case the
 * producer looks once more after a while.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "wire/record.h"
#include "shared/habit.h"
#include "shared/seats.h"

struct ferry;

#define FY_LANE_BYTES (128u * 1024)
#define FY_LANE_INLINE 4096u /* a longer body goes by pointer */
/* A sleeping producer is woken once so many bytes, or fewer, are in the ring. With more it would
 * soon sleep again. */
#define FY_LANE_NUDGE (FY_LANE_BYTES / 2)
/* A waiting producer has room when a quarter of the ring is free, so that it does not go on for one
 * record only. */
#define FY_LANE_ROOM (FY_LANE_BYTES / 4)
/* After so long a sleeping producer looks by itself, in case the helm did not see it. Long, because
 * the window for a missed wake-up is a few nanoseconds, while every early look costs two context
 * switches. */
#define FY_LANE_LOOK_AGAIN FERRY_MS(10)

/* Where the last fence and the last agreement found the tail; the helm's. */
struct fy_lane_marks {
	/* the tail when the last fence began. Records before it without a tag are of the colour
	 * that counted before that fence */
	uint64_t fence;
	uint64_t agree; /* the tail when an agreement began */
};

/* How the drain treats this lane among others; the helm's. */
struct fy_lane_turn {
	/* when its producer was last seen asleep without room, in ns; 0: never */
	int64_t flooded_at;
	uint64_t share;  /* bytes that were taken from it in its turn among floods */
	bool lacks_room; /* when the drain last looked there was no room for its record */
};

/* The word on which a producer without room sleeps, and whether it does. */
struct fy_lane_sleep {
	/* futex: the helm adds 1 when a waiting producer has room again; read by the producer */
	uint32_t word;
	/* 1: the producer sleeps or is about to. Set by the producer (swap), cleared by the helm
	 * (swap) and by the producer when it goes on (relaxed: at worst it is woken for nothing) */
	uint32_t wants_room;
};

/* Since when records wait in it; the helm's. */
struct fy_lane_seen {
	uint64_t upto; /* the tail when a sample saw some */
	int64_t at;    /* and when (ns) that was; 0: never */
};

/* How long the lane lives: its thread and the engine each have a reference. */
struct fy_lane_life {
	uint32_t left; /* set by the exiting thread (release), read by the helm: no more records */
	uint32_t refs; /* the thread's and the engine's: atomic add by both */
	/* 1: the engine's reference was given back, and the thread may forget the lane. Set
	 * (release) by the helm, when it has seen `left` or stops, or by the thread, if the engine
	 * stopped before it knew the lane. Read by the thread (acquire) */
	uint32_t let_go;
	uint32_t known; /* the helm's: the lane is on the list of all lanes */
};

struct fy_lane {
	/* The producer's line. */
	/* written by the producer (release), read by the helm (acquire) */
	FY_ALIGNED uint64_t tail;
	uint64_t head_seen; /* the producer's: what it last loaded of `head` */
	/* the lane's number, constant, and a tag while the producer runs a handler (the
	 * producer's) */
	uint32_t stream;
	/* 1 while the helm looks at this lane: set by whoever lists it (swap), cleared by the helm
	 * before a process-wide barrier (helm/lanes.c) */
	uint32_t listed;
	uint32_t quick; /* the producer's: it has waited, so its next call may drive the engine */
	/* the producer's: its stock of references of the engine (fy_lane_retain_engine) */
	uint32_t engine_refs;
	char *ring;                  /* constant */
	uint64_t serial;             /* constant: the engine's */
	struct fy_lane *thread_next; /* the producer's: in the list of its thread's lanes */
	struct ferry *engine;        /* constant; the lane has a reference of it */
	/* by colour: the tail when the producer's last handler with a tag of that colour ended.
	 * Written by the producer (release) before it counts the handler, read by the helm
	 * (acquire) after it has read that count */
	uint64_t handler_end[2];
	struct fy_seat seat; /* constant: of engine->numbers.seats */
	/* The consumer's line: the helm's, except that the producer reads `head`. */
	/* written by the helm (release), read by the producer (acquire) */
	FY_ALIGNED uint64_t head;
	uint64_t tail_seen;   /* what the helm last loaded of `tail` */
	struct fy_lane *next; /* in the list of lanes with work */
	struct fy_lane_marks marks;
	struct fy_lane_turn turn;
	/* Rarely touched. */
	FY_ALIGNED struct fy_lane_sleep sleep;
	struct fy_lane_seen seen;
	struct fy_lane_life life;
	struct fy_habit habit;
	struct fy_lane *all_next; /* the helm's list of all lanes */
	fy_inbox_entry entry;     /* its place among the newly active lanes */
};

_Static_assert(offsetof(struct fy_lane, ring) < FY_CACHE_LINE, "a post touches the first line");
_Static_assert(offsetof(struct fy_lane, head) % FY_CACHE_LINE == 0, "and the helm another one,");
_Static_assert(offsetof(struct fy_lane, turn) + sizeof(struct fy_lane_turn) <=
                       offsetof(struct fy_lane, head) + FY_CACHE_LINE,
               "with all that it writes");

uint32_t fy_lane_tag_posts(struct fy_lane *lane, uint32_t tag);

struct fy_lane *fy_lane_create(struct ferry *engine, uint64_t serial, uint32_t stream);
void fy_lane_release(struct fy_lane *lane);

/* Producer: where to write a record of `size` bytes. NULL: the lane is full. */
struct fy_record *fy_lane_reserve_slow(struct fy_lane *lane, uint32_t size);

static inline struct fy_record *fy_lane_reserve(struct fy_lane *lane, uint32_t size)
{
	uint32_t at = (uint32_t)lane->tail & (FY_LANE_BYTES - 1);
	if (fy_likely(at + size <= FY_LANE_BYTES &&
	              lane->tail + size - lane->head_seen <= FY_LANE_BYTES))
		return fy_record_at(lane->ring + at);
	return fy_lane_reserve_slow(lane, size);
}
/* Producer: publish the record that was written at fy_lane_reserve's place. */
static inline void fy_lane_publish(struct fy_lane *lane, uint32_t size)
{
	fy_store_release_64(&lane->tail, lane->tail + size);
}
/* Consumer: is there something to take? */
static inline bool fy_lane_has_work(struct fy_lane *lane)
{
	lane->tail_seen = fy_load_acquire_64(&lane->tail);
	return lane->tail_seen != lane->head;
}
static inline struct fy_record *fy_lane_at(const struct fy_lane *lane, uint64_t position)
{
	return fy_record_at(lane->ring + (position & (FY_LANE_BYTES - 1)));
}
/* Consumer: give all bytes before `head` back to the producer. Wake it if it waits and at least
 * half of the ring is free. */
void fy_lane_consume(struct fy_lane *lane, uint64_t head);
/* Producer: sleep until there is room for `size`, or until `until` (monotonic ns). False: there is
 * none, because the time is up or *stop is set. */
bool fy_lane_await_room(struct fy_lane *lane, uint32_t size, int64_t until, const uint32_t *stop);
/* Any thread: make a producer that sleeps look again. */
void fy_lane_nudge(struct fy_lane *lane);

#define FY_LANE_REFS_MAX 256u

/* fy_engine_retain for the frequent messages of a thread. The lane has a stock of references, so
 * that threads do not contend for the engine's word at every call. Only the lane's thread touches
 * the stock. It goes back with the lane, together with the lane's own reference. */
void fy_lane_retain_engine(struct fy_lane *lane);
/* Give a part of the stock back to the engine. The engine's last reference is never among it. */
void fy_lane_return_some(struct fy_lane *lane);
/* Put one reference back into the stock. */
static inline void fy_lane_release_engine(struct fy_lane *lane)
{
	if (++lane->engine_refs >= FY_LANE_REFS_MAX)
		fy_lane_return_some(lane);
}
