/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of control records. Only the holder of the helm may call.
 */
#include "link/control.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "link/channel.h"
#include "wire/record.h"

bool fy_control_put(struct fy_link *link, struct fy_channel *ch, uint32_t op, const void *body,
                    uint32_t nbytes)
{
	uint32_t size = fy_record_size(nbytes);
	struct fy_record *r = fy_channel_reserve(link, ch, size);
	if (!r)
		return false;
	*r = (struct fy_record){ FY_KIND_CONTROL | nbytes, op, (uint32_t)ch->rank, 0 };
	memcpy(r + 1, body, nbytes);
	fy_channel_commit(ch, size);
	return true;
}
