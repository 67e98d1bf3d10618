/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the wire is: bytes of large messages in the time in which any was under way. Only the
 * holder of the helm may call.
 *
 * MPI says nothing of a message that is on its way, so how often it has to be asked cannot be seen
 * there. It can be seen from how fast messages came lately: between two looks no more should come
 * than the buffers of a connection hold. A receiver counts chunks that came, while any message
 * lands. A sender counts messages whose place is acknowledged, while any is not: a send may be
 * complete when all of it is in a buffer.
 *
 * Short messages say more about latency than about the wire.
 */
#include "bulk/speed.h"

#include <stdbool.h>
#include <stdint.h>

#include "bulk/bulk.h"
#include "link/channel.h"
#include "link/link.h"
#include "port/port.h"

#define SAMPLE (4u << 20) /* bytes: several chunks may end at once */

static void count_time(struct fy_speed *speed, int64_t now)
{
	speed->took += now - speed->since;
	speed->since = now;
}

void fy_speed_begin(struct fy_speed *speed, int64_t now)
{
	if (!speed->moving++)
		speed->since = now;
}

void fy_speed_end(struct fy_speed *speed, int64_t now)
{
	count_time(speed, now);
	speed->moving--;
}

void fy_speed_moved(struct fy_speed *speed, int64_t now, uint64_t nbytes)
{
	speed->bytes += nbytes;
	if (speed->bytes < SAMPLE)
		return;
	count_time(speed, now);
	int64_t refill = (int64_t)((double)speed->took * FY_SPEED_UNIT / (double)speed->bytes) + 1;
	speed->refill = speed->refill ? (speed->refill + refill) / 2 : refill;
	speed->took = 0;
	speed->bytes = 0;
}

bool fy_speed_is_wire(const struct fy_bulk *bulk, const struct fy_channel *ch)
{
	return !bulk->link->port->all_local && !ch->doorbell && ch->rank != bulk->link->port->rank;
}

bool fy_speed_counts(const struct fy_bulk *bulk, const struct fy_channel *ch, uint64_t total)
{
	return total >= FY_SPEED_UNIT && fy_speed_is_wire(bulk, ch);
}

int64_t fy_speed_refill(const struct fy_bulk *bulk)
{
	int64_t in = bulk->speed_in.refill, out = bulk->speed_out.refill;
	if (!in || !out)
		return in + out;
	return in < out ? in : out;
}
