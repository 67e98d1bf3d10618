/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for posters: how many bytes of long bodies are not sent yet, and the word on which posters
 * without room sleep. Posters wait, the helm wakes.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"

#define FY_BODY_UNIT_SHIFT 10 /* of bodies_to */

struct fy_room {
	/* by rank, in units of 1 KiB: its part of `bodies`. Raised after `bodies` and lowered
	 * before it, by the same threads (atomic add), read by them (acquire). So a reader may see
	 * it too low and admit one body too many, never one too few */
	uint32_t *bodies_to;
	/* futex: 1 is added by whoever gives room, at a rank that was full or in send_memory
	 * (fy_room_tell); read by posters that wait */
	uint32_t word;
	uint32_t waiters; /* posters that wait on `word`: atomic add by them */
	/* bytes of long bodies that were posted and are not sent yet: raised by posters
	 * (compare-and-swap), lowered by the helm, or by the poster if the post fails (atomic add,
	 * with which the fence of waiting posters pairs), read by both (acquire) */
	uint64_t bodies;
	uint64_t limit; /* constant: send_memory */
};

static inline uint32_t fy_room_body_units(size_t nbytes)
{
	return (uint32_t)((nbytes + (1u << FY_BODY_UNIT_SHIFT) - 1) >> FY_BODY_UNIT_SHIFT);
}

/*
 * Is there no room for another long body to this rank, while `unsent` bytes of such bodies are not
 * sent yet? A rank may have as many as are left over: one slow rank has half of send_memory, two
 * have a third each, and there is always a rest for the others. The last body that passes may be of
 * any size.
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
	fy_sub_32(&room->bodies_to[rank], fy_room_body_units(nbytes));
	fy_sub_64(&room->bodies, nbytes);
}

/* Make posters that wait for room look again. The addition is a full fence between what
 * gave room and the look for waiters. A waiter counts itself, fences, and looks for room. */
static inline void fy_room_tell(struct fy_room *room)
{
	fy_add_32(&room->word, 1);
	if (fy_load_acquire_32(&room->waiters))
		fy_futex_wake(&room->word, INT_MAX, false);
}
