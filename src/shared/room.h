/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for posters: long bodies that are not sent yet, and the word on which posters sleep.
 * Posters wait, the helm tells.
 */
#ifndef FY_SHARED_ROOM_H
#define FY_SHARED_ROOM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"

#define FY_BODY_UNIT_SHIFT 10 /* of bodies_to */

/* Long bodies that are not sent yet, and the word on which posters without room sleep. */
struct fy_room {
	/* per rank, in units of 1 KiB: its part of `bodies`. Raised after that and lowered
	 * before it, by the same (atomic add), read by both (acquire): who sees it too low lets
	 * one more pass */
	uint32_t *bodies_to;
	/* futex: bumped by whoever gives room, at a rank that was full or in
	 * send_memory (fy_room_tell) */
	uint32_t word;
	uint32_t waiters; /* posters that wait for it: atomic add */
	/* bytes of long bodies that were posted and are not sent yet: raised by posters
	 * (compare-and-swap), lowered by the helm, or when the post fails after all by its
	 * poster (atomic add, which is what the fence of those who wait pairs with), read by
	 * both (acquire) */
	uint64_t bodies;
	uint64_t limit; /* constant: send_memory */
};

static inline uint32_t fy_room_body_units(size_t nbytes)
{
	return (uint32_t)((nbytes + (1u << FY_BODY_UNIT_SHIFT) - 1) >> FY_BODY_UNIT_SHIFT);
}

/*
 * While `unsent` bytes of long bodies are not sent yet, is there no room for another to this rank?
 * Each rank may hold as much as is left over: one slow rank has half of send_memory, two have a
 * third each, and there is always something left for the others. The last one that passes may be
 * of any size.
 */
static inline bool fy_room_bodies_full_at(const struct fy_room *room, int rank, uint64_t unsent)
{
	uint64_t its = (uint64_t)fy_load_acquire_32(&room->bodies_to[rank]) << FY_BODY_UNIT_SHIFT;
	return unsent + its >= room->limit;
}
static inline bool fy_room_bodies_full(const struct fy_room *room, int rank)
{
	return fy_room_bodies_full_at(room, rank, fy_load_acquire_64(&room->bodies));
}

static inline void fy_room_bodies_lower(struct fy_room *room, int rank, size_t nbytes)
{
	fy_add_32(&room->bodies_to[rank], -fy_room_body_units(nbytes));
	fy_add_64(&room->bodies, -(uint64_t)nbytes);
}

/* Posters that wait for room look again. A full fence (the read-modify-write) stands between what
 * gave room and the look at who waits; a waiter counts itself, fences, and looks for room. */
static inline void fy_room_tell(struct fy_room *room)
{
	fy_add_32(&room->word, 1);
	if (fy_load_acquire_32(&room->waiters))
		fy_futex_wake(&room->word, INT_MAX, false);
}

#endif
