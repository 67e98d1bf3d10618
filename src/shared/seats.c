/* SPDX-License-Identifier: Apache-2.0 */
/* The seats of lanes. Any thread. */
#include "shared/seats.h"

#include <stdint.h>

#include "base/order.h"

/* The lowest bit that may be taken in this word, or 0. */
static uint64_t lowest_free(uint64_t taken, uint32_t word)
{
	uint64_t free = ~taken & (word ? UINT64_MAX : ~(UINT64_C(1) << FY_SEAT_NONE));
	return free & (0 - free);
}

static struct fy_seat seat_of(uint32_t number)
{
	uint32_t block = 31 - (uint32_t)__builtin_clz(number);
	return (struct fy_seat){ number, block, number ^ 1u << block };
}

struct fy_seat fy_seats_take(struct fy_seats *seats)
{
	for (uint32_t word = 0; word < FY_SEATS / 64; word++) {
		uint64_t taken, bit;
		do {
			taken = fy_load_relaxed_64(&seats->taken[word]);
			bit = lowest_free(taken, word);
		} while (bit && !fy_cas_64(&seats->taken[word], taken, taken | bit));
		if (bit)
			return seat_of(word * 64 + (uint32_t)__builtin_ctzll(bit));
	}
	return (struct fy_seat){ FY_SEAT_NONE, FY_SEAT_BLOCKS, 0 };
}

void fy_seats_give(struct fy_seats *seats, const struct fy_seat *seat)
{
	if (seat->number != FY_SEAT_NONE)
		fy_sub_64(&seats->taken[seat->number / 64], UINT64_C(1) << seat->number % 64);
}
