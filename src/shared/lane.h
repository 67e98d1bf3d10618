/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lane: the ring through which one application thread hands records to
 * the holder of the helm. One producer, one consumer, bytes instead of slots
 * because records differ in length. Neither side waits for the other unless
 * the ring is full; then the producer sleeps on `room`.
 *
 * Records never wrap: where one does not fit before the end of the ring, a
 * PAD record fills the rest. `head` and `tail` count bytes since the
 * beginning and are never reduced modulo the size, so that full and empty differ.
 *
 * The memory-model argument: the producer writes the record, then stores
 * `tail` with release; the consumer loads `tail` with acquire and so sees the
 * record. The consumer copies the record out, then stores `head` with release; the producer
 * loads `head` with acquire before it overwrites those bytes.
 * Sleeping: the producer sets `waiting`, fences, and loads `head`; the consumer stores `head`
 * and then loads `waiting`, without a fence. Either the producer sees the room or the consumer the
 * sleeper, but for a store that is just on its way: so the producer looks once more after a while.
 */
#ifndef FY_SHARED_LANE_H
#define FY_SHARED_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/inbox.h"
#include "base/order.h"
#include "shared/habit.h"

struct ferry;
struct fy_record;

#define FY_LANE_BYTES (128u * 1024)
#define FY_LANE_INLINE 4096u /* a longer body goes by pointer */

/* Where the last fence and the last agreement found the tail; the helm's. */
struct fy_lane_marks {
	/* the tail when the last fence began. What is before it and has no tag is of
	 * the colour that was then */
	uint64_t fence;
	uint64_t agree; /* the tail when an agreement began */
};

/* How the drain treats this lane among others; the helm's. */
struct fy_lane_turn {
	/* when its producer was last seen asleep for want of room; 0: never */
	int64_t flooded_at;
	uint64_t share;       /* bytes that it took of it in its turn among floods */
	uint32_t idle_sleeps; /* sleeps since there was work in it */
	bool lacks_room;      /* its first record found no room when it was looked at last */
};

/* The word on which a producer without room sleeps, and that it does. */
struct fy_lane_sleep {
	/* futex: the helm adds 1 when a waiting producer has room again */
	uint32_t word;
	/* set by the producer that is about to sleep (swap), cleared by the helm (swap) and by the
	 * producer when it goes on (relaxed: at worst it is woken for nothing) */
	uint32_t wants_room;
};

/* Who still has the lane, and who has left it. */
struct fy_lane_life {
	uint32_t left; /* set by the exiting thread (release): nothing more will come */
	uint32_t refs; /* the thread's and the engine's (atomic add) */
	/* set by whoever gives back the engine's reference (release): by the helm, which saw
	 * `left`, or which stops; or by the thread, when the engine had stopped before it knew the
	 * lane. Read by the thread (acquire): it may forget this lane */
	uint32_t let_go;
	uint32_t known; /* it is on the list of all lanes */
};

struct fy_lane {
	/* The producer's line. */
	/* written by the producer (release), read by the helm (acquire) */
	FY_ALIGNED uint64_t tail;
	uint64_t head_seen; /* the producer's own copy of head */
	/* the number is constant; a handler of the producer has a tag with it, for what it posts
	 * (the producer's) */
	uint32_t stream;
	/* 1 while the helm looks at this lane: set by whoever lists it (swap), cleared by the helm
	 * before a process-wide barrier (helm/lanes.c) */
	uint32_t listed;
	uint32_t quick; /* the producer's: it has waited, so its next call may drive the engine */
	/* the producer's: references of the engine, for its messages (engine.h) */
	uint32_t engine_refs;
	char *ring;                  /* constant */
	uint64_t serial;             /* constant: the engine's, never reused */
	struct fy_lane *thread_next; /* the thread's own list of its lanes */
	struct ferry *engine;        /* constant; a reference of it, until the lane is freed */
	/* the tail when a handler of the producer with a tag of that colour ended last: written by
	 * the producer (release), read by the helm (acquire) after what it counts the handler by */
	uint64_t handler_end[2];
	/* The consumer's line, the helm's alone but for `head`. */
	/* written by the helm (release), read by the producer (acquire) */
	FY_ALIGNED uint64_t head;
	uint64_t tail_seen;   /* the helm's */
	struct fy_lane *next; /* the helm's list of lanes with work */
	struct fy_lane_marks marks;
	struct fy_lane_turn turn;
	/* Rarely touched. */
	FY_ALIGNED struct fy_lane_sleep sleep;
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

/* Producer: where a record of `size` bytes can be written, or NULL: full. */
struct fy_record *fy_lane_reserve_slow(struct fy_lane *lane, uint32_t size);

static inline struct fy_record *fy_lane_reserve(struct fy_lane *lane, uint32_t size)
{
	uint32_t at = (uint32_t)lane->tail & (FY_LANE_BYTES - 1);
	if (fy_likely(at + size <= FY_LANE_BYTES &&
	              lane->tail + size - lane->head_seen <= FY_LANE_BYTES))
		return (struct fy_record *)(void *)(lane->ring + at);
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
	return (struct fy_record *)(void *)(lane->ring + (position & (FY_LANE_BYTES - 1)));
}
/* Consumer: give everything before `head` back to the producer and wake it if it waits and much
 * is free. */
void fy_lane_consume(struct fy_lane *lane, uint64_t head);
/* Producer: sleep until there is room for `size`, or `until`. False: time is up or *stop is set. */
bool fy_lane_await_room(struct fy_lane *lane, uint32_t size, int64_t until, const uint32_t *stop);
/* Any thread: make a producer that sleeps look again. */
void fy_lane_nudge(struct fy_lane *lane);

#define FY_LANE_REFS_MAX 256u

/* fy_engine_retain for the frequent messages of a thread: its lane has some references in stock, so
 * that threads do not meet at the engine's word for every call. What a lane has is its thread's
 * alone, and goes back with the lane, together with the one of the lane itself. */
void fy_lane_retain_engine(struct fy_lane *lane);
/* Some of the stock go back, which is never the last. */
void fy_lane_return_some(struct fy_lane *lane);
/* One of them comes back. */
static inline void fy_lane_release_engine(struct fy_lane *lane)
{
	if (++lane->engine_refs >= FY_LANE_REFS_MAX)
		fy_lane_return_some(lane);
}

#endif
