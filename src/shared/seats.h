/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/order.h"

#define FY_SEATS 1024u
#define FY_SEAT_NONE 0u
/* Parts are made in blocks: of seat 1, of seats 2 and 3, 4 to 7 and so on. */
#define FY_SEAT_BLOCKS 10u
_Static_assert(1u << FY_SEAT_BLOCKS == FY_SEATS, "each seat is in a block");

/* A lane's seat. */
struct fy_seat {
	uint32_t number;       /* FY_SEAT_NONE: it has none, */
	uint32_t block, index; /* and its block is FY_SEAT_BLOCKS; else where its part is */
};

/*
 * Seats: small numbers of the lanes that there are, from 1 on, the lowest free one first. What has
 * a part for each thread (shared/counter.h) finds the part by the seat, and has no more parts than
 * threads post at a time. A seat has one lane at a time, and who gets it sees all that the one
 * before wrote.
 */
struct fy_seats {
	/* a bit for each seat that is taken; that of FY_SEAT_NONE is never given. Written by those
	 * who make or free a lane (compare and swap, add) */
	uint64_t taken[FY_SEATS / 64];
};

/* What the lanes of an engine are numbered with. */
struct fy_numbers {
	uint32_t stream; /* the next one's: atomic add by threads that make a lane */
	struct fy_seats seats;
};

/* Its number is FY_SEAT_NONE if no seat is free. */
struct fy_seat fy_seats_take(struct fy_seats *seats);
void fy_seats_give(struct fy_seats *seats, const struct fy_seat *seat);
