/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_SHARED_ROOM_H
#define FY_SHARED_ROOM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/futex.h"
#include "base/order.h"
#include "shared/engine.h"

#define FY_BODY_UNIT_SHIFT 10 /* of bodies_to */

static inline uint32_t fy_room_body_units(size_t nbytes)
{
	return (uint32_t)((nbytes + (1u << FY_BODY_UNIT_SHIFT) - 1) >> FY_BODY_UNIT_SHIFT);
}

/*
 * Long bodies that were posted and are not sent yet. While `held` bytes are, is there no room for
 * another to this rank? Each may hold as much as is left over: one slow rank has half of
 * send_memory, two have a third each, and there is always something left for the others. The last
 * one that passes may be of any size.
 */
static inline bool fy_room_bodies_full_at(const ferry *e, int rank, uint64_t held)
{
	uint64_t its = (uint64_t)fy_load_acquire_32(&e->bodies_to[rank]) << FY_BODY_UNIT_SHIFT;
	return held + its >= e->options.send_memory;
}
static inline bool fy_room_bodies_full(const ferry *e, int rank)
{
	return fy_room_bodies_full_at(e, rank, fy_load_acquire_64(&e->bodies));
}

static inline void fy_room_bodies_lower(ferry *e, int rank, size_t nbytes)
{
	fy_add_32(&e->bodies_to[rank], -fy_room_body_units(nbytes));
	fy_add_64(&e->bodies, -(uint64_t)nbytes);
}

/* Posters that wait for room look again. A full fence (the read-modify-write) stands between what
 * gave room and the look at who waits; a waiter counts itself, fences, and looks for room. */
static inline void fy_room_tell(ferry *e)
{
	fy_add_32(&e->room, 1);
	if (fy_load_acquire_32(&e->room_waiting))
		fy_futex_wake(&e->room, INT_MAX, false);
}

/* Threads that wait for room look again. */
void fy_room_nudge(ferry *engine);

#endif
