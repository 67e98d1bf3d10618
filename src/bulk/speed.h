/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fy_bulk;
struct fy_channel;

#define FY_SPEED_UNIT (64u << 10) /* bytes that the buffers of a connection hold in any case */

/* How fast large messages come over the wire, or are taken by their receivers. The helm's. */
struct fy_speed {
	unsigned moving; /* messages under way */
	int64_t since;   /* since when (ns) their time is not counted yet */
	int64_t took;    /* how long it took, in ns, ... */
	uint64_t bytes;  /* ... to move so many */
	int64_t refill;  /* ns for FY_SPEED_UNIT; 0: not known */
};

void fy_speed_begin(struct fy_speed *speed, int64_t now);
void fy_speed_moved(struct fy_speed *speed, int64_t now, uint64_t nbytes);
void fy_speed_end(struct fy_speed *speed, int64_t now);

/* Does a message of so many bytes say anything about the wire? */
bool fy_speed_counts(const struct fy_bulk *bulk, const struct fy_channel *ch, uint64_t total);
/* Is the peer on another host? */
bool fy_speed_is_wire(const struct fy_bulk *bulk, const struct fy_channel *ch);
/* What FY_SPEED_UNIT takes in the faster direction, ns; 0: not known, or there is no other host. */
int64_t fy_speed_refill(const struct fy_bulk *bulk);
